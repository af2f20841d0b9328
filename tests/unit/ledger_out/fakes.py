"""Stores, topics and a clock in memory for the outgoing half, with the failures that the tests ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.merkle import leaf_hashes, root_from_leaves
from passerelle.core.note import NoteSigner
from passerelle.ledger.outgoing_ports import (
    FeedRow,
    InboxRow,
    MemberRow,
    Positions,
    Record,
    StoredCheckpoint,
    SummaryRow,
    UnverifiedRow,
)

NETWORK = "ledger.test.example/1"
SIGNER = NoteSigner(NETWORK, bytes(range(32)))


class StepClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class MemoryStore:
    """Committed rows and positions; ``read_max`` bounds a read of the feed."""

    def __init__(self, read_max: int = 4000) -> None:
        self.read_max = read_max
        self.members_max = 500
        self.rows: list[FeedRow] = []
        self.inbox: list[tuple[int, InboxRow]] = []
        self.member_rows: dict[str, int] = {}
        self.summary_rows: list[SummaryRow] = []
        self.unverified_rows: list[UnverifiedRow] = []
        self.saved = Positions()
        self.published: dict[str, int] = {}
        self.expired: list[int] = []

    def log(self, count: int) -> None:
        """More committed entries."""
        for _ in range(count):
            index = len(self.rows)
            self.rows.append(FeedRow(index, "york", b"entry %d" % index, f"topic/0/{index}", b""))

    async def positions(self) -> Positions:
        return self.saved

    async def feed(self, start: int) -> Sequence[FeedRow]:
        return self.rows[start : start + self.read_max]

    async def save_feed(self, position: int) -> None:
        self.saved = Positions(max(position, self.saved.feed), self.saved.registry)

    async def inboxes(self, size: int) -> Sequence[InboxRow]:
        waiting = [row for at, row in self.inbox if at <= size and row.number > self.published.get(row.member, 0)]
        return sorted(waiting, key=lambda row: (row.member, row.number))

    async def save_inboxes(self, published: Mapping[str, int]) -> None:
        for member, number in published.items():
            self.published[member] = max(number, self.published.get(member, 0))

    async def members(self, start: int, size: int) -> Sequence[MemberRow]:
        found = [MemberRow(name, at, b"{}") for name, at in self.member_rows.items() if start <= at < size]
        return sorted(found, key=lambda row: row.changed)[: self.members_max]

    async def member_ids(self) -> Sequence[str]:
        return sorted(self.member_rows)

    async def save_registry(self, position: int) -> None:
        self.saved = Positions(self.saved.feed, max(position, self.saved.registry))

    async def summaries(self, size: int) -> Sequence[SummaryRow]:
        return sorted((row for row in self.summary_rows if row.size <= size), key=lambda row: row.size)

    async def drop_summaries(self, size: int) -> None:
        self.summary_rows = [row for row in self.summary_rows if row.size > size]

    async def unverified(self) -> Sequence[UnverifiedRow]:
        return list(self.unverified_rows)

    async def drop_unverified(self, number: int) -> None:
        self.unverified_rows = [row for row in self.unverified_rows if row.number > number]

    async def close(self) -> None:
        return

    async def expire(self, now_ms: int) -> int:
        self.expired.append(now_ms)
        return 0


class MemoryTopics:
    """Topics as lists. ``fail`` names the topics whose next write fails after that many records were written."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Record]] = {}
        self.steps: list[str] = []
        self.made: set[str] = set()
        self.fail: dict[str, int] = {}
        self.closed = 0

    async def ensure(self, members: Sequence[str], *, fixed: bool) -> None:
        self.made.update(members)
        self.steps.append(f"ensure {','.join(members)}")

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        for topic, records in batches.items():
            written = self.fail.pop(topic, None)
            self.topics.setdefault(topic, []).extend(records[:written] if written is not None else records)
            if written is not None:
                raise Unavailable("produce-failed", "as asked", where=topic)
            self.steps.append(topic)

    async def close(self) -> None:
        self.closed += 1


class MemoryCheckpoints:
    """Checkpoints over the leaves ``entry 0``, ``entry 1``...; ``forged`` replaces the root of a size."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.stored: list[StoredCheckpoint] = []
        self.shown: set[int] = set()
        self.forged: dict[int, bytes] = {}
        self.away = False

    def root(self, size: int) -> bytes:
        return self.forged.get(size) or root_from_leaves(leaf_hashes(b"entry %d" % index for index in range(size)))

    async def size(self) -> int:
        return self.held

    async def roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        assert max(sizes) <= self.held, "a root was asked for that the tiles do not hold"
        return {size: self.root(size) for size in sizes}

    async def entry(self, index: int) -> bytes | None:
        return b"entry %d" % index if index < self.held else None

    async def latest(self, *, shown: bool) -> StoredCheckpoint | None:
        found = [item for item in self.stored if item.size in self.shown or not shown]
        return max(found, key=lambda item: item.size, default=None)

    async def add(self, checkpoint: StoredCheckpoint) -> None:
        if self.away:
            raise Unavailable("database-unavailable", "as asked")
        for item in self.stored:
            if item.size > checkpoint.size:
                raise Fatal("checkpoint-shrunk", "a larger one is stored")
            if item.size == checkpoint.size and item.note != checkpoint.note:
                raise Fatal("checkpoint-forked", "another one is stored")
        self.stored.append(checkpoint)

    async def show(self, size: int) -> None:
        self.shown.add(size)


class MemoryTails:
    """The ends of the topics."""

    def __init__(self, notes: Sequence[bytes] = (), feed: Sequence[tuple[int, bytes]] = ()) -> None:
        self._notes, self._feed = notes, feed

    async def checkpoints(self) -> Sequence[bytes]:
        return self._notes

    async def feed(self) -> Sequence[tuple[int, bytes]]:
        return self._feed


def indices(records: Sequence[Any]) -> list[int]:
    """The ``index`` headers of feed records."""
    return [int(dict(record.headers)["index"]) for record in records]
