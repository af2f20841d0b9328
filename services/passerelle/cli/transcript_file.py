"""Transcripts from CSV or JSON files, for ``passerelle equivalency evaluate``: course facts only, never a person.

Every error names the row (the header is row 1) or the item and the field, never the value.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError, PasserelleError

MAX_BYTES: Final = 1024 * 1024
MAX_LINES: Final = 500
MAX_VERSION: Final = 1_000_000
REQUIRED: Final = ("achievement", "completed_on")
COLUMNS: Final = (
    *REQUIRED,
    "version",
    "grade",
    "grade_scheme",
    "credits",
    "credit_system",
    "basis",
    "reference",
)
_ITEM: Final = frozenset({*REQUIRED, "version", "grade", "credits", "basis", "reference"})
_INNER: Final = {"grade": ("scheme", "grade"), "credits": ("value", "system")}


def read_transcript(path: Path) -> list[dict[str, Any]]:
    """The lines as arguments of ``TranscriptLine``.

    Raises FormatError: ``file-unreadable``, ``encoding-invalid``, ``column-unknown``, ``column-missing``,
    ``column-duplicate``, ``row-width``, ``value-missing``, ``number-malformed``, ``field-unknown``,
    ``field-malformed``; PasserelleError ``too-many-items``.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError:
        raise FormatError("file-unreadable", "The transcript cannot be read.", where=str(path)) from None
    if len(raw) > MAX_BYTES:
        raise FormatError("file-unreadable", f"A transcript has at most {MAX_BYTES} bytes.", where=str(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("encoding-invalid", f"Not UTF-8 at byte {error.start}.", where=str(path)) from None
    lines = list(_items(text) if path.suffix.lower() == ".json" else _rows(text))
    if not lines:
        raise FormatError("argument-missing", "The transcript has no line.", where=str(path))
    return lines


def _bounded(number: int) -> None:
    if number > MAX_LINES:
        raise PasserelleError("too-many-items", f"A transcript has at most {MAX_LINES} lines.", where="transcript")


def _items(text: str) -> Iterator[dict[str, Any]]:
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise FormatError("file-unreadable", "The transcript is not JSON.", where="transcript") from None
    if not isinstance(data, list):
        raise FormatError("file-unreadable", "The transcript is not a list of lines.", where="transcript")
    for number, item in enumerate(data):
        _bounded(number + 1)
        yield _item(item, f"item {number + 1}")


def _item(item: object, where: str) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise FormatError("field-malformed", "A line is an object.", where=where)
    for name, value in item.items():
        if name not in _ITEM:
            raise FormatError("field-unknown", "A line has a field that is not known.", where=where)
        if not _fits(name, value):
            what = f"The field holds {' and '.join(_INNER[name])}." if name in _INNER else "The field is malformed."
            raise FormatError("field-malformed", what, where=f"{where}: {name}")
    for name in REQUIRED:
        if not item.get(name):
            raise FormatError("value-missing", "A required field is absent.", where=f"{where}: {name}")
    return dict(item)


def _fits(name: str, value: Any) -> bool:
    """Whether a field of a JSON line has its form."""
    if name == "version":
        return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_VERSION
    if name not in _INNER:
        return isinstance(value, str)
    whole = isinstance(value, Mapping) and set(value) == set(_INNER[name])
    return whole and all(isinstance(part, str) and part for part in value.values())


def _rows(text: str) -> Iterator[dict[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header)
        for row in reader:
            if not row:
                continue
            where = f"row {reader.line_num}"
            _bounded(reader.line_num - 1)
            if len(row) != len(header):
                raise FormatError("row-width", "The row has more or fewer cells than the header.", where=where)
            yield _line({name: cell.strip() for name, cell in zip(header, row, strict=True)}, where)
    except csv.Error:
        raise FormatError("row-malformed", "The row cannot be read.", where=f"row {reader.line_num}") from None


def _check_header(header: list[str]) -> None:
    for number, name in enumerate(header, 1):
        if name not in COLUMNS:
            raise FormatError(
                "column-unknown", "A column is not known.", where=f"column {number}", fix=f"Use {', '.join(COLUMNS)}."
            )
        if header.index(name) != number - 1:
            raise FormatError("column-duplicate", "A column's name stands twice.", where=f"column {number}: {name}")
    for name in REQUIRED:
        if name not in header:
            raise FormatError("column-missing", "A required column is absent.", where=name)


def _line(cells: Mapping[str, str], where: str) -> dict[str, Any]:
    for name in REQUIRED:
        if not cells[name]:
            raise FormatError("value-missing", "A required cell is empty.", where=f"{where}: {name}")
    line: dict[str, Any] = {name: cells[name] for name in (*REQUIRED, "basis", "reference") if cells.get(name)}
    version = cells.get("version")
    if version:
        if not version.isdecimal() or not 1 <= int(version[:8]) <= MAX_VERSION:
            raise FormatError("number-malformed", "The version is no number from 1.", where=f"{where}: version")
        line["version"] = int(version)
    pairs = (("grade", "grade_scheme", ("grade", "scheme")), ("credits", "credit_system", ("value", "system")))
    for first, second, names in pairs:
        given = (cells.get(first, ""), cells.get(second, ""))
        if all(given):
            line[first] = dict(zip(names, given, strict=True))
        elif any(given):
            absent = second if given[0] else first
            raise FormatError("value-missing", "The cell belongs to another one.", where=f"{where}: {absent}")
    return line
