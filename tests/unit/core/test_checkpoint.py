"""Checkpoints and witness policies."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import checkpoint, merkle, note
from passerelle.core.checkpoint import Checkpoint, Quorum
from passerelle.core.errors import FormatError, PasserelleError, ProofError
from passerelle.core.note import CosignatureSigner, NoteSigner

# C2SP tlog-checkpoint, the example's text.
C2SP_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

LOG = NoteSigner("a.example/log", b"l" * 32)
NEXT_KEY = NoteSigner("a.example/log", b"m" * 32)
WITNESSES = [CosignatureSigner(f"w{number}.example", bytes([number]) * 32) for number in range(3)]
KEYS = tuple(witness.verifier for witness in WITNESSES)
ROOT = merkle.leaf_hash(b"a")
HEAD = Checkpoint("a.example/log", 1, ROOT)
TIME = 1_800_000_000


def cosigned(*witnesses: CosignatureSigner, head: Checkpoint = HEAD) -> bytes:
    signed = note.parse_note(checkpoint.sign_checkpoint(head, [LOG]))
    return signed.with_signatures([witness.cosign(head.text, TIME) for witness in witnesses]).serialise()


def code_of(data: bytes, *keys: note.VerifierKey, **options: object) -> str:
    with pytest.raises(PasserelleError) as caught:
        checkpoint.open_checkpoint(data, keys or (LOG.verifier,), **options)  # type: ignore[arg-type]
    return caught.value.code


def test_the_published_text() -> None:
    head = checkpoint.parse_checkpoint(C2SP_TEXT)
    assert (head.origin, head.size, head.extensions) == ("example.com/behind-the-sofa", 20852163, ())
    assert head.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert head.text == C2SP_TEXT


def test_sign_and_open() -> None:
    opened = checkpoint.open_checkpoint(cosigned(), [LOG.verifier])
    assert opened.checkpoint == HEAD
    assert [signature.key for signature in opened.log] == [LOG.verifier]
    assert (opened.witnesses, opened.unknown) == ((), 0)
    assert opened.note.serialise() == cosigned()


def test_rotation_signs_with_two_keys() -> None:
    data = checkpoint.sign_checkpoint(HEAD, [LOG, NEXT_KEY])
    for keys in ([LOG.verifier], [NEXT_KEY.verifier]):
        assert checkpoint.open_checkpoint(data, keys).unknown == 1
    assert len(checkpoint.open_checkpoint(data, [LOG.verifier, NEXT_KEY.verifier]).log) == 2


def test_extension_lines_are_kept() -> None:
    head = Checkpoint("a.example/log", 1, ROOT, ("one", "two words"))
    assert checkpoint.open_checkpoint(cosigned(head=head), [LOG.verifier]).checkpoint == head


def test_empty_tree() -> None:
    head = Checkpoint("a.example/log", 0, merkle.EMPTY_ROOT)
    assert checkpoint.parse_checkpoint(head.text) == head


def test_any_altered_bit_fails() -> None:
    data = cosigned(WITNESSES[0])
    policy = Quorum(1, KEYS[:1])
    checkpoint.open_checkpoint(data, [LOG.verifier], witnesses=policy)
    for at in range(len(data)):
        for bit in range(8):
            changed = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            with pytest.raises(PasserelleError):
                checkpoint.open_checkpoint(changed, [LOG.verifier], witnesses=policy)


def test_the_origin_has_to_be_the_expected_one() -> None:
    assert code_of(cosigned(), origin="b.example/log") == "checkpoint-origin-mismatch"
    other = note.sign_note(HEAD.text.replace("a.example", "b.example"), [LOG]).serialise()
    assert code_of(other) == "checkpoint-origin-mismatch"
    assert checkpoint.open_checkpoint(other, [LOG.verifier], origin="b.example/log").checkpoint.size == 1
    with pytest.raises(ProofError) as caught:
        checkpoint.sign_checkpoint(Checkpoint("b.example/log", 1, ROOT), [LOG])
    assert caught.value.code == "checkpoint-origin-mismatch"


def test_a_witness_is_not_the_log() -> None:
    only = note.Note(HEAD.text, (WITNESSES[0].cosign(HEAD.text, TIME),)).serialise()
    assert code_of(only, witnesses=Quorum(1, KEYS)) == "note-unsigned"
    assert code_of(only) == "note-key-unknown"
    assert code_of(only, KEYS[0]) == "note-key-malformed"


def test_quorum() -> None:
    two = cosigned(WITNESSES[0], WITNESSES[2])
    opened = checkpoint.open_checkpoint(two, [LOG.verifier], witnesses=Quorum(2, KEYS))
    assert opened.witnesses == (
        note.VerifiedSignature(KEYS[0], TIME),
        note.VerifiedSignature(KEYS[2], TIME),
    )
    assert code_of(two, witnesses=Quorum(3, KEYS)) == "witness-quorum-missing"
    assert code_of(two, witnesses=Quorum(2, KEYS[:2])) == "witness-quorum-missing"
    assert checkpoint.open_checkpoint(two, [LOG.verifier], witnesses=Quorum(0, KEYS[:1])).unknown == 1


def test_a_known_witness_that_does_not_verify_refuses_the_checkpoint() -> None:
    signed = note.parse_note(checkpoint.sign_checkpoint(HEAD, [LOG]))
    data = signed.with_signatures([WITNESSES[0].cosign("other\n", TIME)]).serialise()
    assert code_of(data, witnesses=Quorum(0, KEYS)) == "cosignature-invalid"
    assert checkpoint.open_checkpoint(data, [LOG.verifier]).unknown == 1


def test_quorum_is_asked_of_distinct_listed_keys() -> None:
    once = (note.VerifiedSignature(KEYS[0], TIME), note.VerifiedSignature(KEYS[0], TIME + 1))
    stranger = note.VerifiedSignature(CosignatureSigner("s.example", b"s" * 32).verifier, TIME)
    for cosignatures in (once, (once[0], stranger)):
        with pytest.raises(ProofError):
            Quorum(2, KEYS).require(cosignatures)


def test_policies_that_count_wrongly_are_refused() -> None:
    renamed = CosignatureSigner("other.example", b"\0" * 32).verifier
    assert renamed.public_key == KEYS[0].public_key
    for k, keys in ((-1, KEYS), (4, KEYS), (1, ()), (1, (LOG.verifier,)), (1, (KEYS[0], renamed)), (1, KEYS[:1] * 2)):
        with pytest.raises(FormatError) as caught:
            Quorum(k, keys)
        assert caught.value.code == "witness-policy-malformed"


ROOT_LINE = "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "a\n1\n",
        f"a\n1\n{ROOT_LINE}",
        f"\n1\n{ROOT_LINE}\n",
        f"a\n\n{ROOT_LINE}\n",
        f"a\n01\n{ROOT_LINE}\n",
        f"a\n+1\n{ROOT_LINE}\n",
        f"a\n-1\n{ROOT_LINE}\n",
        f"a\n 1\n{ROOT_LINE}\n",
        f"a\n1_0\n{ROOT_LINE}\n",
        f"a\n١\n{ROOT_LINE}\n",
        f"a\n0\n{ROOT_LINE}\n",
        f"a\n9223372036854775808\n{ROOT_LINE}\n",
        f"a\n{'9' * 5000}\n{ROOT_LINE}\n",
        f"a\n1\n{ROOT_LINE[:-1]}\n",
        f"a\n1\n{ROOT_LINE[:-2]}1=\n",
        f"a\n1\n{ROOT_LINE} \n",
        "a\n1\nAAAA\n",
        f"a\n1\n{ROOT_LINE}\n\n",
        f"a\n1\n{ROOT_LINE}\n\nextension\n",
    ],
)
def test_malformed_texts(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        checkpoint.parse_checkpoint(text)
    assert caught.value.code == "checkpoint-malformed"


def test_a_signed_text_that_is_no_checkpoint() -> None:
    assert code_of(note.sign_note("a.example/log\n", [LOG]).serialise()) == "checkpoint-malformed"


@settings(max_examples=150)
@given(st.one_of(st.text(max_size=80), st.lists(st.text(max_size=10)).map(lambda rest: "\n".join(["a", "1", *rest]))))
def test_any_text_is_read_back_or_refused(text: str) -> None:
    try:
        head = checkpoint.parse_checkpoint(text)
    except FormatError:
        return
    assert head.text == text


@settings(max_examples=60)
@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_round_trip(size: int, root: bytes) -> None:
    head = Checkpoint("a.example/log", size, root)
    assert checkpoint.parse_checkpoint(head.text) == head


@settings(max_examples=80)
@given(st.text(max_size=5), st.integers(-2, 2**65), st.binary(max_size=33))
def test_anything_else_is_the_typed_error(origin: str, size: int, root: bytes) -> None:
    try:
        head = Checkpoint(origin, size, root)
    except FormatError:
        return
    assert checkpoint.parse_checkpoint(head.text) == head
