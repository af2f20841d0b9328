"""Where a verified statement belongs in its stream: one member's one family, numbered 1, 2, 3 without a hole.

Pure decision; the caller verified signature and body first. Source: contracts/formats.md, "Order in a stream".
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from passerelle.core.statement import ZERO, Statement


class StreamHead(NamedTuple):
    """Last spent number of a stream (0: none yet) and the SHA-256 of the statement there (zeros at 0)."""

    sequence: int = 0
    digest: bytes = ZERO


class Place(StrEnum):
    """What becomes of a statement."""

    NEXT = "next"
    """The next number, rightly linked: decide and log it."""
    GAP = "gap"
    """An earlier number is missing: the statement waits."""
    REPEAT = "repeat"
    """The very statement that spent its number: absorbed, its receipt is sent again."""
    CONFLICT = "conflict"
    """A wrong link at the next number, or another statement at a spent one: kept as evidence, nothing is spent."""
    NEEDS_LOOKUP = "needs-lookup"
    """The number is spent, and the caller must first find which statement spent it."""


class Placement(NamedTuple):
    """The decision, and the number it is about: the first missing one for GAP, else the statement's own."""

    place: Place
    sequence: int


def _nothing_known(_sequence: int) -> bytes | None:
    return None


def place(
    head: StreamHead,
    statement: Statement,
    statement_digest: bytes,
    spent: Callable[[int], bytes | None] = _nothing_known,
) -> Placement:
    """Place ``statement`` (with the SHA-256 of its exact bytes) after ``head`` of its stream.

    ``spent(n)`` gives the digest recorded at a spent number, or None when the caller does not have it at hand; it is
    not asked for the head's own number. No error is raised: every verified statement has a place.
    """
    sequence = statement.sequence
    if sequence == head.sequence + 1:
        return Placement(Place.NEXT if statement.prev == head.digest else Place.CONFLICT, sequence)
    if sequence > head.sequence:
        return Placement(Place.GAP, head.sequence + 1)
    recorded = head.digest if sequence == head.sequence else spent(sequence)
    if recorded is None:
        return Placement(Place.NEEDS_LOOKUP, sequence)
    return Placement(Place.REPEAT if recorded == statement_digest else Place.CONFLICT, sequence)


def advance(statement: Statement, statement_digest: bytes) -> StreamHead:
    """The head after ``statement`` spent its number, accepted or refused alike."""
    return StreamHead(statement.sequence, statement_digest)
