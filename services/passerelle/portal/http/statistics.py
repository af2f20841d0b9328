"""The page of the statistics, and the same as JSON and CSV."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from passerelle.core.durations import DAY_S
from passerelle.core.errors import PasserelleError
from passerelle.events.statistics import AppealOutcome, Decision, Measure, StatisticsRecord, StatisticsRow, Window
from passerelle.portal.charts import Bar, Line, Part, bars, lines
from passerelle.portal.http.feed import OPEN, Answer, index_of
from passerelle.portal.http.site import Page, Site
from passerelle.portal.i18n import Catalogue
from passerelle.portal.postgres.statistics import MAX_RECORDS

SPANS: Final[tuple[str, ...]] = get_args(Window)
OUTCOMES: Final[tuple[str, ...]] = get_args(Decision)
APPEAL_OUTCOMES: Final[tuple[str, ...]] = get_args(AppealOutcome)
HISTORY: Final = 12
"""Windows of the line, and of the list to choose from."""
MAX_BARS: Final = 15
_UNITS: Final = ((86_400, 2, "days"), (3_600, 2, "hours"), (60, 2, "minutes"))
_COLUMNS: Final = (
    "measure", "window", "start", "end", "position", "threshold", "scope", "sending", "receiving", "receiver", "member",
    "jurisdiction", "outcome", "reason", "count", "p50_s", "p90_s", "burst",
)  # fmt: skip


async def statistics(site: Site, request: Request) -> Response:
    """Times to decision and decisions by pair of provinces, in windows of one length; appeals, cases, revocations."""
    page = Page(site, request)
    c = page.catalogue
    span = page.text("window") if page.text("window") in SPANS else "month"
    times = await site.reader.statistics("decision-time", span, limit=HISTORY)
    decisions = await site.reader.statistics("acceptance", span, limit=HISTORY)
    starts = sorted({record.start for record in (*times, *decisions)}, reverse=True)[:HISTORY]
    asked = page.text("start")
    start = next((one for one in starts if one.isoformat() == asked), starts[0] if starts else None)
    time, decision = _of(times, start), _of(decisions, start)
    appeals = next(iter(await site.reader.statistics("appeals", limit=1)), None)
    ends, cases = await _latest(site, "appeal-outcomes"), await _latest(site, "case-time")
    revocations = [record for record in await site.reader.statistics("revocations", limit=HISTORY) if record.rows]
    burst = [record for record in revocations if any(row.burst for row in record.rows)]
    shown = [row for record in revocations for row in record.rows]
    members = [row.receiver or row.member for row in (*(time.rows if time else ()), *shown)]
    history = list(reversed(times))
    return page.render(
        "statistics.html",
        span=span,
        spans=SPANS,
        start=start,
        starts=[(one.isoformat(), label(c, span, one)) for one in starts],
        time=time,
        decision=decision,
        appeals=appeals,
        ends=ends,
        appeal_outcomes=APPEAL_OUTCOMES,
        cases=cases,
        revocations=revocations,
        bursts=len(burst),
        history=[(label(c, span, one.start), one, _network(one)) for one in history],
        pairs=_pairs(decision),
        outcomes=OUTCOMES,
        names=await site.reader.names({name for name in members if name}),
        plots={
            "time": _line(c, span, history),
            "decision": _bars(c, decision),
            "appeals": _appeals(c, appeals),
            "ends": _ends(c, ends),
            "cases": _cases(c, cases),
        },
        position=max((record.position for record in (*times, *decisions)), default=None),
        duration=lambda seconds: duration(c, seconds),
        days=days,
        count=lambda row, record: count(c, row, record),
        label_of=lambda record: label(c, record.window, record.start),
        following=site.status.statistics == "following",
    )


async def _latest(site: Site, measure: str) -> StatisticsRecord | None:
    """The newest window of a measure in which there is something to show."""
    return next((record for record in await site.reader.statistics(measure, limit=HISTORY) if record.rows), None)


def _of(records: Iterable[StatisticsRecord], start: dt.date | None) -> StatisticsRecord | None:
    return next((record for record in records if record.start == start), None)


def _network(record: StatisticsRecord) -> StatisticsRow | None:
    return next((row for row in record.rows if row.scope == "network"), None)


def label(c: Catalogue, span: str, start: dt.date) -> str:
    """A window in words."""
    if span == "month":
        return f"{c.t(f'stats.month.{start.month}')} {start.year}"
    return c.t("stats.week-of", day=c.date(start.isoformat())) if span == "week" else c.date(start.isoformat())


def duration(c: Catalogue, seconds: int) -> str:
    """A duration in words, in the largest unit of which there are at least two."""
    for size, least, name in _UNITS:
        if seconds >= least * size:
            return c.n(f"stats.{name}", round(seconds / size))
    return c.n("stats.seconds", seconds)


def days(seconds: int) -> int:
    """A duration in whole days, as times of cases are counted."""
    return round(seconds / DAY_S)


def count(c: Catalogue, row: StatisticsRow, record: StatisticsRecord) -> str:
    """A count, or that it is below the threshold."""
    return c.number(row.count) if row.count is not None else c.t("stats.below", n=record.threshold)


def _line(c: Catalogue, span: str, history: Sequence[StatisticsRecord]) -> Markup | None:
    rows = [_network(record) for record in history]
    half, most = ([getattr(row, name) if row else None for row in rows] for name in ("p50_s", "p90_s"))
    known = [value for value in (*half, *most) if value is not None]
    if not known:
        return None
    return lines(
        c.t("stats.time.plot"),
        c.t("stats.time.plot.text"),
        [label(c, span, record.start) for record in history],
        [Line("most", c.t("stats.p90"), most), Line("half", c.t("stats.p50"), half)],
        duration(c, max(known)),
    )


def _pairs(record: StatisticsRecord | None) -> list[tuple[tuple[str, str], list[StatisticsRow]]]:
    """The rows of each pair of provinces, the pair with the most decisions first."""
    groups: dict[tuple[str, str], list[StatisticsRow]] = {}
    for row in record.rows if record else ():
        if row.scope == "pair":
            groups.setdefault((row.sending or "", row.receiving or ""), []).append(row)
    return sorted(groups.items(), key=lambda one: (-sum(row.count or 0 for row in one[1]), one[0]))


def _bars(c: Catalogue, record: StatisticsRecord | None) -> Markup | None:
    if record is None:
        return None
    network = [row for row in record.rows if row.scope == "network"]
    groups = [(c.t("stats.network"), network), *((pair(c, *names), rows) for names, rows in _pairs(record))]
    made = [_bar(c, name, rows, record) for name, rows in groups[:MAX_BARS]]
    return bars(c.t("stats.decision.plot"), c.t("stats.decision.plot.text", n=record.threshold), made)


def _bar(
    c: Catalogue, name: str, rows: Sequence[StatisticsRow], record: StatisticsRecord, group: str = "decision"
) -> Bar:
    parts, total, hidden = [], 0, False
    for outcome in OUTCOMES if group == "decision" else APPEAL_OUTCOMES:
        found = [row for row in rows if row.outcome == outcome]
        value = sum(row.count or 0 for row in found)
        hidden = hidden or any(row.count is None for row in found)
        total += value
        if value:
            parts.append(Part(outcome, value, f"{c.label(group, outcome)}: {c.number(value)}"))
    number = c.t("stats.below", n=record.threshold) if not total else c.number(total) + ("+" if hidden else "")
    return Bar(name, parts, number)


def _appeals(c: Catalogue, record: StatisticsRecord | None) -> Markup | None:
    if record is None or not record.rows:
        return None
    made = [
        Bar(
            c.label("jurisdiction", row.jurisdiction or ""),
            [Part("appeals", row.count, count(c, row, record))] if row.count is not None else [],
            count(c, row, record),
        )
        for row in record.rows[:MAX_BARS]
    ]
    return bars(c.t("stats.appeals.plot"), c.t("stats.appeals.plot.text"), made)


def _ends(c: Catalogue, record: StatisticsRecord | None) -> Markup | None:
    if record is None:
        return None
    made = [_bar(c, pair(c, *names), rows, record, "appeal-outcome") for names, rows in _pairs(record)[:MAX_BARS]]
    return bars(c.t("stats.ends.plot"), c.t("stats.ends.plot.text", n=record.threshold), made)


def _cases(c: Catalogue, record: StatisticsRecord | None) -> Markup | None:
    """The pairs with the most cases; of each the days for half of them, and on top those for nine in ten."""
    if record is None:
        return None
    made = []
    for names, (row, *_) in _pairs(record)[:MAX_BARS]:
        half, most = (days(seconds or 0) for seconds in (row.p50_s, row.p90_s))
        parts = [("half", half, half, "stats.cases.p50"), ("most", most - half, most, "stats.cases.p90")]
        shown = [Part(name, size, f"{c.t(words)}: {c.n('stats.days', whole)}") for name, size, whole, words in parts]
        made.append(Bar(pair(c, *names), [part for part in shown if part.value], c.number(most)))
    return bars(c.t("stats.cases.plot"), c.t("stats.cases.plot.text"), made)


def pair(c: Catalogue, sending: str, receiving: str) -> str:
    """A pair of provinces in words, the sending one first."""
    return f"{c.label('jurisdiction', sending)} → {c.label('jurisdiction', receiving)}"


async def _asked(site: Site, request: Request) -> list[StatisticsRecord]:
    """The records that a caller asks for. Raises PasserelleError ``argument-invalid``, ``date-impossible``."""
    values = request.query_params
    for name, known in (("measure", get_args(Measure)), ("window", SPANS)):
        if values.get(name, "") not in ("", *known):
            raise PasserelleError("argument-invalid", f"The {name} is one of {', '.join(known)}.", where=name)
    limit = index_of(values.get("limit", str(MAX_RECORDS)), "limit")
    if not 1 <= limit <= MAX_RECORDS:
        raise PasserelleError("argument-invalid", f"The limit is 1 to {MAX_RECORDS}.", where="limit")
    start = None
    if values.get("start"):
        try:
            start = dt.date.fromisoformat(values["start"])
        except ValueError:
            raise PasserelleError("date-impossible", "The start is not a date.", where="start") from None
    return await site.reader.statistics(values.get("measure", ""), values.get("window", ""), start, limit)


async def as_json(site: Site, request: Request) -> Response:
    """``/api/statistics``: the records as insight published them, newest window first."""
    found = await _asked(site, request)
    return Answer({"records": [record.model_dump(mode="json", exclude_none=True) for record in found]})


async def as_csv(site: Site, request: Request) -> Response:
    """``/api/statistics.csv``: one line a row; a count that is not shown is written as ``<5``, say."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    for record in await _asked(site, request):
        about = record.model_dump(mode="json", include=set(_COLUMNS))
        for row in record.rows:
            cells = {**about, **row.model_dump(mode="json")}
            if row.count is None:
                cells["count"] = f"<{record.threshold}"
            # Codes, dates and numbers only: nothing that a spreadsheet would take for a formula.
            writer.writerow([_cell(cells[name]) for name in _COLUMNS])
    headers = {"Content-Disposition": 'attachment; filename="passerelle-statistics.csv"', **OPEN}
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
