"""Percentiles of durations from counts in logarithmic steps: bounded memory, and days add up to weeks and months.

A percentile is within 5 % of the exact one: half a step of :mod:`passerelle.core.durations` is 4.4 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from passerelle.core.durations import STEPS


def merge(parts: Iterable[Mapping[str, int]]) -> dict[int, int]:
    """The sum of several histograms, whose keys are steps in decimal."""
    total: dict[int, int] = {}
    for part in parts:
        for key, count in part.items():
            total[int(key)] = total.get(int(key), 0) + count
    return total


def percentile(steps: Mapping[int, int], share: float) -> int:
    """The nearest-rank percentile in whole seconds (the middle of its step). ``steps`` is not empty; 0 < share <= 1."""
    rank = math.ceil(share * sum(steps.values()))
    seen = 0
    for found in sorted(steps):
        seen += steps[found]
        if seen >= rank:
            return round(2 ** ((found + 0.5) / STEPS))
    raise ValueError("no durations were counted")
