"""What reads the topics and what nodes write to them, one suite for the broker of the simulation and for Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Protocol

import pytest

from passerelle.core.errors import Fatal
from passerelle.core.statement import parse_statement
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import INGRESS, TOPICS, inbox_topic, ingress_topic
from passerelle.ledger import ports as ledger_ports
from passerelle.ledger.model import Place, RawRecord
from passerelle.ledger.outgoing_ports import Record, Topics
from passerelle.ledger.outgoing_stream import KafkaTopics
from passerelle.ledger.stream import IngressStream
from passerelle.node.ports import OutboxRow, Publisher, Source
from passerelle.node.stream import KafkaPublisher, KafkaSource
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics
from passerelle.testing.federation import Member
from passerelle.testing.simulation.broker import Broker, MemoryIngress, MemoryTopics, NodePublisher, NodeSource
from passerelle.testing.simulation.world import Life, World

PATIENCE_S = 30.0
MEMBER_TOPIC = ingress_topic("member")


class Rig(Protocol):
    """Both ends of the topics, and where each partition of the ingress ends now."""

    topics: Topics

    async def ends(self) -> dict[Place, int]: ...

    def ingress(self) -> ledger_ports.Ingress: ...

    def publisher(self, member: str) -> Publisher: ...

    def source(self, member: str) -> Source: ...


class InMemory:
    """The broker of the simulation."""

    def __init__(self) -> None:
        self.world, self.life, self.broker = World(calm=True), Life("test", 1), Broker()
        self.topics = MemoryTopics(self.world, self.life, self.broker)
        for topic in TOPICS:
            self.broker.make(topic)

    async def ends(self) -> dict[Place, int]:
        topics = self.broker.topics
        return {(name, number): held.end for name in INGRESS for number, held in enumerate(topics[name])}

    def ingress(self) -> MemoryIngress:
        return MemoryIngress(self.world, self.life, self.broker)

    def publisher(self, member: str) -> NodePublisher:
        return NodePublisher(self.world, self.life, self.broker, member)

    def source(self, _member: str) -> NodeSource:
        return NodeSource(self.world, self.life, self.broker)


class InKafka:
    """The adapters."""

    def __init__(self, config: KafkaConfig) -> None:
        self.config = config
        self.topics = KafkaTopics(config)

    async def ends(self) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for name in INGRESS:
            ends = await end_offsets(self.config, name, range(TOPICS[name].partitions), client_id="test")
            found.update({(name, number): offset for number, offset in ends.items()})
        return found

    def ingress(self) -> IngressStream:
        return IngressStream(self.config)

    def publisher(self, member: str) -> KafkaPublisher:
        return KafkaPublisher(self.config, member)

    def source(self, member: str) -> KafkaSource:
        return KafkaSource(self.config, member)


@pytest.fixture
async def in_memory() -> InMemory:
    return InMemory()


@pytest.fixture
async def in_kafka(kafka: EmbeddedKafka) -> AsyncIterator[InKafka]:
    config = KafkaConfig(bootstrap=kafka.bootstrap)
    await ensure_topics(config, TOPICS.values())
    rig = InKafka(config)
    yield rig
    await rig.topics.close()


@pytest.fixture(params=["in_memory", pytest.param("in_kafka", marks=pytest.mark.integration)])
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def member(unique_name: Callable[[str], str]) -> Member:
    return Member(unique_name("m").replace("_", "-"))


def rows(member: Member, count: int, family: str = "credential") -> list[OutboxRow]:
    found = []
    for number in range(count):
        signed = member.raw(family, "public", b'{"n":%d}' % number)
        sequence = parse_statement(signed.statement).sequence
        found.append(OutboxRow(family, sequence, "type", "subject", "thing", signed, 7))
    return found


async def write(rig: Rig, member: Member, family: str, events: Sequence[OutboxRow]) -> None:
    publisher = rig.publisher(member.id)
    try:
        await publisher.publish(family, events)
    finally:
        await publisher.close()


async def fetched(ingress: ledger_ports.Ingress, count: int, most: int = 100) -> list[RawRecord]:
    found: list[RawRecord] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            found += await ingress.fetch(min(most, count - len(found)), wait_s=1)
    return found


async def test_what_a_node_wrote_is_read_in_order_and_reading_goes_on_where_it_ended(rig: Rig, member: Member) -> None:
    starts = await rig.ends()
    written = rows(member, 9)
    await write(rig, member, "credential", written[:5])
    await write(rig, member, "credential", written[5:])
    ingress = rig.ingress()
    try:
        await ingress.open(starts)
        first = await fetched(ingress, 4, most=3)
        assert len({(one.topic, one.partition) for one in first}) == 1
        place = (first[0].topic, first[0].partition)
        assert [one.offset for one in first] == [starts[place] + number for number in range(4)]
        # Another reader, from where the first one's records end.
        await ingress.open({**starts, place: first[-1].offset + 1})
        rest = await fetched(ingress, 5)
        assert await ingress.fetch(10, wait_s=0.2) == []
    finally:
        await ingress.close()
        await ingress.close()
    read = [(one.key, one.value, dict(one.headers)["statement"]) for one in first + rest]
    assert read == [(member.id.encode(), row.signed.body, row.signed.statement) for row in written]


async def test_member_events_come_first(rig: Rig, member: Member) -> None:
    starts = await rig.ends()
    await write(rig, member, "credential", rows(member, 2))
    await write(rig, member, "member", rows(member, 2, "member"))
    ingress = rig.ingress()
    try:
        await ingress.open(starts)
        found = await fetched(ingress, 1)
        found += await fetched(ingress, 3)
    finally:
        await ingress.close()
    # A reader may see a partition before another one; what it gives at once is sorted.
    assert sorted(one.topic for one in found) == sorted([MEMBER_TOPIC] * 2 + [ingress_topic("credential")] * 2)
    for topic in {one.topic for one in found}:
        offsets = [one.offset for one in found if one.topic == topic]
        assert offsets == sorted(offsets)


async def test_an_offset_that_is_not_there_stops_the_reader(rig: Rig) -> None:
    ends = await rig.ends()
    ingress = rig.ingress()
    try:
        with pytest.raises(Fatal) as caught:
            await ingress.open({**ends, (MEMBER_TOPIC, 0): ends[MEMBER_TOPIC, 0] + 5})
        assert caught.value.code == "offset-out-of-range"
    finally:
        await ingress.close()


async def test_a_node_reads_from_an_offset_and_waits_for_a_topic(rig: Rig, member: Member) -> None:
    topic = inbox_topic(member.id)
    records = [Record(None, b"%d" % number, [("inbox-number", b"%d" % number)]) for number in range(4)]

    async def read(offsets: Mapping[str, int | None], count: int) -> list[Any]:
        batches = rig.source(member.id).batches(offsets)
        found: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while len(found) < count:
                    arrived = await anext(batches)
                    assert arrived.topic == topic
                    found += arrived.records
        finally:
            await batches.aclose()
        return found

    waiting = asyncio.create_task(read({topic: None}, 4))
    await rig.topics.ensure([member.id], fixed=False)
    await rig.topics.publish({topic: records})
    found = await waiting
    assert [(value, offset, headers) for headers, value, offset, _key in found] == [
        (record.value, number, record.headers) for number, record in enumerate(records)
    ]
    assert [offset for _, _, offset, _ in await read({topic: 2}, 2)] == [2, 3]
