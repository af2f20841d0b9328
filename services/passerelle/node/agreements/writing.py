"""Published rules as JSON of other guides, and what such a format cannot say of them.

Whatever is written is read back by the reader of the format and compared with the rule. So nothing is dropped in
silence: a difference in what counts for what leaves the agreement out, any other is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from passerelle.node.agreements.book import Book
from passerelle.node.agreements.data import parser_of, rule_data
from passerelle.node.agreements.ports import PublishedRule
from passerelle.node.agreements.table import Translated
from passerelle.node.csv_cells import CellError
from passerelle.node.csv_rows import RowError, row_error

CODE: Final = "format-cannot-say"
NEEDED: Final = frozenset({"receiver", "sending", "outcome", "reason", "valid_from", "valid_to"})
"""Without one of these an agreement would say something else."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A rule as it was last stated, its end included: ``data`` of its event without a version."""

    subject: str
    id: str
    data: Mapping[str, Any]
    private_note: str = ""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """What a format cannot say of an agreement; ``left_out`` where it is therefore not written."""

    id: str
    field: str
    left_out: bool

    def as_error(self, number: int) -> RowError:
        """As a row of a report; ``number`` counts the agreements from 1."""
        done = "the agreement is left out" if self.left_out else "the rest of the agreement is written"
        return row_error(number, self.field, CODE, f"{self.id}: the format cannot say this, and {done}")

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"agreement_id": self.id, "field": self.field, "code": CODE, "left_out": self.left_out}


class CannotSay(Exception):
    """The format has no form for this field."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class JsonWriter(Protocol):
    """One JSON format: what a file begins and ends with, an agreement as an entry, and the entry read again."""

    head: str
    tail: str

    def entry(self, stated: Stated, book: Book) -> dict[str, Any]:
        """The agreement. Raises CannotSay, CellError."""

    def again(self, entry: Mapping[str, Any], book: Book) -> Iterator[Translated]:
        """The rules that the format's reader finds in an entry. Raises CellError."""


class Telling:
    """Writes agreements of ``home`` in one format."""

    def __init__(self, writer: JsonWriter, book: Book, home: str) -> None:
        self.writer = writer
        self.book = book
        self.home = home
        self._parser = parser_of(home)

    def told(self, stated: Stated) -> tuple[dict[str, Any] | None, list[Unsaid]]:
        """The entry, None where the agreement is left out; and what it does not say."""
        try:
            entry = self.writer.entry(stated, self.book)
            found = list(self.writer.again(entry, self.book))
        except CannotSay as unsaid:
            return None, [Unsaid(stated.id, unsaid.field, left_out=True)]
        except CellError:
            return None, [Unsaid(stated.id, "", left_out=True)]
        if len(found) != 1 or found[0].id != stated.id:
            return None, [Unsaid(stated.id, "agreement_id", left_out=True)]
        data = rule_data(self._parser, found[0])
        if isinstance(data, list):
            return None, [Unsaid(stated.id, error.column, left_out=True) for error in data]
        names = [name for name in {**stated.data, **data} if stated.data.get(name) != data.get(name)]
        if NEEDED.intersection(names):
            return None, [Unsaid(stated.id, name, left_out=True) for name in names if name in NEEDED]
        names += ["private_note"] if stated.private_note else []
        return entry, [Unsaid(stated.id, name, left_out=False) for name in names]


def as_stated(rule: PublishedRule, private_note: str, home: str) -> Stated:
    """A published rule; where it was ended its last day is that of the end, as in the agreements file."""
    data = {name: value for name, value in rule.data.items() if name != "version"}
    ends = [day for day in (str(data.get("valid_to") or ""), rule.ended_on) if day]
    if ends:
        data["valid_to"] = min(ends)
    return Stated(rule.subject, rule.subject.removeprefix(f"{home}/"), data, private_note)


def plain_leaf(expression: Mapping[str, Any]) -> str:
    """The achievement of a leaf that asks for nothing else. Raises CannotSay."""
    if set(expression) != {"achievement"}:
        raise CannotSay("sending")
    return str(expression["achievement"])


def assigned_parts(stated: Stated, system: str) -> list[Mapping[str, Any]]:
    """The courses that an outcome assigns, each with credit in this system. Raises CannotSay."""
    outcome = stated.data["outcome"]
    parts = outcome["of"] if outcome["type"] in {"sum", "choice"} else [outcome]
    for part in parts:
        if set(part) != {"type", "achievement", "credits"} or part["type"] != "assigned":
            raise CannotSay("outcome")
        if part["credits"]["system"] != system:
            raise CannotSay("outcome")
    return list(parts)
