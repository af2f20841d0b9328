"""What ``ledger check`` and ``ledger rebuild`` read from the database, all in one snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.replay import Replay


@dataclass(frozen=True, slots=True)
class HeadRow:
    """The head row; ``frontier`` is the joined hashes, largest subtree first."""

    network: str
    size: int
    accepted_at: int
    floor: int
    frontier: bytes


@dataclass(frozen=True, slots=True)
class BodyRow:
    """A row of one of the three body tables. ``note`` is what the table tells beside the body: the hash of a public
    one, subject and parties of a party one, the member of a refused one.
    """

    table: str
    body: bytes | None
    note: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry with its columns as stored and the body rows of its index."""

    index: int
    accepted_at: int
    member: str
    family: str
    sequence: int
    visibility: str
    code: str | None
    type: str | None
    subject: str | None
    digest: bytes
    entry: bytes
    bodies: tuple[BodyRow, ...]


@dataclass(frozen=True, slots=True)
class TileRow:
    """A stored tile."""

    level: int
    n: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of a read model that are not as rebuilt: how many, and the keys of the first."""

    table: str
    count: int
    first: tuple[str, ...]


class CheckStore(Protocol):
    """One snapshot of the ledger's database. Raises Unavailable where PostgreSQL does not answer."""

    async def head(self) -> HeadRow | None:
        """The head row, None where the ledger never ran."""
        ...

    def entries(self) -> AsyncIterator[Sequence[EntryRow]]:
        """Every entry in order of index, in chunks."""
        ...

    async def tiles(self, level: int, first: int, last: int) -> Mapping[int, bytes]:
        """Stored tiles of a level, by index ``first`` to ``last``."""
        ...

    async def tile_count(self) -> int:
        """All stored tiles."""
        ...

    def checkpoints(self) -> AsyncIterator[StoredCheckpoint]:
        """Every checkpoint in order of size."""
        ...

    async def stray_bodies(self) -> Sequence[str]:
        """The first body rows that belong to no entry, as ``table index``."""
        ...

    async def kept_bodies(self, erased: Mapping[str, int]) -> Sequence[int]:
        """Indices of the first party or refused bodies still held though their subject was erased after them."""
        ...

    async def compare(self, replay: Replay) -> Sequence[Difference]:
        """Write the rebuilt read models into a scratch schema and compare row by row; nothing is left behind."""
        ...
