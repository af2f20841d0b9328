"""``python -m bench [--events N] [--naive N]``: P1 to P5 and P10, on an embedded Kafka and PostgreSQL of this run."""

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
from rich.table import Table

from bench.ingest import Ingest, measure
from bench.latency import Latency, measure_latency
from bench.relay import Relayed, measure_relay
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

RESULTS = Path(__file__).parent / "results"
RATES = (200, 2000)
OF_MAXIMUM = 0.8
"""The third rate of the latencies, as a share of what singly signed ingest reached."""
RELAYED = 60_000
"""Events of the relay's measurement, one member's share of which is sent."""


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Ingest against its ceilings and a peer.")
    parser.add_argument("--events", type=int, default=100_000, help="events of each mode (default 100,000)")
    parser.add_argument("--naive", type=int, default=3_000, help="events that the naive service takes (default 3,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(_run(Path(folder), chosen.events, chosen.naive, console))
    console.print(_table(found.ingests))
    for latency in found.latencies:
        console.print(
            f"node commit to feed at {latency.rate:,} events/s: p50 {latency.p50:.0f} ms, p90 {latency.p90:.0f} ms,"
            f" p99 {latency.p99:.0f} ms, worst {latency.worst:.0f} ms (goal at 2,000: 50 and 250)"
        )
    relayed = found.relayed
    console.print(
        f"relay {relayed.relay:,.0f} events/s, a bare producer {relayed.bare:,.0f}: {relayed.over_bare:.2f} (goal 0.60)"
    )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ingest.json").write_text(json.dumps(asdict(found) | {"machine": machine}, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Found:
    """All figures of a run."""

    ingests: list[Ingest]
    latencies: list[Latency]
    relayed: Relayed


async def _run(folder: Path, events: int, naive: int, console: Console) -> Found:
    # A log belongs to its broker: each run has a Kafka of its own.
    ingests, latencies = [], []
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        for mode in ("single", "batched"):
            async with EmbeddedKafka(folder / f"kafka-{mode}") as kafka:
                ingests.append(await measure(mode, events, folder, kafka, postgres, naive, console.print))
        for rate in (*RATES, int(ingests[0].ingest * OF_MAXIMUM)):
            console.print(f"latency at {rate:,} events/s")
            async with EmbeddedKafka(folder / f"kafka-{rate}") as kafka:
                latencies.append(await measure_latency(rate, folder, kafka, postgres))
        async with EmbeddedKafka(folder / "kafka-relay") as kafka:
            console.print("relay")
            return Found(ingests, latencies, await measure_relay(RELAYED, kafka, postgres))


def _table(ingests: list[Ingest]) -> Table:
    """One row a figure: figures that belong together are read downwards."""
    table = Table(title="Verified ledger ingest, feed and inboxes published (events/s)")
    table.add_column("")
    for one in ingests:
        table.add_column(one.mode, justify="right")
    rows: list[tuple[str, list[str]]] = [
        ("ingest (goal 8,000; 14,000)", [f"{one.ingest:,.0f}" for one in ingests]),
        ("CPU of the ledger an event, us", [f"{one.cpu_us_an_event:.0f}" for one in ingests]),
        ("bare COPY of the same rows", [f"{one.copy:,.0f}" for one in ingests]),
        ("bare verify on two threads", [f"{one.verify:,.0f}" for one in ingests]),
        ("ceiling", [f"{one.ceiling:,.0f}" for one in ingests]),
        ("over the ceiling (goal 0.60; 1.0)", [f"{one.over_ceiling:.2f}" for one in ingests]),
        ("over the naive service (goal 7)", [f"{one.over_naive:.1f} of {one.naive:,.0f}" for one in ingests]),
        ("over 100 a commit (goal 3)", [f"{one.over_naive_100:.1f} of {one.naive_100:,.0f}" for one in ingests]),
        ("over a Faust agent (goal 5)", [f"{one.over_faust:.1f} of {one.faust:,.0f}" for one in ingests]),
        ("over Tessera, without and with deduplication (goal 1)", [_over_tessera(one) for one in ingests]),
        ("over Debezium's sink, stock and tuned (goal 1.3; 0.9)", [_over_debezium(one) for one in ingests]),
        ("Merkle work's share (goal 0.05)", [f"{one.merkle_share:.3f}" for one in ingests]),
        (
            "ledger rebuild (goal 2 x ingest)",
            [f"{one.rebuild:,.0f} = {one.rebuild_over_ingest:.2f} x" for one in ingests],
        ),
        ("ledger check", [f"{one.check:,.0f}" for one in ingests]),
    ]
    for name, values in rows:
        table.add_row(name, *values)
    return table


def _over_tessera(one: Ingest) -> str:
    if one.tessera is None:
        return "no Go here"
    found = one.tessera
    return (
        f"{one.ingest / found.plain:.2f} of {found.plain:,.0f},"
        f" {one.ingest / found.deduplicated:.2f} of {found.deduplicated:,.0f}"
    )


def _over_debezium(one: Ingest) -> str:
    if one.debezium is None:
        return "not fetched"
    stock, tuned = one.debezium.stock, one.debezium.tuned
    return (
        f"{one.ingest / stock.rate:.2f} of {stock.rate:,.0f} ({stock.cpu_us:.0f} us),"
        f" {one.ingest / tuned.rate:.2f} of {tuned.rate:,.0f} ({tuned.cpu_us:.0f} us)"
    )


if __name__ == "__main__":
    main()
