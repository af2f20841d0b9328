"""Watchdogs: what owes progress is looked at, and what stands still is said and acted upon.

One piece for all of them. A watchdog does not know what it watches: it is given *marks*, each a key with how far that
has come, and it says which marks stood still for too long. What owes nothing now has no mark. The owner acts (it opens
a reader anew, undoes a connection, ends the process) and tells the watchdog, which says so in the log, in the metrics
and in ``/readyz``.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge

ACTS: Final = Counter("passerelle_watchdog_acts", "Times that a watchdog found a standstill and acted.", ["watchdog"])
STILL: Final = Gauge("passerelle_watchdog_still_seconds", "How long what is watched owes progress.", ["watchdog"])
_LOG = structlog.get_logger(__name__)

Marks = Mapping[Any, Hashable]
"""What owes progress now: a key, and a value that changes whenever it moves."""
Act = Callable[[tuple[Any, ...]], Awaitable[None]]


class Watchdog:
    """Notices marks that stand for ``limit_s`` seconds. Times are handed in: any clock that never goes back."""

    def __init__(self, name: str, limit_s: float) -> None:
        self.name = name
        self.limit_s = limit_s
        self.acts = 0
        self._seen: dict[Any, tuple[Hashable, float]] = {}
        self._still_s = 0.0
        self._looked_at: float | None = None
        _present[name] = self

    @property
    def every_s(self) -> float:
        """How often it is worth looking."""
        return self.limit_s / 5

    def due(self, now: float) -> bool:
        """Whether the last look is :attr:`every_s` ago: for owners whose look costs something."""
        return self._looked_at is None or now - self._looked_at >= self.every_s

    def look(self, marks: Marks, now: float) -> tuple[Any, ...]:
        """The keys whose mark has not moved for the limit, in a fixed order; nothing is acted upon yet.

        Where nobody looked for longer than the limit, time begins anew: it was the owner that did not ask.
        """
        if self._looked_at is not None and now - self._looked_at > self.limit_s:
            self._seen = {}
        self._looked_at = now
        seen = self._seen
        self._seen = {
            key: seen[key] if key in seen and seen[key][0] == mark else (mark, now) for key, mark in marks.items()
        }
        self._still_s = max((now - since for _, since in self._seen.values()), default=0.0)
        STILL.labels(self.name).set(self._still_s)
        return tuple(sorted(key for key, (_, since) in self._seen.items() if now - since >= self.limit_s))

    def acted(self, keys: Iterable[Any], what: str) -> None:
        """The owner acts now: say so, and give what it does the whole limit to help."""
        self.acts += 1
        ACTS.labels(self.name).inc()
        named = [str(key) for key in keys]
        _LOG.warning("a watchdog acts", watchdog=self.name, still=named, limit_s=self.limit_s, act=what)
        self.rest()

    def rest(self) -> None:
        """Forget what was seen: time begins anew."""
        self._seen = {}
        self._still_s = 0.0
        STILL.labels(self.name).set(0.0)

    def health(self) -> dict[str, Any]:
        """For ``/readyz``: seconds that the slowest stands still, the limit, and how often it acted."""
        return {"still_s": round(self._still_s, 1), "limit_s": self.limit_s, "acts": self.acts}


_present: weakref.WeakValueDictionary[str, Watchdog] = weakref.WeakValueDictionary()


def watchdogs() -> dict[str, dict[str, Any]]:
    """The watchdogs of this process by name; of several with one name the latest."""
    return {name: dog.health() for name, dog in sorted(_present.items())}


async def watch(dog: Watchdog, marks: Callable[[], Marks], act: Act, stop: asyncio.Event) -> None:
    """Look again and again until ``stop``, and act on what stands still. Raises what ``act`` raises."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            still = dog.look(marks(), loop.time())
            if still:
                await act(still)
            await asyncio.wait({stopping}, timeout=dog.every_s)
    finally:
        stopping.cancel()
        dog.rest()
