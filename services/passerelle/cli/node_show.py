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
        bar.update(task, completed=done, total=total)

    try:
        yield progress
    finally:
        if shown:
            bar.stop()


def import_outcome(report: Any, target: Path, language: str) -> None:
    """Counts, the first error of each sort, and where all of them are."""
    from rich.console import Console
    from rich.table import Table

    from passerelle.node.texts import say

    console = Console()
    verb = say("would-import" if report.dry_run else "imported", language)
    counts = [f"{report.rows} {say('rows', language)}"]
    for name in ("new", "changed", "unchanged"):
        counts.append(f"{getattr(report, name)} {say(name, language)}")
    counts.append(f"{report.refused} {say('rows-refused', language)}")
    counts.append(f"{report.events} {say('events', language)}")
    console.print(f"{verb}: {', '.join(counts)}.", highlight=False)
    if report.dry_run:
        console.print(say("dry-run", language))
    if not report.errors:
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("row", "column", "what", "fix", "times"):
        table.add_column(say(heading, language), justify="right" if heading in {"row", "times"} else "left")
    for error, count in report.sorts()[:MAX_SORTS]:
        table.add_row(str(error.row), error.column, f"{error.what} [{error.code}]", error.fix, str(count))
    console.print(table, markup=False)
    console.print(say("report", language, path=target), highlight=False)


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
    if found["relay"] == "stopped":
        console.print(say("relay-stopped", language), style="bold red")
    if found["problems"]:
        console.print(say("problems", language), style="bold")
        for problem in found["problems"][:MAX_SORTS]:
            console.print(f"  {problem['code']}: {problem['what']} {problem['fix']}", markup=False)


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
