"""The relay on a real Kafka and PostgreSQL: order, partition, repetition, keys, and when it stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OutOfOrderSequenceNumber
from aiokafka.partitioner import DefaultPartitioner
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, NETWORK, Desk, credential_rows, desk, seed_of

from passerelle.core.batch import SignedStatement, from_kafka, verify_signed
from passerelle.core.signature import SeedSigner
from passerelle.core.statement import parse_statement
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.node.messages import InboxRecord
from passerelle.node.relay import Relay
from passerelle.node.stream import KafkaPublisher, partition_of
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics
from passerelle.runtime.process import wait_for

PATIENCE_S = 40.0
TOPIC = ingress_topic("credential")


@dataclass
class Written:
    """What stands in the credential topic since the test began, of one member."""

    member: str
    events: list[SignedStatement] = field(default_factory=list)
    partitions: set[int] = field(default_factory=set)

    def sequences(self) -> list[int]:
        return [parse_statement(event.statement).sequence for event in self.events]


@asynccontextmanager
async def reading(kafka: EmbeddedKafka, member: str) -> AsyncIterator[Written]:
    """Read the topic from its present end on, in the background."""
    config = KafkaConfig(bootstrap=kafka.bootstrap)
    await ensure_topics(config, TOPICS.values())
    ends = await end_offsets(config, TOPIC, range(TOPICS[TOPIC].partitions), client_id="test")
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(TOPIC, number) for number in ends])
    for number, offset in ends.items():
        consumer.seek(TopicPartition(TOPIC, number), offset)
    written = Written(member)

    async def work() -> None:
        async for record in consumer:
            if record.key == member.encode():
                written.events.append(from_kafka(record.headers, record.value))
                written.partitions.add(record.partition)

    task = asyncio.create_task(work())
    try:
        yield written
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.stop()


async def show_key(node: Desk, signer: SeedSigner, **changes: object) -> None:
    """Let the registry show this key, and no other, for the node's member."""
    key = {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign", "removed_index": None}
    key |= {"valid_from": None, "valid_to": None}
    record = {"member": node.office.config.member, "status": "active", "keys": [key], "details": {}} | changes
    await node.office.store.put_members({node.office.config.member: record})


class Running:
    """A relay at work, with its publisher at hand."""

    def __init__(self, node: Desk, kafka: EmbeddedKafka, *, resend_after_s: float, signer: SeedSigner | None) -> None:
        self.publisher = KafkaPublisher(KafkaConfig(bootstrap=kafka.bootstrap), node.office.config.member)
        self.relay = Relay(
            node.office.store,
            node.office.store,
            self.publisher,
            signer or node.office.signer,
            node.office.clock,
            network=NETWORK,
            member=node.office.config.member,
            bootstrap_key=None,
            resend_after_s=resend_after_s,
        )


@asynccontextmanager
async def relaying(
    node: Desk, kafka: EmbeddedKafka, *, resend_after_s: float = 60.0, signer: SeedSigner | None = None
) -> AsyncIterator[Running]:
    running = Running(node, kafka, resend_after_s=resend_after_s, signer=signer)
    stop = asyncio.Event()
    task = asyncio.create_task(running.relay.run(stop))
    try:
        yield running
    finally:
        stop.set()
        await task
        await running.publisher.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    async def holds() -> bool:
        return condition()

    assert await wait_for(holds, timeout_s=PATIENCE_S), f"in vain: {what}"


@pytest.fixture
async def node(database: str, tmp_path: Path, unique_name: Callable[[str], str]) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database, member=unique_name("m").replace("_", "-")) as opened:
        await opened.take(ACHIEVEMENTS)
        await opened.take(CREDENTIALS + credential_rows(range(300)))
        yield opened


async def test_nothing_goes_out_before_the_registry_shows_the_key(node: Desk, kafka: EmbeddedKafka) -> None:
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka) as running:
        await until(lambda: running.relay.state.startswith("waiting: the registry"), "the relay waits")
        assert written.events == []
        await show_key(node, node.office.signer, status="suspended")
        await until(lambda: "suspended" in running.relay.state, "the relay says that the member is suspended")
        await show_key(node, node.office.signer)
        running.relay.wake()
        await until(lambda: len(written.events) == 301, "all events are written")
    assert written.sequences() == list(range(1, 302))
    for event in written.events:
        verify_signed(event, node.office.signer.public_key)


async def test_one_members_events_lie_in_the_partition_of_kafkas_own_partitioner(
    node: Desk, kafka: EmbeddedKafka
) -> None:
    member = node.office.config.member
    count = TOPICS[TOPIC].partitions
    expected = DefaultPartitioner()(member.encode(), list(range(count)), list(range(count)))
    await show_key(node, node.office.signer)
    async with reading(kafka, member) as written, relaying(node, kafka):
        await until(lambda: len(written.events) == 301, "all events are written")
    assert written.partitions == {expected} == {partition_of(member, count)}


async def test_what_is_not_answered_is_sent_again_in_order_and_what_is_answered_is_not(
    node: Desk, kafka: EmbeddedKafka
) -> None:
    await show_key(node, node.office.signer)
    async with (
        reading(kafka, node.office.config.member) as written,
        relaying(node, kafka, resend_after_s=0.5) as running,
    ):
        await until(lambda: len(written.events) >= 602, "everything is sent twice")
        await node.answer(*(("credential", n, True) for n in range(1, 302)), number=1)
        await until(lambda: running.relay.state == "relaying", "the relay goes on")
    sequences = written.sequences()
    assert sequences[:602] == [*range(1, 302), *range(1, 302)]
    assert len({event.statement for event in written.events}) == 301
    async with reading(kafka, node.office.config.member) as after, relaying(node, kafka, resend_after_s=0.1) as running:
        await until(lambda: running.relay.state == "relaying", "the relay runs")
        await running.relay.step()
        assert after.events == []
    attempts = await node.rows("SELECT attempts, sent FROM node.stream WHERE family = 'credential'")
    assert attempts == [{"attempts": 0, "sent": 301}]


async def test_what_was_answered_is_sent_once_more_where_the_ledger_asks(node: Desk, kafka: EmbeddedKafka) -> None:
    await show_key(node, node.office.signer)
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka) as running:
        await until(lambda: len(written.events) == 301, "all events are written")
        await node.answer(*(("credential", n, True) for n in range(1, 302)), number=1)
        running.relay.rewind("credential", 300)
        running.relay.rewind("credential", 290)
        await until(lambda: len(written.events) >= 313, "the last ones are written again")
        await running.relay.step()
    assert written.sequences() == [*range(1, 302), *range(290, 302)]
    assert written.events[289] == written.events[301]


async def test_the_ledger_can_ask_for_a_stream_from_a_number_on(node: Desk, kafka: EmbeddedKafka) -> None:
    await show_key(node, node.office.signer)
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka) as running:
        await until(lambda: len(written.events) == 301, "everything is sent")
        record = InboxRecord(1, "resend-from", {"family": "credential", "sequence": 200})
        effects = await node.office.store.take_inbox([record], 1, 0)
        assert effects.resend == (("credential", 200),)
        running.relay.rewind(*effects.resend[0])
        await until(lambda: len(written.events) == 301 + 102, "the rest is sent again")
    assert written.sequences()[301:] == list(range(200, 302))


async def test_a_sequence_conflict_stops_the_relay_and_status_says_so(node: Desk, kafka: EmbeddedKafka) -> None:
    await show_key(node, node.office.signer)
    head = {"sequence": 900, "digest": "ab" * 32}
    problem = {"code": "sequence-conflict", "family": "credential", "sequence": 1, "what": "", "fix": "", "head": head}
    await node.office.store.take_inbox([InboxRecord(1, "problem", problem)], 1, 0)
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka) as running:
        await until(lambda: running.relay.state == "stopped: sequence-conflict", "the relay stops")
        await running.relay.step()
        assert written.events == []
    problems = await node.office.store.problems()
    assert [(one["code"], one["head"]) for one in problems] == [("sequence-conflict", head)]
    assert problems[0]["fix"]


async def test_after_a_change_of_keys_the_same_statements_go_out_under_the_new_one(
    node: Desk, kafka: EmbeddedKafka
) -> None:
    fresh = SeedSigner(seed_of("fresh"))
    await show_key(node, fresh)
    before = [row.signed.statement for row in await node.office.store.open_rows("credential", 0, 1000)]
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka, signer=fresh):
        await until(lambda: len(written.events) == 301, "everything is sent")
    assert [event.statement for event in written.events] == before
    assert all(verify_signed(event, fresh.public_key) for event in written.events)


async def test_a_key_that_the_ledger_did_not_take_is_answered_by_sending_again(
    node: Desk, kafka: EmbeddedKafka
) -> None:
    await show_key(node, node.office.signer)
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka) as running:
        await until(lambda: len(written.events) == 301, "everything is sent")
        problem = {"code": "key-not-valid", "family": "credential", "sequence": 1, "what": "", "fix": ""}
        effects = await node.office.store.take_inbox([InboxRecord(1, "problem", problem)], 1, 0)
        assert effects.key_refused
        running.relay.renew_signatures()
        await until(lambda: len(written.events) == 602, "everything is sent again")
    assert await node.office.store.problems() == []


async def test_a_producer_that_lost_its_place_is_replaced_and_nothing_is_lost(
    node: Desk, kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    await show_key(node, node.office.signer)
    failures = [OutOfOrderSequenceNumber()]
    started = KafkaPublisher._started
    producers = []

    async def once_broken(self: KafkaPublisher) -> object:
        producer = await started(self)
        producers.append(producer)
        if failures:
            error = failures.pop()
            send = producer.send_batch

            async def broken(*arguments: object, **options: object) -> object:
                # Written, and yet reported as failed.
                await (await send(*arguments, **options))
                raise error

            monkeypatch.setattr(producer, "send_batch", broken)
        return producer

    monkeypatch.setattr(KafkaPublisher, "_started", once_broken)
    async with reading(kafka, node.office.config.member) as written, relaying(node, kafka):
        await until(lambda: set(written.sequences()) == set(range(1, 302)), "everything is sent")
        await until(lambda: written.sequences()[-1] == 301, "the last one is sent")
    assert len(set(map(id, producers))) == 2
    sequences = written.sequences()
    again = sequences[sequences.index(1, 1) :]
    assert again == list(range(1, 302))
