"""Rows as CSV and as an XLSX workbook of one sheet, both streamed, in the columns that the import reads.

Sources: RFC 4180; ECMA-376, part 1, 18.3 and 22.9.2.19 (escapes in a string). Text that a spreadsheet would take for a
formula gets an apostrophe before it, which the import takes away again; XLSX cells are inline strings besides, which no
spreadsheet evaluates.
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Protocol, Self
from xml.sax.saxutils import escape

from passerelle.core.errors import FormatError
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_report import safe_cell
from passerelle.node.csv_rows import letter

MAX_ROWS: Final = 1_048_575
"""Rows of a sheet below its header."""
MAX_TEXT: Final = 32_767
"""Characters of a cell."""
_ESCAPED: Final = re.compile(r"_x[0-9A-Fa-f]{4}_|[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class TableWriter(Protocol):
    """A table being written; the header stands when it is opened."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def row(self, cells: Mapping[str, str]) -> None:
        """Add a row. Raises FormatError where the table cannot hold it."""


def header_of(kind: str, languages: Iterable[str] = ()) -> list[str]:
    """The columns of a kind, in the order of docs/csv.md; ``languages`` are those of translations."""
    found: list[str] = []
    for column in FORMS[kind].columns:
        found += [f"{column.name[:-1]}{one}" for one in sorted(languages)] if column.is_prefix else [column.name]
    return found


class CsvTable:
    """A CSV file in UTF-8 with a byte order mark, by which spreadsheets know it."""

    def __init__(self, path: Path, kind: str, header: Sequence[str]) -> None:
        self._header = header
        self._file: IO[str] = path.open("w", encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def row(self, cells: Mapping[str, str]) -> None:
        """See :class:`TableWriter`."""
        self._writer.writerow([safe_cell(cells.get(name, "")) for name in self._header])


class XlsxTable:
    """A workbook of one sheet, named after the kind."""

    def __init__(self, path: Path, kind: str, header: Sequence[str]) -> None:
        self._header = header
        self._rows = 0
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        for name, content in _parts(kind):
            self._zip.writestr(zipfile.ZipInfo(name), _HEAD + content)
        self._sheet = self._zip.open(zipfile.ZipInfo("xl/worksheets/sheet1.xml"), "w", force_zip64=True)
        self._put(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>')
        self._write(list(header))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put("</sheetData></worksheet>")
        self._sheet.close()
        self._zip.close()

    def row(self, cells: Mapping[str, str]) -> None:
        """See :class:`TableWriter`."""
        if self._rows > MAX_ROWS:
            fix = "Export fewer records at a time, or as CSV."
            raise FormatError("too-many-items", f"a sheet holds at most {MAX_ROWS} rows", where="--format", fix=fix)
        self._write([safe_cell(cells.get(name, "")) for name in self._header])

    def _write(self, texts: Sequence[str]) -> None:
        self._rows += 1
        cells = []
        for place, text in enumerate(texts):
            if len(text) > MAX_TEXT:
                what = f"a cell has more than the {MAX_TEXT} characters that a sheet can hold"
                raise FormatError("value-too-long", what, where="--format", fix="Export as CSV.")
            if text:
                stated = escape(_ESCAPED.sub(_code, text))
                reference = f"{letter(place)}{self._rows}"
                cells.append(f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{stated}</t></is></c>')
        self._put(f'<row r="{self._rows}">{"".join(cells)}</row>')

    def _put(self, text: str) -> None:
        self._sheet.write(text.encode())


def _code(found: re.Match[str]) -> str:
    """A character that XML cannot hold, or text that reads like its escape, as an escape."""
    text = found[0]
    return f"_x005F_{text[1:]}" if len(text) > 1 else f"_x{ord(text):04X}_"


def _parts(sheet: str) -> list[tuple[str, str]]:
    """The fixed parts of the package."""
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>'
    )
    book = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    return [
        ("[Content_Types].xml", types),
        ("_rels/.rels", _relation("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", _relation("worksheet", "worksheets/sheet1.xml")),
    ]


def _relation(kind: str, target: str) -> str:
    relation = f'<Relationship Id="rId1" Type="{_OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_RELATIONS}">{relation}</Relationships>'
