"""Grades and levels: compared where something stated says how, and otherwise not at all."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import PasserelleError
from passerelle.core.grades import (
    WELL_KNOWN_LEVELS,
    Grade,
    Level,
    Scale,
    compare,
    compare_levels,
    scale_from_data,
    well_known_scales,
)
from passerelle.events.reference import ScaleData

SCALES = well_known_scales()
LETTERS = [(scheme, grade) for scheme in ("letter-4.0", "letter-4.33") for grade in SCALES[scheme].steps]


def scale_data(rows: list[tuple[str, int, str | None, bool]], scheme: str = "ubc/letters") -> dict[str, Any]:
    data = {
        "scheme": scheme,
        "version": 1,
        "title": "Letters with percentages",
        "language": "en",
        "valid_from": "2020-09-01",
        "steps": [
            {"grade": grade, "rank": rank, "passes": passes} | ({} if mark is None else {"percentage_from": mark})
            for grade, rank, mark, passes in rows
        ],
    }
    ScaleData.model_validate(data)
    return data


WITH_PERCENTAGES = scale_data(
    [("A", 5, "80", True), ("B", 4, "68", True), ("C", 3, "55", True), ("D", 2, "50", True), ("F", 1, "0", False)]
)
ALL = {**SCALES, "ubc/letters": scale_from_data(WITH_PERCENTAGES)}


@pytest.mark.parametrize(
    ("held", "minimum", "expected"),
    [
        (("percentage-50", "70"), ("percentage-50", "70"), "met"),
        (("percentage-50", "69.5"), ("percentage-50", "70"), "not-met"),
        (("percentage-50", "211/3"), ("percentage-50", "70"), "met"),
        (("percentage-50", "101"), ("percentage-50", "70"), "cannot-compare"),
        (("letter-4.33", "A-"), ("letter-4.33", "B+"), "met"),
        (("letter-4.33", "C"), ("letter-4.33", "C+"), "not-met"),
        (("letter-4.33", "N"), ("letter-4.33", "F"), "met"),
        (("letter-4.33", "D+"), ("letter-4.33", "D"), "cannot-compare"),
        (("letter-4.0", "A"), ("letter-4.0", "A+"), "not-met"),
        # Between schemes nothing is guessed, though the letters look alike.
        (("letter-4.0", "A"), ("letter-4.33", "B"), "cannot-compare"),
        (("percentage-60", "75"), ("percentage-50", "70"), "cannot-compare"),
        (("percentage-50", "95"), ("letter-4.0", "B"), "cannot-compare"),
        # A failing grade reaches no passing minimum; to have passed is all that pass-fail asks.
        (("letter-4.0", "F"), ("letter-4.33", "D"), "not-met"),
        (("percentage-50", "49.9"), ("pass-fail", "P"), "not-met"),
        (("percentage-60", "60"), ("pass-fail", "P"), "met"),
        (("pass-fail", "P"), ("percentage-50", "70"), "cannot-compare"),
        # Both state percentages and the same pass mark.
        (("percentage-50", "70"), ("ubc/letters", "B"), "met"),
        (("percentage-50", "67"), ("ubc/letters", "B"), "not-met"),
        (("ubc/letters", "A"), ("percentage-50", "75"), "met"),
        (("ubc/letters", "B"), ("percentage-50", "75"), "cannot-compare"),
        (("ubc/letters", "C"), ("percentage-50", "75"), "not-met"),
        (("percentage-60", "70"), ("ubc/letters", "B"), "cannot-compare"),
        (("elsewhere/scheme", "A"), ("letter-4.0", "D"), "cannot-compare"),
        (("letter-4.0", "A"), ("elsewhere/scheme", "D"), "cannot-compare"),
    ],
)
def test_comparison(held: tuple[str, str], minimum: tuple[str, str], expected: str) -> None:
    assert compare(Grade(*held), Grade(*minimum), ALL) == expected


def test_a_stated_table_decides_between_schemes() -> None:
    table = {("percentage-50", "letter-4.0"): {"80": "A-", "68": "B-", "0": "F"}}
    minimum = Grade("letter-4.0", "B-")
    outcomes = {grade: compare(Grade("percentage-50", grade), minimum, SCALES, table) for grade in ("95", "68", "67.9")}
    assert outcomes == {"95": "met", "68": "met", "67.9": "not-met"}
    letters = {("letter-4.0", "letter-4.33"): {"A": "A", "B": "B-"}}
    assert compare(Grade("letter-4.0", "B"), Grade("letter-4.33", "B"), SCALES, letters) == "not-met"
    assert compare(Grade("letter-4.0", "C"), Grade("letter-4.33", "B"), SCALES, letters) == "cannot-compare"


@given(st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from(LETTERS))
def test_better_never_compares_worse(low: tuple[str, str], high: tuple[str, str], minimum: tuple[str, str]) -> None:
    order = ["not-met", "cannot-compare", "met"]
    steps = [SCALES[scheme].step(grade) for scheme, grade in (low, high)]
    if low[0] == high[0] and steps[0].rank <= steps[1].rank:
        worse, better = (compare(Grade(*one), Grade(*minimum), SCALES) for one in (low, high))
        assert order.index(worse) <= order.index(better)


def test_published_figures_of_the_well_known_scales() -> None:
    """Order and passing as the two registrars publish them (see the docstring of well_known_scales)."""
    four = sorted(SCALES["letter-4.0"].steps.values(), key=lambda step: -step.rank)
    assert [step.grade for step in four] == ["A+", "A", "A-", "B+", "B", "B-", "C+", "C", "C-", "D+", "D", "F"]
    simon = SCALES["letter-4.33"]
    assert "D+" not in simon.steps
    assert {grade for grade, step in simon.steps.items() if not step.passes} == {"F", "FD", "N"}
    assert SCALES["percentage-60"].step("59.99").passes is False
    assert SCALES["percentage-50"].step("50").passes is True
    with pytest.raises(PasserelleError) as caught:
        simon.step("E")
    assert caught.value.code == "grade-unknown"


@pytest.mark.parametrize(
    "rows",
    [
        [("A", 2, None, True), ("A", 1, None, True)],
        [("A", 2, None, False), ("B", 1, None, True)],
        [("A", 2, "70", True), ("B", 1, "80", True)],
        [("A", 1, "80", True), ("B", 1, "70", True)],
        [("A", 1, None, True), ("B", 1, None, False)],
    ],
)
def test_a_scale_that_contradicts_itself_is_refused(rows: list[tuple[str, int, str | None, bool]]) -> None:
    with pytest.raises(PasserelleError) as caught:
        scale_from_data(scale_data(rows))
    assert caught.value.code == "schema-invalid"
    assert caught.value.where.startswith("steps")


def test_a_scale_keeps_what_was_published() -> None:
    scale = ALL["ubc/letters"]
    assert scale.valid_from is not None
    assert (scale.valid_from.isoformat(), scale.valid_to, scale.pass_mark) == ("2020-09-01", None, Fraction(50))
    assert isinstance(scale, Scale)
    assert not scale.is_pass_fail
    assert SCALES["pass-fail"].is_pass_fail


def test_levels() -> None:
    orders = WELL_KNOWN_LEVELS
    table = {("nzqcf", "eqf"): {"7": "6"}}
    cases = [
        (Level("eqf", "6"), Level("eqf", "5"), "met"),
        (Level("eqf", "4"), Level("eqf", "5"), "not-met"),
        (Level("nzqcf", "10"), Level("nzqcf", "9"), "met"),
        (Level("nzqcf", "7"), Level("eqf", "6"), "met"),
        (Level("nzqcf", "7"), Level("eqf", "7"), "not-met"),
        (Level("nzqcf", "8"), Level("eqf", "6"), "cannot-compare"),
        (Level("cdqf", "master"), Level("cdqf", "bachelor"), "met"),
        (Level("own/frame", "x"), Level("own/frame", "x"), "met"),
        (Level("own/frame", "x"), Level("own/frame", "y"), "cannot-compare"),
    ]
    for held, minimum, expected in cases:
        assert compare_levels(held, minimum, orders, table) == expected, (held, minimum)
