"""PostgreSQL: pools, and migrations as plain SQL files applied once each, in order, under an advisory lock."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any, Final

import asyncpg
import orjson

from passerelle.core.errors import Fatal, Unavailable
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.config import DatabaseConfig, read_secret

CONNECT_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S: Final = 10.0
"""Longest wait for a connection of a pool, and for giving one back."""
CLOSE_TIMEOUT_S: Final = 2.0
MIGRATION_TIMEOUT_S: Final = 3600.0
LISTEN_FIRST_S: Final = 0.2
LISTEN_LAST_S: Final = 10.0
_LOG = logging.getLogger(__name__)
# A server that hears nothing from a client ends its session, with the locks that it holds, after a minute.
_KEEPALIVE: Final = {"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3"}
AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A server that ends a session while the client is about to speak leaves the client in this state.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    # A database that takes no connections just now.
    asyncpg.ObjectNotInPrerequisiteStateError,
)
"""What the client raises where the server is away, ends, or does not answer in time."""
_LOCK = 0x7061_7373  # "pass": one migration at a time in a database


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )


async def _left_as_it_is(_: asyncpg.Connection) -> None:
    """The reset of sessions that nobody changes."""


async def connect(
    config: DatabaseConfig, *, name: str, retry_for: float = 0.0, session: Mapping[str, str] | None = None
) -> asyncpg.Pool:
    """A pool whose connections map jsonb to plain values. ``retry_for`` seconds are spent on a server that starts.

    ``session``: PostgreSQL's settings for every session, by name. Who gives them promises to change nothing that
    outlives a transaction (no SET, no temporary tables, no session locks): then a connection that is given back needs
    no reset, which is a round trip for each. Raises Unavailable ``database-unavailable``.
    """
    password = read_secret(config.password_file) if config.password_file else None
    deadline = asyncio.get_running_loop().time() + retry_for
    while True:
        try:
            return await asyncpg.create_pool(
                config.url,
                password=password,
                min_size=1,
                max_size=config.pool_size,
                timeout=CONNECT_TIMEOUT_S,
                # Of a server that is cut off nothing comes, not even an error.
                command_timeout=config.statement_timeout_s,
                init=_prepare,
                # Compiling a plan pays for reports over millions of rows; here it costs 100 ms a statement.
                server_settings={"application_name": name, "jit": "off", **_KEEPALIVE, **(session or {})},
                reset=None if session is None else _left_as_it_is,
            )
        except AWAY as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable(
                    "database-unavailable", f"PostgreSQL does not answer: {type(error).__name__}", where=name
                ) from None
            await asyncio.sleep(0.2)
        except asyncpg.PostgresError as error:
            raise Unavailable(
                "database-unavailable", f"PostgreSQL refused the connection: {type(error).__name__}", where=name
            ) from None


@asynccontextmanager
async def borrowed(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection of the pool for a few statements. Raises one of :data:`AWAY`.

    Where one gives no answer in time it is ended, and the others that are idle now are replaced before their next use:
    a server that was cut off leaves all of them silent and open.
    """
    try:
        async with pool.acquire(timeout=ACQUIRE_TIMEOUT_S) as connection:
            try:
                yield connection
            except TimeoutError:
                connection.terminate()
                raise
    except TimeoutError:
        await pool.expire_connections()
        raise


@asynccontextmanager
async def transaction(connection: Any, **options: Any) -> AsyncIterator[None]:
    """A transaction whose end is bounded, with the options of asyncpg's.

    After a statement that was given up the client waits for its answer before it sends ROLLBACK, for ever where the
    server is cut off. So the connection is ended, and the server undoes the transaction by itself.
    """
    async with connection.transaction(**options):
        try:
            yield
        except (TimeoutError, asyncio.CancelledError):
            connection.terminate()
            raise


async def migrate(pool: asyncpg.Pool, package: str) -> list[str]:
    """Apply the ``*.sql`` files of ``package`` that were not applied yet; returns their names.

    A file that was applied and has changed since is Fatal ``migration-changed``. Raises Unavailable.
    """
    try:
        return await _migrate(pool, package)
    except AWAY as error:
        what = f"PostgreSQL does not answer: {type(error).__name__}"
        raise Unavailable("database-unavailable", what, where=package) from None


async def _migrate(pool: asyncpg.Pool, package: str) -> list[str]:
    scripts = sorted((f for f in files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    applied: list[str] = []
    async with borrowed(pool) as connection, transaction(connection):
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=MIGRATION_TIMEOUT_S)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.migration"
            " (package text, name text, sha256 bytea NOT NULL, PRIMARY KEY (package, name))"
        )
        rows = await connection.fetch("SELECT name, sha256 FROM public.migration WHERE package = $1", package)
        known = {row["name"]: row["sha256"] for row in rows}
        for script in scripts:
            text = script.read_bytes()
            digest = hashlib.sha256(text).digest()
            if script.name in known:
                if known[script.name] != digest:
                    raise Fatal("migration-changed", "a migration differs from the one applied", where=script.name)
                continue
            await connection.execute(text.decode(), timeout=MIGRATION_TIMEOUT_S)
            await connection.execute("INSERT INTO public.migration VALUES ($1, $2, $3)", package, script.name, digest)
            applied.append(script.name)
    return applied


async def require_migrated(connection: asyncpg.Connection, package: str) -> None:
    """Raise Fatal ``migration-missing`` where a file of ``package`` was not applied to this database yet."""
    known: set[str] = set()
    if await connection.fetchval("SELECT to_regclass('public.migration') IS NOT NULL"):
        rows = await connection.fetch("SELECT name FROM public.migration WHERE package = $1", package)
        known = {row["name"] for row in rows}
    missing = sorted({script.name for script in files(package).iterdir() if script.name.endswith(".sql")} - known)
    if missing:
        raise Fatal("migration-missing", f"the database lacks {', '.join(missing)}", where=package)


async def close_pool(pool: asyncpg.Pool) -> None:
    """Close a pool within a bounded time: a database that is gone must not hold the process."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await pool.close()
    except AWAY as error:
        _LOG.warning("the database's connections are cut: %s", type(error).__name__)
        pool.terminate()


class _Listener:
    """One connection that listens, and another one whenever it is lost."""

    def __init__(self, pool: asyncpg.Pool, channel: str, wake: Callable[[], Any]) -> None:
        self._pool = pool
        self._channel = channel
        self._wake = wake
        self._connection: Any = None
        self._lost = asyncio.Event()

    def _woken(self, *_: object) -> None:
        self._wake()

    def _gone(self, *_: object) -> None:
        self._lost.set()

    async def open(self) -> None:
        """Listen. Raises one of :data:`AWAY`."""
        self._lost.clear()
        connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            connection.add_termination_listener(self._gone)
            await connection.add_listener(self._channel, self._woken)
        except BaseException:
            await self._give_back(connection)
            raise
        self._connection = connection

    async def keep(self) -> None:
        """Listen again after each loss, for ever. What was told meanwhile is made good by a wake-up."""
        pauses = Backoff(self._channel, LISTEN_FIRST_S, LISTEN_LAST_S)
        while True:
            await self._lost.wait()
            await self.close()
            try:
                await self.open()
            except AWAY as error:
                self._lost.set()
                _LOG.info("nothing is listened to yet: %s", type(error).__name__)
                await asyncio.sleep(pauses.next_s())
                continue
            pauses.reset()
            self._wake()

    async def close(self) -> None:
        """Give the connection back; may be called twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._give_back(connection)

    async def _give_back(self, connection: Any) -> None:
        # A connection that broke went back to the pool by itself, and its listeners with it.
        with suppress(*AWAY):
            connection.remove_termination_listener(self._gone)
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.remove_listener(self._channel, self._woken)
            except TimeoutError:
                connection.terminate()
        with suppress(*AWAY):
            await self._pool.release(connection, timeout=CLOSE_TIMEOUT_S)


@asynccontextmanager
async def listening(pool: asyncpg.Pool, channel: str, wake: Callable[[], Any]) -> AsyncIterator[None]:
    """Call ``wake`` on each notification of ``channel`` while the block runs.

    A lost connection is replaced, with growing pauses, and then ``wake`` is called once. Who listens also polls, for
    what is told between. Raises Unavailable where it cannot begin.
    """
    listener = _Listener(pool, channel, wake)
    try:
        await listener.open()
    except AWAY as error:
        what = f"PostgreSQL does not answer: {type(error).__name__}"
        raise Unavailable("database-unavailable", what, where=channel) from None
    keeping = asyncio.create_task(listener.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await listener.close()
