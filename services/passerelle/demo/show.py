"""What the demo says on the terminal: its stages while it starts and loads, the ten answers, the addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.spinner import Spinner
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
MAX_LINES: Final = 16


class Teller:
    """Stages with their time: one moving line on a terminal, one line a stage elsewhere."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._stage = ""
        self._detail = ""
        self._started = self._begun = clock.monotonic()
        self._live: Live | None = None

    def stage(self, text: str) -> None:
        """The next stage begins; the one before is done."""
        self._end()
        self._stage, self._detail, self._started = text, "", self._clock.monotonic()
        if self._console.is_terminal:
            self._live = Live(Spinner("dots", self._line()), console=self._console, transient=True)
            self._live.start()

    def detail(self, text: str) -> None:
        """What the stage is at."""
        self._detail = text
        if self._live is not None:
            self._live.update(Spinner("dots", self._line()))

    def download(self, what: str, done: int, total: int) -> None:
        """A download's progress."""
        percent = done * 100 // max(total, 1)
        text = f"fetching {what}: {percent} %"
        # Without a moving line, a line a quarter is enough.
        if self._live is None and percent // 25 != _quarter(self._detail):
            self._console.print(f"  {text}", highlight=False)
        self.detail(text)

    def _line(self) -> str:
        return f"{self._stage}{f': {self._detail}' if self._detail else ''}"

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._stage:
            seconds = self._clock.monotonic() - self._started
            self._console.print(f"  [green]✓[/] {self._stage} [dim]{seconds:.1f} s[/]", highlight=False)
            self._stage = ""

    def done(self, text: str) -> None:
        """The last stage is done; say so with the time since the start."""
        self._end()
        seconds = self._clock.monotonic() - self._begun
        self._console.print(f"{text} [dim]{seconds:.1f} s[/]", highlight=False)

    def stop(self) -> None:
        """Take the moving line away, whatever state the stage is in."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._stage = ""


def _quarter(text: str) -> int:
    number = text.rpartition(": ")[2].removesuffix(" %")
    return int(number) // 25 if number.isdigit() else -1


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
