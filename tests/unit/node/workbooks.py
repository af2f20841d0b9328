"""XLSX workbooks for tests, written part by part so that they can be wrong in one place."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="00000"/>'
    '<numFmt numFmtId="165" formatCode="dd/mm/yyyy"/></numFmts>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)
"""Style 1 and 3 are dates, style 2 shows five digits."""


def letters(place: int) -> str:
    """Column letters of a place below 26."""
    return chr(ord("A") + place)


def text_cell(reference: str, text: str) -> str:
    """A cell that holds its text itself."""
    return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def sheet_xml(rows: Sequence[Sequence[str]], tail: str = "") -> str:
    """A sheet of text cells; a cell that starts with ``<c`` is taken as it is."""
    body = []
    for number, row in enumerate(rows, start=1):
        cells = (
            cell if cell.startswith("<c") else text_cell(f"{letters(place)}{number}", cell)
            for place, cell in enumerate(row)
            if cell
        )
        body.append(f'<row r="{number}">{"".join(cells)}</row>')
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(body)}</sheetData>{tail}</worksheet>'


def write_book(
    path: Path, sheets: Mapping[str, str], *, strings: Sequence[str] = (), workbook_pr: str = "", **parts: str
) -> Path:
    """A workbook with these sheets; ``parts`` replace or add parts by name, ``workbook_pr`` is its settings."""
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{number}" r:id="r{number}"/>' for number, name in enumerate(sheets, 1)
    )
    listed = f"<sheets>{listed}</sheets>"
    links = "".join(
        f'<Relationship Id="r{number}" Type="x" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    texts = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    found = {
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINKS}">{workbook_pr}{listed}</workbook>',
        "xl/_rels/workbook.xml.rels": f"<Relationships>{links}</Relationships>",
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{texts}</sst>',
        **{f"xl/worksheets/sheet{number}.xml": xml for number, xml in enumerate(sheets.values(), 1)},
        **parts,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return path
