"""Schema ``read`` as a contract: what contracts/read.sql promises is what the ledger's migrations make, and no more."""

from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from tests.integration.query_ledger import LedgerRows

from passerelle.embedded import EmbeddedPostgres

CONTRACT = Path(__file__).resolve().parents[2] / "contracts" / "read.sql"
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
WHERE n.nspname = 'read' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum
"""
GRANTS = """
SELECT n.nspname, c.relname, p.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(c.relacl) p JOIN pg_roles r ON r.oid = p.grantee
WHERE r.rolname = 'passerelle_read'
"""


async def columns(dsn: str) -> list[tuple[str, str, str]]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(COLUMNS)]
    finally:
        await connection.close()


async def test_the_migrations_make_what_the_contract_promises(
    database: str, postgres: EmbeddedPostgres, unique_name: Callable[[str], str]
) -> None:
    rows = await LedgerRows.create(database)
    await rows.close()
    name = unique_name("contract")
    promised = await postgres.create_database(name)
    try:
        connection = await asyncpg.connect(promised)
        await connection.execute(CONTRACT.read_text(encoding="utf-8"))
        await connection.close()
        expected, made = await columns(promised), await columns(database)
    finally:
        await postgres.drop_database(name)
    assert expected
    assert made == expected


async def test_the_reading_role_reads_the_contract_and_nothing_else(database: str) -> None:
    rows = await LedgerRows.create(database)
    async with rows.pool.acquire() as connection:
        granted = {tuple(row) for row in await connection.fetch(GRANTS)}
        relations = {name for name, _, _ in await columns(database)}
        assert granted == {("read", name, "SELECT") for name in relations}
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE passerelle_read")
            assert await connection.fetchval("SELECT size FROM read.head") == rows.size
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("SELECT * FROM ledger.party_body")
    await rows.close()


async def test_steps_and_cases_are_found_by_index(database: str) -> None:
    """The look-ups of one call stay quick however long the log is: none of them reads a whole table."""
    rows = await LedgerRows.create(database)
    async with rows.pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        case = "SELECT * FROM read.thing WHERE kind = 'transfer' AND"
        for sql, index in (
            ("SELECT * FROM read.party_event WHERE subject = ANY(ARRAY['a'])", "party_body_subject"),
            (f"{case} data ->> 'receiver' = 'a' ORDER BY changed DESC LIMIT 1", "thing_case_receiver"),
            (f"{case} data ->> 'sender' = 'a' AND changed >= 1", "thing_case_sender"),
            ("SELECT * FROM read.dependency WHERE on_key = 'a'", "dependency_pkey"),
            ("SELECT * FROM read.public_event WHERE index >= 1 AND index < 9 ORDER BY index LIMIT 5", "entry_pkey"),
        ):
            plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}"))
            assert index in plan, plan
            assert "Seq Scan" not in plan, plan
    await rows.close()
