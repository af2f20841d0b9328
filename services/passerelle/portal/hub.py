"""The live end of the feed, shared by all SSE clients: one bounded ring, one cursor a client.

A client that once reached the head and then falls behind the ring is too slow: it is told where to resume and dropped.
A client that starts further back reads pages from the database until it is within the ring.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from prometheus_client import Gauge

from passerelle.core.errors import PasserelleError
from passerelle.portal.ports import FeedItem
from passerelle.portal.record import encode_json

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bodies and entries in the ring, in bytes, whatever their number."""
PAGE: Final = 200
CLIENTS: Final = Gauge("passerelle_portal_feed_clients", "Clients of the live feed now.")
RING: Final = Gauge("passerelle_portal_ring_bytes", "What the ring of the live feed may hold in memory.")


@dataclass(slots=True)
class Live:
    """An entry in the ring; its JSON is made once for all clients, when the first one needs it."""

    item: FeedItem
    _short: str = field(default="", init=False)
    _full: str = field(default="", init=False)

    @property
    def index(self) -> int:
        """Index in the log."""
        return self.item.index

    @property
    def size(self) -> int:
        """What it may hold in memory, in bytes: the parts and the JSON made of them."""
        return 2 * (len(self.item.entry) + len(self.item.body or b"")) + 1024

    def json(self, *, full: bool) -> str:
        """The data field of the event."""
        if full:
            self._full = self._full or encode_json(self.item, full=True)
            return self._full
        self._short = self._short or encode_json(self.item, full=False)
        return self._short


class Hub:
    """Knows the last entries and wakes those who wait for the next."""

    def __init__(self, capacity: int, max_clients: int) -> None:
        self._ring: deque[Live] = deque()
        self._capacity = capacity
        self._max_clients = max_clients
        self._bytes = 0
        self._next = 0
        self._wake = asyncio.Event()
        self.clients = 0
        self.closed = False

    def start(self, next_index: int) -> None:
        """Say where the log stands before anything is published here."""
        self._next = next_index

    @property
    def next_index(self) -> int:
        """Index that the next entry will have."""
        return self._next

    def publish(self, items: Sequence[FeedItem]) -> None:
        """Add entries in index order and wake the clients."""
        for item in items:
            if item.index != self._next:
                # Another process advanced the same database: the ring starts anew behind the jump.
                self._ring.clear()
                self._bytes = 0
            live = Live(item)
            self._ring.append(live)
            self._bytes += live.size
            self._next = item.index + 1
            while len(self._ring) > self._capacity or (self._bytes > MAX_BYTES and len(self._ring) > 1):
                self._bytes -= self._ring.popleft().size
        RING.set(self._bytes)
        self._notify()

    def close(self) -> None:
        """End every client's stream; it is told where to resume."""
        self.closed = True
        self._notify()

    def shed(self) -> None:
        """Give the ring up: clients that are behind are told where to resume, and then read from the database."""
        self._ring.clear()
        self._bytes = 0
        RING.set(0)

    def _notify(self) -> None:
        waiting, self._wake = self._wake, asyncio.Event()
        waiting.set()

    def since(self, index: int) -> list[Live] | None:
        """Entries from ``index`` on, at most a page; None where the ring does not reach back so far."""
        first = self._ring[0].index if self._ring else self._next
        if index < first:
            return None
        return list(islice(self._ring, index - first, index - first + PAGE))

    async def changed(self) -> None:
        """Wait for the next publication or the close."""
        await self._wake.wait()

    def check_room(self) -> None:
        """Raises PasserelleError ``too-many-watchers`` or ``service-stopping`` where no client is taken now."""
        if self.closed:
            raise PasserelleError("service-stopping", "the portal is shutting down")
        if self.clients >= self._max_clients:
            raise PasserelleError("too-many-watchers", f"{self._max_clients} clients are connected already")

    @contextmanager
    def present(self) -> Iterator[None]:
        """Count a client while it is connected. Raises as :meth:`check_room`."""
        self.check_room()
        self.clients += 1
        CLIENTS.set(self.clients)
        try:
            yield
        finally:
            self.clients -= 1
            CLIENTS.set(self.clients)


Read = Callable[[int, int], Awaitable[Sequence[FeedItem]]]
"""(first index, limit) -> entries in order, from the database."""


async def follow(hub: Hub, read: Read, index: int) -> AsyncGenerator[Live, None]:
    """Every entry from ``index`` on, in order, without end.

    Raises PasserelleError ``watcher-too-slow`` when a client that was at the head fell behind the ring, and
    ``service-stopping`` at the close; the caller turns both into a resume hint.
    """
    was_live = False
    while True:
        if hub.closed:
            raise PasserelleError("service-stopping", "the portal is shutting down")
        batch = hub.since(index)
        if batch is None:
            if was_live:
                raise PasserelleError("watcher-too-slow", "the reader fell behind the buffer")
            batch = [Live(item) for item in await read(index, PAGE)]
            if not batch:
                # What was published was committed before, so this is a database that lost rows: wait for the next.
                await hub.changed()
        elif not batch:
            was_live = True
            await hub.changed()
        for live in batch:
            yield live
            index = live.index + 1
