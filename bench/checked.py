"""``ledger check`` and ``ledger rebuild`` over a log of a million real entries, against the ingest that made it.

``python -m bench.checked [--events N]``: events in batches of 256, each decided by the running ledger; then both
commands as they are typed, start and end included. The goal: check at no less than half the speed of ingest, rebuild at
twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from bench.events import generate
from bench.ingest import finish_opening, ingest_rate
from bench.running import Bench
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Checked:
    """Entries of the log, and entries a second."""

    entries: int
    ingest: float
    check: float
    check_over_ingest: float
    rebuild: float
    rebuild_over_ingest: float


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.checked", description="Check and rebuild of a long log.")
    parser.add_argument("--events", type=int, default=1_000_000, help="entries of the log (default 1,000,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(_run(Path(folder), chosen.events, console))
    console.print(
        f"{found.entries:,} entries: ingest {found.ingest:,.0f}/s, check {found.check:,.0f}/s ="
        f" {found.check_over_ingest:.2f} x (goal 0.5), rebuild {found.rebuild:,.0f}/s ="
        f" {found.rebuild_over_ingest:.2f} x (goal 2)"
    )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "checked.json").write_text(json.dumps(asdict(found) | {"machine": machine}, indent=2) + "\n")


async def _run(folder: Path, events: int, console: Console) -> Checked:
    console.print(f"making {events:,} events")
    load = generate(events, batched=True)
    async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedKafka(folder / "kafka") as kafka:
        bench = Bench(folder / "checked", kafka, postgres, load.federation, "bench_checked")
        await bench.open()
        await finish_opening(bench, load)
        console.print("sending them to Kafka")
        await bench.produce(load.events)
        load.events.clear()
        console.print("the ledger takes them in")
        live = await ingest_rate(bench, events)
        console.print("check")
        check = await bench.command_rate("check", live.size)
        console.print("rebuild")
        rebuild = await bench.command_rate("rebuild", live.size)
    return Checked(live.size, live.rate, check, check / live.rate, rebuild, rebuild / live.rate)


if __name__ == "__main__":
    main()
