"""P8: ``python -m bench.imports [--rows N]``: the dry run of a clean CSV of awards, beside a bare csv.reader pass.

The node's database is a real PostgreSQL, which every chunk asks. The awards are of many learners, achievements, dates
and grades. Memory is what the process holds at most, after a file and after one ten times as large. The goal is in rows
a second of the clock, on a machine with nothing else to do. CPU time, of this process and of PostgreSQL apart, tells
what the work costs where the machine is shared: dry run and database take turns, so that the sum is what one processor
reaches. A tenth of the rows is then imported, and tried again once it is known.
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
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from bench.running import cpu_seconds
from passerelle.embedded import EmbeddedPostgres
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
GOAL = 50_000
ROUNDS = 3
ACHIEVEMENTS = 200
HEADER = (
    "record_id,achievement,conferred_on,result_scheme,result_grade,credits,learner_student_number,learner_name,"
    "learner_birth_date,learner_email\n"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Rows a second of the clock; CPU microseconds a row of this process and of PostgreSQL; rows a second of both."""

    rows_s: float
    cpu_us: float
    postgres_us: float
    rows_per_cpu_s: float

    @classmethod
    def of(cls, rows: int, took: float, used: float, database: float) -> Cost:
        """From seconds."""
        return cls(rows / took, used / rows * 1e6, database / rows * 1e6, rows / (used + database))


@dataclass(frozen=True, slots=True)
class Measured:
    """The dry run is the best of its rounds; memory is the peak in MiB after each file."""

    rows: int
    dry_run: Cost
    bare_reader: float
    over_bare: float
    bare_cpu_us_a_row: float
    memory_small_mib: float
    memory_large_mib: float
    imported: Cost
    known: Cost
    """A dry run of what was imported: each row is compared with its record, and nothing changed."""


def write_awards(path: Path, rows: int) -> None:
    """A clean file of awards on made-up learners."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for n in range(rows):
            file.write(
                f"A-{n},a{n % ACHIEVEMENTS},2026-{n % 12 + 1:02d}-{n % 28 + 1:02d},percentage-50,{50 + n * 7 % 51},"
                f"3 credit-hours,S{n:08d},Given{n % 977} Family{n},{1960 + n % 45}-{n % 11 + 1:02d}-17,"
                f"s{n}@mail.example\n"
            )


def bare(path: Path) -> tuple[float, float]:
    """csv.reader alone, twice over the file as an import reads it: rows a second, CPU microseconds a row."""
    started, cpu, count = time.perf_counter(), time.process_time(), 0
    for _ in range(2):
        with path.open(encoding="utf-8", newline="") as file:
            count = sum(1 for _ in csv.reader(file)) - 1
    return count / (time.perf_counter() - started), (time.process_time() - cpu) / count * 1e6


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def database_cpu(postmaster: int) -> float:
    """CPU seconds of the server's processes that are alive (Linux)."""
    children = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())
    return sum(cpu_seconds(pid) for pid in children if parent(pid) == postmaster)


def parent(pid: int) -> int:
    """A process's parent; 0 of one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except FileNotFoundError:
        return 0


@dataclass(frozen=True, slots=True)
class Bench:
    """A node's import on its database."""

    importer: Importer
    postmaster: int

    async def run(self, path: Path, rows: int, *, outcome: str, dry: bool = True) -> Cost:
        """Import, or try to; every row must have this outcome."""
        started, cpu, database = time.perf_counter(), time.process_time(), database_cpu(self.postmaster)
        report = await self.importer.run(path, dry_run=dry)
        took, used = time.perf_counter() - started, time.process_time() - cpu
        if (report.rows, getattr(report, outcome), report.refused) != (rows, rows, 0):
            raise RuntimeError(f"of {rows} rows {getattr(report, outcome)} are {outcome} and {report.refused} refused")
        return Cost.of(rows, took, used, database_cpu(self.postmaster) - database)


async def measure(folder: Path, rows: int) -> Measured:
    """Both files, on a database in which the achievements are known."""
    small, large = folder / "small.csv", folder / "large.csv"
    write_awards(small, rows // 10)
    write_awards(large, rows)
    titles = folder / "achievements.csv"
    lines = "".join(f"a{n},course,Course {n},en,yes\n" for n in range(ACHIEVEMENTS))
    titles.write_text(f"id,kind,title,language,credit_bearing\n{lines}", encoding="utf-8")
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        pool = await open_pool(DatabaseConfig(url=await postgres.create_database("bench_imports")), name="bench")
        try:
            clock = SystemClock()
            ids, keys = SystemIds(clock), RecordKeys(bytes(range(32)))
            vault, author = Vault(FileKey(bytes(range(32)), ids), keys, ids), Author("bench", clock, ids)
            importer = Importer(PostgresStore(pool), author, vault, keys, clock, ids, "bench")
            await importer.run(titles)
            bench = Bench(importer, postgres.pid or 0)
            await bench.run(small, rows // 10, outcome="new")
            after_small = peak_mib()
            found = [(await bench.run(large, rows, outcome="new"), bare(large)) for _ in range(ROUNDS)]
            after_large = peak_mib()
            imported = await bench.run(small, rows // 10, outcome="new", dry=False)
            known = await bench.run(small, rows // 10, outcome="unchanged")
        finally:
            await pool.close()
    best, reader = max((one[0] for one in found), key=lambda one: one.rows_s), max(one[1][0] for one in found)
    reader_cpu = min(one[1][1] for one in found)
    return Measured(
        rows, best, reader, best.rows_s / reader, reader_cpu, after_small, after_large, imported, known
    )  # fmt: skip


def told(name: str, cost: Cost) -> str:
    """One line."""
    return (
        f"{name}: {cost.rows_s:,.0f} rows/s; {cost.cpu_us:.1f} us CPU a row and {cost.postgres_us:.1f} of PostgreSQL:"
        f" {cost.rows_per_cpu_s:,.0f} rows a CPU second"
    )


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description="The dry run of a clean CSV file.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the larger file (default 1,000,000)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(measure(Path(folder), chosen.rows))
    out = Console()
    out.print(told(f"dry run of {found.rows:,} new rows (goal {GOAL:,})", found.dry_run))
    out.print(told(f"import of {found.rows // 10:,} of them", found.imported))
    out.print(told("dry run of these once they are known", found.known))
    out.print(
        f"csv.reader twice over the file: {found.bare_reader:,.0f} rows/s, {found.bare_cpu_us_a_row:.1f} us CPU; memory"
        f" {found.memory_small_mib:.0f} MiB after a tenth of the file, {found.memory_large_mib:.0f} MiB after all of it"
    )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imports.json").write_text(json.dumps(asdict(found) | {"machine": machine}, indent=2) + "\n")


if __name__ == "__main__":
    main()
