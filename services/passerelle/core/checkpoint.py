"""Checkpoints: what the log signs about its tree (C2SP tlog-checkpoint), and policies about their witnesses.

Error codes: `checkpoint-malformed` and `witness-policy-malformed` as FormatError; `checkpoint-origin-mismatch`,
`note-unsigned` and `witness-quorum-missing` as ProofError; and those of `note`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from passerelle.core.errors import FormatError, ProofError
from passerelle.core.merkle import EMPTY_ROOT, HASH_SIZE, MAX_SIZE
from passerelle.core.note import (
    COSIGNATURE_V1,
    ED25519,
    Note,
    NoteSigner,
    VerifiedSignature,
    VerifierKey,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    sign_note,
)

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's `origin`, the number of leaves, the 32-byte root, and extension lines (none by us).

    Raises FormatError `checkpoint-malformed` when made with an empty or broken line, a size outside 0 to 2**63 - 1, a
    root of another length, or the empty tree with a root that is not `EMPTY_ROOT`.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what could not be written or is no tree head."""
        for line in (self.origin, *self.extensions):
            if not line or "\n" in line:
                raise _malformed("The origin and each extension is one line that is not empty.", "origin")
        if not 0 <= self.size <= MAX_SIZE:
            raise _malformed("The tree size is outside 0 to 2^63 - 1.", "size")
        if len(self.root) != HASH_SIZE:
            raise _malformed("The root is not 32 bytes long.", "root")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise _malformed("The root is not the one of the empty tree.", "root")

    @property
    def text(self) -> str:
        """The note's text: three lines and the extensions, each with its LF (tlog-checkpoint, "Note text")."""
        return "\n".join((self.origin, str(self.size), encode_base64(self.root), *self.extensions)) + "\n"


@dataclass(frozen=True, slots=True)
class OpenedCheckpoint:
    """A checkpoint that its log signed. `log`: the log's keys that signed, each once; `witnesses`: known witnesses that
    cosigned, with the time; `unknown`: signatures by others; `note`: what was opened, to be kept or passed on.
    """

    checkpoint: Checkpoint
    log: tuple[VerifiedSignature, ...]
    witnesses: tuple[VerifiedSignature, ...]
    unknown: int
    note: Note


class WitnessPolicy(Protocol):
    """Which witnesses are known, and which of them together are enough (tlog-proof, "Verifying a tlog proof")."""

    @property
    def keys(self) -> Sequence[VerifierKey]:
        """The witnesses' keys, all of type `COSIGNATURE_V1`."""

    def require(self, cosigned: Sequence[VerifiedSignature]) -> None:
        """Return when these verified cosignatures are enough; else raise ProofError `witness-quorum-missing`."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """At least `k` of the witnesses `keys`; with k = 0 cosignatures are verified and none is asked for.

    A public key counts once, under however many names. Raises FormatError `witness-policy-malformed` when a key is not
    a witness's, is listed twice, or k is outside 0 to the number of keys.
    """

    k: int
    keys: tuple[VerifierKey, ...]

    def __post_init__(self) -> None:
        """Refuse a policy that could never be met or counts somebody twice."""
        if any(key.algorithm != COSIGNATURE_V1 for key in self.keys):
            raise _bad_policy("A witness's verifier key is not of type 4 (cosignature).")
        if len({key.public_key for key in self.keys}) != len(self.keys):
            raise _bad_policy("A witness's public key is listed twice.")
        if not 0 <= self.k <= len(self.keys):
            raise _bad_policy("The number of witnesses asked for is outside 0 to the number listed.")

    def require(self, cosigned: Sequence[VerifiedSignature]) -> None:
        """Return when at least k of the keys are among these verified cosignatures.

        Raises ProofError `witness-quorum-missing`.
        """
        count = len({signature.key for signature in cosigned} & set(self.keys))
        if count < self.k:
            raise ProofError(
                "witness-quorum-missing", f"{count} known witnesses cosigned and {self.k} are asked for.", where="note"
            )


NO_WITNESSES = Quorum(0, ())
"""The policy that knows no witness and asks for none."""


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint note (tlog-checkpoint, "Note text"); `.text` gives it back.

    The text is worth nothing before its signature is verified: use `open_checkpoint` on bytes from elsewhere.
    Raises FormatError `checkpoint-malformed`.
    """
    *lines, end = text.split("\n")
    if end or len(lines) < 3:
        raise _malformed("The text is not at least three lines that each end in LF.", "text")
    origin, size, root, *extensions = lines
    if _DECIMAL.fullmatch(size) is None:
        raise _malformed("The tree size is not a decimal number without leading zeros.", "size")
    decoded = decode_base64(root)
    if decoded is None:
        raise _malformed("The root is not canonical base64.", "root")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[NoteSigner]) -> bytes:
    """The checkpoint as a signed note.

    The caller answers for consistency: a log never signs a checkpoint that is inconsistent with one that it signed.
    Raises ProofError `checkpoint-origin-mismatch` when a signer's key name is not the origin, and as `sign_note`.
    """
    for signer in signers:
        _require_origin(checkpoint, signer.verifier.name)
    return sign_note(checkpoint.text, signers).serialise()


def open_checkpoint(
    data: bytes,
    log_keys: Sequence[VerifierKey],
    *,
    origin: str | None = None,
    witnesses: WitnessPolicy = NO_WITNESSES,
) -> OpenedCheckpoint:
    """Read a checkpoint note and verify it: signed by the log, of the expected origin, with enough witnesses.

    `log_keys`: the keys of one log, several while it rotates them; one has to sign. `origin`: the line that is
    expected, by default the name of the log's key that signed. Raises FormatError `note-malformed`, `note-too-large`,
    `note-key-malformed` (a log key that is not of type 1), `checkpoint-malformed`; ProofError `note-key-unknown`
    (nobody known signed), `note-unsigned` (only witnesses signed), `note-signature-invalid`, `cosignature-malformed`,
    `cosignature-invalid`, `checkpoint-origin-mismatch`, `witness-quorum-missing`.
    """
    if any(key.algorithm != ED25519 for key in log_keys):
        raise FormatError("note-key-malformed", "The log's verifier key is not of type 1 (Ed25519).", where="log keys")
    note = parse_note(data)
    opened = open_note(note, (*log_keys, *witnesses.keys))
    by_log = tuple(signature for signature in opened.signed if signature.key in log_keys)
    by_witnesses = tuple(signature for signature in opened.signed if signature.key not in log_keys)
    if not by_log:
        raise ProofError("note-unsigned", "Witnesses signed the checkpoint and the log did not.", where="signatures")
    checkpoint = parse_checkpoint(opened.text)
    for name in [signature.key.name for signature in by_log] if origin is None else [origin]:
        _require_origin(checkpoint, name)
    witnesses.require(by_witnesses)
    return OpenedCheckpoint(checkpoint, by_log, by_witnesses, opened.unknown, note)


def _require_origin(checkpoint: Checkpoint, expected: str) -> None:
    if checkpoint.origin != expected:
        raise ProofError("checkpoint-origin-mismatch", "The origin is not the one expected.", where="origin")


def _malformed(what: str, where: str) -> FormatError:
    return FormatError("checkpoint-malformed", what, where=where)


def _bad_policy(what: str) -> FormatError:
    return FormatError("witness-policy-malformed", what, where="witnesses")
