"""Code lists: their form, and that what is suggested is what a person would have meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import FormatError
from passerelle.core.tables.codelist import CodeList, parse_code_list, render_code_list, steps

HEAD = "# name: Trades\n# version: 1\n# source: test\n# licence: none\n"
TRADES = HEAD + (
    "10001\tCarpenters\n10002\tCabinetmakers and carpenters of ships\tship,wood\n20001\tTruck drivers\n"
    "20002\tSolve problems\n"
)


def trades() -> CodeList:
    return parse_code_list(TRADES)


def test_a_list_is_read_and_written_as_it_was() -> None:
    found = trades()
    assert (found.name, found.version, found.source, found.licence) == ("Trades", "1", "test", "none")
    assert found.entries["10002"].groups == ("ship", "wood")
    assert found.entries["10001"].groups == ()
    assert render_code_list(found) == TRADES


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        (HEAD + "10001\n", "field-malformed", "line 5"),
        (HEAD + "2\tb\n1\ta\n", "field-malformed", "line 6"),
        (HEAD + "1\ta\n1\ta\n", "field-malformed", "line 6"),
        (HEAD + "\ta\n", "field-malformed", "line 5"),
        (TRADES.replace("# version: 1\n", ""), "field-missing", "head"),
    ],
)
def test_a_broken_list_names_its_line(text: str, code: str, where: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_code_list(text)
    assert (caught.value.code, caught.value.where) == (code, where)


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [
        ("22212", "22212", 0),
        ("22212", "22215", 1),
        ("22212", "2212", 1),
        ("22212", "222212", 1),
        ("22212", "22122", 1),
        ("22212", "22300", 3),
        ("", "123", 3),
    ],
)
def test_steps(one: str, other: str, far: int) -> None:
    assert steps(one, other) == far


DIGITS = st.text("0123", max_size=6)


@given(DIGITS, DIGITS, st.integers(0, 5), st.sampled_from("0123"))
def test_steps_are_symmetric_and_one_slip_is_one_step(one: str, other: str, place: int, digit: str) -> None:
    assert steps(one, other) == steps(other, one)
    assert (steps(one, other) == 0) == (one == other)
    assert steps(one, one[:place] + digit + one[place:]) == 1
    assert steps(one, one[:place] + digit + one[place + 1 :]) <= 1


def test_the_nearest_code_is_the_nearest_relative() -> None:
    found = trades()
    assert [one.code for one in found.by_code("10003", 1)] == ["10002", "10001"]
    assert [one.code for one in found.by_code("10010", 1)] == ["10001"]
    assert [one.code for one in found.by_code("99999", 1)] == []
    assert [one.code for one in found.by_code("10003", 5, most=1)] == ["10002"]


@given(st.sets(st.text("012", min_size=1, max_size=9), min_size=1), st.text("012", max_size=9), st.integers(0, 4))
def test_no_near_code_is_missed(codes: set[str], text: str, farthest: int) -> None:
    found = parse_code_list(HEAD + "".join(f"{code}\tx\n" for code in sorted(codes)))
    near = {one.code for one in found.by_code(text, farthest, most=len(codes))}
    assert near == {code for code in codes if steps(text, code) <= farthest}


@pytest.mark.parametrize(
    ("text", "first", "sure"),
    [
        ("Carpenters", "10001", True),
        ("CARPENTER", "10001", True),
        ("charpenter", "10001", False),
        ("ship carpenter", "10002", True),
        ("driver of trucks", "20001", True),
        ("problem solving", "20002", False),
    ],
)
def test_a_title_finds_its_entry(text: str, first: str, sure: bool) -> None:
    entry, whole = trades().by_words(text)[0]
    assert (entry.code, whole) == (first, sure)


@pytest.mark.parametrize("text", ["", "and of the", "12345", "plumber", "Jane Smith", "é" * 1000])
def test_words_that_no_title_has_find_nothing(text: str) -> None:
    assert trades().by_words(text) == []


@given(st.text(max_size=300))
def test_any_text_is_compared(text: str) -> None:
    found = trades()
    assert len(found.by_words(text)) <= 3
    assert len(found.by_code(text, 2)) <= 3
