"""Rules in time, the five answers of a look-up, whole transcripts, and the table of reasons."""

from __future__ import annotations

import datetime as dt
import string
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.expressions import Held, achievements_of, held_from_data
from passerelle.core.reasons import REASONS, parameters, reason
from passerelle.core.rules import (
    Answer,
    Request,
    Rule,
    applies,
    lookup,
    recorded,
    reverse_lookup,
    rule_from_data,
    windows,
)
from passerelle.core.transcripts import Asked, LineAnswer, evaluate_transcript
from passerelle.events.recognition import DeniedData, GrantedData
from passerelle.events.values import NoCreditReason

MATH, PHYS = "douglas/MATH-1120", "douglas/PHYS-1110"
DAY = dt.date(2025, 4, 30)


def granted(local: str, sending: Any, *, receiver: str = "sfu", index: int = 10, **more: Any) -> Rule:
    until, ended = more.pop("until", None), more.pop("ended_on", None)
    data = {
        "receiver": receiver,
        "kind": "equivalency",
        "sending": sending if isinstance(sending, dict) else {"achievement": sending},
        "outcome": {
            "type": "assigned",
            "achievement": f"{receiver}/MATH-151",
            "credits": {"value": "3", "system": "units"},
        },
        "valid_from": "2020-09-01",
        **more,
    }
    GrantedData.model_validate(data)
    return rule_from_data(data, recognition=f"{receiver}/{local}", from_index=index, to_index=until, ended_on=ended)


def denied(local: str, sending: str, *, receiver: str = "sfu", reason_code: str = "content", **more: Any) -> Rule:
    data = {
        "receiver": receiver,
        "sending": {"achievement": sending},
        "reason": reason_code,
        "valid_from": "2020-09-01",
        **more,
    }
    DeniedData.model_validate(data)
    return rule_from_data(data, recognition=f"{receiver}/{local}", from_index=11)


def asked_of(receiver: str, state: str, *, index: int = 5, until: int | None = None) -> Request:
    return Request(f"{receiver}/request-1", MATH, receiver, state, index, dt.date(2025, 1, 15), index, until)


def summary(answers: tuple[Answer, ...]) -> list[tuple[str, str | None, str | None]]:
    return [(one.kind, one.receiver, one.rule.id if one.rule else None) for one in answers]


def test_the_five_answers() -> None:
    rules = [granted("r1", MATH), denied("r2", MATH, receiver="ubc")]
    requests = [asked_of("uvic", "requested"), asked_of("unbc", "declined")]
    answers = lookup(rules, requests, MATH, None, DAY)
    assert summary(answers) == [
        ("agreement", "sfu", "sfu/r1"),
        ("no-credit", "ubc", "ubc/r2"),
        ("case-by-case", "unbc", None),
        ("under-evaluation", "uvic", None),
    ]
    assert answers[1].reasons == (reason("no-credit-content"),)
    assert (answers[3].since_index, answers[3].since_date) == (5, dt.date(2025, 1, 15))
    nobody = lookup(rules, requests, MATH, "mcgill", DAY)
    assert summary(nobody) == [("never-evaluated", "mcgill", None)]
    assert summary(lookup([], [], PHYS, None, DAY)) == [("never-evaluated", None, None)]
    assert all(one.subject_to_admission for one in (*answers, *nobody))


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2020-08-31", "case-by-case"),
        ("2020-09-01", "agreement"),
        ("2024-08-31", "agreement"),
        ("2024-09-01", "case-by-case"),
    ],
)
def test_a_course_counts_when_completed_inside_the_dates(day: str, kind: str) -> None:
    rules = [granted("r1", MATH, valid_to="2024-08-31")]
    (answer,) = lookup(rules, [], MATH, "sfu", dt.date.fromisoformat(day))
    assert answer.kind == kind
    assert ("rule-not-in-dates" in {one.code for one in answer.reasons}) == (kind == "case-by-case")


def test_an_ended_rule_still_holds_for_what_was_completed_before() -> None:
    rules = [
        granted("r1", MATH, index=10, until=40),
        granted("r1", MATH, index=40, ended_on="2023-12-31"),
    ]
    kinds = {
        (day, known): lookup(rules, [], MATH, "sfu", dt.date.fromisoformat(day), known_at=known)[0].kind
        for day in ("2023-12-31", "2024-01-01")
        for known in (9, 39, 40, None)
    }
    assert kinds == {
        ("2023-12-31", 9): "never-evaluated",
        ("2023-12-31", 39): "agreement",
        ("2023-12-31", 40): "agreement",
        ("2023-12-31", None): "agreement",
        ("2024-01-01", 9): "never-evaluated",
        ("2024-01-01", 39): "agreement",
        ("2024-01-01", 40): "case-by-case",
        ("2024-01-01", None): "case-by-case",
    }


def test_a_recorded_time_is_half_open() -> None:
    row = granted("r1", MATH, index=10, until=40)
    assert [recorded(row, known) for known in (9, 10, 39, 40)] == [False, True, True, False]
    assert not recorded(row, None)
    assert recorded(granted("r1", MATH, index=40), None)


@pytest.mark.parametrize(
    ("mode", "day", "expected"),
    [
        ("replaces-all", "2021-05-01", []),
        ("replaces-all", "2023-05-01", ["sfu/new"]),
        ("replaces-from", "2021-05-01", ["sfu/old"]),
        ("replaces-from", "2022-08-31", ["sfu/old"]),
        ("replaces-from", "2022-09-01", ["sfu/new"]),
        ("in-addition", "2021-05-01", ["sfu/old"]),
        ("in-addition", "2023-05-01", ["sfu/new", "sfu/old"]),
    ],
)
def test_supersession(mode: str, day: str, expected: list[str]) -> None:
    new = granted("new", MATH, index=20, valid_from="2022-09-01", supersedes={"recognition": "sfu/old", "mode": mode})
    rules = [granted("old", MATH, index=10), new]
    answers = lookup(rules, [], MATH, "sfu", dt.date.fromisoformat(day))
    assert [one.rule.id for one in answers if one.rule is not None] == expected
    before = lookup(rules, [], MATH, "sfu", dt.date.fromisoformat(day), known_at=19)
    assert summary(before) == [("agreement", "sfu", "sfu/old")]
    if not expected:
        assert {one.code for one in answers[0].reasons} == {
            "case-by-case",
            "rule-superseded",
            "rule-not-in-dates",
        }


def test_two_rules_that_supersede_each_other_leave_the_newer_one() -> None:
    rules = [
        granted("one", MATH, index=10, supersedes={"recognition": "sfu/two", "mode": "replaces-all"}),
        granted("two", MATH, index=20, supersedes={"recognition": "sfu/one", "mode": "replaces-all"}),
    ]
    assert [window.rule.id for window in windows(rules) if not window.void] == ["sfu/two"]


def test_a_later_date_of_replacement_stands_over_the_start_of_the_new_rule() -> None:
    how = {"recognition": "sfu/old", "mode": "replaces-from", "from_date": "2024-01-01"}
    old, new = granted("old", MATH, index=10), granted("new", MATH, index=20, valid_from="2022-09-01", supersedes=how)
    by_id = {window.rule.id: window for window in windows([new, old])}
    assert by_id["sfu/old"].valid_to == dt.date(2023, 12, 31)
    assert by_id["sfu/new"].valid_to is None


def test_a_cluster_names_what_else_is_needed() -> None:
    (answer,) = lookup(
        [granted("r1", {"all_of": [{"achievement": MATH}, {"achievement": PHYS}]})], [], MATH, "sfu", DAY
    )
    assert answer.needs == (PHYS,)
    assert reason("needs-others", achievements=PHYS) in answer.reasons


def test_reverse_look_up() -> None:
    rules = [granted("r1", MATH), granted("r2", PHYS, valid_to="2021-01-01"), denied("r3", MATH)]
    assert summary(reverse_lookup(rules, "sfu/MATH-151", DAY)) == [("agreement", "sfu", "sfu/r1")]
    assert reverse_lookup(rules, "sfu/MATH-152", DAY) == ()


def line(achievement: str, ref: str, *, grade: str = "75", on: str = "2025-04-30") -> Held:
    return held_from_data(
        {
            "achievement": achievement,
            "ref": ref,
            "completed_on": on,
            "grade": {"scheme": "percentage-50", "grade": grade},
            "credits": {"value": "3", "system": "units"},
        }
    )


def index(*rules: Rule) -> dict[str, list[Rule]]:
    by_name: dict[str, list[Rule]] = {}
    for rule in rules:
        for name in achievements_of(rule.sending):
            by_name.setdefault(name, []).append(rule)
    return by_name


def evaluated(lines: list[Held], *rules: Rule, requests: dict[str, list[Request]] | None = None) -> list[LineAnswer]:
    asked = Asked(dt.date(2026, 9, 1), receiver="sfu")
    return list(evaluate_transcript(lines, index(*rules), asked, requests_by_achievement=requests))


def test_a_transcript_line_by_line() -> None:
    cluster = granted("cluster", {"all_of": [{"achievement": PHYS}, {"achievement": "douglas/PHYS-1210"}]})
    answers = evaluated(
        [line(MATH, "1"), line(PHYS, "2"), line("douglas/ENGL-1130", "3"), line("douglas/HIST-1101", "4")],
        granted("r1", MATH),
        cluster,
        denied("r3", "douglas/ENGL-1130", reason_code="level"),
    )
    assert [(one.ref, one.verdict) for one in answers] == [("1", "match"), ("2", "maybe"), ("3", "miss"), ("4", "miss")]
    assert [fix.achievement for fix in answers[1].rules[0].fix] == ["douglas/PHYS-1210"]
    assert answers[2].reasons == (reason("no-credit-level"),)
    assert [one.code for one in answers[3].reasons] == ["never-evaluated"]
    assert all(one.subject_to_admission for one in answers)


def test_a_repeated_course_counts_once() -> None:
    answers = evaluated([line(MATH, "1", on="2024-04-30"), line(MATH, "2")], granted("r1", MATH))
    assert [one.verdict for one in answers] == ["miss", "match"]
    assert [one.code for one in answers[0].reasons] == ["used-by-other-line"]


def test_a_line_outside_the_dates_misses_and_says_so() -> None:
    (answer,) = evaluated([line(MATH, "1", on="2019-04-30")], granted("r1", MATH))
    assert (answer.verdict, [one.code for one in answer.reasons]) == ("miss", ["outside-validity"])


def test_a_line_whose_course_is_being_evaluated() -> None:
    (answer,) = evaluated([line(MATH, "1")], requests={MATH: [asked_of("sfu", "returned")]})
    assert (answer.verdict, [one.code for one in answer.reasons]) == ("miss", ["under-evaluation"])


def test_a_minimum_grade_for_credit_and_one_for_another_use() -> None:
    def outcome(use: str) -> dict[str, Any]:
        return {
            "type": "assigned",
            "achievement": "sfu/MATH-151",
            "credits": {"value": "3", "system": "units"},
            "conditions": [{"use": use, "minimum_grade": {"scheme": "percentage-50", "grade": "80"}}],
            "exclusions": [PHYS],
        }

    lines = [line(MATH, "1"), line(PHYS, "2")]
    credit = evaluated(lines, granted("r1", MATH, outcome=outcome("credit")))[0]
    assert (credit.verdict, credit.reasons[0].code) == ("maybe", "grade-too-low")
    prerequisite = evaluated(lines, granted("r1", MATH, outcome=outcome("prerequisite")))[0]
    assert prerequisite.verdict == "match"
    notes = {one.code: one.params for one in prerequisite.reasons}
    assert notes["use-condition"]["outcome"] == "not-met"
    assert notes["excluded-with"] == {"achievement": PHYS}


def test_a_match_is_preferred_to_a_maybe() -> None:
    cluster = granted("a-cluster", {"all_of": [{"achievement": MATH}, {"achievement": PHYS}]})
    (answer,) = evaluated([line(MATH, "1")], cluster, granted("r1", MATH))
    assert [(one.rule.id, one.verdict) for one in answer.rules] == [("sfu/r1", "match"), ("sfu/a-cluster", "maybe")]


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([line(MATH, "1"), line(MATH, "2", on="2024-01-01"), line(PHYS, "3"), line("x/Y-1", "4")]),
    st.integers(0, 3),
)
def test_answers_do_not_depend_on_the_order_of_lines(lines: list[Held], dropped: int) -> None:
    rules = (
        granted("r1", MATH),
        granted("r2", {"n_of": {"n": 2, "of": [{"achievement": MATH}, {"achievement": MATH}, {"achievement": PHYS}]}}),
    )
    kept = lines[dropped:]
    answers = {one.ref: one for one in evaluated(kept, *rules)}
    again = {one.ref: one for one in evaluated(sorted(kept, key=lambda one: one.ref), *rules)}
    assert answers == again


@settings(max_examples=60, deadline=None)
@given(st.dates(dt.date(2019, 1, 1), dt.date(2027, 1, 1)), st.sampled_from(["replaces-all", "replaces-from"]))
def test_a_look_up_and_an_evaluation_agree_on_the_dates(day: dt.date, mode: str) -> None:
    new = granted("new", MATH, index=20, valid_from="2022-09-01", supersedes={"recognition": "sfu/old", "mode": mode})
    rules = [granted("old", MATH, index=10, valid_to="2025-01-01"), new]
    holding = {one.rule.id for one in lookup(rules, [], MATH, "sfu", day) if one.rule is not None}
    held = [line(MATH, "1", on=day.isoformat())]
    matching = {one.rule.id for one in windows(rules) if applies(one, held, dt.date(2027, 1, 1)).verdict == "match"}
    assert holding == matching


# ---- the table of reasons --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", sorted(REASONS))
def test_each_reason_has_both_languages_with_the_same_parameters(code: str) -> None:
    sentences = REASONS[code]
    assert set(sentences) == {"en", "fr"}
    assert parameters(sentences["en"]) == parameters(sentences["fr"])
    assert set(code) <= set(string.ascii_lowercase + string.digits + "-")
    made = reason(code, **{name: f"<{name}>" for name in parameters(sentences["en"])})
    for language in ("en", "fr", "fr-CA"):
        assert all(f"<{name}>" in made.text(language) for name in made.params)
    assert made.text("fr-CA") == made.text("fr") != made.text("en")


def test_a_reason_with_other_parameters_is_a_defect() -> None:
    with pytest.raises(ValueError, match="takes the parameters"):
        reason("not-held", course="a/x")


def test_every_no_credit_reason_of_the_events_has_its_sentence() -> None:
    for name in get_args(NoCreditReason):
        assert f"no-credit-{name}" in REASONS
    (answer,) = lookup([denied("r9", MATH, reason_code="other", note="See file")], [], MATH, "sfu", DAY)
    assert answer.reasons == (reason("no-credit-other", rule="sfu/r9"),)
