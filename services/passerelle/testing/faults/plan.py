"""Which faults a round has: drawn from its seed, so that a round that failed can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from passerelle.testing.faults.proxy import Mode

ACTIVE: Final = "active"
"""The ledger process that holds the lease when the fault strikes."""
STANDBY: Final = "standby"
NODE: Final = "node"
PORTAL: Final = "portal"
BROKER: Final = "broker"
DATABASE: Final = "database"
LEDGER: Final = "ledger"
PROCESSES: Final = (ACTIVE, STANDBY, NODE, PORTAL)
LINKS: Final = (*(f"{process}>{server}" for process in PROCESSES for server in (BROKER, DATABASE)), "node>ledger")
"""Connections: from a process to a server; ``node>ledger`` is the gRPC of nodes and portal to both ledgers."""

KILL: Final = "kill"
RESTART: Final = "restart"
FREEZE: Final = "freeze"
TAKE_OVER: Final = "take-over"
AHEAD: Final = "clock-ahead"
BEHIND: Final = "clock-behind"
DISK_FULL: Final = "disk-full"
LINK_MODES: Final = tuple(mode.value for mode in Mode if mode is not Mode.OPEN)
MEANINGS: Final[Mapping[str, str]] = {
    KILL: "SIGKILL, and a new start",
    RESTART: "SIGTERM, the end of the work in hand, and a new start",
    FREEZE: "SIGSTOP past the lease and the session time-outs, then SIGCONT",
    TAKE_OVER: "SIGSTOP until the other ledger has taken the lease, then SIGCONT: a zombie",
    AHEAD: "its clock is ten minutes ahead",
    BEHIND: "its clock is ten minutes behind",
    DISK_FULL: "its file system has no byte left",
    Mode.CUT.value: "every connection is reset once",
    Mode.REFUSE.value: "every connection is reset, new ones are refused",
    Mode.HOLD_OUT.value: "what it sends is held, what it is sent arrives",
    Mode.HOLD_BACK.value: "what it sends arrives, what it is sent is held",
    Mode.HALF_OPEN.value: "connections are accepted and stay silent for good, open ones too",
    Mode.SLOW.value: "50 ms a piece, 256 KiB a second",
    Mode.SPLIT.value: "every byte string arrives in crumbs of at most 48 bytes",
}
PAIRS: Final = (
    *((kind, target) for kind in (KILL, RESTART, FREEZE) for target in (*PROCESSES, BROKER, DATABASE)),
    (TAKE_OVER, ACTIVE),
    *((kind, target) for kind in (AHEAD, BEHIND) for target in PROCESSES),
    (DISK_FULL, DATABASE),
    *((mode, link) for mode in LINK_MODES for link in LINKS),
)
"""Every fault with what it can hit."""
AT_ONCE: Final = frozenset({KILL, RESTART, TAKE_OVER, Mode.CUT.value})
"""Faults that have no length of their own."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How rounds look: faults begin within ``spread_s`` of the load and last ``hold_s`` (least, most)."""

    spread_s: float = 2.5
    hold_s: tuple[float, float] = (0.8, 4.0)
    further: tuple[int, ...] = (0, 1, 1, 2)
    """Further faults beside a round's first: one of these counts."""
    pairs: tuple[tuple[str, str], ...] = PAIRS


DEFAULT: Final = Shape()


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: ``kind`` hits ``target`` ``at_s`` after the load began, for ``for_s``. ``choice`` picks a node."""

    kind: str
    target: str
    at_s: float
    for_s: float
    choice: int

    @property
    def pair(self) -> tuple[str, str]:
        """What coverage counts."""
        return self.kind, self.target

    def __str__(self) -> str:
        lasting = "" if self.kind in AT_ONCE else f" for {self.for_s:.1f} s"
        return f"{self.kind} {self.target} at {self.at_s:.1f} s{lasting}"


def draw(seed: int, shape: Shape = DEFAULT) -> list[Strike]:
    """The strikes of a round, in order of time.

    The first is the seed's place in a shuffled row of all pairs, so that as many seeds in a row as there are pairs
    strike each of them; the others are drawn freely.
    """
    # Not for secrets: the same seed must give the same faults.
    chance = random.Random(seed)  # noqa: S311
    row = list(shape.pairs)
    random.Random(len(row)).shuffle(row)  # noqa: S311
    wanted = [row[seed % len(row)], *(chance.choice(row) for _ in range(chance.choice(shape.further)))]
    found = []
    for kind, target in wanted:
        at_s, for_s = chance.uniform(0.0, shape.spread_s), chance.uniform(*shape.hold_s)
        found.append(Strike(kind, target, at_s, for_s, chance.randrange(1 << 16)))
    return sorted(found, key=lambda one: one.at_s)
