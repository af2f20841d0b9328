"""The statistics in the portal: taken in once and in order, drawn, shown in both languages, written as files."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from lxml import etree
from starlette.requests import Request
from tests.unit.portal.statistics_sample import LAST, record, sample, times

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.events.statistics import StatisticsRecord
from passerelle.portal.charts import Bar, Line, Part, bars, lines
from passerelle.portal.http import statistics
from passerelle.portal.http.site import Site, environment
from passerelle.portal.i18n import load
from passerelle.portal.ports import Raw
from passerelle.portal.statistics import Taker
from passerelle.portal.status import Status

NETWORK = "ledger.passerelle.example/test"


class Kept:
    """The store's contract in memory, and the reader's: the highest position of a window stays."""

    def __init__(self, records: Sequence[StatisticsRecord] = ()) -> None:
        self.offset = 0
        self.found: dict[tuple[str, str, dt.date], StatisticsRecord] = {}
        self._keep(records)

    def _keep(self, records: Sequence[StatisticsRecord]) -> None:
        for one in records:
            key = (one.measure, one.window, one.start)
            if key not in self.found or self.found[key].position <= one.position:
                self.found[key] = one

    async def next_offset(self) -> int:
        return self.offset

    async def put(self, records: Sequence[StatisticsRecord], next_offset: int) -> None:
        self._keep(records)
        self.offset = next_offset

    async def statistics(
        self, measure: str = "", window: str = "", start: dt.date | None = None, limit: int = 500
    ) -> list[StatisticsRecord]:
        found = [
            one for one in self.found.values()
            if measure in ("", one.measure) and window in ("", one.window) and start in (None, one.start)
        ]  # fmt: skip
        return sorted(found, key=lambda one: (-one.start.toordinal(), one.measure, one.window))[:limit]

    async def names(self, _members: Any) -> dict[str, dict[str, str]]:
        return {"bcit": {"en": "BC <Institute>"}}


def site(kept: Kept, following: bool = True) -> Site:
    return cast(
        Site,
        SimpleNamespace(
            reader=kept,
            catalogues=load(),
            templates=environment(),
            status=Status(statistics="following" if following else "topic-missing"),
            config=SimpleNamespace(network=NETWORK, log_url=None),
            clock=SimpleNamespace(now_ms=lambda: 0),
        ),
    )


def request(path: str, query: str = "") -> Request:
    return Request(
        {"type": "http", "path": path, "query_string": query.encode(), "headers": [], "scheme": "http",
         "server": ("t", 80), "method": "GET"}
    )  # fmt: skip


async def shown(kept: Kept, language: str = "en", query: str = "", following: bool = True) -> tuple[str, Any]:
    """The page as text, and parsed."""
    answer = await statistics.statistics(site(kept, following), request(f"/{language}/statistics", query))
    text = bytes(answer.body).decode()
    return text, etree.fromstring(text, etree.HTMLParser())


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("query", ["", "window=week", "window=day", "window=century&start=soon"])
async def test_the_page_in_both_languages(language: str, query: str) -> None:
    text, page = await shown(Kept(list(sample())), language, query)
    assert "BC &lt;Institute&gt;" in text or "window=week" in query
    assert "&lt; 5" in text
    below = load()[language].t("stats.below", n=10)
    assert below.replace("<", "&lt;") in text
    plots = page.findall(".//svg[@class='plot']")
    assert len(plots) == (4 if "week" in query else 5)
    for plot in plots:
        assert plot.get("aria-label") == plot.findtext("title")
        assert plot.findtext("desc")
    assert page.findall(".//table")
    assert not page.findall(".//script")


async def test_a_window_is_chosen_by_its_start() -> None:
    _, page = await shown(Kept(list(sample())), query="window=month&start=2026-02-01")
    chosen = page.xpath("//select[@id='start']/option[@selected]")
    assert [option.get("value") for option in chosen] == ["2026-02-01"]
    captions = [caption.text for caption in page.iter("caption")]
    assert "Time to decision by pair of provinces and receiving institution: February 2026" in captions


async def test_a_burst_is_marked_and_the_usual_is_not() -> None:
    _, page = await shown(Kept(list(sample())))
    rows = page.xpath("//section[@aria-labelledby='revocations']//tbody/tr")
    cells = [["".join(cell.itertext()).strip() for cell in row] for row in rows]
    assert [(cell[2], cell[3]) for cell in cells] == [("85", "Burst"), ("< 10", "–"), ("14", "within the usual")]


@pytest.mark.parametrize(
    ("language", "ended", "taken"),
    [
        ("en", ["Ontario → British Columbia", "Withdrawn", "10"], ["Quebec → Quebec", "96", "1 day", "1 day"]),
        ("fr", ["Ontario → Colombie-Britannique", "Retrait", "10"], ["Québec → Québec", "96", "1 jour", "1 jour"]),
    ],
)
async def test_ends_of_appeals_and_times_of_cases_of_the_last_month_that_shows_any(
    language: str, ended: list[str], taken: list[str]
) -> None:
    _, page = await shown(Kept(list(sample())), language)
    table, bars_of = "//section[@aria-labelledby='{}']//tbody/tr", "//section[@aria-labelledby='{}']//svg/rect/@class"
    ends, cases = (
        [["".join(cell.itertext()).strip() for cell in row] for row in page.xpath(table.format(name))]
        for name in ("ends", "cases")
    )
    assert (ends[2], cases[1]) == (ended, taken)
    assert (len(ends), len(cases)) == (4, 2)
    assert page.xpath(bars_of.format("ends")) == ["part-changed", "part-kept", "part-withdrawn", "part-kept"]
    # Where half of the cases take as long as nine in ten there is one part.
    assert page.xpath(bars_of.format("cases")) == ["part-half", "part-most", "part-half"]
    none = load()[language].t("stats.ends.none")
    assert none in (await shown(Kept(), language))[0]
    assert none not in (await shown(Kept(list(sample())), language))[0]


async def test_nothing_counted_yet_and_nothing_coming_in() -> None:
    text, page = await shown(Kept(), "fr", following=False)
    assert not page.findall(".//svg[@class='plot']")
    assert load()["fr"].t("stats.not-following") in text
    few = Kept([record("decision-time", "month", LAST, [{"scope": "network"}])])
    text, _ = await shown(few)
    assert "No period has 5 decided requests yet" in text


def geometry(svg: str) -> Any:
    return etree.fromstring(svg)


def test_bars_are_as_long_as_their_numbers() -> None:
    rows = [
        Bar("All <of> it", [Part("credited", 30, "c"), Part("no-credit", 10, "n")], "40"),
        Bar("Half", [Part("credited", 20, "c")], "20"),
        Bar("Hidden", [], "< 5"),
    ]
    drawn = geometry(bars("Name", "Text", rows))
    whole, rest, half, hidden = drawn.findall("rect")
    assert float(whole.get("width")) + 1 == pytest.approx(3 * (float(rest.get("width")) + 1), rel=0.01)
    assert float(half.get("width")) + 1 == pytest.approx(2 / 3 * (float(whole.get("width")) + 1), rel=0.01)
    assert float(rest.get("x")) + float(rest.get("width")) < 480
    assert hidden.get("class") == "part-hidden"
    assert drawn.findtext("text") == "All <of> it"


def test_lines_break_where_a_value_is_not_shown() -> None:
    line = Line("half", "h", [4.0, None, 2.0, 1.0])
    drawn = geometry(lines("Name", "Text", ["a", "b", "c", "d"], [line], "four"))
    (path,) = drawn.findall("path[@class='line-half']")
    assert path.get("d").count("M") == 2
    heights = [float(one.get("cy")) for one in drawn.findall("circle")]
    floor = 190
    assert [floor - one for one in heights] == pytest.approx([(floor - heights[0]) * part for part in (1, 0.5, 0.25)])
    alone = geometry(lines("Name", "Text", ["a"], [Line("half", "h", [3.0])], "three"))
    assert len(alone.findall("circle")) == 1


@pytest.mark.parametrize(
    ("seconds", "english", "french"),
    [(0, "0 seconds", "0 seconde"), (90, "90 seconds", "90 secondes"), (120, "2 minutes", "2 minutes"),
     (7_200, "2 hours", "2 heures"), (172_800, "2 days", "2 jours"),
     (86_400 * 1_500, "1,500 days", "1\u00a0500 jours")],
)  # fmt: skip
def test_durations_in_words(seconds: int, english: str, french: str) -> None:
    assert statistics.duration(load()["en"], seconds) == english
    assert statistics.duration(load()["fr"], seconds) == french


async def test_files_hold_what_is_published_and_nothing_below_the_threshold() -> None:
    kept = Kept(list(sample()))
    answer = await statistics.as_json(site(kept), request("/api/statistics", "measure=acceptance&window=month"))
    (found,) = json.loads(bytes(answer.body))["records"]
    assert StatisticsRecord.model_validate(found).measure == "acceptance"
    answer = await statistics.as_csv(site(kept), request("/api/statistics.csv", f"start={LAST.isoformat()}"))
    rows = list(csv.DictReader(io.StringIO(bytes(answer.body).decode())))
    assert {row["start"] for row in rows} == {LAST.isoformat()}
    assert {row["count"] for row in rows if row["measure"] == "acceptance"} >= {"<5", "700"}
    assert [row["burst"] for row in rows if row["measure"] == "revocations"] == ["true"]
    answer = await statistics.as_csv(site(kept), request("/api/statistics.csv", "measure=case-time"))
    days = list(csv.DictReader(io.StringIO(bytes(answer.body).decode())))
    assert [(row["sending"], row["count"], row["p50_s"], row["outcome"]) for row in days] == [
        ("CA-ON", "310", "2073600", ""), ("CA-QC", "96", "86400", ""),
    ]  # fmt: skip
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+-@" and cell]


@pytest.mark.parametrize("query", ["measure=gossip", "window=hour", "limit=0", "limit=501", "start=2026-02-30"])
async def test_wrong_questions_are_told(query: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await statistics.as_json(site(Kept()), request("/api/statistics", query))
    assert caught.value.where == query.partition("=")[0]


class Topic:
    """A topic in memory: each poll gives one record, or what is raised; at the end it stops the reader."""

    def __init__(self, values: Sequence[bytes | Exception], stop: asyncio.Event) -> None:
        self._values = list(values)
        self._stop = stop
        self._at = 0
        self.opened: list[int] = []

    async def open(self, offset: int) -> None:
        self.opened.append(offset)
        self._at = offset

    async def poll(self) -> Sequence[Raw]:
        if self._at >= len(self._values):
            self._stop.set()
            return ()
        value = self._values[self._at]
        if isinstance(value, Exception):
            self._values[self._at] = b"{}"
            raise value
        self._at += 1
        return [Raw(self._at - 1, (), value)]

    async def close(self) -> None:
        self.opened.append(-1)


async def test_records_are_taken_in_and_older_or_foreign_ones_change_nothing() -> None:
    new = record("decision-time", "month", LAST, times(9, 1), position=20)
    old = record("decision-time", "month", LAST, times(8, 1), position=10)
    foreign = record("decision-time", "month", LAST, times(7, 1), position=99, network="another/log")
    away = Unavailable("broker-unavailable", "away")
    stop, kept, status = asyncio.Event(), Kept(), Status()
    topic = Topic([new.write(), b"nonsense", away, old.write(), foreign.write(), new.write()], stop)
    await asyncio.wait_for(Taker(kept, topic, status, NETWORK).run(stop), 10)
    assert list(kept.found.values()) == [new]
    assert kept.offset == 6
    assert topic.opened == [0, 2, -1]
    assert status.statistics == "following"
    assert status.codes == {"schema-invalid": 2}
    assert status.snapshot()["statistics"] == "following"
