"""``passerelle ledger``: run the ledger."""

from __future__ import annotations

import typer

from passerelle.cli.common import ConfigOption, ReadyOption

app = typer.Typer(help="The ledger.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The ledger: one process decides, numbers and logs every event of the network."""


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the ledger; where another is active, stand by and take over when its lease ends."""
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.main import build
    from passerelle.runtime.process import run_process

    settings = LedgerConfig.load(config)
    raise typer.Exit(run_process(lambda: build(settings), ready_file=ready_file))
