"""A bound on the memory of a process: over it, caches go first, then the process ends so that it is started anew."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from passerelle.core.errors import Fatal
from passerelle.runtime.watchdog import Watchdog, watch

LIMIT_S: Final = 15.0
"""How long a process may stay over its bound after it gave its caches up."""
MIB: Final = 1024 * 1024
RESIDENT: Final = Gauge("passerelle_memory_resident_bytes", "Resident memory, where the system tells it.")
SHED: Final = Counter("passerelle_memory_shed", "Times that memory was over its bound and caches were given up.")
_STATM: Final = Path("/proc/self/statm")
_LOG = structlog.get_logger(__name__)


def resident_bytes() -> int | None:
    """What this process holds in memory now (Linux, proc(5)); None where the system does not tell."""
    try:
        return int(_STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


class MemoryGuard:
    """Holds resident memory against ``limit_mb`` (0: no limit). ``shed`` gives up what can be loaded again."""

    def __init__(
        self,
        limit_mb: int,
        shed: Callable[[], None] = lambda: None,
        *,
        read: Callable[[], int | None] = resident_bytes,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._limit = limit_mb * MIB
        self._shed = shed
        self._read = read
        self._over = False
        self._dog = Watchdog("memory", limit_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until ``stop``. Raises Fatal ``memory-exceeded`` where giving caches up did not help in time."""
        await watch(self._dog, self._marks, self._exceeded, stop)

    def _marks(self) -> dict[str, str]:
        held = self._read()
        if held is None:
            return {}
        RESIDENT.set(held)
        over = 0 < self._limit < held
        if over and not self._over:
            _LOG.warning("memory is over its bound: caches are given up", resident=held, limit=self._limit)
            SHED.inc()
            self._shed()
            gc.collect()
        self._over = over
        return {"resident": "over"} if over else {}

    async def _exceeded(self, still: tuple[str, ...]) -> None:
        self._dog.acted(still, "end the process")
        raise Fatal(
            "memory-exceeded",
            f"the process holds {(self._read() or 0) // MIB} MiB, its bound is {self._limit // MIB}",
            where="memory_max_mb",
        )
