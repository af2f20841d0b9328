"""``passerelle equivalency between`` and ``pathways``: rules between places, and ways to a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

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
from passerelle.cli.equivalency_show import show_pathways, show_rules

ValidOn = Annotated[str, typer.Option("--valid-on", help="Completion date, YYYY-MM-DD; today otherwise.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of the area."""
    app.command()(between)
    app.command()(pathways)


def between(
    words: Annotated[list[str] | None, typer.Argument(help="Words or a code of the course that is sent.")] = None,
    sender: Annotated[str, typer.Option("--from", help="Sending member, or its jurisdiction: CA-ON.")] = "",
    receiver: Annotated[str, typer.Option("--to", help="Receiving member, or its jurisdiction: CA-NS.")] = "",
    achievement: Annotated[str, typer.Option("--achievement", help="One achievement that is sent.")] = "",
    valid_on: ValidOn = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most rules shown.")] = 200,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 30.0,
    json: JsonOption = False,
) -> None:
    """Rules in force between two members or two provinces."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        **_side("sender", sender),
        **_side("receiver", receiver),
        "achievement": achievement,
        "words": " ".join(words or ()),
        "valid_on": valid_on,
        "min_position": min_position,
        "known_at": answering.known_at(known_at) or None,
    }

    request = pb.ListRulesRequest(**asked, page_size=min(limit, 1_000))
    first, rules = answering.ask_pages(query, Equivalency.LIST_RULES, request, "rules", limit, timeout)
    if json:
        shown = [answering.as_json(rule) for rule in rules]
        print_json({**answering.as_json(first), "rules": shown, "next_page_token": ""})
        return
    show_rules(first, rules, answering.language(lang))


def _side(name: str, value: str) -> dict[str, str]:
    """A member id is lower case, a jurisdiction upper case."""
    return {f"{name}_jurisdiction" if value.isupper() else name: value}


def pathways(
    target: Annotated[str, typer.Argument(help="Achievement or programme to reach.")],
    held: Annotated[Path | None, typer.Option("--held", help="What is held: a transcript file, CSV or JSON.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="How many ways.")] = 3,
    valid_on: ValidOn = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 30.0,
    json: JsonOption = False,
) -> None:
    """The best ways from what is held to an achievement or a programme."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.cli.transcript_file import read_transcript
    from passerelle.client import Equivalency

    request = pb.PathwaysRequest(
        held=[] if held is None else [pb.TranscriptLine(**line) for line in read_transcript(held)],
        target=target,
        count=count,
        valid_on=valid_on,
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )
    response = answering.ask_one(query, Equivalency.PATHWAYS, request, timeout)
    if json:
        print_json(answering.as_json(response))
        return
    show_pathways(response, answering.language(lang))
