"""What the node's commands share: a node's database and keys, open for one command; and options of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from passerelle.cli.common import run_work

if TYPE_CHECKING:
    from passerelle.node.main import Office

Answer = TypeVar("Answer")
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="The case's id.")]
ConfirmOption = Annotated[str, typer.Option("--confirm", help="A learner's id, or new, where a person has compared.")]
LangOption = Annotated[str, typer.Option("--lang", help="en or fr; default: the node's language.")]
NoteOption = Annotated[str, typer.Option("--note", help="A remark; never about the person.")]
ProgrammeOption = Annotated[str, typer.Option("--programme", help="Towards which programme.")]
WaitOption = Annotated[float, typer.Option("--wait", help="Seconds to wait for the ledger's answer; 0: do not wait.")]


def with_office(config: Path, work: Callable[[Office], Awaitable[Answer]]) -> Answer:
    """Run one command's work on a node. Raises ConfigError, Unavailable and what the work raises."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.main import open_office

    async def main() -> Answer:
        async with open_office(NodeConfig.load(config)) as office:
            return await work(office)

    return run_work(main())
