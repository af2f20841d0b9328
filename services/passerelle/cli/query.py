"""``passerelle query``: the gRPC services."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from passerelle.cli.common import ConfigOption, JsonOption, ReadyOption, print_json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def query() -> None:
    """Equivalency, portability and transfer answers over gRPC."""


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the service until it is stopped."""
    from passerelle.query.config import QueryConfig
    from passerelle.query.main import build
    from passerelle.runtime.process import run_process

    settings = QueryConfig.load(config)
    sys.exit(run_process(lambda: build(settings), ready_file=ready_file, loop_blocked_s=settings.loop_blocked_s))


@app.command("answer-key")
def answer_key(
    out: Annotated[Path, typer.Option("--out", help="The key file to write; its public half goes beside it, *.pub.")],
    as_json: JsonOption = False,
) -> None:
    """Make the key that signs answers, and nothing else."""
    from passerelle.core.signature import SEED_SIZE, SeedSigner
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds
    from passerelle.runtime.keys import create_seed

    seed = SystemIds(SystemClock()).random(SEED_SIZE)
    signer, public = SeedSigner(seed), out.with_suffix(".pub")
    create_seed(out, seed)
    public.write_text(signer.public_key.hex() + "\n", encoding="ascii")
    if as_json:
        print_json({"key": str(out), "public_key": str(public), "key_id": signer.key_id})
        return
    typer.echo(f"{out}: signs answers (answer_key_file of the query service). Keep it secret.")
    typer.echo(f"{public}: send this to the operator, who lists it with 'operator keys MEMBER --add-answer'.")
