"""``passerelle node import`` and ``passerelle node drafts``: files in, and drafts while they can be cancelled."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json
from passerelle.cli.node_office import with_office
from passerelle.cli.node_source import (
    TIMEOUT_S,
    KeyOption,
    PasswordOption,
    QueryOption,
    SourceOption,
    TimeoutOption,
    file_of,
    query_of,
)

if TYPE_CHECKING:
    from passerelle.node.main import Office

REASONS: Final = ("clerical-error", "grade-change", "title-change", "date-change", "other")
"""Why a re-sent award is amended (the reasons of the event credential.amended)."""
MAX_WINDOW_MS: Final = 30 * 24 * 3600 * 1000
_WINDOW: Final = re.compile(r"([1-9][0-9]{0,4})(s|m|h|d)")
_UNITS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

drafts = typer.Typer(no_args_is_help=True, help="Drafts of an import while its undo window is open.")


def window_ms(text: str) -> int:
    """``30m``, ``24h``, ``2d`` in milliseconds; 0 for an empty text. Raises FormatError ``field-malformed``."""
    from passerelle.core.errors import FormatError

    if not text:
        return 0
    found = _WINDOW.fullmatch(text)
    amount = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 0 < amount <= MAX_WINDOW_MS:
        what = "an undo window is a number with s, m, h or d, at most 30d"
        raise FormatError("field-malformed", what, where="--undo-window", fix="Write for example 30m.")
    return amount


def import_(
    config: ConfigOption,
    file: Annotated[
        Path | None, typer.Argument(help="The file: CSV, XLSX or a standard's document (docs/csv.md).")
    ] = None,
    source: SourceOption = "", query: QueryOption = None, password_file: PasswordOption = None, key: KeyOption = "",
    timeout: TimeoutOption = TIMEOUT_S,
    kind: Annotated[str, typer.Option("--kind", help="Kind of file; found from the header by default.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; store and send nothing.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Where every error goes, as CSV.")] = None,
    format_name: Annotated[str, typer.Option("--format", help="csv, xlsx, ...; found from the file by default.")] = "",
    mapping: Annotated[str, typer.Option("--mapping", help="Read the table through this mapping (node map).")] = "",
    sheet: Annotated[str, typer.Option("--sheet", help="The sheet of a workbook; all that fit by default.")] = "",
    encoding: Annotated[str, typer.Option("--encoding", help="Of a CSV file: utf-8, windows-1252, ...")] = "utf-8",
    full: Annotated[
        bool, typer.Option("--full", help="The file is the whole of its kind: list what is missing.")
    ] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Go on although many known records are missing.")] = False,
    undo: Annotated[str, typer.Option("--undo-window", help="Number nothing before this time is over: 30m, 24h.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Why changed awards are amended.")] = "clerical-error",
    renumbered: Annotated[str, typer.Option("--renumbered", help="Known under another id: ask, same or new.")] = "ask",
    learner: Annotated[
        Path | None, typer.Option("--learner", help="TOML: the learner's columns, for a document about one person.")
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import a file or a query's rows. Exit code 0: every row taken; 2: some refused, others taken; 1: nothing done."""
    from passerelle.node.csv_forms import FORMS
    from passerelle.node.formats.opening import Options
    from passerelle.node.formats.told import settings_of
    from passerelle.node.mapping import MappingFolder
    from passerelle.node.setup import known

    path = file_of(file, source, query)
    if kind:
        known(kind, tuple(FORMS), "--kind")
    known(reason, REASONS, "--reason")
    known(renumbered, ("ask", "same", "new"), "--renumbered")
    options = Options(
        kind=kind or None, format=format_name or None, mapping=mapping or None, sheet=sheet or None, encoding=encoding,
        dry_run=dry_run, full=full, confirm=confirm, undo_ms=window_ms(undo), reason=reason,
        renumbered="same" if renumbered == "same" else "new" if renumbered == "new" else "ask",
        mappings=MappingFolder(config.parent / "mappings"),
    )  # fmt: skip

    async def work(office: Office) -> Any:
        with query_of(source, password_file, key, timeout) as asked, node_show.import_progress(path) as progress:
            known_here = replace(options, query=asked, settings=await settings_of(office, learner))
            found = await office.importer().run(path, options=known_here, progress=progress)
        if not dry_run:
            await office.release()
        return found, office.config.language

    found, language = with_office(config, work)
    node_show.import_end(found, path, report, language, as_json=as_json)


Run = Annotated[str, typer.Argument(help="The id of the import, as drafts list shows it.")]


@drafts.command("list")
def list_(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Imports of which drafts are left: until when they can be cancelled, and how many events that are."""

    async def work(office: Office) -> Any:
        found = [dict(row) for row in await office.store.imports(1000)]
        return [row for row in found if row["drafts"]], office.clock.now_ms()

    found, now = with_office(config, work)
    shown = [
        {
            "import": str(row["id"]),
            "kind": row["kind"],
            "drafts": row["drafts"],
            "finished": row["finished"],
            "seconds_left": None if row["held_until"] is None else max(0, (row["held_until"] - now) // 1000),
        }
        for row in found
    ]
    if as_json:
        print_json(shown)
    else:
        node_show.rows(shown, ("import", "kind", "drafts", "finished", "seconds_left"))


def _one(run: str) -> str:
    """The id of an import. Raises FormatError ``uuid-malformed``."""
    import uuid

    from passerelle.core.errors import FormatError

    try:
        return str(uuid.UUID(run))
    except ValueError:
        raise FormatError("uuid-malformed", "the id of an import is a UUID", where="IMPORT") from None


@drafts.command()
def cancel(run: Run, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Take an import's drafts back: nothing of them was or will be sent, and the file can be imported again."""
    found = _one(run)

    async def work(office: Office) -> Any:
        return await office.store.cancel_import(found, office.clock.now_ms()), office.config.language

    node_show.drafts_done("drafts-cancelled", *with_office(config, work), as_json=as_json)


@drafts.command()
def release(run: Run, config: ConfigOption, as_json: JsonOption = False) -> None:
    """End an import's undo window now: its drafts are numbered, signed and sent."""
    found = _one(run)

    async def work(office: Office) -> Any:
        count = await office.store.end_window(found)
        await office.release()
        return count, office.config.language

    node_show.drafts_done("drafts-released", *with_office(config, work), as_json=as_json)
