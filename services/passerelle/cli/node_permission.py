"""``passerelle node permission``: letters of permission, in Quebec autorisations d'études hors établissement (AEHE)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import LangOption, NoteOption, ProgrammeOption, WaitOption, with_office

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from passerelle.node.main import Office
    from passerelle.node.permission import Terms
    from passerelle.node.plan import NewEvent

app = typer.Typer(
    no_args_is_help=True, help="Letters of permission (AEHE): studies elsewhere, with the credit promised beforehand."
)
PermissionArgument = Annotated[str, typer.Argument(metavar="PERMISSION", help="The permission's id: its reference.")]
UntilOption = Annotated[str, typer.Option("--until", help="Last day it is honoured; default: 180 days after the term.")]
MinimumOption = Annotated[
    str, typer.Option("--minimum-grade", help="For every course: 'SCHEME GRADE', for example 'percentage-60 65'.")
]
MaximumOption = Annotated[str, typer.Option("--maximum", help="At most so much credit of yours: '6 units'.")]
ChangeOption = Annotated[
    Path | None,
    typer.Option(
        "--change", help="JSON list: line, and outcome, individual_reason or minimum_grade that are otherwise."
    ),
]
LeaveOption = Annotated[list[int] | None, typer.Option("--leave", min=1, help="A line not permitted; may come again.")]
REFUSALS = (
    "level", "content", "hours", "assessment", "duplicate", "upper-year", "not-recognised",
    "offered-here", "residency", "standing", "late", "other",
)  # fmt: skip
WITHDRAWALS = ("learner-request", "course-cancelled", "standing", "error", "other")
COLUMNS = ("permission", "state", "host", "programme", "starts_on", "ends_on", "expires_on", "entry")


@app.command()
def ask(
    config: ConfigOption,
    host: Annotated[str, typer.Option("--host", help="The member where the courses are taken.")],
    course: Annotated[list[str], typer.Option("--course", help="A course of the host; may come again.")],
    starts: Annotated[str, typer.Option("--starts", help="First day of the term, YYYY-MM-DD.")],
    ends: Annotated[str, typer.Option("--ends", help="Last day of the term, YYYY-MM-DD.")],
    learner: Annotated[str, typer.Option("--learner", help="The node's own id of the learner.")] = "",
    record: Annotated[str, typer.Option("--record", help="One of your office's record ids about them.")] = "",
    term: Annotated[str, typer.Option("--term", help="The term's name.")] = "",
    programme: ProgrammeOption = "",
    as_json: JsonOption = False,
) -> None:
    """A learner asks to study elsewhere: kept here, with what your rules say of each course. Nothing is published."""
    from passerelle.node.learners import find

    async def work(office: Office) -> dict[str, Any]:
        found = await find(office.store, office.keys, learner=learner, record=record)
        desk = office.casework().permissions
        asked = await desk.ask(found, course, host=host, starts=starts, ends=ends, term=term, programme=programme)
        return await _shown(office, asked.id)

    _tell(with_office(config, work), as_json)


@app.command()
def grant(
    permission: PermissionArgument, config: ConfigOption, until: UntilOption = "", minimum_grade: MinimumOption = "",
    maximum: MaximumOption = "", change: ChangeOption = None, leave: LeaveOption = None, note: NoteOption = "",
    wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Grant it by the rules as they were asked, with conditions."""
    _state(config, wait, as_json, lambda office: office.casework().permissions.grant(
        permission, _terms(office, until, minimum_grade, maximum, change, leave, note)
    ))  # fmt: skip


@app.command()
def amend(
    permission: PermissionArgument, config: ConfigOption, until: UntilOption = "", minimum_grade: MinimumOption = "",
    maximum: MaximumOption = "", change: ChangeOption = None, leave: LeaveOption = None, note: NoteOption = "",
    wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """State a granted permission anew, before its term begins; what is not given stays."""
    _state(config, wait, as_json, lambda office: office.casework().permissions.amend(
        permission, _terms(office, until, minimum_grade, maximum, change, leave, note)
    ))  # fmt: skip


@app.command()
def refuse(
    permission: PermissionArgument, config: ConfigOption,
    reason: Annotated[str, typer.Option("--reason", help=", ".join(REFUSALS))],
    fix: Annotated[str, typer.Option("--fix", help="What would make it permissible; never about the person.")],
    note: NoteOption = "", wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Refuse what was asked. No other member is told."""
    from passerelle.node.setup import known

    known(reason, REFUSALS, "--reason")

    _state(config, wait, as_json, lambda office: office.casework().permissions.refuse(permission, reason, fix, note))


@app.command()
def withdraw(
    permission: PermissionArgument, config: ConfigOption,
    reason: Annotated[str, typer.Option("--reason", help=", ".join(WITHDRAWALS))],
    note: NoteOption = "", wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Take a granted permission back, before its term begins."""
    from passerelle.node.setup import known

    known(reason, WITHDRAWALS, "--reason")

    _state(config, wait, as_json, lambda office: office.casework().permissions.withdraw(permission, reason, note))


@app.command()
def show(permission: PermissionArgument, config: ConfigOption, as_json: JsonOption = False) -> None:
    """A permission by its reference: at home, and at the host, whom the ledger gave the signed permission."""

    async def work(office: Office) -> dict[str, Any]:
        return await _shown(office, permission)

    _tell(with_office(config, work), as_json)


@app.command("list")
def listed(
    config: ConfigOption,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most shown.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """The permissions that this node knows: asked here, decided here, or granted by others to study here."""
    from passerelle.runtime.clock import as_date

    async def work(office: Office) -> list[dict[str, Any]]:
        found = await office.casework().permissions.listed(limit)
        return [one.as_dict(as_date(office.clock.now_ms())) for one in found]

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        node_show.rows([{**one, **one.get("term", {})} for one in found], COLUMNS)


@app.command()
def letter(
    permission: PermissionArgument, config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")],
    lang: LangOption = "",
) -> None:  # fmt: skip
    """Write the letter for the learner, in English or French; in Quebec it is an AEHE."""

    async def work(office: Office) -> None:
        await office.casework().permission_letters.write(permission, out, lang or office.config.language)

    with_office(config, work)
    print(out)


def _state(config: Path, wait: float, as_json: bool, decide: Callable[[Office], Awaitable[NewEvent]]) -> None:
    """Publish what was decided, and tell what became of it."""

    async def work(office: Office) -> dict[str, Any]:
        return (await office.publish([await decide(office)], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


async def _shown(office: Office, permission: str) -> dict[str, Any]:
    from passerelle.runtime.clock import as_date

    view = await office.casework().permissions.view(permission)
    return view.as_dict(as_date(office.clock.now_ms()))


def _terms(
    office: Office, until: str, minimum: str, maximum: str, change: Path | None, leave: list[int] | None, note: str
) -> Terms:
    from passerelle.core.errors import FormatError
    from passerelle.node.permission import Terms, amount, changes
    from passerelle.node.publishing import read_json

    scheme, _, grade = minimum.partition(" ")
    if minimum and not grade.strip():
        raise FormatError("argument-invalid", "scheme and grade stand apart by a space", where="--minimum-grade")
    return Terms(
        until,
        {"scheme": scheme, "grade": grade.strip()} if minimum else None,
        amount(maximum, office.config.member),
        changes(read_json(change)) if change is not None else {},
        leave or (),
        note,
    )


def _tell(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    node_show.rows([{**found, **found.get("term", {})}], COLUMNS)
    courses = {course["line"]: course for course in found.get("courses", ())}
    asked = {line["line"]: line for line in found["lines"]}
    lines = [{**asked.get(number, {}), **courses.get(number, {})} for number in sorted({*courses, *asked})]
    shown = [
        {**line, "rule": line.get("recognition") or line.get("rule", {}).get("id", ""), "counts_as": _what(line)}
        for line in lines
    ]
    node_show.rows(shown, ("line", "achievement", "match", "rule", "counts_as"))


def _what(line: dict[str, Any]) -> str:
    outcome = line.get("outcome")
    if not outcome:
        return ""
    credit = outcome.get("credits")
    named = str(outcome.get("achievement") or outcome.get("subject") or outcome["type"])
    return f"{named}, {credit['value']} {credit['system']}" if credit else named
