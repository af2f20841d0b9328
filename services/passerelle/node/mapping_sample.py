"""A few rows of an office's own export, to propose a mapping by and to show what it would publish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import RawRow, read_rows
from passerelle.node.csv_rows import Row, read_header, shape
from passerelle.node.formats.opening import HEAD, Options, formats
from passerelle.node.formats.sql import Asked, SqlFormat
from passerelle.node.formats.tables import Rows, TableOptions, header_of
from passerelle.node.formats.xlsx import XlsxFormat
from passerelle.node.mapping import ColumnMapping

SAMPLE_ROWS: Final = 500
SHOWN_ROWS: Final = 3
MAX_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """The header and the first rows of a table."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def column(self, place: int) -> list[str]:
        """What the sample holds in a column, empty cells left out."""
        return [text for row in self.rows if place < len(row) and (text := row[place].strip())]

    def again(self) -> Rows:
        """The sample as rows."""

        def rows() -> Iterator[RawRow]:
            yield RawRow(1, list(self.header))
            for number, cells in enumerate(self.rows, start=2):
                yield RawRow(number, list(cells))

        return rows


def read_sample(path: Path, *, sheet: str | None = None, encoding: str = "utf-8", query: Asked | None = None) -> Sample:
    """The first rows that can be read, of a file or of the query in it.

    Raises FormatError; ``format-unknown`` for a file that is no table. With ``query`` also Unavailable.
    """
    try:
        if query is not None:
            return _sample(SqlFormat(TableOptions(), query).first(path))
        with path.open("rb") as stream:
            head = stream.read(HEAD)
        known = formats(Options(encoding=encoding))
        found = next(one for one in known if one.recognises(path, head))
        if found.name == "xlsx":
            rows = XlsxFormat(TableOptions(sheet=sheet)).first(path)
        elif found.name == "csv":
            rows = _csv(path, encoding)
        else:
            fix = "Import it as it is: its parts have their places."
            raise FormatError("format-unknown", f"a file of the format {found.name} has no columns to map", fix=fix)
        return _sample(rows)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise FormatError("file-unreadable", what, where=str(path)) from None


def _sample(rows: Rows) -> Sample:
    header = [cell.strip() for cell in header_of(rows)]
    source = rows()
    try:
        body = [raw.cells for raw in islice(source, 1, SAMPLE_ROWS + 1) if not raw.code]
    finally:
        source.close() if hasattr(source, "close") else None
    return Sample(header, body)


def _csv(path: Path, encoding: str) -> Rows:
    def rows() -> Iterator[RawRow]:
        with path.open("rb", buffering=0) as stream:
            yield from read_rows(stream, encoding)

    return rows


def shown(sample: Sample, mapping: ColumnMapping, home: str) -> list[dict[str, Any]]:
    """What the mapping makes of the first rows: our columns with their texts, personal ones by shape, and errors."""
    form = FORMS[mapping.kind]
    parser = read_header(form, list(mapping.rules), home, partly=True)
    found: list[dict[str, Any]] = []
    for raw in islice(mapping.over(sample.again())(), 1, SHOWN_ROWS + 1):
        parsed = parser.parse(raw)
        cells = {
            column.name: shape(cell) if column.personal or form.kind == "results" else cell[:MAX_SHOWN]
            for column, cell in zip(parser.columns, raw.cells, strict=False)
        }
        errors = [] if isinstance(parsed, Row) else [error.as_dict() for error in parsed]
        found.append({"row": raw.number, "cells": cells, "errors": errors})
    return found
