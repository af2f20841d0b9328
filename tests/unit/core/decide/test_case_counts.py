"""What the steps of a case add to the anonymous counts: days to the first decision, and how appeals ended."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.decide import Accepted
from passerelle.core.decide.casecounts import credit_digest
from passerelle.core.durations import DAY_S, LAST_STEP, LONGEST_S, days_step, step
from passerelle.core.things import CaseCount

from .test_transfer_steps import Desk, reached
from .test_transfers import CASE, CREDIT
from .world import TODAY

MORE = {**CREDIT, "credits": {"value": "6", "system": "credit-hours"}}


def counted(desk: Desk, event: str, date: str = TODAY, **data: Any) -> CaseCount | None:
    """What an accepted step of the receiver adds."""
    data = {"expected_version": desk.version(), **data}
    verdict = desk.world.say("queens", f"transfer.{event}", CASE, data, date)
    assert isinstance(verdict, Accepted), verdict
    return verdict.effects.counted


def days(number: int) -> CaseCount:
    return CaseCount("humber", "queens", days=number)


def ended(how: str) -> CaseCount:
    return CaseCount("humber", "queens", appeal=how)


@pytest.mark.parametrize(("date", "number"), [(TODAY, 0), ("2026-11-03", 1), ("2026-12-02", 30), ("2027-11-02", 365)])
def test_the_first_decision_counts_its_days(date: str, number: int) -> None:
    assert counted(Desk(), "decided", date, lines=Desk().lines("")) == days(number)
    assert counted(reached("information-requested"), "decided", date, lines=Desk().lines("*")) == days(number)


def test_no_other_step_counts_days() -> None:
    for state in ("decided*", "posted*"):
        desk = reached(state)
        lines = [desk.line(), desk.line(line=2, credential=desk.second)]
        assert counted(desk, "decided", "2026-12-02", lines=lines) is None
    asked = Desk()
    assert counted(asked, "information-requested", needed=["outline"]) is None
    assert counted(asked, "withdrawn", by="learner") is None
    assert counted(reached("decided"), "appealed", ground="other") is None


@pytest.mark.parametrize(
    ("lines", "how"),
    [
        ([{}], "kept"),
        ([{"recognition_index": None, "individual_reason": "Read again"}], "kept"),
        ([{"outcome": {**CREDIT, "applicability": "any", "conditions": []}}], "kept"),
        ([{"outcome": MORE}], "changed"),
        ([{"status": "conditional", "waits_for": "admission"}], "changed"),
        ([{"status": "no-credit", "reason": "content", "outcome": None}], "changed"),
        ([{}, {"line": 2}], "changed"),
        ([{}, {"line": 2, "status": "no-credit", "reason": "level", "outcome": None}], "kept"),
    ],
)
@pytest.mark.parametrize("state", ["appealed", "appealed+"])
def test_a_decision_on_an_appeal_changes_what_is_credited_or_keeps_it(
    state: str, lines: list[dict[str, Any]], how: str
) -> None:
    desk = reached(state)
    said = [{k: v for k, v in desk.line(**more).items() if v is not None} for more in lines]
    assert counted(desk, "decided", "2027-01-01", lines=said) == ended(how)
    # The next appeal is held against this decision, not against the first.
    counted(desk, "appealed", ground="procedure")
    assert counted(desk, "decided", lines=said) == ended("kept")


def test_an_appeal_stays_open_until_it_is_decided_or_the_case_withdrawn() -> None:
    desk = reached("appealed")
    assert counted(desk, "information-requested", needed=["outline"]) is None
    assert counted(desk, "evidence-added", documents=[]) is None
    assert counted(desk, "withdrawn", by="learner") == ended("withdrawn")


def test_no_credit_that_stays_is_kept_whatever_the_reason() -> None:
    desk = reached("decided0")
    counted(desk, "appealed", ground="other")
    (none,) = desk.lines("0")
    assert counted(desk, "decided", lines=[{**none, "reason": "level"}]) == ended("kept")


@pytest.mark.parametrize(
    ("adjusted", "decided", "how"),
    [
        ({"outcome": "kept"}, CREDIT, "kept"),
        ({"outcome": "changed", "new_outcome": MORE}, MORE, "kept"),
        ({"outcome": "changed", "new_outcome": MORE}, CREDIT, "changed"),
        ({"outcome": "removed"}, None, "kept"),
        ({"outcome": "removed"}, CREDIT, "changed"),
    ],
)
def test_an_appeal_after_an_adjustment_is_held_against_what_stood(
    adjusted: dict[str, Any], decided: dict[str, Any] | None, how: str
) -> None:
    desk = reached("posted")
    counted(desk, "adjusted", reason="error", lines=[{"line": 1, **adjusted}])
    counted(desk, "appealed", ground="error-of-fact")
    lines = desk.lines("0") if decided is None else [desk.line(outcome=decided)]
    assert counted(desk, "decided", lines=lines) == ended(how)


def test_a_case_whose_facts_were_not_kept_then_counts_nothing() -> None:
    """Cases of a ledger that did not count yet: until ``ledger rebuild`` nobody can say."""
    for state, old in (("requested", {"requested_on": None}), ("appealed", {"outcome": None})):
        desk = reached(state)
        thing = desk.world.thing(f"transfer:{CASE}")
        facts = {name: value for name, value in thing.data.items() if name not in old}
        facts["lines"] = [{k: v for k, v in line.items() if k not in old} for line in facts["lines"]]
        desk.world.view.things[thing.key] = thing._replace(data=facts)
        assert counted(desk, "decided", lines=desk.lines("")) is None


OUTCOMES = st.recursive(
    st.builds(lambda value: {**CREDIT, "credits": {"value": str(value), "system": "units"}}, st.integers(1, 9)),
    lambda part: st.builds(lambda kind, of: {"type": kind, "of": of}, st.sampled_from(["choice", "sum"]),
                           st.lists(part, min_size=2, max_size=3)),
    max_leaves=6,
)  # fmt: skip


@given(OUTCOMES, OUTCOMES, st.randoms(use_true_random=False))
def test_a_digest_tells_credit_from_other_credit_and_nothing_else(
    one: dict[str, Any], other: dict[str, Any], chance: random.Random
) -> None:
    def retold(value: Any) -> Any:
        """The same with keys in another order, a note, and what may be left out."""
        if isinstance(value, list):
            return [retold(part) for part in value]
        if not isinstance(value, dict):
            return value
        items = [(key, retold(part)) for key, part in value.items()]
        chance.shuffle(items)
        return {"note": "é", "applicability": "any", "exclusions": [], **dict(items)}

    assert credit_digest(retold(one)) == credit_digest(one)
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (credit_digest(one) == credit_digest(other)) is same


@given(st.integers(0, 40_000))
def test_steps_of_days_are_within_five_percent(number: int) -> None:
    found = days_step(number)
    assert 0 <= found <= LAST_STEP == step(LONGEST_S * 2)
    assert 2 ** ((found + 0.5) / 8) == pytest.approx(min(max(number, 1) * DAY_S, LONGEST_S), rel=0.05)
