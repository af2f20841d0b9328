"""Placement in a stream, against a model that remembers everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.statement import ZERO, Statement, digest
from passerelle.core.streams import Place, Placement, StreamHead, advance, place


def make(sequence: int, prev: bytes, body: bytes = b"body") -> tuple[Statement, bytes]:
    """A statement and its digest."""
    statement = Statement("n", "humber", "credential", sequence, prev, "party", digest(body))
    return statement, digest(statement.encode())


FIRST = make(1, ZERO)
SECOND = make(2, FIRST[1])
THIRD = make(3, SECOND[1])
HEAD = advance(*SECOND)


def test_chain_advances() -> None:
    head = StreamHead()
    for statement, hashed in (FIRST, SECOND, THIRD):
        assert place(head, statement, hashed) == Placement(Place.NEXT, statement.sequence)
        head = advance(statement, hashed)
    assert head == StreamHead(3, THIRD[1])


def test_gap_names_the_first_missing_number() -> None:
    assert place(StreamHead(), *THIRD) == Placement(Place.GAP, 1)
    assert place(advance(*FIRST), *THIRD) == Placement(Place.GAP, 2)


@pytest.mark.parametrize("prev", [ZERO, b"\1" * 32])
def test_wrong_link_at_the_next_number(prev: bytes) -> None:
    assert place(HEAD, *make(3, prev)) == Placement(Place.CONFLICT, 3)


def test_first_number_must_link_to_zeros() -> None:
    assert place(StreamHead(), *make(1, b"\1" * 32)) == Placement(Place.CONFLICT, 1)


def test_heads_own_number_needs_no_lookup() -> None:
    assert place(HEAD, *SECOND) == Placement(Place.REPEAT, 2)
    assert place(HEAD, *make(2, FIRST[1], b"other")) == Placement(Place.CONFLICT, 2)


def test_earlier_number_needs_the_record() -> None:
    assert place(HEAD, *FIRST) == Placement(Place.NEEDS_LOOKUP, 1)
    assert place(HEAD, *FIRST, {1: FIRST[1]}.get) == Placement(Place.REPEAT, 1)
    assert place(HEAD, *make(1, ZERO, b"other"), {1: FIRST[1]}.get) == Placement(Place.CONFLICT, 1)


@given(st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.booleans()), max_size=40))
def test_against_a_model(steps: list[tuple[int, bool, bool]]) -> None:
    """Whatever comes in whatever order: 1..n without hole, each number spent once, by a rightly linked statement."""
    head, spent = StreamHead(), dict[int, bytes]()
    for sequence, right_link, other_body in steps:
        prev = spent.get(sequence - 1, ZERO) if right_link else b"\2" * 32
        statement, hashed = make(sequence, prev, b"other" if other_body else b"body")
        placed = place(head, statement, hashed, spent.get)
        if sequence in spent:
            expected = Place.REPEAT if spent[sequence] == hashed else Place.CONFLICT
        elif sequence == len(spent) + 1:
            expected = Place.NEXT if right_link else Place.CONFLICT
        else:
            expected = Place.GAP
        assert placed.place is expected
        if placed.place is Place.NEXT:
            spent[sequence] = hashed
            head = advance(statement, hashed)
    assert sorted(spent) == list(range(1, len(spent) + 1))
    assert head == StreamHead(len(spent), spent.get(len(spent), ZERO))
