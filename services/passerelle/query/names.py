"""Byte strings by number, and lists by name, in arrays: a million of them take tens of megabytes, not hundreds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

_FIRST_SLOTS: Final = 1 << 10
_FULL: Final = 0.6
"""Share of the slots in use above which they are doubled."""


class Names:
    """Distinct byte strings, numbered from 0 in the order of their arrival.

    The strings lie one after the other in one buffer; a hash table of numbers finds them (open addressing). The hash is
    Python's own, keyed for each process, so that nobody can publish names that collide.
    """

    __slots__ = ("_blob", "_ends", "_slots")

    def __init__(self) -> None:
        self._blob = bytearray()
        self._ends = array("Q", [0])
        self._slots = array("I", bytes(4 * _FIRST_SLOTS))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> bytes:
        return bytes(self._blob[self._ends[number] : self._ends[number + 1]])

    def __iter__(self) -> Iterator[bytes]:
        return (self[number] for number in range(len(self)))

    def part(self, number: int) -> bytearray:
        """A name as a copy that can be joined with others: one copy fewer than the name itself."""
        ends = self._ends
        return self._blob[ends[number] : ends[number + 1]]

    @property
    def lines(self) -> tuple[bytearray, array[int]]:
        """All names one after the other, and where each ends: for whoever reads many of them."""
        return self._blob, self._ends

    def find(self, name: bytes) -> int:
        """The number of a name, -1 where it is not there."""
        return self._slots[self._slot(name)] - 1

    def add(self, name: bytes) -> int:
        """The number of a name, which is taken in where it is new."""
        slot = self._slot(name)
        number = self._slots[slot]
        if number:
            return number - 1
        self._blob += name
        self._ends.append(len(self._blob))
        self._slots[slot] = len(self)
        if len(self) > _FULL * len(self._slots):
            self._spread(2 * len(self._slots))
        return len(self) - 1

    def _slot(self, name: bytes) -> int:
        """Where the name is, or the free place where it would stand."""
        slots, ends, blob = self._slots, self._ends, self._blob
        mask = len(slots) - 1
        slot = hash(name) & mask
        while number := slots[slot]:
            if blob[ends[number - 1] : ends[number]] == name:
                return slot
            slot = (slot + 1) & mask
        return slot

    def _spread(self, count: int) -> None:
        """Place all numbers anew in so many slots; the names are known to differ."""
        slots = array("I", bytes(4 * count))
        mask, ends = count - 1, self._ends
        view = bytes(self._blob)
        start = 0
        for number in range(1, len(ends)):
            end = ends[number]
            slot = hash(view[start:end]) & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number
            start = end
        self._slots = slots

    def dump(self) -> list[bytes]:
        """The parts that a snapshot holds."""
        return [bytes(self._blob), self._ends.tobytes()]

    @staticmethod
    def load(parts: list[bytes]) -> Names:
        """From :meth:`dump`. Raises ValueError where the parts do not fit each other."""
        made = Names()
        made._blob, made._ends = bytearray(parts[0]), array("Q")
        made._ends.frombytes(parts[1])
        if not made._ends or made._ends[0] != 0 or made._ends[-1] != len(made._blob):
            raise ValueError("names do not fit their ends")
        count = _FIRST_SLOTS
        while len(made) > _FULL * count:
            count *= 2
        made._spread(count)
        return made


class Postings:
    """Lists of numbers by number, each in the order in which they were added; a list only grows.

    A list lies in blocks of 1, 2, 4 ... numbers, each after the place of the block before it: so it is read in few
    steps, and takes about as much room as one number and one place for each entry.
    """

    __slots__ = ("_counts", "_last", "_room")

    def __init__(self, *, wide: bool = False) -> None:
        self._last = array("I")
        """By key: the place of the latest block."""
        self._counts = array("I")
        """By key: how many numbers the list has."""
        self._room = array("Q" if wide else "I")
        """Numbers of 64 bits where they are wide, else of 32."""

    def __bool__(self) -> bool:
        return bool(self._room)

    def add(self, key: int, value: int) -> None:
        """Append to the list of a key."""
        if key >= len(self._counts):
            # Room for more keys at once: they come in order.
            more = bytes(4 * (key + 1 - len(self._counts) + (len(self._counts) >> 3)))
            self._counts.frombytes(more)
            self._last.frombytes(more)
        count, room = self._counts[key] + 1, self._room
        size = 1 << (count.bit_length() - 1)
        if count == size:
            before, self._last[key] = self._last[key], len(room)
            room.frombytes(bytes(room.itemsize * (1 + size)))
            room[self._last[key]] = before
        room[self._last[key] + 1 + count - size] = value
        self._counts[key] = count

    def of(self, key: int) -> list[int]:
        """The list of a key; empty for an unknown one (-1)."""
        count = self._counts[key] if 0 <= key < len(self._counts) else 0
        if not count:
            return []
        room, place = self._room, self._last[key]
        size = 1 << (count.bit_length() - 1)
        found = room[place + 1 : place + 2 + count - size]
        while size > 1:
            place, size = room[place], size >> 1
            found = room[place + 1 : place + 1 + size] + found
        return found.tolist()

    def used(self) -> Iterator[int]:
        """The keys with a list that is not empty."""
        return (key for key, count in enumerate(self._counts) if count)

    def dump(self) -> list[bytes]:
        """The parts that a snapshot holds."""
        return [part.tobytes() for part in (self._last, self._counts, self._room)]

    @staticmethod
    def load(parts: list[bytes], *, wide: bool = False) -> Postings:
        """From :meth:`dump`. Raises ValueError where the parts do not fit each other."""
        made = Postings(wide=wide)
        for line, part in zip((made._last, made._counts, made._room), parts, strict=True):
            line.frombytes(part)
        words = sum((1 << (levels := count.bit_length())) - 1 + levels for count in made._counts if count)
        if len(made._last) != len(made._counts) or words != len(made._room):
            raise ValueError("postings do not fit each other")
        return made
