"""What passes between the parts of the ledger: records, prepared events, the loaded state and the plan of one commit.

Instants are Unix milliseconds, hashes 32 bytes. Rows are plain tuples in the order of the table's columns, because
thousands of them go into each commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from passerelle.core.batch import Arrived, SignedStatement, batch_message, from_kafka
from passerelle.core.batchtree import BatchTree
from passerelle.core.errors import Refused
from passerelle.core.registry import Registry
from passerelle.core.statement import Statement
from passerelle.core.streams import StreamHead
from passerelle.core.things import Dependency, Thing
from passerelle.core.tiles import TileGrowth
from passerelle.events.codec import Event

StreamId = tuple[str, str]
"""(member, family)."""
Place = tuple[str, int]
"""(topic, partition)."""
SpentId = tuple[str, str, int]
"""(member, family, sequence)."""

COMMIT_CHANNEL: Final = "ledger_commit"
"""PostgreSQL notifies it in each commit; the payload is the decimal log size."""


class RawRecord(NamedTuple):
    """One ingress record as Kafka holds it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None

    @property
    def ingress(self) -> str:
        """``topic/partition/offset``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(slots=True)
class Prepared:
    """A record whose form, hashes and signature were checked; decided by the sequencer.

    ``tree`` and ``root``: the batch that the path leads to. ``checked``: the batch's signature verified under the key
    of ``arrived.key_id``; False while that key is unknown. ``event`` is the body as read, ``refusal`` why it could not
    be; both are None before the body was read. ``judged_at`` is the instant that the body's time was compared with;
    ``needs`` the keys of things that the decision will read.
    """

    raw: RawRecord
    arrived: Arrived
    body: bytes
    statement: Statement
    stream: StreamId
    digest: bytes
    root: bytes
    tree: BatchTree | None
    checked: bool = False
    event: Event | None = None
    refusal: Refused | None = None
    judged_at: int = 0
    needs: frozenset[str] = frozenset()

    @property
    def message(self) -> bytes:
        """What the batch's signature signs."""
        statement = self.statement
        return batch_message(statement.network, statement.member, self.arrived.batch_size, self.root)

    @property
    def signed(self) -> SignedStatement:
        """The event as it travels, path and all; read anew from the record."""
        return from_kafka(self.raw.headers, self.raw.value)


@dataclass(slots=True)
class Unverified:
    """A record that verifies under no key of the member that it names: nobody's. ``member_named`` may be empty."""

    raw: RawRecord
    code: str
    member_named: str = ""


Item = Prepared | Unverified


@dataclass(slots=True)
class Batch:
    """Records of one fetch, prepared, in order; ``offsets`` are the next ones to read."""

    items: list[Item] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)


@dataclass(slots=True)
class Spent:
    """What stands at a spent number. ``code`` is None where accepted, ``refusal`` what the sender was told."""

    digest: bytes
    index: int
    code: str | None
    refusal: dict[str, str] | None


@dataclass(slots=True)
class Needs:
    """What a plan must be given before it goes on: things, edges on a thing, spent numbers."""

    things: set[str] = field(default_factory=set)
    edges: set[str] = field(default_factory=set)
    spent: set[SpentId] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.things or self.edges or self.spent)


@dataclass(slots=True)
class Loaded:
    """The answer to :class:`Needs`; a key that was asked for and is absent here does not exist."""

    things: dict[str, Thing] = field(default_factory=dict)
    edges: dict[str, list[Dependency]] = field(default_factory=dict)
    spent: dict[SpentId, Spent] = field(default_factory=dict)


@dataclass(slots=True)
class Head:
    """The head row of the log. ``peaks`` are the Merkle frontier's hashes, largest subtree first."""

    network: str
    generation: int
    size: int
    accepted_at: int
    floor: int
    peaks: tuple[bytes, ...]


@dataclass(slots=True)
class WaitingRow:
    """An event that waits, as stored."""

    arrived_at: int
    raw: RawRecord


@dataclass(slots=True)
class LedgerState:
    """All that the sequencer holds in memory, as loaded at the start and after every failure."""

    head: Head
    registry: Registry
    streams: dict[StreamId, StreamHead]
    waiting: list[WaitingRow]
    inbox_numbers: dict[str, int]
    offsets: dict[Place, int]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of waiting, a stream: events, bytes of their bodies. Times in milliseconds."""

    park_max: int = 4096
    park_bytes: int = 16 * 1024 * 1024
    reference_wait_ms: int = 60_000
    ask_after_ms: int = 5_000
    ask_at_most_every_ms: int = 60_000
    gap_alarm_ms: int = 300_000


@dataclass(slots=True)
class CommitPlan:
    """One transaction. Row lists follow the columns of migrations/0001_ledger.sql."""

    size_before: int
    size: int
    accepted_at: int
    peaks: tuple[bytes, ...] = ()
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    public_bodies: list[tuple[int, bytes, bytes]] = field(default_factory=list)
    party_bodies: list[tuple[int, str, list[str], bytes]] = field(default_factory=list)
    refused_bodies: list[tuple[int, str, str | None, int, bytes]] = field(default_factory=list)
    streams: dict[StreamId, StreamHead] = field(default_factory=dict)
    things_new: list[Thing] = field(default_factory=list)
    things_changed: list[Thing] = field(default_factory=list)
    dependencies: dict[tuple[str, str, str], Dependency] = field(default_factory=dict)
    undepend: list[str] = field(default_factory=list)
    erase: list[tuple[str, int]] = field(default_factory=list)
    """(subject, index of the ``erased`` event): earlier bodies of the subject are deleted."""
    registry: dict[str, Any] | None = None
    """The registry's snapshot where member events changed it."""
    members: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    """(member, index of the change, its record) for each changed member."""
    admitted: list[str] = field(default_factory=list)
    volume: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    """(hour since 1970, family) -> [accepted, refused]."""
    tiles: list[TileGrowth] = field(default_factory=list)
    waiting_new: list[tuple[Any, ...]] = field(default_factory=list)
    waiting_gone: list[SpentId] = field(default_factory=list)
    offsets: dict[Place, int] = field(default_factory=dict)
    conflicts: list[tuple[Any, ...]] = field(default_factory=list)
    inbox: list[tuple[Any, ...]] = field(default_factory=list)
    inbox_heads: dict[str, int] = field(default_factory=dict)
    unverified: list[tuple[int, str, str, bytes]] = field(default_factory=list)
    summary: bytes | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (
            self.entries or self.offsets or self.waiting_new or self.waiting_gone or self.inbox or self.unverified
        )
