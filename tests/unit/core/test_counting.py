"""Choosing among rules that compete: exact where it says so, bounded where it does not, the same whatever the order."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import counting
from passerelle.core.counting import Option, choose

NAMES = ("a", "b", "c", "d")


@st.composite
def options(draw: st.DrawFn) -> list[Option]:
    some = st.frozensets(st.sampled_from(NAMES), max_size=2)
    return [
        Option(
            rule=draw(st.sampled_from(("r1", "r2", "r3", "r4", "r5"))),
            takes=draw(st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=2)),
            worth=draw(st.integers(0, 6)),
            touches=draw(some),
            bars=draw(some),
        )
        for _ in range(draw(st.integers(0, 7)))
    ]


def stands(chosen: tuple[Option, ...]) -> bool:
    """Written apart from the code under test."""
    return all(
        one.rule != other.rule
        and not one.takes & other.takes
        and not one.bars & other.touches
        and not other.bars & one.touches
        for one, other in itertools.combinations(chosen, 2)
    )


def best(given_options: list[Option]) -> int:
    """Try every set."""
    sets = (some for count in range(len(given_options) + 1) for some in itertools.combinations(given_options, count))
    return max(sum(one.worth for one in some) for some in sets if stands(some))


@settings(max_examples=100, deadline=None)
@given(options(), st.randoms(use_true_random=False))
def test_the_choice_is_the_best_and_can_stand(given_options: list[Option], random: Random) -> None:
    found = choose(given_options)
    assert stands(found.options)
    assert found.exact
    assert found.worth == found.bound == best(given_options)
    shuffled = list(given_options)
    random.shuffle(shuffled)
    assert choose(shuffled) == found


@settings(max_examples=100, deadline=None)
@given(options())
def test_without_room_for_an_exact_solution_the_bound_holds(given_options: list[Option]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "MAX_STATES", 0)
        found = choose(given_options)
    assert stands(found.options)
    assert found.worth <= best(given_options) <= found.bound
    assert not found.exact or found.worth == best(given_options)


def test_the_best_by_itself_is_not_always_chosen() -> None:
    both = Option("both", frozenset(("a", "b")), 5)
    found = choose([both, Option("one", frozenset("a"), 3), Option("other", frozenset("b"), 3)])
    assert ([one.rule for one in found.options], found.worth) == (["one", "other"], 6)


def test_a_hundred_rules_that_all_want_any_of_forty_lines_are_settled_in_bounded_time() -> None:
    lines = [f"line {number}" for number in range(40)]
    every = [Option(f"rule {rule}", frozenset((line,)), 3) for rule in range(100) for line in lines]
    found = choose(every)
    assert (found.worth, found.bound, found.exact) == (120, 120, True)
