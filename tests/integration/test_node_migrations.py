"""The node's and the portal's migrations on databases in use: filled by each earlier version, they stay whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.integration.node_desk import ACHIEVEMENTS, CREDENTIALS, credential_rows, desk
from tests.integration.test_portal_database import chunk
from tests.unit.portal.builder import small_log

from passerelle.embedded import EmbeddedPostgres
from passerelle.node.postgres import MIGRATIONS as NODE
from passerelle.portal.postgres.writer import Writer
from passerelle.portal.service import MIGRATIONS as PORTAL
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate

Tables = dict[str, list[dict[str, Any]]]


def scripts_of(package: str) -> list[str]:
    return sorted(item.name for item in files(package).iterdir() if item.name.endswith(".sql"))


def versions(package: str) -> list[int]:
    return list(range(1, len(scripts_of(package))))


async def migrate_until(
    pool: asyncpg.Pool[Any], package: str, version: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apply the first migrations only: what an earlier release shipped."""
    name = f"{package.split('.')[1]}_until_{version}"
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text("")
    for script in scripts_of(package)[:version]:
        (folder / name / script).write_bytes((files(package) / script).read_bytes())
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert await migrate(pool, name) == scripts_of(package)[:version]
    # The package's name is the one under which migrations are known.
    await pool.execute("UPDATE public.migration SET package = $1", package)


async def content(pool: asyncpg.Pool[Any], schema: str) -> Tables:
    """Every table of a schema, rows in a fixed order."""
    names = await pool.fetch(
        "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> 'migration'", schema
    )
    found: Tables = {}
    for row in names:
        rows = await pool.fetch(f'SELECT * FROM {schema}."{row["tablename"]}" t ORDER BY t::text')
        found[row["tablename"]] = [dict(one) for one in rows]
    return found


def kept(before: Tables, after: Tables) -> None:
    """What stood there stands there, column by column."""
    assert any(before.values())
    for table, rows in before.items():
        names = list(rows[0]) if rows else []
        left = [{name: row[name] for name in names} for row in after[table]]
        assert sorted(map(str, left)) == sorted(map(str, rows)), table


@pytest.mark.parametrize("version", versions(NODE))
async def test_a_node_in_use_is_migrated(
    version: int,
    database: str,
    postgres: EmbeddedPostgres,
    unique_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = unique_name("lived")
    try:
        made = await lived_in(await postgres.create_database(other), tmp_path)
    finally:
        await postgres.drop_database(other)
    pool = await connect(DatabaseConfig(url=database), name="test")
    try:
        await migrate_until(pool, NODE, version, tmp_path, monkeypatch)
        await copy_into(database, made)
        before = await content(pool, "node")
        assert await migrate(pool, NODE) == scripts_of(NODE)[version:]
        assert await migrate(pool, NODE) == []
        kept(before, await content(pool, "node"))
    finally:
        await pool.close()
    async with desk(tmp_path, database) as node:
        # The same files change nothing; what is new goes on after what was there.
        assert (await node.take(ACHIEVEMENTS)).unchanged == 1
        report = await node.take(CREDENTIALS + credential_rows(range(4)))
        assert (report.new, report.unchanged) == (1, 3)
        assert [row["accepted"] for row in await node.office.store.streams() if row["family"] == "credential"] == [2]
        assert [row.sequence for row in await node.office.store.open_rows("credential", 0, 10)] == [3, 4, 5]


async def lived_in(dsn: str, folder: Path) -> Tables:
    """Records, learners, answered and unanswered events, as today's code makes them in a database of its own."""
    async with desk(folder, dsn) as node:
        await node.take(ACHIEVEMENTS)
        await node.take(CREDENTIALS + credential_rows(range(3)))
        await node.answer(("credential", 1, True), ("credential", 2, True), number=1)
        names = ("stream", "record", "learner", "outbox", "position", "seen")
        return {name: await node.rows(f"SELECT * FROM node.{name}") for name in names}  # type: ignore[misc]


async def copy_into(dsn: str, made: Tables) -> None:
    """The same rows in an earlier version's tables: these have no other columns than today's, only fewer."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("DELETE FROM node.stream")
        for table, rows in made.items():
            known = await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'node' AND table_name = $1",
                table,
            )
            names = [row["column_name"] for row in known]
            columns = ", ".join(f'"{name}"' for name in names)
            places = ", ".join(f"${place}" for place in range(1, len(names) + 1))
            statement = f"INSERT INTO node.{table} ({columns}) VALUES ({places})"
            await connection.executemany(statement, [[row[name] for name in names] for row in rows])
    finally:
        await connection.close()


@pytest.mark.parametrize("version", versions(PORTAL))
async def test_a_portal_in_use_is_migrated(
    version: int, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = await connect(DatabaseConfig(url=database), name="test")
    try:
        await migrate_until(pool, PORTAL, version, tmp_path, monkeypatch)
        writer, log = Writer(pool), small_log()
        start = await writer.position()
        after, items, changes = chunk(log, start, 3)
        await writer.commit(start, after, items, changes)
        before = await content(pool, "public")
        assert await migrate(pool, PORTAL) == scripts_of(PORTAL)[version:]
        kept(before, await content(pool, "public"))
        # It goes on where it was.
        assert await writer.position() == after
        last, items, changes = chunk(log, after)
        await writer.commit(after, last, items, changes)
        assert (await writer.position()).next_index == len(log.raws())
    finally:
        await pool.close()
