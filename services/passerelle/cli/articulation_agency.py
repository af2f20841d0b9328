"""What agencies ask about rules: precedents, contradictions, gaps, endings, coverage, and drafts. Read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering, articulation_show
from passerelle.cli.asking import AgesOnOption, Asking, asks
from passerelle.cli.common import print_json

if TYPE_CHECKING:
    from passerelle.api.equivalency.v1 import articulation_pb2

PAGE: Final = 1_000

ReceiverOption = Annotated[str, typer.Option("--receiver", help="Whose rules: the receiving member.")]
InstitutionsOption = Annotated[Path | None, typer.Option("--institutions", help="Table of institutions.")]
SenderOption = Annotated[str, typer.Option("--sender", help="Only rules that send this member's achievements.")]


def _list(name: str, field: str, asked: dict[str, Any], asking: Asking) -> None:
    """Ask for a list over the rules of a receiver and show it; ``name``: of the method in Articulation."""
    from passerelle.client import Articulation

    method = getattr(Articulation, name)
    request = method.request(**asked, **asking.moment(), page_size=PAGE)
    first, found = asking.pages(method, request, field)
    if asking.json:
        shown = [answering.as_json(one) for one in found]
        print_json({field: shown, "position": answering.as_json(first.position)})
        return
    articulation_show.findings(method.name, first, found, asking.language)


@asks(10.0, valid_on=True)
def precedents(
    asking: Asking,
    achievement: Annotated[str, typer.Argument(help="Sending achievement: humber/HIST101.")],
    receiver: Annotated[str, typer.Option("--receiver", help="Leave this receiver's own answers out.")] = "",
) -> None:
    """How others decided on an achievement. Precedents bind nobody."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation

    asked = pb.ListPrecedentsRequest(achievement=achievement, receiver=receiver, **asking.moment())
    response = asking.one(Articulation.LIST_PRECEDENTS, asked)
    if asking.json:
        print_json(answering.as_json(response))
        return
    articulation_show.precedents(response, asking.language)


@asks(60.0, min_position=False, limit=1_000)
def contradictions(
    asking: Asking,
    receiver: ReceiverOption,
    sender: SenderOption = "",
) -> None:
    """Rules that send the same, hold at the same time, and do not agree."""
    asked = {"receiver": receiver, "sender": sender}
    _list("LIST_CONTRADICTIONS", "contradictions", asked, asking)


@asks(60.0, valid_on=True, min_position=False, limit=1_000)
def one_way(
    asking: Asking,
    receiver: ReceiverOption,
    sender: SenderOption = "",
) -> None:
    """One course for one course, and no rule back at the sender."""
    asked = {"receiver": receiver, "sender": sender}
    _list("LIST_NON_RECIPROCAL", "rules", asked, asking)


@asks(60.0, valid_on=True, min_position=False, limit=1_000)
def orphans(
    asking: Asking,
    receiver: ReceiverOption,
    sender: SenderOption = "",
) -> None:
    """Rules whose course was revised, retired or renumbered since they were stated."""
    asked = {"receiver": receiver, "sender": sender}
    _list("LIST_ORPHANS", "orphans", asked, asking)


@asks(60.0, valid_on=True, min_position=False, limit=1_000)
def ending(
    asking: Asking,
    receiver: ReceiverOption,
    sender: SenderOption = "",
    within: Annotated[int, typer.Option("--within", min=1, max=36_500, help="Days from the date.")] = 180,
) -> None:
    """Rules whose last completion date is near."""
    asked = {"receiver": receiver, "sender": sender, "within_days": within}
    _list("LIST_ENDING", "rules", asked, asking)


@asks(60.0, valid_on=True, limit=100, most=1_000)
def coverage(
    asking: Asking,
    sender: Annotated[str, typer.Option("--sender", help="Sending member.")],
    receiver: ReceiverOption,
) -> None:
    """How many of the sender's achievements the receiver has answered, and which nobody has evaluated."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation

    asked = pb.GetCoverageRequest(sender=sender, receiver=receiver, limit=asking.limit, **asking.moment())
    response = asking.one(Articulation.GET_COVERAGE, asked)
    if asking.json:
        print_json(answering.as_json(response))
        return
    articulation_show.coverage(response, asking.language)


@asks(120.0)
def what_if(
    asking: Asking,
    draft: Annotated[Path, typer.Argument(help="Draft: an agreements file, or JSON: a list of {id, data}.")],
    transcripts: Annotated[list[Path], typer.Argument(help="Transcripts; docs/agency.md gives their form.")],
    receiver: ReceiverOption,
    member: Annotated[str, typer.Option("--member", help="Whose ids the draft has; the receiver otherwise.")] = "",
    institutions: InstitutionsOption = None,
    valid_on: AgesOnOption = "",
) -> None:
    """Who would gain and who would lose by a draft of rules. Nothing is published or stored."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2
    from passerelle.cli.transcript_file import read_transcript
    from passerelle.client import Articulation

    rules = [pb.WhatIfRequest.DraftRule(id=name, data_json=data) for name, data in
             _draft(draft, institutions, member or receiver)]  # fmt: skip
    asked = pb.WhatIfRequest(
        receiver=receiver,
        transcripts=[
            pb.WhatIfRequest.Transcript(
                reference=path.name,
                lines=[equivalency_pb2.TranscriptLine(**line) for line in read_transcript(path)],
            )
            for path in transcripts
        ],
        rules=rules,
        valid_on=valid_on,
        **asking.moment(),
    )
    response: articulation_pb2.WhatIfResponse = asking.one(Articulation.WHAT_IF, asked)
    if asking.json:
        print_json(answering.as_json(response))
        return
    articulation_show.what_if(response, asking.language)


def _draft(path: Path, institutions: Path | None, member: str) -> list[tuple[str, str]]:
    """Ids and data of the drafted rules. Raises FormatError with the row that is wrong."""
    import orjson

    from passerelle.core.errors import FormatError
    from passerelle.node.agreements.book import Book, read_book
    from passerelle.node.agreements.data import rules_in
    from passerelle.node.agreements.reading import reader_of
    from passerelle.node.publishing import read_json

    if path.suffix == ".json":
        value = read_json(path)
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in items):
            fix = "Write a list of objects of id and data; without data the rule is taken away."
            raise FormatError("schema-invalid", "the draft is not a list of rules", where=str(path), fix=fix)
        return [(one["id"], orjson.dumps(one["data"]).decode() if one.get("data") else "") for one in items]
    book = read_book(institutions) if institutions is not None else Book()
    found = []
    for rule in rules_in(reader_of(path, book), member):
        if not isinstance(rule, tuple):
            error = rule[0]
            where = f"{path}: row {error.row}, column {error.column}"
            raise FormatError(error.code, error.what, where=where, fix=error.fix)
        found.append((rule[0], orjson.dumps(rule[1]).decode()))
    return found


def add_to(app: typer.Typer) -> None:
    """Add these commands to the area."""
    for function in (precedents, contradictions, one_way, orphans, ending, coverage, what_if):
        app.command(function.__name__.replace("_", "-"))(function)
