"""``passerelle node transfer``: credit-transfer cases of one learner between two institutions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_case, node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import CaseArgument, ConfirmOption, NoteOption, ProgrammeOption, WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Credit-transfer cases: the receiver opens, decides and posts.")
app.registered_commands += node_case.app.registered_commands

VersionOption = Annotated[int | None, typer.Option("--expected-version", min=1, help="Default: the latest known here.")]
LinesOption = Annotated[Path | None, typer.Option("--lines", help="A JSON file: the list of lines.")]
DocumentsOption = Annotated[Path, typer.Option("--documents", help="A JSON file: sha256, media_type, size, role.")]
STATUSES = ("credited", "no-credit", "pending", "conditional")


@app.command()
def request(
    config: ConfigOption,
    release: Annotated[Path, typer.Option("--release", help="The learner's release file.")],
    programme: ProgrammeOption = "",
    due: Annotated[str, typer.Option("--due", help="Due date, YYYY-MM-DD.")] = "",
    confirm: ConfirmOption = "",
    match_later: Annotated[
        bool, typer.Option("--match-later", help="Open it now; 'match' says whose it is. Before posting only.")
    ] = False,
    permission: Annotated[
        str, typer.Option("--permission", help="Your letter of permission that the learner returns under.")
    ] = "",
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Open a case on a learner's release file: check it, match the person, publish the request."""
    from passerelle.node.permission_return import check_learner

    async def work(office: Office) -> dict[str, Any]:
        releases, given = office.releases(), {"programme": programme, "due_on": due, "permission": permission}
        granted = await office.casework().permissions.view(permission) if permission else None
        if match_later:
            proved, learner = await releases.accept_unmatched(release)
        else:
            proved, learner = await releases.accept(release, confirm=confirm)
            if granted is not None:
                await check_learner(office.store, granted, learner, confirmed=True)
        case, draft = await office.transfers().request(proved, learner, pending=match_later, **given)
        await office.release()
        answer = (await office.answers([draft], wait_s=wait))[0]
        told = {"case": case, "release": proved.release, "sender": proved.sender}
        return {**answer, **told, "learner": None if match_later else learner}

    node_show.answer(with_office(config, work), as_json)


def _step(
    config: Path, case: str, name: str, data: dict[str, Any], version: int | None, wait: float, as_json: bool
) -> None:
    """Publish one step of a case."""
    given = {field: value for field, value in data.items() if value not in (None, "", [])}

    async def work(office: Office) -> dict[str, Any]:
        event = await office.transfers().step(case, name, given, version=version)
        return (await office.publish([event], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


@app.command("add-evidence")
def add_evidence(
    case: CaseArgument, config: ConfigOption, documents: DocumentsOption, note: NoteOption = "",
    version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Add evidence, by hash."""
    from passerelle.node.publishing import read_json

    _step(config, case, "evidence-added", {"documents": read_json(documents), "note": note}, version, wait, as_json)


@app.command()
def ask(
    case: CaseArgument, config: ConfigOption,
    needed: Annotated[list[str], typer.Option("--needed", help="What is needed; may come again.")],
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Ask for information before deciding."""
    _step(config, case, "information-requested", {"needed": needed, "note": note}, version, wait, as_json)


@app.command()
def decide(
    case: CaseArgument,
    config: ConfigOption,
    lines: LinesOption = None,
    line: Annotated[int, typer.Option("--line", min=1, help="Number of the one line.")] = 1,
    credential: Annotated[str, typer.Option("--credential", help="Default: the only one of the case.")] = "",
    status: Annotated[str, typer.Option("--status", help=", ".join(STATUSES))] = "credited",
    recognition: Annotated[str, typer.Option("--recognition", help="The rule it rests on; gives the outcome.")] = "",
    individual_reason: Annotated[str, typer.Option("--individual-reason", help="Instead of a rule.")] = "",
    credit: Annotated[str, typer.Option("--credit", help="Assigned credit: the receiver's course.")] = "",
    amount: Annotated[str, typer.Option("--amount", help="How much: '3 units'.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="no-credit: level, content, hours...")] = "",
    waits_for: Annotated[str, typer.Option("--waits-for", help="final-grade, admission, enrolment, department.")] = "",
    final: Annotated[bool, typer.Option("--final", help="The last level of appeal is spent.")] = False,
    appeal_by: Annotated[str, typer.Option("--appeal-by", help="Last day for an appeal, YYYY-MM-DD.")] = "",
    proposed: Annotated[bool, typer.Option("--proposed", help="The lines answered by 'line', all of them.")] = False,
    note: NoteOption = "",
    version: VersionOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Decide, line by line: --lines FILE.json, or one line by options."""
    from passerelle.node.publishing import read_json
    from passerelle.node.setup import known
    from passerelle.node.transfers import assigned

    known(status, STATUSES, "--status")

    async def work(office: Office) -> dict[str, Any]:
        transfers = office.transfers()
        given = {
            "line": line, "credential": credential, "status": status, "recognition": recognition,
            "individual_reason": individual_reason, "reason": reason, "waits_for": waits_for,
            "outcome": assigned(credit, amount, office.config.member),
        }  # fmt: skip
        decided: Any
        on = version
        if proposed:
            decided, on = await office.casework().proposals.decision(case)
        else:
            decided = read_json(lines) if lines is not None else [await transfers.line(case, given)]
        more = (("final", final), ("note", note), ("appeal_by", appeal_by))
        data: dict[str, Any] = {"lines": decided} | {name: value for name, value in more if value}
        event = await transfers.step(case, "decided", data, version=on)
        return (await office.publish([event], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


@app.command()
def post(
    case: CaseArgument, config: ConfigOption,
    programme: ProgrammeOption,
    on: Annotated[str, typer.Option("--on", help="Date of posting, YYYY-MM-DD; default: today (UTC).")] = "",
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Post the credit to the learner's record."""
    from passerelle.runtime.clock import SystemClock, as_date

    data = {"programme": programme, "posted_on": on or as_date(SystemClock().now_ms()), "note": note}
    _step(config, case, "posted", data, version, wait, as_json)


@app.command()
def adjust(
    case: CaseArgument, config: ConfigOption,
    reason: Annotated[str, typer.Option("--reason", help="source-revoked, source-amended, error, programme-change.")],
    outcome: Annotated[str, typer.Option("--outcome", help="removed or kept; changed asks for --lines.")] = "",
    line: Annotated[list[int] | None, typer.Option("--line", min=1, help="A line; may come again; default: 1.")] = None,
    lines: LinesOption = None,
    cause: Annotated[int | None, typer.Option("--cause", min=0, help="Log index of what it answers.")] = None,
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Change, remove or keep what was posted, with the reason."""
    from passerelle.node.publishing import read_json

    decided = read_json(lines) if lines else [{"line": number, "outcome": outcome} for number in line or [1]]
    data = {"reason": reason, "cause": cause, "lines": decided, "note": note}
    _step(config, case, "adjusted", data, version, wait, as_json)


@app.command()
def appeal(
    case: CaseArgument, config: ConfigOption,
    ground: Annotated[str, typer.Option("--ground", help="new-evidence, error-of-fact, procedure, other.")],
    documents: Annotated[Path | None, typer.Option("--documents", help="New evidence by hash, as JSON.")] = None,
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Appeal against the decision."""
    from passerelle.node.publishing import read_json

    given = read_json(documents) if documents is not None else []
    data = {"ground": ground, "documents": given, "note": note}
    _step(config, case, "appealed", data, version, wait, as_json)


@app.command()
def withdraw(
    case: CaseArgument, config: ConfigOption,
    by: Annotated[str, typer.Option("--by", help="learner or receiver.")] = "learner",
    reason: Annotated[str, typer.Option("--reason", help="learner-request, unmatched, duplicate, other.")] = "",
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Withdraw the case, before posting only."""
    _step(config, case, "withdrawn", {"by": by, "reason": reason, "note": note}, version, wait, as_json)


@app.command()
def close(
    case: CaseArgument, config: ConfigOption,
    note: NoteOption = "", version: VersionOption = None, wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Close the case: nothing more is to come."""
    _step(config, case, "closed", {"note": note}, version, wait, as_json)


@app.command()
def show(case: CaseArgument, config: ConfigOption, as_json: JsonOption = False) -> None:
    """The case as this node knows it; 'passerelle transfer show' asks the ledger."""

    async def work(office: Office) -> dict[str, Any]:
        return (await office.transfers().view(case)).as_dict()

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        node_show.rows([found], ("case", "state", "version", "sender", "receiver", "programme", "steps"))
