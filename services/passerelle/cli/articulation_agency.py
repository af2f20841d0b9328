"""What agencies ask about rules: precedents, contradictions, gaps, endings, coverage, and drafts. Read-only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering, articulation_show
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    QueryOption,
    TimeoutOption,
)
from passerelle.cli.common import JsonOption, print_json

if TYPE_CHECKING:
    from passerelle.api.equivalency.v1 import articulation_pb2

MAX_SHOWN: Final = 100_000
PAGE: Final = 1_000
MAX_DRAFT: Final = 32 * 1024 * 1024

ReceiverOption = Annotated[str, typer.Option("--receiver", help="Whose rules: the receiving member.")]
SenderOption = Annotated[str, typer.Option("--sender", help="Only rules that send this member's achievements.")]
ValidOnOption = Annotated[str, typer.Option("--valid-on", help="Completion date, YYYY-MM-DD; today otherwise.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most results shown.")]


def call(query: str, method: str, request: Any, timeout: float) -> Any:
    """One call of ArticulationService."""
    return answering.ask_one(query, _method(method), request, timeout)


def pages(
    query: str, method: str, request: Any, asked: dict[str, Any], field: str, limit: int, timeout: float
) -> tuple[Any, list[Any]]:
    """Every page of a list, up to a number of results."""
    question = request(**asked, page_size=PAGE)
    return answering.ask_pages(query, _method(method), question, field, limit, timeout)


def _method(name: str) -> Any:
    from passerelle.client import Articulation

    return next(
        one for one in vars(Articulation).values() if getattr(one, "name", None) == name and hasattr(one, "path")
    )


def _list(method: str, field: str, asked: dict[str, Any], common: tuple[Any, ...]) -> None:
    """Ask for a list over the rules of a receiver and show it."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb

    query, known_at, limit, lang, timeout, json = common
    known = answering.known_at(known_at) or None
    request = getattr(pb, f"{method}Request")
    first, found = pages(query, method, request, {**asked, "known_at": known}, field, limit, timeout)
    if json:
        shown = [answering.as_json(one) for one in found]
        print_json({field: shown, "position": answering.as_json(first.position)})
        return
    articulation_show.findings(method, first, found, answering.language(lang))


def precedents(
    achievement: Annotated[str, typer.Argument(help="Sending achievement: humber/HIST101.")],
    receiver: Annotated[str, typer.Option("--receiver", help="Leave this receiver's own answers out.")] = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """How others decided on an achievement. Precedents bind nobody."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb

    asked = pb.ListPrecedentsRequest(
        achievement=achievement, receiver=receiver, valid_on=valid_on, min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )  # fmt: skip
    response = call(query, "ListPrecedents", asked, timeout)
    if json:
        print_json(answering.as_json(response))
        return
    articulation_show.precedents(response, answering.language(lang))


def contradictions(
    receiver: ReceiverOption,
    sender: SenderOption = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Rules that send the same, hold at the same time, and do not agree."""
    asked = {"receiver": receiver, "sender": sender}
    _list("ListContradictions", "contradictions", asked, (query, known_at, limit, lang, timeout, json))


def one_way(
    receiver: ReceiverOption,
    sender: SenderOption = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """One course for one course, and no rule back at the sender."""
    asked = {"receiver": receiver, "sender": sender, "valid_on": valid_on}
    _list("ListNonReciprocal", "rules", asked, (query, known_at, limit, lang, timeout, json))


def orphans(
    receiver: ReceiverOption,
    sender: SenderOption = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Rules whose course was revised, retired or renumbered since they were stated."""
    asked = {"receiver": receiver, "sender": sender, "valid_on": valid_on}
    _list("ListOrphans", "orphans", asked, (query, known_at, limit, lang, timeout, json))


def ending(
    receiver: ReceiverOption,
    sender: SenderOption = "",
    within: Annotated[int, typer.Option("--within", min=1, max=36_500, help="Days from the date.")] = 180,
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """Rules whose last completion date is near."""
    asked = {"receiver": receiver, "sender": sender, "within_days": within, "valid_on": valid_on}
    _list("ListEnding", "rules", asked, (query, known_at, limit, lang, timeout, json))


def coverage(
    sender: Annotated[str, typer.Option("--sender", help="Sending member.")],
    receiver: ReceiverOption,
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="Most achievements listed.")] = 100,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 60.0,
    json: JsonOption = False,
) -> None:
    """How many of the sender's achievements the receiver has answered, and which nobody has evaluated."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb

    asked = pb.GetCoverageRequest(
        sender=sender, receiver=receiver, valid_on=valid_on, limit=limit, min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )  # fmt: skip
    response = call(query, "GetCoverage", asked, timeout)
    if json:
        print_json(answering.as_json(response))
        return
    articulation_show.coverage(response, answering.language(lang))


def what_if(
    draft: Annotated[Path, typer.Argument(help="Draft: an agreements file, or JSON: a list of {id, data}.")],
    transcripts: Annotated[list[Path], typer.Argument(help="Transcripts; docs/agency.md gives their form.")],
    receiver: ReceiverOption,
    member: Annotated[str, typer.Option("--member", help="Whose ids the draft has; the receiver otherwise.")] = "",
    institutions: Annotated[Path | None, typer.Option("--institutions", help="Table of institutions.")] = None,
    valid_on: Annotated[str, typer.Option("--valid-on", help="Date that ages count back from; today otherwise.")] = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 120.0,
    json: JsonOption = False,
) -> None:
    """Who would gain and who would lose by a draft of rules. Nothing is published or stored."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.api.equivalency.v1 import equivalency_pb2
    from passerelle.cli.transcript_file import read_transcript

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
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )
    response: articulation_pb2.WhatIfResponse = call(query, "WhatIf", asked, timeout)
    if json:
        print_json(answering.as_json(response))
        return
    articulation_show.what_if(response, answering.language(lang))


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
