"""The command tree. An area's module is imported only when one of its commands is called, so that help is quick."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from passerelle.cli.common import die
from passerelle.core.errors import PasserelleError

if TYPE_CHECKING:
    from typer._click import Command, Context

AREAS = {
    "demo": "start the whole network on this machine and answer the ten questions",
    "operator": "run the federation: init, admit, accept-selftest, keys, roles, suspend, remove",
    "node": "an institution's node: init, import, publish, run, status, releases, transfers",
    "ledger": "the ledger: run, check, rebuild, vkey",
    "query": "the gRPC services: run, answer-key",
    "gateway": "the questions as JSON over HTTP: run, openapi",
    "portal": "the pages and the live feed: run",
    "insight": "windows over the summaries: run",
    "equivalency": "what counts for what: find, reverse, evaluate",
    "portability": "is an achievement portable: assess, profile, leads-to, levels",
    "policy": "policy packs: check, test, diff, explain, publish",
    "transfer": "transfer cases as a party: show, list, watch",
    "permission": "letters of permission as a party: show, list",
    "agreements": "agreements files in and out of a node: import, export, diff",
    "articulation": "articulation requests, and what agencies ask: list, show, request, answer, gaps",
    "proof": "receipts and proofs: get, verify, audit",
    "verify": "check what a service signed: answer",
    "feed": "the public feed: verify",
    "simulate": "the whole network in virtual time, with faults: many seeds, or one again",
    "faults": "the whole network on real servers, with faults: many rounds, or one again",
}


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: Context) -> list[str]:
        """The areas, in the order in which a newcomer meets them."""
        return list(AREAS)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Import one area; help of the whole tree costs no import."""
        if cmd_name not in AREAS:
            return None
        if not any(word in sys.argv for word in AREAS):
            return TyperCommand(cmd_name, help=AREAS[cmd_name])
        module = importlib.import_module(f"passerelle.cli.{cmd_name}")
        app: typer.Typer = module.app
        command = get_command(app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="passerelle",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def passerelle() -> None:
    """Passerelle: a federation network for credentials in Canada."""


def run() -> None:
    """Run the command line; a typed error is told in one place and ends with exit code 1."""
    try:
        app()
    except PasserelleError as error:
        sys.exit(die(error))
