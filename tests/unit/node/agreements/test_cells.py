"""Cells as transfer guides write them: what they mean, how they are written again, and where an error is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from tests.unit.node.agreements.builders import BOOK, expressions, outcomes

from passerelle.node.agreements.book import Book
from passerelle.node.agreements.receiving import parse_conditions, parse_receiving, with_conditions, write_receiving
from passerelle.node.agreements.sending import parse_sending, write_sending
from passerelle.node.csv_cells import CellError

UNITS = {"value": "3", "system": "units"}
SFU = BOOK.find("SFU", "")


def leaf(achievement: str, **more: Any) -> dict[str, Any]:
    return {"achievement": achievement, **more}


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("UFV RLST 201 & 202", {"all_of": [leaf("ufv/RLST201"), leaf("ufv/RLST202")]}),
        ("UFV RLST 201 and HIST 101", {"all_of": [leaf("ufv/RLST201"), leaf("ufv/HIST101")]}),
        ("UFV HIST 101 (3)", leaf("ufv/HIST101")),
        ("ufv hist 101 or SFU HIST 103", {"any_of": [leaf("ufv/HIST101"), leaf("sfu/HIST103")]}),
        (
            "UFV A 1 & (2 or 3)",
            {"all_of": [leaf("ufv/A1"), {"any_of": [leaf("ufv/A2"), leaf("ufv/A3")]}]},
        ),
        ("TRU-OL A 1 (min 65)", leaf("tru/A1", minimum_grade={"scheme": "percentage-50", "grade": "65"})),
        ("2 of (UFV A 1, 2, 3)", {"n_of": {"n": 2, "of": [leaf(f"ufv/A{n}") for n in (1, 2, 3)]}}),
        ("6 units from (UFV A 1, 2)", {
            "credits_from": {"credits": {"value": "6", "system": "units"}, "of": [leaf("ufv/A1"), leaf("ufv/A2")]}
        }),
        ("ufv/HIST-101A", leaf("ufv/HIST-101A")),
    ],
)  # fmt: skip
def test_what_a_sending_cell_means(text: str, meaning: dict[str, Any]) -> None:
    assert parse_sending(text, BOOK) == meaning


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (
            "SFU HIST 213 (3) - B Hum",
            {"type": "assigned", "achievement": "sfu/HIST213", "credits": UNITS, "attributes": ["B Hum"]},
        ),
        (
            "SFU HUM 130 (3) & HUM 1XX (3)",
            {
                "type": "sum",
                "of": [
                    {"type": "assigned", "achievement": "sfu/HUM130", "credits": UNITS},
                    {"type": "unassigned", "subject": "HUM", "level": "100", "credits": UNITS},
                ],
            },
        ),
        ("SFU HUM 1st (3)", {"type": "unassigned", "subject": "HUM", "level": "1st", "credits": UNITS}),
        ("SFU HUM elective (6 ects)", {
            "type": "unassigned", "subject": "HUM", "credits": {"value": "6", "system": "ects"}
        }),
        ("SFU exemption HIST 213", {"type": "exemption", "achievement": "sfu/HIST213"}),
        ("SFU No credit", None),
    ],
)  # fmt: skip
def test_what_a_receiving_cell_means(text: str, outcome: dict[str, Any] | None) -> None:
    found = parse_receiving(text, BOOK)
    assert (found.receiver, found.outcome) == ("sfu", outcome)
    assert write_receiving("sfu", outcome, BOOK)[0] == text


@pytest.mark.parametrize(
    ("text", "use", "grade", "scheme"),
    [
        ("Must have a grade of C- or better to use as a prerequisite", "prerequisite", "C-", "letter-4.33"),
        ("Must have a grade of C- or better to use as a prerequisite.", "prerequisite", "C-", "letter-4.33"),
        ("minimum grade of B+ for transfer credit", "credit", "B+", "letter-4.33"),
        ("A grade of 65 (percentage-50) or higher to use in the program", "programme", "65", "percentage-50"),
    ],
)
def test_conditions_are_read(text: str, use: str, grade: str, scheme: str) -> None:
    assert parse_conditions(text, SFU) == [{"use": use, "minimum_grade": {"scheme": scheme, "grade": grade}}]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("UFV RLST", "expression-invalid", 1),
        ("UFV RLST 201 & ", "expression-invalid", 16),
        ("UFV RLST 201 202", "expression-invalid", 14),
        ("UFV (RLST 201", "expression-invalid", 1),
        ("UFV RLST 201 (soon)", "expression-invalid", 15),
        ("6 beans from (UFV A 1)", "expression-invalid", 3),
        ("RLST 201", "expression-invalid", 1),
        ("UFW RLST 201", "code-unknown", 1),
        ("(" * 40 + "UFV A 1" + ")" * 40, "expression-too-large", 0),
    ],
)
def test_a_wrong_sending_cell_says_where(text: str, code: str, place: int) -> None:
    with pytest.raises(CellError) as error:
        parse_sending(text, BOOK)
    assert error.value.code == code
    assert f"at character {place}" in error.value.what or not place


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("SFU HIST 213", "field-malformed", 13),
        ("SFU HIST 213 (three)", "field-malformed", 15),
        ("SFU HIST 213 (3) - ", "field-malformed", 18),
        ("SFU HIST 213 (3) & UFV HIST 101 (3)", "field-malformed", 29),
        ("SFU individual assessment", "field-malformed", 5),
        ("SFX No credit", "code-unknown", 1),
        ("No credit", "field-malformed", 10),
        ('{"type":"block"}', "value-missing", 0),
    ],
)
def test_a_wrong_receiving_cell_says_where(text: str, code: str, place: int) -> None:
    with pytest.raises(CellError) as error:
        parse_receiving(text, BOOK)
    assert error.value.code == code
    assert f"at character {place}" in error.value.what or not place


def test_an_unknown_institution_names_the_nearest_code() -> None:
    with pytest.raises(CellError) as error:
        parse_sending("UFU RLST 201", BOOK)
    assert error.value.fix == "Did you mean 'UFV'?"


@given(expressions)
@settings(max_examples=80, deadline=None)
def test_every_expression_is_read_back(expression: dict[str, Any]) -> None:
    text = write_sending(expression, BOOK)
    again = parse_sending(text, BOOK)
    assert again == expression
    assert write_sending(again, BOOK) == text


@given(outcomes)
@settings(max_examples=80, deadline=None)
def test_every_outcome_is_read_back(outcome: dict[str, Any]) -> None:
    text, conditions = write_receiving("sfu", outcome, BOOK)
    found = parse_receiving(text, BOOK, SFU)
    assert with_conditions(found.outcome or {}, parse_conditions(conditions, SFU)) == outcome


def test_without_a_table_every_code_is_the_member_in_capitals() -> None:
    book = Book()
    assert parse_sending("NVIT ENGL 110", book) == leaf("nvit/ENGL110")
    assert write_sending(leaf("nvit/ENGL110"), book) == "NVIT ENGL 110"
