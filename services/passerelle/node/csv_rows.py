"""From the cells of a row to the values of its columns, and to the data of an event.

Errors name the row, the column and the rule. What a cell held is shown by its shape only (``9999-99-99``), because a
shifted column could hold a person's details; where it is close to a code that is allowed, as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.errors import CODES, FormatError, Refused
from passerelle.node.csv_cells import CellError, nearest
from passerelle.node.csv_forms import Column, Form
from passerelle.node.csv_reader import RawRow

MAX_REMEMBERED: Final = 4096
"""Texts of a column whose value is remembered: dates, codes and references repeat in every file."""
MAX_HEADER: Final = 300
MAX_SHAPE: Final = 24
MAX_NEAR: Final = 80


@dataclass(frozen=True, slots=True)
class RowError:
    """What is wrong with a row. ``row`` counts from 1, the header's; ``column`` is empty where it is the whole row.

    ``value`` is the shape of the cell, or the cell itself where it is close to an allowed code.
    """

    row: int
    column: str
    code: str
    what: str
    fix: str
    value: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        found = {"row": self.row, "column": self.column, "code": self.code, "value": self.value}
        return {**found, "what": self.what, "fix": self.fix}


def shape(text: str) -> str:
    """What a text looks like without what it says: letters as ``x``, digits as ``9``, at most 24 signs."""
    signs = ("x" if one.isalpha() else "9" if one.isdigit() else one if one.isprintable() else "?" for one in text)
    shown = "".join(sign for sign, _ in zip(signs, range(MAX_SHAPE), strict=False))
    return shown if len(text) <= MAX_SHAPE else f"{shown}..."


def row_error(row: int, column: str, code: str, what: str, fix: str = "", value: str = "") -> RowError:
    """An error with the code's own advice where none is given."""
    return RowError(row, column, code, what, fix or CODES[code].fix, value)


@dataclass(frozen=True, slots=True)
class Row:
    """A row that could be read: ``data`` holds what lands in an event, ``own`` the office's and learner's values."""

    number: int
    data: dict[str, Any]
    own: dict[str, Any]
    given: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Place:
    """A column as the parser works with it, and the values of texts that it has read before."""

    name: str
    parse: Callable[[str, str], Any]
    path: str
    parents: tuple[str, ...]
    last: str
    required: bool
    personal: bool
    alone: bool
    """Whether its texts are not remembered: personal ones, and record ids, of which each is another."""
    known: dict[str, Any]

    @classmethod
    def of(cls, column: Column, form: Form) -> _Place:
        """The column's."""
        *parents, last = column.path.split(".")
        alone = column.personal or column.name == form.record
        # A place that is also another's parent may hold a value that rows share.
        shared = any(other.path == parents[0] for other in form.columns) if parents else False
        found = tuple(parents) if len(parents) == 1 and not shared else ()
        return cls(
            column.name, column.cell.parse, column.path, found, last, column.required, column.personal, alone, {}
        )

    def value(self, text: str, home: str) -> Any:
        """The value of a text. Raises CellError."""
        if self.alone or text[0] == "'":
            return self.parse(plain(text), home)
        if len(self.known) >= MAX_REMEMBERED:
            self.known.clear()
        self.known[text] = found = self.parse(text, home)
        return found


def plain(text: str) -> str:
    """A text without the apostrophe that an export puts before what a spreadsheet would take for a formula."""
    return text[1:].strip() if text[0] == "'" and text[1:2] in _FORMULA else text


_FORMULA: Final = frozenset("=+-@\t\r")


_ABSENT: Final = object()


@dataclass(slots=True)
class RowParser:
    """Reads the rows below one header."""

    form: Form
    home: str
    columns: Sequence[Column]
    _places: tuple[_Place, ...] = ()
    _quick: tuple[tuple[_Place, dict[str, Any], str, str, str], ...] = ()
    """Of each column what every row needs: a row is read ten times as often as anything else here."""
    _sets: dict[tuple[str, ...], frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._places = tuple(_Place.of(column, self.form) for column in self.columns)
        self._quick = tuple(
            (place, place.known, place.path, place.parents[0] if place.parents else "", place.last)
            for place in self._places
        )

    def parse(self, raw: RawRow) -> Row | list[RowError]:
        """The values of a row, or all that is wrong with its cells."""
        number, cells, code, what = raw
        if code:
            return [row_error(number, "", code, what)]
        if len(cells) != len(self._places):
            found = f"the row has {len(cells)} cells where the header has {len(self._places)}"
            return [row_error(number, "", "row-width", found)]
        data: dict[str, Any] = {}
        own: dict[str, Any] = {}
        given: list[str] = []
        errors: list[RowError] = []
        home = self.home
        for (place, known, path, parent, last), cell in zip(self._quick, cells, strict=True):
            text = cell.strip()
            if not text:
                if place.required:
                    errors.append(row_error(number, place.name, "value-missing", "the cell is empty"))
                continue
            value = known.get(text, _ABSENT)
            if value is _ABSENT:
                try:
                    value = place.value(text, home)
                except CellError as error:
                    shown = text[:MAX_NEAR] if error.near and not place.personal else shape(text)
                    errors.append(RowError(number, place.name, error.code, error.what, error.fix, shown))
                    continue
            given.append(place.name)
            if not path:
                own[place.name] = value
            elif parent:
                data.setdefault(parent, {})[last] = value
            elif last == path and path not in data:
                data[path] = value
            else:
                put(data, path, value)
        if errors:
            return errors
        names = tuple(given)
        if names not in self._sets:
            if len(self._sets) >= MAX_REMEMBERED:
                self._sets.clear()
            self._sets[names] = frozenset(names)
        return Row(number, data, own, self._sets[names])


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


def read_header(form: Form, cells: Sequence[str], home: str, *, partly: bool = False) -> RowParser:
    """The parser for the rows below this header; ``partly``: needed columns may be absent, to show some rows.

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
    if missing and not partly:
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
