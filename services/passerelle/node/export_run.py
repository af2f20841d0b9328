"""One export from the command to its files: the order checked, the files written apart, logged, then put in place."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from passerelle.core.errors import FormatError
from passerelle.node.csv_cells import DATE, CellError
from passerelle.node.export import (
    KINDS,
    LEARNERS_KINDS,
    Access,
    Exporter,
    Line,
    Selection,
    Student,
    digest_of,
    read_ids,
)
from passerelle.node.export_badges import badge, record
from passerelle.node.export_documents import Issuer
from passerelle.node.export_elmo import elmo
from passerelle.node.export_pesc import transcript
from passerelle.node.export_tables import CsvTable, TableWriter, XlsxTable, header_of
from passerelle.node.formats.exchange import Unclear
from passerelle.node.pesc_desk import issuer_of
from passerelle.node.setup import known

if TYPE_CHECKING:
    from passerelle.node.main import Office

TABLES: Final[Mapping[str, Callable[[Path, str, Sequence[str]], TableWriter]]] = {"csv": CsvTable, "xlsx": XlsxTable}
DOCUMENTS: Final = ("pesc-xml", "elmo", "clr", "open-badges")
MAX_FILES: Final = 100_000
MAX_ACHIEVEMENTS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a command asks for; see ``passerelle node export --help``."""

    out: Path
    format: str = "csv"
    kinds: tuple[str, ...] = ()
    achievements: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    ids: Path | None = None
    learners: Path | None = None
    receiver: str = ""
    request: str = ""

    def selection(self) -> Selection:
        """What is selected. Raises FormatError where a file of ids cannot be read."""
        return Selection(
            frozenset(self.kinds or LEARNERS_KINDS),
            frozenset(self.achievements),
            self.since,
            self.until,
            read_ids(self.ids) if self.ids is not None else frozenset(),
            read_ids(self.learners) if self.learners is not None else frozenset(),
        )


@dataclass(slots=True)
class Outcome:
    """What was exported; nothing of it is about one person."""

    out: str
    format: str
    rows: int = 0
    files: int = 0
    learners: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        return {
            "out": self.out, "format": self.format, "rows": self.rows, "files": self.files,
            "learners": len(self.learners), "remarks": self.remarks,
        }  # fmt: skip


def check_order(order: Order) -> None:
    """Refuse an order that cannot be carried out, before anything is opened. Raises FormatError."""
    known(order.format, (*TABLES, *DOCUMENTS), "--format")
    for kind in order.kinds:
        known(kind, KINDS, "--kind")
    if order.format in TABLES and len(order.kinds) != 1:
        raise FormatError("argument-missing", "a table holds one kind of records", where="--kind", fix="Name one kind.")
    if order.format in DOCUMENTS and "achievements" in order.kinds:
        what = "a learner's document holds credentials and results"
        raise FormatError("argument-conflict", what, where="--kind", fix="Export achievements as csv or xlsx.")
    if "achievements" in order.kinds and any((order.since, order.until, order.ids, order.learners)):
        what = "achievements have no date, record id or learner to select by"
        raise FormatError("argument-conflict", what, where="--kind", fix="Select them by --achievement.")
    for name, date in (("--from", order.since), ("--to", order.until)):
        try:
            if date:
                DATE.parse(date, "")
        except CellError as error:
            raise FormatError(error.code, error.what, where=name) from None
    if order.out.exists():
        raise FormatError("argument-invalid", "this exists already", where="--out", fix="Name a new file or folder.")
    if not order.out.absolute().parent.is_dir():
        raise FormatError("argument-invalid", "the folder is not there", where="--out", fix="Make the folder first.")


async def run(office: Office, order: Order) -> Outcome:
    """Export. The files appear under their name only once the access log holds the export; else nothing is left.

    Raises FormatError, Unavailable.
    """
    exporter = Exporter(office.store, office.vault, office.keys, office.config.member)
    outcome = Outcome(str(order.out), order.format)
    made = order.out.with_name(f".{order.out.name}.part")
    _clear(made)
    try:
        if order.format in TABLES:
            await _table(exporter, order, made, outcome)
        else:
            await _documents(office, exporter, order, made, outcome)
        outcome.remarks += [f"{text} ({count})" for text, count in sorted(exporter.told.items())]
        if not outcome.rows:
            raise FormatError("not-found", "no record is selected", where=str(order.out), fix="See the options given.")
        entry = Access(office.clock.now_ms(), getpass.getuser(), order.format, digest_of(made), outcome.learners)
        await office.store.log_access(entry)
        made.rename(order.out)
    finally:
        _clear(made)
    return outcome


def _clear(made: Path) -> None:
    if made.is_dir():
        shutil.rmtree(made)
    else:
        made.unlink(missing_ok=True)


async def _table(exporter: Exporter, order: Order, made: Path, outcome: Outcome) -> None:
    kind, selection = order.kinds[0], order.selection()
    lines: list[Line] = []
    if kind == "achievements":
        async for line in exporter.achievements(selection):
            lines.append(line)
            if len(lines) > MAX_ACHIEVEMENTS:
                raise FormatError(
                    "too-many-items", f"there are more than {MAX_ACHIEVEMENTS} achievements", where="--kind"
                )
    languages = {name.removeprefix("title_") for line in lines for name in line.cells if name.startswith("title_")}
    made.touch(mode=0o600)
    outcome.files = 1
    with TABLES[order.format](made, kind, header_of(kind, languages)) as table:
        for line in lines:
            table.row(line.cells)
            outcome.rows += 1
        if kind != "achievements":
            async for student in exporter.students(selection):
                outcome.learners.append(student.id)
                for line in student.lines:
                    table.row(line.cells)
                    outcome.rows += 1


async def _documents(office: Office, exporter: Exporter, order: Order, made: Path, outcome: Outcome) -> None:
    made.mkdir(mode=0o700)
    stated = await issuer_of(office)
    async for student in exporter.students(order.selection()):
        issuer = replace(stated, document=office.ids.uuid4(), to=order.receiver, request=order.request)
        try:
            files = render(order.format, office.signer)(student, issuer)
        except Unclear as unclear:
            exporter.told[f"a learner's document could not be written: {unclear.what}"] += 1
            continue
        outcome.learners.append(student.id)
        outcome.rows += len(student.lines)
        for content in files:
            outcome.files += 1
            if outcome.files > MAX_FILES:
                raise FormatError("too-many-items", f"this would be more than {MAX_FILES} files", where="--out")
            target = made / f"{outcome.files:06d}.{'xml' if order.format in {'pesc-xml', 'elmo'} else 'json'}"
            target.touch(mode=0o600)
            target.write_bytes(content)


def render(format_name: str, signer: Any) -> Callable[[Student, Issuer], list[bytes]]:
    """What makes the files of one learner in a format."""

    def badges(student: Student, issuer: Issuer) -> list[bytes]:
        found = [badge(student, line, issuer, signer) for line in student.lines]
        return [orjson.dumps(one, option=orjson.OPT_INDENT_2) for one in found]

    makers: dict[str, Callable[[Student, Issuer], list[bytes]]] = {
        "pesc-xml": lambda student, issuer: [transcript(student, issuer)],
        "elmo": lambda student, issuer: [elmo(student, issuer)],
        "clr": lambda student, issuer: [record(student, issuer, signer)],
        "open-badges": badges,
    }
    return makers[format_name]
