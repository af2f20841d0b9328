"""Sending expressions by example: conditions, fixes, credits, bounds and refusals."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from passerelle.core.errors import CODES, PasserelleError
from passerelle.core.expressions import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_SAME,
    Evaluation,
    Held,
    Tables,
    Terms,
    evaluate,
    held_from_data,
    parse_expression,
)
from passerelle.core.grades import Grade, Level
from passerelle.core.quantity import Credits

ASKED_ON = dt.date(2026, 9, 1)


def held(
    achievement: str, ref: str = "", *, grade: str | None = None, on: str = "2025-05-01", **more: Any
) -> dict[str, Any]:
    item: dict[str, Any] = {"achievement": achievement, "ref": ref or achievement, "completed_on": on, **more}
    if grade is not None:
        item["grade"] = {"scheme": "percentage-50", "grade": grade}
    return item


def ask(data: Any, items: Sequence[dict[str, Any]], **terms: Any) -> Evaluation:
    return evaluate(parse_expression(data), [held_from_data(item) for item in items], Terms(ASKED_ON, **terms))


def codes(result: Evaluation) -> set[str]:
    return {one.code for one in result.reasons}


def leaf(achievement: str, **conditions: Any) -> dict[str, Any]:
    return {"achievement": achievement, **conditions}


GRADE_70 = {"scheme": "percentage-50", "grade": "70"}


def test_a_cluster_matches_when_every_course_is_held() -> None:
    cluster = {"all_of": [leaf("ubc/MATH-100"), leaf("ubc/PHYS-101")]}
    result = ask(cluster, [held("ubc/MATH-100", "1"), held("ubc/PHYS-101", "2"), held("ubc/CHEM-121", "3")])
    assert (result.verdict, result.used, result.fix, result.complete) == ("match", ("1", "2"), (), True)


def test_maybe_names_what_is_missing_and_its_path() -> None:
    cluster = {"all_of": [leaf("ubc/MATH-100"), {"any_of": [leaf("ubc/PHYS-101"), leaf("ubc/PHYS-117")]}]}
    result = ask(cluster, [held("ubc/MATH-100", "1")])
    assert result.verdict == "maybe"
    assert [(one.path, one.achievement) for one in result.fix] == [("all_of[1].any_of[0]", "ubc/PHYS-101")]
    assert codes(result) == {"not-held"}
    assert result.used == ("1",)
    assert [part.met for part in result.root.parts] == [True, False]


def test_miss_when_nothing_of_it_is_held() -> None:
    result = ask({"any_of": [leaf("ubc/MATH-100"), leaf("ubc/MATH-104")]}, [held("ubc/CHEM-121")])
    assert result.verdict == "miss"
    assert len(result.fix) == 1


@pytest.mark.parametrize(
    ("conditions", "item", "verdict", "code"),
    [
        ({"minimum_grade": GRADE_70}, {"grade": "70"}, "match", None),
        ({"minimum_grade": GRADE_70}, {"grade": "69.9"}, "maybe", "grade-too-low"),
        ({"minimum_grade": GRADE_70}, {}, "maybe", "grade-missing"),
        ({"minimum_grade": {"scheme": "letter-4.0", "grade": "B"}}, {"grade": "80"}, "maybe", "grade-cannot-compare"),
        ({"within_years": 5}, {"on": "2021-09-01"}, "match", None),
        ({"within_years": 5}, {"on": "2021-08-31"}, "maybe", "too-old"),
        ({"basis": ["completed"]}, {"basis": "plar"}, "maybe", "basis-not-allowed"),
        ({"basis": ["completed", "plar"]}, {"basis": "plar"}, "match", None),
        ({"versions": {"first": 2}}, {"version": 1}, "miss", "version-outside"),
        ({"versions": {"first": 1, "last": 2}}, {"version": 3}, "miss", "version-outside"),
        ({"versions": {"first": 2, "last": 2}}, {"version": 2}, "match", None),
        (
            {"minimum_level": {"framework": "eqf", "level": "6"}},
            {"level": {"framework": "eqf", "level": "5"}},
            "maybe",
            "level-too-low",
        ),
        (
            {"minimum_level": {"framework": "eqf", "level": "5"}},
            {"level": {"framework": "eqf", "level": "6"}},
            "match",
            None,
        ),
        (
            {"minimum_level": {"framework": "eqf", "level": "5"}},
            {"level": {"framework": "aqf", "level": "6"}},
            "maybe",
            "level-cannot-compare",
        ),
        ({"minimum_level": {"framework": "eqf", "level": "5"}}, {}, "maybe", "level-missing"),
    ],
)
def test_every_condition_of_a_leaf(
    conditions: dict[str, Any], item: dict[str, Any], verdict: str, code: str | None
) -> None:
    result = ask(leaf("sfu/STAT-270", **conditions), [held("sfu/STAT-270", "7", **item)])
    assert result.verdict == verdict
    assert codes(result) == (set() if code is None else {code})


def test_a_course_counts_when_completed_inside_the_dates() -> None:
    window = {"valid_from": dt.date(2020, 9, 1), "valid_to": dt.date(2025, 8, 31)}
    for day, verdict in {
        "2020-08-31": "miss",
        "2020-09-01": "match",
        "2025-08-31": "match",
        "2025-09-01": "miss",
    }.items():
        result = ask(leaf("sfu/STAT-270"), [held("sfu/STAT-270", on=day)], **window)
        assert result.verdict == verdict, day
        assert codes(result) == (set() if verdict == "match" else {"outside-validity"})


def test_stale_dating_from_a_leap_day() -> None:
    terms = Terms(dt.date(2024, 2, 29))
    expression = parse_expression(leaf("a/x", within_years=1))
    assert evaluate(expression, [held_from_data(held("a/x", on="2023-02-28"))], terms).verdict == "match"
    assert evaluate(expression, [held_from_data(held("a/x", on="2023-02-27"))], terms).verdict == "maybe"


def test_the_best_of_several_attempts_counts() -> None:
    expression = leaf("sfu/STAT-270", minimum_grade=GRADE_70)
    attempts = [held("sfu/STAT-270", "1", grade="55"), held("sfu/STAT-270", "2", grade="82")]
    assert ask(expression, attempts).used == ("2",)


def test_n_of_modules_of_several_institutions() -> None:
    stack = {"n_of": {"n": 3, "of": [leaf(f"{member}/module") for member in ("rru", "bcit", "sfu", "ubc", "uvic")]}}
    two = [held("rru/module"), held("uvic/module")]
    result = ask(stack, two)
    assert result.verdict == "maybe"
    assert [one.achievement for one in result.fix] == ["bcit/module"]
    assert ask(stack, [*two, held("sfu/module")]).verdict == "match"


def test_credits_from_counts_exact_thirds() -> None:
    pool = {
        "credits_from": {
            "credits": {"value": "7", "system": "cegep-units"},
            "of": [leaf("cegep/a"), leaf("cegep/b"), leaf("cegep/c")],
        }
    }
    third = {"value": "7/3", "system": "cegep-units"}
    items = [held(f"cegep/{name}", credits=third) for name in "abc"]
    assert ask(pool, items).verdict == "match"
    short = ask(pool, items[:2])
    assert short.verdict == "maybe"
    assert [(one.achievement, one.reasons[0].params["missing"]) for one in short.fix] == [(None, "7/3")]


def test_credits_of_another_system_are_never_guessed() -> None:
    pool = {"credits_from": {"credits": {"value": "3", "system": "units"}, "of": [leaf("a/x")]}}
    item = held_from_data(held("a/x", credits={"value": "60", "system": "contact-hours"}))
    expression = parse_expression(pool)
    result = evaluate(expression, [item], Terms(ASKED_ON))
    assert result.verdict == "maybe"
    assert "credits-cannot-compare" in {one.code for one in result.root.reasons}
    stated = Tables(credit_conversions={("contact-hours", "units"): Fraction(1, 20)})
    assert evaluate(expression, [item], Terms(ASKED_ON, tables=stated)).verdict == "match"


def test_a_pool_takes_the_alternative_with_more_credit() -> None:
    either = {"any_of": [leaf("a/small"), leaf("a/large"), leaf("a/middle")]}
    pool = {"credits_from": {"credits": {"value": "6", "system": "units"}, "of": [either]}}
    worth = {"small": "3", "large": "6", "middle": "9/2"}
    items = [held(f"a/{name}", credits={"value": value, "system": "units"}) for name, value in worth.items()]
    result = ask(pool, items)
    assert (result.verdict, result.used) == ("match", ("a/large",))


def test_pools_of_two_systems_may_nest() -> None:
    """The inner pool asks for hours, the outer for units: what is best for one is not best for the other."""
    inner = {"credits_from": {"credits": {"value": "40", "system": "contact-hours"}, "of": [leaf("a/x"), leaf("a/y")]}}
    outer = {"credits_from": {"credits": {"value": "3", "system": "units"}, "of": [inner, leaf("a/z")]}}
    hours = {"value": "40", "system": "contact-hours"}
    units = {"value": "3", "system": "units"}
    both = [held("a/x", credits=hours), held("a/z", credits=units)]
    assert ask(outer, both).verdict == "match"
    assert ask(outer, both[:1]).verdict == "maybe"
    assert ask(outer, [held("a/x", credits=hours), held("a/y", credits=units)]).verdict == "match"


def test_the_fix_of_a_pool_takes_the_fewest_courses_of_known_credit() -> None:
    pool = {"credits_from": {"credits": {"value": "9", "system": "units"}, "of": [leaf(f"a/{n}") for n in "wxyz"]}}
    known = {f"a/{name}": Credits(Fraction(value), "units") for name, value in zip("xyz", (2, 6, 3), strict=True)}
    items = [held_from_data(held("a/w", credits={"value": "3", "system": "units"}))]
    result = evaluate(parse_expression(pool), items, Terms(ASKED_ON, tables=Tables(credit_values=known)))
    assert [one.achievement for one in result.fix] == ["a/y"]


def test_an_item_counts_once_within_a_rule() -> None:
    twice = {"all_of": [leaf("a/x"), leaf("a/x")]}
    result = ask(twice, [held("a/x", "1")])
    assert result.verdict == "maybe"
    assert codes(result) == {"used-elsewhere"}
    assert ask(twice, [held("a/x", "1"), held("a/x", "2")]).verdict == "match"


def test_assignment_goes_back_when_the_first_choice_blocks() -> None:
    """The later attempt is tried first on the easy leaf, though only it meets the strict one."""
    expression = {"all_of": [leaf("a/x"), leaf("a/x", minimum_grade=GRADE_70)]}
    items = [held("a/x", "low", grade="55", on="2024-01-01"), held("a/x", "high", grade="90", on="2025-01-01")]
    result = ask(expression, items)
    assert (result.verdict, result.used) == ("match", ("low", "high"))


def test_credits_are_not_counted_twice() -> None:
    units = {"value": "3", "system": "units"}
    pool = {"credits_from": {"credits": {"value": "6", "system": "units"}, "of": [leaf("a/x"), leaf("a/x")]}}
    assert ask(pool, [held("a/x", credits=units)]).verdict == "maybe"
    assert ask(pool, [held("a/x", "1", credits=units), held("a/x", "2", credits=units)]).verdict == "match"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], "sending"),
        ({}, "sending"),
        ({"none_of": [leaf("a/x")]}, "sending"),
        ({"all_of": []}, "sending.all_of"),
        ({"all_of": [leaf("a/x")], "any_of": [leaf("a/x")]}, "sending"),
        ({"n_of": {"n": 3, "of": [leaf("a/x")]}}, "sending.n_of.n"),
        ({"n_of": {"n": True, "of": [leaf("a/x")]}}, "sending.n_of.n"),
        ({"n_of": {"of": [leaf("a/x")]}}, "sending.n_of"),
        ({"credits_from": {"credits": "3", "of": [leaf("a/x")]}}, "sending.credits_from"),
        (leaf("a/x", grade="A"), "sending"),
        (leaf(""), "sending"),
        (leaf("a/x", within_years=0), "sending.within_years"),
        (leaf("a/x", basis=["bought"]), "sending.basis"),
        (leaf("a/x", versions={"first": 0}), "sending.versions"),
        (leaf("a/x", minimum_grade={"scheme": "letter-4.0"}), "sending.minimum_grade"),
        ({"all_of": [leaf("a/x"), {"any_of": [3]}]}, "sending.all_of[1].any_of[0]"),
    ],
)
def test_a_malformed_expression_names_its_part(data: Any, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        parse_expression(data)
    assert (caught.value.code, caught.value.where) == ("expression-invalid", where)
    assert caught.value.code in CODES


def nested(depth: int) -> dict[str, Any]:
    data = leaf("a/x")
    for _ in range(depth - 1):
        data = {"all_of": [data]}
    return data


def test_depth_and_size_are_bounded() -> None:
    assert ask(nested(MAX_DEPTH), [held("a/x")]).verdict == "match"
    wide = {"any_of": [leaf(f"a/{number}") for number in range(MAX_NODES - 1)]}
    assert ask(wide, [held("a/7")]).used == ("a/7",)
    for data in (nested(MAX_DEPTH + 1), nested(10_000), {"any_of": [*wide["any_of"], leaf("a/x")]}):
        with pytest.raises(PasserelleError) as caught:
            parse_expression(data)
        assert caught.value.code == "expression-too-large"


def test_items_are_bounded_and_their_references_unique() -> None:
    for items, code in (
        ([held("a/x", "1"), held("a/y", "1")], "argument-invalid"),
        ([held("a/x", str(number)) for number in range(MAX_SAME + 1)], "too-many-items"),
        ([held(f"a/{number}") for number in range(4097)], "too-many-items"),
    ):
        with pytest.raises(PasserelleError) as caught:
            ask(leaf("a/x"), items)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("item", "code", "where"),
    [
        ({"achievement": "a/x", "ref": "1"}, "field-missing", "held[0].completed_on"),
        (held("a/x", on="2025-02-30"), "date-impossible", "held[0].completed_on"),
        (held("a/x", on="20250201"), "date-impossible", "held[0].completed_on"),
        (held("a/x", basis="bought"), "code-unknown", "held[0].basis"),
        (held("a/x", credits={"value": "3", "system": "points"}), "credit-system-unknown", "held[0].credits.system"),
        (held("a/x", credits={"value": "1e3", "system": "units"}), "fraction-malformed", "held[0].credits.value"),
    ],
)
def test_a_malformed_item_names_its_field(item: dict[str, Any], code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        held_from_data(item, where="held[0]")
    assert (caught.value.code, caught.value.where) == (code, where)


def test_an_item_is_read_whole() -> None:
    item = held_from_data(
        held("a/x", "9", grade="71", version=2, basis="plar", level={"framework": "eqf", "level": "5"})
        | {"credits": {"value": "8/3", "system": "cegep-units"}}
    )
    assert item == Held(
        achievement="a/x",
        version=2,
        completed_on=dt.date(2025, 5, 1),
        ref="9",
        grade=Grade("percentage-50", "71"),
        credits=Credits(Fraction(8, 3), "cegep-units"),
        basis="plar",
        level=Level("eqf", "5"),
    )


def test_the_largest_inputs_are_answered_in_bounded_time() -> None:
    """4,095 leaves of 60 achievements, each strict in its own way, against 3,840 items: seconds, not minutes."""
    leaves = [
        leaf(f"a/{number % 60}", minimum_grade={"scheme": "percentage-50", "grade": str(50 + number % 50)})
        for number in range(MAX_NODES - 64)
    ]
    data = {"all_of": [{"any_of": leaves[start : start + 64]} for start in range(0, len(leaves), 64)]}
    items = [
        held(f"a/{number}", f"{number}-{attempt}", grade=str(30 + attempt))
        for number in range(60)
        for attempt in range(MAX_SAME)
    ]
    started = time.process_time()
    result = ask(data, items)
    assert time.process_time() - started < 30
    assert result.verdict in {"match", "maybe"}


def test_a_contested_search_gives_up_within_its_bound() -> None:
    """Pigeons and holes: 16 leaves, 15 items, every pair fits. No false match, and the answer says that it is open."""
    data = {"all_of": [leaf("a/x") for _ in range(16)]}
    items = [held("a/x", str(number)) for number in range(15)]
    started = time.process_time()
    result = ask(data, items)
    assert time.process_time() - started < 10
    assert result.verdict == "maybe"
    assert not result.complete
    assert codes(result) == {"too-many-combinations"}
