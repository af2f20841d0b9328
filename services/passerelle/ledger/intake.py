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
POLL_S: Final = 1.0
_MEMBER: Final = ingress_topic("member")


class Intake:
    """One batch being collected. Its size follows the backlog by itself: it grows until the loop takes it."""

    def __init__(self, ingress: Ingress, preparer: Preparer, clock: Clock, *, maximum: int, linger_s: float) -> None:
        self._ingress = ingress
        self._preparer = preparer
        self._clock = clock
        self._maximum = maximum
        self._linger_s = linger_s
        self._member_items: list[Item] = []
        self._items: list[Item] = []
        self._offsets: dict[Place, int] = {}
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def _count(self) -> int:
        return len(self._member_items) + len(self._items)

    async def fill(self, registry: Callable[[], Registry]) -> None:
        """Fetch and prepare for ever; ends by an error or when it is cancelled. Raises as :class:`Ingress`."""
        while True:
            await self._room.wait()
            records = await self._ingress.fetch(min(CHUNK, self._maximum - self._count), wait_s=POLL_S)
            if not records:
                continue
            batch = await self._preparer.prepare(records, registry(), self._clock.now_ms())
            for item in batch.items:
                (self._member_items if item.raw.topic == _MEMBER else self._items).append(item)
            self._offsets.update(batch.offsets)
            self._some.set()
            if self._count >= self._maximum:
                self._room.clear()

    async def take(self, wait_s: float) -> Batch:
        """What was collected, member events first; empty after ``wait_s`` seconds without a record.

        A batch that has just begun waits a moment for more, so that little load does not mean a commit an event.
        """
        if not self._some.is_set():
            try:
                await asyncio.wait_for(self._some.wait(), wait_s)
            except TimeoutError:
                return Batch()
            if self._linger_s:
                await asyncio.sleep(self._linger_s)
        batch = Batch(self._member_items + self._items, self._offsets)
        self._member_items, self._items, self._offsets = [], [], {}
        self._some.clear()
        self._room.set()
        return batch
