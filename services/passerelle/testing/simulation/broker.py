"""Kafka in memory: topics, partitions, offsets and retention, and the ports of ledger and nodes over it.

What Kafka promises and no more: a partition keeps its order and its offsets; a write that failed may be there in part
or whole, and may still come after others; what was acknowledged stays until its retention.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from passerelle.core.errors import Fatal
from passerelle.events.topics import CHECKPOINT, FEED, INGRESS, TOPICS, inbox_topic, ingress_topic
from passerelle.ledger.model import Place, RawRecord
from passerelle.ledger.outgoing_ports import Record
from passerelle.node.ports import Arrived, OutboxRow
from passerelle.node.stream import partition_of
from passerelle.runtime.waking import woken
from passerelle.testing.simulation import faults as kinds
from passerelle.testing.simulation.faults import Fault
from passerelle.testing.simulation.world import Life, World, away

MEMBER_TOPIC: Final = ingress_topic("member")
TAIL: Final = 8
LATE_S: Final = 4.0
TOGETHER_S: Final = 0.02
Headers = Sequence[tuple[str, bytes]]


class Kept(NamedTuple):
    """One record of a partition."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Partition:
    """Records by offset; those below ``first`` are past retention."""

    __slots__ = ("first", "records")

    def __init__(self) -> None:
        self.first = 0
        self.records: list[Kept] = []

    @property
    def end(self) -> int:
        """The next offset."""
        return len(self.records)


class Broker:
    """All topics. ``told`` hears of every record that is appended."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Partition]] = {}
        self.told: Callable[[str, int, Kept], None] = lambda _topic, _partition, _record: None
        # Until this virtual second the ledger finds nothing in its ingress: it is behind.
        self.ingress_silent_until = 0.0
        # Until this virtual second writes of ledgers may come that were reported as failed.
        self.late_until = 0.0
        self._news: dict[str, dict[int, asyncio.Event]] = {}

    def make(self, topic: str) -> None:
        """Create a topic unless it is there."""
        if topic not in self.topics:
            spec = TOPICS.get(topic)
            self.topics[topic] = [Partition() for _ in range(spec.partitions if spec else 1)]
            self._tell(topic)

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Write a record. Raises AssertionError where there is no such topic."""
        assert topic in self.topics, "a topic is written that was never made"
        held = self.topics[topic][partition]
        record = Kept(held.end, key, value, tuple(headers))
        held.records.append(record)
        self.told(topic, partition, record)
        self._tell(topic)

    def _tell(self, topic: str) -> None:
        for event in list(self._news.get(topic, {}).values()):
            event.set()

    def watch(self, topics: Sequence[str], news: asyncio.Event) -> None:
        """Set ``news`` whenever one of the topics gains something."""
        for topic in topics:
            self._news.setdefault(topic, {})[id(news)] = news

    def unwatch(self, topics: Sequence[str], news: asyncio.Event) -> None:
        """The end of :meth:`watch`."""
        for topic in topics:
            self._news.get(topic, {}).pop(id(news), None)


class MemoryIngress:
    """See :class:`passerelle.ledger.ports.Ingress`."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker
        self._next: dict[Place, int] = {}
        self._news = asyncio.Event()
        life.at_end.append(lambda: broker.unwatch(INGRESS, self._news))

    async def open(self, offsets: Mapping[Place, int]) -> None:
        """As the port."""
        await self._world.call(self._life, "ingress.open", lambda: self._open(offsets))

    def _open(self, offsets: Mapping[Place, int]) -> None:
        self._next = {}
        for topic in INGRESS:
            for number, partition in enumerate(self._broker.topics.get(topic, ())):
                position = offsets.get((topic, number), partition.first)
                if not partition.first <= position <= partition.end:
                    raise Fatal("offset-out-of-range", "the stored offset is not there", where=f"{topic}/{number}")
                self._next[topic, number] = position
        self._broker.watch(INGRESS, self._news)
        self._news.set()

    async def fetch(self, maximum: int, *, wait_s: float) -> list[RawRecord]:
        """As the port; now and then it gives less than there is."""
        if not self._behind():
            self._news.clear()
            await woken(self._news, wait_s)
            if not self._behind():
                return []
        return await self._world.call(self._life, "ingress.fetch", lambda: self._fetch(maximum))

    def _behind(self) -> list[Place]:
        if self._world.now < self._broker.ingress_silent_until:
            return []
        return [place for place, at in self._next.items() if at < self._broker.topics[place[0]][place[1]].end]

    def _fetch(self, maximum: int) -> list[RawRecord]:
        places = self._behind()
        if not self._world.calm:
            # Between partitions there is no order.
            self._world.chance.shuffle(places)
            maximum = min(maximum, self._world.chance.randrange(1, 13))
        places.sort(key=lambda place: place[0] != MEMBER_TOPIC)
        found: list[RawRecord] = []
        for topic, number in places:
            start = self._next[topic, number]
            part = self._broker.topics[topic][number].records[start : start + maximum - len(found)]
            self._next[topic, number] = start + len(part)
            found += [RawRecord(topic, number, one.offset, one.key, one.headers, one.value) for one in part]
        return found

    async def close(self) -> None:
        """As the port."""
        self._broker.unwatch(INGRESS, self._news)
        self._next = {}


class MemoryInboxes:
    """See :class:`passerelle.ledger.ports.Inboxes`."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker

    async def ensure(self, members: Sequence[str]) -> None:
        """As the port."""
        await self._world.call(self._life, "inboxes.ensure", lambda: _make_inboxes(self._broker, members))


def _make_inboxes(broker: Broker, members: Sequence[str]) -> None:
    for member in members:
        broker.make(inbox_topic(member))


def _written(fault: Fault | None, count: int) -> int:
    """How many of so many records of one partition are written at once."""
    if fault is None or fault.kind not in (kinds.PARTIAL, kinds.LATE):
        return count
    return int(fault.amount * (count + 1)) if fault.kind == kinds.PARTIAL else 0


Line = tuple[str, int, bytes | None, bytes | None, Headers]
"""Topic, partition, key, value and headers of one record to be written."""


async def produce(world: World, life: Life, broker: Broker, point: str, lines: Sequence[Line]) -> None:
    """Write records as a producer does: in order within each partition. Raises Unavailable."""
    fault = None if world.calm else world.due(point)
    if not world.calm:
        await world.before(life, point, fault)
    counts: dict[Place, int] = {}
    for line in lines:
        counts[line[0], line[1]] = counts.get((line[0], line[1]), 0) + 1
    most = {place: _written(fault, count) for place, count in counts.items()}
    rest: list[Line] = []
    for line in lines:
        place = (line[0], line[1])
        most[place] -= 1
        if most[place] >= 0:
            broker.append(*line)
        else:
            rest.append(line)
    if fault is not None and fault.kind == kinds.DUPLICATE:
        for line in lines:
            broker.append(*line)
    world.note(life, point, f"{len(lines) - len(rest)} of {len(lines)}")
    if world.calm:
        return
    if fault is not None and fault.kind == kinds.LATE:
        if point.startswith("publish."):
            broker.late_until = max(broker.late_until, world.now + LATE_S * fault.amount)
        asyncio.get_running_loop().call_later(LATE_S * fault.amount, _write_late, world, broker, rest)
    if fault is not None and fault.kind in (kinds.PARTIAL, kinds.LATE):
        raise away(point)
    await world.after(life, point, fault)


def _write_late(world: World, broker: Broker, lines: Sequence[Line]) -> None:
    if not world.over.is_set():
        world.note("broker", "late write", f"{len(lines)} records to {lines[0][0] if lines else ''}")
        for line in lines:
            broker.append(*line)


class MemoryTopics:
    """See :class:`passerelle.ledger.outgoing_ports.Topics`."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker

    async def ensure(self, members: Sequence[str], *, fixed: bool) -> None:
        """As the port."""

        def make() -> None:
            for topic in TOPICS if fixed else ():
                self._broker.make(topic)
            _make_inboxes(self._broker, members)

        await self._world.call(self._life, "inboxes.ensure", make)

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        """As the port."""
        lines = [
            (topic, 0, record.key, record.value, record.headers)
            for topic, records in batches.items()
            for record in records
        ]
        await produce(self._world, self._life, self._broker, f"publish.{lines[0][0].split('.')[1]}", lines)

    async def close(self) -> None:
        """As the port."""


class MemoryTails:
    """See :class:`passerelle.ledger.outgoing_ports.TopicTails`."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker

    async def checkpoints(self) -> Sequence[bytes]:
        """As the port."""
        records = await self._world.call(self._life, "tails.read", lambda: self._tail(CHECKPOINT))
        return [one.value or b"" for one in records]

    async def feed(self) -> Sequence[tuple[int, bytes]]:
        """As the port."""
        records = await self._world.call(self._life, "tails.read", lambda: self._tail(FEED))
        return [(int(dict(one.headers)["index"]), dict(one.headers)["entry"]) for one in records]

    def _tail(self, topic: str) -> list[Kept]:
        held = self._broker.topics.get(topic)
        return held[0].records[-TAIL:] if held else []


class NodePublisher:
    """See :class:`passerelle.node.ports.Publisher`."""

    def __init__(self, world: World, life: Life, broker: Broker, member: str) -> None:
        self._world, self._life, self._broker, self._member = world, life, broker, member

    async def publish(self, family: str, rows: Sequence[OutboxRow]) -> None:
        """As the port."""
        topic, key = ingress_topic(family), self._member.encode()
        target = partition_of(self._member, TOPICS[topic].partitions)
        lines = [(topic, target, key, row.signed.body, row.signed.headers()) for row in rows]
        await produce(self._world, self._life, self._broker, "node.publish", lines)

    async def close(self) -> None:
        """As the port."""


class NodeSource:
    """See :class:`passerelle.node.ports.Source`."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker

    async def batches(self, offsets: Mapping[str, int | None]) -> AsyncGenerator[Arrived, None]:
        """As the port; no order between topics, and batches of any size."""
        news, topics = asyncio.Event(), list(offsets)
        places = {topic: offset or 0 for topic, offset in offsets.items()}
        self._broker.watch(topics, news)
        self._life.at_end.append(lambda: self._broker.unwatch(topics, news))
        try:
            while True:
                behind = [topic for topic in topics if self._ends(topic) > places[topic]]
                if not behind:
                    news.clear()
                    await news.wait()
                    # Records that come close together are read together.
                    await asyncio.sleep(TOGETHER_S)
                    continue
                topic = self._world.chance.choice(behind)
                most = 2000 if self._world.calm else self._world.chance.randrange(1, 9)
                read = partial(self._read, topic, places, most)
                yield await self._world.call(self._life, "node.read", read)
        finally:
            self._broker.unwatch(topics, news)

    def _ends(self, topic: str) -> int:
        held = self._broker.topics.get(topic)
        return held[0].end if held else 0

    def _read(self, topic: str, places: dict[str, int], most: int) -> Arrived:
        partition = self._broker.topics[topic][0]
        start = max(places[topic], partition.first)
        part = partition.records[start : start + most]
        places[topic] = part[-1].offset + 1
        return Arrived(topic, tuple((list(one.headers), one.value, one.offset, one.key) for one in part))
