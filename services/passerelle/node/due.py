"""Deadlines of the office's cases: decisions that are due, overdue, and appeals that can still come."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.errors import NotFound
from passerelle.node.case_ports import WorkStore
from passerelle.node.case_texts import DEADLINES, pick
from passerelle.node.transfers import CaseView, Transfers
from passerelle.runtime.clock import Clock, as_date

PAGE: Final = 500
UNDECIDED: Final = frozenset({"requested", "information-requested", "appealed"})
ORDER: Final = ("overdue", "due-soon", "appeal-ends")


@dataclass(frozen=True, slots=True)
class Deadline:
    """One date of a case. ``days`` until it from today, negative once it is past; ``kind``: one of ``ORDER``."""

    case: str
    kind: str
    due_on: str
    days: int
    state: str
    sender: str

    def as_dict(self, language: str = "en") -> dict[str, Any]:
        """JSON-able, with a sentence in the language."""
        return {
            "case": self.case,
            "kind": self.kind,
            "due_on": self.due_on,
            "days": self.days,
            "state": self.state,
            "sender": self.sender,
            "what": pick(DEADLINES, self.kind, language),
        }


def deadline_of(view: CaseView, today: str, within: int) -> Deadline | None:
    """The next date of a case within so many days of ``today`` (UTC), or past; None where there is none."""
    if view.state in UNDECIDED and view.due_on:
        days = _days(today, view.due_on)
        kind = "overdue" if days < 0 else "due-soon"
        due_on = view.due_on
    elif view.state in {"decided", "posted", "closed"} and view.appeal_by and not view.final:
        days, kind, due_on = _days(today, view.appeal_by), "appeal-ends", view.appeal_by
        if days < 0:
            return None
    else:
        return None
    return Deadline(view.id, kind, due_on, days, view.state, view.sender) if days <= within else None


def _days(today: str, day: str) -> int:
    return (dt.date.fromisoformat(day) - dt.date.fromisoformat(today)).days


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The use cases. Time is the clock's, so that a schedule can be tried out."""

    store: WorkStore
    transfers: Transfers
    clock: Clock

    async def due(self, *, within: int, remind: bool = False) -> list[Deadline]:
        """The deadlines within so many days and those past, most urgent first.

        ``remind``: only those of which the office was not told before, each kind and date of a case once; it is told
        now. A schedule can so call this as often as it likes.
        """
        now_ms = self.clock.now_ms()
        today = as_date(now_ms)
        found = [one async for view in self._views() if (one := deadline_of(view, today, within)) is not None]
        if remind:
            told = await self.store.remind([(one.case, one.kind, one.due_on) for one in found], now_ms)
            found = [one for one in found if (one.case, one.kind, one.due_on) in told]
        return sorted(found, key=lambda one: (ORDER.index(one.kind), one.days, one.case))

    async def _views(self) -> AsyncIterator[CaseView]:
        after = ""
        while rows := await self.store.received_cases(after, PAGE):
            after = rows[-1].id
            for row in rows:
                try:
                    yield await self.transfers.view(row.id)
                except NotFound:
                    # Opened, and its first event was refused: there is nothing to decide.
                    continue
