"""What the demo says on the terminal: its stages while it starts and loads, the ten answers, the addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from passerelle.demo.answers import Given
from passerelle.runtime.clock import Clock

TITLES: Final = {
    "S1": ("Portable Revit", "Is Humber's Autodesk Revit micro-credential accepted in Vancouver and Halifax?"),
    "S2": ("Laddering out of a MOOC", "What does MITx Statistics and Data Science count for at graduate schools?"),
    "S3": ("Designed to ladder", "Do three Athabasca LMD certificates count in the Athabasca MBA?"),
    "S4": ("Made of several institutions", "Do modules of three institutions make Climate Adaptation at Royal Roads?"),
    "S5": ("Assessed, not taught", "A worker assessed in British Columbia: does Nova Scotia accept it, and on what?"),
    "S6": ("Work-based", "What is a company's training worth at the polytechnics?"),
    "S7": ("The 36 Ontario pilots", "What is in the catalogue, and which entries meet eCampusOntario's six elements?"),
    "S8": ("Convocation", "10,000 awards in one evening, 40 corrected: is every one in the ledger?"),
    "S9": ("Bad day", "A credential is revoked after its credit was posted: who is told, and what happens?"),
    "S10": ("The registrar's spreadsheet", "5,000 rows, 60 of them wrong: what was taken, and what when sent again?"),
}
"""Each scenario's name and question, for people."""
MAX_LINES: Final = 24
QUIET_S: Final = 5.0
"""Where no line moves, something is said at least so often while steps end."""


class Teller:
    """Stages with their time: one moving line on a terminal; elsewhere a line a stage, and one every few seconds."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._stage = ""
        self._started = self._begun = self._spoken = clock.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def stage(self, text: str, steps: int | None = None) -> None:
        """The next stage begins, of so many steps if that is known; the one before is done."""
        self._end()
        self._stage, self._started = text, self._clock.monotonic()
        self._spoken = self._started
        if self._console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task(text, total=steps)
            self._bar.start()

    def step(self, text: str) -> None:
        """One step of the stage is done."""
        if self._bar is not None:
            self._bar.advance(self._task)
        self.detail(text)

    def detail(self, text: str) -> None:
        """What the stage is at."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self._stage}: {text}")
        elif self._clock.monotonic() - self._spoken >= QUIET_S:
            self._spoken = self._clock.monotonic()
            self._console.print(f"    {self._stage}: {text}", highlight=False, markup=False)

    def download(self, what: str, done: int, total: int) -> None:
        """A download's progress."""
        self.detail(f"fetching {what}, {done * 100 // max(total, 1)} %")

    def _end(self) -> None:
        if self._stage:
            seconds = self._clock.monotonic() - self._started
            stage = self._stage
            self.stop()
            self._console.print(f"  [green]✓[/] {stage} [dim]{seconds:.1f} s[/]", highlight=False)

    def done(self, text: str) -> None:
        """The last stage is done; say so with the time since the start."""
        self._end()
        seconds = self._clock.monotonic() - self._begun
        self._console.print(f"{text} [dim]{seconds:.1f} s[/]", highlight=False)

    def stop(self) -> None:
        """Take the moving line away, whatever state the stage is in."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._stage = ""


def scenario(console: Console, name: str, given: Given | None, problems: Sequence[str]) -> None:
    """One scenario: its question, the answer, the reasons, and a tick or what differs from the expected answer."""
    title, question = TITLES[name]
    mark = "[bold red]✗[/]" if problems else "[bold green]✓[/]"
    console.print()
    console.print(Rule(f"{mark} [bold]{name} {title}[/]", align="left", style="dim"))
    console.print(question, style="italic", highlight=False)
    if given is not None:
        lines = list(_lines(given.answer))
        more = [f"... {len(lines) - MAX_LINES} lines more in JSON=FILE"] if len(lines) > MAX_LINES else []
        body = [Text(line) for line in lines[:MAX_LINES]] + [Text(line, style="dim") for line in more]
        reasons = [Text(f"because {sentence}", style="cyan") for sentence in given.sentences]
        console.print(Padding(Group(*body, *reasons), (0, 0, 0, 2)))
    for problem in problems:
        console.print(Text(f"  differs: {problem}", style="red"))


def _lines(value: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    pad = "  " * depth
    for name, item in value.items():
        label = str(name).replace("_", " ")
        if isinstance(item, Mapping):
            short = ", ".join(f"{key} {_flat(part)}" for key, part in item.items())
            if len(short) <= 80:
                yield f"{pad}{label}: {short}"
                continue
            yield f"{pad}{label}:"
            yield from _lines(item, depth + 1)
        elif isinstance(item, list) and item and isinstance(item[0], Mapping):
            yield f"{pad}{label}:"
            yield from (f"{pad}  - {', '.join(f'{key} {_flat(part)}' for key, part in one.items())}" for one in item)
        else:
            yield f"{pad}{label}: {_flat(item)}"


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{name} {_flat(item)}" for name, item in value.items()) + ")"
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return " ".join(value)
        return "; ".join(_flat(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def addresses(console: Console, found: Mapping[str, str], data: str) -> None:
    """Where people find what runs."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, address in found.items():
        table.add_row(f"  {name}", address)
    table.add_row("  data", data)
    console.print()
    console.print(table, highlight=False)
