"""How appeals ended and how long cases took: counted once, told when the month is over, and never in small numbers."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.insight.test_statistics import RULES, SCHEMA

from passerelle.core.durations import DAY_S, days_step
from passerelle.core.errors import FormatError
from passerelle.events.statistics import EXAMPLE, StatisticsRecord, read_statistics
from passerelle.insight.report import everything, records, touched
from passerelle.insight.statistics import Fold, Row
from passerelle.insight.windows import Summary, read_summary

CASES = ("appeal-outcomes", "case-time")
Pair = tuple[str, str]
WEST: Pair = ("CA-ON", "CA-BC")


def commit(
    start: int, day: str, appeals: dict[tuple[str, str, str], int] | None, times: dict[tuple[Pair, int], int] | None
) -> Summary:
    """A commit of ten entries: appeals by provinces and outcome, cases by provinces and days; None: none counted."""
    found: dict[Pair, dict[str, Any]] = {}

    def row(pair: Pair) -> dict[str, Any]:
        return found.setdefault(pair, {"sending": pair[0], "receiving": pair[1], "appeals": {}, "decided": {}})

    for (sending, receiving, outcome), count in (appeals or {}).items():
        row((sending, receiving))["appeals"][outcome] = count
    for (pair, days), count in (times or {}).items():
        row(pair)["decided"][str(days_step(days))] = count
    at = int(dt.datetime.fromisoformat(f"{day}T09:00:00+00:00").timestamp() * 1000)
    entries = {
        "member": "x",
        "jurisdiction": "CA-ON",
        "family": "credential",
        "type": "t",
        "accepted": 10,
        "refused": 0,
    }
    value: dict[str, Any] = {"from": start, "size": start + 10, "accepted_at": at, "counts": [entries]}
    if not appeals and times is None:
        return read_summary(value)
    return read_summary({**value, "cases": list(found.values())})


def counted(summaries: Iterable[Summary]) -> tuple[Fold, dict[str, Row]]:
    rows: dict[str, Row] = {}
    fold = Fold(rows, max_rows=1_000, keep_days=400)
    for one in summaries:
        fold.summary(one)
    return fold, rows


def told(rows: dict[str, Row]) -> dict[tuple[str, str], StatisticsRecord]:
    """What is published of cases, by measure and start."""
    found = records(rows, everything(rows), RULES, 0)
    return {(one.measure, one.start.isoformat()): one for one in found if one.measure in CASES}


OCTOBER = [
    commit(0, "2026-10-02", {(*WEST, "changed"): 8, (*WEST, "kept"): 9}, {(WEST, 3): 5, (("CA-NS", "CA-PE"), 2): 9}),
    commit(10, "2026-10-20", {(*WEST, "changed"): 4, ("CA-QC", "CA-QC", "withdrawn"): 10}, {(WEST, 30): 5}),
    commit(20, "2026-10-31", {}, {(WEST, 0): 1, (("", "CA-BC"), 4): 50}),
]
LATER = commit(30, "2026-11-01", {}, {(WEST, 7): 30})


def test_a_month_is_told_when_it_is_over_and_small_numbers_never() -> None:
    fold, rows = counted(OCTOBER)
    assert told(rows) == {}
    fold.dirty = set()
    fold.summary(LATER)
    # October has not changed, and is to be told now; November goes on.
    assert {(measure, start.isoformat()) for measure, _, start in touched(fold.dirty)} == {
        ("appeal-outcomes", "2026-10-01"), ("case-time", "2026-10-01"), ("case-time", "2026-11-01"),
    }  # fmt: skip
    found = told(rows)
    assert set(found) == {(measure, "2026-10-01") for measure in CASES}
    ends, times = (found[measure, "2026-10-01"] for measure in CASES)
    assert [(row.sending, row.receiving, row.outcome, row.count) for row in ends.rows] == [
        (*WEST, "changed", 12), ("CA-QC", "CA-QC", "withdrawn", 10),
    ]  # fmt: skip
    (row,) = times.rows
    assert (row.scope, row.sending, row.receiving, row.count) == ("pair", *WEST, 11)
    # One on the day itself, five after 3 days, five after 30: the sixth of eleven, and the tenth.
    assert (row.p50_s, row.p90_s) == (3 * DAY_S, 30 * DAY_S)
    assert ("case-time", "2026-11-01") in told(counted([*OCTOBER, LATER, commit(40, "2026-12-01", {}, {})])[1])


def test_of_nine_nothing_at_all_is_told() -> None:
    """A row with a hidden count would still say that somebody is there, and a province may have one institution."""
    few = commit(0, "2026-10-02", {("CA-NS", "CA-PE", "kept"): 9}, {(("CA-NS", "CA-PE"), 2): 9})
    _, rows = counted([few, LATER])
    assert [one.rows for one in told(rows).values()] == [(), ()]


@pytest.mark.parametrize("old", [1, 2, 3])
def test_a_month_in_which_the_ledger_did_not_count_cases_from_the_start_is_not_told(old: int) -> None:
    before = [commit(10 * number, one_day, None, None) for number, one_day in enumerate(
        ["2026-10-01", "2026-10-02", "2026-10-03"][:old])]  # fmt: skip
    since = [
        commit(30, "2026-10-05", {(*WEST, "kept"): 50}, {(WEST, 3): 50}),
        commit(40, "2026-11-05", {(*WEST, "kept"): 60}, {(WEST, 4): 60}),
        commit(50, "2026-12-05", {}, {}),
    ]
    fold, rows = counted([*before, *since])
    assert {start for _, start in told(rows)} == {"2026-11-01"}
    assert fold.left_out == 0
    assert {start for _, start in told(counted([commit(0, "2026-10-05", {}, {}), *since])[1])} == {
        "2026-10-01", "2026-11-01",
    }  # fmt: skip


PAIRS = st.sampled_from([WEST, ("CA-QC", "CA-QC")])
COMMITS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.dictionaries(
            st.tuples(st.just("CA-ON"), st.just("CA-BC"), st.sampled_from(["changed", "kept", "withdrawn"])),
            st.integers(1, 12),
        ),
        st.dictionaries(st.tuples(PAIRS, st.integers(0, 400)), st.integers(1, 12)),
    ),
    min_size=1,
    max_size=8,
)


def commits(drawn: Sequence[tuple[int, dict[Any, int], dict[Any, int]]]) -> list[Summary]:
    day, found = dt.date(2026, 1, 1), []
    for number, (more, appeals, times) in enumerate(drawn):
        day += dt.timedelta(days=more)
        found.append(commit(10 * number, day.isoformat(), appeals, times))
    return found


@settings(max_examples=80, deadline=None)
@given(COMMITS, st.integers(0, 2**32))
def test_repeats_and_crashes_change_nothing_and_every_count_is_there_once(drawn: Any, seed: int) -> None:
    found = commits(drawn)
    _, whole = counted(found)
    chance = random.Random(seed)
    # The file holds what was read up to some place; then all from an earlier one on comes again, some of it twice.
    saved = chance.randint(0, len(found))
    _, rows = counted(found[:saved])
    fold = Fold(rows, max_rows=1_000, keep_days=400)
    for one in found[chance.randint(0, saved) :]:
        for _ in range(chance.randint(1, 3)):
            fold.summary(one)
    assert rows == whole
    assert sum(row["n"] for key, row in rows.items() if key[0] == "e") == sum(
        sum(appeals.values()) for _, appeals, _ in drawn
    )
    assert sum(sum(row["h"].values()) for key, row in rows.items() if key[0] == "c") == sum(
        # Days of one step are one key of a commit's row: the last one drawn stands.
        sum({(pair, days_step(days)): count for (pair, days), count in times.items()}.values())
        for _, _, times in drawn
    )
    for record in told(rows).values():
        SCHEMA.validate(json.loads(record.write()))
        assert read_statistics(record.write()) == record
        assert all(row.count is not None and row.count >= 10 for row in record.rows)


def test_old_months_go() -> None:
    rows: dict[str, Row] = {}
    fold = Fold(rows, max_rows=1_000, keep_days=62)
    for one in OCTOBER:
        fold.summary(one)
    fold._turn("2027-03-01", 99)
    assert not [key for key in rows if key[0] in "ec"]


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 5},
        {"window": "day", "end": "2026-11-02"},
        {"rows": [{"scope": "pair", "outcome": "kept"}]},
        {"rows": [{"scope": "pair", "outcome": "credited", "count": 12}]},
        {"measure": "acceptance", "rows": [{"scope": "pair", "outcome": "kept", "count": 12}]},
        {"measure": "case-time", "rows": [{"scope": "pair", "outcome": "kept", "count": 12}]},
    ],
)
def test_dishonest_records_are_refused(change: dict[str, Any]) -> None:
    good = {**EXAMPLE, "measure": "appeal-outcomes", "threshold": 10, "rows": [
        {"scope": "pair", "sending": "CA-ON", "receiving": "CA-BC", "outcome": "kept", "count": 12}]}  # fmt: skip
    assert read_statistics(json.dumps(good).encode()).rows[0].outcome == "kept"
    with pytest.raises(FormatError):
        read_statistics(json.dumps({**good, **change}).encode())
