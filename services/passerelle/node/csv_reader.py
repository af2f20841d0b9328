"""Reads rows out of a CSV file of any quality: streaming, bounded, and going on after a row that cannot be read.

Source: RFC 4180, with any line end, and a byte order mark tolerated. Where a quote never closes, only the row on which
it opens is lost: reading starts again at the row below.

A file is read in blocks of whole lines. A block in which every line is a row of its own, which nearly all are, goes
through the CSV parser at once; any other goes line by line. Both ways give the same rows.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from passerelle.core.errors import FormatError
from passerelle.node.csv_cells import MAX_CELL, nearest

MAX_ROW: Final = 128 * 1024
"""Bytes of the longest row."""
MAX_UNREADABLE: Final = 1000
"""Rows that cannot be read after which reading stops."""
ENCODINGS: Final = ("utf-8", "utf-16", "windows-1252", "iso-8859-1", "iso-8859-15", "mac-roman")
"""What ``--encoding`` takes. UTF-8 unless another is named: encodings are never guessed."""
_CHUNK: Final = 256 * 1024
_SEPARATORS: Final = ",;\t"
_BOM: Final = b"\xef\xbb\xbf"


class RawRow(NamedTuple):
    """One row as text. ``number`` counts rows from 1, the header's; ``code`` and ``what`` say why it is unreadable."""

    number: int
    cells: list[str]
    code: str = ""
    what: str = ""


class Bytes(Protocol):
    """What a file is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes; none at the end."""


class _Line(NamedTuple):
    text: str
    code: str = ""
    what: str = ""


class _RowTooLong(Exception):
    """The row that is being put together passed its limit."""


class _Transcoded:
    """A file of another encoding as UTF-8; what cannot be decoded becomes a byte that UTF-8 does not have."""

    def __init__(self, stream: Bytes, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._left = b""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes of UTF-8."""
        while not self._left:
            data = self._stream.read(size)
            try:
                text = self._decoder.decode(data, not data)
            except UnicodeError:
                # UTF-16 without a byte order mark: either order could be meant.
                what = "the file does not begin with the mark that says its byte order"
                fix = "Save it as UTF-8."
                raise FormatError("encoding-invalid", what, where="--encoding", fix=fix) from None
            self._left = b"\xff".join(part.encode() for part in text.split("\ufffd"))
            if not data and not self._left:
                return b""
        found, self._left = self._left[:size], self._left[size:]
        return found


def transcoded(stream: Bytes, encoding: str) -> Bytes:
    """The stream as UTF-8. Raises FormatError ``encoding-invalid`` for an encoding that is not read."""
    name = encoding.lower()
    if name not in ENCODINGS:
        guess = nearest(name, ENCODINGS) or ENCODINGS[2]
        fix = f"Did you mean '{guess}'? Known: {', '.join(ENCODINGS)}."
        raise FormatError("encoding-invalid", "this encoding is not read", where="--encoding", fix=fix)
    return stream if name == "utf-8" else _Transcoded(stream, name)


def _cut(data: bytes) -> int:
    """Where the last whole line ends: after the last LF, or the last CR that is not the final byte; 0 without one."""
    return data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1


def _blocks(stream: Bytes) -> Iterator[bytes | None]:
    """Blocks of whole lines; None stands for a line over the limit. Memory is bounded by chunk and limit."""
    tail, dropping = b"", False
    while chunk := stream.read(_CHUNK):
        data = tail + chunk
        if dropping:
            ends = [place for place in (data.find(b"\n"), data.find(b"\r", 0, -1)) if place >= 0]
            if not ends:
                tail = data[-1:]
                continue
            place = min(ends)
            place += 2 if data[place : place + 2] == b"\r\n" else 1
            data, dropping = data[place:], False
        cut = _cut(data)
        if cut:
            yield data[:cut]
        tail = data[cut:]
        if len(tail) > MAX_ROW + 1:
            yield None
            tail, dropping = tail[-1:], True
    if tail and not dropping:
        yield tail


class _Blocks:
    """Blocks in order, opened from either end of the reading: whole, or line by line over their borders."""

    def __init__(self, stream: Bytes) -> None:
        self._source = _blocks(stream)
        self._lines: Iterator[_Line] = iter(())
        self._first = True

    def block(self) -> bytes | None:
        """The next block. Raises StopIteration at the end."""
        found = next(self._source)
        if self._first and found is not None:
            self._first = False
            if found.startswith((b"\xff\xfe", b"\xfe\xff")):
                fix = "Save it as UTF-8, or say --encoding utf-16."
                raise FormatError("encoding-invalid", "the file is UTF-16, not UTF-8", where="row 1", fix=fix)
            return found.removeprefix(_BOM)
        return found

    def line(self) -> _Line | None:
        """The next line of the opened block, and of the blocks after it; None at the end."""
        while (line := next(self._lines, None)) is None:
            try:
                self.open(self.block())
            except StopIteration:
                return None
        return line

    def open(self, block: bytes | None) -> None:
        """Give this block out line by line."""
        self._lines = iter((_TOO_LONG,)) if block is None else _lines(block)

    def rest(self) -> _Line | None:
        """The next line of the opened block only."""
        return next(self._lines, None)


_TOO_LONG: Final = _Line("", "row-too-long", f"the row has more than {MAX_ROW} bytes")


def _lines(block: bytes) -> Iterator[_Line]:
    return (_TOO_LONG if len(raw) > MAX_ROW else _decoded(raw) for raw in block.splitlines())


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

    def __init__(self, blocks: _Blocks) -> None:
        self._source = blocks
        self._again: deque[_Line] = deque()
        self.taken: list[_Line] = []
        self._size = 0

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._size > MAX_ROW:
            raise _RowTooLong
        line = self._again.popleft() if self._again else self._source.line()
        if line is None:
            raise StopIteration
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

    def settled(self) -> bool:
        """Whether every line of the opened block was used: the next block can be read whole again."""
        if self._again:
            return False
        line = self._source.rest()
        if line is not None:
            self._again.append(line)
        return line is None


def separator_of(header: str) -> str:
    """The separator that a header line uses: comma, semicolon (spreadsheets in French) or tab."""
    return max(_SEPARATORS, key=header.count)


def _whole(block: bytes, separator: str) -> list[list[str]] | None:
    """The rows of a block in which each line is one readable row; None where some line is not."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\0" in block:
        return None
    try:
        lines = block.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    if not lines[-1]:
        lines.pop()
    if not lines or max(map(len, lines)) > MAX_CELL:
        return None
    if b'"' not in block:
        return [line.split(separator) for line in lines]
    try:
        rows = list(csv.reader(lines, delimiter=separator, strict=True))
    except csv.Error:
        return None
    # A row over several lines is put together line by line, where its length is watched.
    return rows if len(rows) == len(lines) else None


class _Reader:
    """The rows of one file: the state between blocks."""

    def __init__(self, stream: Bytes) -> None:
        self._blocks = _Blocks(stream)
        self._feed = _Feed(self._blocks)
        self._number = 0
        self._unreadable = 0

    def rows(self) -> Iterator[RawRow]:
        """See :func:`read_rows`."""
        try:
            block = self._blocks.block()
        except StopIteration:
            raise FormatError("file-empty", "the file is empty") from None
        first = _TOO_LONG if block is None else next(_lines(block), _Line(""))
        separator = separator_of(first.text)
        while True:
            found = None if block is None else _whole(block, separator)
            if found is None:
                self._blocks.open(block)
                yield from self._slowly(separator)
            else:
                number = self._number
                for cells in found:
                    number += 1
                    if len(cells) > 1 or (cells and cells[0].strip()):
                        yield RawRow(number, cells)
                self._number = number
            try:
                block = self._blocks.block()
            except StopIteration:
                return

    def _slowly(self, separator: str) -> Iterator[RawRow]:
        """Row by row until a row ends where a block ends."""
        feed = self._feed
        reader = csv.reader(feed, delimiter=separator, strict=True)
        while not feed.settled():
            self._number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _RowTooLong) as error:
                row = _unreadable(self._number, feed, error)
                reader = csv.reader(feed, delimiter=separator, strict=True)
            else:
                row = _readable(self._number, cells, feed.taken)
                feed.done()
            if row.code:
                self._unreadable += 1
            if row.cells or row.code:
                yield row
            if self._unreadable > MAX_UNREADABLE:
                what = f"more than {MAX_UNREADABLE} rows cannot be read"
                raise FormatError("too-many-errors", what, where=f"row {self._number}")


def read_rows(stream: Bytes, encoding: str = "utf-8") -> Iterator[RawRow]:
    """The rows of a file, header first, blank ones left out but counted.

    Raises FormatError ``encoding-invalid`` for UTF-16 that was not announced, ``file-empty``, and ``too-many-errors``
    after ``MAX_UNREADABLE`` rows that could not be read.
    """
    csv.field_size_limit(4 * MAX_ROW)
    return _Reader(transcoded(stream, encoding)).rows()


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
