"""``python -m bench.agreements [--rows N]``: a whole transfer guide into a node, and out again.

The node's database is a real PostgreSQL. Rows are of a few thousand courses, N to M, with conditions and notes. Rows a
second are of the clock; CPU time tells what the work costs where the machine is shared. Memory is what the process
holds at most, after a file and after one five times as large.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import platform
import resource
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from passerelle.core.signature import SeedSigner
from passerelle.embedded import EmbeddedPostgres
from passerelle.node.agreements.book import Book, Institution
from passerelle.node.agreements.desk import AgreementDesk, rows_of
from passerelle.node.agreements.reading import reader_of
from passerelle.node.author import Author
from passerelle.node.importer import Importer
from passerelle.node.key_encryption import FileKey
from passerelle.node.people import Vault
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.node.records import RecordKeys
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.ids import SystemIds

RESULTS = Path(__file__).parent / "results"
COURSES = 2_000
SEED = bytes(range(32))
BOOK = Book([Institution("SFU", "sfu", "units", "letter-4.33", "sfu/to-bccat"), Institution("UFV", "ufv")])
HEADER = "agreement_id,sending,receiving,begin,end,conditions,public_note,private_note\n"
GRADE = "Must have a grade of C- or better to use as a prerequisite"


@dataclass(slots=True)
class Measured:
    """Rows a second and CPU microseconds a row, by step; peak memory in MiB: after a fifth of the file
    and all of it as a dry run, and after its import."""

    rows: int
    rows_a_second: dict[str, int] = field(default_factory=dict)
    cpu_us_a_row: dict[str, float] = field(default_factory=dict)
    memory_small_mib: int = 0
    memory_large_mib: int = 0
    memory_import_mib: int = 0


def write_guide(path: Path, rows: int) -> None:
    """A clean file of agreements."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for n in range(rows):
            a, b = n % COURSES, (n * 7 + 1) % COURSES
            sending = f"UFV ABC {1000 + a} & {1000 + b}" if n % 4 == 0 else f"UFV ABC {1000 + a}"
            receiving = f"SFU XYZ {1000 + b} (3) & XYZ 1XX (3)" if n % 5 == 0 else f"SFU XYZ {1000 + b} (3) - B Hum"
            end = "2020-08-31" if n % 3 == 0 else ""
            note = f"Note {n}" if n % 2 else ""
            file.write(
                f"t{n},{sending},{receiving},{1998 + n % 20}-09-01,{end},{GRADE if n % 6 == 0 else ''},{note},\n"
            )


def peak_mib() -> int:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


async def timed(measured: Measured, name: str, work: Awaitable[Any]) -> Any:
    """Do a step and note what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    result = await work
    measured.rows_a_second[name] = round(measured.rows / (time.perf_counter() - started))
    measured.cpu_us_a_row[name] = round(1e6 * (time.process_time() - cpu) / measured.rows, 1)
    return result


async def release(store: PostgresStore, member: str, clock: SystemClock) -> int:
    """Number, link and sign everything."""
    total, signer = 0, SeedSigner(SEED)
    while count := await store.release_ready(signer, network="bench.example/1", member=member, now_ms=clock.now_ms()):
        total += count
    return total


async def export(store: PostgresStore, path: Path) -> int:
    """Write all agreements."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        async for row in rows_of(store, BOOK, "bccat"):
            writer.writerow(row.values())
            count += 1
    return count


async def measured_in(url: str, folder: Path, rows: int) -> Measured:
    """All steps on a database of its own."""
    clock = SystemClock()
    ids, keys = SystemIds(clock), RecordKeys(SEED)
    pool = await open_pool(DatabaseConfig(url=url), name="bench-agreements")
    store = PostgresStore(pool)
    try:
        known = [(f"achievement:{course}",) for n in range(COURSES) for course in
                 (f"ufv/ABC{1000 + n}", f"sfu/XYZ{1000 + n}")]  # fmt: skip
        async with pool.acquire() as connection:
            await connection.executemany("INSERT INTO node.seen (key) VALUES ($1)", known)
            for key in ("delegation:sfu/to-bccat", "member:sfu"):
                await connection.execute("INSERT INTO node.seen (key) VALUES ($1)", key)
        vault = Vault(FileKey(SEED, ids), keys, ids)
        importer = Importer(store, Author("bccat", clock, ids), vault, keys, clock, ids, "bccat")
        desk = AgreementDesk(store, BOOK, "bccat")
        small, path = folder / "small.csv", folder / "guide.csv"
        write_guide(small, max(1, rows // 5))
        write_guide(path, rows)
        measured = Measured(rows)
        await desk.run(reader_of(small, BOOK), importer, dry_run=True)
        measured.memory_small_mib = peak_mib()
        read = reader_of(path, BOOK)
        dry = await timed(measured, "dry run", desk.run(read, importer, dry_run=True))
        measured.memory_large_mib = peak_mib()
        report = await timed(measured, "import", desk.run(read, importer))
        measured.memory_import_mib = peak_mib()
        released = await timed(measured, "number and sign", release(store, "bccat", clock))
        again = await timed(measured, "import again", desk.run(read, importer))
        exported = await timed(measured, "export", export(store, folder / "out.csv"))
        found = (dry.new, report.new, released, again.unchanged, exported)
        if any(count != rows for count in found):
            raise SystemExit(f"not every row went through: {found} of {rows}")
        return measured
    finally:
        await pool.close()


async def measure(folder: Path, rows: int) -> Measured:
    """Measure on a PostgreSQL of its own."""
    async with EmbeddedPostgres(folder / "postgres") as server:
        return await measured_in(await server.create_database("agreements"), folder, rows)


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=250_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        measured = asyncio.run(measure(Path(folder), rows))
    console = Console()
    for name, rate in measured.rows_a_second.items():
        console.print(
            f"{name:>16}: {rate:>8,} rows/s, {measured.cpu_us_a_row[name]:>7,.1f} us CPU a row of this process"
        )
    console.print(
        f"memory: {measured.memory_small_mib} MiB after a fifth, {measured.memory_large_mib} MiB after all of a"
        f" dry run, {measured.memory_import_mib} MiB after the import"
    )
    RESULTS.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version()}
    result = RESULTS / "agreements.json"
    result.write_text(json.dumps({**asdict(measured), "machine": machine}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
