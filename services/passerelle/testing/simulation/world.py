"""Processes that can die and hang, calls across ports, the faults that strike there, and the trace of it all."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.testing.memory_ledger import START_MS
from passerelle.testing.simulation import faults as kinds
from passerelle.testing.simulation.faults import Fault, by_call
from passerelle.testing.simulation.loop import ADOPT, SimTask

T = TypeVar("T")
LATENCY_S: Final = 0.05
SLOW_S: Final = 0.015
HANG_S: Final = 2.5
DELAY_S: Final = 1.5
RESTART_S: Final = 1.0
TASKS: Final = 32
"""Tasks of a process beyond which those that are done are forgotten."""
SLOW_BEFORE: Final = 0.1
SLOW_AFTER: Final = 0.05
"""Shares of the calls that take time before their effect, and after it."""
KAFKA: Final = ("ingress.", "inboxes.", "publish.", "node.publish", "node.read", "tails.")
"""Points that are calls of the broker; the others are calls of a database."""
JUMP_MS: Final = 600_000
"""Clocks are wrong by up to ten minutes."""


class Violation(Exception):
    """Something that must always hold does not."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant
        self.what = what


class Life:
    """One process from its start to its end. What it holds in memory goes with it."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.alive = True
        self._label = f"{name}.{number}"
        self.tasks: list[SimTask] = []
        self.at_end: list[Callable[[], None]] = []
        self._most = TASKS
        self._awake = asyncio.Event()
        self._awake.set()

    def __str__(self) -> str:
        return self._label

    def adopt(self, task: SimTask) -> None:
        """The task ends with this process."""
        self.tasks.append(task)
        if len(self.tasks) >= self._most:
            self.tasks = [one for one in self.tasks if not one.done()]
            self._most = TASKS + 2 * len(self.tasks)

    async def gate(self) -> None:
        """Wait while the process hangs. Raises CancelledError once it is dead: a dead process does nothing more."""
        while self.alive and not self._awake.is_set():
            await self._awake.wait()
        if not self.alive:
            raise asyncio.CancelledError

    @property
    def hangs(self) -> bool:
        """Whether it stands still."""
        return not self._awake.is_set()

    def hang(self) -> None:
        """Stand still at the next call."""
        self._awake.clear()

    def wake(self) -> None:
        """Go on."""
        self._awake.set()

    def end(self) -> None:
        """Die: every task is ended, and nothing that it still does has any effect."""
        if not self.alive:
            return
        self.alive = False
        for told in self.at_end:
            told()
        self._awake.set()
        for task in self.tasks:
            task.cancel()


Main = Callable[[Life], Coroutine[Any, Any, None]]


class SimClock:
    """The clock of one process: virtual time and how wrong it is. See :class:`passerelle.runtime.clock.Clock`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.skew_ms = 0

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return START_MS + int(self._world.now * 1000) + self.skew_ms

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._world.now


class World:
    """Time, chance, processes and faults of one run. Without a plan, and ``calm``, calls are simply made."""

    def __init__(self, chance: random.Random | None = None, plan: Sequence[Fault] = (), *, calm: bool = False) -> None:
        # Not for secrets: the same seed must give the same run.
        self.chance = chance or random.Random(0)  # noqa: S311
        self.calm = calm
        self.plan = tuple(plan)
        self.trace: list[tuple[float, str, str, str]] = []
        self.struck: list[Fault] = []
        self.violation: Violation | None = None
        self.over = asyncio.Event()
        self.lives: dict[str, Life] = {}
        self.clocks: dict[str, SimClock] = {}
        self._mains: dict[str, Main] = {}
        self._by_call = by_call(plan)
        self._calls: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return self._loop.time() - self._started

    def note(self, who: object, what: str, outcome: str = "") -> None:
        """A line of the trace."""
        self.trace.append((self.now, str(who), what, outcome))

    def violate(self, invariant: str, what: str) -> Violation:
        """Something is wrong: the run is over. Returns the error, to be raised."""
        found = Violation(invariant, what)
        if self.violation is None:
            self.violation = found
            self.note("law", f"violated: {invariant}", what)
            self.over.set()
        return found

    # Processes

    def clock(self, name: str) -> SimClock:
        """The clock of the machine on which a process runs."""
        return self.clocks.setdefault(name, SimClock(self))

    def start(self, name: str, main: Main) -> Life:
        """Start a process; when it ends, whatever the reason, it is started again a moment later."""
        before = self.lives.get(name)
        life = Life(name, before.number + 1 if before is not None else 1)
        self.lives[name] = life
        self._mains[name] = main
        context = contextvars.copy_context()
        context.run(ADOPT.set, life.adopt)
        self.note(life, "starts")
        task = self._loop.create_task(self._run(life, main), context=context)
        assert isinstance(task, SimTask)
        life.adopt(task)
        return life

    async def _run(self, life: Life, main: Main) -> None:
        try:
            await main(life)
        except PasserelleError as error:
            # Which errors may end a process is for the law to say; it was told before this.
            self.note(life, "ends", error.code)
        except Violation:
            return
        except Exception as error:
            self.violate("process-fails", f"{life}: {type(error).__name__}: {error}")
            raise
        self.crash(life)

    def crash(self, life: Life, *, away_s: float = 0.0) -> None:
        """The process dies now and is started again a moment after ``away_s`` seconds."""
        if not life.alive:
            return
        self.note(life, "dies")
        life.end()
        if not self.over.is_set():
            after = away_s + 0.1 + self.chance.random() * RESTART_S
            self._loop.call_later(after, self._again, life)

    def _again(self, life: Life) -> None:
        if not self.over.is_set() and self.lives.get(life.name) is life:
            self.start(life.name, self._mains[life.name])

    def hang(self, life: Life, amount: float) -> None:
        """The process stands still for a while."""
        life.hang()
        self._loop.call_later(0.5 + HANG_S * amount, life.wake)

    def end_faults(self) -> None:
        """From now on nothing new goes wrong, and clocks are right."""
        self._by_call.clear()
        for life in self.lives.values():
            life.wake()
        for clock in self.clocks.values():
            clock.skew_ms = 0
        self.note("world", "faults end")

    # Calls across ports

    async def call(self, life: Life, point: str, action: Callable[[], T]) -> T:
        """Make a call of a process at a point, with what the plan says for it.

        ``action`` is applied whole or not at all, at one instant. Raises Unavailable, CancelledError of a dead process,
        and what ``action`` raises.
        """
        if self.calm:
            return action()
        fault = self.due(point)
        if fault is None and life.alive and not life.hangs:
            # By far the most calls: one draw says whether they take time, and on which side of their effect.
            draw = self.chance.random()
            if draw < SLOW_BEFORE:
                await self._wait(life, draw / SLOW_BEFORE)
            result = self._apply(life, point, action)
            if draw > 1 - SLOW_AFTER:
                await self._wait(life, (1 - draw) / SLOW_AFTER)
            return result
        await self.before(life, point, fault)
        result = self._apply(life, point, action)
        await self.after(life, point, fault)
        return result

    async def _wait(self, life: Life, draw: float) -> None:
        await asyncio.sleep(draw * SLOW_S)
        await life.gate()

    def due(self, point: str) -> Fault | None:
        """The fault of this call of a point, None for most."""
        number = self._calls[point]
        self._calls[point] = number + 1
        return self._by_call.get((point, number))

    async def before(self, life: Life, point: str, fault: Fault | None) -> None:
        """What comes before a call is applied. Raises as :meth:`call`."""
        if not life.alive:
            raise asyncio.CancelledError
        if fault is not None:
            self.strike(life, fault)
            if fault.kind == kinds.CRASH_BEFORE:
                self.crash(life)
                raise asyncio.CancelledError
            if fault.kind == kinds.HANG:
                self.hang(life, fault.amount)
            if fault.kind == kinds.DELAY:
                await asyncio.sleep(DELAY_S * fault.amount)
        draw = self.chance.random()
        if draw < 0.3:
            await asyncio.sleep(draw * LATENCY_S)
        await life.gate()
        if fault is not None and fault.kind == kinds.FAIL:
            raise away(point)

    def _apply(self, life: Life, point: str, action: Callable[[], T]) -> T:
        try:
            result = action()
        except PasserelleError as error:
            self.note(life, point, error.code)
            raise
        except AssertionError as error:
            raise self.violate("constraint", f"{point}: {error}") from error
        self.note(life, point)
        return result

    async def after(self, life: Life, point: str, fault: Fault | None) -> None:
        """What comes between the effect of a call and its answer. Raises as :meth:`call`."""
        if fault is not None:
            if fault.kind == kinds.CRASH_AFTER:
                self.crash(life)
                raise asyncio.CancelledError
            if fault.kind == kinds.UNKNOWN:
                raise away(point)
        draw = self.chance.random()
        if draw < 0.1:
            await asyncio.sleep(draw * LATENCY_S)
            await life.gate()

    def strike(self, who: object, fault: Fault) -> None:
        """A fault comes."""
        self.struck.append(fault)
        self.note(who, "FAULT", str(fault))


def away(point: str) -> Unavailable:
    """The error of a server that does not answer."""
    if point == "ledger.commit":
        return Unavailable("commit-unknown", "the connection ended during COMMIT", where=point)
    code = "broker-unavailable" if point.startswith(KAFKA) else "database-unavailable"
    return Unavailable(code, "the server does not answer", where=point)
