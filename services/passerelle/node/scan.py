"""A file's first reading: which of its records stand twice, the same or in contradiction, and which records it holds.

Memory does not grow with the file: hashes go to 256 buckets by their first byte, and a bucket that is full goes to a
temporary file that has no name.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, Any, Final

from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import RowParser
from passerelle.node.records import RecordKeys, record_kind

BUCKETS: Final = 256
BUCKET_BYTES: Final = 16 * 1024
"""What a bucket holds in memory before it goes to the file."""
MAX_PAIRS: Final = 10_000
"""Contradictions whose two row numbers are named; of those beyond, the rows are refused without them."""
MAX_LOOKED_UP: Final = 500_000
"""Hashes held at once while single ones are looked up."""
_MARK: Final = 16
_NUMBER: Final = 8


class Spill(AbstractContextManager["Spill"]):
    """Records of ``width`` bytes, any number of them, given back bucket by bucket of their first byte."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._held = [bytearray() for _ in range(BUCKETS)]
        self._written: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self._file: IO[bytes] | None = None
        self._sets: dict[int, frozenset[bytes]] = {}

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, record: bytes) -> None:
        """Keep a record."""
        bucket = record[0]
        held = self._held[bucket]
        held += record
        if len(held) >= BUCKET_BYTES:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._written[bucket].append((self._file.seek(0, 2), len(held)))
            self._file.write(held)
            held.clear()

    def bucket(self, number: int) -> Iterator[bytes]:
        """The records of a bucket, in the order in which they came."""
        for offset, size in self._written[number]:
            if self._file is not None:
                self._file.seek(offset)
                yield from self._split(self._file.read(size))
        yield from self._split(bytes(self._held[number]))

    def has(self, record: bytes) -> bool:
        """Whether a record was kept."""
        bucket = record[0]
        if bucket not in self._sets:
            if sum(map(len, self._sets.values())) > MAX_LOOKED_UP:
                self._sets.clear()
            self._sets[bucket] = frozenset(self.bucket(bucket))
        return record in self._sets[bucket]

    def _split(self, data: bytes) -> Iterator[bytes]:
        return (data[place : place + self._width] for place in range(0, len(data), self._width))


@dataclass(slots=True)
class Scan:
    """What a first reading found. Row numbers are marked in bit fields: one bit a row."""

    rows: int = 0
    _repeated: bytearray = field(default_factory=bytearray)
    _conflicting: bytearray = field(default_factory=bytearray)
    _pairs: dict[int, tuple[int, int]] = field(default_factory=dict)

    def repeats(self, number: int) -> bool:
        """Whether an earlier row says exactly the same."""
        return _is_set(self._repeated, number)

    def contradicts(self, number: int) -> tuple[int, int] | None:
        """The rows that claim this row's record with different content; (0, 0) where they are not held any more."""
        return self._pairs.get(number, (0, 0)) if _is_set(self._conflicting, number) else None

    def settle(self, marks: Spill) -> None:
        """Compare the rows of each record: marks are hash of the record, hash of the content, row number."""
        for bucket in range(BUCKETS):
            rows: dict[bytes, list[bytes]] = {}
            for mark in marks.bucket(bucket):
                rows.setdefault(mark[:_MARK], []).append(mark[_MARK:])
            for same in rows.values():
                if len(same) > 1:
                    self._several(same)

    def _several(self, same: list[bytes]) -> None:
        contents = [(int.from_bytes(one[_MARK:], "big"), one[:_MARK]) for one in same]
        first, content = contents[0]
        other = next((number for number, found in contents if found != content), None)
        if other is None:
            for number, _ in contents[1:]:
                _set(self._repeated, number)
            return
        for number, _ in contents:
            _set(self._conflicting, number)
            if len(self._pairs) < MAX_PAIRS:
                self._pairs[number] = (first, other)


def _is_set(field: bytearray, number: int) -> bool:
    place = number >> 3
    return place < len(field) and bool(field[place] >> (number & 7) & 1)


def _set(field: bytearray, number: int) -> None:
    place = number >> 3
    if place >= len(field):
        field.extend(bytes(place + 1 - len(field)))
    field[place] |= 1 << (number & 7)


class Marker:
    """Hashes of a row: of its record and its whole content, under a key of this reading, so that they say nothing."""

    def __init__(self, parser: RowParser, key: bytes) -> None:
        names = [column.name for column in parser.columns]
        self._width = len(names)
        self._record = names.index(parser.form.record)
        self._own = f"{parser.home}/"
        steps = parser.form.kind == "amendments"
        self._step = names.index("step") if steps else None
        self._change = names.index("amendment_id") if steps and "amendment_id" in names else None
        self._base: Any = hashlib.blake2b(key=key, digest_size=_MARK)

    def _hash(self, text: str) -> bytes:
        found = self._base.copy()
        found.update(text.encode("utf-8", "surrogatepass"))
        return bytes(found.digest())

    def record_id(self, raw: RawRow) -> str:
        """The office's id of a row; empty where the row has none or cannot be read."""
        if raw.code or len(raw.cells) != self._width:
            return ""
        return raw.cells[self._record].strip().removeprefix(self._own)

    def mark(self, raw: RawRow, record: str) -> bytes:
        """Hash of the record, hash of the content, row number."""
        cells = [cell.strip() for cell in raw.cells]
        if self._step is not None:
            change = cells[self._change] if self._change is not None else ""
            record = f"{record}\x1f{cells[self._step].lower()}\x1f{change}"
        content = self._hash("\x1f".join(cells))
        return self._hash(record) + content + raw.number.to_bytes(_NUMBER, "big")


def scan(
    parser: RowParser, rows: Iterator[RawRow], key: bytes, keys: RecordKeys | None = None
) -> tuple[Scan, Spill | None]:
    """Read rows once; with ``keys`` also the keyed hashes of their records, which the caller closes."""
    found, marker = Scan(), Marker(parser, key)
    held = Spill(32) if keys is not None else None
    kind, own = record_kind(parser.form.kind), f"{parser.home}/"
    local = parser.form.record == "id" and parser.form.kind != "endorsements"
    with Spill(2 * _MARK + _NUMBER) as marks:
        for raw in rows:
            found.rows += 1
            record = marker.record_id(raw)
            if not record:
                continue
            marks.add(marker.mark(raw, record))
            if keys is not None and held is not None:
                held.add(bytes.fromhex(keys.key(kind, f"{own}{record}" if local else record)))
        found.settle(marks)
    return found, held
