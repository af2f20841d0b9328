"""Imports a file: scan it for records that contradict each other, then plan and store it chunk by chunk.

A row is taken whole or not at all, and a wrong row stops no other. The file is read twice, and once more where record
ids repeat, so that memory does not grow with it. Every format comes through here as sections of rows in our own
columns.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError, Refused
from passerelle.node.author import Author
from passerelle.node.csv_cells import nearest
from passerelle.node.csv_forms import FORMS, Form
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_report import MAX_CHANGES, ImportReport, Missing
from passerelle.node.csv_rows import Row, RowError, RowParser, from_refusal, read_header, row_error, shape
from passerelle.node.difference import Change, content_changes, person_changes, published
from passerelle.node.formats.opening import Options, open_file
from passerelle.node.formats.ports import Reading, Section
from passerelle.node.grade_check import GradeCheck
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner, Person, Vault
from passerelle.node.plan import Desk, Known, Planned
from passerelle.node.plan_quick import EVENTS, SMALL_ROW, Lot, QuickLane
from passerelle.node.planner import COMPARED, plan, wanted
from passerelle.node.ports import ImportChunk, ImportRun, ImportStore, SealedResult, Writes
from passerelle.node.records import Record, RecordKeys, record_kind
from passerelle.node.scan import BUCKETS, Scan, Spill, scan
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import Ids

CHUNK_ROWS: Final = 500
DRY_CHUNK_ROWS: Final = 4_000
"""A dry run stores nothing and holds no lock, so that it can ask the database less often."""
_PLAIN: Final = frozenset({"credentials", "amendments"})
Progress = Callable[[int, int], None]
"""Told how many rows of how many are done."""
_Line = tuple[RawRow, Row]


@dataclass(slots=True)
class Table:
    """A section whose header was read: ``rows`` are those below it."""

    form: Form
    parser: RowParser
    rows: Iterator[RawRow]


def open_table(section: Section, home: str) -> Table:
    """Read a section's header. Raises FormatError for a header that does not fit its kind."""
    rows = section.rows()
    header = next(rows, None)
    if header is None:
        raise FormatError("file-empty", "the file holds no row")
    if header.code:
        raise FormatError(header.code, header.what, where=f"{section.place} {header.number}")
    form = FORMS[section.kind]
    return Table(form, read_header(form, header.cells, home), rows)


@dataclass(slots=True)
class _Part:
    """A section with what its first reading found; ``held``: the keyed hashes of its records."""

    section: Section
    scanned: Scan
    held: Spill | None


@dataclass(slots=True)
class _Run:
    """One import: what it was asked, what it found so far."""

    options: Options
    report: ImportReport
    progress: Progress | None
    total: int = 0
    done: int = 0
    carried: Known = field(default_factory=Known)
    """What a dry run's earlier rows would have done."""
    stored: ImportRun | None = None
    grades: GradeCheck = field(default_factory=GradeCheck)


class _Counted:
    """Identifiers of a dry run: nobody sees them, and random ones cost more than the row."""

    def uuid7(self) -> str:
        """The same each time."""
        return "00000000-0000-7000-8000-000000000000"

    uuid4 = uuid7

    def random(self, size: int) -> bytes:
        """Zeros."""
        return bytes(size)


@dataclass(slots=True)
class Importer:
    """The use case. ``run`` reads, plans and stores; what it returns holds no value of any personal cell."""

    store: ImportStore
    author: Author
    vault: Vault
    keys: RecordKeys
    clock: Clock
    ids: Ids
    home: str
    missing_percent: float = 5.0
    """Of a file that is whole: the share of known records that may be missing without a confirmation."""

    async def run(
        self,
        path: Path,
        *,
        kind: str | None = None,
        dry_run: bool = False,
        options: Options | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import a file, or with ``dry_run`` only say what would happen. Raises FormatError, Unavailable."""
        asked = options or Options(kind=kind, dry_run=dry_run)
        try:
            before = path.stat()
            with ExitStack() as stack:
                # What the process holds already is not garbage: looking it through costs a fifth of a dry run.
                stack.callback(gc.unfreeze)
                gc.freeze()
                reading = open_file(path, home=self.home, options=asked)
                run = _Run(asked, _report(reading, asked), progress)
                parts = [await self._scan(section, run, stack) for section in reading.sections]
                run.total = sum(part.scanned.rows for part in parts)
                await self._whole(parts, run)
                await self._store(parts, run)
            after = path.stat()
        except OSError as error:
            what = f"the file cannot be read: {error.strerror}"
            raise FormatError("file-unreadable", what, where=str(path)) from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            what = "the file changed while it was read"
            raise FormatError("file-unreadable", what, where=str(path), fix="Import it again once it is complete.")
        return run.report

    async def _scan(self, section: Section, run: _Run, stack: ExitStack) -> _Part:
        table = open_table(section, self.home)
        asks = section.kind in COMPARED and run.options.renumbered != "new"
        needed = run.options.full or (asks and await self.store.compares(record_kind(section.kind)))
        keys = self.keys if needed else None
        scanned, held = scan(
            table.parser, table.rows, lambda: open_table(section, self.home).rows, self.ids.random(32), keys
        )
        if held is not None:
            stack.enter_context(held)
        return _Part(section, scanned, held)

    async def _whole(self, parts: Sequence[_Part], run: _Run) -> None:
        """Look for known records that a whole file does not hold. Raises FormatError ``records-missing``."""
        for part in parts if run.options.full else ():
            kind = part.section.kind
            if part.held is None or kind == "amendments":
                continue
            found = Missing(kind, await self.store.count_records(record_kind(kind)))
            for bucket in range(BUCKETS):
                held = frozenset(part.held.bucket(bucket))
                for record in await self.store.records_between(record_kind(kind), f"{bucket:02x}"):
                    if bytes.fromhex(record["key"]) not in held:
                        found.add({name: record[name] for name in ("kind", "thing", "status")})
            run.report.missing.append(found)
            if found.percent > self.missing_percent and not (run.options.confirm or run.options.dry_run):
                what = f"{found.count} of {found.known} known {kind} are not in the file, which is said to be whole"
                fix = "See which with --dry-run --full; if they are to be missing, import again with --confirm."
                raise FormatError("records-missing", what, fix=fix)

    async def _store(self, parts: Sequence[_Part], run: _Run) -> None:
        report = run.report
        if not run.options.dry_run:
            now = self.clock.now_ms()
            held_until = now + run.options.undo_ms if run.options.undo_ms else None
            run.stored = ImportRun(self.ids.uuid7(), now, held_until)
            report.run, report.held_until = run.stored.id, held_until
            await self.store.begin_import(run.stored, report.kind)
        for part in parts:
            report.enter(part.section.kind, part.scanned.rows)
            await self._rows(part, run)
        if run.stored is not None:
            await self.store.end_import(run.stored, report)

    async def _rows(self, part: _Part, run: _Run) -> None:
        table, dry = open_table(part.section, self.home), run.options.dry_run
        short = dry and table.form.kind in EVENTS
        lane = QuickLane(table.parser, self.keys, compared=part.held is not None) if short else None
        # The first rows of a dry run are few: they teach the short way.
        size = CHUNK_ROWS
        while raws := list(islice(table.rows, size)):
            await self._batch(part, table, raws, lane, run)
            run.done += len(raws)
            size = DRY_CHUNK_ROWS if dry else CHUNK_ROWS
            if run.progress is not None:
                run.progress(run.done, run.total)

    async def _batch(
        self, part: _Part, table: Table, raws: Sequence[RawRow], lane: QuickLane | None, run: _Run
    ) -> None:
        """Plan some rows, and store what they lead to in one transaction."""
        plain, lot = (raws, Lot(())) if lane is None else lane.enter(raws, part.scanned)
        lines = _read(table, part.scanned, plain, run.report)
        # A row that takes the short way has scheme and grade of one that was planned.
        await run.grades.load(self.store, table.form, (row for _, row in lines))
        if lines or lot.places:
            await self._chunk(part, table, lines, lane, lot, run)

    async def _chunk(
        self,
        part: _Part,
        table: Table,
        lines: list[_Line],
        lane: QuickLane | None,
        lot: Lot,
        run: _Run,
    ) -> None:
        report, dry = run.report, run.options.dry_run
        async with self.store.import_chunk(lock=not dry) as chunk:
            known = await self._known(part, table.form, lines, lane, lot, chunk, run)
            if lane is not None and lot.places:
                sure, late = lane.settle(lot, known)
                lines = sorted([*lines, *_read(table, part.scanned, late, report)], key=_number)
                if sure:
                    report.count("new", EVENTS[table.form.kind], rows=sure)
            desk = Desk(
                table.form, self.home, self.keys, _Counted() if dry else self.ids, known,
                reason=run.options.reason, renumbered=run.options.renumbered, fitted=run.carried.fitted, dry=dry,
            )  # fmt: skip
            taken: list[Planned] = []
            drafts: list[Draft] = []
            changed: list[tuple[Record, Planned]] = []
            for raw, row in lines:
                wrong = run.grades.error(table.form, row)
                found = wrong or self._plan(desk, row, written=not dry or _is_large(table.form, raw))
                if isinstance(found, RowError):
                    report.refuse([_advised(found, row, known)])
                    continue
                planned = found[0]
                if lane is not None:
                    lane.learn(raw, row, planned)
                if planned.before is not None and len(report.changes) + len(changed) < MAX_CHANGES:
                    changed.append((planned.before, planned))
                taken.append(planned)
                drafts.extend(found[1])
            if changed:
                await self._changes(chunk, table.form, changed, report)
            if not dry:
                await chunk.write(await self._writes(chunk, taken, drafts, run), self.clock.now_ms())
        if dry:
            run.carried.keep(table.form.kind, taken)
        for one in taken:
            report.count(one.outcome, [event.type.name for event in one.events])

    async def _known(
        self,
        part: _Part,
        form: Form,
        lines: Sequence[_Line],
        lane: QuickLane | None,
        lot: Lot,
        chunk: ImportChunk,
        run: _Run,
    ) -> Known:
        """What the node knows of these rows, with what earlier rows of a dry run would have done."""
        held = part.held
        asked = wanted(form, self.keys, (row for _, row in lines), self.keys if held is not None else None)
        if lane is not None and lot.places:
            asked = asked.and_also(lane.wanted(lot))
        known = await chunk.load(asked)
        known.keys.update(asked.keys)
        known.alike = {
            like: [one for one in records if held is None or not held.has(bytes.fromhex(one.key))]
            for like, records in known.alike.items()
        }
        known.overlay(run.carried)
        return known

    def _plan(self, desk: Desk, row: Row, *, written: bool) -> tuple[Planned, list[Draft]] | RowError:
        planned = plan(desk, row)
        if isinstance(planned, RowError) or not written:
            return planned if isinstance(planned, RowError) else (planned, [])
        try:
            return planned, [self.author.draft(event) for event in planned.events]
        except Refused as refused:
            return from_refusal(row.number, desk.form, refused)

    async def _changes(
        self, chunk: ImportChunk, form: Form, changed: Sequence[tuple[Record, Planned]], report: ImportReport
    ) -> None:
        before = await chunk.before([record for record, _ in changed])
        for record, planned in changed:
            found: list[Change] = []
            learner = before.learners.get(record.learner or "")
            if planned.content is not None and form.kind == "results":
                sealed = before.results.get(record.key)
                old = self.vault.open(learner.id, learner.wrapped_key, sealed) if learner and sealed else None
                found += content_changes(form, planned.row, old, planned.content, masked=True)
            elif planned.content is not None:
                old = published(before.bodies.get(record.key, ()))
                found += content_changes(form, planned.row, old, planned.content, masked=False)
            if planned.person is not None and learner is not None:
                found += person_changes(form, planned.row, self.vault.person(learner), planned.person)
            report.change(found)

    async def _writes(self, chunk: ImportChunk, taken: Sequence[Planned], drafts: list[Draft], run: _Run) -> Writes:
        people = {self.vault.number_key(one.person.student_number): one.person for one in taken if one.person}
        held = await chunk.learners(list(people))
        writes = Writes(drafts=drafts, run=run.stored)
        learners: dict[str, Learner] = {}
        for number, person in people.items():
            learners[number] = learner = self._learner(held.get(number), person)
            if learner is not held.get(number):
                writes.learners.append(learner)
        for one in taken:
            owner = learners[self.vault.number_key(one.person.student_number)] if one.person else None
            whose = owner.id if owner is not None else None
            writes.records.extend(replace(record, learner=whose or record.learner) for record in one.records)
            writes.claimed.extend(one.claimed)
            writes.moved.extend(one.moved)
            if one.result is not None and owner is not None:
                sealed = self.vault.seal(owner.id, owner.wrapped_key, one.result.data)
                writes.results.append(SealedResult(one.result.record, owner.id, sealed))
        # A record that several rows changed is stored once, as the last one left it.
        writes.records = list({record.key: record for record in writes.records}.values())
        return writes

    def _learner(self, held: Learner | None, person: Person) -> Learner:
        if held is None:
            return self.vault.enrol(person)
        if self.vault.person(held) == person:
            return held
        return self.vault.update(held.id, held.wrapped_key, person)


def _report(reading: Reading, options: Options) -> ImportReport:
    kinds = dict.fromkeys(section.kind for section in reading.sections)
    report = ImportReport("+".join(kinds), options.dry_run, format=reading.format, mapping=reading.mapping)
    report.remarks.extend(reading.remarks)
    return report


def _number(line: _Line) -> int:
    return line[0].number


def _is_large(form: Form, raw: RawRow) -> bool:
    """Whether the events of a row must be written to know that they are not too large."""
    return form.kind not in _PLAIN or sum(map(len, raw.cells)) > SMALL_ROW


def _read(table: Table, scanned: Scan, raws: Iterable[RawRow], report: ImportReport) -> list[_Line]:
    """The rows that can be read and are not said twice; the others are reported."""
    found, parse, clean = list[_Line](), table.parser.parse, scanned.clean
    for raw in raws:
        parsed = parse(raw)
        if not isinstance(parsed, Row):
            report.refuse(parsed)
        elif not clean and (rows := scanned.contradicts(raw.number)) is not None:
            report.refuse([_contradiction(table.form, raw.number, rows)])
        elif not clean and scanned.repeats(raw.number):
            report.count("unchanged")
        else:
            found.append((raw, parsed))
    return found


def _contradiction(form: Form, number: int, rows: tuple[int, int]) -> RowError:
    named = f"rows {rows[0]} and {rows[1]} claim" if rows[0] else "several rows claim"
    what = f"{named} one record id with different content; none of them is taken"
    return row_error(number, form.record, "record-duplicate", what)


def _advised(error: RowError, row: Row, known: Known) -> RowError:
    """Name the own achievement that is closest to one that is not known."""
    if error.code != "reference-unknown":
        return error
    written = str(row.data.get(error.column) or row.own.get(error.column) or "")
    guess = nearest(written, sorted(known.own))
    fix = f"Did you mean '{guess}'?" if guess else "Import the achievement first, or correct the id."
    return replace(error, fix=fix, value=written[:80] if guess else shape(written))
