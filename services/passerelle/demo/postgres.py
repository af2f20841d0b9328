"""The one thing that the demo does in a database itself: the role by which the query service reads, and no more."""

from __future__ import annotations

from typing import Final

import asyncpg

READ_ROLE: Final = "passerelle_read"
"""The ledger's migrations grant schema ``read`` to it (``contracts/read.sql``)."""


async def prepare_reader(admin_dsn: str, login: str) -> None:
    """Make the read role unless it is there, and let ``login`` (a plain name) read through it."""
    connection = await asyncpg.connect(admin_dsn, timeout=15)
    try:
        if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", READ_ROLE):
            await connection.execute(f"CREATE ROLE {READ_ROLE} NOLOGIN")
        await connection.execute(f'GRANT {READ_ROLE} TO "{login}"')
    finally:
        await connection.close()
