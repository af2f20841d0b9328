"""Agreements in: a file becomes rows of the kind ``recognitions``, and the registrar's import does the rest.

Identity, difference, versions, drafts and the outbox are the import's. What is added here: the cells of a transfer
guide, whether the courses are known and which was meant, agreements that were ended, and private notes. Memory is flat:
what is read is written to a table beside, and that is imported.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import orjson

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import Book
from passerelle.node.agreements.data import parser_of, rule_data
from passerelle.node.agreements.ports import AgreementStore, PublishedRule
from passerelle.node.agreements.table import BACK, KIND, TARGET, Read, Translated, agreement_row
from passerelle.node.csv_cells import nearest
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_report import ImportReport
from passerelle.node.csv_rows import RowError, RowParser, row_error
from passerelle.node.plan import Wanted
from passerelle.node.ports import ImportChunk

CHUNK: Final = 500
MAX_KNOWN: Final = 200_000
"""Courses remembered as known, and at most so many offered as the one that was meant."""
MAX_NEAR: Final = 20_000
Progress = Callable[[int, int], None]


class Store(AgreementStore, Protocol):
    """The agreements' store, and the transaction of an import to look things up in."""

    def import_chunk(self) -> AbstractAsyncContextManager[ImportChunk]:
        """See :class:`passerelle.node.ports.DraftStore`."""


class Importing(Protocol):
    """The registrar's import."""

    async def run(
        self, path: Path, *, kind: str | None = None, dry_run: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """See :class:`passerelle.node.importer.Importer`."""


@dataclass(slots=True)
class Courses:
    """Which achievements are known, and which one was meant. Bounded memory."""

    store: Store
    _known: set[str] = field(default_factory=set)
    _near: dict[str, list[str]] = field(default_factory=dict)

    async def unknown(self, names: Iterable[str]) -> set[str]:
        """Those of the achievements that were neither seen in the ledger nor made here."""
        asked = set(names) - self._known
        if not asked:
            return set()
        things = frozenset(f"achievement:{name}" for name in asked)
        async with self.store.import_chunk() as chunk:
            found = (await chunk.load(Wanted(frozenset(), things))).things
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        known = {name for name in asked if f"achievement:{name}" in found}
        self._known |= known
        return asked - known

    async def meant(self, name: str) -> str:
        """The known achievement of the same member that is closest, or an empty text."""
        member = name.partition("/")[0]
        if member not in self._near:
            if len(self._near) >= 16:
                self._near.clear()
            self._near[member] = await self.store.achievements_of(member, MAX_NEAR)
        local = name.partition("/")[2]
        # Only those that start alike: comparing with every course of a large institution would take too long.
        alike = [one for one in self._near[member] if one.partition("/")[2][:2].upper() == local[:2].upper()]
        by_low = {one.lower(): one for one in alike}
        return by_low.get(nearest(name, tuple(by_low)), "")


@dataclass(slots=True)
class AgreementDesk:
    """Takes agreements in. ``hold_unknown``: rules about courses that nobody has published yet are held back."""

    store: Store
    book: Book
    home: str
    hold_unknown: bool = False

    def subject(self, row: Translated) -> str:
        """The rule's id."""
        return row.id if row.id.startswith(f"{self.home}/") else f"{self.home}/{row.id}"

    async def checked(self, read: Read) -> AsyncIterator[tuple[list[Translated], list[RowError]]]:
        """The agreements chunk by chunk, without those that are wrong, and what is wrong."""
        courses = Courses(self.store)
        chunk: list[Translated] = []
        errors: list[RowError] = []
        for found in read():
            if isinstance(found, Translated):
                chunk.append(found)
            else:
                errors += found
            if len(chunk) + len(errors) >= CHUNK:
                yield await self._sorted(chunk, errors, courses)
                chunk, errors = [], []
        yield await self._sorted(chunk, errors, courses)

    async def _sorted(
        self, chunk: list[Translated], errors: list[RowError], courses: Courses
    ) -> tuple[list[Translated], list[RowError]]:
        unknown = set() if self.hold_unknown else await courses.unknown(n for row in chunk for n in row.achievements)
        good = []
        for row in chunk:
            missing = [name for name in row.achievements if name in unknown]
            for name in missing:
                meant = await courses.meant(name)
                fix = f"Did you mean '{meant}'?" if meant else "Correct it, or import with --hold-unknown."
                what = f"no course or programme {name} was seen on the network"
                sent = row.cells["sending"]
                column = "sending" if f'"{name}"' in sent else "receiving"
                errors.append(row_error(row.number, column, "reference-unknown", what, fix))
            if not missing:
                good.append(row)
        return good, errors

    async def run(
        self, read: Read, importer: Importing, *, dry_run: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """Import agreements, or with ``dry_run`` say what would happen.

        Raises FormatError where the file cannot be read at all, Unavailable. Errors stand at the file's own columns.
        """
        refused: list[RowError] = []
        unchanged, parser = 0, parser_of(self.home)
        with tempfile.TemporaryDirectory(prefix="agreements-") as folder:
            table, notes = Path(folder) / "agreements.csv", Path(folder) / "notes.jsonl"
            rows = 0
            with table.open("w", encoding="utf-8", newline="") as out, notes.open("wb") as kept:
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow(TARGET)
                at, looked_at = 1, 0
                async for good, errors in self.checked(read):
                    looked_at += len(good) + len({error.row for error in errors})
                    if progress is not None:
                        # How many there are is known after the first reading only.
                        progress(looked_at, 0)
                    good, same, final = await self._settled(good, parser)
                    unchanged += len(same)
                    refused += [*errors, *final]
                    for row in good:
                        # An empty line is a row that the import passes: numbers stay those of the file.
                        out.write("\n" * (row.number - at - 1))
                        writer.writerow([row.cells.get(name, "") for name in TARGET])
                        at = row.number
                        rows += 1
                    for row in (*good, *same):
                        kept.write(orjson.dumps([row.number, self.subject(row), row.private_note]) + b"\n")
            report = await self._import(table, rows, importer, dry_run, progress)
            _join(report, refused, unchanged)
            if not dry_run:
                await self._keep_notes(notes, {error.row for error in report.errors})
        return report

    async def _import(
        self, table: Path, rows: int, importer: Importing, dry_run: bool, progress: Progress | None
    ) -> ImportReport:
        if not rows:
            return ImportReport(FORMS[KIND].kind, dry_run)
        try:
            return await importer.run(table, kind=KIND, dry_run=dry_run, progress=progress)
        except FormatError as error:
            # The table beside is ours: its name means nothing to the person who imports.
            raise FormatError(
                error.code, error.what, where=error.where.replace(str(table), ""), fix=error.fix
            ) from None

    async def _settled(
        self, rows: list[Translated], parser: RowParser
    ) -> tuple[list[Translated], list[Translated], list[RowError]]:
        """The rows to import, those that say what is recorded already, and errors for those of ended rules.

        A rule may have been stated otherwise than by a file: by an answer to a request, for example.
        """
        held = await self.store.rules_of([self.subject(row) for row in rows])
        good, same, errors = [], list[Translated](), list[RowError]()
        for row in rows:
            rule = held.get(self.subject(row))
            if rule is None:
                good.append(row)
            elif rule.ended_on:
                if self._ended_alike(rule, row):
                    same.append(row)
                else:
                    fix = "Give the new agreement an id of its own."
                    errors.append(row_error(row.number, "agreement_id", "state-final", "the agreement was ended", fix))
            else:
                stated = {name: value for name, value in rule.data.items() if name != "version"}
                (same if rule_data(parser, row) == stated else good).append(row)
        return good, same, errors

    def _ended_alike(self, rule: PublishedRule, row: Translated) -> bool:
        told = agreement_row(rule.subject, rule.data, self.book, home=self.home, ended_on=rule.ended_on)
        return told["end"] == row.cells["valid_to"] and told["begin"] == row.cells["valid_from"]

    async def _keep_notes(self, path: Path, refused: set[int]) -> None:
        notes: dict[str, str] = {}
        with path.open("rb") as lines:
            for line in lines:
                number, subject, note = orjson.loads(line)
                if number not in refused:
                    notes[subject] = note
                if len(notes) >= CHUNK:
                    await self.store.put_private_notes(notes)
                    notes = {}
        if notes:
            await self.store.put_private_notes(notes)


def _join(report: ImportReport, refused: Sequence[RowError], unchanged: int) -> None:
    """Put what was found before the import into its report, and its errors back at the file's columns."""
    report.errors[:] = [replace(error, column=BACK.get(error.column, error.column)) for error in report.errors]
    before = report.refused
    report.refuse(refused)
    report.rows += report.refused - before + unchanged
    report.unchanged += unchanged
    report.errors.sort(key=lambda error: error.row)


def rows_of(store: AgreementStore, book: Book, home: str, *, receiver: str = "") -> AsyncIterator[dict[str, str]]:
    """The member's own rules as rows of an agreements file, in order of id; of one receiver where it is named."""
    return _rows(store, book, home, receiver)


async def _rows(store: AgreementStore, book: Book, home: str, receiver: str) -> AsyncIterator[dict[str, str]]:
    async for rule, note in stated_rules(store, receiver):
        yield agreement_row(rule.subject, rule.data, book, home=home, private_note=note, ended_on=rule.ended_on)


async def stated_rules(store: AgreementStore, receiver: str = "") -> AsyncIterator[tuple[PublishedRule, str]]:
    """The member's own rules with their private notes, in order of id; of one receiver where it is named."""
    after = ""
    while ids := await store.rule_ids(after, CHUNK):
        rules = await store.rules_of(ids)
        notes = await store.private_notes(ids)
        for name in ids:
            rule = rules.get(name)
            if rule is not None and receiver in {"", str(rule.data["receiver"])}:
                yield rule, notes.get(name, "")
        after = ids[-1]
