"""``passerelle equivalency``: what counts for what, asked of the query service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.asking import AchievementArgument, AgesOnOption, Asking, asks
from passerelle.cli.common import print_json
from passerelle.cli.equivalency_show import show_answers, show_found, show_lines, show_one
from passerelle.cli.equivalency_trace import show_line_traces, show_tried

app = typer.Typer(no_args_is_help=True)
MAX_SHOWN: Final = 10_000

ToOption = Annotated[str, typer.Option("--to", help="Receiving member; all otherwise.")]
JurisdictionOption = Annotated[str, typer.Option("--jurisdiction", help="Receivers in one jurisdiction: CA-NS.")]
ExplainOption = Annotated[bool, typer.Option("--explain", help="Show how the answer came about, rule by rule.")]


@app.callback()
def equivalency() -> None:
    """What counts for what: published rules, refusals, and whole transcripts."""


@app.command()
@asks(10.0, valid_on=True, limit=1_000, most=MAX_SHOWN, sign=True)
def find(
    asking: Asking,
    achievement: AchievementArgument,
    to: ToOption = "",
    jurisdiction: JurisdictionOption = "",
    explain: ExplainOption = False,
) -> None:
    """What a sending achievement counts for, at one receiver or everywhere."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        "achievement": achievement,
        "receiver": to,
        "jurisdiction": jurisdiction,
        **asking.moment(),
    }
    request = pb.FindRequest(**asked, signed=asking.sign is not None, explain=explain)
    _look_up(Equivalency.FIND, request, asking)


@app.command()
@asks(10.0, valid_on=True, limit=1_000, most=MAX_SHOWN, sign=True)
def reverse(
    asking: Asking,
    achievement: AchievementArgument,
    sender: Annotated[str, typer.Option("--from", help="Sending member; all otherwise.")] = "",
    explain: ExplainOption = False,
) -> None:
    """What counts for a receiver's course or programme."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        "achievement": achievement,
        "sender": sender,
        **asking.moment(),
    }
    request = pb.ReverseRequest(**asked, signed=asking.sign is not None, explain=explain)
    _look_up(Equivalency.REVERSE, request, asking)


def _look_up(method: Any, request: Any, asking: Asking) -> None:
    if asking.sign is not None:
        request.page_size = min(asking.limit, 1_000)
    first, answers = asking.pages(method, request, "answers")
    answering.keep_signed(asking.sign, first)
    if asking.json:
        shown = [answering.as_json(answer) for answer in answers]
        print_json({**answering.as_json(first), "answers": shown, "next_page_token": ""})
        return
    show_answers(first, answers, asking.language, by_sending=method.name == "Reverse")
    if request.explain:
        show_tried(first, asking.language)


@app.command()
@asks(30.0, sign=True)
def evaluate(
    asking: Asking,
    file: Annotated[Path, typer.Argument(help="A transcript: CSV or JSON; docs/agency.md gives the columns.")],
    to: ToOption = "",
    valid_on: AgesOnOption = "",
    towards: Annotated[str, typer.Option("--towards", help="Programme at the receiver to count towards.")] = "",
    caps: Annotated[str, typer.Option("--caps", help="Policy pack with the caps to apply; needs --towards.")] = "",
    explain: ExplainOption = False,
) -> None:
    """A whole transcript, line by line, against the rules of one receiver or of all. It is not stored."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.cli.transcript_file import read_transcript
    from passerelle.client import Equivalency

    request = pb.EvaluateRequest(
        lines=[pb.TranscriptLine(**line) for line in read_transcript(file)],
        receiver=to,
        valid_on=valid_on,
        **asking.moment(),
        towards=towards,
        caps=caps,
        explain=explain,
        signed=asking.sign is not None,
    )

    async def call(client: Any) -> list[Any]:
        return [response async for response in client.stream(Equivalency.EVALUATE, request, timeout_s=asking.timeout)]

    *lines, last = answering.ask(asking.query, call)
    answering.keep_signed(asking.sign, last)
    if asking.json:
        total = answering.as_json(last)
        shown = [answering.as_json(line) for line in lines]
        print_json({"lines": shown, "summary": total["summary"], "position": total["position"]})
        return
    show_lines(request, lines, last, asking.language)
    if explain:
        show_line_traces(lines, asking.language)


@app.command()
@asks(10.0, min_position=False, limit=50, most=MAX_SHOWN)
def search(
    asking: Asking,
    words: Annotated[list[str] | None, typer.Argument(help="Words, or a course code.")] = None,
    member: Annotated[str, typer.Option("--member", help="Offered or awarded by.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="micro-credential, course, ...")] = "",
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", help="Where its member is: CA-ON.")] = "",
    delivery: Annotated[str, typer.Option("--delivery", help="in-person, online-asynchronous, ...")] = "",
    framework: Annotated[str, typer.Option("--framework", help="Aligned to this framework.")] = "",
    occupation: Annotated[str, typer.Option("--occupation", help="NOC 2021 unit group, five digits.")] = "",
) -> None:
    """Achievements by words, code and facets."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        "words": " ".join(words or ()),
        "member": member,
        "kind": kind,
        "jurisdiction": jurisdiction,
        "delivery_mode": delivery,
        "framework": framework,
        "occupation": occupation,
        **asking.moment(),
    }

    request = pb.SearchRequest(**asked, page_size=min(asking.limit, 1_000))
    first, found = asking.pages(Equivalency.SEARCH, request, "achievements")
    if asking.json:
        shown = [answering.as_json(one) for one in found]
        print_json({**answering.as_json(first), "achievements": shown, "next_page_token": ""})
        return
    show_found(first, found, asking.language)


@app.command()
@asks(10.0)
def show(
    asking: Asking,
    achievement: AchievementArgument,
) -> None:
    """One achievement: what was published about it, and who endorses it."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    request = pb.GetAchievementRequest(
        achievement=achievement,
        **asking.moment(),
    )
    response = asking.one(Equivalency.GET_ACHIEVEMENT, request)
    if asking.json:
        print_json(answering.as_json(response))
        return
    show_one(response, asking.language)


def _register() -> None:
    """The other commands of this area stand in a module of their own."""
    from passerelle.cli import equivalency_ways

    equivalency_ways.add_to(app)


_register()
