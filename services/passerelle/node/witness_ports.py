"""What a witness, and the alarms of every node, need of the world. Each docstring is the contract.

Every method may raise Unavailable: nothing was changed then, or the same call can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from passerelle.core.tiles import TileCoord

MAX_OPEN: Final = 16
"""Open alarms that are kept: more of them say nothing new."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that this node cosigns: ``note`` with the log's signature; ``delivered`` once the log took it."""

    size: int
    root: bytes
    note: str
    delivered: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """The log contradicted itself. ``name`` and ``evidence``: of the evidence file; ``size``: the larger of the two;
    times in Unix ms; ``cleared_at`` None while it is open.
    """

    name: str
    code: str
    size: int
    evidence: bytes
    raised_at: int
    cleared_at: int | None = None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, without the evidence."""
        return {
            "alarm": self.name,
            "code": self.code,
            "size": self.size,
            "raised_at": self.raised_at,
            "cleared_at": self.cleared_at,
            "reason": self.reason,
        }


class AlarmStore(Protocol):
    """Alarms that outlive the process."""

    async def raise_alarm(self, alarm: Alarm) -> bool:
        """Keep a new open alarm; False where it is kept already, cleared or not, or ``MAX_OPEN`` are open."""
        ...

    async def alarms(self, *, open_only: bool) -> Sequence[Alarm]:
        """Alarms, newest first; at most 100."""
        ...

    async def clear_alarm(self, name: str, reason: str, now_ms: int) -> bool:
        """Close an open alarm; False where there is none of this name."""
        ...

    async def add_problem(self, code: str, what: str, fix: str, now_ms: int) -> None:
        """Open a problem unless one of this code is open."""
        ...


class WitnessStore(Protocol):
    """The promise, and what it rests on."""

    async def cosigned(self) -> Cosigned | None:
        """The largest checkpoint cosigned; None before the first."""
        ...

    async def advance(self, before: Cosigned | None, after: Cosigned) -> bool:
        """Move the promise in one compare-and-swap: from exactly the size and root of ``before`` to a larger size.

        False, with nothing changed, where another promise stands there, ``after`` is not larger, or an alarm is open.
        """
        ...

    async def note_delivered(self, size: int) -> None:
        """The log has taken the cosignature of this size."""
        ...

    async def positions(self) -> dict[str, tuple[int, int | None]]:
        """By name (``witness``, ``checkpoint``): a number, and the next offset to read."""
        ...

    async def save_witness_position(self, next_offset: int) -> None:
        """Read on from this offset of the checkpoint topic after a restart: position ``witness``."""
        ...

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        """A member's record as the registry topic shows it, None where it does not."""
        ...


class LogReader(Protocol):
    """The log over HTTP (C2SP tlog-tiles). What comes is bounded, and no more than bytes: nothing is believed yet."""

    async def tile(self, coord: TileCoord) -> bytes:
        """At least the hashes that the coordinate names. Raises NotFound ``tile-absent``, FormatError."""
        ...

    async def checkpoint(self) -> bytes:
        """The latest checkpoint's note. Raises NotFound, FormatError."""
        ...


class CosignatureDesk(Protocol):
    """Where cosignatures go."""

    async def add_cosignature(self, note: bytes) -> None:
        """Hand a checkpoint over with our cosignature. Raises PasserelleError as LedgerService tells."""
        ...
