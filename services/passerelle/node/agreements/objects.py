"""Helpers for agreements written as JSON: bounded reading, places for errors, and rules as cells of an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.agreements.book import Book, Institution
from passerelle.node.agreements.sending import json_cell
from passerelle.node.agreements.table import DEFAULT_REASON, Translated, named_in
from passerelle.node.csv_cells import CellError
from passerelle.node.csv_forms import NO_CREDIT
from passerelle.node.csv_rows import RowError
from passerelle.node.files import read_json

MAX_FILE: Final = 64 * 1024 * 1024
MAX_TEXT: Final = 4_000


def read_object(path: Path) -> Mapping[str, Any]:
    """The JSON object of a file. Raises FormatError ``file-unreadable``, ``file-too-large``, ``body-not-json``."""
    found = read_json(path, MAX_FILE)
    if not isinstance(found, dict):
        raise FormatError("schema-invalid", "the file is not a JSON object", where=str(path))
    return found


class Place:
    """A value of the file with its path, read strictly: what is wrong is told with the path, never with the value."""

    def __init__(self, value: Any, path: str) -> None:
        self.value = value
        self.path = path

    def wrong(self, what: str, fix: str = "", code: str = "field-malformed") -> CellError:
        """An error here."""
        return CellError(code, f"{self.path}: {what}", fix)

    def has(self, name: str) -> bool:
        """Whether there is such a member, and it is not null."""
        return isinstance(self.value, dict) and self.value.get(name) is not None

    def get(self, name: str) -> Place:
        """A member that must be there. Raises CellError ``value-missing``."""
        if not self.has(name):
            raise self.wrong(f"{name} is missing", f"State {name}.", "value-missing")
        return Place(self.value[name], f"{self.path}.{name}")

    def text(self, name: str, default: str | None = None) -> str:
        """A member that is a text or a number."""
        if default is not None and not self.has(name):
            return default
        found = self.get(name)
        if isinstance(found.value, bool) or not isinstance(found.value, (str, int, float)):
            raise found.wrong("this is no text")
        text = str(found.value).strip()
        if not text or len(text) > MAX_TEXT:
            raise found.wrong("the text is empty or too long")
        return text

    def items(self, name: str) -> list[Place]:
        """A member that is a list, or one value that stands for a list of one; empty where it is absent."""
        if not self.has(name):
            return []
        value = self.value[name]
        listed = value if isinstance(value, list) else [value]
        return [Place(one, f"{self.path}.{name}[{number}]") for number, one in enumerate(listed)]


def institution_of(book: Book, place: Place, name: str) -> Institution:
    """The institution whose code a member holds. Raises CellError."""
    return book.find(place.text(name), f"at {place.path}.{name}")


def cells_of(
    number: int,
    *,
    identifier: str,
    institution: Institution,
    sending: Mapping[str, Any],
    outcome: Mapping[str, Any] | None,
    begin: str,
    end: str = "",
    note: str = "",
    source: str = "",
    reason: str = DEFAULT_REASON,
) -> Translated:
    """A rule as cells of the kind ``recognitions``; without an outcome it is no credit, for ``reason``."""
    cells = {
        "id": identifier,
        "kind": NO_CREDIT if outcome is None else "equivalency",
        "sending": json_cell(sending),
        "valid_from": begin,
        "valid_to": end,
        "receiver": institution.member,
        "delegation": institution.delegation,
        "outcome_json": "" if outcome is None else json_cell(outcome),
        "no_credit_reason": reason if outcome is None else "",
        "note": note,
        "source": source,
    }
    return Translated(number, cells, "", tuple(dict.fromkeys((*named_in(sending), *named_in(outcome)))))


def error_row(number: int, error: CellError) -> list[RowError]:
    """An error as that of a row; the path stands in what is wrong."""
    return [RowError(number, "", error.code, error.what, error.fix)]


Rows = Iterator[Translated | list[RowError]]
