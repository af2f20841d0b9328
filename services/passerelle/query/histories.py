"""Facts with the log index from which they are recorded: what was known at any size is still known later."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from passerelle.query.ports import Instant

T = TypeVar("T")
LONG: Final = 8
"""Records from which a history is a list."""


class Timeline(Generic[T]):
    """Values by the log index that recorded them; the latest one below a size is the state at that size."""

    __slots__ = ("_indices", "_values")

    def __init__(self) -> None:
        # Most things are recorded once or twice, and there are many of them: short histories are tuples, which take
        # half the room of lists.
        self._indices: tuple[int, ...] | list[int] = ()
        self._values: tuple[T, ...] | list[T] = ()

    def __len__(self) -> int:
        return len(self._indices)

    def add(self, index: int, value: T) -> None:
        """Record a value at a later index than all before."""
        if self._indices and index <= self._indices[-1]:
            raise ValueError("a timeline grows in log order")
        if isinstance(self._indices, tuple) or isinstance(self._values, tuple):
            self._indices = (*self._indices, index)
            self._values = (*self._values, value)
            if len(self._indices) >= LONG:
                self._indices, self._values = list(self._indices), list(self._values)
        else:
            self._indices.append(index)
            self._values.append(value)

    def at(self, size: int) -> tuple[int, T] | None:
        """The index and value of the latest record in a log of ``size`` entries."""
        place = bisect_left(self._indices, size)
        return (self._indices[place - 1], self._values[place - 1]) if place else None

    def upto(self, size: int) -> Iterator[tuple[int, T]]:
        """All records in a log of ``size`` entries, oldest first."""
        for place in range(bisect_left(self._indices, size)):
            yield self._indices[place], self._values[place]

    def spans(self) -> Iterator[tuple[int, int | None, T]]:
        """Every record with the half-open range of indices in which it was the latest."""
        ends: list[int | None] = [*self._indices[1:], None]
        yield from zip(self._indices, ends, self._values, strict=False)


@dataclass(frozen=True, slots=True)
class Position:
    """Where an answer was computed: ``size`` entries, the last accepted at ``accepted_at``; times in Unix ms."""

    size: int = 0
    accepted_at: int = 0
    floor: int = 0


class Clockwork:
    """Which size the log had at an instant: acceptance times never decrease along it."""

    __slots__ = ("_instants", "_sizes")

    def __init__(self) -> None:
        self._instants: list[int] = []
        self._sizes: list[int] = []

    def extend(self, instants: Iterable[Instant]) -> None:
        """Take in later entries."""
        for instant in instants:
            if self._instants and self._instants[-1] == instant.accepted_at:
                self._sizes[-1] = instant.size
            else:
                self._instants.append(instant.accepted_at)
                self._sizes.append(instant.size)

    def copy(self) -> tuple[list[int], list[int]]:
        """The instants that it was told, and the sizes at them."""
        return list(self._instants), list(self._sizes)

    def size_at(self, instant: int) -> int:
        """The number of entries accepted at or before an instant (Unix ms)."""
        place = bisect_right(self._instants, instant)
        return self._sizes[place - 1] if place else 0

    def accepted_at(self, size: int) -> int:
        """The acceptance time of entry ``size - 1``; 0 for an empty log."""
        if size == 0 or not self._sizes:
            return 0
        return self._instants[min(bisect_left(self._sizes, size), len(self._sizes) - 1)]
