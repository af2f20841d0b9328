"""C2SP tlog-proof files: build, read, verify."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import checkpoint, merkle, note, tlogproof
from passerelle.core.checkpoint import Checkpoint, Quorum
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.note import CosignatureSigner, NoteSigner
from passerelle.core.tlogproof import TlogProof

LOG = NoteSigner("a.example/log", b"l" * 32)
WITNESS = CosignatureSigner("w.example", b"w" * 32)
POLICY = Quorum(1, (WITNESS.verifier,))
ENTRIES = [b"entry %d" % number for number in range(300)]
LEAVES = merkle.leaf_hashes(ENTRIES)


def signed(size: int) -> bytes:
    head = Checkpoint("a.example/log", size, merkle.root_from_leaves(LEAVES[:size]))
    made = note.parse_note(checkpoint.sign_checkpoint(head, [LOG]))
    return made.with_signatures([WITNESS.cosign(head.text, 1_800_000_000)]).serialise()


def proof_of(index: int, size: int, extra: bytes | None = None) -> TlogProof:
    return TlogProof(index, merkle.inclusion_path(LEAVES[:size], index), signed(size), extra)


GOOD = proof_of(2, 5).serialise()


def test_form() -> None:
    proof = proof_of(2, 5, b"extra data")
    path = [base64.b64encode(node).decode() for node in merkle.inclusion_path(LEAVES[:5], 2)]
    assert len(path) == 3
    head = "\n".join(["c2sp.org/tlog-proof@v1", "extra ZXh0cmEgZGF0YQ==", "index 2", *path, "", ""])
    assert proof.serialise() == head.encode() + signed(5)
    assert tlogproof.parse_proof(proof.serialise()) == proof


def test_a_tree_of_one_has_no_path() -> None:
    data = proof_of(0, 1).serialise()
    assert data == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + signed(1)
    opened = tlogproof.verify_proof(tlogproof.parse_proof(data), ENTRIES[0], [LOG.verifier], witnesses=POLICY)
    assert opened.checkpoint.size == 1
    assert [signature.key for signature in opened.witnesses] == [WITNESS.verifier]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, len(ENTRIES)), st.data(), st.one_of(st.none(), st.binary(min_size=1, max_size=40)))
def test_every_proof_verifies_for_its_entry_only(size: int, data: st.DataObject, extra: bytes | None) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = tlogproof.parse_proof(proof_of(index, size, extra).serialise())
    assert proof.extra == extra
    opened = tlogproof.verify_proof(proof, ENTRIES[index], [LOG.verifier], origin="a.example/log", witnesses=POLICY)
    assert opened.checkpoint.size == size
    for entry in (ENTRIES[index - 1 if index else 1], ENTRIES[index] + b"\n", b""):
        with pytest.raises(PasserelleError) as caught:
            tlogproof.verify_proof(proof, entry, [LOG.verifier])
        assert caught.value.code == "proof-inclusion-invalid"


def test_any_altered_bit_fails() -> None:
    tlogproof.verify_proof(tlogproof.parse_proof(GOOD), ENTRIES[2], [LOG.verifier], witnesses=POLICY)
    for at in range(len(GOOD)):
        for bit in range(8):
            changed = GOOD[:at] + bytes([GOOD[at] ^ 1 << bit]) + GOOD[at + 1 :]
            with pytest.raises(PasserelleError):
                tlogproof.verify_proof(tlogproof.parse_proof(changed), ENTRIES[2], [LOG.verifier], witnesses=POLICY)


def test_any_cut_fails() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(PasserelleError):
            tlogproof.verify_proof(tlogproof.parse_proof(GOOD[:end]), ENTRIES[2], [LOG.verifier], witnesses=POLICY)


def test_log_origin_and_witnesses_are_asked_for() -> None:
    proof = tlogproof.parse_proof(GOOD)
    stranger = NoteSigner("a.example/log", b"x" * 32).verifier
    absent = CosignatureSigner("v.example", b"v" * 32).verifier
    for keys, origin, policy, code in (
        ([stranger], None, checkpoint.NO_WITNESSES, "note-key-unknown"),
        ([], None, POLICY, "note-unsigned"),
        ([LOG.verifier], "b.example/log", POLICY, "checkpoint-origin-mismatch"),
        ([LOG.verifier], None, Quorum(2, (WITNESS.verifier, absent)), "witness-quorum-missing"),
    ):
        with pytest.raises(PasserelleError) as caught:
            tlogproof.verify_proof(proof, ENTRIES[2], keys, origin=origin, witnesses=policy)
        assert caught.value.code == code


def test_the_proof_of_another_size_or_place() -> None:
    path = merkle.inclusion_path(LEAVES[:5], 2)
    for proof, code in (
        (TlogProof(2, path, signed(6)), "proof-inclusion-invalid"),
        (TlogProof(2, path, signed(9)), "proof-malformed"),
        (TlogProof(5, path, signed(5)), "proof-index-outside"),
        (TlogProof(2, path[:-1], signed(5)), "proof-malformed"),
    ):
        with pytest.raises(PasserelleError) as caught:
            tlogproof.verify_proof(proof, ENTRIES[2], [LOG.verifier])
        assert caught.value.code == code


HASH_LINE = base64.b64encode(bytes(32))
NOTE = signed(5)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"c2sp.org/tlog-proof@v1",
        b"c2sp.org/tlog-proof@v2\nindex 0",
        b"c2sp.org/tlog-proof@v1\r\nindex 0",
        b"\xef\xbb\xbfc2sp.org/tlog-proof@v1\nindex 0",
        b"c2sp.org/tlog-proof@v1\nindex",
        b"c2sp.org/tlog-proof@v1\nindex ",
        b"c2sp.org/tlog-proof@v1\nindex 00",
        b"c2sp.org/tlog-proof@v1\nindex -1",
        b"c2sp.org/tlog-proof@v1\nindex  1",
        b"c2sp.org/tlog-proof@v1\nindex 9223372036854775807",
        b"c2sp.org/tlog-proof@v1\nindex " + b"9" * 5000,
        b"c2sp.org/tlog-proof@v1\nextra\nindex 0",
        b"c2sp.org/tlog-proof@v1\nextra \nindex 0",
        b"c2sp.org/tlog-proof@v1\nextra eB==\nindex 0",
        b"c2sp.org/tlog-proof@v1\nextra eA==",
        b"c2sp.org/tlog-proof@v1\nextra eA==\nextra eA==\nindex 0",
        b"c2sp.org/tlog-proof@v1\nindex 0\nextra eA==",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA",
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH_LINE[:-1],
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + HASH_LINE + b" ",
        b"c2sp.org/tlog-proof@v1\nindex 0" + (b"\n" + HASH_LINE) * 64,
        b"c2sp.org/tlog-proof@v1\nextra " + base64.b64encode(bytes(16 * 1024 + 1)) + b"\nindex 0",
    ],
)
def test_malformed_heads(head: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        tlogproof.parse_proof(head + b"\n\n" + NOTE)
    assert caught.value.code == "proof-malformed"


def test_limits() -> None:
    widest = TlogProof(2**63 - 2, (bytes(32),) * 63, NOTE, bytes(16 * 1024))
    assert tlogproof.parse_proof(widest.serialise()) == widest
    with pytest.raises(FormatError) as caught:
        tlogproof.parse_proof(GOOD + b"x" * 128 * 1024)
    assert caught.value.code == "proof-malformed"
    with pytest.raises(FormatError) as caught:
        tlogproof.parse_proof(GOOD + b"x" * 64 * 1024)
    assert caught.value.code == "note-too-large"


def test_the_checkpoint_has_to_be_one() -> None:
    head = b"c2sp.org/tlog-proof@v1\nindex 0\n\n"
    for rest, code in (
        (b"", "note-malformed"),
        (b"\n" + NOTE, "checkpoint-malformed"),
        (note.sign_note("only a text\n", [LOG]).serialise(), "checkpoint-malformed"),
    ):
        with pytest.raises(FormatError) as caught:
            tlogproof.parse_proof(head + rest)
        assert caught.value.code == code


@settings(max_examples=150)
@given(
    st.one_of(
        st.binary(max_size=120),
        st.binary(max_size=120).map(lambda head: head + b"\n\n" + NOTE),
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.binary(max_size=6)).map(
            lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[1] :]
        ),
    )
)
def test_any_bytes_are_read_back_or_refused(data: bytes) -> None:
    try:
        proof = tlogproof.parse_proof(data)
    except FormatError:
        return
    assert proof.serialise() == data
