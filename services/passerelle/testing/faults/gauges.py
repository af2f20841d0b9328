"""Which faults come when: drawn from a seed, so that a run that failed can be drawn again.

A fault does not come after a time but when a gauge of the running network has reached a figure: entries committed,
published, promised by a checkpoint, handed to Kafka by a relay, answered to a member.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SEED_VARIABLE: Final = "PASSERELLE_FAULT_SEED"
COMMITTED: Final = "committed"
PUBLISHED: Final = "published"
PROMISED: Final = "promised"
SENT: Final = "sent"
ANSWERED: Final = "answered"
FOLLOWED: Final = "followed"
"""Entries that a portal has taken in; in its own database."""
_LOG_GAUGES: Final = (COMMITTED, PUBLISHED, PROMISED)
_NODE_GAUGES: Final = (SENT, ANSWERED)


@dataclass(frozen=True, slots=True)
class Gauge:
    """What is watched: of the log where ``member`` is empty, else of that member's node."""

    name: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.name} by {self.member}" if self.member else self.name


@dataclass(frozen=True, slots=True)
class Fault:
    """``kind`` happens to ``target`` once ``gauge`` shows at least ``at``."""

    kind: str
    target: str
    gauge: Gauge
    at: int

    def __str__(self) -> str:
        return f"{self.kind} {self.target} at {self.at} {self.gauge}"


def choose_seed() -> int:
    """The seed of this run: from the variable ``PASSERELLE_FAULT_SEED``, else a new one."""
    given = os.environ.get(SEED_VARIABLE)
    return int(given) if given else random.SystemRandom().randrange(1 << 32)


def draw_faults(
    seed: int, kinds: Sequence[tuple[str, str]], *, log_size: int, members: Sequence[str], member_size: int
) -> list[Fault]:
    """The faults of a seed: ``kinds`` (kind, target) in any order, one in each equal part of the flow.

    ``log_size`` and ``member_size`` are how far the log's and a member's gauges go in the whole flow. The last tenth is
    left free, so that every fault comes while events still flow.
    """
    # Not for secrets: the same seed must give the same faults.
    chance = random.Random(seed)  # noqa: S311
    order = list(kinds)
    chance.shuffle(order)
    faults = []
    for place, (kind, target) in enumerate(order):
        share = 0.02 + 0.88 * (place + chance.random()) / len(order)
        if chance.random() < 0.5:
            faults.append(Fault(kind, target, Gauge(chance.choice(_LOG_GAUGES)), int(share * log_size)))
        else:
            gauge = Gauge(chance.choice(_NODE_GAUGES), chance.choice(list(members)))
            faults.append(Fault(kind, target, gauge, int(share * member_size)))
    return faults
