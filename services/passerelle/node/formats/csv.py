"""CSV files (RFC 4180): one table, one section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from passerelle.node.csv_reader import RawRow, read_rows
from passerelle.node.formats.ports import Reading
from passerelle.node.formats.tables import TableOptions, section_of


class CsvFormat:
    """See :class:`passerelle.node.formats.ports.Format`."""

    name = "csv"

    def __init__(self, asked: TableOptions, encoding: str = "utf-8") -> None:
        self._asked = asked
        self._encoding = encoding

    def recognises(self, path: Path, head: bytes) -> bool:
        """Anything: what is no CSV is told row by row."""
        return True

    def open(self, path: Path, *, home: str) -> Reading:
        """See :class:`passerelle.node.formats.ports.Format`."""

        def rows() -> Iterator[RawRow]:
            with path.open("rb", buffering=0) as stream:
                yield from read_rows(stream, self._encoding)

        section, mapping = section_of(rows, self._asked)
        return Reading(self.name, (section,), mapping=mapping)
