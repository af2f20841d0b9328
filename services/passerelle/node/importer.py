"""Imports a file: scan it for records that contradict each other, then plan and store it chunk by chunk.

A row is taken whole or not at all, and a wrong row stops no other. The file is read twice, so that memory holds a few
bytes a row only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from passerelle.core.errors import FormatError, Refused
from passerelle.node.author import Author
from passerelle.node.csv_cells import nearest
from passerelle.node.csv_forms import FORMS, Form, detect
from passerelle.node.csv_reader import RawRow, read_rows
from passerelle.node.csv_report import ImportReport
from passerelle.node.csv_rows import Row, RowError, RowParser, from_refusal, header_names, read_header, row_error
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner, Person, Vault
from passerelle.node.plan import Desk, Known, Planned
from passerelle.node.planner import plan, wanted
from passerelle.node.ports import DraftStore, ImportChunk, SealedResult, Writes
from passerelle.node.records import Record, RecordKeys
from passerelle.runtime.clock import Clock
from passerelle.runtime.ids import Ids

CHUNK_ROWS: Final = 500
_MARK: Final = 16
Progress = Callable[[int, int], None]
"""Told how many rows of how many are done."""


@dataclass(slots=True)
class Scan:
    """What a first reading found: where each record first stands, and which records contradict themselves."""

    rows: int = 0
    first: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    conflicts: dict[bytes, tuple[int, int]] = field(default_factory=dict)

    def take(self, number: int, record: bytes, content: bytes) -> None:
        """Note a row."""
        held = self.first.setdefault(record, (number, content))
        if held[1] != content and record not in self.conflicts:
            self.conflicts[record] = (held[0], number)


def _mark(*parts: str) -> bytes:
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=_MARK).digest()


@dataclass(slots=True)
class _Table:
    """A file's rows below its header."""

    form: Form
    parser: RowParser
    rows: Iterator[RawRow]


def _open_table(stream: BinaryIO, kind: str | None, home: str) -> _Table:
    rows = read_rows(stream)
    header = next(rows, None)
    if header is None:
        raise FormatError("file-empty", "the file holds no row")
    if header.code:
        raise FormatError(header.code, header.what, where="row 1")
    found = kind or detect(header_names(header.cells))
    if found is None:
        what = "the header fits no kind of file, or several"
        fix = f"Name the kind: --kind {', '.join(FORMS)}. The columns are in docs/csv.md."
        raise FormatError("format-unknown", what, where="row 1", fix=fix)
    form = FORMS[found]
    return _Table(form, read_header(form, header.cells, home), rows)


def _marks(parser: RowParser, raw: RawRow) -> tuple[bytes, bytes] | None:
    """Hashes of a row's record and of its whole content; None where it has no record id or cannot be read."""
    names = [column.name for column in parser.columns]
    if raw.code or len(raw.cells) != len(names):
        return None
    cells = dict(zip(names, (cell.strip() for cell in raw.cells), strict=True))
    record = cells[parser.form.record].removeprefix(f"{parser.home}/")
    if not record:
        return None
    step = (cells["step"].lower(), cells.get("amendment_id", "")) if parser.form.kind == "amendments" else ()
    return _mark(record, *step), _mark(*cells.values())


def scan(stream: BinaryIO, kind: str | None, home: str) -> Scan:
    """Read a file once for its records. Raises FormatError for a file that cannot be read at all."""
    table = _open_table(stream, kind, home)
    found = Scan()
    for raw in table.rows:
        found.rows += 1
        marks = _marks(table.parser, raw)
        if marks is not None:
            found.take(raw.number, *marks)
    return found


@dataclass(slots=True)
class Importer:
    """The use case. ``run`` reads, plans and stores; what it returns holds no value of any cell."""

    store: DraftStore
    author: Author
    vault: Vault
    keys: RecordKeys
    clock: Clock
    ids: Ids
    home: str

    async def run(
        self, path: Path, *, kind: str | None = None, dry_run: bool = False, progress: Progress | None = None
    ) -> ImportReport:
        """Import a file, or with ``dry_run`` only say what would happen. Raises FormatError, Unavailable."""
        try:
            with path.open("rb") as stream:
                before = path.stat()
                scanned = scan(stream, kind, self.home)
                stream.seek(0)
                table = _open_table(stream, kind, self.home)
                report = ImportReport(table.form.kind, dry_run, rows=scanned.rows)
                await self._rows(table, scanned, report, progress)
                after = path.stat()
        except OSError as error:
            raise FormatError(
                "file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)
            ) from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            what = "the file changed while it was read"
            raise FormatError("file-unreadable", what, where=str(path), fix="Import it again once it is complete.")
        return report

    async def _rows(self, table: _Table, scanned: Scan, report: ImportReport, progress: Progress | None) -> None:
        carried: dict[str, Record] = {}
        done, chunk = 0, list[Row]()
        for raw in table.rows:
            done += 1
            parsed = table.parser.parse(raw)
            marks = _marks(table.parser, raw)
            if isinstance(parsed, Row) and marks is not None:
                self._sort(table.form, scanned, parsed, marks[0], chunk, report)
            elif not isinstance(parsed, Row):
                report.refuse(parsed)
            if len(chunk) >= CHUNK_ROWS:
                await self._chunk(table.form, chunk, report, carried)
                chunk = []
                if progress is not None:
                    progress(done, scanned.rows)
        if chunk:
            await self._chunk(table.form, chunk, report, carried)
        if progress is not None:
            progress(done, scanned.rows)

    def _sort(self, form: Form, scanned: Scan, row: Row, record: bytes, chunk: list[Row], report: ImportReport) -> None:
        """Put a row into the chunk unless another row of the file says the same, or contradicts it."""
        if record in scanned.conflicts:
            first, second = scanned.conflicts[record]
            what = f"rows {first} and {second} claim one record id with different content; none of them is taken"
            report.refuse([row_error(row.number, form.record, "record-duplicate", what)])
        elif record in scanned.first and scanned.first[record][0] != row.number:
            report.unchanged += 1
        else:
            chunk.append(row)

    async def _chunk(self, form: Form, rows: Sequence[Row], report: ImportReport, carried: dict[str, Record]) -> None:
        """Plan and store some rows in one transaction. ``carried``: what a dry run's earlier rows would have done."""
        async with self.store.import_chunk() as chunk:
            known = await chunk.load(wanted(form, self.keys, rows))
            known.records.update(carried)
            desk = Desk(form, self.home, self.keys, self.ids, known)
            taken: list[Planned] = []
            drafts: list[Draft] = []
            for row in rows:
                found = self._plan(desk, row)
                if isinstance(found, RowError):
                    report.refuse([_advised(found, row, known)])
                    continue
                taken.append(found[0])
                drafts.extend(found[1])
            if not report.dry_run:
                await chunk.write(await self._writes(chunk, taken, drafts), self.clock.now_ms())
        if report.dry_run and form.kind == "amendments":
            carried.update({record.key: record for one in taken for record in one.records})
        for one in taken:
            setattr(report, one.outcome, getattr(report, one.outcome) + 1)
            report.events += len(one.events)

    def _plan(self, desk: Desk, row: Row) -> tuple[Planned, list[Draft]] | RowError:
        planned = plan(desk, row)
        if isinstance(planned, RowError):
            return planned
        try:
            return planned, [self.author.draft(event) for event in planned.events]
        except Refused as refused:
            return from_refusal(row.number, desk.form, refused)

    async def _writes(self, chunk: ImportChunk, taken: Sequence[Planned], drafts: list[Draft]) -> Writes:
        people = {self.vault.number_key(one.person.student_number): one.person for one in taken if one.person}
        held = await chunk.learners(list(people))
        writes = Writes(drafts=drafts)
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


def _advised(error: RowError, row: Row, known: Known) -> RowError:
    """Name the own achievement that is closest to one that is not known."""
    if error.code != "reference-unknown":
        return error
    guess = nearest(str(row.data.get(error.column, "")), sorted(known.own))
    fix = f"Did you mean '{guess}'?" if guess else "Import the achievement first, or correct the id."
    return replace(error, fix=fix)
