"""How fast a ledger fills its database again that was restored from a backup, against the ingest of the same events.

``python -m bench.refill [--events N]``. The events are of parties, singly signed or in batches: their bodies come from
the ingress topics. The backup is a copy of the database from before them. What the refill wrote is held against the
database that was lost: the tree, and the rows of the tables.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from rich.console import Console

from bench.events import generate
from bench.ingest import finish_opening, ingest_rate
from bench.running import PATIENCE_S, POLL_S, Bench, cpu_seconds
from passerelle.core.merkle import Frontier
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres

BEGINS: Final = "the database is behind what was promised"
ENDS: Final = "the database holds what was promised again"
"""What the ledger writes to its log, each line with its time, when a refill begins and when it is whole."""
RESULTS: Final = Path(__file__).parent / "results"
TABLES: Final = ("entry", "public_body", "party_body", "thing", "tile", "stream", "volume")
"""What a refill makes anew, and a rebuild would make the same."""


@dataclass(frozen=True, slots=True)
class Refilled:
    """One mode: events a second, from the refill's first read to its last check; seconds from the process's start."""

    mode: str
    events: int
    ingest: float
    refill: float
    refill_over_ingest: float
    cpu_us_an_event: float
    """Of the ledger's process, its start left in."""
    first_write_s: float
    """Start of the process, the whole feed read once and held against the checkpoint, the first commit."""
    ready_s: float
    """Until the ledger is loaded and serves again."""


async def restored(bench: Bench, name: str) -> Bench:
    """The same ledger over a copy of its present database. No ledger may be active."""
    found = urlsplit(bench.dsn)
    admin: asyncpg.Connection[Any] = await asyncpg.connect(urlunsplit(found._replace(path="/postgres")))
    try:
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{found.path[1:]}"')
    finally:
        await admin.close()
    dsn = urlunsplit(found._replace(path=f"/{name}"))
    folder = bench.folder / name
    folder.mkdir()
    toml = folder / "ledger.toml"
    text = bench.toml.read_text(encoding="utf-8")
    toml.write_text(text.replace(json.dumps(bench.dsn), json.dumps(dsn)), encoding="utf-8")
    return replace(bench, folder=folder, name=name, dsn=dsn, toml=toml)


async def refill(bench: Bench, size: int) -> tuple[float, float, float, float]:
    """Start the ledger on a database that is behind; seconds of the refill, to its first write, to ready, and of CPU.

    Raises TimeoutError, RuntimeError where the ledger tells of no refill.
    """
    async with bench.look() as look:
        before = await look.fetchval("SELECT size FROM ledger.head")
        start = time.perf_counter()
        watching = asyncio.create_task(_written(look, before, size))
        try:
            async with bench.ledger(PATIENCE_S) as pid:
                ready, used = time.perf_counter() - start, cpu_seconds(pid)
                first = await watching
        finally:
            watching.cancel()
    log = bench.folder / "ledger.log"
    return _told(log, ENDS) - _told(log, BEGINS), first - start, ready, used


def _told(log: Path, words: str) -> float:
    """When the ledger said so, in Unix seconds. Raises RuntimeError where it did not."""
    for line in log.read_text(encoding="utf-8").splitlines():
        if words in line:
            return dt.datetime.fromisoformat(line.split(maxsplit=1)[0]).timestamp()
    raise RuntimeError(f"the ledger did not say: {words}")


async def _written(look: asyncpg.Connection[Any], before: int, size: int) -> float:
    """When the first commit of the refill was seen; waits for its last."""
    first: float | None = None
    deadline = time.perf_counter() + PATIENCE_S
    while (now := time.perf_counter()) < deadline:
        found = await look.fetchval("SELECT size FROM ledger.head")
        if first is None and found > before:
            first = now
        if first is not None and found >= size:
            return first
        await asyncio.sleep(POLL_S)
    raise TimeoutError(f"the ledger is not filled again in {PATIENCE_S:g} s")


async def same_ledger(lost: Bench, found: Bench, size: int) -> None:
    """The refilled database holds the tree and the rows of the lost one. Raises RuntimeError."""
    async with lost.look() as one, found.look() as other:
        trees = [await look.fetchrow("SELECT size, frontier FROM ledger.head") for look in (one, other)]
        for table in TABLES:
            digest = "SELECT count(*), sum(hashtextextended(r::text, 0)) FROM (SELECT * FROM ledger." + table + ") AS r"
            if await one.fetchrow(digest) != await other.fetchrow(digest):
                raise RuntimeError(f"ledger.{table} is another one after the refill")
        promised = await one.fetchrow("SELECT size, root FROM ledger.checkpoint WHERE shown ORDER BY size DESC LIMIT 1")
    if trees[0] is None or trees[0] != trees[1] or trees[0]["size"] != size:
        raise RuntimeError("the tree is another one after the refill")
    peaks = trees[1]["frontier"]
    frontier = Frontier(size, tuple(peaks[at : at + 32] for at in range(0, len(peaks), 32)))
    if promised is None or tuple(promised) != (size, frontier.root()):
        raise RuntimeError("the tree is not the one that the last checkpoint promised")


async def measure(
    mode: str, events: int, folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, console: Console
) -> Refilled:
    """Members and achievements, a backup, the events, and then the backup is all there is."""
    load = generate(events, batched=mode == "batched")
    bench = Bench(folder / mode, kafka, postgres, load.federation, f"bench_{mode}")
    await bench.open()
    await finish_opening(bench, load)
    behind = await restored(bench, f"bench_{mode}_backup")
    await bench.produce(load.events)
    console.print(f"{mode}: {events:,} events are taken in")
    live = await ingest_rate(bench, events)
    await _until_promised(bench, live.size)
    console.print(f"{mode}: {live.rate:,.0f} events/s; the backup is filled again")
    taken, first, ready, used = await refill(behind, live.size)
    await same_ledger(bench, behind, live.size)
    rate = events / taken
    return Refilled(mode, events, live.rate, rate, rate / live.rate, used / events * 1e6, first, ready)


async def _until_promised(bench: Bench, size: int) -> None:
    """A checkpoint of the whole log is shown: let a ledger run until it is. Raises TimeoutError."""
    async with bench.look() as look, bench.ledger(), asyncio.timeout(PATIENCE_S):
        while await look.fetchval("SELECT coalesce(max(size), 0) FROM ledger.checkpoint WHERE shown") < size:
            await asyncio.sleep(POLL_S)


async def _run(folder: Path, events: int, console: Console) -> list[Refilled]:
    found = []
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        for mode in ("single", "batched"):
            async with EmbeddedKafka(folder / f"kafka-{mode}") as kafka:
                found.append(await measure(mode, events, folder, kafka, postgres, console))
    return found


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.refill")
    parser.add_argument("--events", type=int, default=100_000, help="events that the backup lacks (default 100,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(_run(Path(folder), chosen.events, console))
    for one in found:
        console.print(
            f"{one.mode}: refill {one.refill:,.0f} events/s, {one.refill_over_ingest:.2f} of ingest;"
            f" first write {one.first_write_s:.1f} s after the start of the process, serves after {one.ready_s:.1f} s"
        )
    machine = {"processors": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]}
    result = {"refills": [asdict(one) for one in found], "same_tree_and_rows": True, "machine": machine}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "refill.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
