"""Grades across schemes: stated, versioned tables, the scale of the day, and otherwise no comparison."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from passerelle.core.errors import FormatError
from passerelle.core.grades import Grade, scale_from_data, scale_on, well_known_scales
from passerelle.core.judging import Tables
from passerelle.events.reference import ScaleData

LETTERS = ("F", "C", "B", "A")
DAY = dt.date(2024, 5, 1)


def scale(scheme: str = "sfu/letters", version: int = 1, **more: Any) -> dict[str, Any]:
    steps = [{"grade": grade, "rank": rank, "passes": rank > 0} for rank, grade in enumerate(LETTERS)]
    data = {
        "scheme": scheme,
        "version": version,
        "title": "Letters",
        "language": "en",
        "valid_from": "2000-01-01",
        "steps": steps,
        **more,
    }
    ScaleData.model_validate(data)
    return data


def table(source: str, **pairs: str) -> dict[str, Any]:
    grades = [{"grade": grade.removeprefix("g"), "equals": equal} for grade, equal in pairs.items()]
    return {"from_scheme": source, "grades": grades}


def tables(*scales: dict[str, Any]) -> Tables:
    versions: dict[str, tuple[Any, ...]] = {}
    for one in scales:
        versions[one["scheme"]] = (*versions.get(one["scheme"], ()), scale_from_data(one))
    return Tables(scale_versions=versions)


def test_a_published_table_joins_two_schemes_and_is_named() -> None:
    known = tables(scale(conversions=[table("percentage-50", g80="A", g65="B", g50="C")]))
    found = known.compare(Grade("percentage-50", "72.5"), Grade("sfu/letters", "B"), DAY)
    assert (found.outcome, found.ground, found.table) == ("met", "stated-table", "percentage-50 v1 -> sfu/letters v1")
    assert known.compare(Grade("percentage-50", "64"), Grade("sfu/letters", "B"), DAY).outcome == "not-met"
    # The other way round nobody has stated anything.
    assert known.compare(Grade("sfu/letters", "A"), Grade("percentage-50", "80"), DAY).outcome == "cannot-compare"


def test_without_a_table_nothing_is_guessed() -> None:
    found = tables(scale()).compare(Grade("letter-4.33", "A+"), Grade("sfu/letters", "B"), DAY)
    assert (found.outcome, found.ground) == ("cannot-compare", "none")


def test_a_grade_is_read_by_the_scale_of_its_day() -> None:
    older = scale(valid_to="2019-12-31", conversions=[table("percentage-50", g70="A")])
    newer = scale(version=2, valid_from="2020-01-01", conversions=[table("percentage-50", g90="A", g50="C")])
    known = tables(older, newer)
    held, minimum = Grade("percentage-50", "75"), Grade("sfu/letters", "A")
    assert known.compare(held, minimum, dt.date(2019, 12, 31)).outcome == "met"
    assert known.compare(held, minimum, dt.date(2020, 1, 1)).outcome == "not-met"
    assert known.compare(held, minimum, dt.date(1999, 1, 1)).outcome == "cannot-compare"
    both = [scale_from_data(scale()), scale_from_data(scale(version=2))]
    chosen = scale_on(both, DAY)
    assert chosen is not None
    assert chosen.version == 2


@pytest.mark.parametrize(
    ("conversions", "where"),
    [
        ([table("percentage-50", g80="A+")], "conversions.0.grades.0"),
        ([table("letter-4.0", A="A"), table("letter-4.0", A="B")], "conversions.1.from_scheme"),
    ],
)
def test_a_table_that_leads_nowhere_or_twice_is_named(conversions: list[Any], where: str) -> None:
    with pytest.raises(FormatError) as caught:
        scale_from_data(scale(conversions=conversions))
    assert (caught.value.code, caught.value.where) == ("schema-invalid", where)


def test_well_known_scales_need_no_publishing() -> None:
    assert set(well_known_scales()) >= {"percentage-50", "percentage-60", "letter-4.0", "letter-4.33", "pass-fail"}
    assert Tables().compare(Grade("percentage-50", "70"), Grade("percentage-50", "65"), DAY).outcome == "met"
