"""The agreements file: its columns, a row as cells of the kind ``recognitions``, and a published rule as a row.

The file is close to what the BC Transfer Guide and TES show: one agreement a row, N sending courses to M receiving
ones, with begin and end, conditions, a public and a private note. docs/agreements.md shows the columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import Book, Institution
from passerelle.node.agreements.receiving import parse_conditions, parse_receiving, with_conditions, write_receiving
from passerelle.node.agreements.sending import json_cell, parse_sending, write_sending
from passerelle.node.csv_cells import LIST_SEPARATOR, CellError, nearest
from passerelle.node.csv_forms import NO_CREDIT
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import RowError, letter, row_error

KIND: Final = "recognitions"
DEFAULT_KIND: Final = "equivalency"
DEFAULT_REASON: Final = "other"
MAX_PRIVATE: Final = 4_000
MAX_REMEMBERED: Final = 20_000
"""Cells whose meaning is remembered."""
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r]")

COLUMNS: Final[Mapping[str, str]] = {
    "agreement_id": "Your id of the agreement, for ever.",
    "sending_institution": "Institution of the sending courses, where the cell does not name it.",
    "sending": "What is sent: `UFV RLST 201 & 202`.",
    "receiving_institution": "Institution of the receiving courses, where the cell does not name it.",
    "receiving": "What it counts for: `SFU HUM 130 (3) & HUM 1XX (3)`, `SFU No credit`.",
    "begin": "A course counts when completed on or after this date, YYYY-MM-DD.",
    "end": "Last completion date that counts; open when empty.",
    "conditions": "Minimum grades for a use, as sentences separated by `;`.",
    "no_credit_reason": "No credit: the coded reason; `other` when empty.",
    "kind": "`equivalency` when empty, `articulation-agreement`, `block-transfer`, `laddering` and so on.",
    "public_note": "Published with the rule.",
    "private_note": "Kept in the node; never published.",
    "source": "Where the agreement is published, as you would cite it.",
    "delegation": "An agency: the receiver's delegation to you; the table of institutions says it otherwise.",
    "request": "The articulation request that it answers.",
    "supersedes": "The older agreement.",
    "supersession": "`replaces-all`, `replaces-from` or `in-addition`.",
    "supersedes_from": "replaces-from: from when.",
    "jurisdictions": "Professional recognition: where it holds.",
    "sample": "`yes` marks invented data.",
}
REQUIRED: Final = ("agreement_id", "sending", "receiving", "begin")
_SYNONYMS: Final = {
    "id": "agreement_id", "agreement": "agreement_id",
    "sending_course": "sending", "sending_courses": "sending", "from": "sending",
    "receiving_course": "receiving", "receiving_courses": "receiving", "to": "receiving",
    "transfer_credit": "receiving",
    "begin_date": "begin", "start": "begin", "start_date": "begin", "effective_from": "begin", "valid_from": "begin",
    "end_date": "end", "effective_to": "end", "valid_to": "end",
    "condition": "conditions", "note": "public_note", "public_notes": "public_note", "private_notes": "private_note",
}  # fmt: skip
TARGET: Final = (
    "id", "kind", "sending", "valid_from", "valid_to", "receiver", "delegation", "outcome_json", "no_credit_reason",
    "jurisdictions", "supersedes", "supersession", "supersedes_from", "request", "note", "source", "sample",
)  # fmt: skip
"""The columns of the kind ``recognitions`` that a row of the file fills."""
BACK: Final = {
    "id": "agreement_id", "valid_from": "begin", "valid_to": "end", "receiver": "receiving", "note": "public_note",
    "outcome_json": "receiving",
}  # fmt: skip
"""Where an error in one of them stands in the file."""


@dataclass(frozen=True, slots=True)
class Translated:
    """One agreement as cells of the kind ``recognitions``, with what stays at home and the achievements that it names.

    ``number`` is its row in the file.
    """

    number: int
    cells: Mapping[str, str]
    private_note: str = ""
    achievements: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The agreement's id as the file has it."""
        return self.cells["id"]


@dataclass(frozen=True, slots=True)
class _Sent:
    """What a sending cell says: the expression as JSON, and the achievements that it names."""

    json: str
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Received:
    """What a receiving cell and its conditions say: the outcome as JSON, empty for no credit, and whose it is."""

    receiver: str
    json: str
    delegation: str
    named: tuple[str, ...]


class _ConditionsError(CellError):
    """What is wrong stands in the column of the conditions."""

    def __init__(self, error: CellError) -> None:
        super().__init__(error.code, error.what, error.fix)


Read = Callable[[], Iterator[Translated | list[RowError]]]
"""The agreements of a file in order, each with its row number: what it says, or what is wrong with it."""


@dataclass(slots=True)
class TableReader:
    """Reads the rows below one header."""

    book: Book
    columns: Sequence[str]
    # Real tables repeat their cells: what one said is remembered, up to :data:`MAX_REMEMBERED`. What is wrong is not:
    # each row tells it.
    _known: dict[tuple[str, str, str], Any] = field(default_factory=dict)

    def translate(self, raw: RawRow) -> Translated | list[RowError]:
        """A row as cells, or all that is wrong with it."""
        if raw.code:
            return [row_error(raw.number, "", raw.code, raw.what)]
        if len(raw.cells) != len(self.columns):
            what = f"the row has {len(raw.cells)} cells where the header has {len(self.columns)}"
            return [row_error(raw.number, "", "row-width", what)]
        row = _Row(self, raw.number, dict(zip(self.columns, map(_unguarded, raw.cells), strict=True)))
        found = row.translated()
        return row.errors or found

    def remembered(self, column: str, text: str, home: str, parse: Callable[[], Any]) -> Any:
        """What a cell says. Values are shared between rows and never changed in place."""
        key = (column, text, home)
        if key not in self._known:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[key] = parse()
        return self._known[key]


class _Row:
    """One row while it is read; ``errors`` collects what is wrong with any of its cells."""

    def __init__(self, reader: TableReader, number: int, cells: dict[str, str]) -> None:
        self.reader = reader
        self.book = reader.book
        self.number = number
        self.cells = cells
        self.errors: list[RowError] = []

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    def translated(self) -> Translated:
        for name in REQUIRED:
            if not self.get(name):
                self.errors.append(row_error(self.number, name, "value-missing", "the cell is empty"))
        if len(self.get("private_note")) > MAX_PRIVATE:
            what = f"the note has more than {MAX_PRIVATE} characters"
            self.errors.append(row_error(self.number, "private_note", "value-too-long", what))
        sending = self._cell("sending", self._sending)
        received = self._cell("receiving", self._receiving)
        given = {"id": self.get("agreement_id"), "valid_from": self.get("begin"), "valid_to": self.get("end")}
        given |= {name: self.get(name) for name in TARGET if name in COLUMNS} | {"note": self.get("public_note")}
        named: tuple[str, ...] = ()
        given["sending"] = ""
        if isinstance(sending, _Sent):
            given["sending"], named = sending.json, sending.named
        if isinstance(received, _Received):
            given["receiver"] = received.receiver
            given["delegation"] = given["delegation"] or received.delegation
            given |= self._outcome(received.json)
            named += received.named
        return Translated(self.number, given, self.get("private_note"), tuple(dict.fromkeys(named)))

    def _cell(self, column: str, parse: Callable[[str], Any]) -> Any:
        text = self.get(column)
        if not text:
            return None
        try:
            home = self.get(f"{column}_institution")
            more = self.get("conditions") if column == "receiving" else ""
            return self.reader.remembered(column, f"{text}\n{more}", home, lambda: parse(text))
        except CellError as error:
            where = "conditions" if isinstance(error, _ConditionsError) else column
            self.errors.append(RowError(self.number, where, error.code, error.what, error.fix))
            return None

    def _institution(self, column: str) -> Institution | None:
        code = self.get(column)
        return self.book.find(code, f"in the column {column}") if code else None

    def _sending(self, text: str) -> _Sent:
        found = parse_sending(text, self.book, self._institution("sending_institution"))
        return _Sent(json_cell(found) if found else "", tuple(named_in(found)))

    def _receiving(self, text: str) -> _Received:
        found = parse_receiving(text, self.book, self._institution("receiving_institution"))
        institution = self.book.of_member(found.receiver)
        conditions = self.get("conditions")
        outcome = found.outcome
        if conditions:
            try:
                if outcome is None or text.startswith("{"):
                    fix = "Leave the cell empty; state conditions inside the JSON."
                    raise CellError("argument-conflict", "conditions cannot stand beside this outcome", fix)
                outcome = with_conditions(outcome, parse_conditions(conditions, institution))
            except CellError as error:
                raise _ConditionsError(error) from None
        told = "" if outcome is None else json_cell(outcome)
        named = (*named_in(outcome), *_exclusions(outcome))
        return _Received(found.receiver, told, institution.delegation, named)

    def _outcome(self, outcome: str) -> dict[str, str]:
        kind, reason = self.get("kind"), self.get("no_credit_reason")
        if not outcome:
            if kind not in {"", NO_CREDIT}:
                what = "the kind does not fit an agreement without credit"
                self.errors.append(row_error(self.number, "kind", "argument-conflict", what, "Leave the cell empty."))
            return {"kind": NO_CREDIT, "no_credit_reason": reason or DEFAULT_REASON, "outcome_json": ""}
        if reason:
            what = "a reason for no credit stands beside credit"
            self.errors.append(
                row_error(self.number, "no_credit_reason", "argument-conflict", what, "Leave the cell empty.")
            )
        return {"kind": kind or DEFAULT_KIND, "no_credit_reason": "", "outcome_json": outcome}


def named_in(value: Any) -> list[str]:
    """The achievements that an expression or an outcome names, from left to right; any depth that JSON may have."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found += [one[name] for name in ("achievement", "programme") if isinstance(one.get(name), str)]
            waiting += reversed(one.values())
        elif isinstance(one, list):
            waiting += reversed(one)
    return found


def _exclusions(outcome: Mapping[str, Any] | None) -> list[str]:
    found = (outcome or {}).get("exclusions", [])
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def read_table_header(cells: Sequence[str], book: Book) -> TableReader:
    """The reader for the rows below a header; names of other guides are understood.

    Raises FormatError ``column-unknown``, ``column-duplicate`` or ``column-missing``.
    """
    columns: list[str] = []
    for place, cell in enumerate(cells):
        plain = "_".join(cell.strip().lower().replace("-", " ").replace("_", " ").split())
        name = _SYNONYMS.get(plain, plain)
        where = f"row 1, column {letter(place)}"
        if name not in COLUMNS:
            guess = nearest(plain, tuple(COLUMNS))
            fix = f"Did you mean '{guess}'?" if guess else "Remove the column, or see docs/agreements.md."
            raise FormatError("column-unknown", "an agreements file has no such column", where=where, fix=fix)
        if name in columns:
            raise FormatError("column-duplicate", f"the column {name} stands twice", where=where)
        columns.append(name)
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise FormatError("column-missing", f"an agreements file needs: {', '.join(missing)}", where="row 1")
    return TableReader(book, columns)


def _unguarded(cell: str) -> str:
    text = cell.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


# Writing


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection); reading takes the sign off again."""
    return f"'{text}" if _FORMULA.match(text) else text


def _listed(values: Sequence[str]) -> str:
    return f"{LIST_SEPARATOR} ".join(value.replace(LIST_SEPARATOR, "\\;") for value in values)


def agreement_row(
    subject: str, data: Mapping[str, Any], book: Book, *, home: str, private_note: str = "", ended_on: str = ""
) -> dict[str, str]:
    """A published rule (data of ``granted``, ``revised`` or ``denied``) as a row, every column present.

    ``ended_on`` is the date of its ``ended`` event. Raises FormatError ``code-unknown`` where the table of institutions
    does not list the receiver.
    """
    receiver = str(data["receiver"])
    if not book.lists(receiver):
        what = f"the receiver {receiver} is not in the table of institutions"
        raise FormatError("code-unknown", what, where=subject, fix="Add it to the table.")
    institution = book.of_member(receiver)
    receiving, conditions = write_receiving(receiver, data.get("outcome"), book)
    delegation = str(data.get("delegation") or "")
    older = data.get("supersedes") or {}
    ends = [day for day in (str(data.get("valid_to") or ""), ended_on) if day]
    row = dict.fromkeys(COLUMNS, "")
    row |= {
        "agreement_id": subject.removeprefix(f"{home}/"),
        "sending": write_sending(data["sending"], book),
        "receiving_institution": institution.code if receiving.startswith("{") else "",
        "receiving": receiving,
        "begin": str(data["valid_from"]),
        "end": min(ends, default=""),
        "conditions": conditions,
        "no_credit_reason": str(data.get("reason") or ""),
        "kind": "" if data.get("kind", DEFAULT_KIND) == DEFAULT_KIND else str(data["kind"]),
        "public_note": str(data.get("note") or ""),
        "private_note": private_note,
        "source": str(data.get("source") or ""),
        "delegation": "" if delegation == institution.delegation else delegation,
        "request": str(data.get("request") or ""),
        "supersedes": str(older.get("recognition") or ""),
        "supersession": str(older.get("mode") or ""),
        "supersedes_from": str(older.get("from_date") or ""),
        "jurisdictions": _listed(data.get("jurisdictions") or ()),
        "sample": {True: "yes", False: "no", None: ""}[data.get("sample")],
    }
    return {name: guarded(cell) for name, cell in row.items()}
