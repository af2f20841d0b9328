"""A file's first reading: which of its records stand twice, the same or in contradiction, and which records it holds.

Nearly every file holds each record once. So the first reading looks at the record ids only, by a short hash; where some
of these hashes came twice, another reading compares their rows, with hashes that do not collide.

Memory does not grow with the file: hashes go to 256 buckets by their first byte, and a bucket that is full goes to a
temporary file that has no name.
"""

from __future__ import annotations

import hashlib
import tempfile
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
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
MAX_SUSPECTS: Final = 100_000
"""Short hashes that came twice; with more of them, every row of the file is compared."""
_ROWS: Final = 4_096
"""Rows looked at together."""
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
        self.extend(record[0], record)

    def extend(self, bucket: int, records: bytes) -> None:
        """Keep whole records in a bucket, one after another."""
        held = self._held[bucket]
        held += records
        if len(held) >= BUCKET_BYTES:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._written[bucket].append((self._file.seek(0, 2), len(held)))
            self._file.write(held)
            held.clear()

    def pieces(self, number: int) -> Iterator[bytes]:
        """The records of a bucket, in the order in which they came, many at once."""
        for offset, size in self._written[number]:
            if self._file is not None:
                self._file.seek(offset)
                yield self._file.read(size)
        yield bytes(self._held[number])

    def bucket(self, number: int) -> Iterator[bytes]:
        """The records of a bucket, in the order in which they came."""
        for piece in self.pieces(number):
            yield from (piece[place : place + self._width] for place in range(0, len(piece), self._width))

    def has(self, record: bytes) -> bool:
        """Whether a record was kept."""
        bucket = record[0]
        if bucket not in self._sets:
            if sum(map(len, self._sets.values())) > MAX_LOOKED_UP:
                self._sets.clear()
            self._sets[bucket] = frozenset(self.bucket(bucket))
        return record in self._sets[bucket]


@dataclass(slots=True)
class Scan:
    """What a first reading found. Row numbers are marked in bit fields: one bit a row."""

    rows: int = 0
    _repeated: bytearray = field(default_factory=bytearray)
    _conflicting: bytearray = field(default_factory=bytearray)
    _pairs: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether each record stands once."""
        return not self._repeated and not self._conflicting

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

    def readable(self, raws: Iterable[RawRow]) -> list[RawRow]:
        """The rows that can be read and have an id of the office."""
        width, record, own = self._width, self._record, self._own
        return [raw for raw in raws if not raw[2] and len(raw[1]) == width and raw[1][record].strip().removeprefix(own)]

    def record_ids(self, raws: Iterable[RawRow]) -> list[str]:
        """The office's ids of readable rows."""
        record, own = self._record, self._own
        return [raw[1][record].strip().removeprefix(own) for raw in raws]

    def identities(self, raws: Sequence[RawRow]) -> list[str]:
        """What makes two readable rows the same record."""
        found = self.record_ids(raws)
        if self._step is None:
            return found
        changes = [raw.cells[self._change].strip() if self._change is not None else "" for raw in raws]
        steps = [raw.cells[self._step].strip().lower() for raw in raws]
        return ["\x1f".join(parts) for parts in zip(found, steps, changes, strict=True)]

    def mark(self, raw: RawRow, identity: str) -> bytes:
        """Hash of the record, hash of the content, row number."""
        content = self._hash("\x1f".join(map(str.strip, raw.cells)))
        return self._hash(identity) + content + raw.number.to_bytes(_NUMBER, "big")


class Sightings:
    """Short hashes of identities: which of them came more than once. They are Python's own, which no file can foresee,
    and mean something in this process only.
    """

    def __init__(self) -> None:
        self._spill = Spill(_SHORT)

    def __enter__(self) -> Sightings:
        return self

    def __exit__(self, *_: object) -> None:
        self._spill.__exit__()

    def add(self, identities: Iterable[str]) -> None:
        """Take identities in."""
        hashes = array("q", sorted(map(hash, identities)))
        start = 0
        for bucket, border in enumerate(_BORDERS):
            end = bisect_left(hashes, border, start)
            if end > start:
                self._spill.extend(bucket, hashes[start:end].tobytes())
            start = end
        self._spill.extend(BUCKETS - 1, hashes[start:].tobytes())

    def twice(self) -> set[int] | None:
        """The hashes that came more than once; None where they are too many to be held."""
        found = set[int]()
        for bucket in range(BUCKETS):
            hashes = array("q")
            for piece in self._spill.pieces(bucket):
                hashes.frombytes(piece)
            if len(set(hashes)) < len(hashes):
                found.update(one for one, count in Counter(hashes).items() if count > 1)
            if len(found) > MAX_SUSPECTS:
                return None
        return found


_SHORT: Final = 8
_BORDERS: Final = tuple((bucket << 56) - (1 << 63) for bucket in range(1, BUCKETS))
"""Where a bucket of signed numbers of 64 bits ends."""


def batches(rows: Iterator[RawRow], size: int = _ROWS) -> Iterator[list[RawRow]]:
    """The rows in lists of at most ``size``."""
    while found := list(islice(rows, size)):
        yield found


def scan(
    parser: RowParser,
    rows: Iterator[RawRow],
    again: Callable[[], Iterator[RawRow]],
    key: bytes,
    keys: RecordKeys | None = None,
) -> tuple[Scan, Spill | None]:
    """Look through rows, which ``again`` gives from the start where they must be compared; with ``keys`` also the keyed
    hashes of their records, which the caller closes.
    """
    found, marker = Scan(), Marker(parser, key)
    held = Spill(32) if keys is not None else None
    kind, own = record_kind(parser.form.kind), f"{parser.home}/"
    local = parser.form.record == "id" and parser.form.kind != "endorsements"
    with Sightings() as seen:
        for batch in batches(rows):
            found.rows += len(batch)
            readable = marker.readable(batch)
            seen.add(marker.identities(readable))
            if keys is not None and held is not None:
                for record in marker.record_ids(readable):
                    held.add(bytes.fromhex(keys.key(kind, f"{own}{record}" if local else record)))
        suspects = seen.twice()
    if suspects is None or suspects:
        _compare(marker, again(), suspects, found)
    return found, held


def _compare(marker: Marker, rows: Iterator[RawRow], suspects: set[int] | None, found: Scan) -> None:
    with Spill(2 * _MARK + _NUMBER) as marks:
        for batch in batches(rows):
            readable = marker.readable(batch)
            for raw, identity in zip(readable, marker.identities(readable), strict=True):
                if suspects is None or hash(identity) in suspects:
                    marks.add(marker.mark(raw, identity))
        found.settle(marks)
