"""``passerelle equivalency between`` and ``pathways``: rules between places, and ways to a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.asking import Asking, asks
from passerelle.cli.common import print_json
from passerelle.cli.equivalency_show import show_pathways, show_rules

MAX_SHOWN: Final = 10_000


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of the area."""
    app.command()(between)
    app.command()(pathways)


@asks(30.0, valid_on=True, limit=200, most=MAX_SHOWN)
def between(
    asking: Asking,
    words: Annotated[list[str] | None, typer.Argument(help="Words or a code of the course that is sent.")] = None,
    sender: Annotated[str, typer.Option("--from", help="Sending member, or its jurisdiction: CA-ON.")] = "",
    receiver: Annotated[str, typer.Option("--to", help="Receiving member, or its jurisdiction: CA-NS.")] = "",
    achievement: Annotated[str, typer.Option("--achievement", help="One achievement that is sent.")] = "",
) -> None:
    """Rules in force between two members or two provinces."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        **_side("sender", sender),
        **_side("receiver", receiver),
        "achievement": achievement,
        "words": " ".join(words or ()),
        **asking.moment(),
    }

    request = pb.ListRulesRequest(**asked, page_size=min(asking.limit, 1_000))
    first, rules = asking.pages(Equivalency.LIST_RULES, request, "rules")
    if asking.json:
        shown = [answering.as_json(rule) for rule in rules]
        print_json({**answering.as_json(first), "rules": shown, "next_page_token": ""})
        return
    show_rules(first, rules, asking.language)


def _side(name: str, value: str) -> dict[str, str]:
    """A member id is lower case, a jurisdiction upper case."""
    return {f"{name}_jurisdiction" if value.isupper() else name: value}


@asks(30.0, valid_on=True)
def pathways(
    asking: Asking,
    target: Annotated[str, typer.Argument(help="Achievement or programme to reach.")],
    held: Annotated[Path | None, typer.Option("--held", help="What is held: a transcript file, CSV or JSON.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=20, help="How many ways.")] = 3,
) -> None:
    """The best ways from what is held to an achievement or a programme."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.cli.transcript_file import read_transcript
    from passerelle.client import Equivalency

    request = pb.PathwaysRequest(
        held=[] if held is None else [pb.TranscriptLine(**line) for line in read_transcript(held)],
        target=target,
        count=count,
        **asking.moment(),
    )
    response = asking.one(Equivalency.PATHWAYS, request)
    if asking.json:
        print_json(answering.as_json(response))
        return
    show_pathways(response, asking.language)
