"""A bound on how long the event loop may stand still: over it, a thread says where it stands and ends the process.

Work that never gives the loop back (an endless computation, a call of the system that hangs) stops all that runs in
it: watchdogs, health, the stop by signal. So this one watches from outside.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import structlog
from prometheus_client import Histogram

from passerelle.core.errors import code_info
from passerelle.runtime.watchdog import Watchdog

BEAT_S: Final = 1.0
"""Longest time between two beats of the loop."""
LAST_WORDS_S: Final = 2.0
"""Longest time for the last lines: a log that takes nothing must not hold the end up."""
CODE: Final = "loop-stalled"
LAG: Final = Histogram(
    "passerelle_loop_lag_seconds", "How late the event loop came to its beats.", buckets=(0.05, 0.25, 1, 5, 15, 60)
)
_LOG = structlog.get_logger(__name__)


class LoopGuard:
    """Entered inside the running loop, which it then watches. ``limit_s`` in seconds; 0: it measures, and ends nothing.

    A process that was frozen as a whole is not ended for it: the thread did not look meanwhile either. Where the thread
    cannot run, because the interpreter's lock is never given back, a timer of the interpreter shows the stacks and ends
    the process after two to two and a half times the limit; that timer takes no notice of a freeze.
    """

    def __init__(
        self, limit_s: float, *, end: Callable[[int], Any] = os._exit, backstop: bool = True, beat_s: float = BEAT_S
    ) -> None:
        self._limit_s = limit_s
        self._end = end
        self._backstop = backstop and limit_s > 0
        self._dog = Watchdog("event-loop", limit_s) if limit_s > 0 else None
        self._every_s = min(beat_s, limit_s / 5) if limit_s > 0 else beat_s
        self._over = threading.Event()
        self._beats = 0
        self._due = 0.0
        self._armed_at: float | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._due = time.monotonic()
        self._beat()
        if self._dog is not None:
            self._thread = threading.Thread(target=self._watch, args=(self._dog,), name="loop-guard", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._handle is not None:
            self._handle.cancel()
        if self._armed_at is not None:
            faulthandler.cancel_dump_traceback_later()
        if self._thread is not None:
            self._thread.join(LAST_WORDS_S)

    def _beat(self) -> None:
        """In the loop: that it turns, and how late it came."""
        now = time.monotonic()
        late = max(now - self._due, 0.0)
        LAG.observe(late)
        if self._dog is not None and late >= self._dog.every_s:
            _LOG.warning("the event loop stood still", seconds=round(late, 1), limit_s=self._limit_s)
        self._beats += 1
        self._arm(now)
        self._due = now + self._every_s
        self._handle = asyncio.get_running_loop().call_later(self._every_s, self._beat)

    def _arm(self, now: float) -> None:
        """Put the interpreter's timer off. It starts a thread each time, so not at every beat."""
        if not self._backstop or (self._armed_at is not None and now - self._armed_at < self._limit_s / 2):
            return
        self._armed_at = now
        faulthandler.dump_traceback_later(self._limit_s * 2.5, exit=True, file=sys.__stderr__ or sys.stderr)

    def _watch(self, dog: Watchdog) -> None:
        """In the thread: look until the end of the guard, or of the process."""
        last = time.monotonic()
        while not self._over.wait(self._every_s):
            now = time.monotonic()
            if now - last > 3 * self._every_s:
                # The thread stood still too: so it was the whole process.
                dog.rest()
            last = now
            if still := dog.look({"loop": self._beats}, now):
                self._act(dog, still)
                return

    def _act(self, dog: Watchdog, still: tuple[Any, ...]) -> None:
        last = threading.Timer(LAST_WORDS_S, self._end, (1,))
        last.daemon = True
        last.start()
        dog.acted(still, "end the process")
        what = f"the event loop stood still for {self._limit_s:g} s"
        _LOG.error("stopped", code=CODE, what=what, where="event loop", fix=code_info(CODE).fix)
        # File names, lines and functions: no values.
        faulthandler.dump_traceback(sys.__stderr__ or sys.stderr)
        last.cancel()
        self._end(1)
