"""The only wall clock of the services."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Time as a dependency, so that tests and simulation bring their own."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def as_datetime(instant_ms: int) -> dt.datetime:
    """Unix milliseconds as an aware UTC datetime."""
    return dt.datetime.fromtimestamp(instant_ms / 1000, tz=dt.UTC)


def as_date(instant_ms: int) -> str:
    """The UTC calendar date of an instant, ``YYYY-MM-DD``."""
    return as_datetime(instant_ms).date().isoformat()
