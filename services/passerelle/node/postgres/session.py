"""Connections, and errors of the database as errors of the node: never with a value in their text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from passerelle.core.errors import Retryable, Unavailable
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import AWAY, borrowed, connect, migrate
from passerelle.runtime.postgres import transaction as bounded_transaction

MIGRATIONS: Final = "passerelle.node.migrations"
WORK: Final = "passerelle_node_work"
"""Notified when there is something to release or to relay."""
# And a server that has no memory to spare.
_AWAY: Final = (*AWAY, asyncpg.InsufficientResourcesError)
_AGAIN: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)

Connection = Any
"""asyncpg's connection or its pool's proxy: they have the same methods and no common type."""


async def open_pool(config: DatabaseConfig, *, name: str, retry_for: float = 0.0) -> asyncpg.Pool:
    """A pool on the node's database, migrated. Raises Unavailable."""
    pool = await connect(config, name=name, retry_for=retry_for)
    try:
        await migrate(pool, MIGRATIONS)
    except BaseException:
        pool.terminate()
        raise
    return pool


@asynccontextmanager
async def session(pool: asyncpg.Pool, *, transaction: bool = False) -> AsyncIterator[Connection]:
    """A connection, in a transaction where asked. Raises Unavailable or Retryable instead of the driver's errors."""
    try:
        async with borrowed(pool) as connection:
            if not transaction:
                yield connection
                return
            async with bounded_transaction(connection):
                yield connection
    except _AGAIN as error:
        raise Retryable("database-conflict", f"the transaction was ended: {type(error).__name__}") from None
    except asyncpg.DiskFullError:
        what = "PostgreSQL has no room: nothing of this was stored"
        raise Unavailable("disk-full", what, where="the node's database") from None
    except _AWAY as error:
        raise Unavailable("database-unavailable", f"PostgreSQL does not answer: {type(error).__name__}") from None


async def plan_for_values(connection: Connection) -> None:
    """Have the statements of this transaction planned for their values, each time.

    A plan that was made for all values while the tables were small would read them whole for ever.
    """
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")


class Part:
    """Base of the store's parts."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
