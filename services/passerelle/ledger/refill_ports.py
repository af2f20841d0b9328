"""What a refill reads and keeps: the feed from an index on, ingress records by their place, members' inbox topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from passerelle.ledger.model import Place

Coordinates = tuple[str, int, int]
"""(topic, partition, offset) of an ingress record."""


@dataclass(frozen=True, slots=True)
class FeedRecord:
    """One entry as the feed carries it. ``body`` is the public, accepted body, else empty."""

    index: int
    entry: bytes
    ingress: str
    body: bytes

    @property
    def coordinates(self) -> Coordinates:
        """Where the event lies. Raises ValueError where ``ingress`` is not ``topic/partition/offset``."""
        topic, partition, offset = self.ingress.rsplit("/", 2)
        return topic, int(partition), int(offset)


@dataclass(frozen=True, slots=True)
class Letter:
    """An inbox record as published: ``number`` from 1, ``written_at`` Unix ms, ``value`` JSON by ``kind``."""

    member: str
    number: int
    kind: str
    value: bytes
    written_at: int


@dataclass(frozen=True, slots=True)
class ToldRow:
    """An inbox row that was published. ``value`` is None for kind ``body``, ``entry_index`` for every other."""

    member: str
    kind: str
    entry_index: int | None
    value: bytes | None
    created_at: int


class FeedSource(Protocol):
    """The public feed."""

    def records(self, start: int) -> AsyncIterator[Sequence[FeedRecord]]:
        """Chunks from index ``start`` to the end as it is now, each index once, in order.

        Raises Fatal ``ledger-diverged`` where an index is missing or a record is not a ledger's; Unavailable.
        """
        ...


class IngressSource(Protocol):
    """The ingress topics, by place. Every method raises Unavailable."""

    async def beginnings(self) -> Mapping[Place, int]:
        """The first offset that is still there, for every partition."""
        ...

    async def fetch(self, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
        """The values of these records; those past retention are left out."""
        ...

    async def search(self, statements: Collection[bytes], starts: Mapping[Place, int]) -> Mapping[bytes, bytes]:
        """Bodies by the SHA-256 of their statement: any record at or after ``starts`` that carries one of these
        statements with its very body.
        """
        ...


class InboxTopics(Protocol):
    """The members' inbox topics. Every method raises Unavailable."""

    async def published(self, known: Mapping[str, int]) -> Mapping[str, int]:
        """The highest number that a member's topic ever held, at least, for each member whose topic may have held more
        than the ``known`` one.
        """
        ...

    def letters(self, member: str, after: int) -> AsyncIterator[Sequence[Letter]]:
        """What the topic still holds beyond number ``after``, in order, each number once, in chunks."""
        ...


class LetterStore(Protocol):
    """Inbox rows in the ledger's database. Every method raises Unavailable."""

    async def numbers(self) -> Mapping[str, tuple[int, int]]:
        """For each member: the last number given, and the last one known as published."""
        ...

    async def mark(self, size: int) -> None:
        """Keep that letters of the first ``size`` entries may be restored ones."""
        ...

    async def restore(self, letters: Sequence[Letter], size: int) -> None:
        """Store letters that were published already, as of log size ``size``."""
        ...

    async def settle(self, member: str, number: int, size: int, now_ms: int) -> None:
        """The member's topic holds all up to ``number``: the next letter follows it. Numbers between that are not
        held any more are filled with empty receipts, so that nobody waits for them.
        """
        ...

    def told(self, size: int) -> AsyncIterator[Sequence[ToldRow]]:
        """Published letters of commits beyond log size ``size``, each member's in order of number, in chunks."""
        ...

    async def asked(self, member: str, value: bytes, since_ms: int) -> bool:
        """Whether this ``resend-from`` was written to the member since then."""
        ...
