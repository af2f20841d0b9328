"""Reconciliation: every difference is named once, with its place and what to do; what agrees is proved complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.unit.node.restoring import LOG, MEMBER, NETWORK, Bench

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.core.note import NoteSigner
from passerelle.node.reconcile import ADVICE, LATE_MS, Finding, Reconciler, Reconciliation

FAMILY = "credential"


class Office(Bench):
    """A bench with a reconciler that remembers what it found."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Finding] = []
        self.reconciler = Reconciler(
            self.store,
            self.ledger,
            self.restorer,
            self.desk.clock,
            network=NETWORK,
            member=MEMBER,
            operator="operator",
            found=self.found.append,
        )

    async def run(self) -> Reconciliation:
        self.found.clear()
        return await self.reconciler.run()

    def kinds(self) -> list[tuple[str, int]]:
        return [(one.kind, one.sequence) for one in self.found]

    def change(self, sequence: int, **changes: object) -> None:
        """Tamper with a row."""
        row = self.store.rows[FAMILY][sequence]
        row.row = replace(row.row, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def office() -> Office:
    bench = Office()
    await bench.publish(*range(1, 8))
    return bench


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_streams_that_agree_are_proved_complete(
    office: Office, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("passerelle.node.reconcile.PAGE", page)
    report = await office.run()
    assert (report.differences, office.found) == (0, [])
    stream = next(one for one in report.streams if one.family == FAMILY)
    assert (stream.here, stream.there, stream.proved, stream.events) == (7, 7, 7, 7)


Change = Callable[[Office], None]


def drop(sequence: int) -> Change:
    return lambda office: office.store.rows[FAMILY].__delitem__(sequence)


def row(sequence: int, **changes: object) -> Change:
    return lambda office: office.change(sequence, **changes)


@pytest.mark.parametrize(
    ("kind", "sequence", "change"),
    [
        ("missing-here", 3, drop(3)),
        ("missing-here", 1, drop(1)),
        ("missing-here", 7, drop(7)),
        ("other-content", 4, row(4, body_sha256=bytes(32))),
        ("other-content", 4, row(4, subject="humber/another")),
        ("other-statement", 5, row(5, statement=b"another")),
        ("other-outcome", 6, row(6, outcome="refused", code="step-illegal")),
        ("other-outcome", 6, row(6, index=99)),
    ],
)
async def test_each_difference_is_named_and_mended(office: Office, kind: str, sequence: int, change: Change) -> None:
    change(office)
    report = await office.run()
    assert office.kinds() == [(kind, sequence)]
    assert (report.differences, dict(report.counts)) == (1, {kind: 1})
    assert office.found[0].as_dict()["fix"]
    await office.reconciler.fix()
    assert (await office.run()).differences == 0
    assert office.found == []


async def test_answers_that_are_late_differ_and_others_only_wait(office: Office) -> None:
    office.change(2, outcome=None, index=None, released_at=office.desk.clock.now)
    rows = await office.store.number([office.desk.demand(20)])
    office.change(rows[0].sequence, released_at=office.desk.clock.now)
    assert (await office.run()).differences == 0
    assert office.kinds() == [("waiting", 2), ("waiting", 8)]
    office.desk.clock.now += LATE_MS + 1
    assert (await office.run()).differences == 2
    assert office.kinds() == [("answer-missing", 2), ("unanswered", 8)]
    assert office.found[1].age_ms == LATE_MS + 1


async def test_what_was_answered_and_is_not_in_the_ledger_is_named(office: Office) -> None:
    await office.store.number([office.desk.demand(20)])
    await office.store.answer(FAMILY, 8, 99)
    assert (await office.run()).differences == 1
    assert office.kinds() == [("missing-there", 8)]


async def test_refusals_and_lost_bodies_are_told_and_are_no_difference(office: Office) -> None:
    office.publish_elsewhere(8, 9, refused=[9])
    office.ledger.erase(FAMILY, 8)
    await office.restorer.compare()
    assert (await office.run()).differences == 0
    assert office.kinds() == [("body-gone", 8), ("refused", 9)]


async def test_fixing_brings_back_the_end_and_closes_what_it_explains(office: Office) -> None:
    office.publish_elsewhere(8, 9)
    await office.store.number([office.desk.demand(20)])
    await office.store.note_sent(FAMILY, 8, now_ms=0, again=False)
    await office.restorer.compare()
    assert [problem[0] for problem in office.store.problems] == ["stream-forked"]
    assert (await office.run()).differences == 2
    await office.reconciler.fix()
    assert (await office.run()).differences == 0
    await office.reconciler.settle()
    assert office.store.problems == []
    assert len(office.store.drafts) == 1


async def test_a_fork_among_answered_events_is_left_to_people(office: Office) -> None:
    office.publish_elsewhere(8)
    await office.store.number([office.desk.demand(20)])
    await office.store.answer(FAMILY, 8, 7)
    await office.reconciler.fix()
    assert (await office.run()).differences == 1
    assert office.kinds() == [("other-statement", 8)]
    await office.reconciler.settle()
    assert [problem[0] for problem in office.store.problems] == ["stream-forked"]


async def test_a_log_without_a_proof_is_not_called_complete(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(family: str, sequence: int) -> None:
        raise Unavailable("checkpoint-not-ready", "not yet")

    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, "proof", none)
        assert (await office.run()).differences == 1
    assert office.kinds() == [("unproved", 7)]
    monkeypatch.setattr("tests.unit.node.restoring.LOG", NoteSigner(LOG.verifier.name, bytes(32)))
    assert (await office.run()).differences == 1
    assert "note-key-unknown" in office.found[0].what


async def test_a_ledger_that_breaks_its_own_links_is_not_believed(office: Office) -> None:
    stream = office.ledger.streams[FAMILY]
    stream[2], stream[3] = stream[3], stream[2]
    with pytest.raises(PasserelleError) as caught:
        await office.run()
    assert caught.value.code == "sequence-conflict"


def test_every_finding_says_what_to_do() -> None:
    assert all(text.endswith(".") for text in ADVICE.values())
