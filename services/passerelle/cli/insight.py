"""``passerelle insight``: the windows over the summaries."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from passerelle.cli.common import ConfigOption, ReadyOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def insight() -> None:
    """Windows over the ledger's summaries."""


@app.command()
def run(
    config: ConfigOption,
    ready_file: ReadyOption = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Build the tables again from every summary.")] = False,
) -> None:
    """Run the service until it is stopped."""
    from passerelle.insight.config import InsightConfig
    from passerelle.insight.main import build
    from passerelle.runtime.process import run_process

    settings = InsightConfig.load(config)
    sys.exit(
        run_process(
            lambda: build(settings, rebuild=rebuild), ready_file=ready_file, loop_blocked_s=settings.loop_blocked_s
        )
    )
