"""What is asked for and not given: how often each caller may ask (token buckets in bounded memory), and the count."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from prometheus_client import Counter

from passerelle.runtime.clock import Clock

MAX_CALLERS: Final = 100_000
REFUSED: Final = Counter("passerelle_refused_calls", "Calls answered with an error over gRPC or HTTP.", ["code"])
"""By code of :mod:`passerelle.core.errors`: a limit that is met shows here."""


class RateLimit:
    """``rate`` tokens a second for each caller, at most ``burst`` at once; a request takes one.

    At most ``callers`` are remembered: the one that asked longest ago is forgotten first, and starts again full.
    """

    def __init__(self, rate: float, burst: int, clock: Clock, *, callers: int = MAX_CALLERS) -> None:
        """Raises ValueError unless all are positive."""
        if rate <= 0 or burst < 1 or callers < 1:
            raise ValueError("a rate limit needs a positive rate, burst and number of callers")
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._most = callers
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, caller: str) -> float:
        """0.0 and one token fewer; or the seconds until there is one, and nothing is taken."""
        now = self._clock.monotonic()
        tokens, at = self._buckets.pop(caller, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + max(0.0, now - at) * self._rate)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self._rate
