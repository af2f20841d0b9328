"""Pauses between tries: bounded, growing, different for different names, and the same in every run."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import Fatal, Unavailable
from passerelle.runtime.backoff import Backoff, patiently, pause


@given(st.text(max_size=12), st.floats(0.01, 5), st.floats(5, 60), st.integers(1, 80))
def test_each_pause_is_between_half_and_the_whole_of_its_step(name: str, first: float, last: float, tries: int) -> None:
    pauses = Backoff(name, first, last)
    for number in range(tries):
        whole = min(last, first * 2.0**number)
        assert whole / 2 <= pauses.next_s() <= whole
    pauses.reset()
    assert pauses.next_s() <= first


def test_names_spread_and_a_run_can_be_repeated() -> None:
    firsts = [Backoff(f"node-{number}", 8, 8).next_s() for number in range(200)]
    assert len(set(firsts)) == 200
    # Spread over the whole width: no tenth of it is without a node.
    assert {int((second - 4) / 0.4) for second in firsts} >= set(range(10))
    assert firsts == [Backoff(f"node-{number}", 8, 8).next_s() for number in range(200)]


async def test_a_stop_ends_a_pause() -> None:
    stop = asyncio.Event()
    waiting = asyncio.create_task(Backoff("one", 3600, 3600).pause(stop))
    stop.set()
    assert await asyncio.wait_for(waiting, 5) >= 1800
    await asyncio.wait_for(pause(stop, 3600), 5)


async def test_servers_are_waited_for_and_not_for_ever() -> None:
    tries: list[int] = []

    async def away(until: int) -> str:
        tries.append(1)
        if len(tries) < until:
            raise Unavailable("broker-unavailable", "as asked")
        return "there"

    assert await patiently(lambda: away(4), Backoff("one", 0.001, 0.002), 60) == "there"
    assert len(tries) == 4
    with pytest.raises(Unavailable):
        await patiently(lambda: away(10**9), Backoff("one", 0.001, 0.002), 0.05)
    assert len(tries) > 5

    async def wrong() -> None:
        tries.append(1)
        raise Fatal("topic-shape", "as asked")

    tries.clear()
    with pytest.raises(Fatal):
        await patiently(wrong, Backoff("one", 0.001, 0.002), 60)
    assert len(tries) == 1
