"""Following the ledger: one snapshot at the start, then whole commits by index.

A notification wakes the follower, a poll decides: what a lost notification would have told is found within one period.
While the database does not answer, the index goes on answering at its last position, and says since when.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from passerelle.core.errors import ConfigError, FormatError, ProofError, Unavailable
from passerelle.core.merkle import HASH_SIZE, Frontier, leaf_hash
from passerelle.query.index import Index
from passerelle.query.ports import Head, Instant, LedgerLog
from passerelle.query.snapshot import Mark
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
MAX_BACKOFF_S: Final = 5.0
STALE_AFTER_S: Final = 30.0
"""A service that has not seen the head for so long is not ready."""


def edge(head: Head) -> tuple[bytes, ...]:
    """The hashes of the right edge of the head's tree."""
    return tuple(head.frontier[at : at + HASH_SIZE] for at in range(0, len(head.frontier), HASH_SIZE))


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
        self.mark: Mark | None = None
        """Position and right edge of the tree at what was read last."""

    @property
    def silent_s(self) -> float:
        """Seconds since the head was last read."""
        return self._clock.monotonic() - self._seen

    @property
    def fresh(self) -> bool:
        """Whether the head was read lately."""
        return self.silent_s < STALE_AFTER_S

    async def start(self, retry_for: float, mark: Mark | None = None) -> None:
        """Take in the whole log; ``retry_for`` seconds are spent on a ledger that is still starting.

        ``mark`` is that of the snapshot which filled the index: only what follows it is read. Raises the errors of
        :meth:`catch_up`, and those of :meth:`resume`.
        """
        deadline = self._clock.monotonic() + retry_for
        stop = asyncio.Event()
        while True:
            try:
                if mark is not None:
                    await self.resume(mark)
                    mark = None
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
            head = snapshot.head
        self._index.settle(head, instants)
        self.mark = Mark(self._network, self._index.position, edge(head))

    async def resume(self, mark: Mark) -> None:
        """Prove that the ledger's log goes on from where a snapshot of the index was taken.

        The entries since are added to the tree's right edge of then, which must give the right edge of now: the log up
        to the snapshot is then the very same (RFC 9162, 2.1.4). Raises FormatError ``snapshot-invalid`` where it does
        not, Unavailable, ConfigError.
        """
        async with self._log.snapshot() as snapshot:
            self._check(snapshot.head)
            try:
                tree = Frontier(mark.position.size, mark.frontier)
                async for page in snapshot.leaves(mark.position.size):
                    tree.extend([leaf_hash(entry) for entry in page])
            except ProofError as error:
                raise FormatError("snapshot-invalid", error.what, where="snapshot") from None
            if tree.size != snapshot.head.size or tree.peaks != edge(snapshot.head):
                raise FormatError("snapshot-invalid", "The ledger's log does not go on from it.", where="snapshot")
        self.mark = mark

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
