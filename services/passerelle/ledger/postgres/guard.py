"""A connection for a few statements, with the client's errors as the ledger's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import asyncpg

from passerelle.ledger.postgres.errors import translated
from passerelle.ledger.postgres.pool import Pool
from passerelle.runtime.postgres import borrowed

ACQUIRE_TIMEOUT_S = 10.0
BY_KEY = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"
"""For sessions whose every statement goes by key or by a short range of one.

Their plans are made once, often while the tables are still empty and without statistics: a plan that reads a whole
table looks cheap then, and is ruinous when the table has grown.
"""


@asynccontextmanager
async def guarded(pool: Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the pool. Raises Unavailable where PostgreSQL does not answer, as the ports promise."""
    with translated("ledger"):
        async with borrowed(pool) as connection:
            yield cast("asyncpg.Connection", connection)
