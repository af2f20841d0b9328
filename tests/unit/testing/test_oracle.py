"""The fast evaluator agrees with the slow one; and the comparison can fail."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core import counting, judging, rules
from passerelle.core.counting import Chosen, Option
from passerelle.core.grades import Scale
from passerelle.core.rules import Rule, Window
from passerelle.testing.oracle.holding import Tally, compare_world, run


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**40))
def test_random_rules_and_transcripts_have_the_slow_evaluator_s_answers(seed: int) -> None:
    assert list(compare_world(seed, Tally())) == []


def _greedy(part: list[Option]) -> Chosen:
    chosen = tuple(counting._greedy(part))
    worth = sum(one.worth for one in chosen)
    return Chosen(chosen, worth, worth, True)


def _oldest(versions: tuple[Scale, ...], day: object) -> Scale | None:
    return versions[0] if versions else None


def _never_superseded(rule: Rule, newer: object) -> Window:
    return Window(rule, rule.valid_from, rules._earlier(rule.valid_to, rule.ended_on))


@pytest.mark.parametrize(
    ("module", "name", "fault"),
    [
        (counting, "_settle", _greedy),
        (judging, "scale_on", _oldest),
        (rules, "_window", _never_superseded),
    ],
)
def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch, module: object, name: str, fault: object) -> None:
    monkeypatch.setattr(module, name, fault)
    found = 0
    for first in range(0, 4000, 100):
        found = len(run(first, 100).differences)
        if found:
            break
    assert found
