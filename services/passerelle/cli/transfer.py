"""``passerelle transfer``: transfer cases, as one of their parties."""

from __future__ import annotations

import contextlib
import json as jsonlib
from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import LangOption, MinPositionOption, SignOption, TimeoutOption
from passerelle.cli.common import ConfigOption, JsonOption, print_json

app = typer.Typer(no_args_is_help=True)
MAX_SHOWN: Final = 10_000
AddressOption = Annotated[
    str | None,
    typer.Option("--query", envvar="PASSERELLE_QUERY", help="Address of the query service; the node's otherwise."),
]


@app.callback()
def transfer() -> None:
    """Transfer cases, to their parties only: the node's configuration says who asks."""


@app.command()
def show(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    config: ConfigOption,
    min_position: MinPositionOption = 0,
    query: AddressOption = None,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """One case with its lines and steps."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)
    request = pb.ShowRequest(case=case, min_position=min_position, signed=sign is not None)
    response = answering.ask_one(who.address, Transfer.SHOW, request, timeout, who.member)
    answering.keep_signed(sign, response)
    if json:
        print_json(answering.as_json(response))
        return
    chosen = answering.language(lang)
    _show_case(response.case, chosen)
    answering.console().print(answering.position_text(response.position, chosen))


@app.command(name="list")
def list_cases(
    config: ConfigOption,
    role: Annotated[str, typer.Option("--role", help="sender or receiver; either otherwise.")] = "",
    state: Annotated[str, typer.Option("--state", help="requested, decided, posted, ...")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most cases shown.")] = 100,
    min_position: MinPositionOption = 0,
    query: AddressOption = None,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """The member's cases, newest change first."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)
    request = pb.ListRequest(role=role, state=state, page_size=min(limit, 1_000), min_position=min_position)
    first, cases = answering.ask_pages(who.address, Transfer.LIST, request, "cases", limit, timeout, who.member)
    if json:
        shown = [answering.as_json(one) for one in cases]
        print_json({"cases": shown, "position": answering.as_json(first.position)})
        return
    _show_cases(cases, first.position, answering.language(lang))


@app.command()
def watch(
    config: ConfigOption,
    from_index: Annotated[int, typer.Option("--from-index", min=0, help="Changes at this log index and after.")] = 0,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many changes; 0: never.")] = 0,
    query: AddressOption = None,
    json: JsonOption = False,
) -> None:
    """Changes of the member's cases as they come; with --json one document a line."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)

    async def call(client: Any) -> None:
        stream = client.stream(Transfer.WATCH, pb.WatchRequest(from_index=from_index), endless=True)
        async with contextlib.aclosing(stream) as changes:
            async for response in answering.until(changes, count):
                if json:
                    typer.echo(jsonlib.dumps(answering.as_json(response), ensure_ascii=False))
                else:
                    one = response.case
                    typer.echo(f"{one.changed_index}  {one.id}  {one.state}  {one.sender} -> {one.receiver}")

    answering.ask(who.address, call, who.member)


@app.command()
def dependents(
    on: Annotated[str, typer.Argument(help="credential:<uuid> or recognition:<id>.")],
    config: ConfigOption,
    query: AddressOption = None,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Which of the member's cases and stacks rest on a credential or a recognition."""
    from passerelle.api.transfer.v1 import transfer_pb2 as pb
    from passerelle.client import Transfer

    who = answering.Identity(config, query)
    response = answering.ask_one(who.address, Transfer.DEPENDENTS, pb.DependentsRequest(on=on), timeout, who.member)
    if json:
        print_json(answering.as_json(response))
        return
    from rich.table import Table

    chosen = answering.language(lang)
    table = Table("dépend" if chosen == "fr" else "rests on it", "état" if chosen == "fr" else "state")
    for one in response.dependents:
        table.add_row(one.key, one.state)
    out = answering.console()
    out.print(table)
    out.print(answering.position_text(response.position, chosen))


def _show_case(case: Any, lang: str = "en") -> None:
    from rich.markup import escape
    from rich.tree import Tree

    root = Tree(f"{case.id}  [bold]{case.state}[/bold] v{case.version}  {case.sender} → {case.receiver}")
    if case.programme:
        root.add(escape(case.programme))
    for line in case.lines:
        outcome = line.outcome
        what = [line.status, outcome.type, answering.credit_text(outcome.credits), outcome.achievement, outcome.title]
        what += [line.recognition or line.individual_reason, line.reason, line.waits_for]
        root.add(escape(f"{line.line}  {line.credential}  " + "  ".join(part for part in what if part)))
    for use in case.uses:
        counts = "compte chez" if lang == "fr" else "counts at"
        root.add(escape(f"{use.credential}  {counts} {use.receiver}: {use.programme} ({use.state})"))
    if case.appeal_by:
        root.add(escape(f"{'appel jusqu’au' if lang == 'fr' else 'appeal by'} {case.appeal_by}"))
    for step in case.steps:
        root.add(escape("  ".join(p for p in (str(step.index), step.event, step.member, step.reason, step.note) if p)))
    answering.console().print(root)


def _show_cases(cases: list[Any], position: Any, lang: str) -> None:
    from rich.table import Table

    heads = ("id", "état", "de", "vers", "crédités") if lang == "fr" else ("id", "state", "from", "to", "credited")
    table = Table(*heads)
    for one in cases:
        credited = sum(line.status == "credited" for line in one.lines)
        table.add_row(one.id, one.state, one.sender, one.receiver, f"{credited}/{len(one.lines)}")
    out = answering.console()
    out.print(table)
    out.print(answering.position_text(position, lang))
