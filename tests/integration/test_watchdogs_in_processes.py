"""Watchdogs in the processes that people run: each is provoked, acts, says so, and the next start goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.ledger_out import empty_topics
from tests.integration.standing import SERVICES, Service, Standing

from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.ledger.config import LedgerConfig
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import attached, begin_at_the_end, make_config

END_S = 20.0
BLOCKING = """
import runpy, signal, sys, time
# A handler runs in the thread of the loop: it is work that does not give the loop back.
signal.signal(signal.SIGUSR1, lambda *_: time.sleep(1))
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
sys.argv = ["passerelle", *sys.argv[1:]]
runpy.run_module("passerelle", run_name="__main__")
"""


class Seen:
    """What a process says of itself over HTTP: the last snapshot of health, and every metric's samples."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.watchdogs: dict[str, dict[str, Any]] = {}
        self.metrics: dict[tuple[str, str], float] = {}

    async def look(self) -> None:
        async with httpx.AsyncClient(trust_env=False, base_url=f"http://{self._address}", timeout=5) as client:
            self.watchdogs = (await client.get("/readyz")).json()["watchdogs"]
            text = (await client.get("/metrics")).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        self.metrics = {(one.name, one.labels.get("watchdog", "")): one.value for one in samples}

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        async def holds() -> bool:
            await self.look()
            return condition()

        assert await wait_for(holds, timeout_s=END_S), f"{what}: {self.watchdogs} {self.metrics}"


async def ended(service: Service) -> str:
    """Wait for the end with exit code 1, which tells a supervisor to start it again; what it logged."""
    code = await asyncio.wait_for(service.process.wait(), END_S)
    said = service.log.read_text()
    assert code == 1, said
    return said


@pytest.fixture
async def standing(
    kafka: EmbeddedKafka, postgres: EmbeddedPostgres, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[tuple[Standing, LedgerConfig, Federation]]:
    federation = Federation(f"test.example/{unique_name('net')}")
    folder = tmp_path / "operator"
    folder.mkdir()
    config = make_config(folder, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    made = Standing(tmp_path, kafka, postgres, federation.network)
    made.dsn = {"ledger": database}
    try:
        yield made, config, federation
    finally:
        await made.close()


async def test_a_ledger_over_its_memory_sheds_says_so_and_ends_for_a_restart(
    standing: tuple[Standing, LedgerConfig, Federation],
) -> None:
    servers, _config, _federation = standing
    service = await servers.start("ledger", memory_max_mb=16, memory_over_s=2)
    seen = Seen((await service.until_ready())["health"])

    def said() -> bool:
        held = seen.metrics.get(("passerelle_memory_resident_bytes", ""), 0)
        return (
            seen.metrics.get(("passerelle_memory_shed_total", "")) == 1
            and held > 16 * 1024 * 1024
            and seen.watchdogs["memory"]["still_s"] > 0
            and seen.metrics[("passerelle_watchdog_still_seconds", "memory")] > 0
        )

    await seen.until(said, "it says that it is over its bound")
    assert seen.watchdogs["memory"]["limit_s"] == 2
    log = await ended(service)
    for words in ("caches are given up", "a watchdog acts", "memory-exceeded", "memory_max_mb"):
        assert words in log, log


async def test_a_commit_that_stands_still_ends_the_ledger_and_the_next_one_goes_on(
    standing: tuple[Standing, LedgerConfig, Federation], monkeypatch: pytest.MonkeyPatch
) -> None:
    servers, config, federation = standing
    monkeypatch.setenv("PASSERELLE_DATABASE__STATEMENT_TIMEOUT_S", "8")
    service = await servers.start("ledger", loop_stalled_s=5)
    seen = Seen((await service.until_ready())["health"])
    async with attached(config) as ledger:
        async with ledger.look.transaction():
            # Everybody may read, nobody may add: the commit waits, and the lease is kept.
            await ledger.look.execute("LOCK TABLE ledger.entry IN SHARE MODE")
            await ledger.send(federation.found())
            await seen.until(lambda: seen.watchdogs["ledger-loop"]["still_s"] > 1, "it says that a batch stands still")
            assert seen.metrics[("passerelle_watchdog_still_seconds", "ledger-loop")] > 1
            assert await wait_for(_logged(service.log, "a watchdog acts"), timeout_s=END_S), service.log.read_text()
        log = await ended(service)
        for words in ("ledger-loop", "loop-stalled"):
            assert words in log, log
        # Whether the commit on its way came to its end or not: the next ledger has the event once.
        await (await servers.start("ledger", "again")).until_ready()
        await ledger.until_size(1)
        assert await ledger.outcomes() == [("operator", "member", 1, "accepted")]


async def test_a_loop_that_is_late_says_so_and_one_that_stays_blocked_ends_the_process(tmp_path: Path) -> None:
    config, ready, log = tmp_path / "gateway.toml", tmp_path / "ready.json", tmp_path / "gateway.log"
    (tmp_path / "root.pub").write_text("00" * 32 + "\n", encoding="ascii")
    config.write_text(
        'network = "test.example/blocked"\nroot_public_key_file = "root.pub"\nquery = "127.0.0.1:1"\n'
        "loop_blocked_s = 2.5\n",
        encoding="utf-8",
    )
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", BLOCKING, "gateway", "run", "--config", str(config), "--ready-file", str(ready),
            env={**os.environ, "PYTHONPATH": str(SERVICES)}, stdout=output, stderr=output,
        )  # fmt: skip
    service = Service("gateway", process, ready, log)
    try:
        seen = Seen((await service.until_ready())["health"])
        await seen.look()
        assert seen.watchdogs["event-loop"] == {"still_s": 0.0, "limit_s": 2.5, "acts": 0}
        process.send_signal(signal.SIGUSR1)
        assert await wait_for(_logged(log, "the event loop stood still"), timeout_s=END_S), log.read_text()
        await seen.until(
            lambda: seen.metrics[("passerelle_loop_lag_seconds_sum", "")] > 0.4, "it was late, and goes on"
        )
        process.send_signal(signal.SIGUSR2)
        said = await ended(service)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    for words in ("a watchdog acts", "event-loop", "loop-stalled", "most recent call first", "in <lambda>"):
        assert words in said, said


def _logged(log: Path, words: str) -> Callable[[], Awaitable[bool]]:
    async def logged() -> bool:
        return words in log.read_text()

    return logged
