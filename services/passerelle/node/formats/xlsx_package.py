"""The package around the sheets of an XLSX workbook: its parts, strings and date styles, read within bounds.

Sources: ECMA-376, part 1 (SpreadsheetML: 18.2 workbook, 18.4 shared strings, 18.8.30 and 18.8.31 number formats) and
part 2 (open packaging); ZIP as in ISO/IEC 21320-1. XML is read by expat as a stream; a document type is refused, so
that no entity is ever expanded.
"""

from __future__ import annotations

import errno
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from xml.parsers import expat

from passerelle.core.errors import FormatError

MAX_FILE: Final = 256 * 1024 * 1024
MAX_DIRECTORY: Final = 1024 * 1024
"""Bytes of the archive's directory."""
MAX_PARTS: Final = 4096
MAX_EXPANDED: Final = 2 * 1024 * 1024 * 1024
"""Bytes of the largest part, expanded."""
MAX_RATIO: Final = 250
"""How many times larger a part may become: dense sheets reach 40, a bomb 1,000."""
MAX_TEXT: Final = 128 * 1024 * 1024
"""Characters of all shared strings together."""
MAX_STRINGS: Final = 4_000_000
MAX_STYLES: Final = 65_536
MAX_SHEETS: Final = 256
MAX_DEPTH: Final = 64
MAX_TOKEN: Final = 4 * 1024 * 1024
"""Bytes of the longest tag."""
_CHUNK: Final = 64 * 1024
_END: Final = b"PK\x05\x06"
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DATES: Final = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
"""Built-in number formats of dates and times."""
_LITERAL: Final = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_FIXED: Final = re.compile(r"0{2,15}")


def wrong(code: str, what: str, where: str = "", fix: str = "") -> FormatError:
    """The error of a whole workbook."""
    return FormatError(code, what, where=where, fix=fix)


def unescaped(text: str) -> str:
    """Text with the signs that a workbook writes as ``_x000D_``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class Reader:
    """One part's XML as a stream of calls: ``start(name, attributes)``, ``text(data)``, ``end(name)``; names without
    their namespace.
    """

    def __init__(
        self,
        start: Callable[[str, Mapping[str, str]], None],
        text: Callable[[str], None],
        end: Callable[[str], None],
    ) -> None:
        self._start, self._end = start, end
        self._depth = 0
        self._fed = 0
        self._parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _forbidden

    def _open(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise wrong("xml-malformed", f"a part of the workbook nests deeper than {MAX_DEPTH} levels")
        self._start(name.rpartition(" ")[2], attributes)

    def _close(self, name: str) -> None:
        self._depth -= 1
        self._end(name.rpartition(" ")[2])

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take some bytes. Raises FormatError ``xml-malformed``, ``xml-forbidden``, ``value-too-long``."""
        try:
            self._parser.Parse(data, final)
        except expat.ExpatError as error:
            raise wrong("xml-malformed", f"a part of the workbook is not XML (line {error.lineno})") from None
        self._fed += len(data)
        if self._fed - max(self._parser.CurrentByteIndex, 0) > MAX_TOKEN:
            raise wrong("value-too-long", f"a tag of the workbook has more than {MAX_TOKEN} bytes")


def _forbidden(*_: object) -> None:
    raise wrong("xml-forbidden", "a part of the workbook declares a document type")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet as the workbook lists it."""

    name: str
    part: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Book:
    """A workbook without its sheets' rows. ``dates``: styles that are dates; ``fixed``: styles of so many digits."""

    path: Path
    sheets: tuple[Sheet, ...]
    strings: tuple[str, ...]
    dates: frozenset[int]
    fixed: Mapping[int, int]
    from_1904: bool


def _check_directory(path: Path) -> None:
    """Look at the archive's end before anything is read by it."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise wrong("file-too-large", f"the workbook has more than {MAX_FILE} bytes", path.name)
    with path.open("rb") as stream:
        stream.seek(max(0, size - 65_557))
        tail = stream.read()
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 22:
        raise wrong("file-truncated", "the workbook's archive has no end", path.name)
    parts, directory = struct.unpack("<HI", tail[place + 10 : place + 16])
    if parts > MAX_PARTS or directory > MAX_DIRECTORY:
        raise wrong("archive-bomb", f"the archive has more than {MAX_PARTS} parts", path.name)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, its sizes checked. Raises FormatError."""
    _check_directory(path)
    try:
        with zipfile.ZipFile(path) as archive:
            for part in archive.infolist():
                if part.flag_bits & 1:
                    raise wrong("file-unreadable", "the workbook is encrypted", path.name, "Save it without password.")
                dense = part.file_size > MAX_RATIO * max(part.compress_size, 4096)
                if dense or part.file_size > MAX_EXPANDED:
                    raise wrong("archive-bomb", "a part of the workbook expands too much", path.name)
            yield archive
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, ValueError, struct.error):
        raise wrong("file-truncated", "the workbook's archive is damaged", path.name) from None
    except OSError as error:
        # A directory that names a place before the file's beginning.
        if error.errno != errno.EINVAL:
            raise
        raise wrong("file-truncated", "the workbook's archive is damaged", path.name) from None
    except (OverflowError, RuntimeError) as error:
        raise wrong("file-unreadable", f"the workbook cannot be read: {type(error).__name__}", path.name) from None


def chunks(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """A part's bytes. Raises FormatError ``file-truncated`` where it is absent or damaged."""
    try:
        with archive.open(part) as stream:
            yield from _read(stream)
    except KeyError:
        raise wrong("file-truncated", "a part of the workbook is absent") from None
    except (EOFError, zlib.error, zipfile.BadZipFile):
        raise wrong("file-truncated", "a part of the workbook is damaged") from None


def _read(stream: IO[bytes]) -> Iterator[bytes]:
    while data := stream.read(_CHUNK):
        yield data


def parse(archive: zipfile.ZipFile, part: str, reader: Reader) -> None:
    """Read a part whole."""
    for data in chunks(archive, part):
        reader.feed(data)
    reader.feed(b"", final=True)


def _ignore(_: object) -> None:
    """What of a part is not looked at."""


def _relations(archive: zipfile.ZipFile) -> dict[str, str]:
    found: dict[str, str] = {}

    def start(name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and len(found) < MAX_PARTS:
            target = attributes.get("Target", "")
            found[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"

    parse(archive, "xl/_rels/workbook.xml.rels", Reader(start, _ignore, _ignore))
    return found


def _workbook(archive: zipfile.ZipFile) -> tuple[tuple[Sheet, ...], bool]:
    relations = _relations(archive)
    sheets: list[Sheet] = []
    base: list[bool] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        if name == "sheet" and len(sheets) < MAX_SHEETS:
            key = next((value for tag, value in attributes.items() if tag.rpartition(" ")[2] == "id"), "")
            hidden = attributes.get("state", "visible") != "visible"
            sheets.append(Sheet(attributes.get("name", ""), relations.get(key, ""), hidden))
        elif name == "workbookPr":
            base.append(attributes.get("date1904", "0") in ("1", "true"))

    parse(archive, "xl/workbook.xml", Reader(start, _ignore, _ignore))
    return tuple(sheets), any(base)


def _strings(archive: zipfile.ZipFile) -> tuple[str, ...]:
    found: list[str] = []
    pieces: list[str] = []
    state = {"text": False, "phonetic": 0, "size": 0}

    def start(name: str, _: Mapping[str, str]) -> None:
        if name == "si":
            pieces.clear()
        elif name == "rPh":
            state["phonetic"] += 1
        state["text"] = name == "t" and not state["phonetic"]

    def text(data: str) -> None:
        if state["text"]:
            state["size"] += len(data)
            if state["size"] > MAX_TEXT:
                raise wrong("archive-bomb", f"the workbook's texts have more than {MAX_TEXT} characters")
            pieces.append(data)

    def end(name: str) -> None:
        state["text"] = False
        if name == "rPh":
            state["phonetic"] -= 1
        elif name == "si":
            if len(found) >= MAX_STRINGS:
                raise wrong("archive-bomb", f"the workbook has more than {MAX_STRINGS} texts")
            found.append(unescaped("".join(pieces)))

    if "xl/sharedStrings.xml" in archive.namelist():
        parse(archive, "xl/sharedStrings.xml", Reader(start, text, end))
    return tuple(found)


def is_date(form: str) -> bool:
    """Whether a number format shows a date: a year or a day in it, outside of literal text."""
    bare = _LITERAL.sub("", form.split(";", maxsplit=1)[0]).lower()
    return any(sign in bare for sign in "yd") and "general" not in bare


def _styles(archive: zipfile.ZipFile) -> tuple[frozenset[int], dict[int, int]]:
    forms: dict[int, str] = {}
    cells: list[int] = []
    inside: list[bool] = []

    def start(name: str, attributes: Mapping[str, str]) -> None:
        number = attributes.get("numFmtId", "")
        if name == "cellXfs":
            inside.append(True)
        elif name == "numFmt" and number.isdecimal() and len(forms) < MAX_STYLES:
            forms[int(number)] = attributes.get("formatCode", "")[:256]
        elif name == "xf" and inside and len(cells) < MAX_STYLES:
            cells.append(int(number) if number.isdecimal() and len(number) < 10 else 0)

    def end(name: str) -> None:
        if name == "cellXfs":
            inside.clear()

    if "xl/styles.xml" in archive.namelist():
        parse(archive, "xl/styles.xml", Reader(start, _ignore, end))
    dates = {place for place, form in enumerate(cells) if form in _DATES or is_date(forms.get(form, ""))}
    fixed = {place: len(forms[form]) for place, form in enumerate(cells) if _FIXED.fullmatch(forms.get(form, ""))}
    return frozenset(dates), fixed


def read_book(path: Path) -> Book:
    """Everything of a workbook but its rows. Raises FormatError."""
    with opened(path) as archive:
        sheets, from_1904 = _workbook(archive)
        dates, fixed = _styles(archive)
        return Book(path, sheets, _strings(archive), dates, fixed, from_1904)
