"""What wakes the watch streams of cases: one look after commits for all of them together, twice a second at most.

A stream that looked for itself at every commit would cost the database as many transactions a commit as there are
streams, and the calls beside them would wait for a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog

from passerelle.core.errors import Unavailable
from passerelle.query.index import Index
from passerelle.query.ports import CaseReader, CaseStore

_LOG = structlog.get_logger(__name__)
IDLE_S: Final = 5.0
"""A stream looks again after so long even where nothing woke it, and so does what wakes them."""
EVERY_S: Final = 0.5
"""Least time between two looks: at full load commits come many a second, and each look wakes many streams."""
MAX_READING: Final = 2
"""Streams that read from the database at once: what is left of the connections is for the calls."""


class CaseWakes:
    """Wakes the watchers of the members whose cases changed. It looks at the log while somebody watches."""

    def __init__(self, index: Index, store: CaseStore) -> None:
        self._index = index
        self._store = store
        self._events: dict[str, asyncio.Event] = {}
        self._turns = asyncio.Semaphore(MAX_READING)
        self._watchers = 0
        self._size = 0
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While the block runs, :meth:`next` events are set. What a watcher reads inside is never older."""
        if self._task is None:
            self._size = self._index.position.size
            self._task = asyncio.create_task(self._run())
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                self._task.cancel()
                self._task = None
                self._events.clear()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[CaseReader]:
        """A view of the database in its turn. Raises Unavailable."""
        async with self._turns, self._store.reading() as reader:
            yield reader

    def next(self, member: str) -> asyncio.Event:
        """Set when a case of the member next changes. Taken before reading, no change is lost between."""
        return self._events.setdefault(member, asyncio.Event())

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            moved, begun = self._index.moved, clock()
            try:
                async with self._store.reading() as reader:
                    parties = await reader.with_changes(sorted(self._events), self._size)
                    self._size = reader.head.size
            except Unavailable as error:
                # The streams look for themselves, and tell their callers; what is missed here is read next time.
                _LOG.warning("changes of cases were not read", code=error.code, what=error.what)
                parties = set()
            for member in parties & self._events.keys():
                self._events.pop(member).set()
            await first_of(moved, IDLE_S)
            await asyncio.sleep(max(0.0, begun + EVERY_S - clock()))


async def first_of(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set or the time is over."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
