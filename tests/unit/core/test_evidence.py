"""Evidence against a log: what proves a contradiction, and what proves nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.evidence import (
    EQUIVOCATION,
    INCONSISTENCY,
    MAX_EVIDENCE,
    Evidence,
    build_evidence,
    contradiction,
    judge,
    log_note,
    parse_evidence,
    tiles_between,
)
from passerelle.core.merkle import EMPTY_ROOT, leaf_hash, leaf_hashes, root_from_leaves
from passerelle.core.note import CosignatureSigner, NoteSigner
from passerelle.core.tiles import ReadTile, write_tiles
from passerelle.core.witness import witness_name

NETWORK = "log.test.example/1"
LOG = NoteSigner(NETWORK, b"l" * 32)
KEYS = [LOG.verifier]


def leaves(count: int, changed: int | None = None) -> list[bytes]:
    """Leaf hashes; one of them is another where ``changed`` names it."""
    hashes = leaf_hashes(b"entry %d" % index for index in range(count))
    if changed is not None:
        hashes[changed] = leaf_hash(b"rewritten")
    return hashes


def head(hashes: Sequence[bytes]) -> Checkpoint:
    return Checkpoint(NETWORK, len(hashes), root_from_leaves(hashes) if hashes else EMPTY_ROOT)


def note(checkpoint: Checkpoint, signer: NoteSigner = LOG) -> bytes:
    return sign_checkpoint(checkpoint, [signer])


def reader(hashes: Sequence[bytes], allowed: Sequence[tuple[int, int]] | None = None) -> ReadTile:
    """Tiles over these leaves; only those of ``allowed`` may be asked for."""
    tiles = {
        (tile.coord.level, tile.coord.index): tile.hashes for tile in write_tiles(0, list(hashes), lambda _coord: b"")
    }

    def read(level: int, index: int) -> bytes:
        assert allowed is None or (level, index) in allowed, "a tile was read that was not fetched"
        return tiles[level, index]

    return read


def code_of(evidence: Evidence) -> str:
    with pytest.raises(PasserelleError) as caught:
        judge(evidence, KEYS, NETWORK)
    return caught.value.code


def test_two_roots_of_one_size_prove_an_equivocation() -> None:
    one, other = head(leaves(5)), head(leaves(5, changed=2))
    data = build_evidence(Evidence(note(one), note(other)))
    verdict = judge(parse_evidence(data), KEYS, NETWORK)
    assert (verdict.code, verdict.first, verdict.second, verdict.root) == (EQUIVOCATION, one, other, other.root)


@given(st.integers(2, 700), st.data())
def test_a_rewritten_past_is_proved_and_an_honest_one_never_is(size2: int, data: st.DataObject) -> None:
    size1 = data.draw(st.integers(1, size2 - 1))
    changed = data.draw(st.integers(0, size1 - 1))
    first, later = head(leaves(size1)), leaves(size2, changed=changed)
    coords = tiles_between(size1, size2)
    read = reader(later, [(coord.level, coord.index) for coord in coords])
    hashes = contradiction(first, head(later), read)
    assert hashes is not None
    evidence = parse_evidence(build_evidence(Evidence(note(first), note(head(later)), hashes)))
    verdict = judge(evidence, KEYS, NETWORK)
    assert (verdict.code, verdict.root) == (INCONSISTENCY, root_from_leaves(later[:size1]))
    assert contradiction(first, head(leaves(size2)), reader(leaves(size2))) is None
    honest = contradiction(head(later[:size1]), head(later), read)
    assert honest is None
    assert code_of(Evidence(note(head(later[:size1])), evidence.second, evidence.hashes)) == "evidence-unproven"


def test_tiles_of_another_tree_prove_nothing() -> None:
    first, second = head(leaves(5)), head(leaves(9))
    for start in (first, head([])):
        with pytest.raises(PasserelleError) as caught:
            contradiction(start, second, reader(leaves(9, changed=8)))
        assert caught.value.code == "tile-hash-mismatch"
    assert contradiction(head([]), second, reader(leaves(9), [(0, 0)])) is None
    assert [coord.path for coord in tiles_between(0, 9)] == ["tile/0/000.p/9"]
    assert tiles_between(9, 9) == []


def test_what_proves_nothing() -> None:
    five, nine, other = head(leaves(5)), head(leaves(9)), head(leaves(5, changed=0))
    path = contradiction(other, nine, reader(leaves(9)))
    assert path
    first, second = note(five), note(nine)
    assert code_of(Evidence(first, first)) == "evidence-unproven"
    assert code_of(Evidence(first, second)) == "evidence-unproven"
    assert code_of(Evidence(second, first, path)) == "evidence-unproven"
    assert code_of(Evidence(note(other), second, path[:-1])) == "evidence-unproven"
    assert code_of(Evidence(note(other), second, (*path[:-1], bytes(32)))) == "evidence-unproven"
    assert code_of(Evidence(note(head([])), second, path)) == "evidence-unproven"
    assert code_of(Evidence(note(five), note(other), path)) == "evidence-unproven"
    assert judge(Evidence(note(other), second, path), KEYS, NETWORK).code == INCONSISTENCY


def test_nobody_is_accused_with_notes_that_the_log_did_not_sign() -> None:
    stranger = NoteSigner(NETWORK, b"s" * 32)
    forged = note(head(leaves(5, changed=1)), stranger)
    assert code_of(Evidence(note(head(leaves(5))), forged)) == "note-key-unknown"
    elsewhere = NoteSigner("other.example/1", b"l" * 32)
    foreign = note(Checkpoint("other.example/1", 5, head(leaves(5)).root), elsewhere)
    with pytest.raises(PasserelleError) as caught:
        judge(Evidence(note(head(leaves(5))), foreign), [*KEYS, elsewhere.verifier], NETWORK)
    assert caught.value.code == "checkpoint-origin-mismatch"


def test_evidence_of_the_largest_notes_fits() -> None:
    filling = ('"' * 64_000,)
    one, other = (Checkpoint(NETWORK, 5, bytes([fill]) * 32, filling) for fill in (1, 2))
    data = build_evidence(Evidence(note(one), note(other)))
    assert judge(parse_evidence(data), KEYS, NETWORK).code == EQUIVOCATION


def test_a_kept_note_holds_the_logs_signatures_only() -> None:
    plain = note(head(leaves(5)))
    witness = CosignatureSigner(witness_name(NETWORK, "york"), b"w" * 32)
    opened = open_checkpoint(plain, KEYS)
    joined = opened.note.with_signatures([witness.cosign(opened.note.text, 1)]).serialise()
    assert log_note(open_checkpoint(joined, KEYS)) == plain != joined


GOOD = json.loads(build_evidence(Evidence(note(head(leaves(1))), note(head(leaves(1))), (bytes(32),))))


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"format":"passerelle.evidence/v1","format":"passerelle.evidence/v1"}',
        b"[" * 100_000,
        b" " * (MAX_EVIDENCE + 1),
        json.dumps(GOOD | {"format": "passerelle.evidence/v2"}).encode(),
        json.dumps(GOOD | {"more": 1}).encode(),
        json.dumps(GOOD | {"first": 1}).encode(),
        json.dumps(GOOD | {"first": "\ud800"}).encode(),
        json.dumps(GOOD | {"second": "x" * 70_000}).encode(),
        json.dumps(GOOD | {"hashes": "00"}).encode(),
        json.dumps(GOOD | {"hashes": ["AA" * 32]}).encode(),
        json.dumps(GOOD | {"hashes": [7]}).encode(),
        json.dumps(GOOD | {"hashes": ["00" * 32] * 66}).encode(),
    ],
)
def test_files_that_do_not_have_their_form(data: bytes) -> None:
    with pytest.raises(PasserelleError) as caught:
        parse_evidence(data)
    assert caught.value.code == "evidence-malformed"
