"""Statistics records for tests of the portal: a year of months, and the latest weeks and days."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from passerelle.events.statistics import StatisticsRecord
from passerelle.insight.report import window_end, window_start

LAST = dt.date(2026, 11, 18)
DAY_S = 86_400


def record(measure: str, window: str, day: dt.date, rows: list[dict[str, Any]], **more: Any) -> StatisticsRecord:
    """A record of the window in which the day lies."""
    start = window_start(window, day)
    values = {"network": "ledger.passerelle.example/test", "position": 4_711, "threshold": 5, **more}
    return StatisticsRecord.model_validate(
        {"measure": measure, "window": window, "start": start, "end": window_end(window, start), "rows": rows, **values}
    )


def times(count: int, days: float) -> list[dict[str, Any]]:
    """Rows of times to decision: the network, one pair that shows and one that does not."""
    seen = {"count": count, "p50_s": int(days * DAY_S), "p90_s": int(3 * days * DAY_S)}
    west = {"sending": "CA-ON", "receiving": "CA-BC"}
    return [
        {"scope": "network", **seen},
        {"scope": "pair", **west, **seen},
        {"scope": "pair", "sending": "CA-QC", "receiving": "CA-NS"},
        {"scope": "receiver", **west, "receiver": "bcit", **seen},
        {"scope": "receiver", "sending": "CA-QC", "receiving": "CA-NS", "receiver": "nscc"},
    ]


def decisions() -> list[dict[str, Any]]:
    """Rows of decisions, with a reason and with a hidden count."""
    west = {"scope": "pair", "sending": "CA-ON", "receiving": "CA-BC"}
    return [
        {"scope": "network", "outcome": "credited", "count": 1_210},
        {"scope": "network", "outcome": "conditional", "count": 96},
        {"scope": "network", "outcome": "recognised", "count": 40},
        {"scope": "network", "outcome": "case-by-case", "count": 31},
        {"scope": "network", "outcome": "no-credit", "reason": "level", "count": 120},
        {**west, "outcome": "credited", "count": 700},
        {**west, "outcome": "conditional", "count": 90},
        {**west, "outcome": "no-credit", "reason": "level", "count": 61},
        {**west, "outcome": "no-credit", "reason": "upper-year"},
        {"scope": "pair", "sending": "CA-NL", "receiving": "CA-QC", "outcome": "credited", "count": 210},
        {"scope": "pair", "sending": "CA-QC", "receiving": "CA-NS", "outcome": "credited"},
    ]


def cases() -> Iterator[StatisticsRecord]:
    """How appeals ended and how long cases took: of the month before, and an empty one after it."""
    west = {"scope": "pair", "sending": "CA-ON", "receiving": "CA-BC"}
    home = {"scope": "pair", "sending": "CA-QC", "receiving": "CA-QC"}
    ends = [
        {**west, "outcome": "changed", "count": 12},
        {**west, "outcome": "kept", "count": 41},
        {**west, "outcome": "withdrawn", "count": 10},
        {**home, "outcome": "kept", "count": 23},
    ]
    taken = [
        {**west, "count": 310, "p50_s": 24 * DAY_S, "p90_s": 63 * DAY_S},
        {**home, "count": 96, "p50_s": DAY_S, "p90_s": DAY_S},
    ]
    before = LAST.replace(day=1) - dt.timedelta(days=1)
    for measure, rows in (("appeal-outcomes", ends), ("case-time", taken)):
        yield record(measure, "month", before, rows, threshold=10)
        yield record(measure, "month", LAST, [], threshold=10)


def sample() -> Iterator[StatisticsRecord]:
    """All records, oldest first."""
    for back in range(11, -1, -1):
        month = (LAST.replace(day=1) - dt.timedelta(days=30 * back)).replace(day=1)
        yield record("decision-time", "month", month, times(40 + back, 12 - 0.5 * back), late=3 if back == 0 else 0)
    yield record("decision-time", "month", dt.date(2025, 11, 1), [{"scope": "network"}])
    for window in ("month", "week", "day"):
        yield record("acceptance", window, LAST, decisions(), late=1)
    yield record("decision-time", "day", LAST, times(7, 0.05))
    appeals: list[dict[str, Any]] = [
        {"scope": "jurisdiction", "jurisdiction": "CA-BC"},
        {"scope": "jurisdiction", "jurisdiction": "CA-ON", "count": 34},
    ]
    yield record("appeals", "month", LAST, appeals, threshold=10)
    yield from cases()
    for back, count in ((2, 14), (1, None), (0, 85)):
        row: dict[str, Any] = {"scope": "member", "member": "humber", "jurisdiction": "CA-ON", "count": count}
        burst = {} if count is None else {"burst": count > 50}
        yield record("revocations", "day", LAST - dt.timedelta(days=back), [{**row, **burst}], threshold=10)
