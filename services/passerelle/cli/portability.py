"""``passerelle portability``: is an achievement portable, where, and on whose word."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    QueryOption,
    TimeoutOption,
)
from passerelle.cli.common import JsonOption, print_json

app = typer.Typer(no_args_is_help=True)

WORDS: Final = {
    "portable": ("portable", "transférable"),
    "not-portable": ("not portable", "non transférable"),
    "unknown": ("unknown", "inconnu"),
    "met": ("met", "satisfait"),
    "not-met": ("not met", "non satisfait"),
    "missing": ("What is missing", "Ce qui manque"),
    "recognised": ("recognised by", "reconnu par"),
    "law": ("Grounds in law", "Fondement en droit"),
}


@app.callback()
def portability() -> None:
    """Is an achievement portable across provinces."""


def _word(name: str, lang: str) -> str:
    return WORDS[name][lang == "fr"]


@app.command()
def assess(
    achievement: Annotated[str, typer.Argument(help="Achievement id, for example humber/revit-architecture.")],
    jurisdiction: Annotated[
        list[str] | None, typer.Option("--jurisdiction", help="Where: CA-NS; again for more; all provinces otherwise.")
    ] = None,
    pack: Annotated[str, typer.Option("--pack", help="Policy pack; portability-national otherwise.")] = "",
    asked_on: Annotated[str, typer.Option("--asked-on", help="Date of the question, YYYY-MM-DD.")] = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """Judge one achievement by a policy pack, with the evidence, and say who recognises it where."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.api.portability.v1 import portability_pb2_grpc as stubs

    request = pb.AssessRequest(
        achievement=achievement,
        pack=pack,
        asked_on=asked_on,
        jurisdictions=jurisdiction or (),
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )

    async def call(channel: Any) -> Any:
        stub: Any = stubs.PortabilityServiceStub(channel)
        return await stub.Assess(request, timeout=timeout)

    response = answering.ask(query, call)
    if json:
        print_json(answering.as_json(response))
        return
    _show(response, answering.language(lang))


@app.command()
def packs(
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """The policy packs that the service knows."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.api.portability.v1 import portability_pb2_grpc as stubs

    async def call(channel: Any) -> Any:
        stub: Any = stubs.PortabilityServiceStub(channel)
        return await stub.ListPacks(pb.ListPacksRequest(), timeout=timeout)

    response = answering.ask(query, call)
    if json:
        print_json(answering.as_json(response))
        return
    from rich.table import Table

    chosen = answering.language(lang)
    table = Table("id", "v", "titre" if chosen == "fr" else "title", "source")
    for one in response.packs:
        table.add_row(one.id, str(one.version), answering.name_of(one.title, chosen, one.id), one.source)
    answering.console().print(table)


def _show(response: Any, lang: str) -> None:
    from rich.markup import escape
    from rich.tree import Tree

    verdict = answering.word(response.DESCRIPTOR.fields_by_name["verdict"].enum_type, response.verdict)
    root = Tree(f"[bold]{escape(response.title)}[/bold]  {response.achievement}: [bold]{_word(verdict, lang)}[/bold]")
    for one in response.criteria:
        finding = answering.word(one.DESCRIPTOR.fields_by_name["finding"].enum_type, one.finding)
        branch = root.add(f"{one.id} ({one.force}): [bold]{_word(finding, lang)}[/bold]")
        for proof in one.evidence:
            branch.add(escape(f"{proof.index}  {proof.member}  {proof.subject}"))
        for reason in one.reasons:
            branch.add(escape(answering.reason_text(reason, lang)))
    if response.grounds_in_law:
        branch = root.add(_word("law", lang))
        for ground in response.grounds_in_law:
            branch.add(escape(answering.name_of(ground.message, lang, ground.code)))
    for place in response.jurisdictions:
        verdict = answering.word(place.DESCRIPTOR.fields_by_name["verdict"].enum_type, place.verdict)
        branch = root.add(f"{place.jurisdiction}: [bold]{_word(verdict, lang)}[/bold]")
        for body in place.recognised_by:
            who = answering.name_of(body.names, lang, body.member)
            branch.add(escape(f"{_word('recognised', lang)} {who}: {body.ground} ({body.subject})"))
    if response.missing:
        branch = root.add(_word("missing", lang))
        for reason in response.missing:
            branch.add(escape(answering.reason_text(reason, lang)))
    out = answering.console()
    out.print(root)
    out.print(f"{response.pack} v{response.pack_version}")
    out.print(answering.position_text(response.position, lang))
