"""``python -m bench [--events N] [--naive N]``: P1 and P3, on an embedded Kafka and PostgreSQL of this run."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.ingest import Ingest, Latency, as_json, measure, measure_latency
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

RESULTS = Path(__file__).parent / "results"
GOALS = {"single": (0.60, 8000), "batched": (1.0, 14000)}
"""Over the ceiling, and events a second."""


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ingest against its ceilings and a peer.")
    parser.add_argument("--events", type=int, default=100_000, help="events of each mode (default 100,000)")
    parser.add_argument("--naive", type=int, default=3_000, help="events that the naive service takes (default 3,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        ingests, latency = asyncio.run(_run(Path(folder), chosen.events, chosen.naive, console))
    console.print(_table(ingests))
    console.print(
        f"send to feed at {latency.rate} events/s: p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms,"
        f" worst {latency.worst:.0f} ms (goal 50 and 250)"
    )
    result = as_json(ingests, latency) | {
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()}
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


async def _run(folder: Path, events: int, naive: int, console: Console) -> tuple[list[Ingest], Latency]:
    # A log belongs to its broker: each run has a Kafka of its own.
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        ingests = []
        for mode in ("single", "batched"):
            async with EmbeddedKafka(folder / f"kafka-{mode}") as kafka:
                ingests.append(await measure(mode, events, folder, kafka, postgres, naive, console.print))
        async with EmbeddedKafka(folder / "kafka-latency") as kafka:
            return ingests, await measure_latency(folder, kafka, postgres, console.print)


def _table(ingests: list[Ingest]) -> Table:
    table = Table(title="Verified ledger ingest, feed and inboxes published (events/s)")
    columns = ("mode", "ingest", "goal", "CPU us/event", "bare COPY", "bare verify x2", "ceiling", "over", "goal")
    for name in (*columns, "naive", "over naive"):
        table.add_column(name, justify="right")
    for one in ingests:
        ratio, rate = GOALS[one.mode]
        table.add_row(
            one.mode, f"{one.ingest:,.0f}", f"{rate:,}", f"{one.cpu_us_an_event:.0f}", f"{one.copy:,.0f}",
            f"{one.verify:,.0f}", f"{one.ceiling:,.0f}", f"{one.over_ceiling:.2f}", f"{ratio:.2f}",
            f"{one.naive:,.0f}", f"{one.over_naive:.1f}",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    main()
