"""The live end of the feed: order, bounds, slow readers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from passerelle.core.errors import PasserelleError
from passerelle.portal.hub import Hub, follow
from passerelle.portal.ports import FeedItem


def item(index: int, body: bytes | None = None) -> FeedItem:
    return FeedItem(
        index, 0, "humber", "credential", index + 1, "public", None, None, None, None, b"entry", b"root", body
    )


class Stored:
    """What was committed, as the database would read it back; counts how often it was asked."""

    def __init__(self, count: int) -> None:
        self.items = [item(index) for index in range(count)]
        self.reads = 0

    async def read(self, first: int, limit: int) -> Sequence[FeedItem]:
        self.reads += 1
        return self.items[first : first + limit]


def hub_with(stored: Stored, capacity: int = 8, clients: int = 2) -> Hub:
    hub = Hub(capacity, clients)
    hub.start(len(stored.items))
    return hub


def publish(hub: Hub, stored: Stored, count: int) -> None:
    new = [item(len(stored.items) + n) for n in range(count)]
    stored.items.extend(new)
    hub.publish(new)


async def test_a_reader_catches_up_from_the_database_and_goes_on_live() -> None:
    stored = Stored(5)
    hub = hub_with(stored)
    publish(hub, stored, 3)
    seen: list[int] = []

    async def read() -> None:
        async for live in follow(hub, stored.read, 0):
            seen.append(live.index)
            if live.index == 9:
                return

    task = asyncio.create_task(read())
    while len(seen) < 8:
        await asyncio.sleep(0)
    publish(hub, stored, 2)
    await asyncio.wait_for(task, 5)
    assert seen == list(range(10))
    assert stored.reads == 1


async def test_a_live_reader_never_asks_the_database() -> None:
    stored = Stored(5)
    hub = hub_with(stored)
    reader = follow(hub, stored.read, 5)
    first = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    publish(hub, stored, 1)
    assert (await asyncio.wait_for(first, 5)).index == 5
    assert stored.reads == 0
    await reader.aclose()


async def test_a_reader_that_falls_behind_the_buffer_is_dropped_after_what_it_took() -> None:
    stored = Stored(0)
    hub = hub_with(stored, capacity=4)
    reader = follow(hub, stored.read, 0)
    first = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    publish(hub, stored, 1)
    assert (await first).index == 0
    for _ in range(5):
        publish(hub, stored, 1)
    with pytest.raises(PasserelleError) as caught:
        await anext(reader)
    assert caught.value.code == "watcher-too-slow"


async def test_a_late_reader_is_not_a_slow_one() -> None:
    """It starts far behind the buffer and reads pages; only who was live and fell behind is dropped."""
    stored = Stored(50)
    hub = hub_with(stored, capacity=4)
    publish(hub, stored, 10)
    reader = follow(hub, stored.read, 0)
    seen = [(await anext(reader)).index for _ in range(60)]
    assert seen == list(range(60))
    await reader.aclose()


async def test_the_ring_is_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.portal.hub.MAX_BYTES", 200_000)
    hub = Hub(100, 1)
    hub.publish([item(index) for index in range(150)])
    assert hub.since(49) is None
    assert [live.index for live in hub.since(50) or ()][:1] == [50]
    hub.publish([item(150 + index, b"x" * 60_000) for index in range(3)])
    assert hub.since(150) is None
    assert [live.index for live in hub.since(152) or ()] == [152]


async def test_closing_ends_every_reader_with_a_reason() -> None:
    stored = Stored(1)
    hub = hub_with(stored)
    reader = follow(hub, stored.read, 1)
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    hub.close()
    with pytest.raises(PasserelleError) as caught:
        await asyncio.wait_for(waiting, 5)
    assert caught.value.code == "service-stopping"


def test_no_more_clients_than_allowed() -> None:
    hub = Hub(4, 1)
    with hub.present():
        with pytest.raises(PasserelleError) as caught, hub.present():
            pytest.fail("a second client was let in")
        assert caught.value.code == "too-many-watchers"
    hub.check_room()
    assert hub.clients == 0


async def test_a_jump_of_the_position_starts_the_ring_anew() -> None:
    hub = Hub(8, 1)
    hub.publish([item(0), item(1)])
    hub.publish([item(5)])
    assert hub.since(1) is None
    assert [live.index for live in hub.since(5) or ()] == [5]
