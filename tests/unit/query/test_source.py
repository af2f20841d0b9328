"""Following the log: the position moves once a snapshot is in whole, failures are waited out, a shorter log stops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.unit.query.world import NETWORK, OPERATOR, ROOT, World

from passerelle.core.errors import ConfigError, Fatal, Unavailable
from passerelle.core.registry import Registry
from passerelle.query.index import Index
from passerelle.query.moments import wait_for_size
from passerelle.query.ports import Head, Instant, PublicEvent
from passerelle.query.source import STALE_AFTER_S, Follower


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class FakeLog:
    """A log in memory, with pages of two events and failures on order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.network = NETWORK
        self.fail_after_pages: int | None = None
        self.failures = 0
        self.between: Callable[[], None] = lambda: None
        self.wake: Callable[[], Any] = lambda: None

    async def head(self) -> Head:
        if self.failures > 0:
            self.failures -= 1
            raise Unavailable("database-unavailable", "on order")
        return Head(self.network, self.world.size, self.world.now_ms, self.world.now_ms)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        yield FakeSnapshot(self, await self.head())

    @asynccontextmanager
    async def waking(self, wake: Callable[[], Any]) -> AsyncIterator[None]:
        self.wake = wake
        yield


class FakeSnapshot:
    """A view of the log as it was when it was opened."""

    def __init__(self, log: FakeLog, head: Head) -> None:
        self.log = log
        self.head = head

    async def events(self, first: int) -> AsyncIterator[Sequence[PublicEvent]]:
        rows = [event for event in self.log.world.events if first <= event.index < self.head.size]
        for page, start in enumerate(range(0, len(rows), 2)):
            if page == self.log.fail_after_pages:
                self.log.fail_after_pages = None
                raise Unavailable("database-unavailable", "on order")
            yield rows[start : start + 2]
            self.log.between()

    async def instants(self, first: int) -> AsyncIterator[Sequence[Instant]]:
        rows = [event for event in self.log.world.events if first <= event.index < self.head.size]
        yield [Instant(event.accepted_at, event.index + 1) for event in rows]


@pytest.fixture
def log() -> FakeLog:
    return FakeLog(World())


@pytest.fixture
def index() -> Index:
    return Index(Registry(NETWORK, OPERATOR, ROOT))


def follower(log: FakeLog, index: Index, clock: Clock | None = None) -> Follower:
    return Follower(log, index, clock or Clock(), network=NETWORK, poll_s=0.01)


async def test_the_position_moves_when_the_whole_snapshot_is_in(log: FakeLog, index: Index) -> None:
    seen: list[int] = []
    log.between = lambda: seen.append(index.position.size)
    assert await follower(log, index).catch_up()
    assert len(seen) > 1
    assert set(seen) == {0}
    assert index.position.size == log.world.size
    assert not await follower(log, index).catch_up()


async def test_a_snapshot_that_broke_off_is_gone_on_with(log: FakeLog, index: Index) -> None:
    one = follower(log, index)
    log.fail_after_pages = 2
    with pytest.raises(Unavailable):
        await one.catch_up()
    assert (index.position.size, index.applied) == (0, 4)
    await one.catch_up()
    assert index.position.size == log.world.size
    assert index.clockwork.size_at(log.world.now_ms) == log.world.size


async def test_another_network_and_a_shorter_log_stop_it(log: FakeLog, index: Index) -> None:
    one = follower(log, index)
    await one.catch_up()
    log.world.size -= 1
    with pytest.raises(Fatal, match="shorter"):
        await one.catch_up()
    log.network = "other.example/log"
    with pytest.raises(ConfigError):
        await one.catch_up()


async def test_events_out_of_order_are_no_log(log: FakeLog, index: Index) -> None:
    index.apply(log.world.events[:3])
    with pytest.raises(Fatal, match="out of order"):
        index.apply(log.world.events[1:2])


async def test_a_member_event_that_cannot_be_applied_stops_it(log: FakeLog, index: Index) -> None:
    first = log.world.events[1]
    with pytest.raises(Fatal) as caught:
        index.apply([first])
    assert caught.value.code == "registry-invalid"


async def test_failures_are_waited_out_and_a_wake_up_is_heard(log: FakeLog, index: Index) -> None:
    clock, stop = Clock(), asyncio.Event()
    one = Follower(log, index, clock, network=NETWORK, poll_s=30)
    log.failures = 1
    with pytest.raises(Unavailable):
        await one.start(0)
    await one.start(0)
    running = asyncio.create_task(one.run(stop))
    await asyncio.sleep(0)
    log.world.course("humber/a")
    waiting = asyncio.create_task(wait_for_size(index, log.world.size, 20))
    while not waiting.done():
        log.wake()
        await asyncio.sleep(0)
    await waiting
    stop.set()
    await asyncio.wait_for(running, 5)


async def test_it_is_fresh_while_the_head_is_read(log: FakeLog, index: Index) -> None:
    clock = Clock()
    one = follower(log, index, clock)
    await one.catch_up()
    told = [one.fresh]
    clock.seconds = STALE_AFTER_S
    told.append(one.fresh)
    await one.catch_up()
    assert [*told, one.fresh] == [True, False, True]


def nested(depth: int) -> dict[str, Any]:
    """An expression so deep that the core does not evaluate it."""
    inner: dict[str, Any] = {"achievement": "humber/a"}
    for _ in range(depth):
        inner = {"all_of": [inner]}
    return inner


@pytest.fixture
def world() -> World:
    made = World()
    made.course("humber/a")
    made.course("bcit/x")
    return made


async def test_a_rule_that_cannot_be_evaluated_is_told_in_health_and_harms_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The log of another release may hold what this one's evaluator does not read.
    monkeypatch.setattr("passerelle.core.sending.MAX_DEPTH", 3)
    world.rule("bcit/deep", nested(5), "bcit/x")
    world.rule("bcit/plain", "humber/a", "bcit/x")
    rows = world.index.with_superseding(world.index.by_leaf["humber/a"])
    assert [row.id for row in rows] == ["bcit/plain"]
    assert world.index.unreadable == {"bcit/deep"}
