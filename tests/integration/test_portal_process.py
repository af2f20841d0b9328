"""The portal as a process: it starts from its file, says when it is ready, and ends when told to."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import run_here
from tests.unit.portal.builder import NETWORK, Log

from passerelle.embedded import EmbeddedKafka
from passerelle.runtime.process import wait_for

ROOT = Path(__file__).resolve().parents[2]


def write_config(folder: Path, bootstrap: str, dsn: str) -> Path:
    (folder / "root.pub").write_text(Log().root_key.hex() + "\n", encoding="ascii")
    path = folder / "portal.toml"
    path.write_text(
        f'network = "{NETWORK}"\nroot_public_key_file = "root.pub"\nquery = "127.0.0.1:1"\n'
        f'[kafka]\nbootstrap = "{bootstrap}"\n[database]\nurl = "{dsn}"\n[http]\nport = 0\n',
        encoding="utf-8",
    )
    return path


def start(folder: Path, config: Path, ready: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "passerelle", "portal", "run", "--config", str(config), "--ready-file", str(ready)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "services")}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of its own: a portal rightly ends where the feed is another network's, as the shared one may be."""
    server = EmbeddedKafka(tmp_path / "kafka")
    run_here(server.start())
    yield server
    run_here(server.stop())


async def test_start_ready_and_a_stop_with_a_reader_connected(
    own_kafka: EmbeddedKafka, database: str, tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"
    process = start(tmp_path, write_config(tmp_path, own_kafka.bootstrap, database), ready)
    try:

        async def up() -> bool:
            return ready.exists() or process.poll() is not None

        assert await wait_for(up, timeout_s=60)
        assert ready.exists(), (tmp_path / "log").read_text()
        told = json.loads(ready.read_text())
        assert told["pid"] == process.pid
        async with httpx.AsyncClient(base_url=told["http"], timeout=20) as client:
            assert (await client.get("/healthz")).status_code == 200
            assert "Le registre" in (await client.get("/fr/ledger")).text
            health = await client.get(told["health"] + "/metrics")
            assert health.status_code == 200
            async with client.stream("GET", "/feed") as response:
                lines = response.aiter_lines()
                assert await anext(lines) == "event: hello"
                process.send_signal(signal.SIGTERM)
                rest = [line async for line in lines]
                assert "event: resume" in rest
        assert await asyncio.to_thread(process.wait, 20) == 0, (tmp_path / "log").read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def test_a_wrong_setting_is_told_and_nothing_starts(tmp_path: Path) -> None:
    config = write_config(tmp_path, "127.0.0.1:1", "postgresql://nobody@127.0.0.1:1/none")
    config.write_text(config.read_text().replace("query =", "queries = 1\nquery ="), encoding="utf-8")
    process = start(tmp_path, config, tmp_path / "ready.json")
    try:
        assert await asyncio.to_thread(process.wait, 60) == 1
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    log = (tmp_path / "log").read_text()
    assert "config-invalid" in log
    assert "queries" in log
    assert not (tmp_path / "ready.json").exists()
