"""What ``ledger check`` and ``ledger rebuild`` read from the database, all in one snapshot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.replay import Replay


@dataclass(frozen=True, slots=True)
class HeadRow:
    """The head row; ``frontier`` is the joined hashes, largest subtree first. ``generation`` is the lease's."""

    network: str
    size: int
    accepted_at: int
    floor: int
    frontier: bytes
    generation: int = 0


@dataclass(slots=True)
class BodyRow:
    """A row of one of the three body tables. ``note`` is what the table tells beside the body: the hash of a public
    one, subject and parties of a party one; member, subject and ``arrived_at`` of a refused one.
    """

    table: str
    body: bytes | None
    note: tuple[Any, ...]


@dataclass(slots=True)
class EntryRow:
    """An entry with its columns as stored and the body rows of its index. ``refusal`` is JSON text."""

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
    refusal: str | None = None
    ingress: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A stored checkpoint and whether it was acked on its topic."""

    checkpoint: StoredCheckpoint
    shown: bool


class LetterRow(NamedTuple):
    """A row of a member's inbox, its columns in order."""

    member: str
    number: int
    kind: str
    size: int
    entry_index: int | None
    value: bytes | None
    created_at: int


@dataclass(slots=True)
class AnsweredRow:
    """What a letter is held against: an entry's place and what its sender was told."""

    index: int
    member: str
    family: str
    sequence: int
    code: str | None
    refusal: str | None
    accepted_at: int
    digest: bytes


class Notified(NamedTuple):
    """A notice that an entry must have sent: the member told, the entry's index and instant, the letter's value."""

    member: str
    entry_index: int
    accepted_at: int
    value: bytes


class KeptRow(NamedTuple):
    """A signed statement that has no index: one that waits, or one that conflicts with another.

    ``headers`` is JSON text; ``body`` is None where it is no longer held. ``columns`` are all that the table says.
    """

    table: str
    member: str
    family: str
    sequence: int
    arrived_at: int
    headers: str
    body: bytes | None
    columns: Mapping[str, Any]


class UnverifiedRow(NamedTuple):
    """A record for the operator's refused topic that was not acked yet."""

    number: int
    arrived_at: int
    ingress: str
    code: str
    value: bytes


class CosignatureRow(NamedTuple):
    """A witness's cosignature as stored, with the note of its checkpoint; ``signed_at`` in Unix seconds."""

    size: int
    key_id: str
    member: str
    signed_at: int
    line: str
    note: str


class Counted(NamedTuple):
    """Entries of one member, family and type in a range of the log; ``kind`` is empty where no body could be read."""

    member: str
    family: str
    kind: str
    accepted: int
    refused: int


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

    async def stray_tiles(self, counts: Sequence[int]) -> Sequence[tuple[int, int]]:
        """Level and index of the first stored tiles that a tree with ``counts`` tiles, by level, does not have."""
        ...

    def checkpoints(self) -> AsyncIterator[CheckpointRow]:
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


class LetterStore(Protocol):
    """The outgoing side of the same snapshot: what members and topics were, or will be, told."""

    def letters(self) -> AsyncIterator[Sequence[LetterRow]]:
        """Every inbox row by member and number, in chunks bounded in rows."""
        ...

    async def answered(self, indices: Sequence[int]) -> Mapping[int, AnsweredRow]:
        """The entries at these indices, by index."""
        ...

    async def entry_digests(self, places: Sequence[tuple[str, str, int]]) -> Mapping[tuple[str, str, int], bytes]:
        """SHA-256 of the statements at these (member, family, sequence)."""
        ...

    async def conflict_places(self) -> frozenset[tuple[str, str, int]]:
        """(member, family, sequence) of every conflict that was kept."""
        ...

    async def inbox_heads(self) -> Mapping[str, tuple[int, int]]:
        """(last number, published number) of each member's inbox."""
        ...

    async def expect_notices(self, notices: Iterable[Notified]) -> None:
        """Note in the scratch schema what entries must have sent."""
        ...

    async def notice_faults(self, since: int, after: int) -> Sequence[tuple[str, int | None, int | None, bytes | None]]:
        """(member, number, index, value) where notices differ: without ``number`` one that was never written, without
        ``index`` one that no entry sent, with both one in another commit. Entries accepted before ``since`` (Unix ms)
        may lack theirs, and those below index ``after``.
        """
        ...

    async def body_letter_faults(self, since: int, after: int) -> Sequence[tuple[str, int | None, int | None]]:
        """(member, number, index) where letters of kind ``body`` are not those that the parties of bodies give."""
        ...


class RestStore(Protocol):
    """What has no index, and the marks: the rest of the same snapshot."""

    def kept(self) -> AsyncIterator[KeptRow]:
        """Every row of ``waiting`` and of ``conflict``."""
        ...

    def unverified(self) -> AsyncIterator[UnverifiedRow]:
        """Every record for the refused topic, in order of number."""
        ...

    def summaries(self) -> AsyncIterator[tuple[int, bytes]]:
        """(size, value) of every summary, in order of size."""
        ...

    def cosignatures(self) -> AsyncIterator[CosignatureRow]:
        """Every cosignature, by size and key id."""
        ...

    async def counted(self, start: int, stop: int) -> Sequence[Counted]:
        """Entries ``start`` to ``stop - 1`` counted, in order of the first entry of each."""
        ...

    async def published(self) -> Mapping[str, int]:
        """Positions by name."""
        ...

    async def ingress(self) -> Mapping[tuple[str, int], int]:
        """Next offset by (topic, partition)."""
        ...

    async def repeated_ingress(self) -> Sequence[tuple[int, str]]:
        """(index, place) of the first entries that name the ingress record of another one."""
        ...

    async def lease_generations(self) -> Sequence[int]:
        """The generation of each lease row."""
        ...
