"""What wakes watch streams: those whose cases changed, at once and all, by one look for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from passerelle.core.errors import Unavailable
from passerelle.query.rpc import watches
from passerelle.query.rpc.watches import CaseWakes


class World:
    """An index whose position moves, and a store of changes: (index, member)."""

    def __init__(self) -> None:
        self.position = SimpleNamespace(size=0)
        self.moved = asyncio.Event()
        self.changes: list[tuple[int, str]] = []
        self.looks = self.open = self.most = 0
        self.away = False

    def commit(self, *members: str) -> None:
        for member in members:
            self.changes.append((self.position.size, member))
            self.position.size += 1
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        if self.away:
            raise Unavailable("database-unavailable", "It does not answer.")
        self.open += 1
        self.most = max(self.most, self.open)
        world, size = self, self.position.size

        class Reader:
            head = SimpleNamespace(size=size)

            async def with_changes(self, members: Sequence[str], first: int) -> set[str]:
                world.looks += 1
                return {member for index, member in world.changes if index >= first} & set(members)

        try:
            await asyncio.sleep(0)
            yield Reader()
        finally:
            self.open -= 1


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two looks, but where a test asks for one."""
    monkeypatch.setattr(watches, "EVERY_S", 0.0)


def wakes_of(world: Any) -> CaseWakes:
    return CaseWakes(world, world)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_only_members_whose_cases_changed_are_woken_by_one_look_for_all() -> None:
    world = World()
    wakes = wakes_of(world)
    async with wakes.watching():
        await settled()
        events = {f"m{number}": wakes.next(f"m{number}") for number in range(50)}
        before = world.looks
        world.commit("m3", "m7", "stranger")
        await settled()
        assert {name for name, event in events.items() if event.is_set()} == {"m3", "m7"}
        assert world.looks == before + 1
        assert wakes.next("m3") is not events["m3"]
        assert wakes.next("m4") is events["m4"]


async def test_commits_that_come_while_it_looks_are_not_lost() -> None:
    world = World()
    wakes = wakes_of(world)
    async with wakes.watching():
        for number in range(100):
            event = wakes.next("m")
            world.commit(*(["other"] * (number % 3)), "m")
            await asyncio.wait_for(event.wait(), 5)


async def test_a_database_that_is_away_for_a_while_delays_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "IDLE_S", 0.01)
    world = World()
    wakes = wakes_of(world)
    async with wakes.watching():
        await settled()
        event = wakes.next("m")
        world.away = True
        world.commit("m")
        await settled()
        assert not event.is_set()
        world.away = False
        await asyncio.wait_for(event.wait(), 5)


async def test_it_looks_while_somebody_watches_and_leaves_connections_to_the_calls() -> None:
    world = World()
    wakes = wakes_of(world)
    async with wakes.watching():
        async with wakes.watching():
            await settled()
        world.commit("m")
        await settled()
    looks = world.looks
    assert looks >= 2
    world.commit("m")
    await settled()
    assert world.looks == looks

    async def read() -> None:
        async with wakes.reading():
            await asyncio.sleep(0)

    world.most = 0
    await asyncio.gather(*(read() for _ in range(20)))
    assert world.most == watches.MAX_READING


async def test_commits_close_to_each_other_are_seen_by_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "EVERY_S", 0.05)
    world = World()
    wakes = wakes_of(world)
    async with wakes.watching():
        await settled()
        event, before = wakes.next("m"), world.looks
        for _ in range(10):
            world.commit("m")
            await settled()
        async with asyncio.timeout(5):
            await event.wait()
        assert world.looks == before + 1
