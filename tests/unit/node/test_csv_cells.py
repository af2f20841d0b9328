"""Cells: what they take, what they refuse, and that a refusal never repeats what stood there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.node import csv_cells as c
from passerelle.node.csv_cells import Cell, CellError
from passerelle.node.csv_expressions import EXPRESSION, parse_expression
from passerelle.node.csv_forms import FORMS

GOOD: list[tuple[Cell, str, Any]] = [
    (c.FLAG, "Oui", True),
    (c.FLAG, "FALSE", False),
    (c.DATE, "2024-02-29", "2024-02-29"),
    (c.QUANTITY, "7/3", "7/3"),
    (c.CREDIT, "3 Credit-Hours", {"value": "3", "system": "credit-hours"}),
    (c.LEVEL, "eqf 5", {"framework": "eqf", "level": "5"}),
    (c.REFERENCE, "revit", "humber/revit"),
    (c.REFERENCE, "ubc/STAT200", "ubc/STAT200"),
    (c.OWN_ID, "humber/revit", "humber/revit"),
    (c.BODY, "humber", "urn:passerelle:member:humber"),
    (c.BODY, "organisation:rru/siemens", "urn:passerelle:organisation:rru/siemens"),
    (c.BODY, "urn:passerelle:member:sfu", "urn:passerelle:member:sfu"),
    (c.JURISDICTION, "CA-QC", "CA-QC"),
    (c.NOC, "22212", "22212"),
    (c.whole(1, 9), "9", 9),
    (c.choice("exam", "quiz"), "EXAM", "exam"),
    (c.list_of(c.text()), r" a\;b ; c ;", ["a;b", "c"]),
    (c.ALIGNMENT, "skill|esco|S1.2", {"kind": "skill", "framework": "esco", "code": "S1.2"}),
    (
        c.ALIGNMENT,
        "skill|esco|S1.2|Modelling|5|Close",
        {"kind": "skill", "framework": "esco", "code": "S1.2", "name": "Modelling", "level": "5", "strength": "close"},
    ),
    (
        c.ALIGNMENT,
        "skill|esco|S1.2|||exact",
        {"kind": "skill", "framework": "esco", "code": "S1.2", "strength": "exact"},
    ),
    (
        c.LEVEL_REFERENCE,
        "6|eqf|5|Joint report, 2025|official",
        {
            "level": "6",
            "framework": "eqf",
            "to_level": "5",
            "source": "Joint report, 2025",
            "confidence": "official",
        },
    ),
    (c.DOCUMENT, f"{'ab' * 32}|application/pdf|12", {"sha256": "ab" * 32, "media_type": "application/pdf", "size": 12}),
    (
        c.CONDITION,
        "credit letter-4.33 B+",
        {"use": "credit", "minimum_grade": {"scheme": "letter-4.33", "grade": "B+"}},
    ),
    (c.PERSON_NAME, "Zoë", "Zoë"),
]


@pytest.mark.parametrize(("cell", "text", "value"), GOOD)
def test_good_cells(cell: Cell, text: str, value: Any) -> None:
    assert cell.parse(text, "humber") == value


BAD: list[tuple[Cell, str, str]] = [
    (c.FLAG, "perhaps", "boolean-malformed"),
    (c.DATE, "2023-02-29", "date-impossible"),
    (c.DATE, "29/02/2024", "date-impossible"),
    (c.DATE, "٢٠٢٤-01-01", "date-impossible"),
    (c.QUANTITY, "2,5", "number-malformed"),
    (c.QUANTITY, "-1", "number-malformed"),
    (c.CREDIT, "3", "credit-system-unknown"),
    (c.CREDIT, "x units", "number-malformed"),
    (c.OWN_ID, "sfu/STAT270", "field-malformed"),
    (c.REFERENCE, "a b", "field-malformed"),
    (c.ALIGNMENT, "skill|esco|S1.2|||near", "value-not-allowed"),
    (c.LEVEL_REFERENCE, "6|eqf|5|Joint report", "field-malformed"),
    (c.LEVEL_REFERENCE, "6|eqf|5|Joint report|certain", "value-not-allowed"),
    (c.whole(1, 9), "10", "value-out-of-range"),
    (c.whole(1, 9), "1.0", "number-malformed"),
    (c.JURISDICTION, "CA-ZZ", "jurisdiction-unknown"),
    (c.URL, "http://example.org", "url-malformed"),
    (c.EMAIL, "no one", "field-malformed"),
    (c.text(3), "abcd", "value-too-long"),
    (c.text(), "a\x07b", "control-character"),
    (c.list_of(c.text(), 2), "a;b;c", "too-many-items"),
    (c.JSON, "[1]", "field-malformed"),
    (c.PERSON_NAME, "a\nb", "control-character"),
]


@pytest.mark.parametrize(("cell", "text", "code"), BAD)
def test_bad_cells(cell: Cell, text: str, code: str) -> None:
    with pytest.raises(CellError) as caught:
        cell.parse(text, "humber")
    assert caught.value.code == code
    assert caught.value.fix


def test_an_unknown_code_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(CellError) as caught:
        c.choice("micro-credential", "course").parse("microcredental", "humber")
    assert "'micro-credential'" in caught.value.fix
    with pytest.raises(CellError) as caught:
        c.CREDIT.parse("3 credit-hour", "humber")
    assert "'credit-hours'" in caught.value.fix


EVERY_CELL = [column.cell for form in FORMS.values() for column in form.columns]


@given(st.sampled_from(EVERY_CELL), st.text(min_size=1, max_size=60))
def test_no_refusal_repeats_the_cell_and_nothing_else_is_raised(cell: Cell, noise: str) -> None:
    text = f"Planted-Name-{noise}".strip()
    told = ""
    try:
        cell.parse(text, "humber")
    except CellError as error:
        told = error.what + error.fix + error.code
    assert "Planted" not in told


EXPRESSIONS: list[tuple[str, dict[str, Any]]] = [
    ("ubc/STAT200", {"achievement": "ubc/STAT200"}),
    ("STAT200", {"achievement": "humber/STAT200"}),
    ("all(a, b)", {"all_of": [{"achievement": "humber/a"}, {"achievement": "humber/b"}]}),
    ("any( ubc/x )", {"any_of": [{"achievement": "ubc/x"}]}),
    (
        "2 of (a, any(b, c), d)",
        {
            "n_of": {
                "n": 2,
                "of": [
                    {"achievement": "humber/a"},
                    {"any_of": [{"achievement": "humber/b"}, {"achievement": "humber/c"}]},
                    {"achievement": "humber/d"},
                ],
            }
        },
    ),
    (
        "9 credit-hours from (a)",
        {"credits_from": {"credits": {"value": "9", "system": "credit-hours"}, "of": [{"achievement": "humber/a"}]}},
    ),
    (
        "ubc/x[grade>=percentage-50 65, years<=5, versions=2-3, basis=plar|challenge, level>=eqf 5]",
        {
            "achievement": "ubc/x",
            "minimum_grade": {"scheme": "percentage-50", "grade": "65"},
            "within_years": 5,
            "versions": {"first": 2, "last": 3},
            "basis": ["plar", "challenge"],
            "minimum_level": {"framework": "eqf", "level": "5"},
        },
    ),
    ('{"achievement":"ubc/x"}', {"achievement": "ubc/x"}),
]


@pytest.mark.parametrize(("text", "value"), EXPRESSIONS)
def test_expressions(text: str, value: dict[str, Any]) -> None:
    assert parse_expression(text, "humber") == value


@pytest.mark.parametrize(
    "text",
    [
        "all(",
        "all()",
        "all(a,)",
        "a b",
        "2 of a",
        "9 units of (a)",
        "x[grade>=a]",
        "x[colour=red]",
        "x[years<=1",
        ")",
        "any(" * 40,
    ],
)
def test_broken_expressions_are_told(text: str) -> None:
    with pytest.raises(CellError) as caught:
        EXPRESSION.parse(text, "humber")
    assert caught.value.code in {"expression-invalid", "expression-too-large", "field-malformed"}


@pytest.mark.parametrize(
    ("cell", "text", "code", "guess"),
    [
        (c.JURISDICTION, "Ontario", "jurisdiction-unknown", "CA-ON"),
        (c.JURISDICTION, "Nouvelle Ecosse", "jurisdiction-unknown", "CA-NS"),
        (c.JURISDICTION, "ca-qc", "jurisdiction-unknown", "CA-QC"),
        (c.LEVEL, "cdqf masters", "code-unknown", "master"),
        (c.CREDIT, "3 credit-hour", "credit-system-unknown", "credit-hours"),
    ],
)
def test_the_nearest_valid_code_is_named(cell: Cell, text: str, code: str, guess: str) -> None:
    with pytest.raises(CellError) as caught:
        cell.parse(text, "humber")
    assert caught.value.code == code
    assert caught.value.near
    assert f"'{guess}" in caught.value.fix


@pytest.mark.parametrize("text", ["eqf 9", "OQF 14", "aqf 0", "cdqf 1"])
def test_a_level_that_its_framework_does_not_have(text: str) -> None:
    with pytest.raises(CellError) as caught:
        c.LEVEL.parse(text, "humber")
    assert caught.value.code == "code-unknown"
    assert not caught.value.near
