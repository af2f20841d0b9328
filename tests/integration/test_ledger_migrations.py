"""The ledger's migrations on a database that is in use: filled by each earlier version, it stays whole and goes on."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

import pytest
from tests.conformance.test_ledger_store import Story, found

from passerelle.core.errors import Fatal
from passerelle.core.registry import Registry
from passerelle.ledger.check_run import run_check
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.check import open_snapshot
from passerelle.ledger.postgres.store import PostgresStore
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import make_config

SCRIPTS = sorted(item.name for item in files(MIGRATIONS).iterdir() if item.name.endswith(".sql"))


def package_of(folder: Path, scripts: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that holds the first migrations only: what an earlier release shipped."""
    name = f"migrations_until_{scripts[-1][:4]}"
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text("")
    for script in scripts:
        (package / script).write_bytes((files(MIGRATIONS) / script).read_bytes())
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_there_is_an_earlier_version() -> None:
    assert len(SCRIPTS) >= 2
    assert [int(name[:4]) for name in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))


@pytest.mark.parametrize("version", range(1, len(SCRIPTS)))
async def test_a_database_in_use_is_migrated(
    version: int, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(tmp_path, "127.0.0.1:1", database, Federation())
    pool = await connect(config.database, name="test")
    store = PostgresStore(pool, config)
    try:
        earlier = package_of(tmp_path, SCRIPTS[:version], monkeypatch)
        assert await migrate(pool, earlier) == SCRIPTS[:version]
        # The package's name is the one under which migrations are known.
        await pool.execute("UPDATE public.migration SET package = $1", MIGRATIONS)
        story = Story(store, Federation())
        humber, _ = await found(story)
        before = await pool.fetch("SELECT * FROM ledger.entry ORDER BY index")
        with pytest.raises(Fatal) as lacking:
            async with open_snapshot(config.database):
                pass
        assert (lacking.value.code, SCRIPTS[version] in lacking.value.what) == ("migration-missing", True)
        assert await migrate(pool, MIGRATIONS) == SCRIPTS[version:]
        assert await migrate(pool, MIGRATIONS) == []
        after = await pool.fetch("SELECT * FROM ledger.entry ORDER BY index")
        assert [dict(row) for row in before] == [
            {name: row[name] for name in dict(before[0])} for row in map(dict, after)
        ]
        await story.tell(humber.achievement("after"))
    finally:
        await store.close()
        await pool.close()
    async with open_snapshot(config.database) as snapshot:
        registry = Registry(config.network, config.operator, config.root_public_key())
        report = await run_check(snapshot, registry, [], SystemClock())
    assert report.size == len(before) + 1
    assert report.sound, report.faults
