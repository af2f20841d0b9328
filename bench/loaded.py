"""P5: ingest into a ledger that holds millions of entries, against the same ingest into one that holds few.

``python -m bench.loaded [--loaded N] [--events N]``. The earlier entries are made up, but the tree over them, its tiles
and the head are real: the ledger starts on them, goes on from them and signs checkpoints over them. The database makes
checkpoints of its own meanwhile, one of them at the start of the measured part. Both ledgers take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console

from bench.events import Load, generate
from bench.ingest import finish_opening, ingest_rate
from bench.running import Bench
from passerelle.core.merkle import Frontier
from passerelle.core.tiles import grow
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.testing.federation import time_uuid

ROUNDS = 5
"""The two take turns, and are compared turn by turn: the middle ratio counts."""
PART = 50_000
"""Made-up entries of one transaction."""
ENTRY_TAIL = b"x" * 900
BODY = b"y" * 964
OLDER_MS = 100_000_000
ACCEPTED_AT = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Filler:
    """Made-up rows ``start`` to ``end - 1``, in the shape of the tables."""

    start: int
    end: int

    def entries(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ledger.entry."""
        for index in range(self.start, self.end):
            subject, entry = subject_of(index), entry_of(index)
            yield (
                index, ACCEPTED_AT, "filler", "credential", index, "party", None, None,
                "ca.passerelle.credential.issued.v1", subject, sha256(entry).digest(), entry, f"filler/0/{index}",
            )  # fmt: skip

    def bodies(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ledger.party_body."""
        for index in range(self.start, self.end):
            yield index, subject_of(index), ["filler"], BODY

    def things(self) -> Iterator[tuple[Any, ...]]:
        """Rows of ledger.thing."""
        for index in range(self.start, self.end):
            subject = subject_of(index)
            yield f"credential:{subject}", "credential", subject, "issued", 1, "filler", index, index, "{}"


def subject_of(index: int) -> str:
    """An id that is older than those of the measured events."""
    return time_uuid(index - OLDER_MS)


def entry_of(index: int) -> bytes:
    """A leaf of about the size of a real one."""
    return b"filler %d " % index + ENTRY_TAIL


async def fill(dsn: str, count: int, say: Any) -> None:
    """Put ``count`` entries after those that are there. No ledger may be active."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET synchronous_commit = off")
        row = await connection.fetchrow("SELECT size, frontier FROM ledger.head")
        assert row is not None
        size, peaks = row["size"], row["frontier"]
        frontier = Frontier(size, tuple(peaks[at : at + 32] for at in range(0, len(peaks), 32)))
        end = size + count
        for start in range(size, end, PART):
            await _part(connection, Filler(start, min(start + PART, end)), frontier)
            say(f"filled {min(start + PART, end):,} of {end:,}", end="\r")
        await connection.execute(
            "INSERT INTO ledger.published VALUES ('feed', $1) ON CONFLICT (name) DO UPDATE SET position = $1", end
        )
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _part(connection: asyncpg.Connection[Any], filler: Filler, frontier: Frontier) -> None:
    leaves = [sha256(b"\0" + entry_of(index)).digest() for index in range(filler.start, filler.end)]
    async with connection.transaction():
        for table, columns, rows in (
            (
                "entry",
                "index accepted_at member family sequence visibility code refusal type subject digest entry ingress",
                filler.entries(),
            ),
            ("party_body", "index subject parties body", filler.bodies()),
            ("thing", "key kind id state version owner created changed data", filler.things()),
        ):
            await connection.copy_records_to_table(table, schema_name="ledger", columns=columns.split(), records=rows)
        for tile in grow(frontier, leaves):
            await connection.execute(
                "INSERT INTO ledger.tile (level, n, hashes) VALUES ($1, $2, $3) ON CONFLICT (level, n)"
                " DO UPDATE SET hashes = ledger.tile.hashes || excluded.hashes",
                tile.level, tile.index, tile.hashes,
            )  # fmt: skip
        await connection.execute(
            "UPDATE ledger.head SET size = $1, frontier = $2", filler.end, b"".join(frontier.peaks)
        )


@asynccontextmanager
async def _opened(folder: Path, postgres: EmbeddedPostgres, name: str, load: Load) -> AsyncIterator[Bench]:
    """A ledger that knows the members, over a broker of its own."""
    async with EmbeddedKafka(folder / f"kafka-{name}") as kafka:
        bench = Bench(folder / name, kafka, postgres, load.federation, f"bench_{name}")
        await bench.open()
        await finish_opening(bench, load)
        yield bench


async def _run(folder: Path, loaded: int, events: int, console: Console) -> dict[str, Any]:
    rates: dict[str, list[float]] = {"few": [], "many": []}
    load = generate(events * ROUNDS, batched=True)
    async with (
        EmbeddedPostgres(folder / "postgres") as postgres,
        _opened(folder, postgres, "few", load) as few,
        _opened(folder, postgres, "many", load) as many,
    ):
        start = time.perf_counter()
        await fill(many.dsn, loaded, console.print)
        console.print(f"filled in {time.perf_counter() - start:.0f} s")
        for number in range(ROUNDS):
            part = load.events[number * events : (number + 1) * events]
            for name, bench in (("few", few), ("many", many)):
                await bench.produce(part)
                rates[name].append((await ingest_rate(bench, len(part))).rate)
                console.print(f"round {number + 1}, {name} entries before: {rates[name][-1]:,.0f} events/s")
    ratios = [much / little for little, much in zip(rates["few"], rates["many"], strict=True)]
    return {"loaded": loaded, "events": events, "rates": rates, "many_over_few": statistics.median(ratios)}


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.loaded")
    parser.add_argument("--loaded", type=int, default=5_000_000, help="entries before (default 5,000,000)")
    parser.add_argument("--events", type=int, default=60_000, help="events of each round (default 60,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        result = asyncio.run(_run(Path(folder), chosen.loaded, chosen.events, console))
    console.print(f"many over few, middle of {ROUNDS} rounds: {result['many_over_few']:.2f} (goal 0.90)")
    (Path(__file__).parent / "results" / "loaded.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
