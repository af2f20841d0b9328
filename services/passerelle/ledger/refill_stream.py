"""Kafka for a refill: the feed from an index on, ingress records by their place, inboxes beyond a number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final

from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.statement import digest, parse_statement
from passerelle.events.topics import FEED, INGRESS, TOPICS, inbox_topic
from passerelle.ledger.model import Place
from passerelle.ledger.refill_ports import Coordinates, FeedRecord, Letter
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import CLIENT_ERRORS, TopicPartition, start_consumer, stop_consumer, unreachable

CLIENT_ID: Final = "passerelle-ledger-refill"
CHUNK: Final = 1000
"""Records in one answer."""
JUMP: Final = 2000
"""Records between two wanted ones that are rather read than jumped over."""
TAIL: Final = 8
"""Records looked at from the end of an inbox: a late repeat may stand behind the newest one."""
IDLE_S: Final = 30.0
"""Longest wait for a record that is there."""


class KafkaRefill:
    """The :class:`~passerelle.ledger.refill_ports.FeedSource`, ``IngressSource`` and ``InboxTopics`` of the network.

    Each read has a consumer of its own, which lives as long as the read.
    """

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config

    # The feed

    async def records(self, start: int) -> AsyncIterator[Sequence[FeedRecord]]:
        """As :class:`passerelle.ledger.refill_ports.FeedSource`."""
        expected = start
        partition = TopicPartition(FEED, 0)
        async with _Reader(self._config) as reader:
            first, end = (await reader.spans([partition]))[partition]
            # Repeats only move an entry back: index n never stands before offset n.
            async for records in reader.read(partition, max(first, start), end):
                found: list[FeedRecord] = []
                for record in records:
                    read = _feed_record(record)
                    if read.index > expected:
                        what = f"indices {expected} to {read.index - 1} are missing on the feed"
                        raise Fatal("ledger-diverged", what, where=f"{FEED} offset {record.offset}")
                    if read.index == expected:
                        found.append(read)
                        expected += 1
                if found:
                    yield found

    # The ingress

    async def beginnings(self) -> Mapping[Place, int]:
        """As :class:`passerelle.ledger.refill_ports.IngressSource`."""
        async with _Reader(self._config) as reader:
            spans = await reader.spans(_ingress())
        return {(partition.topic, partition.partition): first for partition, (first, _) in spans.items()}

    async def fetch(self, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
        """As :class:`passerelle.ledger.refill_ports.IngressSource`."""
        if not wanted:
            return {}
        places: dict[TopicPartition, set[int]] = {}
        for topic, number, offset in wanted:
            places.setdefault(TopicPartition(topic, number), set()).add(offset)
        found: dict[Coordinates, bytes] = {}
        async with _Reader(self._config) as reader:
            spans = await reader.spans([partition for partition in _ingress() if partition in places])
            for partition, (first, end) in spans.items():
                offsets = sorted(offset for offset in places[partition] if first <= offset < end)
                for run in _runs(offsets):
                    async for records in reader.read(partition, run[0], run[-1] + 1):
                        for record in records:
                            if record.offset in places[partition]:
                                place = (partition.topic, partition.partition, record.offset)
                                found[place] = bytes(record.value or b"")
        return found

    async def search(self, statements: Collection[bytes], starts: Mapping[Place, int]) -> Mapping[bytes, bytes]:
        """As :class:`passerelle.ledger.refill_ports.IngressSource`."""
        wanted, found = set(statements), dict[bytes, bytes]()
        async with _Reader(self._config) as reader:
            for partition, (first, end) in (await reader.spans(_ingress())).items():
                start = max(first, starts.get((partition.topic, partition.partition), 0))
                async for records in reader.read(partition, start, end):
                    for record in records:
                        statement = dict(record.headers).get("statement") or b""
                        key, body = digest(statement), bytes(record.value or b"")
                        if key in wanted and parse_statement(statement).body_sha256 == digest(body):
                            found[key] = body
        return found

    # Inboxes

    async def published(self, known: Mapping[str, int]) -> Mapping[str, int]:
        """As :class:`passerelle.ledger.refill_ports.InboxTopics`."""
        found: dict[str, int] = {}
        async with _Reader(self._config) as reader:
            spans = await reader.spans([TopicPartition(inbox_topic(member), 0) for member in known])
            for member, number in known.items():
                partition = TopicPartition(inbox_topic(member), 0)
                first, end = spans[partition]
                # There were at most as many numbers as offsets: so it is mostly not read at all, and where nothing is
                # left to be read, that is what is known.
                if end <= number:
                    continue
                found[member] = end if first == end else 0
                async for records in reader.read(partition, max(first, end - TAIL), end):
                    numbers = [_letter(member, record).number for record in records]
                    found[member] = max(found[member], *numbers)
        return found

    async def letters(self, member: str, after: int) -> AsyncIterator[Sequence[Letter]]:
        """As :class:`passerelle.ledger.refill_ports.InboxTopics`."""
        partition = TopicPartition(inbox_topic(member), 0)
        async with _Reader(self._config) as reader:
            first, end = (await reader.spans([partition]))[partition]
            # As on the feed: number n never stands before offset n - 1.
            async for records in reader.read(partition, max(first, after), end):
                found: list[Letter] = []
                for letter in (_letter(member, record) for record in records):
                    if letter.number > after:
                        found.append(letter)
                        after = letter.number
                if found:
                    yield found


class _Reader:
    """One consumer that reads one partition after the other."""

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._consumer: Any = None

    async def __aenter__(self) -> _Reader:
        self._consumer = await start_consumer(self._config, client_id=CLIENT_ID, positions={})
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop_consumer(self._consumer)

    async def spans(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, tuple[int, int]]:
        """First offset and next offset to be written. Raises Unavailable."""
        if not partitions:
            return {}
        try:
            firsts = await self._consumer.beginning_offsets(partitions)
            ends = await self._consumer.end_offsets(partitions)
        except CLIENT_ERRORS as error:
            raise unreachable(self._config, error) from error
        return {partition: (firsts[partition], ends[partition]) for partition in partitions}

    async def read(self, partition: TopicPartition, start: int, end: int) -> AsyncIterator[list[Any]]:
        """The records of ``start`` to ``end - 1`` in chunks. Raises Unavailable."""
        if start >= end:
            return
        loop = asyncio.get_running_loop()
        self._consumer.assign([partition])
        self._consumer.seek(partition, start)
        position, given_up_at = start, loop.time() + IDLE_S
        while position < end:
            try:
                found = await self._consumer.getmany(partition, timeout_ms=1000, max_records=CHUNK)
            except CLIENT_ERRORS as error:
                raise unreachable(self._config, error) from error
            records = [record for batch in found.values() for record in batch]
            if records:
                position, given_up_at = records[-1].offset + 1, loop.time() + IDLE_S
                yield [record for record in records if record.offset < end]
            elif loop.time() >= given_up_at:
                raise Unavailable("broker-unavailable", "records that are there do not come", where=partition.topic)


def _ingress() -> list[TopicPartition]:
    return [TopicPartition(name, number) for name in INGRESS for number in range(TOPICS[name].partitions)]


def _runs(offsets: Sequence[int]) -> list[list[int]]:
    """Rising offsets in runs that are each read in one go."""
    runs: list[list[int]] = []
    for offset in offsets:
        if runs and offset - runs[-1][-1] <= JUMP:
            runs[-1].append(offset)
        else:
            runs.append([offset])
    return runs


def _feed_record(record: Any) -> FeedRecord:
    headers = dict(record.headers)
    try:
        index, ingress = int(headers["index"]), headers["ingress"].decode("ascii")
        return FeedRecord(index, headers["entry"], ingress, bytes(record.value or b""))
    except (KeyError, ValueError):
        what = "a record on the feed was not written by a ledger"
        raise Fatal("ledger-diverged", what, where=f"{FEED} offset {record.offset}") from None


def _letter(member: str, record: Any) -> Letter:
    headers = dict(record.headers)
    try:
        number, kind = int(headers["inbox-number"]), headers["kind"].decode("ascii")
    except (KeyError, ValueError):
        what = "a record in an inbox was not written by a ledger"
        raise Fatal("ledger-diverged", what, where=f"{record.topic} offset {record.offset}") from None
    return Letter(member, number, kind, bytes(record.value or b""), record.timestamp)
