"""From the cells of a row to the values of its columns, and to the data of an event.

Errors name the row, the column and the rule, never what the cell held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.errors import CODES, FormatError, Refused
from passerelle.node.csv_cells import CellError, nearest
from passerelle.node.csv_forms import Column, Form
from passerelle.node.csv_reader import RawRow

MAX_REMEMBERED: Final = 4096
"""Texts of a column whose value is remembered: dates, codes and references repeat in every file."""
MAX_HEADER: Final = 300


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row. ``row`` counts from 1, the header's; ``column`` is empty where it is the whole row."""

    row: int
    column: str
    code: str
    what: str
    fix: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        return {"row": self.row, "column": self.column, "code": self.code, "what": self.what, "fix": self.fix}


def row_error(row: int, column: str, code: str, what: str, fix: str = "") -> RowError:
    """An error with the code's own advice where none is given."""
    return RowError(row, column, code, what, fix or CODES[code].fix)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that could be read: ``data`` holds what lands in an event, ``own`` the office's and learner's values."""

    number: int
    data: dict[str, Any]
    own: dict[str, Any]
    given: frozenset[str]


@dataclass(slots=True)
class RowParser:
    """Reads the rows below one header."""

    form: Form
    home: str
    columns: Sequence[Column]
    _known: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._known = [{} for _ in self.columns]

    def parse(self, raw: RawRow) -> Row | list[RowError]:
        """The values of a row, or all that is wrong with its cells."""
        if raw.code:
            return [row_error(raw.number, "", raw.code, raw.what)]
        if len(raw.cells) != len(self.columns):
            what = f"the row has {len(raw.cells)} cells where the header has {len(self.columns)}"
            return [row_error(raw.number, "", "row-width", what)]
        data: dict[str, Any] = {}
        own: dict[str, Any] = {}
        given, errors = [], []
        for place, (column, cell) in enumerate(zip(self.columns, raw.cells, strict=True)):
            text = cell.strip()
            if not text:
                if column.required:
                    errors.append(row_error(raw.number, column.name, "value-missing", "the cell is empty"))
                continue
            try:
                value = self._value(place, column, text)
            except CellError as error:
                errors.append(RowError(raw.number, column.name, error.code, error.what, error.fix))
                continue
            given.append(column.name)
            if column.path:
                put(data, column.path, value)
            else:
                own[column.name] = value
        return errors or Row(raw.number, data, own, frozenset(given))

    def _value(self, place: int, column: Column, text: str) -> Any:
        if column.personal:
            return column.cell.parse(text, self.home)
        known = self._known[place]
        if text not in known:
            if len(known) >= MAX_REMEMBERED:
                known.clear()
            known[text] = column.cell.parse(text, self.home)
        return known[text]


def put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set ``value`` at a dotted place. Values are shared between rows, so what is put in is never changed in place."""
    *parents, last = path.split(".")
    for name in parents:
        child = data.get(name)
        data[name] = child = dict(child) if isinstance(child, dict) else {}
        data = child
    if isinstance(value, dict) and isinstance(data.get(last), dict):
        value = {**data[last], **value}
    data[last] = value


def read_header(form: Form, cells: Sequence[str], home: str) -> RowParser:
    """The parser for the rows below this header.

    Raises FormatError ``column-unknown``, ``column-duplicate`` or ``column-missing``; a cell is named by its place,
    because a file without a header has a person's values there.
    """
    if len(cells) > MAX_HEADER:
        raise FormatError("too-many-items", f"the header has more than {MAX_HEADER} columns", where="row 1")
    names = header_names(cells)
    columns: list[Column] = []
    for place, name in enumerate(names):
        where = f"row 1, column {letter(place)}"
        column = form.find(name)
        if column is None:
            guess = nearest(name, tuple(form.by_name))
            fix = f"Did you mean '{guess}'?" if guess else "Remove the column, or see docs/csv.md for those known."
            raise FormatError("column-unknown", f"the file kind {form.kind} has no such column", where=where, fix=fix)
        if name in names[:place]:
            raise FormatError("column-duplicate", f"the column {name} stands twice", where=where)
        columns.append(column)
    missing = [column.name for column in form.columns if column.required and column.name not in names]
    if missing:
        what = f"the file kind {form.kind} needs: {', '.join(missing)}"
        raise FormatError("column-missing", what, where="row 1")
    return RowParser(form, home, columns)


def header_names(cells: Sequence[str]) -> list[str]:
    """Header cells as column names: case and spaces around do not matter, a language's region keeps its capitals."""
    return [_name(cell.strip()) for cell in cells]


def _name(text: str) -> str:
    stem, underscore, language = text.rpartition("_")
    if underscore and "-" in language:
        return f"{stem.lower()}_{language}"
    return text.lower()


def letter(place: int) -> str:
    """A column's name in a spreadsheet: 0 is A, 26 is AA."""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def column_of(form: Form, where: str) -> str:
    """The column that filled the place ``data.assessment.methods[0]`` of an event; empty where none did."""
    path = where.removeprefix("data").lstrip(".")
    path = "".join(part.partition("[")[0] + "." for part in path.split(".")).rstrip(".")
    known: Mapping[str, str] = form.by_path
    while path:
        if path in known:
            return known[path]
        below = [name for place, name in known.items() if place.startswith(f"{path}.")]
        if below:
            return below[0]
        path = path.rpartition(".")[0]
    return ""


def from_refusal(row: int, form: Form, refused: Refused) -> RowError:
    """A schema error of the event as an error of the row's column."""
    column = column_of(form, refused.where)
    code = "value-missing" if refused.code == "field-missing" and column else refused.code
    fix = "Correct the cell; docs/csv.md describes it." if column else refused.fix
    return RowError(row, column, code, refused.what, fix)
