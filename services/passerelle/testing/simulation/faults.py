"""Which faults there are and at which points of the network they can come, and the plan of faults of one seed.

A point is one kind of call across a port. A fault comes at its n-th call there, so that a plan is a short list, and a
shorter list is another plan: that is how a failing run is made small.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CRASH_BEFORE: Final = "crash-before"
"""The process dies; the call was not applied."""
CRASH_AFTER: Final = "crash-after"
"""The process dies; the call was applied and nobody knows."""
FAIL: Final = "fail"
"""The server is away: not applied."""
UNKNOWN: Final = "applied-and-failed"
"""Applied, and reported as failed."""
HANG: Final = "hang"
"""The process stands still before the call for longer than a lease, then goes on as if nothing had been."""
DELAY: Final = "delay"
"""The call takes up to two seconds."""
PARTIAL: Final = "partial"
"""A beginning of each topic's records is written, then the write is reported as failed."""
LATE: Final = "late"
"""Reported as failed, and written after all while others go on."""
DUPLICATE: Final = "duplicate"
"""Written twice in a row: a producer without memory of itself tries again."""

AT_TIME: Final = "time"
"""The point of what comes at a time, in virtual milliseconds, and not at a call."""
CLOCK: Final = "clock-jump"
EXPIRE: Final = "inbox-expired"
FORGET: Final = "positions-forgotten"
REVOKE: Final = "key-revoked"
EQUIVOCATE: Final = "equivocation"
REPLAY: Final = "replay"
FORGE: Final = "forgery"
GAP: Final = "gap"
POISON: Final = "poison"
KILL: Final = "kill"
OUTAGE: Final = "outage"
"""A process dies, mostly at the beginning, and stays away for seconds."""
UNFOUNDED: Final = "unfounded-reference"
RESTORE: Final = "node-restored"
"""A node's database comes back as it was some time before."""
RESTORE_LEDGER: Final = "ledger-restored"
"""The ledger's database comes back as it was some time before."""
OTHERS: Final = (EQUIVOCATE, REPLAY, FORGE, GAP, POISON, UNFOUNDED)
"""What a member that keeps no rules does."""

_ENDS: Final = (CRASH_BEFORE, CRASH_AFTER)
_READ: Final = (FAIL, DELAY, HANG, CRASH_BEFORE)
_WRITE: Final = (FAIL, UNKNOWN, DELAY, HANG, *_ENDS)
_SEND: Final = (*_WRITE, PARTIAL, LATE, DUPLICATE)

POINTS: Final[Mapping[str, tuple[tuple[str, ...], int]]] = {
    "ledger.load": (_READ, 1),
    "ledger.answer": (_READ, 6),
    "ledger.commit": (_WRITE, 10),
    "ledger.floor": (_WRITE, 5),
    "ingress.open": (_READ, 1),
    "ingress.fetch": (_READ, 15),
    "inboxes.ensure": (_READ, 2),
    "lease.take": ((FAIL, UNKNOWN, DELAY), 2),
    "lease.renew": (_WRITE, 10),
    "out.positions": (_READ, 1),
    "out.feed": (_READ, 20),
    "out.save-feed": (_WRITE, 8),
    "out.inboxes": (_READ, 25),
    "out.save-inboxes": (_WRITE, 8),
    "out.members": (_READ, 3),
    "out.save-registry": (_WRITE, 3),
    "out.summaries": (_READ, 12),
    "out.drop-summaries": (_WRITE, 5),
    "out.unverified": (_READ, 12),
    "out.drop-unverified": (_WRITE, 1),
    "publish.feed": (_SEND, 6),
    "publish.inbox": (_SEND, 8),
    "publish.registry": (_SEND, 1),
    "publish.summary": (_SEND, 4),
    "publish.refused": (_SEND, 1),
    "publish.checkpoint": (_SEND, 2),
    "tails.read": (_READ, 1),
    "refill.read": (_READ, 3),
    "refill.write": (_WRITE, 2),
    "checkpoints.roots": (_READ, 5),
    "checkpoints.add": (_WRITE, 3),
    "checkpoints.show": (_WRITE, 3),
    "node.release": (_WRITE, 15),
    "node.open-rows": (_READ, 8),
    "node.publish": (_SEND, 6),
    "node.note-sent": (_WRITE, 5),
    "node.sign-again": (_WRITE, 2),
    "node.read": (_READ, 15),
    "node.take-inbox": (_WRITE, 8),
    "node.take-feed": (_WRITE, 12),
    "node.put-members": (_WRITE, 5),
    "node.put-checkpoint": (_WRITE, 4),
    "node.ask-ledger": (_READ, 4),
    "node.compare": (_READ, 6),
    "node.take-back": (_WRITE, 3),
    "witness.advance": (_WRITE, 2),
    "witness.deliver": (_WRITE, 2),
    "witness.tile": (_READ, 3),
}
"""Point -> what can happen there, and at about which call it is felt in the middle of a run."""

TIMED: Final = (
    RESTORE, RESTORE, RESTORE_LEDGER, RESTORE_LEDGER, CLOCK, EXPIRE, FORGET, REVOKE, KILL, OUTAGE, OUTAGE, *OTHERS,
)  # fmt: skip
FAULTS_MAX: Final = 10
"""Most faults of one seed, what others do included."""
TIMED_SHARE: Final = 0.35


@dataclass(frozen=True, slots=True)
class Fault:
    """``kind`` at the ``nth`` call of ``point`` from 0, or at ``nth`` ms; ``amount`` in 0 to 1 says how much of it."""

    kind: str
    point: str
    nth: int
    amount: float

    def __str__(self) -> str:
        place = f"at {self.nth} ms" if self.point == AT_TIME else f"at call {self.nth} of {self.point}"
        return f"{self.kind} {place} ({self.amount:.3f})"


def pairs() -> list[tuple[str, str]]:
    """Every (kind, point) that can be drawn."""
    at_calls = [(kind, point) for point, (kinds, _) in POINTS.items() for kind in kinds]
    return at_calls + [(kind, AT_TIME) for kind in dict.fromkeys(TIMED)]


# What few calls go through is drawn more often, so that it is not left to the others.
_CALLS: Final = [
    (kind, point)
    for kind, point in pairs()
    if point != AT_TIME
    for _ in range(3 if point.startswith(("witness.", "publish.", "refill.")) else 1)
]


def draw(chance: random.Random, end_ms: int) -> list[Fault]:
    """The plan of a seed: none to ``FAULTS_MAX`` faults, all before ``end_ms``."""
    plan: list[Fault] = []
    for _ in range(chance.randrange(FAULTS_MAX + 1)):
        if chance.random() < TIMED_SHARE:
            kind = chance.choice(TIMED)
            latest = end_ms // 3 if kind == OUTAGE else end_ms
            plan.append(Fault(kind, AT_TIME, chance.randrange(latest), chance.random()))
        else:
            kind, point = chance.choice(_CALLS)
            nth = int(chance.expovariate(1 / POINTS[point][1]))
            plan.append(Fault(kind, point, nth, chance.random()))
    return plan


def by_call(plan: Sequence[Fault]) -> dict[tuple[str, int], Fault]:
    """The faults that come at calls, by point and number; of two at one call the first counts."""
    found: dict[tuple[str, int], Fault] = {}
    for fault in plan:
        if fault.point != AT_TIME:
            found.setdefault((fault.point, fault.nth), fault)
    return found
