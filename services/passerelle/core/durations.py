"""Durations as logarithmic steps: few enough to be counted, fine enough for percentiles.

Eight steps to each doubling, from one second on: the middle of a step is within 4.4 % of every duration in it.
"""

from __future__ import annotations

import math
from typing import Final

STEPS: Final = 8
LONGEST_S: Final = 100 * 366 * 24 * 3600
DAY_S: Final = 24 * 3600


def step(seconds: float) -> int:
    """The step of a duration; below one second counts as one second, above a hundred years as that."""
    return math.floor(math.log2(min(max(seconds, 1.0), LONGEST_S)) * STEPS)


def days_step(days: int) -> int:
    """The step of whole days; less than one counts as one."""
    return step(max(days, 1) * DAY_S)


LAST_STEP: Final = step(LONGEST_S)
"""No duration has a higher one."""
