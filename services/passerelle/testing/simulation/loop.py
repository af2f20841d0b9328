"""An event loop without sockets and threads whose time jumps: when nothing is ready, it is the next timer's turn.

What runs on it runs in the same order every time. Tasks and futures are hashed by the order in which they were made and
not by their address, because code that goes through a set of tasks would else go another way in every process.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from passerelle.core.errors import Fatal

Adopt = Callable[["SimTask"], None]
ADOPT: contextvars.ContextVar[Adopt | None] = contextvars.ContextVar("simulation_adopt", default=None)
"""Told of every task that is made in a context: a simulated process keeps its own."""


class SimTask(asyncio.Task[Any]):
    """A task with a hash that is the same in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class SimFuture(asyncio.Future[Any]):
    """A future with a hash that is the same in every run."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.BaseEventLoop):
    """Time in seconds from 0. One at a time in a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._made = 0
        self.set_task_factory(_make_task)

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def numbered(self) -> int:
        """The next number of a task or future."""
        self._made += 1
        return self._made

    def create_future(self) -> asyncio.Future[Any]:
        """As the base."""
        future = SimFuture(loop=self)
        future.number = self.numbered()
        return future

    def _run_once(self) -> None:
        """What is ready, in order; where nothing is, first the next instant at which something is.

        Raises Fatal ``service-stopping`` where nothing could ever happen again.
        """
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        if not ready:
            self._pass_time(ready)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _pass_time(self, ready: deque[asyncio.Handle]) -> None:
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and not ready:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            if timer.cancelled():
                continue
            self._now = max(self._now, timer.when())
            ready.append(timer)
            while timers and timers[0].when() <= self._now:
                timer = heapq.heappop(timers)
                timer._scheduled = False
                ready.append(timer)
        if not ready:
            raise Fatal("service-stopping", "every task of the simulation waits for something that cannot come")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is left out when its turn comes."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


def _make_task(
    loop: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> SimTask:
    assert isinstance(loop, VirtualLoop)
    # The number must stand before the task is registered, so it is a class attribute for a moment.
    SimTask.number = number = loop.numbered()
    task = SimTask(work, loop=loop, **options)
    task.number = number
    adopt = ADOPT.get()
    if adopt is not None:
        adopt(task)
    return task
