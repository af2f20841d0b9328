"""What sticks without an error, on the real servers: readers, producers, connections, a full disk."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from tests.integration.node_desk import ACHIEVEMENTS, Desk, desk
from tests.integration.test_node_relay import relaying, show_key, until

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import INGRESS, TOPICS, inbox_topic, ingress_topic
from passerelle.ledger.outgoing_ports import Record
from passerelle.ledger.outgoing_stream import KafkaTopics
from passerelle.ledger.stream import IngressStream
from passerelle.node.ports import OutboxRow
from passerelle.node.stream import KafkaPublisher, KafkaSource
from passerelle.portal.stream import KafkaFeed
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics
from passerelle.runtime.postgres import close_pool, connect, listening
from passerelle.runtime.process import wait_for
from passerelle.runtime.watchdog import watchdogs
from passerelle.testing.federation import Member

Names = Callable[[str], str]
_END = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"


@pytest.fixture
async def config(kafka: EmbeddedKafka) -> KafkaConfig:
    made = KafkaConfig(bootstrap=kafka.bootstrap, stalled_s=1, publish_timeout_s=1, request_timeout_s=2)
    await ensure_topics(made, TOPICS.values())
    return made


def rows(member: Member, count: int) -> list[OutboxRow]:
    found = []
    for number in range(count):
        signed = member.raw("credential", "public", b'{"n":%d}' % number)
        found.append(OutboxRow("credential", number + 1, "type", "subject", "thing", signed, 7))
    return found


async def publish(config: KafkaConfig, member: Member, count: int) -> None:
    publisher = KafkaPublisher(config, member.id)
    try:
        await publisher.publish("credential", rows(member, count))
    finally:
        await publisher.close()


async def for_ever_empty(read: Callable[[], Awaitable[Sequence[Any]]]) -> None:
    """Read nothing until an error comes. Raises it, TimeoutError where none does."""
    async with asyncio.timeout(15):
        while True:
            assert await read() == []


async def test_a_ledgers_reader_that_gets_nothing_in_silence_is_told_and_opened_anew(
    config: KafkaConfig, unique_name: Names
) -> None:
    member = Member(unique_name("m").replace("_", "-"))
    starts = {}
    for topic in INGRESS:
        ends = await end_offsets(config, topic, range(TOPICS[topic].partitions), client_id="test")
        starts.update({(topic, number): offset for number, offset in ends.items()})
    ingress = IngressStream(config)
    try:
        await ingress.open(starts)
        assert await ingress.fetch(10, wait_s=0.1) == []
        # A consumer that was paused is assigned, connected, without an error, and gives nothing.
        assert ingress._consumer is not None
        ingress._consumer.pause(*ingress._consumer.assignment())
        await publish(config, member, 3)
        with pytest.raises(Unavailable) as caught:
            await for_ever_empty(lambda: ingress.fetch(10, wait_s=0.1))
        assert caught.value.code == "reader-stalled"
        assert ingress_topic("credential") in caught.value.where
        assert watchdogs()["ingress"]["acts"] == 1
        await ingress.open(starts)
        found: list[Any] = []
        async with asyncio.timeout(15):
            while len(found) < 3:
                found += await ingress.fetch(10, wait_s=0.5)
        assert {one.key for one in found} == {member.id.encode()}
    finally:
        await ingress.close()


async def test_a_nodes_and_a_portals_reader_are_watched_too(
    config: KafkaConfig, unique_name: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = KafkaTopics(config)
    name = unique_name("m").replace("_", "-")
    await topics.ensure([name], fixed=False)
    inbox, silent = inbox_topic(name), []

    async def start_silent(*arguments: Any, **options: Any) -> Any:
        from passerelle.runtime.kafka import start_consumer

        consumer = await start_consumer(*arguments, **options)
        assign = consumer.assign

        def assign_and_pause(partitions: list[TopicPartition]) -> None:
            assign(partitions)
            consumer.pause(*partitions)

        silent.append(consumer)
        if consumer.assignment():
            consumer.pause(*consumer.assignment())
        monkeypatch.setattr(consumer, "assign", assign_and_pause)
        return consumer

    feed, source = KafkaFeed(config, inbox), KafkaSource(config, name)
    try:
        with monkeypatch.context() as patch:
            patch.setattr("passerelle.node.stream.start_consumer", start_silent)
            patch.setattr("passerelle.portal.stream.start_consumer", start_silent)
            await feed.open(0)
            batches = source.batches({inbox: None})
            reading = asyncio.ensure_future(anext(batches))
            await topics.publish({inbox: [Record(None, b"{}", [("inbox-number", b"1")])]})
            with pytest.raises(Unavailable) as caught:
                await asyncio.wait_for(reading, 15)
            assert caught.value.code == "reader-stalled"
            with pytest.raises(Unavailable) as caught:
                await for_ever_empty(feed.poll)
            assert caught.value.code == "reader-stalled"
        assert len(silent) == 2
        arrived = await asyncio.wait_for(anext(source.batches({inbox: None})), 15)
        assert len(arrived.records) == 1
        await feed.open(0)
        async with asyncio.timeout(15):
            while not await feed.poll():
                pass
    finally:
        await feed.close()
        await topics.close()


async def test_a_producer_that_lost_its_sequence_is_made_anew(config: KafkaConfig, unique_name: Names) -> None:
    """The broker itself answers OutOfOrderSequenceNumber, from which aiokafka's producer never recovers (#1017)."""
    member = Member(unique_name("m").replace("_", "-"))
    publisher = KafkaPublisher(config, member.id)
    try:
        await publisher.publish("credential", rows(member, 1))
        broken = publisher._producer
        assert broken is not None
        place = next(iter(broken._txn_manager._sequence_numbers))
        broken._txn_manager._sequence_numbers[place] += 100
        with pytest.raises(Unavailable):
            await publisher.publish("credential", rows(member, 1))
        await publisher.publish("credential", rows(member, 2))
        assert publisher._producer is not broken
    finally:
        await publisher.close()


@contextmanager
def frozen(pid: int | None) -> Any:
    """A process that is there, keeps its connections, and answers nothing."""
    if pid is None:
        pytest.skip("the server is not a child of this process: it cannot be frozen")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_broker_that_freezes_is_noticed_in_a_bounded_time(
    kafka: EmbeddedKafka, config: KafkaConfig, unique_name: Names
) -> None:
    member = Member(unique_name("m").replace("_", "-"))
    publisher, topics = KafkaPublisher(config, member.id), KafkaTopics(config)
    await topics.ensure([member.id], fixed=False)
    letter = {inbox_topic(member.id): [Record(None, b"{}", [("inbox-number", b"1")])]}
    try:
        await publisher.publish("credential", rows(member, 1))
        await topics.publish(letter)
        with frozen(kafka.pid):
            for attempt in (publisher.publish("credential", rows(member, 1)), topics.publish(letter)):
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(attempt, 10)
        await publisher.publish("credential", rows(member, 2))
        await topics.publish(letter)
    finally:
        await publisher.close()
        await topics.close()


async def test_what_is_listened_to_is_listened_to_again(database: str) -> None:
    pool = await connect(DatabaseConfig(url=database, pool_size=2), name="listener")
    look = await asyncpg.connect(database)
    heard: list[int] = []

    async def hears() -> bool:
        before = len(heard)
        await look.execute("NOTIFY test_channel")
        return await wait_for(_grown(heard, before), timeout_s=1)

    try:
        async with listening(pool, "test_channel", lambda: heard.append(1)):
            assert await hears()
            for _ in range(2):
                before = len(heard)
                assert await look.fetchval(_END, "listener") > 0
                # One wake-up stands for what may have been told meanwhile.
                assert await wait_for(_grown(heard, before), timeout_s=10), "nothing listens again"
                assert await hears()
        assert not await hears(), "it ends with the block"
    finally:
        await look.close()
        await close_pool(pool)


def _grown(heard: list[int], before: int) -> Callable[[], Any]:
    async def grown() -> bool:
        return len(heard) > before

    return grown


async def test_a_statement_that_is_never_answered_ends(database: str) -> None:
    pool = await connect(DatabaseConfig(url=database, pool_size=1, statement_timeout_s=1), name="patient")
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pool.execute("SELECT pg_sleep(60)"), 10)
        assert await pool.fetchval("SELECT 1") == 1
    finally:
        await close_pool(pool)


@pytest.fixture
async def node(database: str, tmp_path: Path, unique_name: Names) -> AsyncIterator[Desk]:
    async with desk(tmp_path, database, member=unique_name("m").replace("_", "-"), outbox_max=3) as opened:
        yield opened


async def test_a_full_disk_is_told_refuses_what_is_new_and_passes(node: Desk, kafka: EmbeddedKafka) -> None:
    """The server's own error for it (SQLSTATE 53100), raised where the rows are written."""
    await show_key(node, node.office.signer)
    await node.look.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$"
    )
    await node.take(ACHIEVEMENTS, dry_run=True)
    for table in ("draft", "outbox"):
        await node.look.execute(f"CREATE TRIGGER no_room BEFORE INSERT ON node.{table} EXECUTE FUNCTION full_disk()")
    with pytest.raises(PasserelleError) as caught:
        await node.take(ACHIEVEMENTS)
    assert caught.value.code == "disk-full"
    assert await node.rows("SELECT FROM node.record UNION ALL SELECT FROM node.draft") == []
    await node.look.execute("DROP TRIGGER no_room ON node.draft")
    with pytest.raises(PasserelleError):
        # Drafted, and not numbered: there is no room in the outbox.
        await node.take(ACHIEVEMENTS)
    async with relaying(node, kafka) as running:
        await until(lambda: running.relay.state == "waiting: disk-full", "the relay says so")
        await node.look.execute("DROP TRIGGER no_room ON node.outbox")
        await until(lambda: running.relay.sent == 1, "it goes on")


async def test_an_outbox_has_a_bound_and_goes_on_when_there_is_room(node: Desk) -> None:
    header, _, _ = ACHIEVEMENTS.partition("\n")
    several = [f"course-{number},micro-credential,Course {number},en,no\n" for number in range(4)]
    await node.take(header + "\n" + "".join(several[:3]))
    with pytest.raises(PasserelleError) as caught:
        await node.take(header + "\n" + "".join(several))
    assert caught.value.code == "outbox-full"
    await node.answer(("credential", 1, True), number=1)
    await node.take(header + "\n" + "".join(several))
    assert len(await node.rows("SELECT FROM node.outbox")) == 4
