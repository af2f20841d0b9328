"""``passerelle articulation``: requests for evaluation and their answers, and what agencies ask about rules."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering, articulation_agency, articulation_show
from passerelle.cli.answering import TimeoutOption
from passerelle.cli.articulation_agency import PAGE, InstitutionsOption
from passerelle.cli.asking import Asking, asks
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.articulation import Asked, Question
    from passerelle.node.main import Office
    from passerelle.node.plan import NewEvent

app = typer.Typer(no_args_is_help=True)
articulation_agency.add_to(app)
MAX_OUTLINE: Final = 100_000_000
TARGET_DAYS: Final = 90

RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request.")]


@app.callback()
def articulation() -> None:
    """Articulation requests and their answers; precedents, contradictions and gaps among rules."""


def _today(office: Office) -> dt.date:
    from passerelle.runtime.clock import as_datetime

    return as_datetime(office.clock.now_ms()).date()


def _outline_hash(path: Path | None, stated: str) -> str:
    """The SHA-256 of an outline's file, in bounded memory, or the one that was stated. Raises FormatError."""
    from passerelle.core.errors import FormatError

    if path is None:
        return stated
    found = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            size = 0
            while chunk := stream.read(1 << 20):
                size += len(chunk)
                found.update(chunk)
                if size > MAX_OUTLINE:
                    raise FormatError("file-too-large", f"the outline is over {MAX_OUTLINE} bytes", where=str(path))
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)) from None
    return found.hexdigest()


@app.command()
def request(
    achievement: Annotated[str, typer.Argument(help="Course or programme to evaluate: humber/HIST101.")],
    config: ConfigOption,
    to: Annotated[list[str], typer.Option("--to", help="Receiving member; may come again.")],
    version: Annotated[int, typer.Option("--version", min=0, help="Its version; the latest otherwise.")] = 0,
    towards: Annotated[str, typer.Option("--towards", help="The receiver's programme.")] = "",
    replaces: Annotated[str, typer.Option("--replaces", help="The older course, of a renumbered one.")] = "",
    outline: Annotated[str, typer.Option("--outline", help="https address of the outline.")] = "",
    outline_file: Annotated[Path | None, typer.Option("--outline-file", help="The outline, to be hashed.")] = None,
    outline_sha256: Annotated[str, typer.Option("--outline-sha256", help="Or its SHA-256.")] = "",
    due: Annotated[str, typer.Option("--due", help="Target day, YYYY-MM-DD.")] = "",
    target_days: Annotated[int, typer.Option("--target-days", min=1, max=3650, help="Or days from today.")] = (
        TARGET_DAYS
    ),
    note: Annotated[str, typer.Option("--note", help="A remark for the evaluator; it is public.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Ask anew what was asked before.")] = False,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Ask one or many receivers to evaluate a course or programme. Asking the same twice asks once."""
    from passerelle.node.articulation import Question

    digest = _outline_hash(outline_file, outline_sha256)

    async def work(office: Office) -> list[dict[str, Any]]:
        day = target_day(due, _today(office), target_days)
        question = Question(achievement, to, version, towards, replaces, outline, digest, day, note)
        return await _request(office, question, again, wait)

    _told(with_office(config, work), as_json)


def target_day(due: str, today: dt.date, days: int) -> str:
    """The day that was named, or so many days from today: ``YYYY-MM-DD``."""
    return due or (today + dt.timedelta(days=days)).isoformat()


async def _request(office: Office, question: Question, again: bool, wait: float) -> list[dict[str, Any]]:
    from passerelle.node.articulation import question_ids, request_events

    home = office.config.member
    ids = [one for name in question.receivers for one in question_ids(home, question, name, again=again)]
    taken = await office.store.made_requests(ids)
    events = request_events(home, question, taken, again=again)
    answers = await office.publish(events, wait_s=wait) if events else []
    told = {event.subject: event.data["receiver"] for event in events}
    found = [{"receiver": told[str(one["subject"])], **one} for one in answers]
    asked = {one["receiver"] for one in found}
    before = [name for name in question.receivers if name not in asked]
    known = {name: question_ids(home, question, name, again=False)[0] for name in before}
    return found + [{"receiver": name, "subject": one, "state": "asked-before"} for name, one in known.items()]


@app.command("list")
@asks(30.0, limit=1_000, most=10_000, shown="requests")
def list_(
    asking: Asking,
    receiver: Annotated[str, typer.Option("--receiver", help="Receiving member.")] = "",
    evaluator: Annotated[str, typer.Option("--evaluator", help="Whose turn it is.")] = "",
    sender: Annotated[str, typer.Option("--sender", help="Member whose course it is.")] = "",
    subject: Annotated[str, typer.Option("--subject", help="Start of the course's code: HIST.")] = "",
    state: Annotated[
        str, typer.Option("--state", help="requested, returned, answered, declined, all; open ones.")
    ] = "",
    overdue: Annotated[bool, typer.Option("--overdue", help="Only past their target day.")] = False,
    min_age: Annotated[int, typer.Option("--min-age", min=0, help="At least so many days old.")] = 0,
) -> None:
    """The queue of requests, the oldest first."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation

    asked: dict[str, Any] = {
        **asking.moment(),
        "receiver": receiver,
        "evaluator": evaluator,
        "sender": sender,
        "subject": subject,
        "overdue": overdue,
        "min_age_days": min_age,
        "all_states": state == "all",
        "state": articulation_show.state_number(state),
    }
    first, found = asking.pages(Articulation.LIST_REQUESTS, pb.ListRequestsRequest(**asked, page_size=PAGE), "requests")
    if asking.json:
        print_json({**answering.as_json(first), "requests": [answering.as_json(one) for one in found],
                    "next_page_token": ""})  # fmt: skip
        return
    articulation_show.queue(first, found, asking.language)


@app.command()
@asks(10.0)
def show(asking: Asking, request: RequestArgument) -> None:
    """One request with all its steps."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation

    response = asking.one(Articulation.GET_REQUEST, pb.GetRequestRequest(request=request, **asking.moment()))
    if asking.json:
        print_json(answering.as_json(response))
        return
    articulation_show.one(response, asking.language)


@app.command()
@asks(30.0)
def summary(
    asking: Asking,
    receiver: Annotated[str, typer.Option("--receiver", help="One receiving member.")] = "",
    sender: Annotated[str, typer.Option("--sender", help="Member whose courses they are.")] = "",
) -> None:
    """Open and overdue requests, and the median days to a decision, receiver by receiver."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation

    asked = pb.SummariseRequestsRequest(receiver=receiver, sender=sender, **asking.moment())
    response = asking.one(Articulation.SUMMARISE_REQUESTS, asked)
    if asking.json:
        print_json(answering.as_json(response))
        return
    articulation_show.summary(response, asking.language)


@app.command()
def answer(
    request: RequestArgument,
    config: ConfigOption,
    establish: Annotated[str, typer.Option("--establish", help="Credit, as 'SFU HUM 130 (3) & HUM 1XX (3)'.")] = "",
    no_credit: Annotated[str, typer.Option("--no-credit", help="Coded reason: level, content, hours, ...")] = "",
    back: Annotated[list[str] | None, typer.Option("--return", help="What is needed; may come again.")] = None,
    forward: Annotated[str, typer.Option("--forward", help="Member that shall evaluate.")] = "",
    no_change: Annotated[str, typer.Option("--no-change", help="Id of your rule that stands as it is.")] = "",
    case_by_case: Annotated[bool, typer.Option("--case-by-case", help="No general rule.")] = False,
    carry: Annotated[bool, typer.Option("--carry", help="The renumbered course carries its rules.")] = False,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="The asker: what was needed is there.")] = False,
    sending: Annotated[str, typer.Option("--sending", help="What is sent, if more than the course asked about.")] = "",
    rule: Annotated[str, typer.Option("--rule", help="Id of the new rule; that of the request otherwise.")] = "",
    begin: Annotated[str, typer.Option("--begin", help="First completion date; today otherwise.")] = "",
    end: Annotated[str, typer.Option("--end", help="Last completion date.")] = "",
    conditions: Annotated[str, typer.Option("--conditions", help="Minimum grades for a use, as sentences.")] = "",
    delegation: Annotated[str, typer.Option("--delegation", help="An agency: the receiver's delegation to you.")] = "",
    institutions: InstitutionsOption = None,
    outline: Annotated[str, typer.Option("--outline", help="--resubmit: https address of the outline.")] = "",
    outline_file: Annotated[Path | None, typer.Option("--outline-file", help="--resubmit: to be hashed.")] = None,
    note: Annotated[str, typer.Option("--note", help="A remark; it is public.")] = "",
    query: Annotated[str, typer.Option("--query", help="The query service; the node's otherwise.")] = "",
    timeout: TimeoutOption = 10.0,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Answer a request: establish, no credit, return, forward, no change, case by case, carry; or resubmit."""
    from passerelle.cli.articulation_answer import Given, events_of

    given = Given(
        establish, no_credit, tuple(back or ()), forward, no_change, case_by_case, carry, resubmit, sending, rule,
        begin, end, conditions, delegation, institutions, outline, _outline_hash(outline_file, ""), note,
    )  # fmt: skip
    asked = _asked(request, config, query, timeout)

    async def work(office: Office) -> list[dict[str, Any]]:
        events: list[NewEvent] = await events_of(office, asked, given, _today(office).isoformat())
        return await office.publish(events, wait_s=wait)

    _told(with_office(config, work), as_json)


def _asked(request: str, config: Path, query: str, timeout: float) -> Asked:
    """The request as the query service shows it now."""
    from passerelle.api.equivalency.v1 import articulation_pb2 as pb
    from passerelle.client import Articulation
    from passerelle.node.articulation import Asked
    from passerelle.node.config import NodeConfig

    address = query or NodeConfig.load(config).query
    asked = pb.GetRequestRequest(request=request)
    found = answering.ask_one(address, Articulation.GET_REQUEST, asked, timeout).request
    state = answering.word(pb.RequestState.DESCRIPTOR, found.state)
    return Asked(found.id, found.achievement, found.receiver, found.evaluator, state, found.replaces)


def _told(answers: list[dict[str, Any]], as_json: bool) -> None:
    """What became of the events; exit code 2 where one was refused."""
    from passerelle.cli import node_show

    if as_json:
        print_json(answers)
    else:
        columns = [name for name in ("receiver", "type", "subject", "state", "code", "what", "fix")
                   if any(name in one for one in answers)]  # fmt: skip
        node_show.rows(answers, tuple(columns))
    if any(one["state"] == "refused" for one in answers):
        raise typer.Exit(2)
