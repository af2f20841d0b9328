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
from typing import Any, TypeVarTuple

from passerelle.core.errors import Fatal

Ts = TypeVarTuple("Ts")
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


class Call:
    """What will be called, now or at a time: what :class:`asyncio.TimerHandle` is elsewhere, with less to do."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_when")

    def __init__(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: contextvars.Context | None, when: float
    ) -> None:
        self._callback, self._args, self._when = callback, args, when
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False

    def cancel(self) -> None:
        """Nothing is called; it is left out when its turn comes."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """Whether nothing will be called."""
        return self._cancelled

    def when(self) -> float:
        """Virtual seconds."""
        return self._when

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        """Its turn. What it raises is told to the loop, as everywhere."""
        if not self._cancelled:
            try:
                self._context.run(self._callback, *self._args)
            except Exception as error:  # noqa: BLE001
                loop.call_exception_handler({"message": "a callback failed", "exception": error})


class VirtualLoop(asyncio.BaseEventLoop):
    """Time in seconds from 0. One at a time in a thread."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._made = 0
        self._stopping = False
        self._calls: deque[Call] = deque()
        # By time, and by number where two come at one time.
        self._timers: list[tuple[float, int, Call]] = []

    def time(self) -> float:
        """Virtual seconds."""
        return self._now

    def numbered(self) -> int:
        """The next number of a task, future or timer."""
        self._made += 1
        return self._made

    def create_future(self) -> asyncio.Future[Any]:
        """As the base."""
        future = SimFuture(loop=self)
        future.number = self._made = self._made + 1
        return future

    def create_task(
        self,
        work: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
        *,
        name: object = None,
        context: contextvars.Context | None = None,
    ) -> SimTask:
        """As the base; tasks have no names."""
        # The number must stand before the task is registered, so it is a class attribute for a moment.
        SimTask.number = number = self.numbered()
        task = SimTask(work, loop=self, context=context)
        task.number = number
        adopt = ADOPT.get()
        if adopt is not None:
            adopt(task)
        return task

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> Any:
        """As the base."""
        call = Call(callback, args, context, self._now)
        self._calls.append(call)
        return call

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> Any:
        """As the base."""
        call = Call(callback, args, context, when)
        heapq.heappush(self._timers, (when, self.numbered(), call))
        return call

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> Any:
        """As the base."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _run_once(self) -> None:
        """What is ready, in order, until the loop is stopped; where nothing is, first the next instant at which
        something is.

        Raises Fatal ``service-stopping`` where nothing could ever happen again.
        """
        calls = self._calls
        while not self._stopping:
            if not calls:
                self._pass_time()
            call = calls.popleft()
            call.run(self)

    def _pass_time(self) -> None:
        timers = self._timers
        while timers:
            when, _, call = heapq.heappop(timers)
            if not call.cancelled():
                self._now = max(self._now, when)
                self._calls.append(call)
                return
        raise Fatal("service-stopping", "every task of the simulation waits for something that cannot come")

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""
