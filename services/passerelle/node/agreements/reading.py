"""From a file to its agreements: the table here, other formats beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from passerelle.core.errors import FormatError
from passerelle.node.agreements.assist import assist_file
from passerelle.node.agreements.book import Book
from passerelle.node.agreements.ctdl import ctdl_file
from passerelle.node.agreements.table import Read, Translated, read_table_header
from passerelle.node.csv_reader import read_rows
from passerelle.node.csv_rows import RowError


def table_file(path: Path, book: Book) -> Read:
    """The agreements of a CSV file; each call reads it anew.

    Reading raises FormatError ``file-unreadable``, ``file-empty``, and those of the header.
    """

    def read() -> Iterator[Translated | list[RowError]]:
        try:
            with path.open("rb") as stream:
                rows = read_rows(stream)
                header = next(rows, None)
                if header is None:
                    raise FormatError("file-empty", "the file holds no row", where=str(path))
                if header.code:
                    raise FormatError(header.code, header.what, where="row 1")
                reader = read_table_header(header.cells, book)
                for raw in rows:
                    yield reader.translate(raw)
        except OSError as error:
            what = f"the file cannot be read: {error.strerror}"
            raise FormatError("file-unreadable", what, where=str(path)) from None

    return read


FORMATS: Final[Mapping[str, Callable[[Path, Book], Read]]] = {
    "csv": table_file,
    "assist-json": assist_file,
    "ctdl-json": ctdl_file,
}
"""The formats by name."""


ALIASES: Final = {"assist": "assist-json", "ctdl": "ctdl-json"}


def format_named(form: str) -> str:
    """The format of a name or of its short form. Raises FormatError ``format-unknown``."""
    name = ALIASES.get(form, form)
    if name not in FORMATS:
        what = "there is no such format of agreements"
        raise FormatError("format-unknown", what, where="--format", fix=f"Use one of: {', '.join(FORMATS)}.")
    return name


def reader_of(path: Path, book: Book, form: str = "") -> Read:
    """What reads a file: by the name of its format, else by its first sign. Raises FormatError."""
    return FORMATS[format_named(form or _recognised(path))](path, book)


def _recognised(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            head = stream.read(64 * 1024)
    except OSError as error:
        what = f"the file cannot be read: {error.strerror}"
        raise FormatError("file-unreadable", what, where=str(path)) from None
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{":
        return "csv"
    return "ctdl-json" if b"@context" in head or b"@graph" in head else "assist-json"
