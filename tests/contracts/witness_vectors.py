"""Vectors of cosignatures and of evidence files, over a log of nine entries and one with another past."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.evidence import EQUIVOCATION, Evidence, build_evidence, contradiction, judge, parse_evidence
from passerelle.core.merkle import leaf_hashes, root_from_leaves
from passerelle.core.note import CosignatureSigner, NoteSigner, parse_note
from passerelle.core.tiles import write_tiles
from passerelle.core.witness import WitnessQuorum, witness_name

NETWORK = "passerelle.example/log"
LOG = NoteSigner(NETWORK, b"\x03" * 32)
STRANGER = NoteSigner(NETWORK, b"\x02" * 32)
WITNESS = CosignatureSigner(witness_name(NETWORK, "humber"), b"\x05" * 32)
TIME = 1_790_000_000
LEAVES = leaf_hashes(b"entry %d" % number for number in range(9))
REWRITTEN = [*LEAVES[:2], *leaf_hashes([b"rewritten"]), *LEAVES[3:]]


def note(leaves: Sequence[bytes], signer: NoteSigner = LOG) -> bytes:
    """The checkpoint of a tree."""
    return sign_checkpoint(Checkpoint(NETWORK, len(leaves), root_from_leaves(leaves)), [signer])


def cosigned(data: bytes, signer: CosignatureSigner = WITNESS) -> str:
    """The note with a cosignature."""
    found = parse_note(data)
    return found.with_signatures([signer.cosign(found.text, TIME)]).serialise().decode()


def evidence(first: Sequence[bytes], second: Sequence[bytes]) -> dict[str, Any]:
    """The file of two trees that contradict each other."""
    tiles = {(tile.coord.level, tile.coord.index): tile.hashes for tile in write_tiles(0, second, lambda _coord: b"")}
    heads = [Checkpoint(NETWORK, len(leaves), root_from_leaves(leaves)) for leaves in (first, second)]
    hashes = contradiction(heads[0], heads[1], lambda level, index: tiles[level, index])
    assert hashes is not None
    return dict(json.loads(build_evidence(Evidence(note(first), note(second), hashes))))


def code_of(work: Any, *arguments: Any) -> str:
    """The code with which a vector is refused."""
    try:
        work(*arguments)
    except PasserelleError as error:
        return error.code
    raise AssertionError("an invalid vector was accepted")


def judged(value: dict[str, Any]) -> str:
    """The code that a file proves."""
    return judge(parse_evidence(json.dumps(value).encode()), [LOG.verifier], NETWORK).code


def opened(text: str) -> None:
    """A note that the log and the witness must have signed."""
    open_checkpoint(text.encode(), [LOG.verifier], origin=NETWORK, witnesses=WitnessQuorum(1, (WITNESS.verifier,)))


def build() -> dict[str, Any]:
    """The content of ``witness.json``."""
    proved = [evidence(LEAVES, REWRITTEN)] + [evidence(LEAVES[:size], REWRITTEN) for size in (3, 4, 7, 8)]
    good, forked = proved[2], proved[0]
    honest = note(LEAVES[:4]).decode()
    moved = cosigned(note(LEAVES[:8])).replace("\n8\n", "\n9\n")
    other = CosignatureSigner(witness_name(NETWORK, "york"), b"\x05" * 32)
    invalid = {
        "one size, one root": {**forked, "second": forked["first"]},
        "one size with hashes": {**forked, "hashes": good["hashes"]},
        "the later tree extends the earlier one": {**good, "first": note(REWRITTEN[:4]).decode()},
        "hashes of another tree": {**good, "second": note(LEAVES).decode(), "first": honest},
        "a hash is absent": {**good, "hashes": good["hashes"][1:]},
        "larger before smaller": {**good, "first": good["second"], "second": good["first"]},
        "not signed by the log": {**good, "first": note(LEAVES[:4], STRANGER).decode()},
        "hash not lower-case": {**good, "hashes": [item.upper() for item in good["hashes"]]},
        "unknown part": {**good, "more": ""},
        "format absent": {name: value for name, value in good.items() if name != "format"},
    }
    bad_notes = {
        "no cosignature": honest,
        "checkpoint altered": moved,
        "key of another member's name": cosigned(note(LEAVES), other),
    }
    return {
        "network": NETWORK,
        "log_vkey": str(LOG.verifier),
        "log_public_key": LOG.verifier.public_key.hex(),
        "member": "humber",
        "witness_vkey": str(WITNESS.verifier),
        "witness_public_key": WITNESS.verifier.public_key.hex(),
        "cosigned": [{"note": cosigned(note(LEAVES[:size])), "time": TIME} for size in (1, 9)],
        "invalid_notes": [{"why": why, "note": text, "code": code_of(opened, text)} for why, text in bad_notes.items()],
        "evidence": [
            {"proves": "equivocation" if judged(item) == EQUIVOCATION else "inconsistency", "file": item}
            for item in proved
        ],
        "invalid_evidence": [
            {"why": why, "file": item, "code": code_of(judged, item)} for why, item in invalid.items()
        ],
    }
