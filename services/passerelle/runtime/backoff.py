"""Pauses between tries: they grow to a bound, and differ between those that try."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from passerelle.core.errors import Unavailable

T = TypeVar("T")
_LOG = structlog.get_logger(__name__)


class Backoff:
    """Pauses that double from ``first_s`` to ``last_s``, each shortened by up to a half.

    How much is a function of ``name`` and of the number of the try: processes with different names do not come back to
    a server at one moment, and the same run can be repeated.
    """

    def __init__(self, name: str, first_s: float, last_s: float) -> None:
        self._name = name
        self._first_s = first_s
        self._last_s = last_s
        self.tries = 0

    def next_s(self) -> float:
        """Seconds to wait before the next try."""
        whole = min(self._last_s, self._first_s * 2.0 ** min(self.tries, 32))
        self.tries += 1
        return whole * (0.5 + 0.5 * (zlib.crc32(f"{self._name}/{self.tries}".encode()) / 0xFFFF_FFFF))

    def reset(self) -> None:
        """It went well: the next pause is the first one again."""
        self.tries = 0

    async def pause(self, stop: asyncio.Event) -> float:
        """Wait, but no longer than until ``stop``; the seconds that it was to be."""
        seconds = self.next_s()
        await pause(stop, seconds)
        return seconds


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until ``stop``."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()


async def patiently(work: Callable[[], Awaitable[T]], pauses: Backoff, patience_s: float) -> T:
    """Try until it goes well or ``patience_s`` seconds are over. Raises what the last try raised."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            return await work()
        except Unavailable as error:
            if loop.time() >= deadline:
                raise
            seconds = pauses.next_s()
            _LOG.warning("waits for a server", code=error.code, what=error.what, again_in_s=round(seconds, 1))
        await asyncio.sleep(seconds)
