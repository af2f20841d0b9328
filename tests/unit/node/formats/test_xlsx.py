"""Workbooks: what cells say, and hostile ones refused with their own message in bounded time."""

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.workbooks import sheet_xml, text_cell, write_book

from passerelle.core.errors import FormatError
from passerelle.node.csv_reader import RawRow
from passerelle.node.formats.opening import Options, open_file
from passerelle.node.formats.xlsx import XlsxFormat, date_text, number_text
from passerelle.node.formats.xlsx_package import is_date

Folders = pytest.TempPathFactory
HEADER = ["id", "kind", "title", "language", "credit_bearing"]
COURSE = ["007", "course", "Seven", "en", "no"]


def rows_of(path: Path, **options: str) -> list[RawRow]:
    reading = open_file(path, home="humber", options=Options(**options))  # type: ignore[arg-type]
    assert reading.format == "xlsx"
    return [row for section in reading.sections for row in section.rows()]


def cells_of(folder: Path, *cells: str, workbook_pr: str = "") -> list[RawRow]:
    """The rows of a sheet whose second row's first cells are these."""
    rows = [HEADER, [*cells, *COURSE[len(cells) :]]]
    strings = ("0042", "b")
    return rows_of(
        write_book(folder / "x.xlsx", {"S": sheet_xml(rows)}, strings=strings, workbook_pr=workbook_pr),
        kind="achievements",
    )


def refused(path: Path) -> str:
    with pytest.raises(FormatError) as caught:
        rows_of(path, format="xlsx")
    assert caught.value.what
    assert caught.value.fix
    return caught.value.code


def sound(path: Path) -> bool:
    """Whether a file gives rows, each with cells or an error, or is refused with advice."""
    try:
        return all(row.cells or row.code for row in rows_of(path, format="xlsx"))
    except FormatError as error:
        return bool(error.fix)


def test_text_keeps_its_leading_zeros_and_rows_their_numbers(tmp_path: Path) -> None:
    path = write_book(tmp_path / "a.xlsx", {"Sheet": sheet_xml([HEADER, [], COURSE])})
    assert rows_of(path) == [RawRow(1, HEADER), RawRow(3, COURSE)]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="A2" t="s"><v>0</v></c>', "0042"),
        ('<c r="A2"><v>42</v></c>', "42"),
        ('<c r="A2" s="2"><v>42</v></c>', "00042"),
        ('<c r="A2" s="1"><v>46143</v></c>', "2026-05-01"),
        ('<c r="A2" s="3"><v>46143.75</v></c>', "2026-05-01"),
        ('<c r="A2"><v>0.30000000000000004</v></c>', "0.3"),
        ('<c r="A2"><v>1.5E3</v></c>', "1500"),
        ('<c r="A2" t="b"><v>1</v></c>', "yes"),
        ('<c r="A2" t="str"><f>A1&amp;"x"</f><v>made</v></c>', "made"),
        ('<c r="A2" t="d"><v>2026-05-01T00:00:00</v></c>', "2026-05-01"),
        ('<c r="A2" t="inlineStr"><is><r><t>two</t></r><r><t> runs</t></r></is></c>', "two runs"),
    ],
)
def test_what_a_cell_says(tmp_path: Path, cell: str, text: str) -> None:
    assert cells_of(tmp_path, cell)[1].cells[0] == text


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ('<c r="A2" t="e"><v>#REF!</v></c>', "cell-unreadable"),
        ('<c r="A2"><f>1+1</f></c>', "cell-unreadable"),
        ('<c r="A2" t="s"><v>99</v></c>', "cell-unreadable"),
        ('<c r="A2" s="1"><v>60</v></c>', "cell-unreadable"),
        ('<c r="A2"><v>1E300</v></c>', "cell-unreadable"),
        (text_cell("A2", "x" * 40_000), "value-too-long"),
        (text_cell("AAA2", "far away"), "row-width"),
    ],
)
def test_a_cell_that_cannot_be_read_spoils_its_row_only(tmp_path: Path, cell: str, code: str) -> None:
    path = write_book(tmp_path / "x.xlsx", {"S": sheet_xml([HEADER, [cell, *COURSE[1:]], COURSE])})
    assert [row.code for row in rows_of(path, kind="achievements")] == ["", code, ""]


def test_a_workbook_that_counts_from_1904(tmp_path: Path) -> None:
    found = cells_of(tmp_path, '<c r="A2" s="1"><v>0</v></c>', workbook_pr='<workbookPr date1904="1"/>')
    assert found[1].cells[0] == "1904-01-01"


def test_merged_cells_refuse_their_rows(tmp_path: Path) -> None:
    tail = '<mergeCells><mergeCell ref="A2:A3"/></mergeCells>'
    path = write_book(tmp_path / "m.xlsx", {"S": sheet_xml([HEADER, COURSE, COURSE, COURSE], tail)})
    assert [row.code for row in rows_of(path)] == ["", "cells-merged", "cells-merged", ""]


def test_each_sheet_that_fits_is_a_section_and_the_others_are_told(tmp_path: Path) -> None:
    organisation = [["id", "name_en", "jurisdictions", "kind"], ["siemens", "Siemens", "DE", "company"]]
    sheets = {"C": sheet_xml([HEADER, COURSE]), "Notes": sheet_xml([["read me"]]), "O": sheet_xml(organisation)}
    reading = open_file(write_book(tmp_path / "s.xlsx", sheets), home="humber", options=Options())
    assert [section.kind for section in reading.sections] == ["achievements", "organisations"]
    assert len(reading.remarks) == 1
    named = open_file(tmp_path / "s.xlsx", home="humber", options=Options(sheet="O"))
    assert [section.kind for section in named.sections] == ["organisations"]


def test_a_bomb_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    bomb = sheet_xml([HEADER]) + " " * 30_000_000
    path = write_book(tmp_path / "b.xlsx", {"S": bomb})
    assert path.stat().st_size < 100_000
    assert refused(path) == "archive-bomb"


def test_entities_are_refused_not_expanded(tmp_path: Path) -> None:
    xml = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>' + sheet_xml([["&b;"]])
    assert refused(write_book(tmp_path / "e.xlsx", {"S": xml})) == "xml-forbidden"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("<worksheet><sheetData>", "xml-malformed"),
        ("<a>" * 100 + "</a>" * 100, "xml-malformed"),
        (sheet_xml([HEADER]).replace('r="1"', 'r="0"'), "xml-malformed"),
        (sheet_xml([]), "file-empty"),
        (sheet_xml([["a", "b"]]), "format-unknown"),
    ],
)
def test_sheets_that_are_none(tmp_path: Path, xml: str, code: str) -> None:
    assert refused(write_book(tmp_path / "x.xlsx", {"S": xml})) == code


def test_archives_that_are_none(tmp_path: Path) -> None:
    whole = write_book(tmp_path / "w.xlsx", {"S": sheet_xml([HEADER, COURSE])}).read_bytes()
    for number, data in enumerate(
        (b"PK\x03\x04", whole[:200], whole[:-30], whole.replace(b"PK\x01\x02", b"PK\x01\x09"))
    ):
        path = tmp_path / f"{number}.xlsx"
        path.write_bytes(data)
        assert refused(path) == "file-truncated", number


def test_dates_and_numbers_as_a_spreadsheet_has_them() -> None:
    assert [date_text(text, from_1904=False) for text in ("1", "59", "60", "61", "46143", "0", "-1", "9e9", "x")] == [
        "1900-01-01", "1900-02-28", None, "1900-03-01", "2026-05-01", None, None, None, None,
    ]  # fmt: skip
    assert [number_text(text) for text in ("0", "-7", "2.50", "1e-9", "1e30", "", "nan")] == [
        "0", "-7", "2.5", "0.000000001", None, None, None,
    ]  # fmt: skip
    assert is_date("yyyy\\-mm\\-dd")
    assert not is_date('0.00" days"')
    assert not is_date("[Red]General")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: Folders) -> bytes:
    path = write_book(tmp_path_factory.mktemp("x") / "w.xlsx", {"S": sheet_xml([HEADER, COURSE])})
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_ends_in_rows_or_in_a_told_error(
    whole: bytes, tmp_path_factory: Folders, data: st.DataObject
) -> None:
    spoilt = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "spoilt.xlsx"
    path.write_bytes(bytes(spoilt))
    assert sound(path)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_xml_in_a_sheet_ends_in_rows_or_in_a_told_error(tmp_path_factory: Folders, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.xlsx"
    write_book(path, {"S": sheet_xml([HEADER, COURSE]).replace("Seven", text)})
    assert sound(path)


def test_an_archive_that_is_no_workbook_is_not_taken_for_one() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("readme.txt", "x")
    assert not XlsxFormat.recognises(XlsxFormat.__new__(XlsxFormat), Path("x"), data.getvalue())
