"""A network of processes for tests of stops and starts: an operator's folder, and each service as people run it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.runtime.process import wait_for

SERVICES = Path(__file__).resolve().parents[2] / "services"
READY_S = 60.0


def family(pid: int) -> list[int]:
    """A process and all that descend from it (Linux, proc(5)): a server freezes only with its children."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


@dataclass
class Service:
    """One process."""

    name: str
    process: asyncio.subprocess.Process
    ready: Path
    log: Path
    started: float = field(default_factory=time.monotonic)

    async def until_ready(self) -> dict[str, Any]:
        """Its addresses, once it is really ready. Raises AssertionError with its log."""

        async def up() -> bool:
            return self.ready.exists() or self.process.returncode is not None

        assert await wait_for(up, timeout_s=READY_S), f"{self.name} is not ready\n{self.log.read_text()}"
        assert self.ready.exists(), f"{self.name} ended\n{self.log.read_text()}"
        told: dict[str, Any] = json.loads(self.ready.read_text())
        return told

    async def ended_within(self, seconds: float) -> float:
        """Wait for its end with exit code 0; the seconds that it took. Raises AssertionError."""
        begun = time.monotonic()
        try:
            code = await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"{self.name} did not end in {seconds} s\n{self.log.read_text()}") from None
        assert code == 0, f"{self.name} ended with {code}\n{self.log.read_text()}"
        return time.monotonic() - begun


class Standing:
    """The operator's folder, and the processes that were started on it."""

    def __init__(self, folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, network: str) -> None:
        self.folder = folder
        self.kafka = kafka
        self.postgres = postgres
        self.network = network
        self.services: dict[str, Service] = {}

    async def found(self, name: str) -> None:
        """Make the databases and the operator; ``name`` is new on these servers."""
        self.dsn = {one: await self.postgres.create_database(f"{name}_{one}") for one in ("ledger", "node", "portal")}
        process = await self._spawn(
            "operator", "init", "--folder", str(self.folder / "operator"), "--network", self.network,
            "--name", "en=The operator", "--database", self.dsn["node"], "--kafka", self.kafka.bootstrap,
            "--query", "127.0.0.1:1", log=self.folder / "init.log",
        )  # fmt: skip
        assert await asyncio.wait_for(process.wait(), READY_S) == 0, (self.folder / "init.log").read_text()

    async def start(self, service: str, name: str = "", **settings: object) -> Service:
        """Start ``ledger``, ``node``, ``query`` or ``portal``; several of one kind by name."""
        name = name or service
        config = self.folder / "operator" / "node.toml" if service == "node" else self._write(service, name, settings)
        ready, log = self.folder / f"{name}.json", self.folder / f"{name}.log"
        ready.unlink(missing_ok=True)
        process = await self._spawn(service, "run", "--config", str(config), "--ready-file", str(ready), log=log)
        self.services[name] = Service(name, process, ready, log)
        return self.services[name]

    def _write(self, service: str, name: str, settings: dict[str, object]) -> Path:
        own = {
            "ledger": {"log_key_file": str(self.folder / "operator" / "log.key"), **settings},
            "query": {"ledger": "127.0.0.1:1", **settings},
            "portal": {"query": "127.0.0.1:1", **settings},
        }[service]
        lines = [
            f"network = {json.dumps(self.network)}",
            f"root_public_key_file = {json.dumps(str(self.folder / 'operator' / 'root.pub'))}",
            *(f"{key} = {json.dumps(value)}" for key, value in own.items()),
            f"[kafka]\nbootstrap = {json.dumps(self.kafka.bootstrap)}",
            f"[database]\nurl = {json.dumps(self.dsn['portal' if service == 'portal' else 'ledger'])}",
        ]
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    async def _spawn(self, *arguments: str, log: Path) -> asyncio.subprocess.Process:
        with log.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "passerelle", *arguments,
                env={**os.environ, "PYTHONPATH": str(SERVICES)}, stdout=output, stderr=output,
            )  # fmt: skip

    async def close(self) -> None:
        """Kill what still runs."""
        for service in self.services.values():
            if service.process.returncode is None:
                service.process.kill()
            await service.process.wait()
