"""What watch streams are told: every last change once, in order, by one reading for all who keep up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.query.ports import CaseRow, CasesRead, Head, StepRow, WholeCase
from passerelle.query.rpc import watches
from passerelle.query.rpc.transfer import TransferServicer
from passerelle.query.rpc.watches import CaseWatches

OPERATOR = "operator"
STEP = "ca.passerelle.transfer.evidence-added.v1"


class World:
    """An index whose position moves, and a database of cases: each commit is one step of a case."""

    def __init__(self, random: Random | None = None) -> None:
        self.position: Any = SimpleNamespace(size=0)
        self.moved = asyncio.Event()
        self.cases: dict[str, tuple[str, str]] = {}
        self.steps: dict[str, list[StepRow]] = {}
        self.random = random
        self.asked: list[tuple[Sequence[str], Sequence[str] | None]] = []
        self.open = self.most = 0
        self.away = False

    def commit(self, case: str, sender: str, receiver: str, *hidden: str) -> int:
        """One step of the case, which its parties may read but for those that it is hidden from."""
        index: int = self.position.size
        self.cases[case] = sender, receiver
        parties = [member for member in (sender, receiver) if member not in hidden]
        self.steps.setdefault(case, []).append(StepRow(index, 0, sender, STEP, None, parties))
        self.position = SimpleNamespace(size=index + 1)
        moved, self.moved = self.moved, asyncio.Event()
        moved.set()
        return index

    async def pause(self) -> None:
        """For as long as a database takes: some turns of the loop."""
        for _ in range(1 if self.random is None else self.random.randrange(6)):
            await asyncio.sleep(0)

    async def changed(self, members: Sequence[str], readers: Sequence[str] | None, first: int, limit: int) -> CasesRead:
        self.asked.append((tuple(members), readers))
        if self.away:
            raise Unavailable("database-unavailable", "It does not answer.")
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.pause()
            found = [self.whole(case, readers) for case, parties in self.cases.items() if {*parties} & {*members}]
            read = sorted((one for one in found if one.row.changed >= first), key=lambda one: one.row.changed)
            size = self.position.size
            await self.pause()
            return CasesRead(Head("network", size, 0, 0), read[:limit])
        finally:
            self.open -= 1

    def whole(self, case: str, readers: Sequence[str] | None) -> WholeCase:
        steps = self.steps[case]
        sender, receiver = self.cases[case]
        data = {"sender": sender, "receiver": receiver, "release": "r", "credentials": []}
        row = CaseRow(case, "requested", len(steps), steps[-1].index, data)
        return WholeCase(row, [step for step in steps if readers is None or {*readers} & {*step.parties}])


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two readings, and no reading where nothing came: what wakes nobody is lost."""
    monkeypatch.setattr(watches, "EVERY_S", 0.0)
    monkeypatch.setattr(watches, "IDLE_S", 60.0)
    monkeypatch.setattr("passerelle.query.rpc.transfer.IDLE_S", 60.0)


def service(world: World, **options: Any) -> TransferServicer:
    """The service; a call's context is the member that calls."""
    callers = SimpleNamespace(member=lambda context: context)
    given_: Any = {"index": world, "store": world, "callers": callers, **options}
    return TransferServicer(**given_, operator=OPERATOR, max_wait_s=1.0)


def stream_of(served: TransferServicer, member: str) -> Any:
    """A watch stream of the member from the first change on, as the server takes from it."""
    context: Any = member
    return served.Watch(pb.WatchRequest(), context)


@asynccontextmanager
async def watching(
    served: TransferServicer, member: str, first: int = 0, random: Random | None = None
) -> AsyncIterator[list[pb.WatchResponse]]:
    """What a stream of the member was told so far; with ``random`` its client takes its time."""
    told: list[pb.WatchResponse] = []

    async def run() -> None:
        context: Any = member
        async for response in served.Watch(pb.WatchRequest(from_index=first), context):
            told.append(response)
            for _ in range(0 if random is None else random.randrange(12)):
                await asyncio.sleep(0)

    task = asyncio.create_task(run())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def changes(told: Sequence[pb.WatchResponse]) -> list[tuple[str, int]]:
    return [(response.case.id, response.case.changed_index) for response in told]


async def test_one_reading_serves_all_streams_and_one_message_both_parties() -> None:
    world = World()
    served = service(world)
    async with watching(served, "a") as a, watching(served, "a") as twin, watching(served, "b") as b:
        await settled()
        before = len(world.asked)
        index = world.commit("c1", "a", "b")
        await until(lambda: a and twin and b)
        assert changes(a) == changes(twin) == changes(b) == [("c1", index)]
        assert a[0] is twin[0] is b[0]
        assert world.asked[before:] == [(("a", "b"), ["a", "b"])]


async def test_a_party_is_told_no_step_that_it_may_not_read() -> None:
    world = World()
    served = service(world)
    world.commit("c1", "a", "b")
    hidden = world.commit("c1", "a", "b", "b")
    async with watching(served, "a") as a, watching(served, "b") as b, watching(served, OPERATOR) as operator:
        await until(lambda: a and b)
        last = world.commit("c1", "a", "b")
        await until(lambda: len(a) == len(b) == 2)
        for told in (a, b):
            read = [[step.index for step in response.case.steps] for response in told]
            assert read == ([[0, hidden], [0, hidden, last]] if told is a else [[0], [0, last]])
        assert not operator, "the operator watches cases that it is party to, as everybody"
        own = world.commit("c2", OPERATOR, "b", OPERATOR, "b")
        await until(lambda: operator)
        assert [step.index for step in operator[0].case.steps] == [own]
        await until(lambda: len(b) == 3)
        assert not b[2].case.steps


async def test_a_stream_resumes_where_it_is_told_to() -> None:
    world = World()
    for number in range(5):
        world.commit(f"c{number}", "a", "b")
    served = service(world)
    async with watching(served, "a", first=3) as told:
        await until(lambda: len(told) == 2)
        world.commit("c0", "a", "b")
        await until(lambda: len(told) == 3)
        assert changes(told) == [("c3", 3), ("c4", 4), ("c0", 5)]
    async with watching(served, "a", first=2**64 - 1) as told:
        world.commit("c1", "a", "b")
        await settled()
        assert not told


async def test_a_client_that_takes_its_time_reads_for_itself_what_it_missed() -> None:
    world = World()
    served = service(world)
    stream = stream_of(served, "a")
    world.commit("c0", "a", "b")
    assert changes([await anext(stream)]) == [("c0", 0)]
    async with watching(served, "b") as b:
        for number in range(1, 4):
            world.commit(f"c{number}", "a", "b")
            await until(lambda number=number: len(b) == number + 1)
        held = len(world.asked)
        rest = [await anext(stream) for _ in range(3)]
        assert changes(rest) == [("c1", 1), ("c2", 2), ("c3", 3)]
        assert (("a",), ["a"]) in world.asked[held:]
    await stream.aclose()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), page=st.integers(1, 5))
def test_whatever_comes_in_whatever_order_nothing_is_missing_repeated_or_backwards(seed: int, page: int) -> None:
    asyncio.run(_interleaved(Random(seed), page))


async def _interleaved(random: Random, page: int) -> None:
    """Streams of some members that come at any time and take their time, while cases of theirs and others go on."""
    world, members = World(random), ["a", "b", "c", OPERATOR, "stranger"]
    served = service(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watches, "PAGE", page)
        streams: list[tuple[str, int, list[pb.WatchResponse]]] = []

        async def some_commits() -> None:
            for _ in range(random.randrange(40)):
                sender, receiver = random.sample(members, 2)
                world.commit(f"{sender}-{receiver}-{random.randrange(3)}", sender, receiver)
                for _ in range(random.choice((0, 0, 1, 7, 30))):
                    await asyncio.sleep(0)

        async with asyncio.timeout(20):
            await some_commits()
            opened = []
            for _ in range(random.randrange(1, 7)):
                member, first = random.choice(members[:4]), random.choice((0, random.randrange(40)))
                opened.append(watching(served, member, first, random))
                streams.append((member, first, await opened[-1].__aenter__()))
                await some_commits()
            await until(lambda: all(complete(world, *stream) for stream in streams))
            await settled()
            for one in opened:
                await one.__aexit__(None, None, None)
    for member, first, told in streams:
        order = [change for _, change in changes(told)]
        assert order == sorted(set(order)), "each change once, and in order"
        assert all(change >= first for change in order)
        assert complete(world, member, first, told)


def complete(world: World, member: str, first: int, told: Sequence[pb.WatchResponse]) -> bool:
    """Whether the stream was told each of the member's cases as it is now."""
    known = dict(changes(told))
    own = {case: steps[-1].index for case, steps in world.steps.items() if member in world.cases[case]}
    return all(known.get(case) == index for case, index in own.items() if index >= first)


async def test_a_database_that_is_away_is_told_to_who_comes_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    served = service(world)
    monkeypatch.setattr(watches, "IDLE_S", 0.01)
    async with watching(served, "a") as told:
        await settled()
        world.away = True
        world.commit("c1", "a", "b")
        await settled()
        with pytest.raises(Unavailable):
            await anext(stream_of(served, "a"))
        assert not told
        world.away = False
        await until(lambda: told)
        assert changes(told) == [("c1", 0)]


async def test_a_case_that_cannot_be_told_ends_the_streams_of_its_parties_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    served = service(world)
    whole = world.whole

    def broken(case: str, readers: Sequence[str] | None) -> WholeCase:
        found = whole(case, readers)
        if case == "bad":
            found.row.data.pop("release")
        return found

    monkeypatch.setattr(world, "whole", broken)
    stream = stream_of(served, "a")
    coming = asyncio.ensure_future(anext(stream))
    async with watching(served, "c") as other:
        await settled()
        world.commit("bad", "a", "b")
        with pytest.raises(KeyError):
            await coming
        world.commit("good", "c", "d")
        await until(lambda: other)


async def test_what_ends_the_reading_for_all_ends_the_streams_and_the_next_one_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    served = service(world)
    stream = stream_of(served, "a")
    coming = asyncio.ensure_future(anext(stream))
    await settled()
    with monkeypatch.context() as patch:
        patch.setattr(world, "changed", None)
        world.commit("c1", "a", "b")
        with pytest.raises(TypeError):
            await coming
    async with watching(served, "a") as told:
        await until(lambda: told)
        world.commit("c1", "a", "b")
        await until(lambda: len(told) == 2)


async def test_it_reads_while_somebody_watches_and_leaves_connections_to_the_calls() -> None:
    world = World()
    shared = CaseWatches(world, world, operator=OPERATOR)  # type: ignore[arg-type]
    async with shared.watching("a"):
        async with shared.watching("a"), shared.watching("b"):
            shared.coming("a")
            shared.coming("b")
            await settled()
        world.commit("c1", "a", "b")
        await settled()
        assert world.asked[-1][0] == ("a",), "nobody of b watches any more"
        await asyncio.gather(*(shared.read("a", 0) for _ in range(20)))
        assert world.most == watches.MAX_READING
    asked = len(world.asked)
    world.commit("c2", "a", "b")
    await settled()
    assert len(world.asked) == asked


async def test_commits_close_to_each_other_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "EVERY_S", 0.05)
    world = World()
    served = service(world)
    async with watching(served, "a") as told:
        await settled()
        before = len(world.asked)
        for _ in range(10):
            world.commit("c1", "a", "b")
            await settled()
        await until(lambda: told)
        assert changes(told) == [("c1", 9)]
        assert len(world.asked) == before + 1


async def test_streams_beyond_the_limit_are_refused_until_one_ends() -> None:
    world = World()
    served = service(world, max_watches=1)
    world.commit("c1", "a", "b")
    first = stream_of(served, "a")
    await anext(first)
    with pytest.raises(PasserelleError) as caught:
        await anext(stream_of(served, "a"))
    assert caught.value.code == "too-many-watchers"
    await first.aclose()
    again = stream_of(served, "a")
    assert changes([await anext(again)]) == [("c1", 0)]
    await again.aclose()
