"""Reading cases touches the rows that are asked for, also by plans that were made while the tables were empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from tests.integration.query_ledger import LedgerRows, add_case, uuid7
from tests.unit.query.world import NETWORK

from passerelle.core.errors import Unavailable
from passerelle.query.ports import CasesRead
from passerelle.query.postgres import PostgresLedger
from passerelle.query.postgres_cases import SESSION
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate

ROWS = 20_000
# Of this transaction, and of those before it that are not counted yet; the head is a table of one row.
TOUCHED = """
SELECT coalesce(sum(seq_tup_read), 0)::int AS whole, coalesce(sum(idx_tup_fetch), 0)::int AS by_index
FROM pg_stat_xact_user_tables WHERE schemaname = 'ledger' AND relname <> 'head'
"""


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """One connection of the query service, so that its plans are known."""
    made = await connect(DatabaseConfig(url=database, pool_size=1), name="test", session=SESSION)
    yield made
    await made.close()


async def filled(dsn: str) -> None:
    """Entries and bodies of others, and cases of theirs, without statistics."""
    other = await asyncpg.connect(dsn)
    await other.execute(
        "INSERT INTO ledger.entry (index, accepted_at, member, family, sequence, visibility, type, subject, digest,"
        " entry, ingress) SELECT n, 0, 'bcit', 'transfer', n, 'party', 't', 's' || n, '', '', 't/0/0'"
        f" FROM generate_series(1000, {ROWS + 1000}) AS n;"
        " INSERT INTO ledger.party_body SELECT index, subject, ARRAY['bcit'], '{}' FROM ledger.entry"
        " WHERE index >= 1000;"
        " INSERT INTO ledger.thing SELECT 'transfer:' || subject, 'transfer', subject, 'requested', 1, 'bcit', index,"
        " index, jsonb_build_object('sender', 'bcit', 'receiver', 'x', 'release', '', 'credentials', '[]'::jsonb)"
        " FROM ledger.entry WHERE index >= 1000"
    )
    await other.close()


class Lent:
    """A pool of the one connection whose counters are looked at."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @asynccontextmanager
    async def acquire(self, *, timeout: float) -> AsyncIterator[Any]:
        yield self._connection


async def test_plans_of_empty_tables_still_go_by_index_when_they_have_grown(database: str, pool: asyncpg.Pool) -> None:
    rows = await LedgerRows.create(database)
    async with pool.acquire() as connection:
        lent: Any = Lent(connection)
        ledger = PostgresLedger(lent)
        for _ in range(8):
            # From the sixth time on the plan is the kept one.
            await ledger.case("none", "queens", 10)
            await ledger.changed(["queens", "humber"], ["queens", "humber"], 0, 200)
        case = await add_case(rows)
        await filled(database)
        both = ["queens", "humber"]
        reads: list[Callable[[], Awaitable[CasesRead]]] = [
            lambda: ledger.case(case, "queens", 10),
            lambda: ledger.changed(both, both, 0, 200),
        ]
        for read in reads:
            async with connection.transaction():
                [found] = (await read()).cases
                whole, by_index = await connection.fetchrow(TOUCHED) or (None, None)
            assert (found.row.id, len(found.steps)) == (case, 3)
            assert whole == 0
            assert by_index is not None
            assert by_index < 100
    await rows.close()


async def test_a_case_is_read_with_the_steps_that_the_reader_may_read(database: str, pool: asyncpg.Pool) -> None:
    rows = await LedgerRows.create(database)
    case, ledger = await add_case(rows), PostgresLedger(pool)
    await rows.pool.execute("UPDATE ledger.party_body SET parties = ARRAY['queens'] WHERE index = $1", rows.size - 1)
    for reader, steps in (("queens", 3), ("humber", 2), ("bcit", 0), (None, 3)):
        read = await ledger.case(case, reader, 10)
        assert (read.head.network, read.head.size) == (NETWORK, rows.size)
        [found] = read.cases
        assert len(found.steps) == steps
        assert all(reader is None or reader in step.parties for step in found.steps)
    absent = await ledger.case(uuid7(999), "queens", 10)
    assert (absent.head.size, list(absent.cases)) == (rows.size, [])
    both = await ledger.changed(["humber", "queens"], ["humber"], 0, 200)
    assert [(one.row.id, len(one.steps)) for one in both.cases] == [(case, 2)]
    later = await ledger.changed(["humber", "queens"], None, both.cases[0].row.changed + 1, 200)
    assert (later.head.size, list(later.cases)) == (rows.size, [])
    assert not (await ledger.changed([], None, 0, 200)).cases
    await rows.close()


async def test_a_database_without_a_head_is_not_ready(database: str, pool: asyncpg.Pool) -> None:
    other = await connect(DatabaseConfig(url=database), name="test-ledger")
    ledger = PostgresLedger(pool)
    for expected in ("database-schema", "database-unavailable"):
        for read in (ledger.head, lambda: ledger.case("x", None, 1), lambda: ledger.changed(["a"], None, 0, 1)):
            with pytest.raises(Unavailable) as caught:
                await read()
            assert caught.value.code == expected
        await migrate(other, "passerelle.ledger.migrations")
    await other.close()


async def test_what_answers_calls_writes_nothing(database: str, pool: asyncpg.Pool) -> None:
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await pool.execute("CREATE TABLE public.something (n int)")
