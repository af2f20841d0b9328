"""The part of ``ledger check`` about what members were told: their inboxes against the entries.

Letters are kept for 30 days, so an old one may be missing. Every one that is held must say what the entries say, must
stand in its commit, and must have its number; every event, party and notice of these days must have had its letter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.core.errors import code_info
from passerelle.core.statement import FAMILIES
from passerelle.ledger.check import EntryChecker, Findings
from passerelle.ledger.check_ports import AnsweredRow, LetterRow, LetterStore

KEPT_MS: Final = 29 * 24 * 60 * 60 * 1000
"""Letters younger than this are held: one day less than they are kept for, as clocks may differ."""
PROBLEMS: Final = ("sequence-conflict", "key-not-valid")
_PROBLEM: Final = {"code", "family", "sequence", "what", "fix", "head"}
_KINDS: Final = ("receipts", "resend-from", "notice", "body", "problem")
_STREAM: Final = frozenset({"family", "from", "outcomes"})


class LetterChecker:
    """Reads every inbox once. ``refilled``: letters of the first so many entries were brought back from their topics,
    with the instants that the topics gave them, and some are gone.
    """

    def __init__(
        self, store: LetterStore, entries: EntryChecker, findings: Findings, *, now_ms: int, refilled: int, feed: int
    ) -> None:
        self._store = store
        self._entries = entries
        self._findings = findings
        self._since = now_ms - KEPT_MS
        self._refilled = refilled
        self._feed = feed
        self._all_held = not entries.instants.at or (entries.instants.at[0] >= self._since and not refilled)
        self._before: LetterRow | None = None
        self._first: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._told: dict[tuple[str, str], int] = {}
        self._boundaries: set[int] = set()
        self._odd: list[LetterRow] = []
        self._conflicts: frozenset[tuple[str, str, int]] = frozenset()
        self._heads: Mapping[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Check every letter, then what is missing."""
        self._conflicts = await self._store.conflict_places()
        self._heads = await self._store.inbox_heads()
        async for rows in self._store.letters():
            values = [_read(row) for row in rows]
            found = await self._store.answered(_indices(values))
            digests = await self._store.entry_digests(_places(rows, values))
            for row, value in zip(rows, values, strict=True):
                self._findings.add("letters")
                self._check_number(row)
                self._check_place(row)
                self._check_value(row, value, found, digests)
                self._before = row
        for row in self._odd:
            self._check_boundary(row)
        self._check_heads()
        self._check_streams()
        await self._check_missing()

    def _fault(self, row: LetterRow, what: str) -> None:
        self._findings.fault("ledger-diverged", f"inbox {row.member} {row.number}", what)

    def _loose(self, row: LetterRow) -> bool:
        return row.size <= self._refilled

    # Where a letter stands

    def _check_number(self, row: LetterRow) -> None:
        before = self._before if self._before is not None and self._before.member == row.member else None
        following = 1 if before is None else before.number + 1
        gone = not self._all_held if before is None else self._may_be_gone(before)
        if row.number < following or (row.number > following and not gone):
            self._fault(row, f"number {following} is missing before it")
        if before is not None and (row.created_at < before.created_at or row.size < before.size):
            self._fault(row, "its instant or size is before that of the letter before it")
        self._first.setdefault(row.member, row.number)
        self._last[row.member] = row.number
        published = self._heads.get(row.member, (0, 0))[1]
        if row.number <= published and row.size > self._feed:
            self._fault(row, "it counts as published, and its commit is not on the feed")

    def _may_be_gone(self, before: LetterRow) -> bool:
        return before.created_at < self._since or self._loose(before)

    def _check_place(self, row: LetterRow) -> None:
        """A commit leaves the log at one size: as many entries as there were at its instant."""
        if row.kind not in _KINDS or (row.kind == "body") != (row.entry_index is not None):
            self._fault(row, "it is of no known kind")
        if row.size < 0 or row.size > self._entries.replay.size:
            self._fault(row, "its size is beyond the log")
        elif row.size != self._size_at(row.created_at) and not self._loose(row):
            self._odd.append(row)

    def _size_at(self, instant: int) -> int:
        instants = self._entries.instants
        place = bisect_right(instants.at, instant)
        return instants.size[place - 1] if place else 0

    def _check_boundary(self, row: LetterRow) -> None:
        """Several commits at one instant: the size must be one at which some commit ended."""
        instants = self._entries.instants
        place = bisect_left(instants.at, row.created_at)
        least = instants.size[place - 1] if place else 0
        at = bisect_left(instants.size, row.size)
        ended = row.size in self._boundaries or row.size == 0 or instants.size[at : at + 1].tolist() == [row.size]
        if not ended or not least <= row.size <= self._size_at(row.created_at):
            self._fault(row, "its size is not that of a commit at its instant")

    # What a letter says

    def _check_value(
        self,
        row: LetterRow,
        value: Any,
        found: Mapping[int, AnsweredRow],
        digests: Mapping[tuple[str, str, int], bytes],
    ) -> None:
        check: dict[str, Callable[[], None]] = {
            "receipts": lambda: self._check_receipts(row, value, found),
            "problem": lambda: self._check_problem(row, value, digests),
            "resend-from": lambda: self._check_resend(row, value),
        }
        if row.kind not in check:
            return
        try:
            check[row.kind]()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._fault(row, f"its value has not the form of its kind: {type(error).__name__}")

    def _check_receipts(self, row: LetterRow, value: Any, found: Mapping[int, AnsweredRow]) -> None:
        if not value and not self._loose(row):
            self._fault(row, "it tells no outcome")
        for stream in value:
            family, outcomes = stream["family"], stream["outcomes"]
            if stream.keys() - {"digest"} != _STREAM or stream["from"] != outcomes[0]["sequence"]:
                self._fault(row, "its value has not the form of its kind")
            self._check_digest(row, stream, found)
            for outcome in outcomes:
                entry = found.get(outcome["index"])
                if entry is None or outcome != _outcome(entry) or (entry.member, entry.family) != (row.member, family):
                    self._fault(row, f"its outcome of {family} {outcome['sequence']} is not that of the entry")
                    continue
                self._entries.reworded.discard(entry.index)
                self._findings.add("outcomes told")
                self._check_told(row, entry)

    def _check_digest(self, row: LetterRow, stream: Mapping[str, Any], found: Mapping[int, AnsweredRow]) -> None:
        """The digest, which older letters lack, is that of the statement at the highest number told."""
        highest = found.get(max(stream["outcomes"], key=lambda one: one["sequence"])["index"])
        told = stream.get("digest")
        if told is not None and highest is not None and told != highest.digest.hex():
            self._fault(row, f"its digest of {stream['family']} is not that of the entry")

    def _check_told(self, row: LetterRow, entry: AnsweredRow) -> None:
        """Each number is answered in its commit, in order; told again it may be later."""
        stream = (row.member, entry.family)
        told = self._told.get(stream)
        first = told is None or entry.sequence > told
        if entry.index >= row.size:
            self._fault(row, f"it tells of index {entry.index}, which its commit does not hold")
        elif entry.index == row.size - 1:
            self._boundaries.add(row.size)
        if not first:
            if entry.accepted_at > row.created_at:
                self._fault(row, "it is older than what it tells")
            return
        self._told[stream] = entry.sequence
        if self._loose(row):
            return
        if entry.accepted_at != row.created_at:
            if told is None and not self._all_held:
                # The first answer is not held any more: this tells it again.
                return
            self._fault(row, f"its instant is not that of index {entry.index}, which it answers first")
        gap = entry.sequence > (told or 0) + 1
        before = self._before if self._before is not None and self._before.member == row.member else None
        if gap and (self._all_held or (told is not None and before is not None and not self._may_be_gone(before))):
            self._fault(row, f"{entry.family} {(told or 0) + 1} was never answered")

    def _check_problem(self, row: LetterRow, value: Any, digests: Mapping[tuple[str, str, int], bytes]) -> None:
        code, family, sequence, head = value["code"], value["family"], value["sequence"], value["head"]
        if value.keys() != {"code", "family", "sequence", "what", "fix", "head"} or head.keys() != {
            "sequence",
            "digest",
        }:
            self._fault(row, "its value has not the form of its kind")
        if code not in PROBLEMS or family not in FAMILIES:
            self._fault(row, "it names no problem or no family")
            return
        info = code_info(code)
        if (value["what"], value["fix"]) != (info.meaning, info.fix):
            self._fault(row, "its words are not those of its code")
        place = (row.member, family, int(head["sequence"]))
        expected = digests.get(place, bytes(32) if place[2] == 0 else b"")
        if head["digest"] != expected.hex():
            self._fault(row, "the head that it names is not one of the stream")
        if (
            code == "sequence-conflict"
            and (row.member, family, sequence) not in self._conflicts
            and not self._loose(row)
        ):
            self._fault(row, "no such conflict is kept")

    def _check_resend(self, row: LetterRow, value: Any) -> None:
        if value.keys() != {"family", "sequence"} or value["family"] not in FAMILIES or value["sequence"] < 1:
            self._fault(row, "its value has not the form of its kind")

    # What is missing

    def _check_heads(self) -> None:
        for member, (number, published) in self._heads.items():
            last = self._last.get(member)
            gone = self._first.get(member, number + 1) - 1
            if not gone <= published <= number or (last is None and self._all_held):
                what = f"published {published} of {number}, and letters from {gone + 1} on are held"
                self._findings.fault("ledger-diverged", f"inbox_head {member}", what)
            if last is not None and last != number:
                what = f"its number is {number}, and that of the last letter {last}"
                self._findings.fault("ledger-diverged", f"inbox_head {member}", what)
        for member in self._last.keys() - self._heads.keys():
            self._findings.fault("ledger-diverged", f"inbox_head {member}", "the row is missing")

    def _check_streams(self) -> None:
        for (member, family), head in self._entries.replay.streams.items():
            told = self._told.get((member, family))
            if (told is not None or self._all_held) and told != head.sequence and not self._refilled:
                what = f"{family} is answered up to {told or 0} of {head.sequence}"
                self._findings.fault("ledger-diverged", f"inbox {member}", what)

    async def _check_missing(self) -> None:
        for member, number, index in await self._store.body_letter_faults(self._since, self._refilled):
            self._tell(member, number, index, "letter of kind body")
        for member, number, index, value in await self._store.notice_faults(self._since, self._refilled):
            if index is None and value is not None and self._unjudged(value):
                continue
            self._tell(member, number, index, "notice")

    def _tell(self, member: str, number: int | None, index: int | None, kind: str) -> None:
        if number is None:
            self._findings.fault("ledger-diverged", f"inbox {member}", f"the {kind} of index {index} is missing")
            return
        what = f"no entry sent this {kind}" if index is None else f"this {kind} is not in the commit of index {index}"
        self._findings.fault("ledger-diverged", f"inbox {member} {number}", what)

    def _unjudged(self, value: bytes) -> bool:
        """Whether the notice is of an entry of which nobody knows whom it told."""
        try:
            index = int(orjson.loads(value)["index"])
        except (KeyError, TypeError, ValueError):
            return False
        place = bisect_left(self._entries.unjudged, index)
        return self._entries.unjudged[place : place + 1].tolist() == [index]


def _read(row: LetterRow) -> Any:
    """The value as JSON; None where it is none, or not in the one spelling that the ledger writes."""
    if row.value is None:
        return None
    try:
        value = orjson.loads(row.value)
    except orjson.JSONDecodeError:
        return None
    return value if orjson.dumps(value) == row.value else None


def _indices(values: Sequence[Any]) -> list[int]:
    """The entries that receipts name, as far as the values can be read."""
    found: set[int] = set()
    for value in values:
        for stream in value if isinstance(value, list) else ():
            outcomes = stream.get("outcomes") if isinstance(stream, dict) else None
            for outcome in outcomes if isinstance(outcomes, list) else ():
                index = outcome.get("index") if isinstance(outcome, dict) else None
                if isinstance(index, int) and 0 <= index < 2**63:
                    found.add(index)
    return sorted(found)


def _places(rows: Sequence[LetterRow], values: Sequence[Any]) -> list[tuple[str, str, int]]:
    """The heads that problems name, as far as the values can be read."""
    found = []
    for row, value in zip(rows, values, strict=True):
        if row.kind == "problem" and isinstance(value, dict) and isinstance(value.get("head"), dict):
            sequence = value["head"].get("sequence")
            if isinstance(sequence, int) and 0 <= sequence < 2**63:
                found.append((row.member, str(value.get("family")), sequence))
    return found


def _outcome(entry: AnsweredRow) -> dict[str, Any]:
    """The outcome of an entry as a receipt tells it."""
    told = {"sequence": entry.sequence, "index": entry.index}
    if entry.code is None:
        return {**told, "outcome": "accepted"}
    return {**told, "outcome": "refused", "code": entry.code, **orjson.loads(entry.refusal or "{}")}
