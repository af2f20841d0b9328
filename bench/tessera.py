"""A peer where Go is installed: Tessera's POSIX log, given the same entries as bytes. It verifies no signature."""

from __future__ import annotations

import asyncio
import json
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench.going import build

RUN_S = 300


@dataclass(frozen=True, slots=True)
class Tessera:
    """Events a second until a published checkpoint covers the last entry, without and with memory of repeats."""

    plain: float
    deduplicated: float


async def tessera_rates(dsn: str, limit: int) -> Tessera | None:
    """Both rates on the entries of this ledger; None where Go is not installed or its modules cannot be fetched."""
    with tempfile.TemporaryDirectory(prefix="passerelle-tessera-") as name:
        folder = Path(name)
        program = await build("tessera", folder)
        if program is None:
            return None
        entries = folder / "entries"
        await _write(dsn, limit, entries)
        return Tessera(
            await _rate(program, entries, folder / "plain"), await _rate(program, entries, folder / "dedup", "-dedup")
        )


async def _write(dsn: str, limit: int, to: Path) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT entry FROM ledger.entry ORDER BY index LIMIT $1", limit)
    finally:
        await connection.close()
    await asyncio.to_thread(to.write_bytes, b"".join(struct.pack(">I", len(row[0])) + row[0] for row in rows))


async def _rate(program: Path, entries: Path, log: Path, *options: str) -> float:
    log.mkdir()
    with entries.open("rb") as given:
        running = await asyncio.create_subprocess_exec(
            str(program), "-folder", str(log), *options, stdin=given, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(RUN_S):
                output, _ = await running.communicate()
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()
    if running.returncode != 0:
        raise RuntimeError("the Tessera peer failed")
    told = json.loads(output)
    return float(told["entries"] / told["seconds"])
