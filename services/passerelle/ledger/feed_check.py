"""``feed verify``: the public feed against the log's latest checkpoint; only the log's key is taken on trust."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from passerelle.core.checkpoint import Checkpoint, open_checkpoint
from passerelle.core.entry import MAX_ENTRY, parse_entry
from passerelle.core.errors import FormatError, PasserelleError, Unavailable
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.note import MAX_NOTE_SIZE, VerifierKey
from passerelle.core.statement import PUBLIC, digest
from passerelle.events.topics import FEED
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import (
    CLIENT_ERRORS,
    TopicPartition,
    end_offsets,
    start_consumer,
    stop_consumer,
    unreachable,
)

CLIENT_ID: Final = "passerelle-feed-verify"
IDLE_S: Final = 30.0
FAULTS_TOLD: Final = 20


@dataclass(slots=True)
class FeedReport:
    """What the feed holds: records read, entries without a hole, repeats, and what is wrong."""

    size: int
    root: bytes
    records: int = 0
    entries: int = 0
    repeats: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return not self.faults

    def fault(self, text: str) -> None:
        """Note a fault; the first ones are kept."""
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(text)

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "sound": self.sound,
            "records": self.records,
            "entries": self.entries,
            "repeats": self.repeats,
            "checkpoint": {"size": self.size, "root": self.root.hex()},
            "faults": self.faults,
        }


class FeedChecker:
    """Takes records one after the other. Pure: the tree of the entries in index order, up to the checkpoint's size."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.report = FeedReport(checkpoint.size, checkpoint.root)
        self._frontier = Frontier()
        self._checkpoint = checkpoint
        self._leaves: list[bytes] = []
        self._prefix: bytes | None = Frontier().root() if checkpoint.size == 0 else None

    def take(self, offset: int, headers: dict[str, bytes], value: bytes) -> None:
        """One record of the feed."""
        report = self.report
        report.records += 1
        try:
            index, entry = int(headers["index"]), headers["entry"]
            self._check_value(entry, value)
        except (KeyError, ValueError, PasserelleError) as error:
            report.fault(f"offset {offset}: not a feed record: {error}")
            return
        if index < report.entries:
            # Publishing is at least once: a repeat is dropped by its position.
            report.repeats += 1
            return
        if index > report.entries:
            report.fault(f"offset {offset}: index {report.entries} to {index - 1} is missing")
        report.entries = index + 1
        self._leaves.append(entry)
        if len(self._leaves) >= 1000 or report.entries == self._checkpoint.size:
            self._grow()

    def _grow(self) -> None:
        self._frontier.extend(leaf_hashes(self._leaves))
        self._leaves.clear()
        if self._frontier.size == self._checkpoint.size:
            self._prefix = self._frontier.root()

    @staticmethod
    def _check_value(entry: bytes, value: bytes) -> None:
        if len(entry) > MAX_ENTRY:
            raise FormatError("entry-malformed", "The entry is over its limit.")
        parsed = parse_entry(entry)
        statement = parsed.parsed()
        public = parsed.accepted and statement.visibility == PUBLIC
        if value and not public:
            raise FormatError("ledger-diverged", "A body that is not public stands on the feed.")
        if value and digest(value) != statement.body_sha256:
            raise FormatError("body-hash-mismatch", "The body is not the one that was signed.")

    def finish(self) -> FeedReport:
        """The report, after the last record."""
        self._grow()
        report, size = self.report, self._checkpoint.size
        if report.entries < size:
            report.fault(f"the feed ends at {report.entries} and the checkpoint covers {size}")
        elif self._prefix != self._checkpoint.root:
            report.fault(f"the first {size} entries of the feed do not give the checkpoint's root")
        return report


async def verify_feed(kafka: KafkaConfig, log: str, key: VerifierKey) -> FeedReport:
    """Read the feed from its beginning and hold it against the log's latest checkpoint. Raises PasserelleError."""
    checker = FeedChecker(await _checkpoint(log, key))
    async for offset, headers, value in _records(kafka):
        checker.take(offset, headers, value)
    return checker.finish()


async def _checkpoint(log: str, key: VerifierKey) -> Checkpoint:
    try:
        async with httpx.AsyncClient(timeout=10, follow_redirects=False) as client:
            response = await client.get(f"{log.rstrip('/')}/checkpoint")
    except httpx.HTTPError as error:
        raise Unavailable(
            "service-unavailable", f"the log does not answer: {type(error).__name__}", where=log
        ) from None
    if response.status_code != 200 or len(response.content) > MAX_NOTE_SIZE:
        raise Unavailable("checkpoint-not-ready", f"the log answered {response.status_code}", where=log)
    return open_checkpoint(response.content, [key], origin=key.name).checkpoint


async def _records(kafka: KafkaConfig) -> AsyncIterator[tuple[int, dict[str, bytes], bytes]]:
    end = (await end_offsets(kafka, FEED, [0], client_id=CLIENT_ID))[0]
    partition = TopicPartition(FEED, 0)
    consumer = await start_consumer(kafka, client_id=CLIENT_ID, positions={partition: 0})
    try:
        # The feed is kept for ever; where its beginning is gone after all, the missing indices are told.
        position = (await consumer.beginning_offsets([partition]))[partition]
        consumer.seek(partition, position)
        while position < end:
            async with asyncio.timeout(IDLE_S):
                found = await consumer.getmany(partition, timeout_ms=1000, max_records=5000)
            for records in found.values():
                for record in records:
                    yield record.offset, dict(record.headers), bytes(record.value or b"")
            position = await consumer.position(partition)
    except CLIENT_ERRORS as error:
        raise unreachable(kafka, error) from error
    finally:
        await stop_consumer(consumer)
