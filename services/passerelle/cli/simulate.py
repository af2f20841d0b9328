"""``passerelle simulate``: the whole network in one thread and in virtual time, with the faults of many seeds."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many seeds to play.")] = 1000,
    first: Annotated[int, typer.Option("--first", min=0, help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Play this one seed again.")] = None,
    mutant: Annotated[str, typer.Option("--mutant", help="Put a fault into the code; 'list' names them.")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show every step of --seed, or of a seed that fails.")] = False,
    coverage: Annotated[bool, typer.Option("--coverage", help="Show which faults struck where.")] = False,
) -> None:
    """Play seeds; exit code 1, and how to see it again, when something that must hold does not."""
    from rich.console import Console

    from passerelle.testing.simulation.campaign import Totals, lines, report, run, shrink
    from passerelle.testing.simulation.mutants import MUTANTS, described

    if mutant == "list":
        for name in MUTANTS:
            typer.echo(f"{name:24} {described(name)}")
        return
    console = Console(stderr=True)
    wanted = range(first, first + seeds) if seed is None else range(seed, seed + 1)
    with console.status("playing") as status:

        def told(totals: Totals) -> None:
            if totals.seeds % 20 == 0:
                status.update(f"{totals.seeds} of {len(wanted)} seeds, {totals.faults} faults struck")

        totals = run(wanted, mutant=mutant, told=told)
        failed = totals.failed[0] if totals.failed else None
        if failed is not None:
            status.update(f"seed={failed.seed} fails: leaving out faults")
            smallest = shrink(failed)
    if coverage:
        for (kind, point), count in sorted(totals.covered.items()):
            typer.echo(f"{count:7}  {kind} at {point}")
        typer.echo(f"{len(totals.missing)} pairs of fault and point never struck")
    if failed is not None:
        typer.echo("\n".join(report(failed, smallest, whole=trace)))
        again = f" --mutant {mutant}" if mutant else ""
        typer.echo(f"again: passerelle simulate --seed {failed.seed}{again} --trace")
        raise typer.Exit(1)
    if seed is not None:
        from passerelle.testing.simulation.run import play

        outcome = play(seed, mutant=mutant)
        typer.echo("\n".join(lines(outcome.trace if trace else ())) + f"trace {outcome.trace_hash}")
    typer.echo(f"{totals.seeds} seeds, {totals.entries} entries, {totals.faults} faults struck: everything held")
