"""Signed notes and cosignatures, against the published examples and a second Ed25519 library."""

import base64
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import note
from passerelle.core.errors import FormatError, PasserelleError, ProofError
from passerelle.core.note import CosignatureSigner, NoteSigner, VerifierKey

# C2SP signed-note, "Verifier keys", Example.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()
# C2SP tlog-cosignature: the example's witness line; its time is given in the text of the standard.
C2SP_COSIGNATURE_LINE = (
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
    "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
C2SP_COSIGNATURE_TIME = 1679315147
# RFC 8032, section 7.1, TEST 1: a private key and its public key.
RFC8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC8032_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

SEED = bytes(range(32))
TEXT = "a.example/log\n2\nline\n"
SIGNER = NoteSigner("a.example/log", SEED)
WITNESS = CosignatureSigner("w.example/one", bytes(32))
TIME = 1_800_000_000


def opened(data: bytes, *keys: VerifierKey) -> note.OpenedNote:
    return note.open_note(note.parse_note(data), keys)


def flips(data: bytes) -> list[bytes]:
    """Every copy with one bit changed."""
    return [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


@pytest.mark.parametrize(("vkey", "data"), [(C2SP_KEY, C2SP_NOTE), (GO_KEY, GO_NOTE)])
def test_published_notes(vkey: str, data: bytes) -> None:
    key = VerifierKey.parse(vkey)
    assert str(key) == vkey
    assert opened(data, key).signed == (note.VerifiedSignature(key, None),)
    assert note.parse_note(data).serialise() == data
    for changed in flips(data):
        with pytest.raises(PasserelleError):
            opened(changed, key)


def test_published_key_pair() -> None:
    signer = NoteSigner("a.example", RFC8032_SEED)
    assert signer.verifier.public_key == RFC8032_PUBLIC
    assert signer.verifier.key_id == sha256(b"a.example\n\x01" + RFC8032_PUBLIC).digest()[:4]


def test_published_cosignature_layout() -> None:
    parsed = note.parse_note(f"x\n\n{C2SP_COSIGNATURE_LINE}".encode()).signatures[0]
    assert parsed.name == "witness.example.com/w1"
    assert int.from_bytes(parsed.signature[:8], "big") == C2SP_COSIGNATURE_TIME
    assert len(parsed.signature) == 8 + 64
    assert parsed.line == C2SP_COSIGNATURE_LINE


def test_signature_is_ed25519_over_the_text() -> None:
    signature = SIGNER.sign(TEXT)
    assert signature.signature == Ed25519PrivateKey.from_private_bytes(SEED).sign(TEXT.encode())
    raw = signature.line.removeprefix("— a.example/log ")
    assert base64.b64decode(raw) == SIGNER.verifier.key_id + signature.signature


def test_cosignature_is_over_header_time_and_text() -> None:
    signature = WITNESS.cosign(TEXT, TIME)
    assert signature.signature[:8] == TIME.to_bytes(8, "big")
    public = Ed25519PublicKey.from_public_bytes(WITNESS.verifier.public_key)
    public.verify(signature.signature[8:], b"cosignature/v1\ntime 1800000000\n" + TEXT.encode())
    assert WITNESS.verifier.key_id == sha256(b"w.example/one\n\x04" + WITNESS.verifier.public_key).digest()[:4]
    assert VerifierKey.parse(str(WITNESS.verifier)) == WITNESS.verifier


def test_known_are_verified_unknown_are_counted() -> None:
    stranger = NoteSigner("b.example", bytes(31) + b"1")
    made = note.sign_note(TEXT, [SIGNER, stranger]).with_signatures([WITNESS.cosign(TEXT, TIME)])
    data = made.serialise()
    result = opened(data, SIGNER.verifier, WITNESS.verifier)
    assert result.text == TEXT
    assert result.signed == (
        note.VerifiedSignature(SIGNER.verifier, None),
        note.VerifiedSignature(WITNESS.verifier, TIME),
    )
    assert result.unknown == 1
    assert opened(data, stranger.verifier).unknown == 2


def test_same_name_other_key_is_unknown() -> None:
    other = NoteSigner(SIGNER.verifier.name, bytes(32))
    with pytest.raises(ProofError) as caught:
        opened(note.sign_note(TEXT, [SIGNER]).serialise(), other.verifier)
    assert caught.value.code == "note-key-unknown"


def test_one_bad_signature_of_a_known_key_refuses_the_note() -> None:
    good, bad = SIGNER.sign(TEXT), SIGNER.sign("other\n")
    with pytest.raises(ProofError) as caught:
        note.open_note(note.Note(TEXT, (good, bad)), [SIGNER.verifier])
    assert caught.value.code == "note-signature-invalid"
    cosigned = note.Note(TEXT, (good, WITNESS.cosign("other\n", TIME)))
    with pytest.raises(ProofError) as caught:
        note.open_note(cosigned, [SIGNER.verifier, WITNESS.verifier])
    assert caught.value.code == "cosignature-invalid"
    assert note.open_note(cosigned, [SIGNER.verifier]).unknown == 1


def test_a_key_counts_once() -> None:
    first, second = WITNESS.cosign(TEXT, TIME), WITNESS.cosign(TEXT, TIME + 1)
    twice = note.open_note(note.Note(TEXT, (first, second)), [WITNESS.verifier, WITNESS.verifier])
    assert twice.signed == (note.VerifiedSignature(WITNESS.verifier, TIME),)
    with pytest.raises(ProofError) as caught:
        note.Note(TEXT, (first,)).with_signatures([second])
    assert caught.value.code == "note-signature-duplicate"


def test_two_known_keys_of_one_name_and_id_are_ambiguous() -> None:
    # Two numbers whose 32 bytes, read as keys of this name, share the four bytes of the id: found by trying.
    one, other = (VerifierKey("a.example", note.ED25519, number.to_bytes(32, "big")) for number in (38170, 78965))
    assert one.key_id == other.key_id
    with pytest.raises(FormatError) as caught:
        opened(GO_NOTE, VerifierKey.parse(GO_KEY), one, other)
    assert caught.value.code == "note-key-malformed"


@pytest.mark.parametrize("size", [1, 63, 65, 71, 73])
def test_signatures_of_another_length(size: int) -> None:
    for key in (SIGNER.verifier, WITNESS.verifier):
        with pytest.raises(ProofError):
            key.verify(TEXT, b"\0" * size)


def test_a_time_beyond_63_bits() -> None:
    with pytest.raises(ProofError) as caught:
        WITNESS.verifier.verify(TEXT, b"\xff" * 72)
    assert caught.value.code == "cosignature-malformed"
    for time in (-1, 2**63):
        with pytest.raises(ProofError) as caught:
            WITNESS.cosign(TEXT, time)
        assert caught.value.code == "cosignature-malformed"


def test_the_key_of_all_zeros_verifies_nothing() -> None:
    # With a key of small order one signature fits many texts; RFC 8032 libraries differ, this one must refuse.
    for public in (bytes(32), b"\x01" + bytes(31)):
        key = VerifierKey("a.example", note.ED25519, public)
        with pytest.raises(ProofError):
            key.verify(TEXT, public + bytes(32))


def line(name: str = "a.example", raw: bytes = b"12345") -> str:
    return f"— {name} {base64.b64encode(raw).decode()}\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        b"text" + line().encode(),
        ("text\n" + line()).encode(),
        ("text\n\n" + line()).encode()[:-1],
        ("text\n\n" + line() + "\n").encode(),
        ("text\r\n\n" + line()).encode(),
        ("te\0xt\n\n" + line()).encode(),
        ("te\txt\n\n" + line()).encode(),
        ("text\n\n" + line()).encode("utf-16"),
        b"\xff\n\n" + line().encode(),
        b"\xed\xa0\x80\n\n" + line().encode(),
        ("text\n\n" + line("")).encode(),
        ("text\n\n" + line("a+b")).encode(),
        ("text\n\n" + line("a b")).encode(),
        ("text\n\n" + line("a\u00a0b")).encode(),
        ("text\n\n" + line("a\u2028b")).encode(),
        ("text\n\n" + line("n" * 256)).encode(),
        ("text\n\n" + line(raw=b"1234")).encode(),
        "text\n\n— a.example \n".encode(),
        "text\n\n— a.example\n".encode(),
        b"text\n\n- a.example MTIzNDU=\n",
        "text\n\n— a.example MTIzNDU\n".encode(),
        "text\n\n— a.example MTIzNDV=\n".encode(),
        "text\n\n— a.example MTIz NDU=\n".encode(),
        "text\n\n— a.example MTIzND_=\n".encode(),
        "text\n\n— a.example MTIzNDU=\n— b.example\n".encode(),
    ],
)
def test_malformed_notes(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        note.parse_note(data)
    assert caught.value.code == "note-malformed"


def test_text_may_hold_blank_and_foreign_lines() -> None:
    text = "Ognuno sta solo\n\n— not a signature\nsul cuor\u2028della terra\n"
    data = note.sign_note(text, [SIGNER]).serialise()
    assert opened(data, SIGNER.verifier).text == text


def test_limits() -> None:
    hundred = "text\n\n" + line() * 100
    assert len(note.parse_note(hundred.encode()).signatures) == 100
    end = ("\n\n" + line()).encode()
    largest = b"t" * (note.MAX_NOTE_SIZE - len(end)) + end
    assert note.parse_note(largest).serialise() == largest
    for data in ((hundred + line()).encode(), b"t" + largest):
        with pytest.raises(FormatError) as caught:
            note.parse_note(data)
        assert caught.value.code == "note-too-large"


def test_sixteen_of_the_largest_signatures_fit() -> None:
    # signed-note asks verifiers to accept 16; ML-DSA-44 cosignatures are 8 + 2,420 bytes (tlog-cosignature).
    many = "text\n\n" + "".join(line(f"w{number}.example", bytes(4 + 8 + 2420)) for number in range(16))
    assert len(note.parse_note(many.encode()).signatures) == 16


@pytest.mark.parametrize("text", ["", "no end", "a\rb\n", "a\x00\n", "\ud800\n"])
def test_texts_that_are_not_signed(text: str) -> None:
    calls: list[Callable[[], object]] = [lambda: SIGNER.sign(text), lambda: WITNESS.cosign(text, TIME)]
    for call in calls:
        with pytest.raises(FormatError) as caught:
            call()
        assert caught.value.code == "note-malformed"


def test_a_note_without_signers() -> None:
    with pytest.raises(FormatError) as caught:
        note.sign_note(TEXT, [])
    assert caught.value.code == "note-malformed"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "+",
        C2SP_KEY + "\n",
        C2SP_KEY.replace("530d903a", "530D903A"),
        C2SP_KEY.replace("530d903a", "530d903b"),
        C2SP_KEY.replace("example.com/foo", ""),
        C2SP_KEY.replace("example.com/foo", "example com"),
        C2SP_KEY.replace("AekyeR", "Aek"),
        C2SP_KEY[:-4],
        C2SP_KEY[:-1] + "l",
        C2SP_KEY + "=",
        "n" * 100_000 + C2SP_KEY,
        "example.com/foo+530d903a+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
        "example.com/foo+530d903a+" + base64.b64encode(b"\x01" + bytes(31)).decode(),
    ],
)
def test_malformed_keys(vkey: str) -> None:
    assert vkey != C2SP_KEY
    with pytest.raises(FormatError) as caught:
        VerifierKey.parse(vkey)
    assert caught.value.code == "note-key-malformed"


def test_seeds_of_another_length_and_bad_names() -> None:
    for make in (
        lambda: NoteSigner("a.example", bytes(31)),
        lambda: CosignatureSigner("a.example", bytes(33)),
        lambda: NoteSigner("a example", SEED),
        lambda: CosignatureSigner("", SEED),
    ):
        with pytest.raises(FormatError) as caught:
            make()
        assert caught.value.code == "note-key-malformed"


def test_the_seed_is_not_shown() -> None:
    assert SEED.hex() not in repr(SIGNER) + repr(vars(SIGNER))
    assert repr(SEED) not in repr(SIGNER) + repr(vars(SIGNER))


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=60).map(lambda text: (text + "\n\n" + line()).encode())))
def test_any_bytes_are_parsed_back_or_refused(data: bytes) -> None:
    try:
        parsed = note.parse_note(data)
    except FormatError:
        return
    assert parsed.serialise() == data


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_any_text_as_key(vkey: str) -> None:
    with pytest.raises(FormatError):
        VerifierKey.parse(vkey)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=80).map(lambda text: text + "\n"))
def test_what_is_signed_opens(text: str) -> None:
    made = note.sign_note(text, [SIGNER]).with_signatures([WITNESS.cosign(text, TIME)])
    assert opened(made.serialise(), SIGNER.verifier, WITNESS.verifier).text == text
