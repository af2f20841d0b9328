"""``python -m bench.tamper [--flips N] [--seed N]``: single bits of a small ledger's database, turned over one by one.

The ledger holds every kind of row. Each flip lies in a transaction of its own, under one whole ``ledger check``, and is
rolled back. What counts is that every flip is found, and that a fault names its table and key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from passerelle.core.note import NoteSigner
from passerelle.core.registry import Registry
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.testing.federation import Federation, seed_of
from passerelle.testing.running_ledger import begin_at_the_end, make_config
from passerelle.testing.tamper import UNPROVED, Outcome, run_flips
from passerelle.testing.varied_ledger import SETTINGS, Varied, populate

RESULTS = Path(__file__).parent / "results"
SAY_EVERY = 100


def main() -> None:
    """Turn bits over, print a table, write the result. Ends with exit code 1 where one was not found or not named."""
    parser = argparse.ArgumentParser(prog="python -m bench.tamper", description="Does ledger check find every bit?")
    parser.add_argument("--flips", type=int, default=1_000, help="bits to turn over (default 1,000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draws (default 1)")
    chosen = parser.parse_args()
    console = Console()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="passerelle-tamper-") as folder:
        outcome = asyncio.run(_run(Path(folder), chosen.flips, chosen.seed, console))
    console.print(_table(outcome))
    for line in (*outcome.missed, *outcome.nameless):
        console.print(line, markup=False)
    RESULTS.mkdir(exist_ok=True)
    result = _as_json(outcome, chosen.seed, time.perf_counter() - start)
    (RESULTS / "tamper.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(1 if outcome.missed or outcome.nameless else 0)


async def _run(folder: Path, flips: int, seed: int, console: Console) -> Outcome:
    federation = Federation()
    async with EmbeddedPostgres(folder / "postgres") as postgres, EmbeddedKafka(folder / "kafka") as kafka:
        dsn = await postgres.create_database("tamper")
        config = make_config(folder, kafka.bootstrap, dsn, federation, **SETTINGS)
        await begin_at_the_end(config)
        console.print("filling a ledger with every kind of row")
        await populate(config, Varied(federation))
        connection = await asyncpg.connect(dsn)

        def say(done: int) -> None:
            if done % SAY_EVERY == 0:
                console.print(f"{done} of {flips} bits")

        try:
            return await run_flips(
                connection,
                lambda: Registry(config.network, config.operator, config.root_public_key()),
                [NoteSigner(config.network, seed_of("log")).verifier],
                seed=seed,
                count=flips,
                progress=say,
            )
        finally:
            await connection.close()


def _table(outcome: Outcome) -> Table:
    table = Table(title="Single bits turned over under ledger check")
    for name in ("table", "bits", "found", "named", "not taken by the database"):
        table.add_column(name, justify="left" if name == "table" else "right")
    for name, tally in sorted(outcome.tables.items()):
        table.add_row(name, *map(str, (tally.flips, tally.found, tally.named, tally.impossible)))
    return table


def _as_json(outcome: Outcome, seed: int, seconds: float) -> dict[str, Any]:
    return {
        "seed": seed,
        "bits": outcome.flips,
        "found": outcome.flips - len(outcome.missed),
        "named": sum(tally.named for tally in outcome.tables.values()),
        "seconds": round(seconds, 1),
        "tables": {name: tally.flips for name, tally in sorted(outcome.tables.items())},
        "not_drawn": [f"{cell.table}.{cell.column}: {cell.why}" for cell in UNPROVED],
    }


if __name__ == "__main__":
    main()
