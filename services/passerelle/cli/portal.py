"""``passerelle portal``: the pages and the live feed."""

from __future__ import annotations

import sys

import typer

from passerelle.cli.common import ConfigOption, ReadyOption

app = typer.Typer(no_args_is_help=True)


@app.callback()
def portal() -> None:
    """The public pages, in English and French, and the live feed."""


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the portal until it is stopped."""
    from passerelle.portal.config import PortalConfig
    from passerelle.portal.main import build
    from passerelle.runtime.process import run_process

    settings = PortalConfig.load(config)
    sys.exit(run_process(lambda: build(settings), ready_file=ready_file, loop_blocked_s=settings.loop_blocked_s))
