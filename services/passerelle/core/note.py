"""Signed notes (C2SP signed-note) with Ed25519 signatures and Ed25519 cosignatures (C2SP tlog-cosignature).

A note is a text of lines, a blank line, and signature lines. Notes come from anywhere, so every reader here is strict
and bounded, and what it accepts it would write again byte for byte.

Error codes: `note-malformed`, `note-too-large`, `note-key-malformed` as FormatError; `note-signature-invalid`,
`cosignature-malformed`, `cosignature-invalid`, `note-key-unknown`, `note-signature-duplicate` as ProofError.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from passerelle.core.errors import FormatError, ProofError

ED25519 = 0x01
"""Signature type: Ed25519 over the note's text (signed-note, "Ed25519 signatures")."""
COSIGNATURE_V1 = 0x04
"""Signature type: timestamped Ed25519 cosignature of a checkpoint (tlog-cosignature, "Ed25519 signed message")."""

MAX_SIGNATURES = 100
MAX_NOTE_SIZE = 64 * 1024
"""Bytes of a whole note. Sixteen signatures of the largest assigned type (ML-DSA-44, 3.3 kB a line) fit, as the
standard asks."""
MAX_NAME = 255
MAX_TIMESTAMP = 2**63 - 1

_KEY_SIZE = 32
_SIGNATURE_SIZE = 64
_SIGNATURE_MARK = "— "
# Lone surrogates are Python strings that no UTF-8 can hold.
_NOT_IN_TEXT = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
_NOT_IN_NAME = re.compile("[+\\s\x00-\x1f\ud800-\udfff]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{4,200}={0,2})")


@dataclass(frozen=True)
class VerifierKey:
    """A public key that verifies note signatures.

    `name`: key name, 1 to 255 characters, no space and no plus; `algorithm`: `ED25519` or `COSIGNATURE_V1`;
    `public_key`: the 32 bytes of RFC 8032. Raises FormatError `note-key-malformed` when made otherwise.
    """

    name: str
    algorithm: int
    public_key: bytes

    def __post_init__(self) -> None:
        """Refuse what no signature could match."""
        if not is_key_name(self.name):
            raise _bad_key("A key name is empty, too long, or has a space, a control character or a plus.")
        if self.algorithm not in (ED25519, COSIGNATURE_V1):
            raise _bad_key("The signature type is neither 1 (Ed25519) nor 4 (cosignature).")
        if len(self.public_key) != _KEY_SIZE:
            raise _bad_key("The public key is not 32 bytes long.")

    @cached_property
    def key_id(self) -> bytes:
        """Four bytes: SHA-256(name || 0x0A || type || key), cut (signed-note, "Signatures")."""
        return sha256(self.name.encode() + b"\n" + self._typed_key()).digest()[:4]

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Read `<name>+<8 hex digits>+<base64(type || key)>` (signed-note, "Verifier keys").

        Raises FormatError `note-key-malformed`, also when the hex digits are not this key's id.
        """
        match = _VKEY.fullmatch(vkey)
        if match is None:
            raise _bad_key("The verifier key is not name, eight hex digits and base64, joined by plus.")
        typed = decode_base64(match[3])
        if typed is None:
            raise _bad_key("The key material is not standard base64.")
        key = cls(match[1], typed[0], typed[1:])
        if key.key_id.hex() != match[2]:
            raise _bad_key("The key id is not the one of this name and key.")
        return key

    def __str__(self) -> str:
        """The verifier key as text, as `parse` reads it."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(self._typed_key())}"

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check the bytes after the key id of a signature line over a note's text.

        Returns the time of a cosignature in Unix seconds, None for a plain signature. Raises ProofError
        `note-signature-invalid`, `cosignature-malformed` or `cosignature-invalid`.
        """
        if self.algorithm == COSIGNATURE_V1:
            return self._verify_cosignature(text, signature)
        if len(signature) != _SIGNATURE_SIZE or not self._signed(text.encode(), signature):
            raise ProofError("note-signature-invalid", "A signature by a known key does not verify.", where=self.name)
        return None

    def _verify_cosignature(self, text: str, signature: bytes) -> int:
        timestamp = int.from_bytes(signature[:8], "big")
        if len(signature) != 8 + _SIGNATURE_SIZE or timestamp > MAX_TIMESTAMP:
            raise ProofError("cosignature-malformed", "A cosignature is not a time and 64 bytes.", where=self.name)
        if not self._signed(_cosigned_message(text, timestamp), signature[8:]):
            raise ProofError("cosignature-invalid", "A cosignature by a known key does not verify.", where=self.name)
        return timestamp

    def _signed(self, message: bytes, signature: bytes) -> bool:
        try:
            VerifyKey(self.public_key).verify(message, signature)
        except BadSignatureError:
            return False
        return True

    def _typed_key(self) -> bytes:
        return bytes((self.algorithm,)) + self.public_key


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: key name, the four bytes of the key id, and the signature's own bytes (at least one)."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line with its end, as it stands in a note."""
        return f"{_SIGNATURE_MARK}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as written: `text` with its final newline, and at least one signature. Nothing is verified yet.

    Made by `parse_note` or `sign_note`, which check the form; `serialise` gives back the exact bytes.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def serialise(self) -> bytes:
        """The note's bytes. Raises FormatError as `parse_note` when it would not be read again."""
        data = (self.text + "\n" + "".join(signature.line for signature in self.signatures)).encode()
        parse_note(data)
        return data

    def with_signatures(self, signatures: Iterable[NoteSignature]) -> "Note":
        """The same text with more signatures, in order, after those that it has.

        Raises ProofError `note-signature-duplicate` when a key would sign twice.
        """
        joined = (*self.signatures, *signatures)
        if len({(signature.name, signature.key_id) for signature in joined}) != len(joined):
            raise ProofError("note-signature-duplicate", "One key would sign the note twice.", where="signatures")
        return Note(self.text, joined)


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A key that signed, and the Unix seconds that a cosignature names (None for a plain signature)."""

    key: VerifierKey
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class OpenedNote:
    """A note with at least one good signature: its text, who signed (each key once), and how many others did."""

    text: str
    signed: tuple[VerifiedSignature, ...]
    unknown: int


class NoteSigner:
    """Signs notes with Ed25519 under a key name; `seed` is the 32 bytes of RFC 8032's private key.

    `verifier` is the public half, for whoever verifies. Raises FormatError `note-key-malformed` for a wrong name or
    seed.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = _signing_key(seed)
        self.verifier = VerifierKey(name, ED25519, bytes(self._key.verify_key))

    def sign(self, text: str) -> NoteSignature:
        """Sign a note's text. Raises FormatError `note-malformed` for a text that no note may hold."""
        require_note_text(text)
        signature = self._key.sign(text.encode()).signature
        return NoteSignature(self.verifier.name, self.verifier.key_id, signature)


class CosignatureSigner:
    """Signs checkpoints as a witness: that at a time this was the largest consistent tree it knew of the log.

    The promise is the caller's: whoever calls `cosign` has verified consistency with the last checkpoint cosigned.
    `verifier` is the public half. Raises as `NoteSigner`.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = _signing_key(seed)
        self.verifier = VerifierKey(name, COSIGNATURE_V1, bytes(self._key.verify_key))

    def cosign(self, text: str, timestamp: int) -> NoteSignature:
        """Cosign a checkpoint's text at `timestamp` (Unix seconds; tlog-cosignature, "Ed25519 signed message").

        Raises ProofError `cosignature-malformed` for a time out of range, FormatError `note-malformed`.
        """
        require_note_text(text)
        if not 0 <= timestamp <= MAX_TIMESTAMP:
            raise ProofError("cosignature-malformed", "The time is outside 0 to 2^63 - 1.", where="time")
        signature = self._key.sign(_cosigned_message(text, timestamp)).signature
        return NoteSignature(self.verifier.name, self.verifier.key_id, timestamp.to_bytes(8, "big") + signature)


def sign_note(text: str, signers: Sequence[NoteSigner]) -> Note:
    """A note over `text` signed by each signer, in order.

    Raises FormatError `note-malformed` for a text that no note may hold or without signers, ProofError
    `note-signature-duplicate`.
    """
    if not signers:
        raise _malformed("A note needs a signature.", "signatures")
    return Note(text, ()).with_signatures([signer.sign(text) for signer in signers])


def parse_note(data: bytes) -> Note:
    """Read a note's form (signed-note, "Format"); `serialise` gives the same bytes back.

    Stricter than the standard where it leaves room: base64 only in its canonical spelling, at most 100 signatures and
    64 KiB. Raises FormatError `note-malformed` or `note-too-large`.
    """
    if len(data) > MAX_NOTE_SIZE:
        raise FormatError("note-too-large", "The note is over 64 KiB.", where="note")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("The note is not UTF-8.", "note") from None
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise _malformed("The note is not a text, a blank line and signature lines that end in LF.", "note")
    require_note_text(text + "\n")
    signatures = lines[:-1].split("\n")
    if len(signatures) > MAX_SIGNATURES:
        raise FormatError("note-too-large", f"The note has more than {MAX_SIGNATURES} signatures.", where="signatures")
    return Note(text + "\n", tuple(_parse_signature(line, number) for number, line in enumerate(signatures, 1)))


def open_note(note: Note, keys: Iterable[VerifierKey]) -> OpenedNote:
    """Verify the signatures by known `keys`; those by others are ignored and counted.

    Every signature whose name and id match a known key must verify, a repeated one too; a key counts once, with its
    first signature. Raises ProofError `note-key-unknown` when no known key signed, `note-signature-invalid`,
    `cosignature-malformed` or `cosignature-invalid` when one does not verify; FormatError `note-key-malformed` when
    two known keys share name and id, so that a signature could not be told apart.
    """
    known = _by_id(keys)
    signed: dict[VerifierKey, VerifiedSignature] = {}
    unknown = 0
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            unknown += 1
            continue
        verified = VerifiedSignature(key, key.verify(note.text, signature.signature))
        signed.setdefault(key, verified)
    if not signed:
        raise ProofError("note-key-unknown", "No known key signed the note.", where="signatures")
    return OpenedNote(note.text, tuple(signed.values()), unknown)


def is_key_name(name: str) -> bool:
    """Whether `name` may name a key: 1 to 255 characters of valid Unicode, no space, no control, no plus."""
    return 0 < len(name) <= MAX_NAME and _NOT_IN_NAME.search(name) is None


def require_note_text(text: str) -> None:
    """Raise FormatError `note-malformed` unless `text` may be signed: ends in LF, no other control character."""
    if not text.endswith("\n"):
        raise _malformed("The text does not end in LF.", "text")
    if _NOT_IN_TEXT.search(text) is not None:
        raise _malformed("The text has a control character other than LF, or is not Unicode.", "text")


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """Read standard base64 in its one canonical spelling; None for anything else (RFC 4648, sections 3.5 and 4)."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    # Unused bits of the last digit may be set in what b64decode accepts: one signature would have several spellings.
    return data if encode_base64(data) == text else None


def _parse_signature(line: str, number: int) -> NoteSignature:
    where = f"signature {number}"
    if not line.startswith(_SIGNATURE_MARK):
        raise _malformed("A signature line does not begin with an em dash and a space.", where)
    name, space, encoded = line[len(_SIGNATURE_MARK) :].partition(" ")
    if not space or not is_key_name(name):
        raise _malformed("A signature line is not a key name, a space and base64.", where)
    raw = decode_base64(encoded)
    if raw is None or len(raw) < 5:
        raise _malformed("A signature is not canonical base64 of a key id and at least one byte.", where)
    return NoteSignature(name, raw[:4], raw[4:])


def _signing_key(seed: bytes) -> SigningKey:
    if len(seed) != _KEY_SIZE:
        raise _bad_key("The signing seed is not 32 bytes long.")
    return SigningKey(seed)


def _by_id(keys: Iterable[VerifierKey]) -> dict[tuple[str, bytes], VerifierKey]:
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise _bad_key("Two known keys share a name and an id.")
    return known


def _cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _malformed(what: str, where: str) -> FormatError:
    return FormatError("note-malformed", what, where=where)


def _bad_key(what: str) -> FormatError:
    return FormatError("note-key-malformed", what, where="key")
