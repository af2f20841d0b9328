"""One bit of the ledger's database turned over, again and again: ``ledger check`` finds it and names table and key."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import asyncpg
from tests.integration.ledger_out import empty_topics, vkey_of

from passerelle.core.registry import Registry
from passerelle.embedded import EmbeddedKafka
from passerelle.ledger.check_run import run_check
from passerelle.ledger.postgres.check import open_snapshot
from passerelle.runtime.clock import SystemClock
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import begin_at_the_end, make_config
from passerelle.testing.tamper import UNPROVED, read_tables, run_flips
from passerelle.testing.varied_ledger import SETTINGS, Varied, populate

FLIPS = int(os.environ.get("PASSERELLE_TAMPER_FLIPS", "100"))
_TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'ledger'"
SEED = int(os.environ.get("PASSERELLE_TAMPER_SEED", "20260115"))


async def test_every_flipped_bit_is_found_and_named(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation, **SETTINGS)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    await populate(config, Varied(federation))

    def registry() -> Registry:
        return Registry(config.network, config.operator, config.root_public_key())

    async with open_snapshot(config.database) as store:
        report = await run_check(store, registry(), [vkey_of(config)], SystemClock())
    assert report.faults == []
    assert {"letters", "summaries", "waiting rows", "conflict rows", "unverified rows"} <= report.counts.keys()
    connection = await asyncpg.connect(database)
    try:
        tables = {table.name: table for table in await read_tables(connection)}
        held = {row[0] for row in await connection.fetch(_TABLES)}
        outcome = await run_flips(connection, registry, [vkey_of(config)], seed=SEED, count=FLIPS)
    finally:
        await connection.close()
    # Every table of the ledger takes part.
    assert tables.keys() == held
    assert {cell.table for cell in UNPROVED} <= tables.keys()
    assert all(cell.column in tables[cell.table].kinds for cell in UNPROVED)
    assert (outcome.missed, outcome.nameless) == ([], []), f"seed={SEED}"
    assert outcome.flips == FLIPS
