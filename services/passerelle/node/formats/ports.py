"""What a file format gives to the import: sections of text rows, all in the columns of docs/csv.md.

A PESC transcript holds awards and course results at once: two sections of two kinds. What comes after, the identity of
records, the difference, row errors and planning, is one code for every format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from passerelle.node.csv_reader import RawRow


@dataclass(frozen=True, slots=True)
class Section:
    """Rows of one kind (a key of ``csv_forms.FORMS``).

    ``rows()`` begins anew at each call and streams: the header first, in column names of the kind, then one row a
    record. A record that cannot be read is a row with ``code`` and ``what``, and reading goes on. The import calls it
    twice, and once more where record ids repeat, and needs the same rows each time. ``place`` says what a row's number
    counts: "row" of a table, "line" of a document. Raises FormatError where the file cannot be read at all.
    """

    kind: str
    rows: Callable[[], Iterator[RawRow]]
    place: str = "row"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file holds. ``remarks`` are for the person who imports, one line each and without personal values: a
    signature that was verified, a proof that was not checked, parts of the document that the node has no place for.
    ``mapping`` names the column mapping through which a table was read.
    """

    format: str
    sections: Sequence[Section]
    remarks: Sequence[str] = ()
    mapping: str = ""


class Format(Protocol):
    """One format. Formats hold no state; ``open`` may be called often and on several files."""

    @property
    def name(self) -> str:
        """What ``--format`` takes, for example ``pesc-xml``."""

    def recognises(self, path: Path, head: bytes) -> bool:
        """Whether a file is of this format, judged by its first 64 KiB. Never raises; reads nothing else."""

    def open(self, path: Path, *, home: str) -> Reading:
        """The sections of a file, for the node of the member ``home``.

        Raises FormatError: ``format-unknown`` for a version that is not read, naming it and those that are, and
        whatever is wrong with the whole file. Time and memory are bounded whatever the file holds.
        """
