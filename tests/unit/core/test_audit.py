"""The public log verified from what it serves: a sound one passes, each lie is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from passerelle.core.audit import AuditReport, LogAudit, bundles, open_entry
from passerelle.core.batch import SignedStatement
from passerelle.core.checkpoint import Checkpoint
from passerelle.core.entry import ACCEPTED, Entry, refused
from passerelle.core.merkle import leaf_hashes, root_from_leaves
from passerelle.core.statement import digest
from passerelle.core.tiles import Tile
from passerelle.testing.federation import Federation, Member, issued, uuid_of

TIME = 1_768_478_400_000


class Log:
    """A log of some 300 entries, and what it would serve."""

    def __init__(self) -> None:
        self.federation = Federation()
        operator = self.federation.operator
        self.events = [self.federation.found()]
        humber, admission = self.federation.admit("humber")
        self.events += [admission, humber.achievement("a")]
        written = [humber.write("credential.issued", uuid_of(f"c{n}"), _issued(n)) for n in range(270)]
        self.events += humber.sign(written)
        new = Member("humber", key_name="humber 2")
        self.events.append(operator.changes_keys(humber, add=[new.key()], remove=[{"key_id": humber.signer.key_id}]))
        self.old_key = humber.copy()
        humber.rekey("humber 2")
        self.humber = humber
        self.events += [humber.achievement("b"), humber.raw("credential", "public", b"{}")]
        self.entries = self.encode(self.events)

    def encode(self, events: Sequence[SignedStatement]) -> list[bytes]:
        last = len(self.events) - 1
        outcomes = [ACCEPTED] * last + [refused("field-missing")]
        return [Entry.of(TIME + n, outcomes[min(n, last)], event).encode() for n, event in enumerate(events)]

    def audit(
        self,
        entries: Sequence[bytes] | None = None,
        *,
        root_key: bytes | None = b"",
        withheld: bytes = b"",
        prefixes: Sequence[Checkpoint] = (),
        signed: Sequence[bytes] | None = None,
    ) -> tuple[AuditReport, list[Tile]]:
        """Run the audit over entries, under the checkpoint of ``signed`` (default: of these)."""
        taken = list(self.entries if entries is None else entries)
        checkpoint = checkpoint_of(taken if signed is None else signed)
        key = self.federation.root_public_key if root_key == b"" else root_key
        found = LogAudit(checkpoint, key, prefixes)
        bodies = {digest(event.body): event.body for event in self.events}
        tiles = []
        for data in taken:
            opened = open_entry(data)
            wanted = opened.body_sha256
            found.take(opened, bodies.get(wanted) if wanted is not None and wanted != withheld else None)
            tiles += found.tiles()
        rest = found.finish()
        for tile in (*tiles, *found.tiles(), *rest):
            found.compare(tile, tile.hashes)
        return found.report, [*tiles, *rest]


def _issued(n: int) -> dict[str, object]:
    return issued("humber", "humber/a", f"record {n}")


def checkpoint_of(entries: Sequence[bytes]) -> Checkpoint:
    return Checkpoint("ledger.test.example/1", len(entries), root_from_leaves(leaf_hashes(entries)))


@pytest.fixture(scope="module")
def log() -> Log:
    return Log()


def codes(report: AuditReport) -> set[tuple[str, str]]:
    return {(fault.code, fault.where) for fault in report.faults}


def test_a_sound_log_passes(log: Log) -> None:
    older = [checkpoint_of(log.entries[:size]) for size in (3, 256, 260)]
    report, tiles = log.audit(prefixes=older)
    assert report.faults == []
    size = len(log.entries)
    assert report.counts == {
        "entries": size,
        "signatures": size,
        "streams": 2,
        "member events": 3,
        "older checkpoints": 3,
        "tiles": 3,
    }
    assert [tile.coord.path for tile in tiles] == ["tile/0/000", f"tile/0/001.p/{size - 256}", "tile/1/000.p/1"]
    assert [coord.path for coord in bundles(size)] == ["tile/entries/000", f"tile/entries/001.p/{size - 256}"]


def test_without_a_root_key_the_first_entry_is_believed_and_it_is_said(log: Log) -> None:
    report, _ = log.audit(root_key=None)
    assert (report.sound, report.root_key_given) == (True, False)
    assert report.root_key == log.federation.root_public_key.hex()


def test_another_root_key_is_named(log: Log) -> None:
    report, _ = log.audit(root_key=bytes(32))
    assert ("key-not-valid", "index 0") in codes(report)


def test_a_turned_bit_in_any_entry_is_found(log: Log) -> None:
    for index in (0, 1, 2, 100, len(log.entries) - 1):
        entry = log.entries[index]
        for place in range(0, len(entry), 97):
            turned = entry[:place] + bytes([entry[place] ^ 1]) + entry[place + 1 :]
            entries = [*log.entries[:index], turned, *log.entries[index + 1 :]]
            report, _ = log.audit(entries, signed=log.entries)
            assert "proof-root-mismatch" in {fault.code for fault in report.faults}
    # The one who holds the log's key signs the tree of what it altered: the member's signature is still in its way.
    forged = log.entries[100].replace(b"\nparty\n", b"\npubli\n")
    report, _ = log.audit([*log.entries[:100], forged, *log.entries[101:]])
    assert ("statement-malformed", "index 100") in codes(report)


def test_what_a_removed_key_signs_is_found(log: Log) -> None:
    late = log.old_key.achievement("late")
    report, _ = log.audit([*log.entries[:-2], Entry.of(TIME + 900, ACCEPTED, late).encode()])
    assert ("key-not-valid", f"index {len(log.entries) - 2}") in codes(report)


def test_a_left_out_entry_and_another_order_are_found(log: Log) -> None:
    report, _ = log.audit([*log.entries[:50], *log.entries[51:]])
    assert ("sequence-gap", "index 50") in codes(report)
    swapped = [*log.entries[:50], log.entries[51], log.entries[50], *log.entries[52:]]
    report, _ = log.audit(swapped)
    assert {("sequence-gap", "index 50"), ("ledger-diverged", "index 51")} <= codes(report)


def test_another_link_is_found(log: Log) -> None:
    other = log.humber.copy()
    other.heads["credential"] = (other.heads["credential"][0], bytes(32))
    wrong = Entry.of(TIME + 900, ACCEPTED, other.achievement("c")).encode()
    report, _ = log.audit([*log.entries, wrong])
    assert codes(report) == {("sequence-conflict", f"index {len(log.entries)}")}


def test_a_withheld_member_event_is_named_and_what_it_listed_is_not_believed(log: Log) -> None:
    report, _ = log.audit(withheld=digest(log.events[1].body))
    assert {("body-absent", "index 1"), ("key-not-valid", "index 2")} <= codes(report)


def test_another_history_under_the_same_key_is_named(log: Log) -> None:
    fork = replace(checkpoint_of(log.entries[:10]), root=bytes(32))
    report, _ = log.audit(prefixes=[fork])
    assert codes(report) == {("checkpoint-forked", "checkpoint 10")}
    longer = replace(checkpoint_of(log.entries), size=len(log.entries) + 1)
    report, _ = log.audit(prefixes=[longer])
    assert codes(report) == {("checkpoint-shrunk", f"checkpoint {len(log.entries) + 1}")}


def test_an_empty_log_and_one_that_ends_early(log: Log) -> None:
    report, tiles = log.audit([])
    assert (report.faults, tiles) == ([], [])
    report, _ = log.audit(log.entries[:10], signed=log.entries[:11])
    assert codes(report) == {("checkpoint-behind", "checkpoint 11")}


def test_a_tile_that_is_not_that_of_the_entries_is_named(log: Log) -> None:
    found = LogAudit(checkpoint_of(log.entries[:5]), log.federation.root_public_key)
    for data in log.entries[:5]:
        opened = open_entry(data)
        found.take(opened, None)
    (tile,) = found.finish()
    found.compare(tile, bytes(len(tile.hashes)))
    assert ("tile-hash-mismatch", "tile/0/000.p/5") in codes(found.report)
