"""What the outgoing half of the ledger needs: committed rows to read, positions to keep, topics to write to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from passerelle.core.merkle import EMPTY_ROOT

Header = tuple[str, bytes]
READ_MAX: Final = 4_000
"""Rows in one read."""
MEMBERS_MAX: Final = 500
"""Members in one read: a record with its keys may take some kilobytes."""
BYTES_MAX: Final = 8 * 1024 * 1024
"""Bytes of bodies and values in one read, beyond its first row."""


@dataclass(slots=True)
class FeedRow:
    """One entry as the public feed carries it. ``body`` is the public, accepted body, else empty."""

    index: int
    member: str
    entry: bytes
    ingress: str
    body: bytes


@dataclass(frozen=True, slots=True)
class InboxRow:
    """One record of a member's inbox: ``number`` from 1, ``value`` JSON by ``kind``."""

    member: str
    number: int
    kind: str
    value: bytes


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member's present record as JSON; ``changed`` is the log index of its last change."""

    member: str
    changed: int
    value: bytes


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """The summary of one commit; ``size`` is the log's size after it."""

    size: int
    value: bytes


@dataclass(frozen=True, slots=True)
class UnverifiedRow:
    """What verified under no key of the member it names: JSON without the body."""

    number: int
    code: str
    ingress: str
    value: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A signed checkpoint: ``note`` is the C2SP signed note, ``signed_at`` Unix ms."""

    size: int
    root: bytes
    note: str
    signed_at: int


@dataclass(frozen=True, slots=True)
class Positions:
    """How far the public topics are acked: the next index of the feed, and of the changes told on the registry."""

    feed: int = 0
    registry: int = 0


@dataclass(slots=True)
class Record:
    """One Kafka record to be written to partition 0 of its topic."""

    key: bytes | None
    value: bytes
    headers: list[Header] = field(default_factory=list)


class OutgoingStore(Protocol):
    """Committed rows and positions. Reads are bounded in rows and bytes; a position never goes back.

    Every method raises Unavailable ``database-unavailable`` when PostgreSQL does not answer; nothing was changed then,
    or it was changed whole.
    """

    async def positions(self) -> Positions:
        """The saved positions."""
        ...

    async def feed(self, start: int) -> Sequence[FeedRow]:
        """Entries from index ``start`` on, without a hole."""
        ...

    async def save_feed(self, position: int) -> None:
        """Entries below ``position`` are acked on the feed."""
        ...

    async def inboxes(self, size: int) -> Sequence[InboxRow]:
        """Unpublished inbox records of commits up to log size ``size``; each member's in order of number."""
        ...

    async def save_inboxes(self, published: Mapping[str, int]) -> None:
        """The highest acked number of each member's inbox."""
        ...

    async def members(self, start: int, size: int) -> Sequence[MemberRow]:
        """Members whose last change has an index in ``start`` to ``size - 1``, in order of change; at most
        :data:`MEMBERS_MAX`.
        """
        ...

    async def member_ids(self) -> Sequence[str]:
        """All members."""
        ...

    async def save_registry(self, position: int) -> None:
        """Changes of members below ``position`` are acked."""
        ...

    async def summaries(self, size: int) -> Sequence[SummaryRow]:
        """Summaries of commits up to log size ``size`` that are not acked yet, in order."""
        ...

    async def drop_summaries(self, size: int) -> None:
        """Summaries up to ``size`` are acked: forget them."""
        ...

    async def unverified(self) -> Sequence[UnverifiedRow]:
        """What waits for the refused topic, in order."""
        ...

    async def drop_unverified(self, number: int) -> None:
        """Those up to ``number`` are acked: forget them."""
        ...

    async def expire(self, now_ms: int) -> int:
        """Delete inbox records and refused bodies that are past their time; returns how many rows went."""
        ...

    async def close(self) -> None:
        """Release what is held; may be called twice."""
        ...


class CheckpointStore(Protocol):
    """Checkpoints and the tree that they are about. Errors as :class:`OutgoingStore`."""

    async def size(self) -> int:
        """The committed size of the log."""
        ...

    async def roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """Roots of the tree at these sizes, from the stored tiles.

        Raises Fatal ``ledger-diverged`` where a tile is missing or malformed.
        """
        ...

    async def entry(self, index: int) -> bytes | None:
        """The stored entry at an index, None beyond the end."""
        ...

    async def latest(self, *, shown: bool) -> StoredCheckpoint | None:
        """The largest checkpoint stored; with ``shown`` the largest that was acked on its topic."""
        ...

    async def add(self, checkpoint: StoredCheckpoint) -> None:
        """Store by compare-and-swap; the very same again is absorbed.

        Raises Fatal ``checkpoint-shrunk`` when a larger one is stored, ``checkpoint-forked`` when one of this size has
        another root or note; nothing is stored then.
        """
        ...

    async def show(self, size: int) -> None:
        """The checkpoint of this size is acked on its topic."""
        ...


class Topics(Protocol):
    """Writing to topics, each of one partition."""

    async def ensure(self, members: Sequence[str], *, fixed: bool) -> None:
        """Create the inboxes of ``members``, with ``fixed`` also the topics of the network, where they are absent.

        Raises Unavailable.
        """
        ...

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        """Write records by topic, in order; returns once every one is acked by all replicas.

        Raises Unavailable ``produce-failed`` or ``broker-unavailable``: some may have been written then. The next call
        starts with a new producer.
        """
        ...

    async def close(self) -> None:
        """End the producer."""
        ...


class TopicTails(Protocol):
    """Reading the ends of the public topics, at start."""

    async def checkpoints(self) -> Sequence[bytes]:
        """The last few notes on the checkpoint topic; empty where it is empty or absent. Raises Unavailable."""
        ...

    async def feed(self) -> Sequence[tuple[int, bytes]]:
        """Index and entry of the last few records of the feed. Raises Unavailable."""
        ...


EMPTY = StoredCheckpoint(0, EMPTY_ROOT, "", 0)
"""Stands for the time before the first checkpoint."""
