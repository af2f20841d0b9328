"""What processes give up under memory pressure is loaded again: nobody misses an entry, no decision changes."""

from __future__ import annotations

from pathlib import Path

from tests.unit.ledger.test_recent import indices, plan
from tests.unit.ledger.test_service import Loop, run
from tests.unit.portal.test_hub import Stored, hub_with, publish

from passerelle.ledger import metrics
from passerelle.ledger.recent import Recent
from passerelle.portal.hub import RING, follow
from passerelle.testing.federation import uuid_of


async def test_the_portals_ring_goes_and_readers_go_on_from_the_database() -> None:
    stored = Stored(0)
    hub = hub_with(stored)
    publish(hub, stored, 4)
    assert RING._value.get() > 0
    hub.shed()
    assert RING._value.get() == 0
    reader = follow(hub, stored.read, 0)
    assert [(await anext(reader)).index for _ in range(4)] == [0, 1, 2, 3]
    assert stored.reads == 1
    publish(hub, stored, 1)
    assert (await anext(reader)).index == 4
    assert stored.reads == 1, "what came since is in the ring"
    await reader.aclose()


def test_the_publishers_commits_go_and_later_ones_are_kept_again() -> None:
    recent = Recent()
    recent.add(plan(0, 3))
    recent.clear()
    assert indices(recent, 0) == [], "the publisher reads the database"
    recent.add(plan(3, 2))
    assert indices(recent, 3) == [3, 4]


async def test_the_ledgers_things_go_and_are_read_again_for_the_next_decision(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    humber, admission = loop.federation.admit("humber")
    loop.ingress.add(founding, admission, humber.achievement("a"))
    async with run(loop):
        await loop.until_size(3)
        held = metrics.THINGS._value.get()
        loop.service.shed()
        # It rests on the achievement, and is refused where that is not known.
        loop.ingress.add(humber.issued("ann", "a"))
        await loop.until_size(4)
    assert held > 0
    assert loop.tables.entries[-1][6] is None, "accepted"
    assert uuid_of("ann") in {row[9] for row in loop.tables.entries}
