"""From a request's ``known_at`` and ``min_position`` to the size of the log that the answer is about."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Final

from passerelle.api.common.v1 import common_pb2
from passerelle.core.errors import FormatError, PasserelleError, Unavailable
from passerelle.core.sending import parse_date
from passerelle.query.histories import Position
from passerelle.query.index import Index
from passerelle.runtime.clock import as_datetime

_MARGIN: Final = 0.1
"""Share of the time left that is kept for the refusal itself, so that it comes before the deadline."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A state of the ledger: its position and the date that it stands for (UTC)."""

    position: Position
    date: dt.date

    @property
    def size(self) -> int:
        """Entries that the answer covers."""
        return self.position.size

    @property
    def known_at(self) -> int:
        """The index of the last entry covered, as the core counts; -1 for an empty log."""
        return self.position.size - 1

    def message(self) -> common_pb2.Position:
        """The position as answers state it."""
        at = self.position
        return common_pb2.Position(size=at.size, accepted_at_ms=at.accepted_at, floor_ms=at.floor)


async def wait_for_size(index: Index, size: int, wait_s: float) -> None:
    """Wait until the index holds ``size`` entries. Raises Unavailable ``position-not-reached``."""
    if index.position.size >= size:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s * (1 - _MARGIN)
    while index.position.size < size:
        moved, left = index.moved, deadline - loop.time()
        try:
            await asyncio.wait_for(moved.wait(), max(left, 0))
        except TimeoutError:
            raise Unavailable(
                "position-not-reached",
                f"The position is {index.position.size}; {size} was not reached in time.",
                where="min_position",
            ) from None


async def resolve(index: Index, known_at: common_pb2.KnownAt | None, min_position: int, *, wait_s: float) -> Moment:
    """The state that a request asks about; without ``known_at`` the head.

    Raises Unavailable ``position-not-reached``, PasserelleError ``not-settled``, FormatError ``argument-invalid``.
    """
    which = None if known_at is None else known_at.WhichOneof("at")
    wanted = known_at.size if known_at is not None and which == "size" else 0
    await wait_for_size(index, max(min_position, wanted), wait_s)
    now = index.position
    if known_at is None or which is None:
        return head_moment(index)
    if which == "size":
        return moment_at(index, known_at.size)
    instant = known_at.instant_ms
    if instant < 0:
        raise FormatError("argument-invalid", "An instant is Unix milliseconds.", where="known_at.instant_ms")
    if instant > now.floor:
        raise PasserelleError(
            "not-settled",
            f"Entries up to this instant may still come: instants up to {now.floor} are settled.",
            where="known_at.instant_ms",
        )
    size = index.clockwork.size_at(instant)
    return Moment(Position(size, index.clockwork.accepted_at(size), now.floor), _date(instant))


def head_moment(index: Index) -> Moment:
    """The state at the head."""
    now = index.position
    return Moment(now, _date(now.floor or now.accepted_at))


def moment_at(index: Index, size: int) -> Moment:
    """The state after ``size`` entries, which the index holds."""
    accepted_at = index.clockwork.accepted_at(size)
    return Moment(Position(size, accepted_at, index.position.floor), _date(accepted_at))


def _date(instant: int) -> dt.date:
    try:
        return as_datetime(instant).date()
    except (OverflowError, ValueError, OSError):
        raise FormatError("argument-invalid", "The instant is no date.", where="known_at.instant_ms") from None


def date_or(text: str, default: dt.date, where: str) -> dt.date:
    """A date argument, or the default where it is empty. Raises FormatError ``argument-invalid``."""
    if not text:
        return default
    try:
        return parse_date(text, where=where)
    except FormatError as error:
        raise FormatError("argument-invalid", error.what, where=where, fix="Write it as YYYY-MM-DD.") from None
