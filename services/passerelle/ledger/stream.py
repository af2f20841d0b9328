"""Kafka adapters of the ledger: the ingress reader and the creation of inbox topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from passerelle.core.errors import Fatal
from passerelle.events.topics import INGRESS, TOPICS, inbox_spec, ingress_topic
from passerelle.ledger.model import Place, RawRecord
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import ReaderWatch, ensure_topics, start_consumer, stop_consumer, unreachable

CLIENT_ID: Final = "passerelle-ledger-ingress"
NAMED_POLL_S: Final = 1.0
"""How long partitions that stand still are asked for by name before the reader counts as stuck."""
NAMED_MAX: Final = 100
"""Most records then."""
_MEMBER: Final = ingress_topic("member")


class IngressStream:
    """The five ingress topics, every partition assigned by hand: no group, no rebalance, no committed offsets."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._consumer: AIOKafkaConsumer | None = None
        self._next: dict[TopicPartition, int] = {}
        self._member: list[TopicPartition] = []
        self._others: list[TopicPartition] = []
        self._heavy: TopicPartition | None = None
        self._idle = True
        self._watch = ReaderWatch("ingress", config)

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
        self._heavy = None
        self._watch.rest()

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
        """As :class:`passerelle.ledger.ports.Ingress`.

        The client empties what it holds of one partition before it looks at the next one. While a partition fills
        whole fetches, the others are asked first, for at most half the room: a flood in one delays nobody elsewhere by
        more than one fetch.
        """
        if self._watch.due():
            still = await self._look()
            if still:
                return still
        records = await self._fetch(maximum, wait_s)
        self._idle = not records
        return records

    async def _fetch(self, maximum: int, wait_s: float) -> list[RawRecord]:
        records = await self._poll(self._member, maximum, 0.0)
        if records:
            return records + await self._poll(self._others, maximum - len(records), 0.0)
        if self._heavy is not None:
            light = [partition for partition in self._others if partition != self._heavy]
            records = await self._poll(light, maximum // 2, 0.0)
        records += await self._poll([], maximum - len(records), 0.0 if records else wait_s)
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
                if len(batch) >= maximum:
                    self._heavy = partition
        if wait_s and len(records) < maximum:
            self._heavy = None
        return records

    async def _look(self) -> list[RawRecord]:
        """Ask for partitions that seem to stand still by name: behind a backlog their turn may not have come.

        Raises Unavailable ``reader-stalled`` where they give nothing then either.
        """
        assert self._consumer is not None
        still = await self._watch.still(self._consumer, self._next, idle=self._idle)
        if not still:
            return []
        records = await self._poll(list(still), NAMED_MAX, NAMED_POLL_S)
        if not records:
            raise self._watch.stalled(still)
        return sorted(records, key=_member_first)

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
