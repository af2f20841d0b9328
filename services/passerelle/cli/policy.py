"""``passerelle policy``: policy packs from the draft to the log: check, test, compare, explain, publish."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import answering, node_show
from passerelle.cli.answering import QUERY_DEFAULT, LangOption, QueryOption, TimeoutOption
from passerelle.cli.asking import AchievementArgument, AskedOnOption, Asking, GivenOption, asks
from passerelle.cli.common import ConfigOption, JsonOption, die, print_json
from passerelle.cli.node_office import WaitOption, with_office
from passerelle.core.errors import PasserelleError

if TYPE_CHECKING:
    from passerelle.core.policy import Pack
    from passerelle.core.policycases import Case
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Policy packs: check, test, diff, explain, publish.")
PACK_EVENT: Final = "reference.policy-published"
PackFile = Annotated[Path, typer.Argument(help="A pack in YAML, as in contracts/policies.")]
CasesOption = Annotated[
    Path | None, typer.Option("--cases", help="The cases in YAML; cases/<file name> beside the pack otherwise.")
]


def _read(path: Path) -> tuple[Any, Pack]:
    """The data of a file and its pack. Raises PasserelleError with the file in ``where``."""
    from passerelle.core.policy import load_pack
    from passerelle.query.packs import read_yaml

    data = read_yaml(path)
    try:
        return data, load_pack(data)
    except PasserelleError as error:
        raise type(error)(error.code, error.what, where=f"{path}: {error.where}", fix=error.fix) from None


def _cases(pack: Pack, path: Path) -> tuple[Case, ...]:
    """The cases of a pack from a file. Raises PasserelleError with the file in ``where``."""
    from passerelle.core.errors import FormatError
    from passerelle.core.policycases import load_cases
    from passerelle.query.packs import read_yaml

    data = read_yaml(path)
    try:
        name, cases = load_cases(data)
    except PasserelleError as error:
        raise type(error)(error.code, error.what, where=f"{path}: {error.where}", fix=error.fix) from None
    if name != pack.id:
        raise FormatError("policy-invalid", f"These are cases of {name}, not of {pack.id}.", where=str(path))
    return cases


def _beside(path: Path) -> Path:
    return path.parent / "cases" / path.name


def _each(files: list[Path], work: Any) -> list[dict[str, Any]]:
    """Do the work on each file; an error of one is told and the rest goes on. Exit code 1 comes at the end."""
    rows = []
    for path in files:
        try:
            rows.append({"file": str(path), **work(path)})
        except PasserelleError as error:
            die(error)
            told = {"code": error.code, "what": error.what, "where": error.where, "fix": error.fix}
            rows.append({"file": str(path), "error": told})
    return rows


def _end(rows: list[dict[str, Any]], good: bool, as_json: bool) -> None:
    if as_json:
        print_json(rows)
    if not good:
        raise typer.Exit(1)


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="Packs in YAML.")], json: JsonOption = False) -> None:
    """Read packs as publishing would: form, texts, fields, types and rules. Exit code 1: one is refused."""

    def work(path: Path) -> dict[str, Any]:
        _, pack = _read(path)
        if not json:
            told = f"{pack.id} version {pack.version}, {len(pack.clauses)} clauses, {len(pack.fields)} fields"
            print(f"{path}: {told}: good")
        return {"policy": pack.id, "version": pack.version, "clauses": len(pack.clauses)}

    rows = _each(files, work)
    _end(rows, not any("error" in row for row in rows), json)


@app.command("test")
def run_tests(
    files: Annotated[list[Path], typer.Argument(help="Packs in YAML.")],
    cases: CasesOption = None,
    json: JsonOption = False,
) -> None:
    """Run each pack's cases. Exit code 1: a clause finds something else than its case expects, or has no case."""
    from passerelle.core.policycases import run_cases, uncovered

    def work(path: Path) -> dict[str, Any]:
        _, pack = _read(path)
        found = _cases(pack, cases or _beside(path))
        wrong, bare = run_cases(pack, found), uncovered(pack, found)
        if not json:
            print(f"{path}: {len(found)} cases, {len(wrong)} otherwise than expected")
            for one in wrong:
                print(f"  {one.case}: {one.clause or 'the pack'} is {one.found}, expected {one.expected}")
            for name in bare:
                print(f"  {name}: give a case in which it is met, and one in which it is not")
        told = [{"case": one.case, "clause": one.clause, "expected": one.expected, "found": one.found} for one in wrong]
        return {"policy": pack.id, "cases": len(found), "wrong": told, "uncovered": list(bare)}

    rows = _each(files, work)
    _end(rows, not any("error" in row or row["wrong"] or row["uncovered"] for row in rows), json)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(help="The pack as it is; alone: as it shall be.", metavar="A")],
    new: Annotated[
        Path | None,
        typer.Argument(help="The pack as it shall be; without it, A is set against the published one.", metavar="B"),
    ] = None,
    cases: CasesOption = None,
    of: Annotated[str, typer.Option("--of", help="The member that published it; the operator otherwise.")] = "",
    asked_on: Annotated[str, typer.Option("--asked-on", help="Published and in force on this date.")] = "",
    query: QueryOption = QUERY_DEFAULT,
    timeout: TimeoutOption = 10.0,
    json: JsonOption = False,
) -> None:
    """What changes from pack A to pack B, or from the published pack to A: members, rules, texts, outcomes of cases."""
    from passerelle.core.policycases import compare

    _, given = _read(old)
    if new is None:
        from passerelle.cli.policy_published import published

        name = f"{of}/{given.id}" if of else given.id
        before, index = answering.ask(query, lambda client: published(client, name, asked_on, timeout))
        after, basis = given, {"published": {"index": index, "version": before.version}}
    else:
        before, after, basis = given, _read(new)[1], {}
    changes, where = compare(before, after), cases or _beside(old)
    moved = _moved(before, after, _cases(given, where) if where.is_file() else ())
    if json:
        told = [{"place": one.place, "before": one.before, "after": one.after} for one in changes]
        print_json({**basis, "changes": told, "outcomes": moved})
        return
    if basis:
        print(f"against version {before.version}, ledger entry {index}")
    for one in changes:
        print(one.place)
        print(f"  - {one.before or '(absent)'}")
        print(f"  + {one.after or '(absent)'}")
    for row in moved:
        print(f"case {row['case']}: {row['before']} -> {row['after']}")
    if not changes:
        print("no difference")


def _moved(before: Pack, after: Pack, cases: Iterable[Case]) -> list[dict[str, str]]:
    """The cases with another outcome."""
    from passerelle.core.policy import evaluate_pack

    moved = []
    for case in cases:
        was, now = (evaluate_pack(pack, case.facts, case.scope).outcome for pack in (before, after))
        if was != now:
            moved.append({"case": case.name, "before": was, "after": now})
    return moved


@app.command()
def fields(json: JsonOption = False, lang: LangOption = None) -> None:
    """The fields that rules may read, with their types."""
    from passerelle.core.policyfields import FIELDS

    if json:
        print_json([{"name": one.name, "type": one.type, "says": dict(one.says)} for one in FIELDS.values()])
        return
    chosen = answering.language(lang)
    for one in FIELDS.values():
        print(f"{one.name}  {one.type}  {one.says[chosen]}")


@app.command()
@asks(10.0, min_position=False)
def explain(
    asking: Asking,
    pack: Annotated[str, typer.Argument(help="A pack by name, or MEMBER/NAME of another member.")],
    achievement: AchievementArgument,
    asked_on: AskedOnOption = "",
    given: GivenOption = None,
) -> None:
    """Every clause of a pack on an achievement of the ledger: its rule, part by part, with what each part read."""
    from passerelle.api.portability.v1 import portability_pb2 as pb
    from passerelle.cli.portability import given_facts, show_clauses
    from passerelle.client import Portability

    request = pb.AssessRequest(
        achievement=achievement,
        pack=pack,
        asked_on=asked_on,
        jurisdictions=["CA-ON"],
        given=given_facts(given),
        **asking.moment(),
    )
    response = asking.one(Portability.ASSESS, request)
    if asking.json:
        shown = answering.as_json(response)
        print_json({name: shown[name] for name in ("achievement", "pack", "pack_version", "pack_used", "clauses")})
        return
    show_clauses(response, asking.language)


@app.command()
def publish(
    file: PackFile,
    config: ConfigOption,
    cases: CasesOption = None,
    wait: WaitOption = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Publish a pack as this member's, after its check and its cases. What is refused leaves the last one in force."""
    from passerelle.core.errors import FormatError
    from passerelle.core.policycases import run_cases
    from passerelle.node.publishing import compose, event_type

    data, pack = _read(file)
    where = cases or _beside(file)
    wrong = run_cases(pack, _cases(pack, where)) if cases is not None or where.is_file() else ()
    if wrong:
        one = wrong[0]
        what = f"{one.clause or 'The pack'} is {one.found} where the case expects {one.expected}."
        raise FormatError("policy-invalid", what, where=f"{where}: {one.case}", fix="Correct the rule or the case.")

    async def work(office: Office) -> dict[str, Any]:
        member = office.config.member
        event = compose(event_type(PACK_EVENT), as_json_values(data), subject=pack.id, member=member, ids=office.ids)
        answers = await office.publish([event], wait_s=wait)
        return dict(answers[0])

    node_show.answer(with_office(config, work), as_json)


def as_json_values(value: Any) -> Any:
    """YAML values as JSON has them: dates as texts."""
    if isinstance(value, dict):
        return {name: as_json_values(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_json_values(inner) for inner in value]
    return value.isoformat() if isinstance(value, dt.date) else value
