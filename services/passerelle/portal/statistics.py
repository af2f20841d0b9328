"""Takes in the statistics that insight publishes: the latest record of each window, kept with the position.

They are no part of the log and prove nothing; so what keeps them from coming is told (``statistics`` in ``/readyz``),
and stops nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from passerelle.core.errors import Fatal, FormatError, PasserelleError
from passerelle.events.statistics import StatisticsRecord, read_statistics
from passerelle.portal.ports import FeedSource, Raw
from passerelle.portal.status import Status
from passerelle.runtime.backoff import Backoff

_LOG = structlog.get_logger(__name__)
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 15.0


class Store(Protocol):
    """Where the statistics are kept."""

    async def next_offset(self) -> int:
        """Where to read the topic on. Raises Unavailable."""

    async def put(self, records: Sequence[StatisticsRecord], next_offset: int) -> None:
        """Keep records and position together or not at all. Raises Unavailable."""


class Taker:
    """The one reader of the statistics in this process."""

    def __init__(self, store: Store, source: FeedSource, status: Status, network: str) -> None:
        self._store = store
        self._source = source
        self._status = status
        self._network = network

    async def run(self, stop: asyncio.Event) -> None:
        """Take in until ``stop``. What can pass is tried again with growing pauses; Fatal ends it."""
        pauses = Backoff("statistics", FIRST_PAUSE_S, LAST_PAUSE_S)
        try:
            while not stop.is_set():
                try:
                    await self._source.open(await self._store.next_offset())
                    while not stop.is_set():
                        await self.step()
                        pauses.reset()
                except Fatal:
                    raise
                except PasserelleError as error:
                    if self._status.statistics != error.code:
                        _LOG.warning("the statistics do not come", code=error.code, what=error.what)
                    self._status.statistics = error.code
                    await pauses.pause(stop)
        finally:
            await self._source.close()

    async def step(self) -> None:
        """Read and keep what there is. Raises Unavailable."""
        found = await self._source.poll()
        if found:
            await self._store.put([one for raw in found if (one := self._read(raw))], found[-1].offset + 1)
        self._status.statistics = "following"

    def _read(self, raw: Raw) -> StatisticsRecord | None:
        """The record; None for what cannot be read, which is told, and for another network's."""
        try:
            record = read_statistics(raw.value)
        except FormatError as error:
            self._status.count(error.code)
            _LOG.error("a statistics record cannot be read", code=error.code, where=error.where, offset=raw.offset)
            return None
        return record if record.network == self._network else None
