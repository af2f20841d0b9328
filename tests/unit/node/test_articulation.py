"""Requests and answers as events: asked once, answered by who may, and a renumbered course carried on purpose only."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from tests.unit.node.agreements.builders import expressions

from passerelle.cli.articulation_answer import Given
from passerelle.core.decide.context import leaves
from passerelle.core.errors import FormatError, Refused
from passerelle.events.codec import check_data
from passerelle.node.articulation import (
    Answer,
    Asked,
    Question,
    _with_successor,
    answer_event,
    carried_rules,
    laddering_questions,
    request_events,
)

ASKED = Asked("humber/ar-1", "humber/HIST101", "bcit", "bcit", "requested")
OUTCOME = {"type": "assigned", "achievement": "bcit/H1", "credits": {"value": "3", "system": "units"}}
GRANT = {"kind": "equivalency", "outcome": OUTCOME, "valid_from": "2026-01-01"}


def test_one_question_goes_to_many_receivers_and_twice_is_once() -> None:
    question = Question("humber/HIST101", ("bcit", "nscc"), due_on="2026-12-01", note="Please")
    events = request_events("humber", question, ())
    assert [(event.data["receiver"], event.type.event) for event in events] == [
        ("bcit", "requested"),
        ("nscc", "requested"),
    ]
    assert events[0].subject != events[1].subject
    taken = {event.subject for event in events}
    assert request_events("humber", question, taken) == []
    (again, _) = request_events("humber", question, taken, again=True)
    assert again.subject == f"{events[0].subject}-2"
    other = Question("humber/HIST101", ("bcit",), towards="bcit/diploma")
    assert request_events("humber", other, taken)[0].subject not in taken


@pytest.mark.parametrize("receivers", [(), ("bcit", "bcit")])
def test_a_question_names_receivers_each_once(receivers: tuple[str, ...]) -> None:
    with pytest.raises(FormatError) as error:
        request_events("humber", Question("humber/HIST101", receivers), ())
    assert error.value.code == "argument-invalid"


def test_an_outline_without_its_hash_is_refused_before_anything_is_stored() -> None:
    question = Question("humber/HIST101", ("bcit",), outline_url="https://humber.example/o.pdf")
    with pytest.raises(Refused) as error:
        request_events("humber", question, ())
    assert "outline" in error.value.where


@pytest.mark.parametrize(
    ("answer", "name", "subject", "has"),
    [
        (Answer("establish", "bcit/r1", GRANT), "recognition.granted", "bcit/r1", {"request": ASKED.id}),
        (Answer("establish", "", GRANT), "recognition.granted", "bcit/ar-1", {"receiver": "bcit"}),
        (
            Answer("no-credit", "", {"reason": "content", "valid_from": "2026-01-01"}),
            "recognition.denied",
            "bcit/ar-1",
            {"sending": {"achievement": "humber/HIST101"}},
        ),
        (Answer("return", data={"needed": ["x"]}), "recognition.returned", ASKED.id, {"needed": ["x"]}),
        (Answer("forward", data={"evaluator": "nscc"}), "recognition.forwarded", ASKED.id, {"evaluator": "nscc"}),
        (Answer("case-by-case"), "recognition.declined", ASKED.id, {}),
        (
            Answer("no-change", "bcit/r9", {"reviewed_on": "2026-05-01"}),
            "recognition.confirmed",
            "bcit/r9",
            {"request": ASKED.id},
        ),
    ],
)
def test_every_answer_is_its_event(answer: Answer, name: str, subject: str, has: dict[str, Any]) -> None:
    event = answer_event("bcit", ASKED, answer)
    assert (event.type.name, event.subject) == (name, subject)
    assert has.items() <= event.data.items()
    assert "delegation" not in event.data


def given_answer(**changed: Any) -> Given:
    empty: dict[str, Any] = {field.name: "" for field in fields(Given)}
    flags = {"case_by_case": False, "carry": False, "resubmit": False, "back": (), "institutions": None}
    return Given(**{**empty, **flags, **changed})


def test_one_answer_is_given_and_not_two() -> None:
    assert given_answer(back=("Hours",)).kind == "return"
    assert given_answer(case_by_case=True).kind == "case-by-case"
    with pytest.raises(FormatError) as error:
        _ = given_answer().kind
    assert error.value.code == "argument-missing"
    with pytest.raises(FormatError) as error:
        _ = given_answer(carry=True, no_credit="content").kind
    assert error.value.code == "argument-conflict"


def test_an_agency_answers_under_a_delegation_and_not_without() -> None:
    with pytest.raises(FormatError) as error:
        answer_event("bccat", ASKED, Answer("case-by-case"))
    assert error.value.code == "not-receiver"
    event = answer_event("bccat", ASKED, Answer("establish", "bccat/7", GRANT, "bcit/to-bccat"))
    assert (event.data["receiver"], event.data["delegation"]) == ("bcit", "bcit/to-bccat")
    forwarded = Asked("humber/ar-1", "humber/HIST101", "bcit", "bccat", "requested")
    assert answer_event("bccat", forwarded, Answer("return", data={"needed": ["x"]})).type.event == "returned"
    with pytest.raises(FormatError):
        answer_event("bccat", forwarded, Answer("establish", "bccat/7", GRANT))


@pytest.mark.parametrize(
    ("state", "home", "answer", "code"),
    [
        ("answered", "bcit", Answer("case-by-case"), "step-illegal"),
        ("returned", "bcit", Answer("establish", "", GRANT), "step-illegal"),
        ("requested", "humber", Answer("resubmit"), "step-illegal"),
        ("returned", "bcit", Answer("resubmit"), "not-owner"),
    ],
)
def test_an_answer_in_the_wrong_state_or_by_another_is_told(state: str, home: str, answer: Answer, code: str) -> None:
    asked = Asked("humber/ar-1", "humber/HIST101", "bcit", "bcit", state)
    with pytest.raises(FormatError) as error:
        answer_event(home, asked, answer)
    assert error.value.code == code


RENUMBERED = Asked("humber/ar-1", "humber/H2", "bcit", "bcit", "requested", replaces="humber/H1")


def rule(sending: Any, **more: Any) -> dict[str, Any]:
    return {"receiver": "bcit", "sending": sending, "version": 3, **GRANT, **more}


def test_a_renumbered_course_carries_each_rule_that_names_the_older_one() -> None:
    versions = {"first": 1, "last": 4}
    rules = {
        "bcit/a": rule({"all_of": [{"achievement": "humber/H1", "versions": versions}, {"achievement": "humber/X"}]}),
        "bcit/b": rule({"achievement": "humber/X"}),
        "bcit/c": rule({"achievement": "humber/H1"}, request="humber/older"),
        "bcit/d": rule({"achievement": "humber/H1"}, receiver="nscc"),
    }
    first, second = carried_rules("bcit", RENUMBERED, rules)
    assert [(first.subject, first.data["version"]), (second.subject, second.data["version"])] == [
        ("bcit/a", 4), ("bcit/c", 4),
    ]  # fmt: skip
    assert first.data["sending"]["all_of"][0] == {
        "any_of": [{"achievement": "humber/H1", "versions": versions}, {"achievement": "humber/H2"}]
    }
    # The request is answered once, by the first revision.
    assert first.data["request"] == RENUMBERED.id
    assert "request" not in second.data


def test_nothing_is_carried_where_nothing_was_renumbered_or_agreed() -> None:
    with pytest.raises(FormatError) as error:
        carried_rules("bcit", ASKED, {})
    assert error.value.code == "argument-invalid"
    with pytest.raises(FormatError) as error:
        carried_rules("bcit", RENUMBERED, {"bcit/b": rule({"achievement": "humber/X"})})
    assert error.value.code == "not-found"
    with pytest.raises(FormatError) as error:
        carried_rules("nscc", RENUMBERED, {"bcit/c": rule({"achievement": "humber/H1"})})
    assert error.value.code == "not-receiver"


@given(expressions)
@settings(max_examples=60, deadline=None)
def test_a_carried_expression_keeps_all_and_adds_the_successor_alone(expression: dict[str, Any]) -> None:
    carried = _with_successor(expression, "sfu/HUM101", "sfu/NEW1")
    named = set(leaves(expression))
    assert set(leaves(carried)) == named | ({"sfu/NEW1"} if "sfu/HUM101" in named else set())
    assert (carried == expression) == ("sfu/HUM101" not in named)


def test_designed_laddering_asks_the_receivers_that_it_names() -> None:
    data = {"version": 2, "laddering": {"design": "designed", "into": ["rru/climate", "humber/own", "bcit/x"]}}
    questions = laddering_questions("humber/micro", data, "humber")
    assert [(one.receivers, one.towards, one.version) for one in questions] == [
        (("rru",), "rru/climate", 2), (("bcit",), "bcit/x", 2),
    ]  # fmt: skip
    for question in questions:
        (event,) = request_events("humber", question, ())
        check_data(event.type, event.data)
    later = laddering_questions("humber/micro", {**data, "version": 3}, "humber")
    assert [request_events("humber", one, ())[0].subject for one in later] == [
        request_events("humber", one, ())[0].subject for one in questions
    ]
    open_design = {**data, "laddering": {"design": "open", "into": ["rru/climate"]}}
    assert laddering_questions("humber/micro", open_design, "humber") == []
