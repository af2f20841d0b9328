"""A ledger that starts or stands by while its servers are away waits, says so, and ends after its patience only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from passerelle.core.errors import Unavailable
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess
from passerelle.ledger.ports import Parts
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import attached, begin_at_the_end, loop_running, make_config

PATIENCE_S = 30.0


def no_parts(_shared: object) -> Parts:
    return Parts()


@pytest.fixture
async def config(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> LedgerConfig:
    federation = Federation(f"test.example/{unique_name('net')}")
    made = make_config(tmp_path, kafka.bootstrap, database, federation, lease_s=1.0)
    await begin_at_the_end(made)
    return made


@asynccontextmanager
async def starting(config: LedgerConfig) -> AsyncIterator[tuple[LedgerProcess, asyncio.Task[object]]]:
    """A ledger on its way up."""
    process = LedgerProcess(config, make_parts=no_parts)
    task: asyncio.Task[object] = asyncio.create_task(process.start())
    try:
        yield process, task
    finally:
        task.cancel()
        await asyncio.wait({task})
        await process.close()


async def until(process: LedgerProcess, **said: object) -> None:
    """Wait until health says these."""

    async def says() -> bool:
        return process.health().items() >= said.items()

    assert await wait_for(says, timeout_s=PATIENCE_S), f"health says {process.health()}"


async def test_it_waits_for_a_database_that_is_not_there_yet(
    config: LedgerConfig, postgres: EmbeddedPostgres, unique_name: Callable[[str], str]
) -> None:
    name = unique_name("late")
    url = postgres.dsn(name)
    async with starting(config.model_copy(update={"database": DatabaseConfig(url=url)})) as (process, task):
        await until(process, state="waiting", waits_for="database-unavailable", ready=False)
        async with httpx.AsyncClient(trust_env=False) as client:
            told = await client.get(f"http://{process._addresses['health']}/readyz")
        assert (told.status_code, told.json()["waits_for"]) == (503, "database-unavailable")
        await postgres.create_database(name)
        await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
        assert process.health()["ready"]
    await postgres.drop_database(name)


@pytest.mark.parametrize(
    ("away", "code"),
    [
        ({"database": DatabaseConfig(url="postgresql://nobody@127.0.0.1:1/none")}, "database-unavailable"),
        ({"kafka": KafkaConfig(bootstrap="127.0.0.1:1")}, "broker-unavailable"),
    ],
)
async def test_its_patience_ends(config: LedgerConfig, away: dict[str, object], code: str) -> None:
    impatient = config.model_copy(update={**away, "start_patience_s": 0.3})
    async with starting(impatient) as (process, task):
        with pytest.raises(Unavailable) as caught:
            await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
        assert caught.value.code == code
        assert process.health()["waits_for"] == code


async def test_a_standby_outlasts_a_database_that_sends_it_away(config: LedgerConfig, database: str) -> None:
    """While the standby is cut off nobody is asked to start it again; then it takes over as if nothing had been."""
    name = database.partition("?")[0].rpartition("/")[2]
    federation = Federation(config.network)
    admin = await asyncpg.connect(database.replace(f"/{name}", "/postgres"))
    try:
        async with attached(config) as ledger, AsyncExitStack() as stack:
            first, _ = await stack.enter_async_context(loop_running(config))
            await ledger.send(federation.found())
            await ledger.until_size(1)
            kept = [row[0] for row in await admin.fetch("SELECT pid FROM pg_stat_activity WHERE datname = $1", name)]
            async with starting(config) as (standby, task):
                assert await wait_for(lambda: _asks(admin, name, kept), timeout_s=PATIENCE_S), "nobody stands by"
                await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')

                async def cut_off() -> bool:
                    # The standby's alone: the active ledger goes on with the connections that it has. Again and again,
                    # because one that was being opened just now is listed a moment later only.
                    await admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = $1 AND pid <> ALL($2::integer[])",
                        name,
                        kept,
                    )
                    said = {"state": "waiting", "waits_for": "database-unavailable"}
                    return standby.health().items() >= said.items()

                assert await wait_for(cut_off, timeout_s=PATIENCE_S), f"health says {standby.health()}"
                assert not task.done()
                await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
                await until(standby, state="standby")
                _, admission = federation.admit("humber")
                await ledger.send(admission)
                await ledger.until_size(2)
                await stack.aclose()
                await asyncio.wait_for(asyncio.shield(task), PATIENCE_S)
                assert (standby.head.size, standby.head.generation) == (2, first.head.generation + 1)
    finally:
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        await admin.close()


async def _asks(admin: asyncpg.Connection[Any], name: str, others: list[int]) -> bool:
    """Whether a process that is none of the others has opened the connections with which it asks for the lease."""
    return bool(
        await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = $1 AND application_name = 'passerelle-ledger-writer' AND pid <> ALL($2::integer[])",
            name,
            others,
        )
    )
