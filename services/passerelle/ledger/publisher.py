"""The publisher: what the ledger committed, told to the topics in the order that keeps its promises.

One chain, one task: entries to the feed in index order; then, of commits that the feed has acked whole, inboxes,
registry and summaries; then refused records; then the checkpoint. Positions are saved after the acks, so that
publishing is at least once and a consumer drops what is at or below its own position (architecture, rules 4 and 10).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from passerelle.core.errors import Unavailable
from passerelle.events.topics import CHECKPOINT, FEED, REFUSED, REGISTRY, SUMMARY, inbox_topic
from passerelle.ledger.checkpoints import Checkpointer
from passerelle.ledger.model import CommitPlan
from passerelle.ledger.outgoing_metrics import FAILURES
from passerelle.ledger.outgoing_metrics import FEED as FEED_POSITION
from passerelle.ledger.outgoing_ports import (
    BYTES_MAX,
    MEMBERS_MAX,
    READ_MAX,
    FeedRow,
    InboxRow,
    OutgoingStore,
    Positions,
    Record,
    StoredCheckpoint,
    Topics,
)
from passerelle.ledger.recent import Recent
from passerelle.runtime.backoff import Backoff, pause
from passerelle.runtime.clock import Clock
from passerelle.runtime.waking import rung_by, woken

_LOG = structlog.get_logger(__name__)
POLL_S: Final = 0.25
RETRY_FIRST_S: Final = 0.2
RETRY_LAST_S: Final = 5.0
EXPIRE_EVERY_S: Final = 600.0
BACKLOG_ROWS: Final = 500
BACKLOG_BYTES: Final = 2 * 1024 * 1024
"""Rows or bytes in one bounded read that tell that more may wait behind it."""
ASIDE_EVERY_S: Final = 0.2
"""How often what few wait for is told: registry, summaries, refused records, checkpoint."""


def feed_record(row: FeedRow) -> Record:
    """The feed's record of an entry (``contracts/formats.md``, Kafka headers)."""
    headers = [("index", b"%d" % row.index), ("entry", row.entry), ("ingress", row.ingress.encode("ascii"))]
    return Record(row.member.encode("ascii"), row.body, headers)


def inbox_record(row: InboxRow) -> Record:
    """The record of a member's inbox."""
    return Record(None, row.value, [("inbox-number", b"%d" % row.number), ("kind", row.kind.encode("ascii"))])


def checkpoint_record(checkpoint: StoredCheckpoint) -> Record:
    """The record of the checkpoint topic."""
    return Record(b"%d" % checkpoint.size, checkpoint.note.encode())


@dataclass(slots=True)
class _Ahead:
    """The next entries, being read while the present ones are on their way."""

    start: int
    rows: asyncio.Task[Sequence[FeedRow]]


class Publisher:
    """Runs the chain. ``wake`` after each commit; without it a poll finds the work within 250 ms."""

    def __init__(self, store: OutgoingStore, topics: Topics, checkpointer: Checkpointer, clock: Clock) -> None:
        self._store = store
        self._topics = topics
        self._checkpointer = checkpointer
        self._clock = clock
        self._woken = asyncio.Event()
        self._positions: Positions | None = None
        self._ahead: _Ahead | None = None
        self._inboxes: set[str] = set()
        self._fixed_topics = False
        self._expire_at = clock.monotonic() + EXPIRE_EVERY_S
        self._size = 0
        self._recent = Recent()
        self._aside_at = 0.0
        self._told_again = False
        self._pauses = Backoff("publisher", RETRY_FIRST_S, RETRY_LAST_S)

    def wake(self, size: int = 0, plan: CommitPlan | None = None) -> None:
        """Something was committed: the log's size then and the plan, as far as they are known."""
        self._size = max(self._size, size)
        if plan is not None:
            self._recent.add(plan)
        self._woken.set()

    @property
    def failures(self) -> int:
        """Tries in a row that failed."""
        return self._pauses.tries

    def shed(self) -> None:
        """Give up the latest commits that are kept in memory: they are read from the database."""
        self._recent.clear()

    def health(self) -> dict[str, Any]:
        """Positions for probes and people; ``failures`` counts the tries in a row that failed."""
        positions = self._positions or Positions()
        return {"feed": positions.feed, "registry": positions.registry, "failures": self.failures}

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop``. What is away is tried again with back-off; Fatal errors pass through."""
        try:
            with rung_by(stop, self._woken):
                while not stop.is_set():
                    self._woken.clear()
                    seconds = await self._try_step()
                    if self.failures:
                        # After a failure the wake-ups of new commits must not shorten the back-off.
                        await pause(stop, seconds)
                    elif seconds > 0:
                        await woken(self._woken, seconds)
        finally:
            await self._forget()
            await self._topics.close()
            await self._store.close()

    async def _try_step(self) -> float:
        """One pass; returns the seconds to rest, 0 where more waits already."""
        try:
            more = await self.step()
        except Unavailable as error:
            FAILURES.inc()
            pause = self._pauses.next_s()
            _LOG.warning("publishing failed", code=error.code, what=error.what, again_in_s=pause)
            await self._forget()
            return pause
        self._pauses.reset()
        if more:
            return 0.0
        aside = self._aside_at - self._clock.monotonic()
        return max(0.0, min(POLL_S, aside, self._checkpointer.due_in() or POLL_S))

    async def step(self) -> bool:
        """One pass over the whole chain; says whether a bounded read left something behind."""
        positions = await self._opened()
        more = await self._publish_feed(positions.feed)
        more = await self._publish_inboxes(self._now().feed) or more
        if self._clock.monotonic() >= self._aside_at:
            more = await self._publish_aside(self._now()) or more
            self._aside_at = self._clock.monotonic() + ASIDE_EVERY_S
        return more

    async def _publish_aside(self, positions: Positions) -> bool:
        """What need not follow each commit."""
        more = await self._publish_registry(positions)
        more = await self._publish_summaries(positions.feed) or more
        more = await self._publish_refused() or more
        await self._checkpointer.step(positions.feed, self._publish_checkpoint)
        if self._clock.monotonic() >= self._expire_at:
            self._expire_at = self._clock.monotonic() + EXPIRE_EVERY_S
            await self._store.expire(self._clock.now_ms())
        return more

    def _now(self) -> Positions:
        assert self._positions is not None
        return self._positions

    async def _opened(self) -> Positions:
        """The positions; after a start or an error they are read again, and the topics made sure of."""
        if not self._fixed_topics:
            members = await self._store.member_ids()
            await self._topics.ensure(members, fixed=True)
            self._inboxes.update(members)
            self._fixed_topics = True
        if self._positions is None:
            positions = await self._store.positions()
            # A write that another ledger was told had failed may have come after a newer record of the same member:
            # whoever begins to publish tells every member's present record again.
            self._positions = positions if self._told_again else replace(positions, registry=0)
        return self._positions

    async def _forget(self) -> None:
        self._positions = None
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.rows.cancel()
            with contextlib.suppress(asyncio.CancelledError, Unavailable):
                await ahead.rows

    async def _publish_feed(self, start: int) -> bool:
        rows = await self._read_feed(start)
        if not rows:
            return False
        position = rows[-1].index + 1
        backlog = len(rows) >= BACKLOG_ROWS or position < self._size
        if backlog and not self._recent.rows(position, 1, 1):
            # There is a backlog: the next entries are read while these are on their way to the broker.
            self._ahead = _Ahead(position, asyncio.create_task(self._read_rows(position)))
        await self._topics.publish({FEED: [feed_record(row) for row in rows]})
        await self._store.save_feed(position)
        self._positions = replace(self._now(), feed=position)
        FEED_POSITION.set(position)
        return backlog

    async def _read_rows(self, start: int) -> Sequence[FeedRow]:
        return await self._store.feed(start)

    async def _read_feed(self, start: int) -> Sequence[FeedRow]:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            rows = await ahead.rows
            if rows and ahead.start == start:
                return rows
        return self._recent.rows(start, READ_MAX, BYTES_MAX) or await self._store.feed(start)

    async def _publish_registry(self, positions: Positions) -> bool:
        """Members' records, after the entries that made them; the inbox of a new member is made before."""
        if positions.registry >= positions.feed:
            self._told_again = True
            return False
        rows = await self._store.members(positions.registry, positions.feed)
        more = len(rows) >= MEMBERS_MAX
        # Every change below the position is told then, or will be with the member's later change.
        position = rows[-1].changed + 1 if more else positions.feed
        if rows:
            await self._ensure_inboxes([row.member for row in rows])
            await self._topics.publish({REGISTRY: [Record(row.member.encode("ascii"), row.value) for row in rows]})
            await self._store.save_registry(position)
        self._positions = replace(positions, registry=position)
        self._told_again = self._told_again or not more
        return more

    async def _ensure_inboxes(self, members: Sequence[str]) -> None:
        missing = sorted(set(members) - self._inboxes)
        if missing:
            await self._topics.ensure(missing, fixed=False)
            self._inboxes.update(missing)

    async def _publish_inboxes(self, size: int) -> bool:
        rows = await self._store.inboxes(size)
        if not rows:
            return False
        await self._ensure_inboxes([row.member for row in rows])
        batches: dict[str, list[Record]] = {}
        published: dict[str, int] = {}
        for row in rows:
            batches.setdefault(inbox_topic(row.member), []).append(inbox_record(row))
            published[row.member] = row.number
        await self._topics.publish(batches)
        await self._store.save_inboxes(published)
        most = max(len(records) for records in batches.values())
        return most >= BACKLOG_ROWS or sum(len(row.value) for row in rows) >= BACKLOG_BYTES

    async def _publish_summaries(self, size: int) -> bool:
        rows = await self._store.summaries(size)
        if not rows:
            return False
        await self._topics.publish({SUMMARY: [Record(b"%d" % row.size, row.value) for row in rows]})
        await self._store.drop_summaries(rows[-1].size)
        return len(rows) >= BACKLOG_ROWS

    async def _publish_refused(self) -> bool:
        rows = await self._store.unverified()
        if not rows:
            return False
        records = [
            Record(None, row.value, [("code", row.code.encode("ascii")), ("ingress", row.ingress.encode("ascii"))])
            for row in rows
        ]
        await self._topics.publish({REFUSED: records})
        await self._store.drop_unverified(rows[-1].number)
        return len(rows) >= BACKLOG_ROWS

    async def _publish_checkpoint(self, checkpoint: StoredCheckpoint) -> None:
        await self._topics.publish({CHECKPOINT: [checkpoint_record(checkpoint)]})
