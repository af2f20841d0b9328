"""What the portal knows about its own health, for probes, pages and logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Status:
    """Written by the follower and the witness, read by ``/readyz`` and the pages. Nothing personal is in it."""

    next_index: int = 0
    following: bool = False
    """The feed was read at least once without an error since the last one."""
    problem: str = ""
    """Code of what stops the follower now, else empty."""
    waiting_for: int | None = None
    """Index that is missing on the feed and not yet fetched again."""
    holes: int = 0
    unreadable: int = 0
    diverged: bool = False
    """A checkpoint that the log signed has another root than the tree computed here."""
    clients: int = 0
    statistics: str = "starting"
    """``following``, or the code of what keeps the statistics from being taken in: the pages do without them."""
    codes: dict[str, int] = field(default_factory=dict)
    """How often each problem was met, by code."""

    def count(self, code: str) -> None:
        """Note a problem by its code."""
        self.codes[code] = self.codes.get(code, 0) + 1

    @property
    def ready(self) -> bool:
        """Whether pages show a feed that is followed and agrees with the log."""
        return self.following and self.waiting_for is None and not self.diverged

    def snapshot(self) -> dict[str, Any]:
        """For ``/readyz`` and the health server."""
        return {
            "ready": self.ready,
            "entries": self.next_index,
            "problem": self.problem,
            "waiting_for": self.waiting_for,
            "holes": self.holes,
            "unreadable": self.unreadable,
            "diverged": self.diverged,
            "feed_clients": self.clients,
            "statistics": self.statistics,
            "problems": dict(self.codes),
        }
