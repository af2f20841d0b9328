"""XLSX workbooks: every sheet whose header fits a kind is a section.

Source: ECMA-376, part 1, 18.3 (worksheets) and 18.17.4.1 (dates as numbers). Text stays as it was stored, leading zeros
with it. Of a formula the value that was stored with it is taken. Sheets are read as streams, one row at a time.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.node.csv_cells import MAX_CELL, nearest
from passerelle.node.csv_reader import MAX_UNREADABLE, RawRow
from passerelle.node.csv_rows import MAX_HEADER, letter
from passerelle.node.formats.ports import Reading, Section
from passerelle.node.formats.tables import Rows, TableOptions, section_of
from passerelle.node.formats.xlsx_package import Book, Reader, Sheet, chunks, opened, read_book, unescaped, wrong

MAX_ROWS: Final = 1_048_576
MAX_MERGED: Final = 10_000
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,14}")
_MAX_SERIAL: Final = 2_958_465
"""31 December 9999."""


class _Unreadable(Exception):
    """A cell that has no text: what is wrong."""


def _column(letters: str) -> int:
    number = 0
    for sign in letters:
        number = 26 * number + ord(sign) - 64
    return number - 1


def date_text(serial: str, *, from_1904: bool) -> str | None:
    """The date of a serial number, None where it is none: the time of day is left out, 29 February 1900 never was."""
    if not _NUMBER.fullmatch(serial):
        return None
    value = Decimal(serial)
    if not (0 if from_1904 else 1) <= value <= _MAX_SERIAL:
        return None
    days = int(value)
    if from_1904:
        found = dt.date(1904, 1, 1).toordinal() + days
        return dt.date.fromordinal(found).isoformat() if found <= dt.date.max.toordinal() else None
    if days == 60:
        return None
    return (dt.date(1899, 12, 31 if days < 60 else 30) + dt.timedelta(days)).isoformat()


def number_text(value: str) -> str | None:
    """A stored number as a person sees it, in at most 15 digits; None where it is none, or too large to be one."""
    if _INTEGER.fullmatch(value):
        return value
    if not _NUMBER.fullmatch(value):
        return None
    found = Decimal(format(Decimal(value), ".15g"))
    if not -20 < found.adjusted() < 20:
        return "0" if not found else None
    text = format(found, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


@dataclass(slots=True)
class _Cell:
    column: int
    kind: str
    style: int
    value: list[str] = field(default_factory=list)
    size: int = 0
    formula: bool = False
    stated: bool = False

    def text(self, book: Book) -> str:
        """What the cell says. Raises _Unreadable."""
        raw = "".join(self.value)
        if self.size > MAX_CELL:
            raise _Unreadable(f"has more than {MAX_CELL} characters")
        if self.kind == "e":
            raise _Unreadable("holds an error of the spreadsheet")
        if self.formula and not self.stated:
            raise _Unreadable("holds a formula without a stored value")
        if self.kind == "s":
            if not raw:
                return ""
            if not _INTEGER.fullmatch(raw) or not 0 <= int(raw) < len(book.strings):
                raise _Unreadable("names a text that the workbook does not have")
            found = book.strings[int(raw)]
            if len(found) > MAX_CELL:
                raise _Unreadable(f"has more than {MAX_CELL} characters")
            return found
        if self.kind == "b":
            return {"1": "yes", "0": "no"}.get(raw.strip(), "")
        if self.kind in ("str", "inlineStr"):
            return unescaped(raw)
        return self._number(raw.strip(), book)

    def _number(self, raw: str, book: Book) -> str:
        if not raw:
            return ""
        if self.kind == "d":
            return raw.partition("T")[0]
        dated = self.style in book.dates
        found = date_text(raw, from_1904=book.from_1904) if dated else number_text(raw)
        if found is None:
            raise _Unreadable("holds a number that is no date" if dated else "holds a number that cannot be told")
        return found.zfill(book.fixed.get(self.style, 0)) if found.isdecimal() else found


class _Rows:
    """Collects the rows of one sheet while its XML goes by."""

    def __init__(self, book: Book, merged: frozenset[int]) -> None:
        self._book = book
        self._merged = merged
        self.ready: list[RawRow] = []
        self._number = 0
        self._width = 0
        self._cells: dict[int, str] = {}
        self._cell: _Cell | None = None
        self._wrong = ("", "")
        self._takes = False
        self._inline = False
        self.reader = Reader(self._start, self._text, self._end)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "row":
            self._begin_row(attributes.get("r", ""))
        elif name == "c":
            self._begin_cell(attributes)
        elif self._cell is not None:
            if name == "f":
                self._cell.formula = True
            self._inline = self._inline or name == "is"
            self._takes = name == "v" or (name == "t" and self._inline)
            self._cell.stated = self._cell.stated or self._takes

    def _begin_row(self, stated: str) -> None:
        number = int(stated) if stated.isdecimal() and len(stated) < 8 else self._number + 1
        if not self._number < number <= MAX_ROWS:
            raise wrong("xml-malformed", "the rows of a sheet are not in order", f"row {self._number}")
        self._number = number
        self._cells, self._wrong = {}, ("", "")

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        found = _REFERENCE.fullmatch(attributes.get("r", ""))
        column = _column(found[1]) if found else max(self._cells, default=-1) + 1
        style = attributes.get("s", "0")
        self._cell = _Cell(column, attributes.get("t", "n"), int(style) if style.isdecimal() and len(style) < 8 else 0)
        self._inline = False

    def _text(self, data: str) -> None:
        if self._takes and self._cell is not None:
            self._cell.size += len(data)
            if self._cell.size <= MAX_CELL:
                self._cell.value.append(data)

    def _end(self, name: str) -> None:
        self._takes = False
        if name == "c" and self._cell is not None:
            self._end_cell(self._cell)
            self._cell = None
        elif name == "row":
            self._end_row()

    def _end_cell(self, cell: _Cell) -> None:
        place = f"column {letter(cell.column)}"
        try:
            text = cell.text(self._book)
        except _Unreadable as error:
            code = "value-too-long" if "characters" in error.args[0] else "cell-unreadable"
            self._wrong = self._wrong if self._wrong[0] else (code, f"the cell in {place} {error.args[0]}")
            return
        if "\0" in text:
            self._wrong = ("control-character", f"the cell in {place} holds a NUL character")
        elif text.strip():
            if cell.column >= MAX_HEADER:
                self._wrong = ("row-width", f"the row has cells beyond column {letter(MAX_HEADER - 1)}")
            self._cells[min(cell.column, MAX_HEADER)] = text

    def _end_row(self) -> None:
        if not self._cells and not self._wrong[0]:
            return
        if self._number in self._merged:
            self._wrong = ("cells-merged", "cells of this row are merged with others")
        if self._wrong[0]:
            self.ready.append(RawRow(self._number, [], *self._wrong))
            return
        last = max(self._cells)
        # The first row is the header: the rows below have its width, whatever cells a sheet leaves out.
        self._width = self._width or last + 1
        width = max(self._width, last + 1)
        self.ready.append(RawRow(self._number, [self._cells.get(place, "") for place in range(width)]))


def _merged(book: Book, sheet: Sheet) -> frozenset[int]:
    """The rows in which a merged range stands; they come after the rows in the file, so they are read first."""
    rows: set[int] = set()
    count = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal count
        if name != "mergeCell":
            return
        count += 1
        ends = [_REFERENCE.fullmatch(one) for one in attributes.get("ref", "").split(":")]
        numbers = [int(one[2]) for one in ends if one is not None]
        if count > MAX_MERGED or len(numbers) != 2 or numbers[1] - numbers[0] > MAX_MERGED:
            fix = "Unmerge all cells of the sheet."
            raise wrong("cells-merged", f"more than {MAX_MERGED} cells are merged", sheet.name[:60], fix)
        rows.update(range(numbers[0], numbers[1] + 1))

    with opened(book.path) as archive:
        reader = Reader(start, lambda _: None, lambda _: None)
        for data in chunks(archive, sheet.part):
            reader.feed(data)
        reader.feed(b"", final=True)
    return frozenset(rows)


def sheet_rows(book: Book, sheet: Sheet) -> Rows:
    """A sheet's rows, anew at each call. Row numbers are the sheet's. Raises FormatError."""
    merged = _merged(book, sheet)

    def rows() -> Iterator[RawRow]:
        found, unreadable = _Rows(book, merged), 0
        with opened(book.path) as archive:
            for data in chunks(archive, sheet.part):
                found.reader.feed(data)
                for row in found.ready:
                    unreadable += bool(row.code)
                    if unreadable > MAX_UNREADABLE:
                        what = f"more than {MAX_UNREADABLE} rows cannot be read"
                        raise FormatError("too-many-errors", what, where=f"row {row.number}")
                    yield row
                found.ready.clear()
            found.reader.feed(b"", final=True)
        yield from found.ready

    return rows


class XlsxFormat:
    """See :class:`passerelle.node.formats.ports.Format`."""

    name = "xlsx"

    def __init__(self, asked: TableOptions) -> None:
        self._asked = asked

    def recognises(self, path: Path, head: bytes) -> bool:
        """By the archive's mark and a name that every workbook has."""
        return head.startswith(b"PK\x03\x04") and (b"[Content_Types].xml" in head or b"xl/" in head)

    def open(self, path: Path, *, home: str) -> Reading:
        """See :class:`passerelle.node.formats.ports.Format`: one section for each sheet that fits, in their order."""
        book = read_book(path)
        sheets = self._sheets(book)
        sections: list[Section] = []
        remarks: list[str] = []
        mappings: list[str] = []
        first: FormatError | None = None
        for sheet in sheets:
            try:
                section, mapping = section_of(sheet_rows(book, sheet), self._asked)
            except FormatError as error:
                if len(sheets) == 1 or error.code not in ("format-unknown", "file-empty"):
                    raise
                first = first or error
                remarks.append(f"a sheet was left out: {error.what}")
                continue
            sections.append(section)
            mappings.append(mapping)
        if not sections:
            raise first or wrong("file-empty", "the workbook holds no sheet that can be read", path.name)
        return Reading(self.name, sections, remarks, next(filter(None, mappings), ""))

    def first(self, path: Path) -> Rows:
        """The rows of the first sheet, or of the one that was named. Raises FormatError."""
        book = read_book(path)
        sheets = self._sheets(book)
        if not sheets:
            raise wrong("file-empty", "the workbook holds no sheet that can be read", path.name)
        return sheet_rows(book, sheets[0])

    def _sheets(self, book: Book) -> list[Sheet]:
        shown = [sheet for sheet in book.sheets if not sheet.hidden and sheet.part]
        if self._asked.sheet is not None:
            named = [sheet for sheet in book.sheets if sheet.name == self._asked.sheet and sheet.part]
            if not named:
                guess = nearest(self._asked.sheet, [sheet.name for sheet in shown])
                fix = f"Did you mean '{guess}'?" if guess else "Name a sheet as its tab does."
                raise wrong("argument-conflict", "the workbook has no such sheet", "--sheet", fix)
            return [replace(named[0], hidden=False)]
        # A kind or a mapping is for one table: the first.
        return shown[:1] if self._asked.kind or self._asked.mapping else shown
