"""The real ledger as a process over the embedded servers, and how far it has come."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from passerelle.core.batch import SignedStatement
from passerelle.core.note import NoteSigner
from passerelle.embedded import ChildSpec, EmbeddedKafka, EmbeddedPostgres, Supervisor
from passerelle.embedded.readiness import file_ready
from passerelle.ledger.config import LedgerConfig
from passerelle.runtime.kafka import start_producer
from passerelle.runtime.keys import read_seed
from passerelle.testing.federation import Federation, send
from passerelle.testing.running_ledger import begin_at_the_end, make_config

PATIENCE_S = 600.0
POLL_S = 0.02
READY_S = 60.0


@dataclass(slots=True)
class Bench:
    """One database and one configuration for one measured run."""

    folder: Path
    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres
    federation: Federation
    name: str
    dsn: str = ""
    config: LedgerConfig | None = None
    toml: Path = field(default=Path())

    async def open(self) -> LedgerConfig:
        """A fresh database that reads from the present end of the topics."""
        self.dsn = await self.postgres.create_database(self.name)
        self.folder.mkdir(parents=True)
        self.config = make_config(self.folder, self.kafka.bootstrap, self.dsn, self.federation)
        await begin_at_the_end(self.config)
        self.toml = self.folder / "ledger.toml"
        lines = [
            f"network = {json.dumps(self.config.network)}",
            f"root_public_key_file = {json.dumps(str(self.config.root_public_key_file))}",
            f"log_key_file = {json.dumps(str(self.config.log_key_file))}",
            f"[kafka]\nbootstrap = {json.dumps(self.kafka.bootstrap)}",
            f"[database]\nurl = {json.dumps(self.dsn)}",
            '[telemetry]\nlog_level = "warning"',
        ]
        self.toml.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.config

    async def produce(self, events: Sequence[SignedStatement], chunk: int = 2000) -> float:
        """Send events; returns the seconds that it took."""
        assert self.config is not None
        producer = await start_producer(self.config.kafka, client_id="bench")
        start = time.perf_counter()
        try:
            for first in range(0, len(events), chunk):
                await send(producer, events[first : first + chunk])
        finally:
            await producer.stop()
        return time.perf_counter() - start

    @asynccontextmanager
    async def ledger(self, ready_s: float = READY_S) -> AsyncIterator[int]:
        """The ledger process while the block runs, which is ready within ``ready_s``; yields its process id."""
        ready = self.folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "passerelle", "ledger", "run", "--config", str(self.toml)]
        spec = ChildSpec(
            name="ledger",
            argv=(*command, "--ready-file", str(ready)),
            log=self.folder / "ledger.log",
            ready=file_ready(ready),
            ready_seconds=ready_s,
        )
        supervisor = Supervisor()
        try:
            await supervisor.start(spec)
            yield int(json.loads(ready.read_text())["pid"])
        finally:
            await supervisor.stop()

    async def command_rate(self, name: str, entries: int) -> float:
        """Entries a second of ``passerelle ledger NAME`` over the whole log, its start left in."""
        assert self.config is not None
        vkey = str(NoteSigner(self.config.network, read_seed(self.config.log_key_file)).verifier)
        options = ("--vkey", vkey) if name == "check" else ()
        start = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "passerelle", "ledger", name, "--config", str(self.toml), "--json", *options,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"ledger {name} failed: {said[-2000:].decode()}")
        return entries / (time.perf_counter() - start)

    @asynccontextmanager
    async def look(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection of the observer."""
        connection: asyncpg.Connection[Any] = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()


async def until_published(look: asyncpg.Connection[Any], size: int) -> None:
    """Wait until feed and inboxes hold everything up to ``size``. Raises TimeoutError."""
    deadline = time.perf_counter() + PATIENCE_S
    while True:
        fed = await look.fetchval("SELECT coalesce(max(position), 0) FROM ledger.published WHERE name = 'feed'")
        owed = await look.fetchval("SELECT coalesce(sum(number - published), 0) FROM ledger.inbox_head")
        if fed >= size and owed == 0:
            return
        if time.perf_counter() > deadline:
            raise TimeoutError(f"the feed stands at {fed} of {size}")
        await asyncio.sleep(POLL_S)


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100
