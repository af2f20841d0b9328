"""``passerelle gateway``: the questions of the gRPC services as JSON over HTTP."""

from __future__ import annotations

import sys

import typer

from passerelle.cli.common import ConfigOption, ReadyOption, print_json

app = typer.Typer(no_args_is_help=True)


@app.callback()
def gateway() -> None:
    """The REST gateway."""


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the service until it is stopped."""
    from passerelle.gateway.config import GatewayConfig
    from passerelle.gateway.main import build
    from passerelle.runtime.process import run_process

    settings = GatewayConfig.load(config)
    sys.exit(run_process(lambda: build(settings), ready_file=ready_file, loop_blocked_s=settings.loop_blocked_s))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document, which the running service shows at /v1/openapi.json too."""
    from passerelle.gateway.openapi import document

    print_json(document())
