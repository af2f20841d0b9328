"""Virtual time: jumps, order that is the same in every run, an end where nothing can come any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from passerelle.core.errors import Fatal
from passerelle.testing.simulation.loop import ADOPT, SimTask, VirtualLoop

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What the coroutine returns, and the virtual time at its end."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work), loop.time()
    finally:
        loop.close()


def test_time_goes_from_timer_to_timer() -> None:
    order: list[str] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(7_200, order.append, "hours")
        loop.call_later(0.5, order.append, "soon")
        loop.call_later(0.25, order.append, "never").cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 86_400)
        order.append("a day")

    assert run(story())[1] == 86_400
    assert order == ["soon", "hours", "a day"]


def test_a_set_of_tasks_has_the_same_order_in_every_run() -> None:
    async def story() -> list[str]:
        ended: list[str] = []

        async def work(name: str) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(name)

        tasks = {asyncio.create_task(work(str(number))) for number in range(200)}
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return ended

    first = run(story())[0]
    # Addresses differ in the second run: other objects stand where the first ones were.
    held = [object() for _ in range(1000)]
    assert run(story())[0] == first
    assert len(held) == 1000


def test_a_context_adopts_the_tasks_that_are_made_in_it() -> None:
    adopted: list[SimTask] = []

    async def child() -> None:
        await asyncio.sleep(0)

    async def story() -> None:
        await asyncio.create_task(child())
        ADOPT.set(adopted.append)
        await asyncio.create_task(child())

    run(story())
    assert len(adopted) == 1


def test_waiting_for_what_cannot_come_is_an_error() -> None:
    with pytest.raises(Fatal):
        run(asyncio.Event().wait())
