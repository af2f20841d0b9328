"""The entries of the latest commits, kept in memory for the feed: what was just written need not be read back."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from passerelle.ledger.model import CommitPlan
from passerelle.ledger.outgoing_metrics import RECENT
from passerelle.ledger.outgoing_ports import FeedRow

ROWS_MAX: Final = 20_000
"""Entries that are kept; a publisher further behind reads the database."""
_BODIES_MAX: Final = 64 * 1024 * 1024
"""Bytes of public bodies that are kept."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One commit: its entries' rows in the order of the table's columns, and its public bodies by index."""

    start: int
    end: int
    entries: Sequence[tuple[Any, ...]]
    bodies: dict[int, bytes]
    size: int


class Recent:
    """A run of commits without a hole, the oldest dropped first. A hint: it may hold nothing."""

    def __init__(self, rows: int = ROWS_MAX, bodies: int = _BODIES_MAX) -> None:
        self._rows = rows
        self._bodies = bodies
        self._parts: deque[_Part] = deque()
        self._held = 0

    def add(self, plan: CommitPlan) -> None:
        """Take in what was committed."""
        if not plan.entries:
            return
        if self._parts and self._parts[-1].end != plan.size_before:
            self.clear()
        bodies = {index: body for index, _, body in plan.public_bodies}
        self._parts.append(_Part(plan.size_before, plan.size, plan.entries, bodies, sum(map(len, bodies.values()))))
        self._held += self._parts[-1].size
        while self._parts and (self._parts[-1].end - self._parts[0].start > self._rows or self._held > self._bodies):
            self._held -= self._parts.popleft().size
        RECENT.set(self._parts[-1].end - self._parts[0].start if self._parts else 0)

    def rows(self, start: int, most: int, most_bytes: int) -> list[FeedRow]:
        """The entries from ``start`` on; empty where they are not held, else at least one."""
        parts = self._parts
        while parts and parts[0].end <= start:
            self._held -= parts.popleft().size
        found: list[FeedRow] = []
        if not parts or start < parts[0].start:
            return found
        size = 0
        for part in parts:
            for row in part.entries[max(0, start - part.start) :]:
                body = part.bodies.get(row[0], b"")
                size += len(body)
                if found and (len(found) >= most or size > most_bytes):
                    return found
                found.append(FeedRow(row[0], row[2], row[11], row[12], body))
        return found

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()
        self._held = 0
        RECENT.set(0)
