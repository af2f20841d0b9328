"""Exact quantities and amounts of credit."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import CODES, PasserelleError
from passerelle.core.quantity import (
    CREDIT_SYSTEMS,
    Credits,
    compare_credits,
    convert,
    format_quantity,
    parse_credits,
    parse_quantity,
    show_quantity,
    total_credits,
)
from passerelle.events.values import CreditSystem

FORM = re.compile(r"(0|[1-9]\d{0,5})(\.\d{1,4}|/[1-9]\d{0,4})?")
TEXTS = st.from_regex(FORM, fullmatch=True).filter(str.isascii)


@pytest.mark.parametrize(
    ("text", "value", "canonical"),
    [
        ("0", Fraction(0), "0"),
        ("3", Fraction(3), "3"),
        ("2.5", Fraction(5, 2), "2.5"),
        ("2.50", Fraction(5, 2), "2.5"),
        ("5/2", Fraction(5, 2), "2.5"),
        ("7/3", Fraction(7, 3), "7/3"),
        ("14/6", Fraction(7, 3), "7/3"),
        ("0.0001", Fraction(1, 10_000), "0.0001"),
        ("1/16", Fraction(1, 16), "0.0625"),
        ("1/32", Fraction(1, 32), "1/32"),
        ("999999.9999", Fraction(9_999_999_999, 10_000), "999999.9999"),
    ],
)
def test_text_and_value(text: str, value: Fraction, canonical: str) -> None:
    assert parse_quantity(text) == value
    assert format_quantity(value) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 3",
        "3 ",
        "3\n",
        "-1",
        "+1",
        "1e3",
        "03",
        ".5",
        "5.",
        "1.23456",
        "1/0",
        "1/02",
        "1/3/3",
        "1.5/2",
        "1000000",
        "1/100000",
        "NaN",
        "inf",
        "٣",
        "3,5",
        "½",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        parse_quantity(text, where="data.credits.value")
    assert (caught.value.code, caught.value.where) == ("fraction-malformed", "data.credits.value")
    assert caught.value.code in CODES


@pytest.mark.parametrize("value", [3, 2.5, None, True, Fraction(1)])
def test_only_text_is_a_quantity(value: object) -> None:
    with pytest.raises(PasserelleError):
        parse_quantity(value)


@pytest.mark.parametrize("value", [Fraction(-1), Fraction(1_000_000), Fraction(1, 100_003), Fraction(1_000_003, 3)])
def test_a_value_beyond_the_form_is_not_written(value: Fraction) -> None:
    with pytest.raises(PasserelleError) as caught:
        format_quantity(value)
    assert caught.value.code == "value-out-of-range"
    assert Fraction(show_quantity(value)) == value


@given(TEXTS)
def test_reading_the_canonical_text_gives_the_value_back(text: str) -> None:
    value = parse_quantity(text)
    assert value == Fraction(text)
    assert parse_quantity(format_quantity(value)) == value
    assert format_quantity(parse_quantity(format_quantity(value))) == format_quantity(value)


@given(st.fractions(min_value=-(10**9), max_value=10**9))
def test_any_value_can_be_shown(value: Fraction) -> None:
    assert Fraction(show_quantity(value)) == value


def test_the_systems_are_those_of_the_events() -> None:
    assert set(CREDIT_SYSTEMS) == set(get_args(CreditSystem))


def test_credits_are_read_and_written() -> None:
    amount = parse_credits({"value": "8/3", "system": "cegep-units"})
    assert amount == Credits(Fraction(8, 3), "cegep-units")
    assert parse_credits(amount.as_data()) == amount
    with pytest.raises(PasserelleError) as caught:
        parse_credits({"value": "3", "system": "points"}, where="data.credits")
    assert (caught.value.code, caught.value.where) == ("credit-system-unknown", "data.credits.system")


def test_credits_compare_within_one_system_only() -> None:
    three, six = Credits(Fraction(3), "units"), Credits(Fraction(6), "units")
    hours = Credits(Fraction(3), "credit-hours")
    assert [compare_credits(*pair) for pair in ((three, six), (six, three), (three, three))] == [-1, 1, 0]
    assert compare_credits(three, hours) is None
    assert compare_credits(three, hours, {("units", "ects"): Fraction(2)}) is None


def test_a_stated_ratio_is_used_in_its_direction() -> None:
    weight, units = Credits(Fraction(1), "course-weights"), Credits(Fraction(6), "units")
    table = {("course-weights", "units"): Fraction(6)}
    assert convert(weight, "units", table) == 6
    assert convert(units, "course-weights", table) is None
    assert compare_credits(weight, units, table) == 0
    assert compare_credits(Credits(Fraction(7), "units"), weight, table) == 1


def test_a_sum_names_what_it_leaves_out() -> None:
    third = Credits(Fraction(7, 3), "cegep-units")
    hours = Credits(Fraction(45), "contact-hours")
    total = total_credits([third, third, third, hours], "cegep-units")
    assert (total.value, total.left_out) == (Fraction(7), (hours,))
