"""Follows the feed: every index once, in order, stored with the position in one transaction.

A record at or below the position is dropped. A hole (a higher index than the next one) is an alarm: the missing entries
are fetched from the ledger before anything after them is stored, and until then the position stays where it is. A
record that cannot be read counts as absent, so that it too is fetched again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from passerelle.core.errors import Conflict, Fatal, PasserelleError, Unavailable
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.portal.facts import Fact, facts
from passerelle.portal.ports import FeedItem, FeedSource, Position, Questions, Raw
from passerelle.portal.record import Checked, check, read_raw, to_item
from passerelle.portal.status import Status
from passerelle.runtime.backoff import pause

_LOG = structlog.get_logger(__name__)
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 5.0
REFETCH: Final = 200
"""Missing entries fetched before they are stored: a large hole is filled in steps."""


class Store(Protocol):
    """Where the follower keeps what it read."""

    async def position(self) -> Position:
        """Where the portal stands. Raises Unavailable."""

    async def commit(self, before: Position, after: Position, items: Sequence[FeedItem], facts: Sequence[Fact]) -> None:
        """Store all or nothing. Raises Conflict ``head-moved``, Unavailable."""


class Follower:
    """The one reader of the feed in this process."""

    def __init__(
        self,
        store: Store,
        source: FeedSource,
        questions: Questions,
        status: Status,
        publish: Callable[[Sequence[FeedItem]], None],
        network: str,
    ) -> None:
        self._store = store
        self._source = source
        self._questions = questions
        self._status = status
        self._publish = publish
        self._network = network
        self._position = Position(0, 0, ())

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop``. What can pass is tried again with growing pauses; Fatal ends it.

        A failure leaves nothing half done: the position is read from the database again before going on.
        """
        pause_s = FIRST_PAUSE_S
        try:
            while not stop.is_set():
                try:
                    await self._restart()
                    while not stop.is_set():
                        await self.step()
                        pause_s = FIRST_PAUSE_S
                except Fatal:
                    raise
                except PasserelleError as error:
                    self._failed(error)
                    await pause(stop, pause_s)
                    pause_s = min(pause_s * 2, LAST_PAUSE_S)
        finally:
            await self._source.close()

    async def _restart(self) -> None:
        self._position = await self._store.position()
        self._status.next_index = self._position.next_index
        await self._source.open(self._position.next_offset)

    def _failed(self, error: PasserelleError) -> None:
        self._status.following = False
        self._status.problem = error.code
        self._status.count(error.code)
        _LOG.warning("the feed is not followed", code=error.code, what=error.what, where=error.where)

    async def step(self) -> None:
        """Read and store what there is. Raises Unavailable, Conflict, Fatal."""
        records = await self._source.poll()
        if records:
            await self._take(records)
        self._status.following = True
        self._status.problem = ""
        self._status.waiting_for = None

    async def _take(self, records: Sequence[Raw]) -> None:
        ready: list[Checked] = []
        next_index, offset = self._position.next_index, self._position.next_offset
        for raw in records:
            checked = self._read(raw)
            if checked is not None and checked.index > next_index:
                await self._commit(ready, offset)
                ready = []
                await self._fill(checked.index, offset)
                next_index = checked.index
            if checked is not None and checked.index == next_index:
                ready.append(checked)
                next_index += 1
            offset = raw.offset + 1
        await self._commit(ready, offset)

    def _read(self, raw: Raw) -> Checked | None:
        try:
            checked = read_raw(raw, self._network)
        except PasserelleError as error:
            self._status.unreadable += 1
            self._status.count(error.code)
            _LOG.error("a feed record cannot be read", code=error.code, where=error.where, offset=raw.offset)
            return None
        if checked.problem:
            self._status.count(checked.problem)
            _LOG.warning("a body is not understood", code=checked.problem, index=checked.index)
        return checked

    async def _fill(self, until: int, offset: int) -> None:
        """Fetch the entries from the position up to ``until`` and store them. Raises Unavailable ``feed-gap``."""
        first = self._position.next_index
        self._status.holes += 1
        self._status.waiting_for = first
        self._status.count("feed-gap")
        _LOG.error("the feed has a hole", code="feed-gap", first=first, last=until - 1)
        missing: list[Checked] = []
        for index in range(first, until):
            missing.append(await self._fetch(index))
            if len(missing) == REFETCH:
                await self._commit(missing, offset)
                missing = []
        await self._commit(missing, offset)
        self._status.waiting_for = None

    async def _fetch(self, index: int) -> Checked:
        try:
            answer = await self._questions.entry(index)
            if answer.index != index:
                raise Unavailable("feed-gap", "the ledger answered with another entry", where=str(index))
            # A body of a party event is answered to its parties only, and this caller is nobody: it is empty here.
            return check(index, answer.entry, answer.body or None, self._network)
        except Unavailable:
            raise
        except PasserelleError as error:
            what = f"a missing entry cannot be fetched: {error.code}"
            raise Unavailable("feed-gap", what, where=str(index)) from error

    async def _commit(self, entries: Sequence[Checked], offset: int) -> None:
        before = self._position
        if not entries and offset == before.next_offset:
            return
        frontier = Frontier(before.next_index, before.frontier)
        items: list[FeedItem] = []
        changes: list[Fact] = []
        for checked in entries:
            frontier.append(leaf_hash(checked.entry))
            items.append(to_item(checked, frontier.root()))
            changes.extend(facts(checked))
        after = Position(before.next_index + len(items), offset, frontier.peaks)
        try:
            await self._store.commit(before, after, items, changes)
        except Conflict as error:
            raise Unavailable("service-unavailable", error.what, where=error.where) from error
        self._position = after
        self._status.next_index = after.next_index
        self._publish(items)
