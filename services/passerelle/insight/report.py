"""From the rows of the fold to the records that are published: windows added up, small counts left out (pure)."""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast

from passerelle.core.durations import DAY_S
from passerelle.events.statistics import (
    CASES,
    LEARNERS,
    LEARNERS_BELOW,
    MAX_ROWS,
    WINDOWS,
    Measure,
    StatisticsRecord,
    StatisticsRow,
    Window,
)
from passerelle.insight.durations import merge, percentile

Rows = Mapping[str, Mapping[str, Any]]
Place = tuple[Measure, Window, dt.date]
USUAL_DAYS: Final = 28
_MEASURE: Final[dict[str, Measure]] = {
    "d": "decision-time",
    "a": "acceptance",
    "p": "appeals",
    "r": "revocations",
    "e": "appeal-outcomes",
    "c": "case-time",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """``network``: the log's origin; ``threshold``: counts of public events below it are not shown; ``burst_factor``:
    how often the usual makes a burst."""

    network: str
    threshold: int
    burst_factor: float


@dataclass(slots=True)
class _Cells:
    """The rows of one window, by the parts of their key after the day."""

    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = field(default_factory=dict)
    late: int = 0


def window_start(window: str, day: dt.date) -> dt.date:
    """The first day of the window in which the day lies; a week begins on Monday (ISO 8601)."""
    if window == "week":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if window == "month" else day


def window_end(window: str, start: dt.date) -> dt.date:
    """The first day after the window."""
    if window == "month":
        return (start + dt.timedelta(days=31)).replace(day=1)
    return start + dt.timedelta(days=7 if window == "week" else 1)


def touched(dirty: Iterable[tuple[str, str]]) -> set[Place]:
    """The windows that changed rows lie in: (kind of row, day or month) as the fold collects them."""
    places: set[Place] = set()
    for kind, when in dirty:
        measures = ("decision-time", "acceptance") if kind == "l" else (_MEASURE[kind],)
        for measure in measures:
            for window in WINDOWS[measure]:
                start = window_start(window, _date(when))
                places.add((cast(Measure, measure), cast(Window, window), start))
    return places


def everything(rows: Rows) -> set[Place]:
    """All windows that have a row."""
    parts = (key.split("|") for key in rows)
    return touched({(part[0], part[1]) for part in parts if part[0] in _MEASURE})


def records(rows: Rows, wanted: set[Place], rules: Rules, position: int) -> Iterator[StatisticsRecord]:
    """The records of these windows, in order; ``position`` is the log size up to which the feed was counted."""
    cells = _gather(rows, wanted)
    counted = rows.get("at|summary", {})
    for place in sorted(wanted, key=lambda one: (one[0], one[1], one[2])):
        measure, window, start = place
        end, learners = window_end(window, start), measure in LEARNERS
        if learners and not _whole(rows.get("at|cases", {}) if measure in CASES else counted, start):
            continue
        if measure in CASES and counted.get("day", "") < end.isoformat():
            # While the month goes on, each count that grew would point at the entry that made it grow.
            continue
        threshold = max(rules.threshold, LEARNERS_BELOW) if learners else rules.threshold
        found = cells.get(place, _Cells())
        made = list(_rows(measure, start, found, rows, rules, threshold))
        yield StatisticsRecord(
            network=rules.network,
            measure=measure,
            window=window,
            start=start,
            end=end,
            position=int(counted["size"]) if learners else position,
            threshold=threshold,
            late=found.late,
            left_out=max(0, len(made) - MAX_ROWS),
            rows=tuple(made[:MAX_ROWS]),
        )


def _whole(counted: Mapping[str, Any], start: dt.date) -> bool:
    """Whether the summaries that were read reach back to the window's first instant: they are kept for 7 days."""
    since = counted.get("since")
    if since is None:
        return False
    first = dt.datetime.combine(start, dt.time(), tzinfo=dt.UTC).timestamp() * 1000
    return bool(since["from"] == 0 or since["at"] < first)


def _gather(rows: Rows, wanted: set[Place]) -> dict[Place, _Cells]:
    """The cells of the wanted windows, each day's put to all windows that it lies in."""
    cells: dict[Place, _Cells] = {}
    known: dict[tuple[str, str], set[Place]] = {}
    for key, row in rows.items():
        kind, *rest = key.split("|")
        if kind not in _MEASURE and kind != "l":
            continue
        when = (kind, rest[0])
        if when not in known:
            known[when] = touched({when}) & wanted
        for place in known[when]:
            found = cells.setdefault(place, _Cells())
            if kind == "l":
                found.late += row["n"]
            else:
                found.found.setdefault(tuple(rest[1:]), []).append(row)
    return cells


def _rows(
    measure: Measure, start: dt.date, cells: _Cells, rows: Rows, rules: Rules, threshold: int
) -> Iterator[StatisticsRow]:
    if measure == "decision-time":
        yield from _times(cells, threshold)
    elif measure == "acceptance":
        yield from _decisions(cells, threshold)
    elif measure == "appeals":
        for (place,), parts in sorted(cells.found.items()):
            yield StatisticsRow(scope="jurisdiction", jurisdiction=place, count=_shown(_sum(parts), threshold))
    elif measure == "appeal-outcomes":
        yield from _ends(cells, threshold)
    elif measure == "case-time":
        yield from _case_times(cells, threshold)
    else:
        usual = _usual(rows, start)
        for (member, place), parts in sorted(cells.found.items()):
            count = _shown(_sum(parts), threshold)
            # That one member revoked anything on one day is itself near a fact about somebody: no row at all.
            if count is not None:
                burst = count > rules.burst_factor * usual[member] / USUAL_DAYS
                yield StatisticsRow(scope="member", member=member, jurisdiction=place, count=count, burst=burst)


def _times(cells: _Cells, threshold: int) -> Iterator[StatisticsRow]:
    """Times to decision: of the network, of each pair of provinces, of each pair and receiver: the finest last."""
    groups: dict[tuple[str, str, str], list[Mapping[str, int]]] = {}
    for (receiver, sending, receiving), parts in cells.found.items():
        for key in (("", "", ""), (sending, receiving, ""), (sending, receiving, receiver)):
            groups.setdefault(key, []).extend(part["h"] for part in parts)
    for (sending, receiving, receiver), parts_of in sorted(
        groups.items(), key=lambda one: (bool(one[0][0]) + bool(one[0][2]), one[0])
    ):
        steps = merge(parts_of)
        count = _shown(sum(steps.values()), threshold)
        scope: Literal["network", "pair", "receiver"] = "receiver" if receiver else "pair" if sending else "network"
        yield StatisticsRow(
            scope=scope,
            sending=sending or None,
            receiving=receiving or None,
            receiver=receiver or None,
            count=count,
            p50_s=None if count is None else percentile(steps, 0.5),
            p90_s=None if count is None else percentile(steps, 0.9),
        )


def _decisions(cells: _Cells, threshold: int) -> Iterator[StatisticsRow]:
    """Decisions by outcome and reason: of the network, then of each pair of provinces."""
    groups: Tally[tuple[str, str, str, str]] = Tally()
    for (sending, receiving, outcome, reason), parts in cells.found.items():
        groups["", "", outcome, reason] += _sum(parts)
        groups[sending, receiving, outcome, reason] += _sum(parts)
    for (sending, receiving, outcome, reason), count in sorted(
        groups.items(), key=lambda one: (bool(one[0][0]), one[0])
    ):
        yield StatisticsRow.model_validate(
            {
                "scope": "pair" if sending else "network",
                "sending": sending or None,
                "receiving": receiving or None,
                "outcome": outcome,
                "reason": reason or None,
                "count": _shown(count, threshold),
            }
        )


def _ends(cells: _Cells, threshold: int) -> Iterator[StatisticsRow]:
    """How appeals ended, by pair of provinces. No row for a hidden count: a province may have one institution only."""
    for (sending, receiving, outcome), parts in sorted(cells.found.items()):
        count = _shown(_sum(parts), threshold)
        if count is not None:
            yield StatisticsRow.model_validate(
                {"scope": "pair", "sending": sending, "receiving": receiving, "outcome": outcome, "count": count}
            )


def _case_times(cells: _Cells, threshold: int) -> Iterator[StatisticsRow]:
    """Whole days from request to first decision of cases, by pair of provinces; no row where the count is hidden."""
    for (sending, receiving), parts in sorted(cells.found.items()):
        steps = merge(part["h"] for part in parts)
        count = _shown(sum(steps.values()), threshold)
        if count is not None:
            half, most = (max(round(percentile(steps, share) / DAY_S), 1) * DAY_S for share in (0.5, 0.9))
            yield StatisticsRow(scope="pair", sending=sending, receiving=receiving, count=count, p50_s=half, p90_s=most)


def _usual(rows: Rows, day: dt.date) -> Tally[str]:
    """Each member's revocations in the days before this one."""
    first = (day - dt.timedelta(days=USUAL_DAYS)).isoformat()
    found: Tally[str] = Tally()
    for key, row in rows.items():
        if key.startswith("r|"):
            _, when, member, _ = key.split("|")
            if first <= when < day.isoformat():
                found[member] += row["n"]
    return found


def _sum(parts: Iterable[Mapping[str, Any]]) -> int:
    return sum(part["n"] for part in parts)


def _shown(count: int, threshold: int) -> int | None:
    return count if count >= threshold else None


def _date(when: str) -> dt.date:
    return dt.date.fromisoformat(when if len(when) == 10 else f"{when}-01")
