"""Who may write: one lease row whose generation grows at each take-over, and is written to the head with it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import asyncpg
import structlog

from passerelle.core.errors import Fatal, Unavailable
from passerelle.ledger.postgres.errors import is_gone, translated
from passerelle.ledger.postgres.pool import Pool
from passerelle.runtime.postgres import transaction

_LOG = structlog.get_logger(__name__)
# A session lock beside the row: it ends with its process, so that a restart need not wait for the row to expire.
LOCK = 0x7061_7373_6C65_6467
ANSWER_S = 10.0
"""Longest wait for one look at the lease; a commit that is under way may hold it up for as long as it takes."""
_TAKE = """
UPDATE ledger.lease
SET generation = generation + 1, holder = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
WHERE expires_at < clock_timestamp() OR $3
RETURNING generation
"""
_FENCE = "UPDATE ledger.head SET generation = $1"
# A holder that hangs in the middle of a commit keeps the head's row locked for as long as it hangs.
_END_HUNG_COMMITS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'relation' AND relation = 'ledger.head'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
"""
_RENEW = """
UPDATE ledger.lease SET expires_at = clock_timestamp() + make_interval(secs => $2) WHERE generation = $1
RETURNING generation
"""
_RELEASE = "UPDATE ledger.lease SET expires_at = '-infinity' WHERE generation = $1"


class Lease:
    """The lease of one process. All times are the database's, so that no two clocks are compared."""

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds
        self._holder = f"{socket.gethostname()}/{os.getpid()}"
        self._session: asyncpg.pool.PoolConnectionProxy | None = None
        self._expired = False
        self.generation = 0

    async def acquire(self, standing_by: Callable[[], None] = lambda: None) -> int:
        """Stand by until the lease is free, take it, and return the new generation. Raises Unavailable.

        ``standing_by`` is called at each look that finds another ledger active.
        """
        told = False
        while True:
            generation = await self._try()
            if generation is not None:
                self.generation = generation
                _LOG.info("the lease is ours", generation=generation)
                return generation
            if not told:
                _LOG.info("another ledger is active: standing by")
                told = True
            standing_by()
            await asyncio.sleep(self._seconds / 5)

    async def _try(self) -> int | None:
        with translated("lease"), self._dropping():
            async with asyncio.timeout(ANSWER_S):
                return await self._ask()

    async def _ask(self) -> int | None:
        session = await self._open()
        # Free by lock: whoever held it is gone. Free by time: it is hung, or cut off from the database.
        locked = await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        async with transaction(session):
            generation: int | None = await session.fetchval(_TAKE, self._holder, self._seconds, locked)
            if generation is not None:
                if not locked:
                    # Taken by time: the holder's commit that is under way is undone, and it will reload.
                    await session.execute(_END_HUNG_COMMITS)
                # The row lock makes this wait for a commit that is under way; later ones find another generation.
                await session.execute(_FENCE, generation)
        return generation

    async def _open(self) -> asyncpg.pool.PoolConnectionProxy:
        if self._session is not None and is_gone(self._session):
            await self._drop()
        if self._expired:
            await self._pool.expire_connections()
            self._expired = False
        if self._session is None:
            self._session = await self._pool.acquire(timeout=10)
        return self._session

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        """End the session where it gave no answer: a connection that is cut off looks open for ever."""
        try:
            yield
        except BaseException:
            if self._session is not None and not is_gone(self._session):
                self._session.terminate()
            # The idle ones of the pool may be cut off as well.
            self._expired = True
            raise

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await self._pool.release(session, timeout=2)

    async def keep(self, stop: asyncio.Event) -> None:
        """Renew until ``stop``. Raises Fatal ``lease-lost`` when another process has taken it."""
        while not stop.is_set():
            try:
                await self.renew()
            except Unavailable as error:
                # Whether we still write is decided by the head's compare-and-swap, not here.
                _LOG.warning("the lease could not be renewed", code=error.code, what=error.what)
            try:
                await asyncio.wait_for(stop.wait(), self._seconds / 3)
            except TimeoutError:
                continue

    async def renew(self) -> None:
        """Hold on for another term. Raises Fatal ``lease-lost``, Unavailable."""
        with translated("lease"), self._dropping():
            async with asyncio.timeout(self._seconds):
                session = await self._open()
                held = await session.fetchval(_RENEW, self.generation, self._seconds)
                if held is not None:
                    # After a lost connection the lock is taken again; where it is not free, the row alone counts.
                    await session.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        if held is None:
            raise Fatal("lease-lost", "another ledger has taken the lease", where=f"generation {self.generation}")

    async def release(self) -> None:
        """Give the lease back where it is still ours; a database that is away is left to the lease's end."""
        try:
            with translated("lease"):
                if self.generation and self._session is not None and not is_gone(self._session):
                    await self._session.execute(_RELEASE, self.generation, timeout=2)
                    await self._session.execute("SELECT pg_advisory_unlock_all()", timeout=2)
                await self._drop()
        except Unavailable as error:
            _LOG.warning("the lease was not given back", code=error.code)
