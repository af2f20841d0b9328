"""``passerelle equivalency``: what counts for what, asked of the query service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from passerelle.cli import answering
from passerelle.cli.answering import (
    QUERY_DEFAULT,
    KnownAtOption,
    LangOption,
    MinPositionOption,
    QueryOption,
    SignOption,
    TimeoutOption,
)
from passerelle.cli.common import JsonOption, print_json
from passerelle.cli.equivalency_show import show_answers, show_found, show_lines, show_one, show_traces

app = typer.Typer(no_args_is_help=True)
MAX_SHOWN: Final = 10_000

AchievementArgument = Annotated[str, typer.Argument(help="Achievement id, for example humber/revit-architecture.")]
ToOption = Annotated[str, typer.Option("--to", help="Receiving member; all otherwise.")]
JurisdictionOption = Annotated[str, typer.Option("--jurisdiction", help="Receivers in one jurisdiction: CA-NS.")]
ValidOnOption = Annotated[str, typer.Option("--valid-on", help="Completion date, YYYY-MM-DD; today otherwise.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most answers shown.")]


@app.callback()
def equivalency() -> None:
    """What counts for what: published rules, refusals, and whole transcripts."""


@app.command()
def find(
    achievement: AchievementArgument,
    to: ToOption = "",
    jurisdiction: JurisdictionOption = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """What a sending achievement counts for, at one receiver or everywhere."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        "achievement": achievement,
        "receiver": to,
        "jurisdiction": jurisdiction,
        "valid_on": valid_on,
        "min_position": min_position,
        "known_at": answering.known_at(known_at) or None,
    }
    request = pb.FindRequest(**asked, signed=sign is not None)
    _look_up(query, Equivalency.FIND, request, limit, timeout, answering.language(lang), json, sign)


@app.command()
def reverse(
    achievement: AchievementArgument,
    sender: Annotated[str, typer.Option("--from", help="Sending member; all otherwise.")] = "",
    valid_on: ValidOnOption = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    limit: LimitOption = 1_000,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """What counts for a receiver's course or programme."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    asked: dict[str, Any] = {
        "achievement": achievement,
        "sender": sender,
        "valid_on": valid_on,
        "min_position": min_position,
        "known_at": answering.known_at(known_at) or None,
    }
    request = pb.ReverseRequest(**asked, signed=sign is not None)
    _look_up(query, Equivalency.REVERSE, request, limit, timeout, answering.language(lang), json, sign)


def _look_up(
    query: str, method: Any, request: Any, limit: int, timeout: float, lang: str, json: bool, sign: Path | None
) -> None:
    if sign is not None:
        request.page_size = min(limit, 1_000)
    first, answers = answering.ask_pages(query, method, request, "answers", limit, timeout)
    answering.keep_signed(sign, first)
    if json:
        shown = [answering.as_json(answer) for answer in answers]
        print_json({**answering.as_json(first), "answers": shown, "next_page_token": ""})
        return
    show_answers(first, answers, lang, by_sending=method.name == "Reverse")


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="A transcript: CSV or JSON; docs/agency.md gives the columns.")],
    to: ToOption = "",
    valid_on: Annotated[str, typer.Option("--valid-on", help="Date that ages count back from; today otherwise.")] = "",
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    towards: Annotated[str, typer.Option("--towards", help="Programme at the receiver to count towards.")] = "",
    caps: Annotated[str, typer.Option("--caps", help="Policy pack with the caps to apply; needs --towards.")] = "",
    explain: Annotated[bool, typer.Option("--explain", help="Show how each answer came about.")] = False,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 30.0,
    sign: SignOption = None,
    json: JsonOption = False,
) -> None:
    """A whole transcript, line by line, against the rules of one receiver or of all. It is not stored."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.cli.transcript_file import read_transcript
    from passerelle.client import Equivalency

    request = pb.EvaluateRequest(
        lines=[pb.TranscriptLine(**line) for line in read_transcript(file)],
        receiver=to,
        valid_on=valid_on,
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
        towards=towards,
        caps=caps,
        explain=explain,
        signed=sign is not None,
    )

    async def call(client: Any) -> list[Any]:
        return [response async for response in client.stream(Equivalency.EVALUATE, request, timeout_s=timeout)]

    *lines, last = answering.ask(query, call)
    answering.keep_signed(sign, last)
    if json:
        total = answering.as_json(last)
        shown = [answering.as_json(line) for line in lines]
        print_json({"lines": shown, "summary": total["summary"], "position": total["position"]})
        return
    show_lines(request, lines, last, answering.language(lang))
    if explain:
        show_traces(lines, answering.language(lang))


@app.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words, or a course code.")] = None,
    member: Annotated[str, typer.Option("--member", help="Offered or awarded by.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="micro-credential, course, ...")] = "",
    jurisdiction: Annotated[str, typer.Option("--jurisdiction", help="Where its member is: CA-ON.")] = "",
    delivery: Annotated[str, typer.Option("--delivery", help="in-person, online-asynchronous, ...")] = "",
    framework: Annotated[str, typer.Option("--framework", help="Aligned to this framework.")] = "",
    occupation: Annotated[str, typer.Option("--occupation", help="NOC 2021 unit group, five digits.")] = "",
    known_at: KnownAtOption = None,
    limit: LimitOption = 50,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
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
        "known_at": answering.known_at(known_at) or None,
    }

    request = pb.SearchRequest(**asked, page_size=min(limit, 1_000))
    first, found = answering.ask_pages(query, Equivalency.SEARCH, request, "achievements", limit, timeout)
    if json:
        shown = [answering.as_json(one) for one in found]
        print_json({**answering.as_json(first), "achievements": shown, "next_page_token": ""})
        return
    show_found(first, found, answering.language(lang))


@app.command()
def show(
    achievement: AchievementArgument,
    known_at: KnownAtOption = None,
    min_position: MinPositionOption = 0,
    query: QueryOption = QUERY_DEFAULT,
    lang: LangOption = None,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """One achievement: what was published about it, and who endorses it."""
    from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
    from passerelle.client import Equivalency

    request = pb.GetAchievementRequest(
        achievement=achievement,
        min_position=min_position,
        known_at=answering.known_at(known_at) or None,
    )
    response = answering.ask_one(query, Equivalency.GET_ACHIEVEMENT, request, timeout)
    if json:
        print_json(answering.as_json(response))
        return
    show_one(response, answering.language(lang))


def _register() -> None:
    """The other commands of this area stand in a module of their own."""
    from passerelle.cli import equivalency_ways

    equivalency_ways.add_to(app)


_register()
