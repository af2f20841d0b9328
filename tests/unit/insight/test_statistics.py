"""The statistics: what is counted, that a repeat and a crash change nothing, and what is shown of it."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterable
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.portal.builder import OPERATOR, Log

from passerelle.core.durations import step
from passerelle.core.errors import FormatError
from passerelle.events.export import CONTRACTS
from passerelle.events.feed import Checked, read_record
from passerelle.events.statistics import SCHEMA_NAME, StatisticsRecord, StatisticsRow, read_statistics
from passerelle.insight.durations import merge, percentile
from passerelle.insight.report import Rules, everything, records, touched, window_end, window_start
from passerelle.insight.statistics import Fold, Row
from passerelle.insight.windows import read_summary

START = dt.datetime(2026, 10, 30, 12, tzinfo=dt.UTC)
RULES = Rules("test/log", threshold=5, burst_factor=5.0)
GRADE = {"scheme": "ubc/percent", "grade": "60"}
SCHEMA = jsonschema_rs.validator_for(json.loads((CONTRACTS / "schemas" / SCHEMA_NAME).read_text("utf-8")))
ISSUED = {
    "achievement": "humber/one",
    "achievement_version": 1,
    "awarding_bodies": ["urn:passerelle:member:humber"],
    "registration": "humber",
    "conferred_on": "2026-10-01",
    "basis": "completed",
    "record": "cd" * 32,
}


def rule(receiver: str, *sending: str, **more: Any) -> dict[str, Any]:
    """The data of a rule by ``receiver`` for achievements."""
    any_of = [{"achievement": name} for name in sending]
    expression = any_of[0] if len(any_of) == 1 else {"any_of": any_of}
    return {"receiver": receiver, "sending": expression, "valid_from": "2026-01-01", **more}


def granted(receiver: str, *sending: str, **more: Any) -> dict[str, Any]:
    credits = {"value": "3", "system": "credit-hours"}
    outcome = {"type": "unassigned", "subject": "MATH", "credits": credits, **more.pop("terms", {})}
    return rule(receiver, *sending, kind="equivalency", outcome=outcome, **more)


def story() -> Log:
    """Six requests from Ontario to British Columbia, one a day; rules and refusals of many kinds."""
    log = Log(now=START)
    log.admit(OPERATOR, "operator", {"en": "Operator"}, ["CA"], ["operate"])
    for member, place in (("humber", "CA-ON"), ("queens", "CA-ON"), ("ubc", "CA-BC"), ("nscc", "CA-NS")):
        log.admit(member, "university", {"en": member}, [place], ["issue", "recognise"])
    hour = dt.timedelta(hours=1)
    for number in range(6):
        request = {"achievement": "humber/one", "receiver": "ubc"}
        log.add("recognition.requested", "humber", f"humber/ask-{number}", request, after=22 * hour)
        # The party event between them is a number in the log and nothing else.
        log.add("credential.issued", "humber", log.uuid7(), ISSUED, after=hour)
        if number == 5:
            log.add("recognition.declined", "ubc", f"humber/ask-{number}", {}, after=hour)
            break
        data = granted("ubc", "humber/one", request=f"humber/ask-{number}")
        log.add("recognition.granted", "ubc", f"ubc/rule-{number}", data, after=hour)
    condition = {"conditions": [{"use": "credit", "minimum_grade": GRADE}]}
    log.add("recognition.granted", "ubc", "ubc/conditional", granted("ubc", "humber/one", terms=condition))
    # Two courses of one province and one of another: each pair of provinces is counted once.
    log.add("recognition.granted", "ubc", "ubc/both", granted("ubc", "humber/one", "queens/two", "nscc/three"))
    log.add("recognition.denied", "ubc", "ubc/none", rule("ubc", "queens/two", reason="level"))
    log.add("recognition.denied", "ubc", "ubc/refused", rule("ubc", "queens/two", reason="level"), code="role-missing")
    return log


LOG = story()


def read(index: int) -> Checked:
    return read_record(LOG.headers(index), LOG.bodies[index], LOG.network)


ENTRIES = [read(index) for index in range(len(LOG.entries))]


def fold(rows: dict[str, Row], entries: Iterable[Checked], **more: Any) -> Fold:
    found = Fold(rows, **{"max_rows": 10_000, "keep_days": 400, **more})
    for checked in entries:
        found.entry(checked)
    return found


def report(rows: dict[str, Row], position: int = len(LOG.entries)) -> list[StatisticsRecord]:
    return list(records(rows, everything(rows), RULES, position))


def cells(found: Iterable[StatisticsRecord], measure: str, window: str) -> dict[str, list[StatisticsRow]]:
    """The rows by the start of their window."""
    return {r.start.isoformat(): list(r.rows) for r in found if (r.measure, r.window) == (measure, window)}


def test_times_to_decision_by_week_and_small_counts_hidden() -> None:
    rows: dict[str, Row] = {}
    assert fold(rows, ENTRIES).position == len(LOG.entries)
    weeks = cells(report(rows), "decision-time", "week")
    # Requests of 31 October to 5 November 2026: the first two in the week that began on 26 October.
    assert list(weeks) == ["2026-10-26", "2026-11-02"]
    assert [(row.scope, row.count, row.p50_s) for row in weeks["2026-10-26"]] == [
        ("network", None, None), ("pair", None, None), ("receiver", None, None),
    ]  # fmt: skip
    months = cells(report(rows), "decision-time", "month")
    network, pair, receiver = months["2026-11-01"]
    assert (network.count, pair.sending, pair.receiving, receiver.receiver) == (5, "CA-ON", "CA-BC", "ubc")
    assert network.p50_s == pytest.approx(2 * 3600, rel=0.05)
    assert network.p90_s == pytest.approx(2 * 3600, rel=0.05)


def test_decisions_by_pair_of_provinces_and_reason() -> None:
    rows: dict[str, Row] = {}
    fold(rows, ENTRIES)
    raw = {key: row["n"] for key, row in rows.items() if key.startswith("a|")}
    total: dict[str, int] = {}
    for key, count in raw.items():
        total[key.split("|", 2)[2]] = total.get(key.split("|", 2)[2], 0) + count
    assert total == {
        "CA-ON|CA-BC|credited|": 6,
        "CA-ON|CA-BC|conditional|": 1,
        "CA-ON|CA-BC|case-by-case|": 1,
        "CA-NS|CA-BC|credited|": 1,
        "CA-ON|CA-BC|no-credit|level": 1,
    }
    shown = cells(report(rows), "acceptance", "month")["2026-11-01"]
    hidden = [row for row in shown if row.count is None]
    assert {(row.outcome, row.reason) for row in hidden} >= {("no-credit", "level"), ("conditional", None)}
    assert all(row.count >= 5 for row in shown if row.count is not None)


def test_late_entries_are_stated_and_stay_in_the_ledgers_window() -> None:
    log = Log(now=START)
    log.admit(OPERATOR, "operator", {"en": "Operator"}, ["CA"], ["operate"])
    log.admit("ubc", "university", {"en": "UBC"}, ["CA-BC"], ["recognise"])
    log.add("recognition.granted", "ubc", "ubc/a", granted("ubc", "ubc/one"))
    index = log.add("recognition.granted", "ubc", "ubc/b", granted("ubc", "ubc/one"))
    late = read_record(log.headers(index), log.bodies[index], log.network)
    assert late.event is not None
    late = Checked(late.index, late.entry, late.parsed, late.statement, late.body,
                   late.event._replace(time=late.event.time - dt.timedelta(days=3)), "")  # fmt: skip
    rows: dict[str, Row] = {}
    before = [read_record(log.headers(i), log.bodies[i], log.network) for i in range(index)]
    fold(rows, [*before, late])
    (day,) = [record for record in report(rows) if (record.measure, record.window) == ("acceptance", "day")]
    assert (day.start, day.late) == (START.date(), 1)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), crashes=st.lists(st.integers(0, len(ENTRIES) - 1), max_size=4))
def test_repeats_and_crashes_between_two_rows_change_nothing(seed: int, crashes: list[int]) -> None:
    """After a crash some rows hold what came before it and others do not; then the entries come again."""
    whole: dict[str, Row] = {}
    fold(whole, ENTRIES)
    chance = random.Random(seed)
    kept: dict[str, Row] = {}
    for crash in sorted(crashes):
        rows = dict(kept)
        fold(rows, ENTRIES[: crash + 1])
        # Each row was written before the crash or not, whatever the others did.
        kept = {key: row for key, row in rows.items() if key in kept or chance.random() < 0.7}
    again = [entry for entry in ENTRIES for _ in range(chance.randint(1, 3))]
    fold(kept, again)
    assert kept == whole
    assert report(kept) == report(whole)


def test_built_again_from_the_feed_it_is_the_same() -> None:
    first: dict[str, Row] = {}
    second: dict[str, Row] = {}
    fold(first, ENTRIES)
    later = fold(second, ENTRIES[:9])
    for checked in ENTRIES[4:]:
        later.entry(checked)
    assert second == first


def test_a_hole_is_counted_and_a_start_in_the_middle_is_none() -> None:
    rows: dict[str, Row] = {}
    found = fold(rows, [*ENTRIES[3:6], *ENTRIES[8:]])
    assert found.holes == 2


def test_old_days_go_and_rows_have_a_bound() -> None:
    rows: dict[str, Row] = {}
    assert fold(rows, ENTRIES, keep_days=2).left_out == 0
    days = {key.split("|")[1] for key in rows if key.startswith("a|")}
    assert min(days) >= "2026-11-03"
    few: dict[str, Row] = {}
    assert fold(few, ENTRIES, max_rows=8).left_out > 0
    assert len(few) <= 8 + 3


def summary(first: int, size: int, day: str, **counts: int) -> Any:
    """A commit's summary: counts by member of Ontario, revocations, and appeals as ``appeals``."""
    at = int(dt.datetime.fromisoformat(f"{day}T09:00:00+00:00").timestamp() * 1000)
    rows = [
        {"member": member, "jurisdiction": "CA-ON", "family": "transfer" if member == "appeals" else "credential",
         "type": f"ca.passerelle.{'transfer.appealed' if member == 'appeals' else 'credential.revoked'}.v1",
         "accepted": count, "refused": 0}
        for member, count in counts.items()
    ]  # fmt: skip
    rows.append(
        {"member": "x", "jurisdiction": "CA-ON", "family": "credential", "type": "t", "refused": 0,
         "accepted": size - first - sum(counts.values())}
    )  # fmt: skip
    return read_summary({"from": first, "size": size, "accepted_at": at, "counts": rows})


def test_revocations_burst_against_the_members_own_usual() -> None:
    rows: dict[str, Row] = {}
    found = Fold(rows, max_rows=1000, keep_days=400)
    size = 0
    for number in range(28):
        day = (dt.date(2026, 10, 1) + dt.timedelta(days=number)).isoformat()
        found.summary(summary(size, size + 30, day, humber=10, queens=1))
        size += 30
    last = summary(size, size + 100, "2026-10-29", humber=40, queens=12, ubc=9, appeals=11)
    found.summary(last)
    found.summary(last)
    assert rows["at|summary"]["size"] == size + 100
    shown = {row.member: row for row in cells(report(rows), "revocations", "day")["2026-10-29"]}
    # 40 is four times the usual 10 of the one; 12 is twelve times the usual 1 of the other; 9 is not shown at all.
    assert (shown["humber"].count, shown["humber"].burst) == (40, False)
    assert (shown["queens"].count, shown["queens"].burst) == (12, True)
    assert set(shown) == {"humber", "queens"}
    (appeals,) = cells(report(rows), "appeals", "month")["2026-10-01"]
    assert (appeals.jurisdiction, appeals.count) == ("CA-ON", 11)


def test_windows_that_the_kept_summaries_do_not_reach_back_to_are_not_told() -> None:
    rows: dict[str, Row] = {}
    found = Fold(rows, max_rows=1000, keep_days=400)
    found.summary(summary(500, 520, "2026-10-29", humber=12, appeals=2))
    found.summary(summary(520, 540, "2026-10-30", humber=12))
    assert list(cells(report(rows), "revocations", "day")) == ["2026-10-30"]
    assert cells(report(rows), "appeals", "month") == {}


@pytest.mark.parametrize(
    ("window", "day", "start", "end"),
    [
        ("day", "2026-12-31", "2026-12-31", "2027-01-01"),
        ("week", "2027-01-01", "2026-12-28", "2027-01-04"),
        ("week", "2026-11-02", "2026-11-02", "2026-11-09"),
        ("month", "2026-12-31", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29", "2028-02-01", "2028-03-01"),
    ],
)
def test_windows_of_the_calendar(window: str, day: str, start: str, end: str) -> None:
    found = window_start(window, dt.date.fromisoformat(day))
    assert (found.isoformat(), window_end(window, found).isoformat()) == (start, end)


def test_what_changed_is_what_is_told_again() -> None:
    rows: dict[str, Row] = {}
    found = fold(rows, ENTRIES[:-4])
    found.dirty = set()
    found.entry(ENTRIES[-4])
    assert {place[:2] for place in touched(found.dirty)} == {
        ("acceptance", "day"), ("acceptance", "week"), ("acceptance", "month"),
    }  # fmt: skip
    assert touched(found.dirty) < everything(rows)


@given(st.lists(st.floats(1, 10**8), min_size=1, max_size=200), st.sampled_from([0.5, 0.9]))
def test_percentiles_are_within_five_percent(seconds: list[float], share: float) -> None:
    steps = merge([{str(step(one)): 1} for one in seconds])
    exact = sorted(seconds)[max(0, -(-int(share * 100) * len(seconds) // 100) - 1)]
    assert percentile(steps, share) == pytest.approx(exact, rel=0.05, abs=1)


def test_records_are_what_the_contract_says() -> None:
    rows: dict[str, Row] = {}
    fold(rows, ENTRIES)
    found = report(rows)
    assert found
    for record in found:
        SCHEMA.validate(json.loads(record.write()))
        assert read_statistics(record.write()) == record
    good, bad = ((CONTRACTS / "examples" / f"insight.statistics.{kind}.json").read_bytes() for kind in ("good", "bad"))
    SCHEMA.validate(json.loads(good))
    assert read_statistics(good).rows[-1].count is None
    assert not SCHEMA.is_valid(json.loads(bad))
    with pytest.raises(FormatError, match=r"outcome") as caught:
        read_statistics(bad)
    assert "perhaps" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [{"scope": "network", "count": 4}]},
        {"measure": "appeals", "threshold": 5},
        {"measure": "appeals", "window": "day", "threshold": 10},
        {"end": "2026-11-01"},
        {"surprise": 1},
    ],
)
def test_dishonest_records_are_refused(change: dict[str, Any]) -> None:
    good = json.loads((CONTRACTS / "examples" / "insight.statistics.good.json").read_bytes())
    if "rows" not in change:
        good["rows"] = []
    with pytest.raises(FormatError):
        read_statistics(json.dumps({**good, **change}).encode())
