"""P5: ingest into a ledger that holds millions of entries, against the same ingest into one that holds few.

``python -m bench.loaded [--loaded N] [--events N]``. The earlier entries are made up, but the tree over them, its tiles
and the head are real: the ledger starts on them, goes on from them and signs checkpoints over them. The database makes
checkpoints of its own meanwhile, one of them at the start of the measured part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console

from bench.events import generate
from bench.ingest import finish_opening, ingest_rate
from bench.running import Bench
from passerelle.core.merkle import Frontier
from passerelle.core.tiles import grow
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.testing.federation import time_uuid

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


async def _run(folder: Path, loaded: int, events: int, console: Console) -> dict[str, Any]:
    rates: dict[str, float] = {}
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        for name, count in (("few", 0), ("many", loaded)):
            async with EmbeddedKafka(folder / f"kafka-{name}") as kafka:
                load = generate(events, batched=True)
                bench = Bench(folder / name, kafka, postgres, load.federation, f"bench_{name}")
                await bench.open()
                await finish_opening(bench, load)
                start = time.perf_counter()
                if count:
                    await fill(bench.dsn, count, console.print)
                    console.print(f"filled in {time.perf_counter() - start:.0f} s")
                await bench.produce(load.events)
                rates[name] = (await ingest_rate(bench, events)).rate
                console.print(f"{count:,} entries before: {rates[name]:,.0f} events/s")
    return {"loaded": loaded, "events": events, "rates": rates, "many_over_few": rates["many"] / rates["few"]}


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.loaded")
    parser.add_argument("--loaded", type=int, default=5_000_000, help="entries before (default 5,000,000)")
    parser.add_argument("--events", type=int, default=60_000, help="events of each run (default 60,000)")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        result = asyncio.run(_run(Path(folder), chosen.loaded, chosen.events, console))
    console.print(f"many over few: {result['many_over_few']:.2f} (goal 0.90)")
    (Path(__file__).parent / "results" / "loaded.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
