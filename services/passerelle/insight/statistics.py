"""The fold: what one feed entry, or one commit's summary, changes in the rows of the statistics (pure).

Rows are small JSON objects in one mapping, by key:

=================================  ==================================================================================
``m|member``                       its first jurisdiction
``q|request``                      an articulation request: when it was asked, by whose province, of whom
``d|day|receiver|from|to``         times to decision of a day (steps of :mod:`passerelle.insight.durations`)
``a|day|from|to|outcome|reason``   decisions on recognition of a day
``l|day``                          counted events of a day that their sender dated more than 24 hours earlier
``p|month|jurisdiction``           appeals of a month; ``r|day|member|jurisdiction``: revocations of a day
``e|month|from|to|outcome``        how appeals ended; ``c|month|from|to``: days to the first decision of cases (steps)
``at|feed``, ``at|summary``        how far was counted; ``at|day``: the newest day
``at|cases``                       the first summary that counted cases
=================================  ==================================================================================

Each row holds the log index of the last entry counted in it (``s``), and takes nothing at or below it. So a repeat
changes nothing, wherever a crash fell between the writing of two rows, and counting the feed again from index 0 gives
the same rows. Days are UTC, by the ledger's ``accepted_at``: it never decreases, so no entry comes after its window;
the sender's own ``time`` decides nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final

from passerelle.core.durations import step
from passerelle.events.codec import Event
from passerelle.events.feed import Checked
from passerelle.insight.windows import CaseRow, Summary

Row = dict[str, Any]
Rows = MutableMapping[str, Row]
LATE: Final = dt.timedelta(hours=24)
SAVE_EVERY: Final = 256
"""The position is written at each counted entry, and after so many others."""
_MEMBER: Final = "member.admitted"
_REQUESTED: Final = "recognition.requested"
_ANSWERS: Final = frozenset({"recognition.granted", "recognition.denied", "recognition.confirmed"})
_DECLINED: Final = "recognition.declined"
_WITHOUT_CREDIT: Final = frozenset({"exemption", "admission", "standing"})
_APPEALED: Final = "ca.passerelle.transfer.appealed.v1"
_REVOKED: Final = "ca.passerelle.credential.revoked.v1"
_BY_MONTH: Final = frozenset({"p", "e", "c"})
_COUNTED: Final = frozenset({"d", "a", "l", "r", *_BY_MONTH})
"""Kinds of rows that count something of a day or a month."""


class Fold:
    """Counts into ``rows``. ``dirty`` collects (kind of row, day or month) of what changed, for the publisher."""

    def __init__(self, rows: Rows, *, max_rows: int, keep_days: int) -> None:
        self._rows = rows
        self._max_rows = max_rows
        self._keep_days = keep_days
        self._next: int | None = None
        self.dirty: set[tuple[str, str]] = set()
        self.left_out = 0
        self.holes = 0

    @property
    def position(self) -> int:
        """Size of the log up to which the feed was counted."""
        return max(self._next or 0, int((self._rows.get("at|feed") or {}).get("next", 0)))

    def entry(self, checked: Checked) -> bool:
        """Count one entry of the feed. False where the index was seen before."""
        index = checked.index
        fresh = self._next is None or index >= self._next
        # The first record after a start sets the position: what was before it is counted already.
        if self._next is not None and index > self._next:
            self.holes += index - self._next
        self._next = max(self._next or 0, index + 1)
        day = day_of(checked.parsed.accepted_at)
        self._turn(day, index)
        counted = checked.event is not None and self._event(checked, checked.event, day)
        if counted or index % SAVE_EVERY == 0:
            self._change("at|feed", index, lambda row: {"next": index + 1})
        return fresh

    def _event(self, checked: Checked, event: Event, day: str) -> bool:
        name, index = event.type.name, checked.index
        if name == _MEMBER:
            places = event.data["jurisdictions"]
            self._change(f"m|{event.subject}", index, lambda row: {"j": places[0]})
        elif name == _REQUESTED:
            self._requested(index, checked.parsed.accepted_at, event)
        elif name == _DECLINED:
            self._declined(index, checked.parsed.accepted_at, day, event)
        elif name in _ANSWERS:
            self._answered(index, checked.parsed.accepted_at, day, event)
        else:
            return False
        accepted = dt.datetime.fromtimestamp(checked.parsed.accepted_at / 1000, tz=dt.UTC)
        if name != _MEMBER and event.time < accepted - LATE:
            self._count(f"l|{day}", index)
        return True

    def _requested(self, index: int, at: int, event: Event) -> None:
        receiver = event.data["receiver"]
        sending, receiving = self._place(owner(event.data["achievement"])), self._place(receiver)
        if sending and receiving:
            asked = {"at": at, "from": sending, "to": receiving, "receiver": receiver}
            self._change(f"q|{event.subject}", index, lambda row: asked)

    def _declined(self, index: int, at: int, day: str, event: Event) -> None:
        asked = self._decided(event.subject, index, at, day)
        if asked is not None:
            self._count(f"a|{day}|{asked['from']}|{asked['to']}|case-by-case|", index)

    def _answered(self, index: int, at: int, day: str, event: Event) -> None:
        data = event.data
        if data.get("request"):
            self._decided(data["request"], index, at, day)
        if event.type.event == "confirmed":
            return
        receiving = self._place(data["receiver"])
        outcome, reason = decision(event)
        for sending in sorted({self._place(owner(name)) for name in leaves(data["sending"])} - {""}):
            if receiving:
                self._count(f"a|{day}|{sending}|{receiving}|{outcome}|{reason}", index)

    def _decided(self, request: str, index: int, at: int, day: str) -> Row | None:
        """Count the time that the request took; the request where this entry decided it."""
        key = f"q|{request}"
        asked = self._rows.get(key)
        if asked is None or asked.get("by", index) != index:
            return None
        self._change(key, index, lambda row: {**row, "by": index, "done": day})
        found = {str(step((at - asked["at"]) / 1000)): 1}
        self._add(f"d|{day}|{asked['receiver']}|{asked['from']}|{asked['to']}", index, found)
        return asked

    def summary(self, summary: Summary) -> None:
        """Count one commit's summary: what is known of party events is their number, by member and type, and what the
        ledger counted of cases.
        """
        last = summary.size - 1
        day = day_of(summary.accepted_at)
        since = {"at": summary.accepted_at, "from": summary.start}
        if "since" not in (self._rows.get("at|summary") or {}):
            self._change("at|summary", -1, lambda row: {"since": since, "size": 0})
        found: Tally[str] = Tally()
        for row in summary.counts:
            if row["type"] == _APPEALED:
                found[f"p|{day[:7]}|{row['jurisdiction']}"] += int(row["accepted"])
            elif row["type"] == _REVOKED:
                found[f"r|{day}|{row['member']}|{row['jurisdiction']}"] += int(row["accepted"])
        for key, count in found.items():
            if count:
                self._count(key, last, count)
        if summary.cases is not None:
            self._cases(summary.cases, day[:7], last, since)
        before = (self._rows["at|summary"].get("day") or day)[:7]
        if before < day[:7]:
            # Of cases a month is told when it is over.
            over = tuple(f"{kind}|{before}|" for kind in ("e", "c"))
            self.dirty |= {(key[0], before) for key in self._rows if key.startswith(over)}
        self._change("at|summary", last, lambda row: {**row, "size": summary.size, "day": day})

    def _cases(self, cases: Iterable[CaseRow], month: str, last: int, since: Row) -> None:
        if "at|cases" not in self._rows:
            self._change("at|cases", -1, lambda row: {"since": since})
        for row in cases:
            if not (row.sending and row.receiving):
                continue
            pair = f"{month}|{row.sending}|{row.receiving}"
            for outcome, count in row.appeals.items():
                self._count(f"e|{pair}|{outcome}", last, count)
            if row.decided:
                self._add(f"c|{pair}", last, row.decided)

    def _place(self, member: str) -> str:
        return str((self._rows.get(f"m|{member}") or {}).get("j", ""))

    def _count(self, key: str, index: int, count: int = 1) -> None:
        self._change(key, index, lambda row: {"n": row.get("n", 0) + count})

    def _add(self, key: str, index: int, found: Mapping[str, int]) -> None:
        """Add to a histogram of durations."""

        def add(row: Row) -> Row:
            steps = row.get("h", {})
            return {"h": {**steps, **{name: steps.get(name, 0) + count for name, count in found.items()}}}

        self._change(key, index, add)

    def _change(self, key: str, index: int, change: Callable[[Row], Row]) -> None:
        """Change one row, unless it has counted this index already or there is no room for it."""
        row = self._rows.get(key)
        if row is None and len(self._rows) >= self._max_rows and not key.startswith("at|"):
            self.left_out += 1
            return
        if row is not None and row["s"] >= index:
            return
        self._rows[key] = {**change(row or {}), "s": index}
        kind, _, rest = key.partition("|")
        if kind in _COUNTED:
            self.dirty.add((kind, rest.partition("|")[0]))

    def _turn(self, day: str, index: int) -> None:
        """When a new day begins, what is older than is kept goes."""
        newest = self._rows.get("at|day")
        if newest is not None and newest["day"] >= day:
            return
        self._change("at|day", index, lambda row: {"day": day})
        oldest = (dt.date.fromisoformat(day) - dt.timedelta(days=self._keep_days)).isoformat()
        for key in [key for key, row in self._rows.items() if _old(key, row, oldest)]:
            del self._rows[key]


def _old(key: str, row: Mapping[str, Any], oldest: str) -> bool:
    kind, _, rest = key.partition("|")
    if kind == "q":
        return bool(row.get("done", oldest) < oldest)
    return kind in _COUNTED and rest.partition("|")[0] < oldest[: 7 if kind in _BY_MONTH else 10]


def day_of(instant_ms: int) -> str:
    """The UTC date of an instant (Unix ms)."""
    return dt.datetime.fromtimestamp(instant_ms / 1000, tz=dt.UTC).date().isoformat()


def owner(identifier: str) -> str:
    """The member in whose namespace a thing is."""
    return identifier.partition("/")[0]


def leaves(expression: Any) -> Iterator[str]:
    """The achievements that a sending expression names."""
    if isinstance(expression, Mapping):
        for name, part in expression.items():
            if name == "achievement" and isinstance(part, str):
                yield part
            else:
                yield from leaves(part)
    elif isinstance(expression, (list, tuple)):
        for part in expression:
            yield from leaves(part)


def decision(event: Event) -> tuple[str, str]:
    """What a granted or denied rule decides, and the coded reason where it gives no credit."""
    if event.type.event == "denied":
        return "no-credit", str(event.data["reason"])
    outcome = event.data["outcome"]
    if outcome["type"] == "no-credit":
        return "no-credit", str(outcome["reason"])
    if _conditional(outcome):
        return "conditional", ""
    return ("recognised" if outcome["type"] in _WITHOUT_CREDIT else "credited"), ""


def _conditional(outcome: Mapping[str, Any]) -> bool:
    """Whether credit, in any part of the outcome, asks for a minimum grade."""
    return bool(outcome.get("conditions")) or any(_conditional(part) for part in outcome.get("of", ()))
