"""Sending expressions: properties, held against a slow evaluator that is written apart from the code under test."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.expressions import (
    Evaluation,
    Tables,
    Terms,
    evaluate,
    expression_to_data,
    held_from_data,
    leaves_of,
    parse_expression,
)
from passerelle.core.quantity import Credits

ASKED_ON = dt.date(2026, 9, 1)
SETTINGS = settings(max_examples=150, deadline=None)
Trees = st.SearchStrategy[dict[str, Any]]


def held(achievement: str, ref: str, *, grade: str, basis: str, credits: dict[str, str]) -> dict[str, Any]:
    return {
        "achievement": achievement,
        "ref": ref,
        "completed_on": "2025-05-01",
        "grade": {"scheme": "percentage-50", "grade": grade},
        "basis": basis,
        "credits": credits,
    }


def ask(data: Any, items: Sequence[dict[str, Any]]) -> Evaluation:
    return evaluate(parse_expression(data), [held_from_data(item) for item in items], Terms(ASKED_ON))


NAMES = ("a/p", "a/q", "a/r", "a/s")
WORTH = st.sampled_from(["1", "3/2", "7/3", "3"])


@st.composite
def leaf_data(draw: st.DrawFn, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    data: dict[str, Any] = {"achievement": draw(st.sampled_from(names))}
    if draw(st.booleans()):
        data["minimum_grade"] = {"scheme": "percentage-50", "grade": draw(st.sampled_from(["50", "70"]))}
    if draw(st.integers(0, 3)) == 0:
        data["basis"] = ["completed"]
    return data


def trees(leaves: Trees, pools: bool = True) -> Trees:
    def extend(inner: Trees) -> Trees:
        parts = st.lists(inner, min_size=1, max_size=3)
        kinds: list[Trees] = [
            parts.map(lambda of: {"all_of": of}),
            parts.map(lambda of: {"any_of": of}),
            parts.flatmap(lambda of: st.integers(1, len(of)).map(lambda n: {"n_of": {"n": n, "of": of}})),
        ]
        if pools:
            need = st.sampled_from(["2", "7/2", "6"])
            kinds.append(
                st.tuples(need, parts).map(
                    lambda pair: {"credits_from": {"credits": {"value": pair[0], "system": "units"}, "of": pair[1]}}
                )
            )
        return st.one_of(kinds)

    return st.recursive(leaves, extend, max_leaves=5)


@st.composite
def holdings(draw: st.DrawFn, most: int = 4) -> list[dict[str, Any]]:
    count = draw(st.integers(0, most))
    return [
        held(
            draw(st.sampled_from(NAMES)),
            str(number),
            grade=draw(st.sampled_from(["40", "60", "80"])),
            basis=draw(st.sampled_from(["completed", "plar"])),
            credits={"value": draw(WORTH), "system": "units"},
        )
        for number in range(count)
    ]


def small(data: dict[str, Any], most: int = 6) -> bool:
    return len(list(leaves_of(parse_expression(data)))) <= most


def fits(condition: dict[str, Any], item: dict[str, Any]) -> bool:
    """A leaf against an item, for the few conditions drawn here."""
    minimum = condition.get("minimum_grade")
    return (
        condition["achievement"] == item["achievement"]
        and (minimum is None or int(item["grade"]["grade"]) >= int(minimum["grade"]))
        and ("basis" not in condition or item["basis"] in condition["basis"])
    )


def flat(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "achievement" in data:
        yield data
        return
    ((_, body),) = data.items()
    for part in body["of"] if isinstance(body, dict) else body:
        yield from flat(part)


def worth_of(data: dict[str, Any], chosen: Iterator[Fraction | None]) -> Fraction | None:
    """The most credit that a part brings with these leaves chosen (None: not met); reads the leaves in order."""
    if "achievement" in data:
        return next(chosen)
    ((kind, body),) = data.items()
    found = [worth_of(part, chosen) for part in (body["of"] if isinstance(body, dict) else body)]
    met = sorted((value for value in found if value is not None), reverse=True)
    if kind == "credits_from":
        return sum(met, Fraction(0)) if sum(met) >= Fraction(body["credits"]["value"]) else None
    need = {"all_of": len(found), "any_of": 1}.get(kind) or body["n"]
    return sum(met[:need], Fraction(0)) if len(met) >= need else None


def slow_match(data: dict[str, Any], items: list[dict[str, Any]]) -> bool:
    """Try every way of giving each leaf an item of its own or none."""
    leaves = list(flat(data))
    for chosen in itertools.product([None, *items], repeat=len(leaves)):
        given_refs = [item["ref"] for item in chosen if item is not None]
        if len(given_refs) != len(set(given_refs)):
            continue
        if any(item is not None and not fits(at, item) for at, item in zip(leaves, chosen, strict=True)):
            continue
        values = iter([None if item is None else Fraction(item["credits"]["value"]) for item in chosen])
        if worth_of(data, values) is not None:
            return True
    return False


@SETTINGS
@given(trees(leaf_data()).filter(small), holdings())
def test_it_agrees_with_the_slow_evaluator(data: dict[str, Any], items: list[dict[str, Any]]) -> None:
    result = ask(data, items)
    assert result.complete
    assert (result.verdict == "match") == slow_match(data, items)
    assert len(set(result.used)) == len(result.used)


@SETTINGS
@given(trees(leaf_data()).filter(small), holdings(), st.randoms(use_true_random=False))
def test_the_order_of_items_changes_nothing(data: dict[str, Any], items: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(items)
    random.shuffle(shuffled)
    assert ask(data, shuffled) == ask(data, items)


def reverse_parts(data: dict[str, Any]) -> dict[str, Any]:
    if "achievement" in data:
        return data
    ((kind, body),) = data.items()
    if isinstance(body, dict):
        return {kind: {**body, "of": [reverse_parts(part) for part in reversed(body["of"])]}}
    return {kind: [reverse_parts(part) for part in reversed(body)]}


@SETTINGS
@given(trees(leaf_data()).filter(small), holdings())
def test_the_order_of_parts_changes_neither_verdict_nor_size_of_the_fix(
    data: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    one, other = ask(data, items), ask(reverse_parts(data), items)
    assert (one.verdict, len(one.fix)) == (other.verdict, len(other.fix))


@SETTINGS
@given(trees(leaf_data()).filter(small), holdings(), holdings(2))
def test_holding_more_never_worsens(
    data: dict[str, Any], items: list[dict[str, Any]], more: list[dict[str, Any]]
) -> None:
    rank = {"miss": 0, "maybe": 1, "match": 2}
    extra = [{**item, "ref": f"more-{item['ref']}"} for item in more]
    before, after = ask(data, items), ask(data, [*items, *extra])
    assert rank[after.verdict] >= rank[before.verdict]
    if before.verdict == "match":
        assert after.fix == ()


def perfect(achievement: str, ref: str) -> dict[str, Any]:
    return held(achievement, ref, grade="100", basis="completed", credits={"value": "3", "system": "units"})


@SETTINGS
@given(trees(leaf_data(), pools=False).filter(small), holdings())
def test_the_fix_suffices_and_nothing_smaller_does(data: dict[str, Any], items: list[dict[str, Any]]) -> None:
    result = ask(data, items)
    bought = [perfect(str(one.achievement), f"fix-{number}") for number, one in enumerate(result.fix)]
    assert ask(data, [*items, *bought]).verdict == "match"
    for fewer in itertools.combinations_with_replacement(NAMES, max(len(result.fix) - 1, 0)):
        if result.fix:
            tried = [perfect(name, f"try-{number}") for number, name in enumerate(fewer)]
            assert not slow_match(data, [*items, *tried])


@SETTINGS
@given(trees(leaf_data()).filter(small), holdings())
def test_a_fix_with_known_credits_suffices(data: dict[str, Any], items: list[dict[str, Any]]) -> None:
    known = Tables(credit_values={name: Credits(Fraction(3), "units") for name in NAMES})
    terms = Terms(ASKED_ON, tables=known)
    have = [held_from_data(item) for item in items]
    result = evaluate(parse_expression(data), have, terms)
    if any(one.achievement is None for one in result.fix):
        return
    bought = []
    for number, one in enumerate(result.fix):
        amount = one.credits or Credits(Fraction(3), "units")
        value = {"value": str(amount.value), "system": amount.system}
        bought.append(held_from_data({**perfect(str(one.achievement), f"fix-{number}"), "credits": value}))
    assert evaluate(parse_expression(data), [*have, *bought], terms).verdict == "match"


@SETTINGS
@given(trees(leaf_data()))
def test_an_expression_keeps_its_meaning_as_data(data: dict[str, Any]) -> None:
    expression = parse_expression(data)
    assert parse_expression(expression_to_data(expression)) == expression
