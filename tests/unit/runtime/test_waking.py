"""Waiting for a wake-up: by somebody, by time, by the stop."""

from __future__ import annotations

import asyncio

from passerelle.runtime.waking import rung_by, woken


async def test_somebody_wakes_before_the_time_is_over() -> None:
    wake = asyncio.Event()
    asyncio.get_running_loop().call_soon(wake.set)
    async with asyncio.timeout(5):
        await woken(wake, 3600)
    wake.clear()
    # Nothing is left of the wait that could set it later: the next one lasts its time.
    clock = asyncio.get_running_loop().time
    start = clock()
    await woken(wake, 0.02)
    assert clock() - start >= 0.019


async def test_time_wakes_where_nobody_does() -> None:
    wake = asyncio.Event()
    async with asyncio.timeout(5):
        await woken(wake, 0.01)
    assert wake.is_set()


async def test_without_a_bound_nothing_but_a_wake_up_ends_it() -> None:
    wake = asyncio.Event()
    waiting = asyncio.create_task(woken(wake))
    done, _ = await asyncio.wait({waiting}, timeout=0.02)
    assert not done
    wake.set()
    async with asyncio.timeout(5):
        await waiting


async def test_a_stop_wakes_while_the_block_runs_and_not_after() -> None:
    stop, wake = asyncio.Event(), asyncio.Event()
    with rung_by(stop, wake):
        stop.set()
        async with asyncio.timeout(5):
            await woken(wake)
    later, quiet = asyncio.Event(), asyncio.Event()
    with rung_by(later, quiet):
        assert not quiet.is_set()
    await asyncio.sleep(0)
    quiet.clear()
    later.set()
    waiting = asyncio.create_task(quiet.wait())
    done, _ = await asyncio.wait({waiting}, timeout=0.02)
    assert not done
    waiting.cancel()
