"""What members were told before the database was lost, so that a refill tells each of them the rest and nothing twice.

The letters of one kind go to a member in order of the log, so the last one of each kind says how far it was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from passerelle.core.errors import Fatal
from passerelle.ledger.refill_ports import Letter, ToldRow

BY_INDEX: Final = ("receipts", "notice", "body")
"""The kinds that follow from entries. The others are about what spent no number: a refill makes none of them."""

InboxRow = tuple[str, int, str, int, int | None, bytes | None, int]
"""As the ledger's plan has it: member, number, kind, size, entry_index, value, created_at."""


@dataclass(slots=True)
class _Last:
    """The highest log index told, and the things named in notices about that index."""

    index: int = -1
    about: set[str] = field(default_factory=set)


class Told:
    """How far each member was told, by kind of letter."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], _Last] = {}
        self._instants: dict[str, int] = {}

    def note(self, row: ToldRow) -> None:
        """Take in a letter that was published. Raises Fatal ``ledger-diverged`` where its value cannot be read."""
        self._instants[row.member] = max(row.created_at, self._instants.get(row.member, 0))
        if row.kind not in BY_INDEX:
            return
        try:
            index, about = _reach(row)
        except (KeyError, TypeError, ValueError) as error:
            what = f"a letter of kind {row.kind} cannot be read: {type(error).__name__}"
            raise Fatal("ledger-diverged", what, where=f"inbox of {row.member}") from None
        last = self._last.setdefault((row.member, row.kind), _Last())
        if index > last.index:
            last.index, last.about = index, set()
        if index == last.index:
            last.about.add(about)

    def latest(self, member: str) -> int:
        """When the member was last told something, in Unix ms; 0 where nothing is known."""
        return self._instants.get(member, 0)

    def rest(self, rows: Sequence[InboxRow]) -> list[InboxRow]:
        """Of letters that entries give, those that were not told yet, or the part of them; numbers as they were."""
        return [left for row in rows if (left := self._rest(row)) is not None]

    def _rest(self, row: InboxRow) -> InboxRow | None:
        member, number, kind, size, entry_index, value, at = row
        last = self._last.get((member, kind))
        if last is None:
            return row
        if kind == "receipts":
            assert value is not None
            left = _outcomes_beyond(orjson.loads(value), last.index)
            return (member, number, kind, size, entry_index, orjson.dumps(left), at) if left else None
        index, about = _reach(ToldRow(member, kind, entry_index, value, at))
        told = index < last.index or (index == last.index and about in last.about)
        return None if told else row


def _reach(row: ToldRow) -> tuple[int, str]:
    """The highest index that a letter is about, and what a notice names."""
    if row.kind == "body":
        assert row.entry_index is not None
        return row.entry_index, ""
    assert row.value is not None
    value = orjson.loads(row.value)
    if row.kind == "notice":
        return int(value["index"]), str(value["about"])
    return max((int(outcome["index"]) for stream in value for outcome in stream["outcomes"]), default=-1), ""


def _outcomes_beyond(streams: list[dict[str, Any]], index: int) -> list[dict[str, Any]]:
    left = []
    for stream in streams:
        outcomes = [outcome for outcome in stream["outcomes"] if outcome["index"] > index]
        if outcomes:
            # The digest is that of the highest number, which is among those that are left.
            left.append({**stream, "from": outcomes[0]["sequence"], "outcomes": outcomes})
    return left


def as_row(letter: Letter, size: int) -> InboxRow:
    """A published letter as the inbox table keeps it. Raises Fatal ``ledger-diverged`` where it cannot be read."""
    if letter.kind != "body":
        return letter.member, letter.number, letter.kind, size, None, letter.value, letter.written_at
    try:
        index = int(orjson.loads(letter.value)["index"])
    except (KeyError, TypeError, ValueError) as error:
        what = f"a letter of kind body cannot be read: {type(error).__name__}"
        raise Fatal("ledger-diverged", what, where=f"inbox of {letter.member}, number {letter.number}") from None
    return letter.member, letter.number, letter.kind, size, index, None, letter.written_at
