"""Rates: never more than was earned, each caller for itself, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.runtime.limits import RateLimit


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def now_ms(self) -> int:
        return int(self.at * 1000)

    def monotonic(self) -> float:
        return self.at


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_more_goes_through_than_was_earned(pauses: list[float]) -> None:
    clock = Hand()
    limit, taken = RateLimit(2.0, 5, clock), 0
    for pause in pauses:
        clock.at += pause
        taken += limit.wait_s("a") == 0
    assert taken <= 5 + 2.0 * (clock.at - 100.0) + 1e-6


def test_the_wait_that_is_told_is_enough() -> None:
    clock = Hand()
    limit = RateLimit(0.5, 2, clock)
    assert [limit.wait_s("a") for _ in range(3)] == [0, 0, 2.0]
    assert limit.wait_s("b") == 0
    clock.at += 1.0
    assert limit.wait_s("a") == pytest.approx(1.0)
    clock.at += 1.0
    assert limit.wait_s("a") == 0
    assert limit.wait_s("a") == pytest.approx(2.0)


def test_the_longest_silent_caller_is_forgotten_first() -> None:
    clock = Hand()
    limit = RateLimit(0.001, 1, clock, callers=2)
    for caller in ("a", "b", "a", "c"):
        limit.wait_s(caller)
    assert len(limit) == 2
    assert limit.wait_s("a") > 0
    assert limit.wait_s("b") == 0


@pytest.mark.parametrize(("rate", "burst", "callers"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_limit_that_lets_nothing_through_is_not_made(rate: float, burst: int, callers: int) -> None:
    with pytest.raises(ValueError, match="rate limit"):
        RateLimit(rate, burst, Hand(), callers=callers)
