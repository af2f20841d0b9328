"""``feed verify``: a whole feed passes, and every way in which it could lie is told."""

from __future__ import annotations

from passerelle.core.batch import SignedStatement
from passerelle.core.checkpoint import Checkpoint
from passerelle.core.entry import Entry
from passerelle.core.merkle import leaf_hashes, root_from_leaves
from passerelle.ledger.feed_check import FeedChecker, FeedReport
from passerelle.testing.federation import NETWORK, Federation, Member

FEDERATION = Federation()
FOUNDING = FEDERATION.found()
HUMBER, ADMISSION = FEDERATION.admit("humber")
EVENTS = [FOUNDING, ADMISSION, HUMBER.achievement("energy"), HUMBER.issued("ann", "energy")]


def entry_of(signed: SignedStatement, outcome: str = "accepted") -> bytes:
    return Entry.of(1_785_000_000_000, outcome, signed).encode()


ENTRIES = [entry_of(signed) for signed in EVENTS]
BODIES = [*(signed.body for signed in EVENTS[:3]), b""]


def run(records: list[tuple[int, bytes, bytes]], size: int = 4, root: bytes | None = None) -> FeedReport:
    found = root_from_leaves(leaf_hashes(ENTRIES[:size])) if root is None else root
    checker = FeedChecker(Checkpoint(NETWORK, size, found))
    for offset, (index, entry, value) in enumerate(records):
        checker.take(offset, {"index": b"%d" % index, "entry": entry}, value)
    return checker.finish()


RECORDS = list(zip(range(4), ENTRIES, BODIES, strict=True))


def test_a_whole_feed_gives_the_checkpoints_root() -> None:
    for size in (1, 3, 4):
        report = run(RECORDS, size)
        assert (report.faults, report.entries, report.repeats) == ([], 4, 0)
    assert run([], 0, root_from_leaves([])).sound
    assert run(RECORDS, 4).as_dict()["sound"] is True


def test_a_repeat_is_counted_and_dropped() -> None:
    report = run([*RECORDS[:3], *RECORDS[1:]])
    assert (report.faults, report.repeats) == ([], 2)


def test_what_is_wrong_is_told() -> None:
    member = Member("humber", key_name="thief")
    cases = {
        "is missing": [RECORDS[0], *RECORDS[2:]],
        "ends at 2": RECORDS[:2],
        "do not give": [*RECORDS[:3], (3, entry_of(member.achievement("x")), b"")],
        "not the one that was signed": [*RECORDS[:2], (2, ENTRIES[2], b"another"), RECORDS[3]],
        "not public": [*RECORDS[:3], (3, ENTRIES[3], EVENTS[3].body)],
        "not a feed record": [(0, b"x", b""), *RECORDS[1:]],
    }
    for told, records in cases.items():
        report = run(records)
        assert any(told in fault for fault in report.faults), (told, report.faults)


def test_a_refused_body_is_not_for_the_feed() -> None:
    refused = entry_of(EVENTS[2], "refused schema-invalid")
    report = run([*RECORDS[:2], (2, refused, EVENTS[2].body)])
    assert any("not public" in fault for fault in report.faults)


def test_the_list_of_faults_is_bounded() -> None:
    report = run([(0, b"x", b"")] * 100)
    assert len(report.faults) == 20
