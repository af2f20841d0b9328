"""The two large files of the demo, made anew each time and always the same: S8's convocation, S10's spreadsheet.

Nobody in them exists: first names are trees, family names say that they are samples. The wrong rows of S10 are the
mistakes that offices make: a date that no month has, a decimal comma, a name in an old encoding, a shifted cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

AWARDS: Final = 10_000
AMENDMENTS: Final = 40
ROWS: Final = 5_000

_TREES: Final = ("Alder", "Aspen", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Larch", "Maple", "Rowan", "Spruce")
_FAMILIES: Final = ("Sampleson", "Testworth", "Exampleby", "Mockridge", "Demofield", "Fictiver", "Placeholm")
_ARBRES: Final = ("Aubépine", "Bouleau", "Cèdre", "Érable", "Frêne", "Mélèze", "Noyer", "Orme", "Sorbier", "Tilleul")
_FAMILLES: Final = ("Lexemple", "Defictif", "Sampelot", "Montest", "Modelin", "Essayeau", "Faussard")

Cells = list[str]


def write_convocation(folder: Path) -> tuple[Path, Path]:
    """Write ``awards.csv`` (10,000 awards of one evening) and ``amendments.csv`` (40 corrections of the date)."""
    folder.mkdir(parents=True, exist_ok=True)
    awards, amendments = folder / "awards.csv", folder / "amendments.csv"
    header = "record_id,achievement,conferred_on,learner_student_number,learner_name,learner_birth_date,credits"
    _write(awards, [header, *(_award(number) for number in range(1, AWARDS + 1))])
    step = AWARDS // AMENDMENTS
    corrected = (f"{_award_id(number * step)},amended,clerical-error,2026-05-27" for number in range(1, AMENDMENTS + 1))
    _write(amendments, ["record_id,step,reason,conferred_on", *corrected])
    return awards, amendments


def _award_id(number: int) -> str:
    return f"UBC-2026-{number:05d}"


def _award(number: int) -> str:
    degree = "bachelor-of-arts" if number % 2 else "bachelor-of-science"
    name = f"{_TREES[number % len(_TREES)]} {_FAMILIES[number % len(_FAMILIES)]} {number}"
    born = f"{1998 + number % 6}-{1 + number % 12:02d}-{1 + number % 28:02d}"
    return f"{_award_id(number)},{degree},2026-05-28,SAMPLE-UBC-{number:05d},{name},{born},120 credit-hours"


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


COLUMNS: Final = (
    "record_id", "achievement", "conferred_on", "learner_student_number", "learner_name", "learner_birth_date",
    "learner_email", "basis", "credits", "registration",
)  # fmt: skip
"""Columns of S10's spreadsheet."""
_PLACE: Final = {name: place for place, name in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True)
class Mistake:
    """A mistake that ``count`` rows have, with the code by which the node must report it."""

    code: str
    count: int
    spoil: Callable[[Cells], None]


def _cell(column: str, text: str) -> Callable[[Cells], None]:
    def spoil(cells: Cells) -> None:
        cells[_PLACE[column]] = text

    return spoil


def _one_too_many(cells: Cells) -> None:
    cells.insert(_PLACE["learner_name"], "Lexemple")


def _keep(_cells: Cells) -> None:
    """The row itself is right; what is wrong is done to the file: a repeated record id, an old encoding."""


DUPLICATE: Final = "record-duplicate"
ENCODING: Final = "encoding-invalid"
MISTAKES: Final = (
    Mistake("date-impossible", 8, _cell("conferred_on", "2026-02-30")),
    Mistake("date-impossible", 4, _cell("learner_birth_date", "31/12/2006")),
    Mistake("value-missing", 5, _cell("learner_name", "")),
    Mistake("value-missing", 3, _cell("conferred_on", "")),
    Mistake("value-not-allowed", 7, _cell("basis", "complété")),
    Mistake("credit-system-unknown", 6, _cell("credits", "176/3 unités")),
    Mistake("number-malformed", 6, _cell("credits", "58,67 cegep-units")),
    Mistake("reference-unknown", 6, _cell("achievement", "dec-sciences-nature")),
    Mistake("field-malformed", 5, _cell("learner_email", "eleve chez exemple.ca")),
    Mistake(DUPLICATE, 4, _keep),
    Mistake("row-width", 3, _one_too_many),
    Mistake("member-id-malformed", 2, _cell("registration", "Collège Montmorency")),
    Mistake(ENCODING, 1, _keep),
)
"""Sixty wrong rows of thirteen sorts and eleven codes."""


def _right_row(number: int) -> Cells:
    first, family = _ARBRES[number % len(_ARBRES)], _FAMILLES[number % len(_FAMILLES)]
    born = f"{2005 + number % 3}-{1 + number % 12:02d}-{1 + number % 28:02d}"
    return [
        f"MO-2026-{number:05d}",
        "dec-sciences-de-la-nature",
        "2026-06-12",
        f"EXEMPLE-MO-{number:05d}",
        f"{first} {family} {number}",
        born,
        f"eleve{number}@exemple.invalid",
        "completed",
        "176/3 cegep-units",
        "",
    ]


def mistakes_by_row() -> dict[int, Mistake]:
    """The wrong rows by their number (1 is the first below the header), the sorts mixed all through the file."""
    left = {place: mistake.count for place, mistake in enumerate(MISTAKES)}
    order: list[Mistake] = []
    while left:
        for place in list(left):
            order.append(MISTAKES[place])
            left[place] -= 1
            if not left[place]:
                del left[place]
    step = ROWS // (len(order) + 1)
    return {step * (place + 1): mistake for place, mistake in enumerate(order)}


def write_spreadsheet(folder: Path) -> tuple[Path, Path]:
    """Write ``diplomes.csv`` with its 60 wrong rows, and ``diplomes-corrige.csv``, the whole file put right.

    As a spreadsheet in French writes it: semicolons between the cells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wrong, right = folder / "diplomes.csv", folder / "diplomes-corrige.csv"
    wrong.write_bytes(b"".join(_lines(mistakes_by_row())))
    right.write_bytes(b"".join(_lines({})))
    return wrong, right


def _lines(mistakes: dict[int, Mistake]) -> Iterator[bytes]:
    repeated: str | None = None
    yield (";".join(COLUMNS) + "\n").encode()
    for number in range(1, ROWS + 1):
        cells, mistake = _right_row(number), mistakes.get(number)
        encoding = "utf-8"
        if mistake is not None:
            mistake.spoil(cells)
            if mistake.code == DUPLICATE:
                # Wrong rows of this sort come in twos: the second claims the first one's record id.
                if repeated is None:
                    repeated = cells[0]
                else:
                    cells[0], repeated = repeated, None
            if mistake.code == ENCODING:
                cells[_PLACE["learner_name"]], encoding = "Érable Lexemple", "latin-1"
        yield (";".join(cells) + "\n").encode(encoding)
