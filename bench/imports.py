"""P8: ``python -m bench.imports [--rows N]``: the dry run of a clean CSV of awards, beside a bare csv.reader pass.

The node's database is a real PostgreSQL, which every chunk asks. The awards are of many learners, achievements, dates
and grades. Memory is what the process holds at most, after a file and after one ten times as large. CPU time tells what
the work costs where the machine is shared; the goal is in rows a second of the clock.
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

from passerelle.embedded import EmbeddedPostgres
from passerelle.node.author import Author
from passerelle.node.importer import Importer
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
class Measured:
    """Rows a second (the best round), CPU microseconds a row, peak memory in MiB after each file."""

    rows: int
    dry_run: float
    bare_reader: float
    over_bare: float
    cpu_us_a_row: float
    bare_cpu_us_a_row: float
    memory_small_mib: float
    memory_large_mib: float


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


async def dry_run(importer: Importer, path: Path, rows: int) -> tuple[float, float]:
    """Rows a second, CPU microseconds a row."""
    started, cpu = time.perf_counter(), time.process_time()
    report = await importer.run(path, dry_run=True)
    took, used = time.perf_counter() - started, time.process_time() - cpu
    if (report.rows, report.new, report.refused) != (rows, rows, 0):
        raise RuntimeError(f"the dry run found {report.new} of {rows} rows new and refused {report.refused}")
    return rows / took, used / rows * 1e6


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
            vault, author = Vault(bytes(range(32)), keys, ids), Author("bench", clock, ids)
            importer = Importer(PostgresStore(pool), author, vault, keys, clock, ids, "bench")
            await importer.run(titles)
            await dry_run(importer, small, rows // 10)
            after_small = peak_mib()
            found = [(await dry_run(importer, large, rows), bare(large)) for _ in range(ROUNDS)]
        finally:
            await pool.close()
    best, reader = max(one[0][0] for one in found), max(one[1][0] for one in found)
    cpu, reader_cpu = min(one[0][1] for one in found), min(one[1][1] for one in found)
    return Measured(rows, best, reader, best / reader, cpu, reader_cpu, after_small, peak_mib())


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description="The dry run of a clean CSV file.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the larger file (default 1,000,000)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(measure(Path(folder), chosen.rows))
    Console().print(
        f"dry run of {found.rows:,} rows: {found.dry_run:,.0f} rows/s (goal {GOAL:,}), {found.cpu_us_a_row:.1f} us CPU"
        f" a row; csv.reader twice over the file {found.bare_reader:,.0f} rows/s,"
        f" {found.bare_cpu_us_a_row:.1f} us CPU: {found.over_bare:.2f} of it; memory"
        f" {found.memory_small_mib:.0f} MiB after a tenth of the file, {found.memory_large_mib:.0f} MiB after all of it"
    )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "imports.json").write_text(json.dumps(asdict(found) | {"machine": machine}, indent=2) + "\n")


if __name__ == "__main__":
    main()
