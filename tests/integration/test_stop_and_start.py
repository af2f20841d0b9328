"""Stops and starts of real processes: a stop is bounded whatever the servers do, and a take-over loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.integration.ledger_out import empty_topics
from tests.integration.standing import READY_S, Service, Standing, family

from passerelle.core.batch import SignedStatement
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.runtime.process import STOP_TIMEOUT_S, wait_for
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import Ledger, attached, begin_at_the_end, make_config

TAKE_OVER_S = 15.0
EACH = 150


@pytest.fixture
async def own_kafka(tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """A broker of its own: it is frozen, and its feed is this network's alone."""
    server = EmbeddedKafka(tmp_path / "kafka")
    await server.start()
    yield server
    await server.stop()


async def test_every_service_stops_in_time_also_while_nothing_answers(
    own_kafka: EmbeddedKafka, postgres: EmbeddedPostgres, tmp_path: Path, unique_name: Callable[[str], str],
    say: Callable[[str], None],
) -> None:  # fmt: skip
    standing = Standing(tmp_path, own_kafka, postgres, f"test.example/{unique_name('net')}")
    if own_kafka.pid is None or postgres.pid is None:
        pytest.skip("the servers are not children of this process: they cannot be frozen")
    try:
        await standing.found(unique_name("stop"))
        await (await standing.start("ledger")).until_ready()
        for name in ("node", "query", "portal"):
            await standing.start(name)
        for service in standing.services.values():
            await service.until_ready()
        frozen = [*family(own_kafka.pid), *family(postgres.pid)]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            for service in standing.services.values():
                service.process.send_signal(signal.SIGTERM)
            cut = {name: await one.ended_within(STOP_TIMEOUT_S + 2) for name, one in standing.services.items()}
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        say(f"with frozen servers each had ended this many seconds after the one before: {cut}")
    finally:
        await standing.close()


async def test_rolling_ledgers_lose_nothing_and_take_over_in_time(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str], say: Callable[[str], None],
    postgres: EmbeddedPostgres,
) -> None:  # fmt: skip
    """The active one stops by signal, the next is killed, the third goes on: under load, without a gap."""
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    (tmp_path / "operator").mkdir()
    (tmp_path / "log.key").rename(tmp_path / "operator" / "log.key")
    (tmp_path / "root.pub").rename(tmp_path / "operator" / "root.pub")
    standing = Standing(tmp_path, kafka, postgres, config.network)
    standing.dsn = {"ledger": database}
    founding = federation.found()
    member, admission = federation.admit("humber")
    load = [member.achievement(f"a{number}") for number in range(3 * EACH)]
    try:
        async with attached(config) as ledger:
            first = await standing.start("ledger", "ledger-1")
            await first.until_ready()
            await ledger.send(founding, admission)
            await ledger.until_size(2)
            second, third = await standing.start("ledger", "ledger-2"), await standing.start("ledger", "ledger-3")
            for standby in (second, third):
                assert await wait_for(_says(standby.log, "standing by"), timeout_s=READY_S), standby.log.read_text()
            took = [await roll(ledger, first, signal.SIGTERM, load[:EACH], 2)]
            assert await first.ended_within(STOP_TIMEOUT_S) < STOP_TIMEOUT_S
            # Which of the standbys took over is told by its ready file; the other one stands by still.
            assert await wait_for(_one_ready(second.ready, third.ready), timeout_s=TAKE_OVER_S)
            active = second if second.ready.exists() else third
            took.append(await roll(ledger, active, signal.SIGKILL, load[EACH : 2 * EACH], 2 + EACH))
            await ledger.send(*load[2 * EACH :])
            await ledger.until_size(2 + 3 * EACH)
            outcomes = await ledger.outcomes()
            say(f"took over {took[0]} s after SIGTERM, {took[1]} s after kill -9")
    finally:
        await standing.close()
    assert [row[2] for row in outcomes if row[0] == "humber"] == list(range(1, 3 * EACH + 1))
    assert {row[3] for row in outcomes} == {"accepted"}
    assert max(took) < TAKE_OVER_S


async def roll(
    ledger: Ledger, process: Service, number: signal.Signals, load: list[SignedStatement], size: int
) -> float:
    """End the active ledger while a load is sent; the seconds until another has committed all of it."""
    sending = asyncio.create_task(ledger.send(*load))
    begun = time.monotonic()
    process.process.send_signal(number)
    await sending
    await ledger.until_size(size + len(load), TAKE_OVER_S)
    return round(time.monotonic() - begun, 1)


def _says(log: Path, words: str) -> Callable[[], Awaitable[bool]]:
    async def said() -> bool:
        return words in log.read_text()

    return said


def _one_ready(*files: Path) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return any(file.exists() for file in files)

    return ready
