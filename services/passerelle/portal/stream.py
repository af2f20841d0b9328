"""Public topics of one partition through aiokafka, read from a stored offset: the feed, the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from passerelle.core.errors import Fatal, Unavailable
from passerelle.events.topics import FEED
from passerelle.portal.ports import Raw
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import ReaderWatch, start_consumer, stop_consumer, unreachable

POLL_MS: Final = 500
MAX_RECORDS: Final = 500


class KafkaFeed:
    """A :class:`passerelle.portal.ports.FeedSource` over Kafka."""

    def __init__(self, config: KafkaConfig, topic: str = FEED, *, cut: bool = False) -> None:
        """``cut``: the topic keeps its records for a time only, and what is gone from it is not needed any more."""
        self._config = config
        self._cut = cut
        self._partition = TopicPartition(topic, 0)
        self._consumer: AIOKafkaConsumer | None = None
        self._offset = 0
        self._watch = ReaderWatch("statistics" if cut else "feed", config)

    async def open(self, offset: int) -> None:
        """Read from this offset on, with a fresh connection. Raises Unavailable, ``topic-missing`` among others."""
        await self.close()
        self._consumer = consumer = await start_consumer(
            self._config,
            client_id="passerelle-portal",
            positions={self._partition: offset},
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        # A consumer of a topic that does not exist is silent, which would look like a feed without news.
        try:
            known = await consumer.topics()
            if self._cut and self._partition.topic in known:
                offset = await self._within(consumer, offset)
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        if self._partition.topic not in known:
            raise Unavailable("topic-missing", "the feed topic does not exist yet", where=self._partition.topic)
        self._offset = offset
        self._watch.rest()

    async def poll(self) -> Sequence[Raw]:
        """The next records, at most :data:`MAX_RECORDS`. Raises Unavailable; Fatal ``offset-out-of-range``."""
        if self._consumer is None:
            raise Unavailable("broker-unavailable", "the feed is not open", where=self._partition.topic)
        try:
            found = await self._consumer.getmany(self._partition, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            records = found.get(self._partition, [])
            if not records and self._watch.due():
                await self._check_stalled(self._consumer)
        except OffsetOutOfRangeError:
            if self._cut:
                raise Unavailable(
                    "offset-out-of-range", "the topic was cut while it was read", where=self._partition.topic
                ) from None
            raise Fatal(
                "offset-out-of-range",
                "the feed topic does not hold the stored offset: it was made anew or cut",
                where=f"{self._partition.topic}@{self._offset}",
                fix="find out what happened to the topic; an emptied portal database fills itself again",
            ) from None
        except (KafkaError, OSError, TimeoutError) as error:
            raise unreachable(self._config, error) from None
        if records:
            self._offset = records[-1].offset + 1
        return [Raw(record.offset, list(record.headers), record.value or b"") for record in records]

    async def _within(self, consumer: AIOKafkaConsumer, offset: int) -> int:
        """The offset, or the first one that the topic holds where it does not hold this one."""
        first = (await consumer.beginning_offsets([self._partition]))[self._partition]
        end = (await consumer.end_offsets([self._partition]))[self._partition]
        if not first <= offset <= end:
            offset = first
            consumer.seek(self._partition, offset)
        return int(offset)

    async def _check_stalled(self, consumer: AIOKafkaConsumer) -> None:
        still = await self._watch.still(consumer, {self._partition: self._offset})
        if still:
            raise self._watch.stalled(still)

    async def close(self) -> None:
        """Leave the broker; may be called twice."""
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            await stop_consumer(consumer)
