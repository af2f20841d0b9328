"""``passerelle faults``: a federation of processes on a real Kafka and PostgreSQL, and the faults of many seeds."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def faults(
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many rounds to play.")] = 100,
    first: Annotated[int, typer.Option("--first", min=0, help="The seed of the first of them.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Play the round of this seed again.")] = None,
    mutant: Annotated[str, typer.Option("--mutant", help="Put a fault into the code; see simulate.")] = "",
    report: Annotated[Path | None, typer.Option("--json", help="Write what struck, and what came of it.")] = None,
) -> None:
    """Play rounds in one federation; exit code 1 when something that must hold does not. Its folder is then kept."""
    import asyncio
    import json
    import logging
    import signal

    from passerelle.testing.faults.rounds import play_all

    seeds = range(first, first + rounds) if seed is None else range(seed, seed + 1)
    folder = Path(tempfile.mkdtemp(prefix="passerelle-faults-"))
    # What the client libraries tell of servers that are away is no news here.
    logging.basicConfig(filename=folder / "runner.log")
    # Ended as by Ctrl-C: everything is stopped, and the small file system is taken away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    totals = asyncio.run(play_all(folder, seeds, typer.echo, mutant=mutant))
    if report is not None:
        report.write_text(json.dumps(totals.as_dict(), indent=1) + "\n", encoding="utf-8")
    for (fault, target), count in sorted(totals.struck.items()):
        typer.echo(f"{count:5}  {fault} {target}")
    if totals.left_out:
        typer.echo(f"left out: disk-full, {totals.left_out}")
    if totals.failed:
        typer.echo(f"again: passerelle faults --seed {totals.failed[0].seed}; logs in {folder / 'logs'}")
        raise typer.Exit(1)
    shutil.rmtree(folder)
    events = sum(one.events for one in totals.rounds)
    typer.echo(f"{len(totals.rounds)} rounds, {events} events in {totals.seconds:.0f} s: everything held")
