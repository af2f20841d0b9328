"""Reads rows out of a CSV file of any quality: streaming, bounded, and going on after a row that cannot be read.

Source: RFC 4180, with any line end, and a byte order mark tolerated. Where a quote never closes, only the row on which
it opens is lost: reading starts again at the row below.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from passerelle.core.errors import FormatError
from passerelle.node.csv_cells import MAX_CELL

MAX_ROW: Final = 128 * 1024
"""Bytes of the longest row."""
MAX_UNREADABLE: Final = 1000
"""Rows that cannot be read after which reading stops."""
_CHUNK: Final = 256 * 1024
_SEPARATORS: Final = ",;\t"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as text. ``number`` counts rows from 1, the header's; ``code`` and ``what`` say why it is unreadable."""

    number: int
    cells: list[str]
    code: str = ""
    what: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    code: str = ""
    what: str = ""


class _RowTooLong(Exception):
    """The row that is being put together passed its limit."""


def _byte_lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Lines without their ends; None stands for a line over the limit. Memory is bounded by chunk and limit."""
    tail, dropping = b"", False
    while chunk := stream.read(_CHUNK):
        pieces = (tail + chunk).splitlines(keepends=True)
        # The last piece may go on in the next chunk; a final CR may be half of a CR LF.
        tail = pieces.pop() if pieces and not pieces[-1].endswith(b"\n") else b""
        for piece in pieces:
            yield None if dropping or len(piece) > MAX_ROW else piece.rstrip(b"\r\n")
            dropping = False
        if len(tail) > MAX_ROW:
            tail, dropping = b"", True
    if tail or dropping:
        yield None if dropping else tail.rstrip(b"\r\n")


def _lines(stream: BinaryIO) -> Iterator[_Line]:
    first = True
    for raw in _byte_lines(stream):
        if raw is None:
            yield _Line("", "row-too-long", f"the row has more than {MAX_ROW} bytes")
            continue
        if first:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise FormatError("encoding-invalid", "the file is UTF-16, not UTF-8", where="row 1")
            raw = raw.removeprefix(_BOM)
            first = False
        yield _decoded(raw)


def _decoded(raw: bytes) -> _Line:
    if b"\0" in raw:
        return _Line(
            raw.replace(b"\0", b" ").decode("utf-8", "replace"), "control-character", "the row holds a NUL byte"
        )
    try:
        return _Line(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        what = f"byte {error.start + 1} of the row is not UTF-8"
        return _Line(raw.decode("utf-8", "replace"), "encoding-invalid", what)


class _Feed:
    """Gives lines to the CSV parser, remembers those of the row at hand, and takes them back for another try."""

    def __init__(self, lines: Iterator[_Line]) -> None:
        self._source = lines
        self._again: deque[_Line] = deque()
        self.taken: list[_Line] = []
        self._size = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._size > MAX_ROW:
            raise _RowTooLong
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        self._size += len(line.text) + 1
        return line.text + "\n"

    def done(self) -> None:
        """The row was read whole."""
        self.taken.clear()
        self._size = 0

    def back_to_second(self) -> None:
        """Give the lines after the first one out again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.done()

    def peek(self) -> _Line | None:
        """The next line, not taken; None at the end."""
        if not self._again:
            line = next(self._source, None)
            if line is None:
                return None
            self._again.append(line)
        return self._again[0]


def separator_of(header: str) -> str:
    """The separator that a header line uses: comma, semicolon (spreadsheets in French) or tab."""
    return max(_SEPARATORS, key=header.count)


def read_rows(stream: BinaryIO) -> Iterator[RawRow]:
    """The rows of a file, header first, blank ones left out but counted.

    Raises FormatError ``encoding-invalid`` for UTF-16, ``file-empty``, and ``too-many-errors`` after
    ``MAX_UNREADABLE`` rows that could not be read.
    """
    feed = _Feed(_lines(stream))
    header = feed.peek()
    if header is None:
        raise FormatError("file-empty", "the file is empty")
    csv.field_size_limit(4 * MAX_ROW)
    separator = separator_of(header.text)
    reader = csv.reader(feed, delimiter=separator, strict=True)
    number, unreadable = 0, 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _RowTooLong) as error:
            row = _unreadable(number, feed, error)
            reader = csv.reader(feed, delimiter=separator, strict=True)
        else:
            row = _readable(number, cells, feed.taken)
            feed.done()
        if row.code:
            unreadable += 1
        if row.cells or row.code:
            yield row
        if unreadable > MAX_UNREADABLE:
            raise FormatError(
                "too-many-errors", f"more than {MAX_UNREADABLE} rows cannot be read", where=f"row {number}"
            )


def _unreadable(number: int, feed: _Feed, error: Exception) -> RawRow:
    lines = len(feed.taken)
    feed.back_to_second()
    if lines > 1 or isinstance(error, _RowTooLong) or "end of data" in str(error):
        return RawRow(number, [], "quote-unclosed", "a quoted cell of this row never ends")
    return RawRow(number, [], "row-malformed", "text stands beside the quotes of a cell")


def _readable(number: int, cells: list[str], lines: list[_Line]) -> RawRow:
    for line in lines:
        if line.code:
            return RawRow(number, [], line.code, line.what)
    if len(cells) == 1 and not cells[0].strip():
        return RawRow(number, [])
    if any(len(cell) > MAX_CELL for cell in cells):
        return RawRow(number, [], "value-too-long", f"a cell has more than {MAX_CELL} characters")
    return RawRow(number, cells)
