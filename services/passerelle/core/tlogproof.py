"""Proofs that an entry is in the log, checked without asking anybody (C2SP tlog-proof, `c2sp.org/tlog-proof@v1`).

Error codes: `proof-malformed`, `note-malformed`, `note-too-large`, `checkpoint-malformed` as FormatError; verification
raises those of `checkpoint` and `merkle`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from passerelle.core.checkpoint import NO_WITNESSES, OpenedCheckpoint, WitnessPolicy, open_checkpoint, parse_checkpoint
from passerelle.core.errors import FormatError
from passerelle.core.merkle import HASH_SIZE, MAX_SIZE, Path, leaf_hash, verify_inclusion
from passerelle.core.note import VerifierKey, decode_base64, encode_base64, parse_note

MAGIC = "c2sp.org/tlog-proof@v1"
FILE_SUFFIX = ".tlog-proof"
MAX_PATH = 63
"""Hashes in the longest inclusion path: trees have fewer than 2**63 leaves."""
MAX_EXTRA = 16 * 1024
MAX_PROOF_SIZE = 128 * 1024

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")
_EXTRA = "extra "


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Index of an entry, its inclusion path from leaf to root, and the checkpoint note, byte for byte.

    `extra`: up to 16 KiB for the application, covered by no signature: never to be trusted. Only the form is checked
    here, and refused as `parse_proof` does; `verify_proof` checks the rest.
    """

    index: int
    path: Path
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be written, or could not be read again."""
        if not 0 <= self.index < MAX_SIZE:
            raise _malformed("The index is outside 0 to 2^63 - 2.", "index")
        if len(self.path) > MAX_PATH or any(len(node) != HASH_SIZE for node in self.path):
            raise _malformed(f"The path is not at most {MAX_PATH} hashes of 32 bytes.", "path")
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA:
            raise _malformed("The extra data is empty or over 16 KiB.", "extra")
        parse_checkpoint(parse_note(self.checkpoint).text)

    def serialise(self) -> bytes:
        """The proof file's bytes (tlog-proof, "Format")."""
        lines = [MAGIC]
        if self.extra is not None:
            lines.append(_EXTRA + encode_base64(self.extra))
        lines.append(f"index {self.index}")
        lines.extend(encode_base64(node) for node in self.path)
        return "".join(f"{line}\n" for line in (*lines, "")).encode("ascii") + self.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof file; `serialise` gives the same bytes back. Nothing is verified yet.

    Raises FormatError `proof-malformed`, `note-malformed`, `note-too-large` or `checkpoint-malformed`.
    """
    if len(data) > MAX_PROOF_SIZE:
        raise _malformed("The proof is over 128 KiB.", "proof")
    head, blank, checkpoint = data.partition(b"\n\n")
    if not blank:
        raise _malformed("There is no blank line before the checkpoint.", "proof")
    if not head.isascii():
        raise _malformed("The lines before the checkpoint are not ASCII.", "proof")
    lines = head.decode("ascii").split("\n")
    if lines.pop(0) != MAGIC:
        raise _malformed(f"The first line is not {MAGIC}.", "line 1")
    extra: bytes | None = None
    if lines and lines[0].startswith(_EXTRA):
        extra = _decode(lines.pop(0).removeprefix(_EXTRA), "extra")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise _malformed("There is no index line with a decimal number without leading zeros.", "index")
    return TlogProof(int(index[1]), tuple(_decode(line, "path") for line in lines), checkpoint, extra)


def verify_proof(
    proof: TlogProof,
    entry: bytes,
    log_keys: Sequence[VerifierKey],
    *,
    origin: str | None = None,
    witnesses: WitnessPolicy = NO_WITNESSES,
) -> OpenedCheckpoint:
    """Check that the log, whose keys these are, holds exactly these `entry` bytes at the proof's index.

    Follows tlog-proof, "Verifying a tlog proof": the leaf hash of the entry, the log's signature and origin, the
    witnesses, the path. Returns the checkpoint that proves it. Raises as `open_checkpoint`, and ProofError
    `proof-index-outside`, `proof-malformed` or `proof-inclusion-invalid`.
    """
    opened = open_checkpoint(proof.checkpoint, log_keys, origin=origin, witnesses=witnesses)
    checkpoint = opened.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return opened


def _decode(text: str, where: str) -> bytes:
    data = decode_base64(text)
    if data is None:
        raise _malformed("A line is not canonical base64.", where)
    return data


def _malformed(what: str, where: str) -> FormatError:
    return FormatError("proof-malformed", what, where=where)
