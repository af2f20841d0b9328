"""``passerelle node transfer``, the office's side of a case: people, documents, proposals, letters, deadlines, impacts.

The commands join those of :mod:`passerelle.cli.node_transfer`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import CaseArgument, LangOption, ProgrammeOption, WaitOption, with_office

if TYPE_CHECKING:
    from passerelle.node.main import Office

app = typer.Typer()

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The document.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it becomes the line's reason. Never about a person.")]


@app.command("seal-key")
def seal_key(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Make the key to which others seal documents for this member, beside the configuration."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.setup import SEAL_KEY, create_seal_key
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds

    settings, folder = NodeConfig.load(config), config.parent
    name = create_seal_key(folder, settings.member, SystemIds(SystemClock()))
    made = {"key": str(folder / SEAL_KEY), "public_key": str(folder / "seal.pub"), "key_id": name}
    if as_json:
        print_json(made)
        return
    print(f"{made['key']}: opens what is sealed to {settings.member}. Keep it secret, and keep a copy.")
    print(f"{made['public_key']}: send this to the operator, who lists it with 'operator keys --add-seal'.")
    print(f'Then write into {config}: seal_key_file = "{SEAL_KEY}".')


@app.command()
def match(
    case: CaseArgument, config: ConfigOption,
    confirm: Annotated[str, typer.Option("--confirm", help="A learner's id, or new.")] = "",
    unmatched: Annotated[str, typer.Option("--unmatched", help="Nobody here is that person: why. It stays here.")] = "",
    wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Say whose the case is; without an option, show the person of the file and who comes near."""
    from passerelle.core.errors import FormatError

    if confirm and unmatched:
        raise FormatError("argument-conflict", "a person is confirmed or unmatched", where="--confirm, --unmatched")

    async def work(office: Office) -> dict[str, Any]:
        matching = office.casework().matching
        if confirm:
            return {"case": case, "matched": "confirmed", "learner": await matching.confirm(case, confirm)}
        if unmatched:
            draft = await matching.unmatched(case, unmatched)
            await office.release()
            return {**(await office.answers([draft], wait_s=wait))[0], "case": case, "matched": "unmatched"}
        person, near = await matching.waiting(case)
        known = [{"learner": one.id, **office.vault.person(one).as_dict()} for one in near]
        return {"case": case, "matched": "pending", "person": person.as_dict(), "near": known}

    found = with_office(config, work)
    if as_json:
        print_json(found)
    elif found["matched"] == "pending":
        node_show.rows([{"learner": "?", **found["person"]}, *found["near"]], ("learner", "name", "birth_date"))
    else:
        print(f"{case}: {found['matched']}  {found.get('learner', found.get('state', ''))}")


@app.command()
def seal(
    case: CaseArgument, file: FileArgument, config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The sealed file; send it to the other party by any way.")],
    role: Annotated[str, typer.Option("--role", help="transcript, outline, portfolio, rubric, evidence...")] = "other",
    publish: Annotated[bool, typer.Option("--publish/--no-publish", help="Add it to the case as evidence.")] = True,
    wait: WaitOption = 0.0, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Seal a document to the other party of the case, and tell the case its hash, type and size."""

    async def work(office: Office) -> dict[str, Any]:
        document = await office.casework().documents.seal(case, file, out, role=role)
        told = {"document": document, "file": str(out)}
        if not publish:
            return {"type": "document", "subject": case, "state": "sealed", **told}
        event = await office.transfers().step(case, "evidence-added", {"documents": [document]})
        return {**(await office.publish([event], wait_s=wait))[0], **told}

    node_show.answer(with_office(config, work), as_json)


@app.command("take")
def take(case: CaseArgument, file: FileArgument, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Take in a sealed document of the other party: open it, compare it with the case, keep it."""

    async def work(office: Office) -> dict[str, Any]:
        return await office.casework().documents.take(case, file)

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        print(f"{found['role']} {found['sha256']}: {'taken in' if found['new'] else 'held already'}")


@app.command()
def documents(
    case: CaseArgument, config: ConfigOption,
    sha256: Annotated[str, typer.Option("--sha256", help="Write this document; its first digits are enough.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Where to; in the clear.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """The documents of a case: awaited, held here, or sealed here."""
    from passerelle.core.errors import FormatError

    if bool(sha256) != (out is not None):
        raise FormatError("argument-missing", "a document is written by --sha256 and --out", where="--sha256, --out")

    async def work(office: Office) -> list[dict[str, Any]]:
        desk = office.casework().documents
        if out is not None:
            await desk.write(case, sha256, out)
        return await desk.listed(case)

    _rows(with_office(config, work), ("role", "state", "media_type", "size", "sha256"), as_json)


@app.command()
def preliminary(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Course facts, CSV or JSON; never a person.")],
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The signed file.")],
    programme: ProgrammeOption = "",
    days: Annotated[int, typer.Option("--days", min=1, max=730, help="How long it is honoured.")] = 90,
    as_json: JsonOption = False,
) -> None:
    """Assess before enrolment: unofficial, signed, and honoured until its end though rules change."""
    from passerelle.cli.transcript_file import read_transcript

    lines = read_transcript(file)

    async def work(office: Office) -> dict[str, Any]:
        return await office.casework().preliminaries.make(lines, out, programme=programme, days=days)

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        shown = [{**line, "rule": line["rule"].get("id", "")} for line in found["lines"]]
        node_show.rows(shown, ("achievement", "match", "rule"))


@app.command()
def preliminaries(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Preliminary assessments that still hold, with the rules and policies that have changed since."""

    async def work(office: Office) -> list[dict[str, Any]]:
        return await office.casework().preliminaries.listed()

    columns = ("id", "made_on", "expires_on", "rules_changed", "policies_changed")
    _rows(with_office(config, work), columns, as_json)


@app.command()
def propose(
    case: CaseArgument, config: ConfigOption,
    honour: Annotated[Path | None, typer.Option("--honour", help="A preliminary assessment that was given.")] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Propose a decision from the rules, line by line, with its trace and with precedents."""
    from passerelle.node.proposals import summary

    async def work(office: Office) -> dict[str, Any]:
        desk = office.casework()
        promise = await desk.preliminaries.read(honour) if honour is not None else None
        made = await desk.proposals.propose(case, promise)
        lines = [dict(line) for line in made.lines]
        return {"case": case, "version": made.version, "position": made.position, "lines": lines}

    found = with_office(config, work)
    if as_json:
        print_json(found)
        return
    columns = ("line", "achievement", "match", "proposed", "rule", "entry", "precedents", "answer")
    node_show.rows(summary(found["lines"]), columns)


@app.command("line")
def answer_line(
    case: CaseArgument,
    line: Annotated[int, typer.Argument(metavar="LINE", min=1, help="The line's number.")],
    config: ConfigOption,
    accept: Annotated[bool, typer.Option("--accept", help="As it is proposed.")] = False,
    change: Annotated[Path | None, typer.Option("--change", help="A JSON file: the fields that are otherwise.")] = None,
    decline: Annotated[str, typer.Option("--decline", help="No credit: level, content, hours, assessment...")] = "",
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Accept, change or decline one proposed line."""
    from passerelle.core.errors import FormatError
    from passerelle.node.proposals import summary
    from passerelle.node.publishing import read_json

    if accept + (change is not None) + bool(decline) != 1:
        raise FormatError("argument-conflict", "a line is accepted, changed or declined", where="--accept, --change")

    async def work(office: Office) -> list[dict[str, Any]]:
        proposals = office.casework().proposals
        if accept:
            made = await proposals.answer(case, line, "accepted")
        elif decline:
            made = await proposals.answer(case, line, "declined", reason=reason, change={"reason": decline})
        else:
            given = read_json(change) if change is not None else {}
            if not isinstance(given, dict):
                raise FormatError("schema-invalid", "the change is not an object", where="--change")
            made = await proposals.answer(case, line, "changed", reason=reason, change=given)
        return [dict(one) for one in made.lines]

    found = with_office(config, work)
    if as_json:
        print_json(found)
    else:
        node_show.rows(summary(found), ("line", "achievement", "proposed", "answer"))


@app.command()
def export(
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The CSV file.")],
    case: Annotated[list[str], typer.Option("--case", help="A case; may come again.")],
    mapping: Annotated[Path | None, typer.Option("--mapping", help="Columns as TOML; default: every field.")] = None,
) -> None:
    """Write decided lines as CSV, for the student information system."""
    from passerelle.node.case_export import PLAIN, read_mapping

    async def work(office: Office) -> int:
        chosen = read_mapping(mapping) if mapping is not None else PLAIN
        return await office.casework().exports.write(case, out, chosen)

    print(f"{out}: {with_office(config, work)}")


@app.command()
def letter(
    case: CaseArgument, config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="The HTML file.")], lang: LangOption = "",
) -> None:  # fmt: skip
    """Write the letter about the decision, in English or French."""

    async def work(office: Office) -> None:
        await office.casework().letters.write(case, out, lang or office.config.language)

    with_office(config, work)
    print(out)


@app.command()
def due(
    config: ConfigOption,
    within: Annotated[int, typer.Option("--within", min=0, max=365, help="Days ahead.")] = 14,
    remind: Annotated[bool, typer.Option("--remind", help="Only what was not told before; for a schedule.")] = False,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Decisions that are due or overdue, and appeals that can still come."""

    async def work(office: Office) -> list[dict[str, Any]]:
        found = await office.casework().deadlines.due(within=within, remind=remind)
        return [one.as_dict(lang or office.config.language) for one in found]

    _rows(with_office(config, work), ("kind", "due_on", "days", "case", "state", "sender", "what"), as_json)


@app.command()
def impacts(
    config: ConfigOption,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that wait for an answer.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most shown.")] = 100,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """What changed elsewhere, what of this member rests on it, and what was answered."""

    async def work(office: Office) -> list[dict[str, Any]]:
        found = await office.casework().impacts.listed(limit=limit, open_only=open_only)
        return [one.as_dict(lang or office.config.language) for one in found]

    found = with_office(config, work)
    if as_json:
        print_json(found)
        return
    shown = [{**one, "affected": [f"{a['thing']} {a['answer']}".strip() for a in one["affected"]]} for one in found]
    node_show.rows(shown, ("index", "event", "about", "grandfathered", "affected", "why"))


@app.command("answer")
def answer_impact(
    case: CaseArgument,
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="The entry that 'impacts' shows.")],
    config: ConfigOption,
    outcome: Annotated[str, typer.Option("--outcome", help="removed, or kept with a --note.")],
    line: Annotated[list[int] | None, typer.Option("--line", min=1, help="Only this line; may come again.")] = None,
    note: Annotated[str, typer.Option("--note", help="Why; never about the person.")] = "",
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Answer a change on which posted credit rests: adjusted, or kept with a reason."""
    from passerelle.node.setup import known

    known(outcome, ("removed", "kept"), "--outcome")

    async def work(office: Office) -> dict[str, Any]:
        event = await office.casework().impacts.answer(index, case, outcome, note, line or ())
        return (await office.publish([event], wait_s=wait))[0]

    node_show.answer(with_office(config, work), as_json)


def _rows(found: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        node_show.rows(found, columns)
