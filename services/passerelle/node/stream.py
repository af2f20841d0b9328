"""Kafka: the relay's producer and the topics that a node reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.partitioner import murmur2

from passerelle.core.errors import Unavailable
from passerelle.events.topics import CHECKPOINT, FEED, REGISTRY, inbox_topic, ingress_topic
from passerelle.node.ports import Arrived, OutboxRow
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import (
    LOOK_TIMEOUT_S,
    ReaderWatch,
    abandon,
    all_acked,
    start_consumer,
    start_producer,
    stop_consumer,
    unreachable,
)

_LOG = structlog.get_logger(__name__)
POLL_MS: Final = 500
MAX_RECORDS: Final = 2000
TOPIC_RETRY_S: Final = 0.5
FETCH_BYTES: Final = 8 * 1024 * 1024


def partition_of(member: str, count: int) -> int:
    """The partition that Kafka's default partitioner gives a key: murmur2 of its bytes, without the sign bit."""
    return int((murmur2(member.encode()) & 0x7FFFFFFF) % count)


class KafkaPublisher:
    """See :class:`passerelle.node.ports.Publisher`. The producer is made anew after any error."""

    def __init__(self, config: KafkaConfig, member: str) -> None:
        self._config = config
        self._member = member
        self._key = member.encode()
        self._producer: AIOKafkaProducer | None = None

    async def publish(self, family: str, rows: Sequence[OutboxRow]) -> None:
        """See :class:`passerelle.node.ports.Publisher`."""
        topic = ingress_topic(family)
        try:
            producer = await self._started()
            partitions = await producer.partitions_for(topic)
            target = partition_of(self._member, len(partitions))
            acks = []
            batch = producer.create_batch()
            for row in rows:
                if not self._append(batch, row):
                    acks.append(await producer.send_batch(batch, topic, partition=target))
                    batch = producer.create_batch()
                    if not self._append(batch, row):
                        # A body near 64 KiB with its headers still fits the batch; one that does not cannot be sent.
                        raise Unavailable("produce-failed", "the event is larger than a batch", where=topic)
            acks.append(await producer.send_batch(batch, topic, partition=target))
            await all_acked(acks, self._config.publish_timeout_s)
        except (KafkaError, OSError, TimeoutError) as error:
            # An idempotent producer that lost its place (OutOfOrderSequence) never recovers: the next call starts
            # another one, and the relay reads the outbox again from the last row that is known to be written.
            await self._abandon()
            raise unreachable(self._config, error) from None

    def _append(self, batch: Any, row: OutboxRow) -> bool:
        signed = row.signed
        return (
            batch.append(key=self._key, value=signed.body, timestamp=row.released_at, headers=signed.headers())
            is not None
        )

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await start_producer(self._config, client_id=f"passerelle-relay-{self._member}")
        return self._producer

    async def _abandon(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)

    async def close(self) -> None:
        """See :class:`passerelle.node.ports.Publisher`. Every publication waits for its acks: nothing is on its way."""
        await self._abandon()


def topics_of(member: str) -> tuple[str, ...]:
    """The topics that a node reads."""
    return (REGISTRY, inbox_topic(member), FEED, CHECKPOINT)


class KafkaSource:
    """See :class:`passerelle.node.ports.Source`. ``name`` is that of the watchdog over its reader."""

    def __init__(self, config: KafkaConfig, member: str, name: str = "intake") -> None:
        self._config = config
        self._member = member
        self._watch = ReaderWatch(name, config)

    async def batches(self, offsets: Mapping[str, int | None]) -> AsyncGenerator[Arrived, None]:
        """See :class:`passerelle.node.ports.Source`."""
        consumer = await start_consumer(
            self._config,
            client_id=f"passerelle-node-{self._member}",
            positions={},
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=100,
        )
        self._watch.rest()
        waiting = dict(offsets)
        loop = asyncio.get_running_loop()
        next_look = 0.0
        try:
            while True:
                if waiting and loop.time() >= next_look:
                    waiting = await self._assign_present(consumer, waiting)
                    next_look = loop.time() + TOPIC_RETRY_S
                if not consumer.assignment():
                    await asyncio.sleep(TOPIC_RETRY_S)
                    continue
                async for arrived in self._poll(consumer):
                    yield arrived
                if self._watch.due():
                    await self._look(consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        finally:
            await stop_consumer(consumer)

    async def _assign_present(
        self, consumer: AIOKafkaConsumer, waiting: Mapping[str, int | None]
    ) -> dict[str, int | None]:
        """Assign the topics that are there now; returns those that are not."""
        known = await consumer.topics()
        present = {topic: offset for topic, offset in waiting.items() if topic in known}
        if present:
            held = {partition: await consumer.position(partition) for partition in consumer.assignment()}
            fresh = {TopicPartition(topic, 0): offset for topic, offset in present.items()}
            consumer.assign([*held, *fresh])
            places = held | fresh
            for partition, offset in places.items():
                if offset is not None:
                    consumer.seek(partition, offset)
            if first := [partition for partition, offset in places.items() if offset is None]:
                await consumer.seek_to_beginning(*first)
        return {topic: offset for topic, offset in waiting.items() if topic not in present}

    async def _look(self, consumer: AIOKafkaConsumer) -> None:
        """Hold what was given out against the ends. Raises Unavailable ``reader-stalled``."""
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            places = {partition: await consumer.position(partition) for partition in consumer.assignment()}
        still = await self._watch.still(consumer, places)
        if still:
            raise self._watch.stalled(still)

    async def _poll(self, consumer: AIOKafkaConsumer) -> AsyncIterator[Arrived]:
        try:
            found = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        except OffsetOutOfRangeError as error:
            # Records before the first one kept are gone from Kafka; the inbox's are fetched from the ledger by number.
            partitions = list(error.args[0]) if error.args and isinstance(error.args[0], dict) else []
            for partition in partitions or list(consumer.assignment()):
                _LOG.warning("the stored offset is no longer kept", topic=partition.topic)
                await consumer.seek_to_beginning(partition)
            return
        for partition, records in found.items():
            yield Arrived(
                partition.topic,
                tuple((list(record.headers), record.value, record.offset, record.key) for record in records),
            )
