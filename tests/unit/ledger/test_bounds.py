"""Bounds of the ledger's memory in bytes: what waits, and what is collected for a commit."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.ledger.test_service import Loop, run

from passerelle.ledger.intake import Intake
from passerelle.ledger.model import Limits
from passerelle.ledger.prepare import Preparer
from passerelle.testing.federation import Federation
from passerelle.testing.memory_ledger import MemoryLedger


def test_waiting_is_bounded_in_bytes_and_the_next_event_always_fits() -> None:
    federation = Federation()
    ledger = MemoryLedger(federation, Limits(park_bytes=1300))
    founding = federation.found()
    humber, admission = federation.admit("humber")
    ledger.feed(founding, admission)
    events = [humber.achievement(f"a{number}") for number in range(8)]
    size = len(events[1].body)
    fits = 1300 // size
    assert 1 <= fits < 6, "the sample no longer tells the bound"
    ledger.feed(*events[1:])
    assert sorted(place[2] for place in ledger.waiting) == list(range(2, 2 + fits))
    assert ledger.sequencer.parking.bytes == sum(len(event.body) for event in events[1 : 1 + fits])
    assert ledger.letters("humber", "resend-from")[0]["sequence"] == 2 + fits
    ledger.feed(events[0])
    assert (ledger.sequencer.parking.bytes, ledger.waiting) == (0, {})


async def test_a_batch_is_bounded_in_bytes(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    loop.ingress.add(founding, *[loop.federation.admit(f"member{number}")[1] for number in range(30)])
    preparer = Preparer()
    intake = Intake(loop.ingress, preparer, loop.clock, maximum=10, linger_s=0.0, bytes_max=1)
    registry = loop.tables.state().registry
    filling = asyncio.create_task(intake.fill(lambda: registry))
    try:
        counts = []
        for _ in range(4):
            batch = await asyncio.wait_for(intake.take(5), 5)
            counts.append(len(batch.items))
    finally:
        filling.cancel()
        await preparer.close()
    # A fetch under way is taken whole; no further one begins.
    assert sum(counts) == 31
    assert max(counts) == 10


async def test_the_loop_owes_progress_while_it_works_and_gives_its_cache_up_between(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    humber, admission = loop.federation.admit("humber")
    loop.ingress.add(founding, admission, humber.achievement("a"))
    seen: list[dict[str, int]] = []
    commit = loop.store.commit

    async def watched(plan: object) -> None:
        seen.append(dict(loop.service.progress()))
        await commit(plan)  # type: ignore[arg-type]

    loop.store.commit = watched  # type: ignore[method-assign]
    async with run(loop):
        await loop.until_size(3)
        loop.service.shed()
        loop.ingress.add(humber.achievement("b"), humber.achievement("c"))
        await loop.until_size(5)
    assert seen
    assert all(marks.keys() == {"batch"} for marks in seen)
    turns = [marks["batch"] for marks in seen]
    assert turns == sorted(set(turns)), "each batch is a turn"
    assert loop.service.progress() == {}


@pytest.mark.parametrize("limits", [Limits(), Limits(park_max=1, park_bytes=1)])
def test_bounds_change_no_outcome_of_what_comes_in_order(limits: Limits) -> None:
    federation = Federation()
    ledger = MemoryLedger(federation, limits)
    founding = federation.found()
    humber, admission = federation.admit("humber")
    ledger.feed(founding, admission, *[humber.achievement(f"a{number}") for number in range(5)])
    assert len(ledger.entries) == 7
