"""What the readable log needs from the database. Every method raises Unavailable ``database-unavailable``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from passerelle.core.tiles import ReadTile
from passerelle.ledger.access import Caller

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as one caller may see it: ``body``, ``type`` and ``subject`` are empty where it may not read the body,
    ``body`` also where it is not held any more.
    """

    index: int
    entry: bytes
    body: bytes
    type: str
    subject: str


@dataclass(frozen=True, slots=True)
class StreamEntryView:
    """An entry of a stream, and why it was refused as its sender was told: ``field``, ``what`` and ``fix`` are empty
    where it was accepted or the caller may not read its body.
    """

    view: EntryView
    field: str = ""
    what: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PublicBody:
    """A public body that the log names; ``body`` is None once it was withdrawn."""

    body: bytes | None


@dataclass(frozen=True, slots=True)
class StreamView:
    """Where a stream stands; ``digest`` is zeros at sequence 0. ``waiting`` counts events behind a gap or reference."""

    sequence: int
    digest: bytes
    waiting: int


@dataclass(frozen=True, slots=True)
class InboxView:
    """An inbox record as it is published."""

    number: int
    kind: str
    value: bytes


@dataclass(frozen=True, slots=True)
class VolumeView:
    """Entries of one hour (hours since 1970, UTC) and family."""

    hour: int
    family: str
    accepted: int
    refused: int


class LogStore(Protocol):
    """Bounded reads of the committed log."""

    async def walk(self, walk: Callable[[ReadTile], T]) -> T:
        """Run a pure walk over the tree with the tiles that it reads at hand."""
        ...

    async def tile(self, level: int, n: int) -> bytes:
        """The stored hashes of one tile; empty where there is none."""
        ...

    async def entries(self, start: int, stop: int) -> Sequence[bytes]:
        """The entries at ``start`` to ``stop - 1``; fewer where the log ends before."""
        ...

    async def public_body(self, sha256: bytes) -> PublicBody | None:
        """The public, accepted body of this hash, None where the log names none."""
        ...

    async def entry_at(self, index: int, caller: Caller) -> EntryView | None:
        """One entry by index."""
        ...

    async def entry_of(self, member: str, family: str, sequence: int, caller: Caller) -> EntryView | None:
        """One entry by its place in its stream."""
        ...

    async def stream_entries(
        self, member: str, family: str, after: int, limit: int, caller: Caller, *, bodies: bool
    ) -> Sequence[StreamEntryView]:
        """Entries of a stream after a sequence that the feed has acked, in order, bounded in bytes too, at least one if
        any. A member takes them for answers, so they must outlive this database as receipts do.
        """
        ...

    async def views(self, start: int, stop: int, caller: Caller) -> Sequence[EntryView]:
        """Entries ``start`` to ``stop - 1`` without their bodies."""
        ...

    async def stream(self, member: str, family: str) -> StreamView:
        """Where a stream stands; at 0 where nothing was numbered yet."""
        ...

    async def inbox(self, member: str, after: int, limit: int) -> Sequence[InboxView]:
        """Records after a number whose entries the feed has acked, bounded in bytes too, at least one if any."""
        ...

    async def volume(self, first_hour: int) -> Sequence[VolumeView]:
        """Counts from an hour on, in order of hour and family."""
        ...
