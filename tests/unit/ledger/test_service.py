"""The loop without servers: batches that follow the backlog, failures that lead back to the database, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from passerelle.core.batch import SignedStatement
from passerelle.core.errors import Fatal, Unavailable
from passerelle.ledger.intake import EARLY, Intake
from passerelle.ledger.model import CommitPlan, Place, RawRecord
from passerelle.ledger.prepare import Preparer
from passerelle.ledger.service import LedgerService
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation, record
from passerelle.testing.memory_ledger import START_MS, Lost, MemoryStore, MemoryTables
from passerelle.testing.running_ledger import make_config


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = START_MS

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1000


class Ingress:
    """One ingress partition a topic in memory; ``failures`` are raised by fetches, in order."""

    def __init__(self) -> None:
        self.topics: dict[str, list[RawRecord]] = {}
        self.next: dict[str, int] = {}
        self.opened = 0
        self.fetched: list[int] = []
        self.failures: list[Exception] = []
        self._more = asyncio.Event()

    def add(self, *events: SignedStatement) -> None:
        for signed in events:
            raw = record(signed, 0)
            held = self.topics.setdefault(raw.topic, [])
            held.append(raw._replace(offset=len(held)))
        self._more.set()

    async def open(self, offsets: Mapping[Place, int]) -> None:
        self.opened += 1
        self.next = {topic: offset for (topic, _), offset in offsets.items()}
        self._more.set()

    async def fetch(self, maximum: int, *, wait_s: float) -> list[RawRecord]:
        assert maximum > 0, "a full intake asks for nothing"
        if self.failures:
            raise self.failures.pop(0)
        found: list[RawRecord] = []
        for topic in sorted(self.topics, key=lambda name: "member" not in name):
            start = self.next.get(topic, 0)
            taken = self.topics[topic][start : start + maximum - len(found)]
            self.next[topic] = start + len(taken)
            found += taken
        if not found:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), wait_s)
            except TimeoutError:
                return []
        else:
            self.fetched.append(len(found))
        return found

    async def close(self) -> None:
        return


class Inboxes:
    """Remembers whose inbox was asked for, and how large the log was then."""

    def __init__(self, tables: MemoryTables) -> None:
        self.tables = tables
        self.made: list[tuple[str, int]] = []

    async def ensure(self, members: Sequence[str]) -> None:
        self.made += [(member, self.tables.head.size) for member in members]


class Loop:
    """A service over doubles."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.federation = Federation()
        self.tables = MemoryTables(self.federation)
        self.store = MemoryStore(self.tables)
        self.ingress = Ingress()
        self.inboxes = Inboxes(self.tables)
        self.clock = Clock()
        self.woken: list[int] = []
        self.plans: list[CommitPlan | None] = []
        config = make_config(folder, "127.0.0.1:1", "postgresql://nowhere", self.federation, **settings)
        self.service = LedgerService(config, self.store, self.ingress, self.inboxes, self.clock)

    def wake(self, size: int, plan: CommitPlan | None) -> None:
        self.woken.append(size)
        self.plans.append(plan)

    async def until_size(self, size: int) -> None:
        async def reached() -> bool:
            return self.tables.head.size >= size

        assert await wait_for(reached, timeout_s=10), f"the log stayed at {self.tables.head.size}"


@asynccontextmanager
async def run(loop: Loop) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    await loop.service.start(wake=loop.wake)
    task = asyncio.create_task(loop.service.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=10)
        await loop.service.close()


async def test_events_are_committed_and_told(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    humber, admission = loop.federation.admit("humber")
    loop.ingress.add(humber.achievement("a"), founding, admission)
    async with run(loop):
        await loop.until_size(3)
        assert loop.service.registry.has_role("humber", "issue")
        assert loop.service.head.size == 3
        assert loop.woken[-1] == 3
        assert ("humber", 0) in loop.inboxes.made, "the inbox is made before the admission is committed"
        assert loop.service.health()["ready"]
    assert loop.tables.offsets == {("passerelle.member.v1", 0): 2, ("passerelle.credential.v1", 0): 1}


@pytest.mark.parametrize("failure", [Lost(), Unavailable("database-unavailable", "gone")])
async def test_after_a_failed_commit_all_is_loaded_again_and_nothing_is_twice(
    tmp_path: Path, failure: Exception
) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    humber, admission = loop.federation.admit("humber")
    loop.store.failures = [failure]
    loop.ingress.add(founding, admission, humber.achievement("a"))
    async with run(loop) as task:
        await loop.until_size(3)
        loop.store.failures = [failure]
        loop.ingress.add(humber.achievement("b"), humber.achievement("c"))
        await loop.until_size(5)
        assert not task.done()
        assert loop.ingress.opened >= 2
    assert [row[4] for row in loop.tables.entries if row[2] == "humber"] == [1, 2, 3]
    receipts = [value for kind, value in loop.tables.inbox["humber"] if kind == "receipts"]
    told = [outcome["sequence"] for letter in receipts for stream in letter for outcome in stream["outcomes"]]
    assert told == [1, 2, 3]


async def test_a_reader_that_fails_is_opened_anew(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.ingress.failures = [Unavailable("broker-unavailable", "gone")] * 2
    loop.ingress.add(loop.federation.found())
    async with run(loop):
        await loop.until_size(1)
    assert loop.ingress.opened == 3


async def test_what_must_not_go_on_stops_the_loop(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    loop.store.failures = [Fatal("lease-lost", "another has it")]
    loop.ingress.add(loop.federation.found())
    async with run(loop) as task:
        with pytest.raises(Fatal):
            await asyncio.wait_for(task, 10)
    assert loop.tables.head.size == 0


async def test_the_floor_rises_while_idle_and_no_entry_is_earlier(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    async with run(loop):
        loop.clock.now += 5_000

        async def risen() -> bool:
            return loop.tables.head.floor == START_MS + 5_000

        assert await wait_for(risen, timeout_s=5)
        loop.clock.now -= 60_000
        loop.ingress.add(loop.federation.found())
        await loop.until_size(1)
        assert loop.tables.entries[0][1] == START_MS + 5_000
        assert loop.service.health()["clock_behind"]
        loop.clock.now += 60_000

        async def mended() -> bool:
            return not loop.service.health()["clock_behind"]

        assert await wait_for(mended, timeout_s=5)


async def test_a_large_backlog_is_decided_in_batches_of_the_bound(tmp_path: Path) -> None:
    loop = Loop(tmp_path, batch_max=100)
    founding = loop.federation.found()
    humber, admission = loop.federation.admit("humber")
    loop.ingress.add(founding, admission, *[humber.achievement(f"a{number}") for number in range(450)])
    async with run(loop):
        await loop.until_size(452)
    sizes = [summary["size"] - summary["from"] for summary in loop.tables.summaries]
    assert sum(sizes) == 452
    assert max(sizes) == 100
    assert len(sizes) <= 8, "the backlog is not taken in crumbs"


async def test_the_intake_holds_no_more_than_its_bound(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    loop.ingress.add(founding, *[loop.federation.admit(f"member{number}")[1] for number in range(30)])
    preparer = Preparer()
    intake = Intake(loop.ingress, preparer, loop.clock, maximum=10, linger_s=0.0)
    registry = loop.tables.state().registry
    filling = asyncio.create_task(intake.fill(lambda: registry))
    try:
        counts = []
        for _ in range(4):
            batch = await asyncio.wait_for(intake.take(5), 5)
            counts.append(len(batch.items))
        assert counts == [10, 10, 10, 1]
        assert await intake.take(0.01) == type(batch)()
    finally:
        filling.cancel()
        await preparer.close()
    assert sum(loop.ingress.fetched) == 31


@pytest.mark.parametrize(("members", "maximum", "waits"), [(5, 4000, True), (EARLY, 4000, False), (5, 6, False)])
async def test_a_small_batch_waits_for_the_commit_on_its_way(
    tmp_path: Path, members: int, maximum: int, waits: bool
) -> None:
    """What arrives meanwhile goes with it; a large one is decided at once, and so is one that leaves no room."""
    loop = Loop(tmp_path)
    founding = loop.federation.found()
    loop.ingress.add(founding, *[loop.federation.admit(f"member{number}")[1] for number in range(members)])
    preparer = Preparer()
    intake = Intake(loop.ingress, preparer, loop.clock, maximum=maximum, linger_s=0.0)
    registry = loop.tables.state().registry
    commit = asyncio.Event()
    busy = asyncio.create_task(_fails_when(commit))
    filling = asyncio.create_task(intake.fill(lambda: registry))
    taking = asyncio.create_task(intake.take(5, busy))
    try:
        if waits:
            async with asyncio.timeout(5):
                while intake.collected < members + 1:
                    await asyncio.sleep(0)
            loop.ingress.add(loop.federation.admit("late")[1])
            async with asyncio.timeout(5):
                while intake.collected < members + 2:
                    await asyncio.sleep(0)
            assert not taking.done()
            commit.set()
        batch = await asyncio.wait_for(taking, 10)
        assert len(batch.items) == members + 1 + waits
        assert busy.done() is waits
    finally:
        for task in (filling, busy):
            task.cancel()
        await asyncio.wait({filling, busy})
        await preparer.close()


async def _fails_when(commit: asyncio.Event) -> None:
    await commit.wait()
    raise Unavailable("database-unavailable", "the commit failed")
