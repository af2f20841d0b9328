"""What a commit's summary says of transfer cases: counts by provinces, the same when counted again, and no case."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from tests.unit.ledger_out.test_replay import Actors

from passerelle.core.batch import SignedStatement
from passerelle.core.durations import days_step
from passerelle.core.registry import Registry
from passerelle.core.things import CaseCount
from passerelle.ledger.check import EntryChecker, Findings
from passerelle.ledger.check_ports import Counted, HeadRow, RestStore
from passerelle.ledger.check_rest import RestChecker
from passerelle.ledger.summary import case_rows
from passerelle.testing.federation import uuid_of

DAY_MS = 24 * 3_600_000
OUTCOME = {"type": "assigned", "achievement": "york/energy-2", "credits": {"value": "3", "system": "credit-hours"}}
MORE = {**OUTCOME, "credits": {"value": "6", "system": "credit-hours"}}


class Office(Actors):
    """york decides on cases of humber, day by day."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[bytes] = []

    def feed(self, *events: SignedStatement) -> Any:
        """Commit the events as one; what the summary says of cases."""
        plan = self.ledger.feed(*events)
        assert plan.summary is not None
        self.sizes.append(plan.summary)
        return orjson.loads(plan.summary)["cases"]

    def opened(self, who: str) -> list[SignedStatement]:
        """A credential, its release, and the request of its case."""
        return [self.step("issued", who), self.other("release", who), self.other("request", who)]

    def act(self, who: str, name: str, version: int, **data: Any) -> SignedStatement:
        """A step of york's in a case."""
        return self.york.event(f"transfer.{name}", uuid_of(f"case {who}"), {"expected_version": version, **data})

    def decide(self, who: str, version: int, outcome: dict[str, Any] | None = OUTCOME) -> SignedStatement:
        """Credit, or with None no credit."""
        line: dict[str, Any] = {"line": 1, "credential": uuid_of(who)}
        if outcome is None:
            line |= {"status": "no-credit", "reason": "level"}
        else:
            line |= {"status": "credited", "individual_reason": "x", "outcome": outcome}
        return self.act(who, "decided", version, lines=[line])

    def wait(self, days: int) -> None:
        """Let days pass."""
        self.ledger.now += days * DAY_MS


def row(appeals: dict[str, int], decided: dict[int, int]) -> list[dict[str, Any]]:
    """Cases of humber at york: both are of Ontario in this federation."""
    steps = {str(days_step(days)): count for days, count in decided.items()}
    return [{"sending": "CA-ON", "receiving": "CA-ON", "appeals": appeals, "decided": steps}]


def lived(office: Office) -> None:
    """Three cases, opened on one day; decided, appealed, and the appeals ended in the ways that there are."""
    appeal = {"ground": "other"}
    whole = [event for who in ("ann", "bob", "cy") for event in office.opened(who)]
    assert office.feed(*whole) == []
    office.wait(10)
    assert office.feed(office.decide("ann", 1), office.decide("bob", 1, None)) == row({}, {10: 2})
    office.wait(30)
    refused = office.decide("cy", 7)
    assert office.feed(refused, office.act("ann", "appealed", 2, **appeal)) == []
    assert office.feed(office.decide("cy", 1), office.decide("ann", 3, MORE)) == row({"changed": 1}, {40: 1})
    office.feed(*(office.act(who, "appealed", 2, **appeal) for who in ("bob", "cy")))
    ended = office.decide("bob", 3, None), office.act("cy", "withdrawn", 3, by="learner")
    assert office.feed(*ended) == row({"kept": 1, "withdrawn": 1}, {})
    # A repeat spends no number, so it counts nothing, also beside something new.
    assert office.feed(*ended, office.step("issued", "dora")) == []


def test_rows_are_those_of_pairs_in_order() -> None:
    places = {"york": ["CA-ON", "CA-BC"], "ubc": ["CA-BC"], "sfu": ["CA-BC"], "siemens": []}
    members = {name: SimpleNamespace(jurisdictions=found) for name, found in places.items()}
    registry = cast(Registry, SimpleNamespace(members=members))
    counts = [
        CaseCount("york", "ubc", days=40), CaseCount("york", "sfu", appeal="kept"), CaseCount("ubc", "sfu", days=0),
        CaseCount("york", "sfu", days=40), CaseCount("siemens", "york", days=1), CaseCount("gone", "york", days=1),
    ]  # fmt: skip
    one, forty = str(days_step(1)), str(days_step(40))
    expected = [
        ("", "CA-ON", {}, {one: 2}),
        ("CA-BC", "CA-BC", {}, {one: 1}),
        ("CA-ON", "CA-BC", {"kept": 1}, {forty: 2}),
    ]
    for order in (counts, counts[::-1]):
        assert [tuple(found.values()) for found in case_rows(order, registry)] == expected


def test_cases_are_counted_once_by_pair_of_provinces() -> None:
    office = Office()
    lived(office)
    told = b"".join(office.sizes)
    for who in ("ann", "bob", "cy"):
        for name in (uuid_of(who), uuid_of(f"case {who}"), uuid_of(f"release {who}", 4)):
            assert name.encode() not in told
    for value in map(orjson.loads, office.sizes):
        assert sum(count["accepted"] + count["refused"] for count in value["counts"]) == value["size"] - value["from"]


class Kept:
    """The summaries of a ledger in memory that were not acked, as the check reads them."""

    def __init__(self, office: Office, values: Sequence[bytes]) -> None:
        self._entries = office.ledger.entries
        self._values = values

    async def summaries(self) -> AsyncIterator[tuple[int, bytes]]:
        for value in self._values:
            yield orjson.loads(value)["size"], value

    async def counted(self, start: int, stop: int) -> Sequence[Counted]:
        found: dict[tuple[str, str, str], list[int]] = {}
        for entry in self._entries[start:stop]:
            found.setdefault((entry[2], entry[3], entry[8] or ""), [0, 0])[entry[6] is not None] += 1
        return [Counted(*key, *counts) for key, counts in found.items()]


async def faults(office: Office, values: Sequence[bytes], lost: int | None = None) -> list[str]:
    """Where the check finds fault with summaries; ``lost``: the index of an entry whose decision nobody can judge."""
    findings = Findings()
    checker = EntryChecker(office.registry(), findings)
    for entry in office.rows():
        checker.take(entry)
    assert findings.faults == []
    if lost is not None:
        checker.unjudged.append(lost)
    ledger = office.ledger
    found = ledger.head
    head = HeadRow(found.network, found.size, found.accepted_at, found.floor, b"".join(found.peaks))
    rest = RestChecker(cast(RestStore, Kept(office, values)), checker, head, findings, now_ms=ledger.now)
    await rest._check_summaries()
    return [fault.where for fault in findings.faults]


async def test_the_check_counts_cases_again() -> None:
    office = Office()
    lived(office)
    values = office.sizes
    assert await faults(office, values) == []
    assert orjson.loads(values[1])["cases"] != []
    size = orjson.loads(values[3])["size"]
    for old, new in ((b'"changed":1', b'"changed":2'), (b'"changed"', b'"kept"'), (b"CA-ON", b"CA-QC")):
        assert old in values[3]
        assert await faults(office, [*values[:3], values[3].replace(old, new), *values[4:]]) == [f"summary {size}"]
    empty = orjson.dumps({**orjson.loads(values[3]), "cases": []})
    assert await faults(office, [*values[:3], empty, *values[4:]]) == [f"summary {size}"]
    without = orjson.loads(values[3])
    del without["cases"]
    assert await faults(office, [*values[:3], orjson.dumps(without), *values[4:]]) == [f"summary {size}"]
    # Where the body that decided is gone with what it rests on, the number stands as it was told.
    assert await faults(office, [*values[:3], empty, *values[4:]], lost=size - 1) == []


@pytest.mark.parametrize("crash", range(7))
def test_a_ledger_that_begins_again_counts_the_same(crash: int) -> None:
    whole, broken = Office(), Office()
    lived(whole)
    feed = broken.feed

    def feed_and_restart(*events: SignedStatement) -> Any:
        cases = feed(*events)
        if len(broken.sizes) == crash:
            broken.ledger.restart()
        return cases

    broken.feed = feed_and_restart  # type: ignore[method-assign]
    lived(broken)
    assert broken.sizes == whole.sizes
