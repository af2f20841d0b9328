"""Kafka adapters of the ledger: the ingress reader and the creation of inbox topics."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from passerelle.core.errors import Fatal, Unavailable
from passerelle.events.topics import INGRESS, TOPICS, inbox_spec, ingress_topic
from passerelle.ledger.model import Place, RawRecord
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import ensure_topics, start_consumer, stop_consumer, unreachable

CLIENT_ID: Final = "passerelle-ledger-ingress"
WATCH_EVERY_S: Final = 5.0
"""How often an idle reader asks the brokers whether there is something that it does not see."""
_MEMBER: Final = ingress_topic("member")
_LOG = structlog.get_logger(__name__)


class IngressStream:
    """The five ingress topics, every partition assigned by hand: no group, no rebalance, no committed offsets."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}
        self._member: list[TopicPartition] = []
        self._others: list[TopicPartition] = []
        self._watched_at = 0.0
        self._behind: dict[TopicPartition, int] = {}

    async def open(self, offsets: Mapping[Place, int]) -> None:
        """As :class:`passerelle.ledger.ports.Ingress`."""
        await self.close()
        every = [TopicPartition(name, number) for name in INGRESS for number in range(TOPICS[name].partitions)]
        consumer = await start_consumer(
            self._config, client_id=CLIENT_ID, positions={}, max_partition_fetch_bytes=2 * 1024 * 1024
        )
        self._consumer = consumer
        try:
            await self._check_shape(consumer)
            starts = await consumer.beginning_offsets(every)
            ends = await consumer.end_offsets(every)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        for partition in every:
            position = offsets.get((partition.topic, partition.partition))
            if position is not None and not starts[partition] <= position <= ends[partition]:
                raise _out_of_range(partition, position, starts[partition], ends[partition])
            self._next[partition] = starts[partition] if position is None else position
        consumer.assign(every)
        for partition, position in self._next.items():
            consumer.seek(partition, position)
        self._member = [partition for partition in every if partition.topic == _MEMBER]
        self._others = [partition for partition in every if partition.topic != _MEMBER]
        self._behind = {}
        self._watched_at = asyncio.get_running_loop().time()

    async def _check_shape(self, consumer: AIOKafkaConsumer) -> None:
        await consumer.topics()
        for name in INGRESS:
            found = consumer.partitions_for_topic(name)
            if found is not None and len(found) != TOPICS[name].partitions:
                raise Fatal(
                    "topic-shape",
                    f"the topic has {len(found)} partitions, its contract says {TOPICS[name].partitions}",
                    where=name,
                )

    async def fetch(self, maximum: int, *, wait_s: float) -> list[RawRecord]:
        """As :class:`passerelle.ledger.ports.Ingress`."""
        first = await self._poll(self._member, maximum, 0.0)
        if first:
            return first + await self._poll(self._others, maximum - len(first), 0.0)
        records = await self._poll([], maximum, wait_s)
        if not records:
            await self._watch(asyncio.get_running_loop().time())
        # What came while waiting may be of any topic; a sort keeps the order within each.
        return sorted(records, key=_member_first)

    async def _poll(self, partitions: list[TopicPartition], maximum: int, wait_s: float) -> list[RawRecord]:
        if maximum <= 0:
            return []
        assert self._consumer is not None
        # Without partitions named, the client gives records of any.
        try:
            found = await self._consumer.getmany(*partitions, timeout_ms=int(wait_s * 1000), max_records=maximum)
        except OffsetOutOfRangeError as error:
            raise Fatal(
                "offset-out-of-range", "records were deleted before the ledger read them", where=str(error.args[:1])
            ) from None
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        records: list[RawRecord] = []
        for partition, batch in found.items():
            if batch:
                self._next[partition] = batch[-1].offset + 1
                records += map(_raw, batch)
        return records

    async def _watch(self, now: float) -> None:
        """Notice a reader that stands still although there are records: it is then opened anew. Raises Unavailable."""
        if now - self._watched_at < WATCH_EVERY_S:
            return
        self._watched_at = now
        assert self._consumer is not None
        try:
            ends = await self._consumer.end_offsets(list(self._next))
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        behind = {partition: at for partition, at in self._next.items() if at < ends[partition]}
        stuck = [partition for partition, at in behind.items() if self._behind.get(partition) == at]
        self._behind = behind
        if stuck:
            _LOG.warning("ingress stands still", partitions=[f"{item.topic}/{item.partition}" for item in stuck])
            raise Unavailable(
                "broker-unavailable", "the reader got no records although there are some", where=CLIENT_ID
            )

    async def close(self) -> None:
        """As :class:`passerelle.ledger.ports.Ingress`."""
        consumer, self._consumer = self._consumer, None
        self._next = {}
        if consumer is None:
            return
        await stop_consumer(consumer)


class KafkaInboxes:
    """Members' inbox topics, made with the settings of their contract."""

    def __init__(self, config: KafkaConfig, replication: int = 1) -> None:
        self._config = config
        self._replication = replication
        self._known: set[str] = set()

    async def ensure(self, members: Sequence[str]) -> None:
        """As :class:`passerelle.ledger.ports.Inboxes`."""
        missing = [member for member in members if member not in self._known]
        if missing:
            await ensure_topics(self._config, map(inbox_spec, missing), replication=self._replication)
            self._known.update(missing)


def _raw(record: ConsumerRecord) -> RawRecord:
    return RawRecord(record.topic, record.partition, record.offset, record.key, record.headers, record.value)


def _member_first(record: RawRecord) -> bool:
    """Sorting key: False comes before True."""
    return record.topic != _MEMBER


def _out_of_range(partition: TopicPartition, position: int, start: int, end: int) -> Fatal:
    return Fatal(
        "offset-out-of-range",
        f"the stored offset {position} is not within {start} to {end}: records are lost, or the topic is another one",
        where=f"{partition.topic}/{partition.partition}",
    )
