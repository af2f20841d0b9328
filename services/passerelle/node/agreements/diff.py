"""What a new agreements file would change: granted, revised, ended, denied, and what it no longer holds."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.node.agreements.data import parser_of, rule_data
from passerelle.node.agreements.desk import CHUNK, AgreementDesk
from passerelle.node.agreements.ports import PublishedRule
from passerelle.node.agreements.table import COLUMNS, Read, Translated, agreement_row
from passerelle.node.csv_rows import RowError, RowParser

ACTIONS: Final = ("grant", "deny", "revise", "end", "unchanged", "missing", "refused")
"""``missing``: published, and not in a file that is said to be whole."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One column before and after; an empty text where it says nothing."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one agreement. ``row`` is its row in the file, 0 for one that the file lacks."""

    row: int
    id: str
    action: str
    fields: tuple[FieldChange, ...] = ()
    errors: tuple[RowError, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        fields = [{"column": one.column, "before": one.before, "after": one.after} for one in self.fields]
        return {
            "row": self.row,
            "agreement_id": self.id,
            "action": self.action,
            "fields": fields,
            "errors": [error.as_dict() for error in self.errors],
        }


def changed_fields(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """The columns that differ between two rows."""
    return tuple(
        FieldChange(name, before.get(name, ""), after.get(name, ""))
        for name in COLUMNS
        if before.get(name, "") != after.get(name, "")
    )


@dataclass(slots=True)
class Differ:
    """Compares a file with what the node last stated. Nothing is stored or sent."""

    desk: AgreementDesk
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ACTIONS, 0))
    _seen: set[bytes] = field(default_factory=set)
    _parser: RowParser | None = None

    async def run(self, read: Read, *, full: bool = False) -> AsyncIterator[Change]:
        """The changes, chunk by chunk in the file's order, what is missing last. Unchanged ones are counted only.

        Raises as :meth:`AgreementDesk.run`.
        """
        self._parser = parser_of(self.desk.home)
        async for good, errors in self.desk.checked(read):
            for change in await self._chunk(good, errors):
                self.counts[change.action] += 1
                if change.action != "unchanged":
                    yield change
        if full:
            async for change in self._missing():
                self.counts["missing"] += 1
                yield change

    async def _chunk(self, good: Sequence[Translated], errors: Sequence[RowError]) -> list[Change]:
        subjects = [self.desk.subject(row) for row in good]
        self._seen.update(_mark(subject) for subject in subjects)
        held = await self.desk.store.rules_of(subjects)
        notes = await self.desk.store.private_notes(subjects)
        found = [self._row(row, held.get(self.desk.subject(row)), notes) for row in good]
        by_row: dict[int, list[RowError]] = {}
        for error in errors:
            by_row.setdefault(error.row, []).append(error)
        found += [Change(row, "", "refused", errors=tuple(wrong)) for row, wrong in by_row.items()]
        return sorted(found, key=lambda change: change.row)

    def _row(self, row: Translated, rule: PublishedRule | None, notes: Mapping[str, str]) -> Change:
        subject = self.desk.subject(row)
        assert self._parser is not None
        data = rule_data(self._parser, row)
        if isinstance(data, list):
            return Change(row.number, subject, "refused", errors=tuple(data))
        denied = "outcome" not in data
        book, home = self.desk.book, self.desk.home
        after = agreement_row(subject, data, book, home=home, private_note=row.private_note)
        if rule is None:
            return Change(row.number, subject, "deny" if denied else "grant", changed_fields({}, after))
        before = agreement_row(
            subject, rule.data, book, home=home, private_note=notes.get(subject, ""), ended_on=rule.ended_on
        )
        return Change(row.number, subject, *_compared(before, after, rule, row.number))

    async def _missing(self) -> AsyncIterator[Change]:
        after = ""
        while ids := await self.desk.store.rule_ids(after, CHUNK):
            lacking = [name for name in ids if _mark(name) not in self._seen]
            rules = await self.desk.store.rules_of(lacking)
            for name, rule in rules.items():
                if not rule.ended_on:
                    row = agreement_row(name, rule.data, self.desk.book, home=self.desk.home)
                    yield Change(0, name, "missing", changed_fields(row, {}))
            after = ids[-1]


def _compared(
    before: Mapping[str, str], after: Mapping[str, str], rule: PublishedRule, number: int
) -> tuple[str, tuple[FieldChange, ...], tuple[RowError, ...]]:
    fields = changed_fields(before, after)
    public = [one for one in fields if one.column != "private_note"]
    if not fields:
        return "unchanged", (), ()
    denied = "outcome" not in rule.data
    if public and (rule.ended_on or denied or bool(before["no_credit_reason"]) != bool(after["no_credit_reason"])):
        what = "the agreement was ended" if rule.ended_on else "an evaluation without credit is not revised"
        fix = "End the old agreement where it still holds, and give the new one an id of its own."
        return "refused", fields, (RowError(number, "agreement_id", "record-changed", what, fix),)
    if [one.column for one in public] == ["end"] and not public[0].before:
        return "end", fields, ()
    return "revise", fields, ()


def _mark(subject: str) -> bytes:
    return hashlib.blake2b(subject.encode(), digest_size=16).digest()


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as the text of an agreements file, with its header."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
