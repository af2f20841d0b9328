"""Errors of the database client as the typed errors of the ports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg

from passerelle.core.errors import Unavailable

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
)


@asynccontextmanager
async def guarded(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection for a few statements; what may pass by itself becomes Unavailable ``database-unavailable``.

    Errors of any other class are defects of ours and pass through.
    """
    try:
        async with pool.acquire(timeout=10) as connection:
            yield cast("asyncpg.Connection", connection)
    except _AWAY as error:
        raise Unavailable(
            "database-unavailable", f"PostgreSQL did not answer: {type(error).__name__}", where="ledger"
        ) from error
