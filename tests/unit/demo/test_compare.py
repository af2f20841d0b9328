"""Comparing answers: equal means equal, and a difference says where."""

import copy
from typing import Any

import pytest

from passerelle.demo.compare import differences

ANSWER: dict[str, Any] = {
    "question": {"ask": "portability"},
    "answer": {"verdict": "portable", "lines": [{"credits": ["3", "credit-hours"]}], "met": 3, "sure": True},
    "reasons": [{"code": "agreement", "rule": "bcit/a"}, {"code": "agreement", "rule": "nscc/b"}],
}


def test_an_answer_equals_itself_whatever_the_order_of_its_reasons() -> None:
    other = copy.deepcopy(ANSWER)
    other["reasons"].reverse()
    assert differences(ANSWER, other) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda one: one["answer"].update(verdict="unknown"), "answer.verdict"),
        (lambda one: one["answer"].pop("verdict"), "answer.verdict"),
        (lambda one: one["answer"].update(more=1), "answer.more"),
        (lambda one: one["answer"]["lines"][0]["credits"].reverse(), "answer.lines[0].credits[0]"),
        (lambda one: one["answer"]["lines"].append({}), "answer.lines[1]"),
        (lambda one: one["answer"].update(met="3"), "answer.met"),
        (lambda one: one["answer"].update(sure=1), "answer.sure"),
        (lambda one: one["reasons"].pop(), "reasons[1]"),
        (lambda one: one["reasons"].append(one["reasons"][0]), "reasons[1].rule"),
        (lambda one: one.pop("reasons"), "reasons"),
        (lambda one: one["question"].update(ask="other"), "question.ask"),
        (lambda one: one.update(remark=""), "remark"),
    ],
)
def test_every_difference_is_found_and_placed(change: Any, place: str) -> None:
    other = copy.deepcopy(ANSWER)
    change(other)
    found = differences(ANSWER, other)
    assert any(one.startswith(f"{place}:") for one in found)
    assert any(one.startswith(f"{place}:") for one in differences(other, ANSWER))
