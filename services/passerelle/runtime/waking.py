"""Waiting for a wake-up without a task for each wait: loops that idle do so many times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def rung_by(stop: asyncio.Event, wake: asyncio.Event) -> Iterator[None]:
    """While the block runs, ``stop`` sets ``wake`` too. A loop clears ``wake`` only once it has looked at ``stop``."""

    def ring(_stopping: object) -> None:
        wake.set()

    stopping = asyncio.ensure_future(stop.wait())
    stopping.add_done_callback(ring)
    try:
        yield
    finally:
        stopping.remove_done_callback(ring)
        stopping.cancel()


async def woken(wake: asyncio.Event, seconds: float | None = None) -> None:
    """Wait until ``wake`` is set, by somebody or after ``seconds``."""
    timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, wake.set)
    try:
        await wake.wait()
    finally:
        if timer is not None:
            timer.cancel()
