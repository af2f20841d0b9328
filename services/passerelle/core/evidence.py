"""Evidence that a log contradicted itself: two checkpoints that it signed, and hashes where their sizes differ.

Whoever has the file and the log's verifier key judges it alone. Source: contracts/formats.md, "Evidence file".

Error codes: `evidence-malformed` as FormatError; `evidence-unproven` and `tile-hash-mismatch` as ProofError; and those
of `open_checkpoint`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from passerelle.core.checkpoint import Checkpoint, OpenedCheckpoint, open_checkpoint
from passerelle.core.errors import FormatError, ProofError
from passerelle.core.merkle import HASH_SIZE, Path, consistency_roots
from passerelle.core.note import MAX_NOTE_SIZE, Note, NoteSignature, VerifierKey
from passerelle.core.tiles import WIDTH, ReadTile, TileCoord, consistency_hashes_at, root_at, width_at

FORMAT: Final = "passerelle.evidence/v1"
FILE_SUFFIX: Final = ".evidence.json"
MAX_EVIDENCE: Final = 320 * 1024
"""Bytes of the largest evidence file that is read: two of the largest notes fit, each character escaped."""
MAX_HASHES: Final = 65
"""Hashes of the longest consistency path between trees of fewer than 2**63 leaves, and the one before it."""

EQUIVOCATION: Final = "checkpoint-forked"
INCONSISTENCY: Final = "checkpoint-inconsistent"
_NAMES: Final = frozenset({"format", "first", "second", "hashes"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two checkpoint notes as bytes, and `hashes` as `merkle.consistency_roots` takes them; none for equal sizes."""

    first: bytes
    second: bytes
    hashes: Path = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What evidence proves. `code`: `EQUIVOCATION` or `INCONSISTENCY`; `root`: root that the second checkpoint's tree
    has at the first one's size, which is not the first one's.
    """

    code: str
    first: Checkpoint
    second: Checkpoint
    root: bytes


def build_evidence(evidence: Evidence) -> bytes:
    """The file's bytes: one JSON object in UTF-8, ends in LF. Raises FormatError `evidence-malformed`."""
    value = {
        "format": FORMAT,
        "first": _text(evidence.first, "first"),
        "second": _text(evidence.second, "second"),
        "hashes": [node.hex() for node in evidence.hashes],
    }
    data = (json.dumps(value, ensure_ascii=False, indent=2) + "\n").encode("utf-8")
    parse_evidence(data)
    return data


def parse_evidence(data: bytes) -> Evidence:
    """Read an evidence file; nothing is judged yet. Raises FormatError `evidence-malformed`."""
    if len(data) > MAX_EVIDENCE:
        raise _malformed(f"The file is over {MAX_EVIDENCE} bytes.", "evidence")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise _malformed("The file is not one JSON object in UTF-8.", "evidence") from None
    if not isinstance(value, dict) or value.keys() != _NAMES or value["format"] != FORMAT:
        raise _malformed(f"The file is not an object of format ({FORMAT}), first, second and hashes.", "evidence")
    notes = []
    for name in ("first", "second"):
        if not isinstance(value[name], str):
            raise _malformed("The note is not a text.", name)
        notes.append(_bytes(value[name], name))
    hashes = value["hashes"]
    if not isinstance(hashes, list) or len(hashes) > MAX_HASHES:
        raise _malformed(f"The hashes are not a list of at most {MAX_HASHES}.", "hashes")
    return Evidence(notes[0], notes[1], tuple(_hash(item) for item in hashes))


def judge(evidence: Evidence, log_keys: Sequence[VerifierKey], network: str) -> Verdict:
    """What the evidence proves against the log with these keys, offline.

    Two roots of one size contradict each other by themselves. With different sizes the hashes must lead to the second
    checkpoint's root, so that they are of its tree, and to another root than the first one's. Raises ProofError
    `evidence-unproven` where nothing is proved; FormatError and ProofError as `open_checkpoint`, so where the log did
    not sign one of the notes.
    """
    first, second = (
        open_checkpoint(note, log_keys, origin=network).checkpoint for note in (evidence.first, evidence.second)
    )
    if first.size == second.size:
        if evidence.hashes or first.root == second.root:
            raise _unproven("The two checkpoints of one size have the same root, or hashes beside them.")
        return Verdict(EQUIVOCATION, first, second, second.root)
    if not 0 < first.size < second.size:
        raise _unproven("The first checkpoint is of the empty tree, or larger than the second.")
    old, new = _roots(first.size, second.size, evidence.hashes)
    if new != second.root:
        raise _unproven("The hashes are not of the second checkpoint's tree.")
    if old == first.root:
        raise _unproven("The second checkpoint extends the first.")
    return Verdict(INCONSISTENCY, first, second, old)


def contradiction(first: Checkpoint, second: Checkpoint, read: ReadTile) -> Path | None:
    """None where the second tree extends the first; else the hashes that show that it does not.

    `first` is not larger than `second`; `read` gives the tiles of the second tree (`tiles_between`). Raises ProofError
    `tile-hash-mismatch` where the tiles do not lead to the second root, which proves nothing; FormatError
    `tile-malformed`.
    """
    if first.size == second.size:
        return None if first.root == second.root else ()
    if first.size == 0:
        hashes: Path = ()
        old, new = first.root, root_at(second.size, read)
    else:
        hashes = consistency_hashes_at(first.size, second.size, read)
        old, new = consistency_roots(first.size, second.size, hashes)
    if new != second.root:
        what = "The tiles do not lead to the checkpoint's root."
        raise ProofError("tile-hash-mismatch", what, where=f"size {second.size}")
    return None if old == first.root else hashes


def tiles_between(size1: int, size2: int) -> list[TileCoord]:
    """The tiles that `contradiction` reads for these sizes, each in the width that the tree of `size2` has."""
    asked: dict[tuple[int, int], None] = {}

    def note(level: int, index: int) -> bytes:
        asked[level, index] = None
        return bytes(WIDTH * HASH_SIZE)

    if size1 == 0 < size2:
        root_at(size2, note)
    elif size1 < size2:
        consistency_hashes_at(size1, size2, note)
    return [TileCoord(level, index, width_at(level, index, size2)) for level, index in asked]


def log_note(opened: OpenedCheckpoint) -> bytes:
    """The opened checkpoint with the log's signatures alone, each once, as evidence and witnesses keep it."""
    wanted = {(signature.key.name, signature.key.key_id) for signature in opened.log}
    kept: dict[tuple[str, bytes], NoteSignature] = {}
    for signature in opened.note.signatures:
        place = (signature.name, signature.key_id)
        if place in wanted:
            kept.setdefault(place, signature)
    return Note(opened.note.text, tuple(kept.values())).serialise()


def evidence_name(data: bytes) -> str:
    """A short name for an evidence file: the first 16 hex digits of its SHA-256."""
    return sha256(data).hexdigest()[:16]


def _roots(size1: int, size2: int, hashes: Path) -> tuple[bytes, bytes]:
    try:
        return consistency_roots(size1, size2, hashes)
    except ProofError as error:
        raise _unproven(f"The hashes are no proof between these sizes: {error.what}") from None


def _text(note: bytes, where: str) -> str:
    try:
        return note.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("The note is not UTF-8.", where) from None


def _bytes(text: str, where: str) -> bytes:
    try:
        note = text.encode("utf-8")
    except UnicodeEncodeError:
        raise _malformed("The note is not Unicode.", where) from None
    if len(note) > MAX_NOTE_SIZE:
        raise _malformed("The note is over 64 KiB.", where)
    return note


def _hash(value: object) -> bytes:
    if isinstance(value, str) and len(value) == 2 * HASH_SIZE and set(value) <= set("0123456789abcdef"):
        return bytes.fromhex(value)
    raise _malformed("A hash is not 64 lower-case hex digits.", "hashes")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice")
    return value


def _malformed(what: str, where: str) -> FormatError:
    return FormatError("evidence-malformed", what, where=where)


def _unproven(what: str) -> ProofError:
    return ProofError("evidence-unproven", what, where="evidence")
