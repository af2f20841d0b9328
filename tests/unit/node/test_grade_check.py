"""Grades at import: a grade that its scheme does not have is an error that names the nearest; nothing is guessed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.catalogue import BY_NAME
from passerelle.core.grades import well_known_scales
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_rows import Row, RowError
from passerelle.node.grade_check import GradeCheck

SCALE = {"scheme": "humber/stars", "title": "Stars", "version": 1, "valid_from": "2020-01-01"}


class Store:
    """Own events: a scale, published twice, and a version that was refused."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def events_of(self, thing: str) -> list[Any]:
        self.asked.append(thing)
        if thing != "scale:humber/stars":
            return []
        told = [("accepted", ["*", "**"]), (None, ["*", "**", "***"]), ("refused", ["****"])]
        return [
            SimpleNamespace(
                outcome=outcome,
                type=BY_NAME["reference.scale-published"].full,
                signed=SimpleNamespace(
                    body=orjson.dumps(
                        {
                            "data": {
                                **SCALE,
                                "steps": [{"grade": g, "rank": str(n), "passes": True} for n, g in enumerate(of)],
                            }
                        }
                    )
                ),
            )
            for outcome, of in told
        ]


async def judged(kind: str, scheme: str, grade: str) -> RowError | None:
    place = "grade" if kind == "results" else "result"
    row = Row(7, {place: {"scheme": scheme, "grade": grade}}, {}, frozenset())
    check, store = GradeCheck(), Store()
    await check.load(store, FORMS[kind], [row, row])
    assert store.asked == [f"scale:{scheme}"]
    return check.error(FORMS[kind], row)


@pytest.mark.parametrize(
    ("scheme", "grade", "fix"),
    [
        ("letter-4.0", "a-", "Did you mean 'A-'?"),
        ("letter-4.33", "b +", "Did you mean 'B+'?"),
        ("letter-4.0", "E", "Use one of: A+, A, A-,"),
        ("percentage-50", "80%", "Did you mean '80'?"),
        ("percentage-50", "AUD", "Write a number from 0 to 100"),
        ("percentage-60", "101", "Write a number from 0 to 100"),
        ("humber/stars", "****", "Did you mean '***'?"),
    ],
)
async def test_a_grade_that_its_scheme_lacks_is_an_error_with_the_nearest(scheme: str, grade: str, fix: str) -> None:
    error = await judged("credentials", scheme, grade)
    assert error is not None
    assert (error.row, error.column, error.code) == (7, "result_grade", "grade-unknown")
    assert error.fix.startswith(fix)
    assert (error.value == grade) == fix.startswith("Did you mean") or error.value.islower()


@pytest.mark.parametrize(
    ("scheme", "grade"),
    [("letter-9", "B+"), ("percentage-50", "66.5"), ("pass-fail", "P"), ("humber/stars", "***"), ("ubc/unknown", "Q")],
)
async def test_a_grade_of_its_scheme_or_of_one_that_is_not_known_is_taken(scheme: str, grade: str) -> None:
    assert await judged("amendments", scheme, grade) is None


async def test_a_course_result_is_shown_by_its_shape() -> None:
    error = await judged("results", "percentage-50", "80%")
    assert error is not None
    assert (error.column, error.value) == ("grade", "99%")


async def test_a_row_without_a_grade_and_a_kind_without_grades_are_not_looked_at() -> None:
    check, store = GradeCheck(), Store()
    for kind, data in (("credentials", {}), ("credentials", {"result": {"scheme": "letter-9"}}), ("achievements", {})):
        row = Row(2, dict(data), {}, frozenset())
        await check.load(store, FORMS[kind], [row])
        assert check.error(FORMS[kind], row) is None
    assert not store.asked


@given(st.sampled_from(sorted(well_known_scales())), st.text(max_size=12))
def test_the_nearest_grade_is_a_grade_of_the_scheme_or_nothing(scheme: str, text: str) -> None:
    scale = well_known_scales()[scheme]
    guess = scale.nearest(text)
    assert not guess or scale.find(guess) is not None
