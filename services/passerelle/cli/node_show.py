"""How the node's commands show what they found: tables for people, in the node's language."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from passerelle.cli.common import print_json

MAX_SORTS = 20


@contextmanager
def import_progress(file: Path) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on the terminal's error stream, shown once the work has taken two seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from passerelle.runtime.clock import SystemClock

    if not sys.stderr.isatty():
        yield None
        return
    clock = SystemClock()
    started = clock.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(file.name, total=None)
    shown = False

    def progress(done: int, total: int) -> None:
        nonlocal shown
        if not shown and clock.monotonic() - started > 1.0:
            bar.start()
            shown = True
        bar.update(task, completed=done, total=total or None)

    try:
        yield progress
    finally:
        if shown:
            bar.stop()


def import_end(report: Any, file: Path, errors_to: Path | None, language: str, *, as_json: bool) -> None:
    """Write the errors, by default beside ``file``, and tell what became of it; exit code 2 where rows were refused."""
    import typer

    from passerelle.node.csv_report import report_path, write_report

    target = errors_to or report_path(file)
    if report.errors:
        write_report(target, report.errors)
    if as_json:
        print_json({**report.as_dict(), "report": str(target) if report.errors else None})
    else:
        import_outcome(report, target, language)
    if report.refused:
        raise typer.Exit(2)


def import_outcome(report: Any, target: Path, language: str) -> None:
    """Counts, what would change or is missing, the first error of each sort, and where all of them are."""
    from rich.console import Console

    from passerelle.node.texts import say

    console = Console()
    verb = say("would-import" if report.dry_run else "imported", language)
    counts = [f"{report.rows} {say('rows', language)}"]
    for name in ("new", "changed", "unchanged"):
        counts.append(f"{getattr(report, name)} {say(name, language)}")
    counts.append(f"{report.refused} {say('rows-refused', language)}")
    counts.append(f"{report.events} {say('events', language)}")
    console.print(f"{verb}: {', '.join(counts)}.", highlight=False)
    if report.mapping:
        console.print(say("mapped", language, mapping=report.mapping), highlight=False)
    for remark in report.remarks[:MAX_SORTS]:
        console.print(remark, highlight=False, markup=False)
    _difference(console, report, language)
    if report.dry_run:
        console.print(say("dry-run", language))
    if report.held_until is not None and report.events:
        console.print(say("held-until", language, run=report.run), highlight=False, soft_wrap=True)
    if not report.errors:
        return
    names = ("row", "column", "value", "what", "fix", "times")
    shown = [
        (str(error.row), error.column, error.value, f"{error.what} [{error.code}]", error.fix, str(count))
        for error, count in report.sorts()[:MAX_SORTS]
    ]
    _table(console, [say(name, language) for name in names], shown)
    console.print(say("report", language, path=target), highlight=False)


def _difference(console: Any, report: Any, language: str) -> None:
    from passerelle.node.texts import say

    if report.by_type:
        counts = ", ".join(f"{count} {name}" for name, count in sorted(report.by_type.items()))
        console.print(f"{say('would-publish', language)} {counts}.", highlight=False)
    if report.changes:
        shown = report.changes[:MAX_SORTS]
        console.print(say("changes", language, count=len(shown)), highlight=False)
        names = [say(name, language) for name in ("row", "column", "before", "after")]
        _table(console, names, [(str(one.row), one.column, one.before, one.after) for one in shown])
    for missing in report.missing:
        if missing.count:
            said = say(
                "missing", language,
                count=missing.count, known=missing.known, kind=missing.kind, percent=f"{missing.percent:.1f}",
            )  # fmt: skip
            console.print(said, highlight=False)
            _table(console, ("kind", "thing"), [(one["kind"], one["thing"]) for one in missing.listed[:MAX_SORTS]])


def _table(console: Any, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def drafts_done(text: str, count: int, language: str, *, as_json: bool) -> None:
    """How many drafts were cancelled or released."""
    from passerelle.node.texts import say

    if as_json:
        print_json({"drafts": count})
    else:
        print(say(text, language, count=count))


def mapping(found: Mapping[str, Any], language: str) -> None:
    """A proposed mapping, and what the first rows would say through it."""
    from rich.console import Console

    from passerelle.node.texts import say

    console = Console()
    console.print(say("map-kind", language, kind=found["kind"], mapping=found["name"]), highlight=False)
    names = [say(name, language) for name in ("our-column", "from", "found-by", "looks-like")]
    columns = [(one["column"], one["from"], one["by"], one["looks_like"]) for one in found["columns"]]
    _table(console, names, columns)
    for name in ("missing", "unused"):
        if found[name]:
            console.print(say(f"map-{name}", language, columns=", ".join(found[name])), highlight=False, markup=False)
    console.print(say("map-sample", language))
    for row in found["rows"]:
        cells = ", ".join(f"{name}: {cell}" for name, cell in row["cells"].items() if cell)
        console.print(f"  {row['row']}: {cells}", highlight=False, markup=False)
        for error in row["errors"]:
            console.print(f"    {error['column']}: {error['what']}. {error['fix']}", highlight=False, markup=False)
    if found["saved"]:
        said = say("map-saved", language, path=found["saved"], mapping=found["name"])
        console.print(said, highlight=False, markup=False, soft_wrap=True)


def status(found: Mapping[str, Any], language: str) -> None:
    """The table of ``node status``."""
    from rich.console import Console
    from rich.table import Table

    from passerelle.node.texts import say

    console = Console()
    if not found["key_shown"]:
        console.print(_why_nothing_is_sent(found, language))
    table = Table(box=None, pad_edge=False)
    table.add_column(say("family", language))
    for name in ("accepted", "waiting", "held", "refused", "lag"):
        table.add_column(say(name, language), justify="right")
    for row in found["streams"]:
        if row["published"] or row["held"]:
            lag = "" if row["lag_ms"] is None else f"{row['lag_ms'] / 1000:.1f} s"
            table.add_row(row["family"], *(str(row[name]) for name in ("accepted", "waiting", "held", "refused")), lag)
    console.print(table)
    waiting = found["totals"]["waiting"]
    console.print(say("some-wait", language, count=waiting) if waiting else say("nothing-waits", language))
    if found["held"]:
        console.print(say("held-why", language))
        for row in found["held"][:MAX_SORTS]:
            console.print(f"  {row['type']} {row['subject']}: {', '.join(row['waits_for'])}", markup=False)
    if found["checkpoint"]:
        console.print(say("checkpoint", language, size=found["checkpoint"]["size"]))
    _came_by_themselves(console, found, language)
    if found["relay"] == "stopped":
        console.print(say("relay-stopped", language), style="bold red")
    if found["problems"]:
        console.print(say("problems", language), style="bold")
        for problem in found["problems"][:MAX_SORTS]:
            console.print(f"  {problem['code']}: {problem['what']} {problem['fix']}", markup=False)


def _came_by_themselves(console: Any, found: Mapping[str, Any], language: str) -> None:
    """Watched folders, pushes that wait, and the latest files of both."""
    from passerelle.node.texts import say

    for one in found.get("watched", ()):
        text = "watched" if one["readable"] else "watched-unreadable"
        style = "bold red" if not one["readable"] or one["failed"] else None
        console.print(say(text, language, **one), style=style, highlight=False, markup=False, soft_wrap=True)
    if found.get("pushes_waiting"):
        console.print(say("pushes-waiting", language, count=found["pushes_waiting"]))
    if latest := found.get("imports"):
        counts = ("rows", "new", "changed", "unchanged")
        names = [say("file", language), say("state", language), *(say(name, language) for name in counts)]
        shown = [
            (
                one["file"] or one["id"], one["code"] or say(f"job-{one['state']}", language),
                *(str(one[name]) for name in counts), str(one["refused"]),
            )
            for one in latest[:5]
        ]  # fmt: skip
        _table(console, [*names, say("rows-refused", language)], shown)


def _why_nothing_is_sent(found: Mapping[str, Any], language: str) -> str:
    from passerelle.node.texts import say

    if not found["admitted"]:
        return say("not-admitted", language)
    if found["standing"] != "active":
        return say("member-standing", language, status=say(f"status-{found['standing']}", language))
    return say("key-not-shown", language)


def refused(found: Sequence[Mapping[str, Any]], language: str) -> None:
    """What was refused, each with code, place and fix."""
    from rich.console import Console

    from passerelle.node.texts import say

    if not found:
        Console().print(say("nothing-refused", language))
        return
    shown = [
        {
            say("family", language): f"{row['family']} {row['sequence']}",
            "type": row["type"].removeprefix("ca.passerelle.").removesuffix(".v1"),
            "code": row["code"],
            say("where", language): row["field"] or "",
            say("what", language): row["what"] or "",
            say("fix", language): row["fix"] or "",
        }
        for row in found
    ]
    rows(shown, tuple(shown[0]))


def rows(found: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """A plain table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(*(_text(row.get(column)) for column in columns))
    Console().print(table, markup=False)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def answer(found: Mapping[str, Any], as_json: bool) -> None:
    """What became of one event; a refusal ends with exit code 1."""
    import typer

    if as_json:
        print_json(found)
    else:
        print(f"{found['type']} {found['subject']}: {found['state']}")
        if found["state"] == "refused":
            print(f"  {found['code']}: {found['what'] or ''} {found['field'] or ''}\n  to mend: {found['fix'] or ''}")
    if found["state"] == "refused":
        raise typer.Exit(1)
