"""Entries of the latest commits in memory: never a hole, never more than the bound."""

from __future__ import annotations

from passerelle.ledger.model import CommitPlan
from passerelle.ledger.recent import Recent


def plan(start: int, count: int, body: bytes = b"") -> CommitPlan:
    made = CommitPlan(start, start + count, 0)
    for index in range(start, start + count):
        row = (
            index,
            0,
            "york",
            "credential",
            index,
            "public",
            None,
            None,
            None,
            None,
            b"",
            b"entry %d" % index,
            "t/0/1",
        )
        made.entries.append(row)
        made.public_bodies.append((index, b"", body))
    return made


def indices(recent: Recent, start: int, most: int = 100, most_bytes: int = 1000) -> list[int]:
    return [row.index for row in recent.rows(start, most, most_bytes)]


def test_rows_go_on_over_commits_and_are_bounded_in_number_and_bytes() -> None:
    recent = Recent()
    recent.add(plan(0, 3, b"12345"))
    recent.add(plan(3, 3))
    assert indices(recent, 0) == [0, 1, 2, 3, 4, 5]
    assert indices(recent, 1, most=3) == [1, 2, 3]
    assert indices(recent, 1, most_bytes=5) == [1]
    row = recent.rows(2, 1, 1)[0]
    assert (row.member, row.entry, row.ingress, row.body) == ("york", b"entry 2", "t/0/1", b"12345")


def test_what_was_published_is_let_go() -> None:
    recent = Recent()
    recent.add(plan(0, 3))
    recent.add(plan(3, 3))
    assert indices(recent, 4) == [4, 5]
    assert indices(recent, 2) == [], "the first commit was dropped when the second was read"


def test_nothing_is_told_of_what_is_not_held() -> None:
    recent = Recent()
    assert indices(recent, 0) == []
    recent.add(plan(10, 2))
    assert indices(recent, 9) == []
    assert indices(recent, 12) == []


def test_after_a_hole_only_what_is_newer_is_held() -> None:
    recent = Recent()
    recent.add(plan(0, 2))
    recent.add(plan(4, 2))
    assert indices(recent, 0) == []
    assert indices(recent, 4) == [4, 5]


def test_the_oldest_goes_first_at_the_bounds() -> None:
    recent = Recent(rows=5, bodies=20)
    recent.add(plan(0, 3))
    recent.add(plan(3, 3))
    assert indices(recent, 3) == [3, 4, 5]
    recent.add(plan(6, 2, b"123456789012"))
    assert indices(recent, 6) == [], "its bodies alone are over the bound"
