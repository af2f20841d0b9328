"""Fetching and preparing ahead: while one commit runs, the next batch is read, verified and collected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from passerelle.core.registry import Registry
from passerelle.events.topics import ingress_topic
from passerelle.ledger.model import Batch, Item, Place
from passerelle.ledger.ports import Ingress
from passerelle.ledger.prepare import Preparer
from passerelle.runtime.clock import Clock

CHUNK: Final = 1000
"""Most records of one fetch: prepared together, in threads."""
BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of bodies in a batch, beyond which no further fetch begins."""
POLL_S: Final = 1.0
EARLY: Final = 400
"""Records from which on a batch is decided while the last one is committed: some 15 ms of deciding."""
_MEMBER: Final = ingress_topic("member")


class Intake:
    """One batch being collected. Its size follows the backlog by itself: it grows until the loop takes it."""

    def __init__(
        self,
        ingress: Ingress,
        preparer: Preparer,
        clock: Clock,
        *,
        maximum: int,
        linger_s: float,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        self._ingress = ingress
        self._preparer = preparer
        self._clock = clock
        self._maximum = maximum
        self._linger_s = linger_s
        self._member_items: list[Item] = []
        self._items: list[Item] = []
        self._offsets: dict[Place, int] = {}
        self._bytes = 0
        self._bytes_max = bytes_max
        self._under_way = 0
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def collected(self) -> int:
        """Records that the batch holds."""
        return len(self._member_items) + len(self._items)

    async def fill(self, registry: Callable[[], Registry]) -> None:
        """Fetch and prepare for ever; ends by an error or when it is cancelled.

        While the signatures of one fetch are checked elsewhere, the next one is fetched and read. Raises as
        :class:`Ingress`, Unavailable ``verifier-lost``.
        """
        checking: asyncio.Task[None] | None = None
        try:
            while True:
                await self._room.wait()
                # What is being checked has its room already.
                room = self._maximum - self.collected - self._under_way
                if room <= 0:
                    assert checking is not None
                    await checking
                    continue
                records = await self._ingress.fetch(min(CHUNK, room), wait_s=POLL_S)
                items = await self._preparer.read(records, registry()) if records else []
                if checking is not None:
                    await checking
                    checking = None
                if records:
                    self._under_way = len(items)
                    checking = asyncio.create_task(self._check(items, registry()))
        finally:
            if checking is not None:
                checking.cancel()
                await asyncio.wait({checking})

    async def _check(self, items: list[Item], registry: Registry) -> None:
        """The end of the preparation; the items then stand in the batch."""
        await self._preparer.check(items, registry, self._clock.now_ms())
        for item in items:
            raw = item.raw
            (self._member_items if raw.topic == _MEMBER else self._items).append(item)
            self._offsets[(raw.topic, raw.partition)] = raw.offset + 1
            self._bytes += len(raw.value or b"")
        self._under_way = 0
        self._some.set()
        full = self.collected >= self._maximum or self._bytes >= self._bytes_max
        if full:
            self._room.clear()
        if full or self.collected >= EARLY:
            self._many.set()

    async def take(self, wait_s: float, busy: asyncio.Task[None] | None = None) -> Batch:
        """What was collected, member events first; empty after ``wait_s`` seconds without a record.

        A small batch waits for the commit on its way, ``busy``: taken before it would stand still while others arrive,
        and those would wait for one commit more. Where there is none, a batch that has just begun waits a moment for
        more, so that little load does not mean a commit an event.
        """
        if not self._some.is_set():
            try:
                async with asyncio.timeout(wait_s):
                    await self._some.wait()
            except TimeoutError:
                return Batch()
            if self._linger_s and (busy is None or busy.done()):
                await asyncio.sleep(self._linger_s)
        if busy is not None and not busy.done():
            await self._until(busy)
        batch = Batch(self._member_items + self._items, self._offsets)
        self._member_items, self._items, self._offsets, self._bytes = [], [], {}, 0
        self._some.clear()
        self._many.clear()
        self._room.set()
        return batch

    async def _until(self, busy: asyncio.Task[None]) -> None:
        """Wait until ``busy`` has ended, however it did, or the batch is large."""
        many = asyncio.create_task(self._many.wait())
        try:
            await asyncio.wait({busy, many}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            many.cancel()
