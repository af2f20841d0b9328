"""``passerelle demo``: the whole network on this machine, the samples, ten questions and their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the answers; exit code 0 only if all are right.")] = (
        False
    ),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write answers and addresses to this file.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw the data of an earlier demo away.")] = False,
    data: Annotated[Path, typer.Option("--data", help="Where the demo keeps its data.")] = Path(".passerelle/demo"),
    only: Annotated[str, typer.Option("--only", help="Ask only these, for example S1,S2.")] = "",
    samples: Annotated[Path | None, typer.Option("--samples", help="The folder of samples.")] = None,
) -> None:
    """Start the whole network on this machine, load the samples, and answer the ten questions."""
    from rich.console import Console

    from passerelle.core.errors import FormatError
    from passerelle.demo.plan import SCENARIOS
    from passerelle.demo.run import Options, run_demo

    wanted = [name.strip().upper() for name in only.split(",") if name.strip()] or list(SCENARIOS)
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        raise FormatError("argument-invalid", "there is no such scenario", where="--only", fix="Name S1 to S10.")
    chosen = tuple(name for name in SCENARIOS if name in wanted)
    raise typer.Exit(run_demo(Options(data, once, fresh, json_file, chosen, samples), Console()))
