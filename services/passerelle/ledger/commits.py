"""Wake-ups of those in this process that wait for commits. A hint only: a poll finds what a wake-up missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

POLL_S: Final = 0.25


class Commits:
    """``wake`` after each commit; waiters look at their condition then, and every 250 ms."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Something was committed."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def beyond(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition holds; says whether it does when the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not reached():
            left = end - loop.time()
            if left <= 0:
                return False
            waiting = asyncio.ensure_future(self._event.wait())
            try:
                await asyncio.wait({waiting}, timeout=min(left, POLL_S))
            finally:
                waiting.cancel()
        return True
