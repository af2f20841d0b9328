"""The agreements file: real rows fit, errors stand where they are, and what is exported comes back the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tests.unit.node.agreements.builders import BOOK, denied, granted, private_notes

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import read_book
from passerelle.node.agreements.data import rules_in
from passerelle.node.agreements.reading import reader_of
from passerelle.node.agreements.table import COLUMNS, TARGET, Translated, agreement_row, read_table_header
from passerelle.node.csv_forms import FORMS, NO_CREDIT
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import Row, RowError, read_header

HOME = "bccat"
PREREQUISITE = "Must have a grade of C- or better to use as a prerequisite"


def taken(row: Mapping[str, str]) -> tuple[Translated, dict[str, Any]]:
    """A row of the file as the registrar's import reads it: what stays, and the data of its event."""
    reader = read_table_header(list(row), BOOK)
    found = reader.translate(RawRow(2, list(row.values())))
    assert isinstance(found, Translated), found
    parser = read_header(FORMS["recognitions"], TARGET, HOME)
    parsed = parser.parse(RawRow(2, [found.cells.get(name, "") for name in TARGET]))
    assert isinstance(parsed, Row), parsed
    data = dict(parsed.data)
    if data["kind"] == NO_CREDIT:
        del data["kind"]
    return found, data


@given(granted | denied, private_notes)
@settings(max_examples=60, deadline=None)
def test_what_is_exported_is_imported_as_it_was_and_exported_again_the_same(data: dict[str, Any], note: str) -> None:
    row = agreement_row("bccat/a1", data, BOOK, home=HOME, private_note=note)
    found, again = taken(row)
    assert (found.id, found.private_note) == ("a1", note)
    expected = data if "delegation" in data else {**data, "delegation": "sfu/to-bccat"}
    assert again == expected
    assert agreement_row("bccat/a1", again, BOOK, home=HOME, private_note=note) == row


def errors_of(line: str, header: str = "agreement_id,sending,receiving,begin") -> list[RowError]:
    reader = read_table_header(header.split(","), BOOK)
    found = reader.translate(RawRow(7, next(csv.reader(io.StringIO(line)))))
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize(
    "line",
    [
        'h213,UFV HIST 213,SFU HIST 213 (3) - B Hum,1998-09-01,,,"Public, as printed",never shown',
        f"h214,UFV HIST 214 (3),SFU HIST 214 (3),1998-09-01,2005-08-31,{PREREQUISITE},,",
        "r201,UFV RLST 201 & 202,SFU HUM 130 (3) & HUM 1XX (3),2010-05-01,,,,",
        "n1,UFV HIST 9,SFU No credit,2010-05-01,,,,",
    ],
)
def test_real_rows_of_a_guide_fit(line: str) -> None:
    header = "Agreement ID,Sending Course,Transfer Credit,Start Date,End Date,Condition,Public Note,Private Note"
    reader = read_table_header(header.split(","), BOOK)
    found = reader.translate(RawRow(2, next(csv.reader(io.StringIO(line)))))
    assert isinstance(found, Translated), found
    assert found.cells["receiver"] == "sfu"
    assert found.cells["delegation"] == "sfu/to-bccat"
    assert "never shown" not in found.cells.values()


def test_all_that_is_wrong_with_a_row_is_told_at_once_at_its_columns() -> None:
    found = errors_of("a1,UFV RLST,SFU HUM 130,")
    assert [(error.row, error.column, error.code) for error in found] == [
        (7, "begin", "value-missing"),
        (7, "sending", "expression-invalid"),
        (7, "receiving", "field-malformed"),
    ]


@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("a1,UFV A 1,SFU A 1 (3),2010-01-01,content,", "no_credit_reason", "argument-conflict"),
        ("a1,UFV A 1,SFU No credit,2010-01-01,,a grade of C or better for credit", "conditions", "argument-conflict"),
        ("a1,UFV A 1,SFU A 1 (3),2010-01-01,,be brilliant", "conditions", "field-malformed"),
        ("a1,UFV A 1", "", "row-width"),
    ],
)
def test_cells_that_contradict_each_other_are_errors(line: str, column: str, code: str) -> None:
    (error,) = errors_of(line, "agreement_id,sending,receiving,begin,no_credit_reason,conditions")
    assert (error.column, error.code) == (column, code)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("agreement_id,sending,receiving", "column-missing"),
        ("agreement_id,sending,receiving,begin,start", "column-duplicate"),
        ("agreement_id,sending,recieving,begin", "column-unknown"),
    ],
)
def test_a_wrong_header_stops_the_file(header: str, code: str) -> None:
    with pytest.raises(FormatError) as error:
        read_table_header(header.split(","), BOOK)
    assert error.value.code == code


def test_a_cell_that_nests_without_end_is_read_in_bounded_time() -> None:
    deep = '{"all_of":[' * 400 + "{}" + "]}" * 400
    for row in (["a1", deep, "SFU No credit", "2020-01-01"], ["a1", "UFV A 1", deep, "2020-01-01"]):
        reader = read_table_header(["agreement_id", "sending", "receiving", "begin"], BOOK)
        found = reader.translate(RawRow(2, row))
        assert isinstance(found, list)
        assert found[0].code in {"expression-too-large", "value-missing"}


def test_a_receiver_that_the_table_lacks_is_not_exported_in_silence() -> None:
    data = {"receiver": "nvit", "sending": {"achievement": "ufv/A1"}, "valid_from": "2020-01-01", "reason": "content"}
    with pytest.raises(FormatError) as error:
        agreement_row("bccat/a1", data, BOOK, home=HOME)
    assert error.value.code == "code-unknown"


def test_the_page_shows_the_columns_and_the_sample_can_be_taken() -> None:
    root = Path(__file__).resolve().parents[4]
    page = (root / "docs" / "agreements.md").read_text(encoding="utf-8")
    for name, text in COLUMNS.items():
        assert f"| {name} | {text} |" in page
    folder = root / "samples" / "agreements"
    rules = list(rules_in(reader_of(folder / "guide.csv", read_book(folder / "institutions.csv")), "sfu"))
    assert len(rules) == 4
    assert all(isinstance(rule, tuple) and rule[1]["sample"] is True for rule in rules)


def test_every_column_is_written(tmp_path: Any) -> None:
    data = {"receiver": "sfu", "sending": {"achievement": "ufv/A1"}, "valid_from": "2020-01-01", "reason": "content"}
    assert list(agreement_row("bccat/a1", data, BOOK, home=HOME)) == list(COLUMNS)
    with pytest.raises(FormatError) as error:
        list(reader_of(tmp_path / "absent.csv", BOOK)())
    assert error.value.code == "file-unreadable"


def test_the_table_of_institutions_says_what_is_wrong_with_it(tmp_path: Any) -> None:
    path = tmp_path / "institutions.csv"
    path.write_text("code,member,credit_system\nSFU,sfu,unit\n")
    with pytest.raises(FormatError) as error:
        read_book(path)
    assert (error.value.code, error.value.fix) == ("credit-system-unknown", "Did you mean 'units'?")
    path.write_text("code,member\nSFU,sfu\nsfu,ubc\n")
    with pytest.raises(FormatError) as error:
        read_book(path)
    assert error.value.code == "record-duplicate"
    path.write_text("code,member,delegation\nSFU,sfu,sfu/to-bccat\n")
    assert read_book(path).find("sfu", "").delegation == "sfu/to-bccat"


def test_the_same_wrong_cells_are_told_in_each_of_their_rows() -> None:
    reader = read_table_header(["agreement_id", "sending", "receiving", "begin", "conditions"], BOOK)
    for number, conditions in ((2, "nonsense"), (3, "nonsense"), (4, "")):
        cells = [f"a{number}", "UFV HIST 213", "SFU HIST 213 (3)", "2010-01-01", conditions]
        found = reader.translate(RawRow(number, cells))
        if not conditions:
            assert isinstance(found, Translated)
            continue
        assert isinstance(found, list), "a condition that cannot be read was passed over"
        assert [(error.row, error.column, error.code) for error in found] == [(number, "conditions", "field-malformed")]
