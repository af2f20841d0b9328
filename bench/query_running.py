"""The real query service as a process over a real PostgreSQL, and a writer of commits into the ledger's own tables.

The log's first part stands in the index's snapshot only: the service proves that the log goes on from it by the tree's
right edge, which the head holds, and reads what follows from the database.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from bench.rules_world import NETWORK, ROOT
from passerelle.core.catalogue import BY_NAME
from passerelle.core.merkle import Frontier, leaf_hash
from passerelle.embedded import ChildSpec, Supervisor
from passerelle.embedded.readiness import file_ready
from passerelle.events.codec import write_body
from passerelle.query.histories import Position
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate

PATIENCE_S = 300.0
CHANNEL = "ledger_commit"
_ENTRY = (
    "INSERT INTO ledger.entry (index, accepted_at, member, family, sequence, visibility, type, subject, digest, entry,"
    " ingress) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'bench/0/0')"
)


def edge_of(size: int) -> tuple[bytes, ...]:
    """A right edge for a log of ``size`` entries that nobody has."""
    return tuple(hashlib.sha256(b"bench %d" % number).digest() for number in range(size.bit_count()))


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def resident(pid: int) -> int:
    """Bytes of memory that a process has (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@dataclass(slots=True)
class Log:
    """A log whose first part stands in a snapshot; what follows is committed here."""

    dsn: str
    pool: asyncpg.Pool
    tree: Frontier
    accepted_at: int
    sequences: dict[str, int] = field(default_factory=dict)

    @classmethod
    async def create(cls, dsn: str, at: Position) -> Log:
        """The ledger's schema, with a head at the position."""
        pool = await connect(DatabaseConfig(url=dsn), name="bench")
        await migrate(pool, "passerelle.ledger.migrations")
        edge = edge_of(at.size)
        await pool.execute(
            "INSERT INTO ledger.head (network, size, accepted_at, floor, frontier) VALUES ($1, $2, $3, $4, $5)",
            NETWORK, at.size, at.accepted_at, at.floor, b"".join(edge),
        )  # fmt: skip
        return cls(dsn, pool, Frontier(at.size, edge), at.accepted_at)

    @property
    def size(self) -> int:
        """Entries of the log."""
        return self.tree.size

    async def commit(self, rows: Sequence[tuple[str, str, Mapping[str, Any]]]) -> float:
        """One commit of events (step, subject, data) as the ledger makes it; the moment at which it was over."""
        self.accepted_at = max(self.accepted_at, int(time.time() * 1000))
        async with self.pool.acquire() as connection, connection.transaction():
            for name, subject, data in rows:
                await self._write(connection, name, subject, data)
            await connection.execute(
                "UPDATE ledger.head SET size = $1, accepted_at = $2, floor = $2, frontier = $3",
                self.size, self.accepted_at, b"".join(self.tree.peaks),
            )  # fmt: skip
            await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, str(self.size))
        return time.perf_counter()

    async def _write(self, connection: Any, name: str, subject: str, data: Mapping[str, Any]) -> None:
        found, index, member = BY_NAME[name], self.size, subject.partition("/")[0]
        body = write_body(
            found,
            member=member,
            subject=subject,
            identifier=f"019b1111-0000-7000-8000-{index:012x}",
            time=dt.datetime.fromtimestamp(self.accepted_at / 1000, tz=dt.UTC),
            data=data,
            nonce=None,
        )
        digest = hashlib.sha256(body).digest()
        entry = b"bench entry %d\n" % index + digest
        sequence = self.sequences[member] = self.sequences.get(member, 0) + 1
        await connection.execute(
            _ENTRY, index, self.accepted_at, member, found.family, sequence, found.visibility, found.full, subject,
            digest, entry,
        )  # fmt: skip
        await connection.execute("INSERT INTO ledger.public_body VALUES ($1, $2, $3)", index, digest, body)
        self.tree.append(leaf_hash(entry))

    async def close(self) -> None:
        """Close the connections."""
        await self.pool.close()


@dataclass(frozen=True, slots=True)
class Server:
    """A process that answers: its id, its address, and the seconds that its start took."""

    pid: int
    address: str
    start_s: float


def write_config(folder: Path, dsn: str, port: int, root: bytes = ROOT.public_key) -> Path:
    """The configuration of query processes that share one port and one snapshot; ``root``: the root's public key."""
    (folder / "root.pub").write_text(root.hex() + "\n", encoding="ascii")
    lines = [
        f"network = {json.dumps(NETWORK)}",
        'root_public_key_file = "root.pub"',
        'ledger = "127.0.0.1:9"',
        'snapshot_file = "index"',
        "share_port = true",
        f"[database]\nurl = {json.dumps(dsn)}",
        f"[grpc]\nport = {port}",
        '[telemetry]\nlog_level = "warning"',
    ]
    path = folder / "query.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@asynccontextmanager
async def process(name: str, folder: Path, *command: str) -> AsyncIterator[Server]:
    """``python -m COMMAND READY`` while the block runs."""
    ready = folder / f"{name}.ready.json"
    argv = (sys.executable, "-m", *command, str(ready))
    supervisor = Supervisor()
    started = time.perf_counter()
    try:
        log = folder / f"{name}.log"
        await supervisor.start(ChildSpec(name, argv, log, file_ready(ready), ready_seconds=PATIENCE_S))
        told = json.loads(ready.read_text())
        yield Server(int(told["pid"]), str(told["grpc"]), time.perf_counter() - started)
    finally:
        await supervisor.stop()


@asynccontextmanager
async def query(name: str, folder: Path) -> AsyncIterator[Server]:
    """A query process by the configuration in the folder."""
    command = ("passerelle", "query", "run", "--config", str(folder / "query.toml"), "--ready-file")
    async with process(name, folder, *command) as server:
        yield server
