"""``passerelle agreements``: agreements files of agencies and institutions, in and out of a node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office

if TYPE_CHECKING:
    from passerelle.node.agreements.book import Book
    from passerelle.node.agreements.desk import AgreementDesk
    from passerelle.node.agreements.table import Read
    from passerelle.node.main import Office

app = typer.Typer(no_args_is_help=True, help="Agreements files: import, export, diff.")
MAX_SHOWN: Final = 10_000

FileArgument = Annotated[Path, typer.Argument(help="The agreements file; docs/agreements.md gives its form.")]
TableOption = Annotated[
    Path | None, typer.Option("--institutions", help="CSV: code, member, credit_system, grade_scheme, delegation.")
]
HoldOption = Annotated[
    bool, typer.Option("--hold-unknown", help="Hold rules back whose courses nobody has published yet.")
]
FormatOption = Annotated[
    str, typer.Option("--format", help="csv, assist-json or ctdl-json; import and diff find it from the file.")
]


@app.callback()
def agreements() -> None:
    """Agreements files of agencies and institutions: import, export, diff."""


def _book(path: Path | None) -> Book:
    from passerelle.node.agreements.book import Book, read_book

    return read_book(path) if path is not None else Book()


def _desk(office: Office, book: Book, hold_unknown: bool) -> AgreementDesk:
    from passerelle.node.agreements.desk import AgreementDesk

    return AgreementDesk(office.store, book, office.config.member, hold_unknown)


def _read(file: Path, book: Book, form: str) -> Read:
    from passerelle.node.agreements.reading import reader_of

    return reader_of(file, book, form)


@app.command("import")
def import_(
    file: FileArgument,
    config: ConfigOption,
    institutions: TableOption = None,
    form: FormatOption = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; store and send nothing.")] = False,
    hold_unknown: HoldOption = False,
    report: Annotated[Path | None, typer.Option("--report", help="Where every error goes, as CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Import agreements. Exit code 0: every row taken; 2: some rows refused, the others taken; 1: nothing done."""
    book = _book(institutions)
    read = _read(file, book, form)

    async def work(office: Office) -> Any:
        with node_show.import_progress(file) as progress:
            desk = _desk(office, book, hold_unknown)
            found = await desk.run(read, office.importer(), dry_run=dry_run, progress=progress)
            if not dry_run:
                await office.release()
        return found, office.config.language

    found, language = with_office(config, work)
    node_show.import_end(found, file, report, language, as_json=as_json)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not be there yet.")],
    config: ConfigOption,
    institutions: TableOption = None,
    form: FormatOption = "csv",
    receiver: Annotated[str, typer.Option("--receiver", help="Only rules of this receiving member.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Write what this node has published, and the private notes that it keeps, as an agreements file.

    Exit code 0: every agreement written; 2: the format cannot say some of them, and they are left out.
    """
    from passerelle.node.agreements.export import export_file
    from passerelle.node.csv_report import report_path, write_report

    book = _book(institutions)

    async def work(office: Office) -> Any:
        member = office.config.member
        found = await export_file(office.store, book, member, file, form=form, receiver=receiver)
        return found, office.config.language

    found, language = with_office(config, work)
    target = report_path(file)
    if found.unsaid:
        write_report(target, [one.as_error(number) for number, one in found.unsaid])
    if as_json:
        print_json({"file": str(file), **found.as_dict(), "report": str(target) if found.unsaid else None})
    else:
        print(f"{file}: {found.agreements}")
        if found.unsaid:
            told = UNSAID[1 if language == "fr" else 0]
            print(told.format(left_out=found.left_out, count=found.unsaid_count, report=target))
    if found.left_out:
        raise typer.Exit(2)


@app.command()
def diff(
    file: FileArgument,
    config: ConfigOption,
    institutions: TableOption = None,
    form: FormatOption = "",
    full: Annotated[bool, typer.Option("--full", help="The file is the whole: list what it lacks.")] = False,
    hold_unknown: HoldOption = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=MAX_SHOWN, help="Most changes shown.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """What a file would grant, revise, end and deny, field by field; nothing is stored or sent.

    Exit code 0: no change; 3: changes; 2: some rows would be refused.
    """
    from passerelle.node.agreements.diff import Differ

    book = _book(institutions)
    read = _read(file, book, form)

    async def work(office: Office) -> Any:
        differ = Differ(_desk(office, book, hold_unknown))
        shown: list[Any] = []
        async for change in differ.run(read, full=full):
            if len(shown) < limit:
                shown.append(change)
        return shown, differ.counts, office.config.language

    shown, counts, language = with_office(config, work)
    if as_json:
        print_json({"counts": counts, "changes": [change.as_dict() for change in shown]})
    else:
        _show(shown, counts, language)
    if counts["refused"]:
        raise typer.Exit(2)
    if any(count for action, count in counts.items() if action != "unchanged"):
        raise typer.Exit(3)


UNSAID: Final = (
    "The format cannot say {count} fields; {left_out} agreements are left out. Each is told in {report}.",
    "Le format ne peut dire {count} champs; {left_out} ententes sont omises. Chacun est nommé dans {report}.",
)
ACTIONS: Final = {
    "grant": ("grant", "accorder"),
    "deny": ("deny", "refuser le crédit"),
    "revise": ("revise", "réviser"),
    "end": ("end", "mettre fin"),
    "unchanged": ("unchanged", "inchangées"),
    "missing": ("missing", "manquantes"),
    "refused": ("refused", "rejetées"),
}


def _show(changes: Sequence[Any], counts: dict[str, int], language: str) -> None:
    from rich.console import Console
    from rich.table import Table

    place = 1 if language == "fr" else 0
    heads = (("row", "agreement", "what", "column", "before", "after"),
             ("ligne", "entente", "action", "colonne", "avant", "après"))[place]  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for change in changes:
        number = str(change.row or "")
        lines = [(one.column, one.before, one.after) for one in change.fields]
        lines += [(error.column, f"{error.what} [{error.code}]", error.fix) for error in change.errors]
        for count, line in enumerate(lines or [("", "", "")]):
            start = (number, change.id, ACTIONS[change.action][place]) if not count else ("", "", "")
            table.add_row(*start, *line)
    console = Console()
    console.print(table, markup=False)
    told = ", ".join(f"{count} {ACTIONS[action][place]}" for action, count in counts.items() if count)
    console.print(told or {0: "The file holds no agreement.", 1: "Le fichier ne contient aucune entente."}[place])
