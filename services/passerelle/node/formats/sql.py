"""The rows of a query on the office's own PostgreSQL: one table, one section, like a CSV file of the same columns.

The file is the query. Who runs it is behind :class:`QuerySource`; here is what a query may be, by which column its rows
are paged, and how they become rows of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from passerelle.core.errors import FormatError
from passerelle.core.tables import folded
from passerelle.node.csv_cells import MAX_CELL, nearest
from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import MAX_ROW, MAX_UNREADABLE, RawRow
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.tables import Rows, TableOptions, section_of
from passerelle.node.mapping import MappingFolder

MAX_QUERY: Final = 64 * 1024
"""Bytes of the longest query."""
_TOKEN: Final = re.compile(
    r"(?P<space>\s++|--[^\n]*+|/\*.*?\*/)"
    r"|(?P<quoted>[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+'|\"(?:[^\"]|\"\")*+\"|(\$(?:[A-Za-z_]\w*)?\$).*?\3)"
    r"|(?P<word>[A-Za-z_]\w*+)|(?P<place>\$[0-9]++)|(?P<sign>.)",
    re.DOTALL,
)
_READING: Final = frozenset({"select", "with", "values", "table"})


@dataclass(frozen=True, slots=True)
class Query:
    """One statement that reads: ``text`` without the semicolon at its end; ``name`` is its file's, for messages."""

    text: str
    name: str


class QuerySource(Protocol):
    """A database that a query is put to. All of its answers are of one instant."""

    def columns(self, query: Query) -> Sequence[str]:
        """The names of the query's columns, in order.

        Raises FormatError ``query-invalid``, ``query-not-readonly``; Unavailable ``source-unavailable``,
        ``query-timeout``.
        """

    def rows(self, query: Query, key: int) -> Iterator[Sequence[str | None] | None]:
        """The rows as texts, None for NULL, in the order of the column at place ``key``, those where it is NULL last;
        the same rows at each call. None in place of a row that has more than ``MAX_ROW`` bytes.

        Raises as ``columns``, and FormatError ``query-key-missing`` where the column cannot be paged by.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """Where the rows come from; ``key`` names the column that they are paged by, empty where it is to be found."""

    source: QuerySource
    key: str = ""


def parse_query(text: str, name: str) -> Query:
    """The one statement of a file. Raises FormatError ``query-not-readonly``, ``query-invalid``, ``file-empty``."""
    first, last, end = "", "", 0
    for token in _TOKEN.finditer(text):
        if token["space"] is not None:
            continue
        if last == ";":
            raise FormatError("query-invalid", "the file holds more than one statement", where=name)
        if token["place"] is not None:
            what = "the query holds a placeholder; the import pages by itself"
            raise FormatError("query-invalid", what, where=name, fix="Write the value in its place.")
        last = token[0]
        first = first or (last.lower() if last != "(" else "")
        end = end if last == ";" else token.end()
    if first in ("", ";"):
        raise FormatError("file-empty", "the file holds no query", where=name)
    if first not in _READING:
        what = f"the statement begins with none of {', '.join(sorted(_READING))}"
        raise FormatError("query-not-readonly", what, where=name)
    return Query(text[:end], name)


def read_query(path: Path) -> Query:
    """The query of a file. Raises FormatError; OSError where it cannot be opened."""
    with path.open("rb") as stream:
        content = stream.read(MAX_QUERY + 1)
    if len(content) > MAX_QUERY:
        raise FormatError("file-too-large", f"the query has more than {MAX_QUERY} bytes", where=path.name)
    if b"\0" in content:
        raise FormatError("control-character", "the query holds a NUL byte", where=path.name)
    try:
        return parse_query(content.decode("utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} of the query is not UTF-8"
        raise FormatError("encoding-invalid", what, where=path.name) from None


class SqlFormat:
    """See :class:`passerelle.node.formats.ports.Format`. It is taken by name only: no file is recognised as a query."""

    name = "sql"

    def __init__(self, tables: TableOptions, asked: Asked) -> None:
        self._tables = tables
        self._asked = asked

    def recognises(self, path: Path, head: bytes) -> bool:
        """Nothing: a file of SQL without a database is no table."""
        return False

    def open(self, path: Path, *, home: str) -> Reading:
        """See :class:`passerelle.node.formats.ports.Format`. Also raises what :class:`QuerySource` raises."""
        query = read_query(path)
        header = list(self._asked.source.columns(query))
        # The header says the kind or the mapping, and these say which column holds the record id.
        known, name = section_of(lambda: iter((RawRow(1, header),)), self._tables)
        key = self._key(header, known.kind, name)
        section, mapping = section_of(partial(self._rows, query, header, key), self._tables)
        return Reading(self.name, (section,), mapping=mapping)

    def first(self, path: Path) -> Rows:
        """The rows, paged by the column that was asked for, else by the first. Raises as ``open``."""
        query = read_query(path)
        header = list(self._asked.source.columns(query))
        return partial(self._rows, query, header, self._asked_key(header) or 0)

    def _asked_key(self, header: Sequence[str]) -> int | None:
        """The place of the column that was named; None where none was. Raises FormatError ``query-key-missing``."""
        if not self._asked.key:
            return None
        places = _places(header)
        if folded(self._asked.key) not in places:
            guess = nearest(self._asked.key, header)
            fix = f"Did you mean '{guess}'?" if guess else "Name a column of the query."
            raise FormatError("query-key-missing", "the query has no such column", where="--key", fix=fix)
        return places[folded(self._asked.key)]

    def _key(self, header: Sequence[str], kind: str, mapping: str) -> int:
        """The place of the column to page by. Raises FormatError ``query-key-missing``."""
        asked, places = self._asked_key(header), _places(header)
        if asked is not None:
            return asked
        record = FORMS[kind].record
        sources: tuple[str, ...] = (record,)
        if mapping:
            rules = (self._tables.mappings or MappingFolder.nowhere()).load(mapping).rules
            sources = rules[record].sources if record in rules else ()
        if len(sources) != 1 or folded(sources[0]) not in places:
            what = f"the rows are paged by {record}, which is no single column of the query"
            raise FormatError("query-key-missing", what, where=f"columns.{record}")
        return places[folded(sources[0])]

    def _rows(self, query: Query, header: list[str], key: int) -> Iterator[RawRow]:
        yield RawRow(1, header)
        unreadable = 0
        for number, cells in enumerate(self._asked.source.rows(query, key), start=2):
            row = _row(number, cells)
            unreadable += bool(row.code)
            if unreadable > MAX_UNREADABLE:
                what = f"more than {MAX_UNREADABLE} rows cannot be read"
                raise FormatError("too-many-errors", what, where=f"row {number}")
            yield row


def _places(header: Sequence[str]) -> dict[str, int]:
    """Where each column stands, the first of several of one name."""
    return {folded(cell): place for place, cell in reversed(list(enumerate(header)))}


def _row(number: int, cells: Sequence[str | None] | None) -> RawRow:
    if cells is None:
        return RawRow(number, [], "row-too-long", f"the row has more than {MAX_ROW} bytes")
    texts = [cell or "" for cell in cells]
    if any(len(text) > MAX_CELL for text in texts):
        return RawRow(number, [], "value-too-long", f"a cell has more than {MAX_CELL} characters")
    return RawRow(number, texts)
