"""Following the ledger: one snapshot at the start, then whole commits by index.

A notification wakes the follower, a poll decides: what a lost notification would have told is found within one period.
While the database does not answer, the index goes on answering at its last position, and says since when.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from passerelle.core.errors import ConfigError, Unavailable
from passerelle.query.index import Index
from passerelle.query.ports import Head, Instant, LedgerLog
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
MAX_BACKOFF_S: Final = 5.0
STALE_AFTER_S: Final = 30.0
"""A service that has not seen the head for so long is not ready."""


class Follower:
    """Keeps an index at the ledger's head. One instance writes an index."""

    def __init__(self, log: LedgerLog, index: Index, clock: Clock, *, network: str, poll_s: float = 0.25) -> None:
        self._log = log
        self._index = index
        self._clock = clock
        self._network = network
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._seen = clock.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the head was last read."""
        return self._clock.monotonic() - self._seen

    @property
    def fresh(self) -> bool:
        """Whether the head was read lately."""
        return self.silent_s < STALE_AFTER_S

    async def start(self, retry_for: float) -> None:
        """Take in the whole log; ``retry_for`` seconds are spent on a ledger that is still starting.

        Raises the errors of :meth:`catch_up`.
        """
        deadline = self._clock.monotonic() + retry_for
        stop = asyncio.Event()
        while True:
            try:
                await self.catch_up()
                return
            except Unavailable:
                if self._clock.monotonic() >= deadline:
                    raise
            await self._pause(stop, self._poll_s)

    async def catch_up(self) -> bool:
        """Take in everything up to the head; whether there was something new.

        Raises Unavailable, ConfigError ``config-mismatch`` where the database is another network's, Fatal where the log
        is not the one read before.
        """
        head = await self._log.head()
        self._check(head)
        grown = head.size != self._index.position.size
        if grown:
            await self._read()
        else:
            self._index.settle(head)
        self._seen = self._clock.monotonic()
        return grown

    async def _read(self) -> None:
        """Pages of one snapshot; the position moves once all of them are in."""
        async with self._log.snapshot() as snapshot:
            self._check(snapshot.head)
            async for events in snapshot.events(self._index.applied):
                self._index.apply(events)
            instants: list[Instant] = []
            async for page in snapshot.instants(self._index.position.size):
                instants.extend(page)
        self._index.settle(snapshot.head, instants)

    def _check(self, head: Head) -> None:
        if head.network != self._network:
            raise ConfigError(
                "config-mismatch",
                "The ledger's database is of another network than the configured one.",
                where="network",
            )

    async def run(self, stop: asyncio.Event) -> None:
        """Follow until ``stop``. Errors of the database are waited out; others are raised."""
        backoff = self._poll_s
        while not stop.is_set():
            try:
                async with self._log.waking(self._wake.set):
                    while not stop.is_set():
                        await self.catch_up()
                        backoff = self._poll_s
                        await self._pause(stop, self._poll_s)
            except Unavailable as error:
                _LOG.warning("the ledger's database does not answer", what=error.what, silent_s=round(self.silent_s))
                await self._pause(stop, backoff)
                backoff = min(2 * backoff, MAX_BACKOFF_S)

    async def _pause(self, stop: asyncio.Event, seconds: float) -> None:
        """Until a notification, the stop, or the time is over."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._wake, stop)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        self._wake.clear()
