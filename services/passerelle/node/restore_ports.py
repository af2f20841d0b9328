"""What finding one's way back to the ledger needs of the world. Each docstring is the contract.

Every method may raise Unavailable: nothing was changed then, or the same call can be made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from passerelle.core.streams import StreamHead
from passerelle.node.ports import Proved
from passerelle.node.recognise import OwnEvent
from passerelle.node.records import RecordKeys


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An entry of our own stream as LedgerService gives it: nothing is believed yet.

    ``body``, ``type`` and ``subject`` are empty where the ledger holds them no more; ``field``, ``what`` and ``fix``
    tell why it was refused.
    """

    index: int
    entry: bytes
    body: bytes = b""
    type: str = ""
    subject: str = ""
    field: str = ""
    what: str = ""
    fix: str = ""


class OwnStreams(Protocol):
    """The ledger, asked about the caller's own streams."""

    async def stream_head(self, family: str) -> StreamHead:
        """The last spent number and its statement's digest; the empty head while the ledger does not know us."""
        ...

    async def stream_events(self, family: str, after: int, limit: int, *, bodies: bool) -> list[StreamEvent]:
        """Entries after a sequence that the feed has, in order, at most ``limit``, fewer where they are large; none at
        the end, which may be before the head for a moment.
        """
        ...

    async def proof(self, family: str, sequence: int) -> Proved:
        """The proof of one of our own entries. Raises Unavailable ``checkpoint-not-ready`` too."""
        ...


@dataclass(frozen=True, slots=True)
class Tail:
    """Local rows above a sequence: how many, how many were answered, and how many were handed to Kafka."""

    rows: int
    answered: int
    sent: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What taking events in led to: how many there are, the numbers whose bodies are lost, and the things whose drafts
    were set aside because the ledger holds another event in their place.
    """

    events: int = 0
    lost: tuple[int, ...] = ()
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A row of the outbox as it is compared. Hashes are of the bytes stored; times in Unix ms."""

    sequence: int
    type: str
    subject: str
    statement: bytes
    body_sha256: bytes
    released_at: int
    outcome: str | None
    index: int | None
    code: str
    lost: str


@dataclass(frozen=True, slots=True)
class StreamStanding:
    """Where a stream stands here: head, highest number handed to Kafka, and the counts of its answers."""

    head: StreamHead
    sent: int = 0


class RestoreStore(Protocol):
    """The node's database, seen by who compares it with the ledger."""

    async def standing(self, family: str) -> StreamStanding:
        """Where a stream stands here."""
        ...

    async def digest_at(self, family: str, sequence: int) -> bytes | None:
        """SHA-256 of our statement at a number, None where there is none."""
        ...

    async def tail(self, family: str, after: int) -> Tail:
        """What stands above a sequence."""
        ...

    async def take_back(
        self, family: str, before: StreamHead, events: Sequence[OwnEvent], keys: RecordKeys, now_ms: int
    ) -> Taken | None:
        """Store own events that follow ``before``, with outcomes, records and things, and move the stream's head.

        None, with nothing changed, where the head is not ``before``. A draft with the same body goes: it was released
        before. Drafts that stand against an event set aside with it are kept apart and named.
        """
        ...

    async def draft_again(self, family: str, common: StreamHead, *, sent_too: bool, now_ms: int) -> int | None:
        """Make rows above ``common`` drafts again and set the head back to it; how many that were.

        None, with nothing changed, where one of them was answered, or handed to Kafka without ``sent_too``.
        """
        ...

    async def mend(self, family: str, events: Sequence[OwnEvent], now_ms: int) -> None:
        """Replace rows, or fill the holes of rows, at or below the head by what the ledger holds."""
        ...

    async def rows_after(self, family: str, after: int, limit: int) -> list[LocalRow]:
        """Rows above a sequence, in order."""
        ...

    async def records_without_event(self, limit: int) -> list[Mapping[str, Any]]:
        """Office records counted as accepted of whose thing no accepted event of ours is here: kind, thing."""
        ...

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        """A member's record as the registry topic shows it, None where it does not."""
        ...

    async def tell(self, code: str, family: str, sequence: int, what: str, now_ms: int) -> None:
        """Open a problem about a place of a stream, unless the same one is open."""
        ...

    async def settle_conflicts(self, family: str) -> None:
        """Close the sequence conflicts of a stream that a restore explains: at a number that came back, or whose event
        was set aside.
        """
        ...

    async def close_problems(self, codes: Sequence[str], family: str) -> int:
        """Close a stream's open problems of these codes; how many that were."""
        ...


@dataclass(slots=True)
class Outcome:
    """What comparing the streams led to, by family."""

    restored: dict[str, int] = field(default_factory=dict)
    drafted: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[int]] = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)
    forked: dict[str, int] = field(default_factory=dict)
    """The first number at which node and ledger hold different statements."""
