"""Kafka for the outgoing half: one idempotent producer that writes whole batches, and the ends of topics at start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from passerelle.core.errors import Fatal, Unavailable
from passerelle.events.topics import CHECKPOINT, FEED, TOPICS, inbox_spec
from passerelle.ledger.outgoing_ports import Record
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import (
    CLIENT_ERRORS,
    TopicPartition,
    abandon,
    all_acked,
    end_offsets,
    ensure_topics,
    start_consumer,
    start_producer,
    stop_consumer,
    unreachable,
)

CLIENT_ID: Final = "passerelle-ledger-publisher"
TAIL: Final = 8
"""Records read from the end of a topic at start: a zombie's late repeat may stand behind the newest one."""
TAIL_TIMEOUT_S: Final = 20.0


class KafkaTopics:
    """The :class:`~passerelle.ledger.outgoing_ports.Topics` of the network: partition 0 of each topic."""

    def __init__(self, config: KafkaConfig, *, replication: int = 1) -> None:
        self._config = config
        self._replication = replication
        self._producer: Any = None

    async def ensure(self, members: Sequence[str], *, fixed: bool) -> None:
        specs = [*(TOPICS.values() if fixed else ()), *(inbox_spec(member) for member in members)]
        await ensure_topics(self._config, specs, replication=self._replication)

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        if self._producer is None:
            self._producer = await start_producer(self._config, client_id=CLIENT_ID, linger_ms=0)
        try:
            sent: list[asyncio.Future[Any]] = []
            for topic, records in batches.items():
                sent += await self._send(topic, records)
            await all_acked(sent, self._config.publish_timeout_s)
        except CLIENT_ERRORS as error:
            # After any error the sequence numbers of the producer are in doubt: a new one starts, from saved positions.
            await self.close()
            raise Unavailable(
                "produce-failed", f"records were not acked: {type(error).__name__}", where="kafka"
            ) from error

    async def _send(self, topic: str, records: Iterable[Record]) -> list[asyncio.Future[Any]]:
        producer, sent = self._producer, []
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers) is None:
                sent.append(await producer.send_batch(batch, topic, partition=0))
                batch = producer.create_batch()
                # The first record of a batch is always taken, however large: the topic's own limit decides.
                batch.append(key=record.key, value=record.value, timestamp=None, headers=record.headers)
        if batch.record_count():
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=0))
        return sent

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # Whatever was published was acked: there is nothing to wait for.
            await abandon(producer)


class KafkaTails:
    """The :class:`~passerelle.ledger.outgoing_ports.TopicTails` of the network."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config

    async def checkpoints(self) -> Sequence[bytes]:
        return [bytes(record.value or b"") for record in await self._tail(CHECKPOINT)]

    async def feed(self) -> Sequence[tuple[int, bytes]]:
        found = []
        for record in await self._tail(FEED):
            headers = dict(record.headers)
            try:
                found.append((int(headers["index"]), headers["entry"]))
            except (KeyError, ValueError):
                what = "a record on the feed was not written by a ledger"
                raise Fatal("ledger-diverged", what, where=f"{FEED} offset {record.offset}") from None
        return found

    async def _tail(self, topic: str) -> list[Any]:
        """The last records of partition 0. The topic exists: the ledger makes its topics before it asks."""
        end = (await end_offsets(self._config, topic, [0], client_id=CLIENT_ID))[0]
        partition = TopicPartition(topic, 0)
        consumer = await start_consumer(self._config, client_id=CLIENT_ID, positions={partition: 0})
        found: list[Any] = []
        try:
            async with asyncio.timeout(TAIL_TIMEOUT_S):
                first = (await consumer.beginning_offsets([partition]))[partition]
                consumer.seek(partition, max(first, end - TAIL))
                while await consumer.position(partition) < end:
                    for records in (await consumer.getmany(partition, timeout_ms=500)).values():
                        found += records
        except CLIENT_ERRORS as error:
            raise unreachable(self._config, error) from error
        finally:
            await stop_consumer(consumer)
        return found
