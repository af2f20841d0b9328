"""``passerelle query``: the gRPC services."""

from __future__ import annotations

import sys

import typer

from passerelle.cli.common import ConfigOption, ReadyOption

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
    sys.exit(run_process(lambda: build(settings), ready_file=ready_file))
