"""What the node's use cases need of the world. Each docstring is the contract; postgres/, stream.py and rpc.py keep it.

Every method may raise Unavailable (database, broker or query service does not answer): nothing was changed then, or
the same call can be made again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from passerelle.core.batch import SignedStatement
from passerelle.core.signature import Signer
from passerelle.node.csv_report import ImportReport
from passerelle.node.messages import Answer, FeedEvent, InboxRecord, PartyBody
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner
from passerelle.node.plan import Known, Wanted
from passerelle.node.records import Record


@dataclass(frozen=True, slots=True)
class SealedResult:
    """A course result as it is stored: whose, and the ciphertext."""

    record: str
    learner: str
    details: bytes


@dataclass(frozen=True, slots=True)
class ImportRun:
    """One import as it is stored: its id, when it began, until when its drafts can be cancelled (Unix ms)."""

    id: str
    at: int
    held_until: int | None = None


@dataclass(slots=True)
class Writes:
    """What one chunk of an import stores, together or not at all."""

    drafts: list[Draft] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    learners: list[Learner] = field(default_factory=list)
    results: list[SealedResult] = field(default_factory=list)
    claimed: list[tuple[str, int]] = field(default_factory=list)
    """Places (family, sequence) of events that came back without a record and have one now."""
    moved: list[tuple[str, str]] = field(default_factory=list)
    """Records that the office gave another id: old key, new key. They move before records are stored."""
    run: ImportRun | None = None
    """The import that the drafts are of."""


@dataclass(slots=True)
class Before:
    """What is held of records before a change: events (type and body, oldest first; an empty body is held no more) and
    sealed course results by record key, learners by id.
    """

    bodies: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    learners: dict[str, Learner] = field(default_factory=dict)


class ImportChunk(Protocol):
    """One transaction of an import; imports take turns chunk by chunk."""

    async def load(self, wanted: Wanted) -> Known:
        """The records of these keys, which of these things are known here, and the latest versions known of them;
        events that came back without a record, about these things and those of these records.
        """

    async def learners(self, number_keys: Sequence[str]) -> dict[str, Learner]:
        """The learners of these student numbers (keyed hashes)."""

    async def before(self, records: Sequence[Record]) -> Before:
        """What is held of these records."""

    async def write(self, writes: Writes, now_ms: int) -> None:
        """Store drafts, records, learners and results."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A numbered event with what the ledger answered; ``outcome`` is None while it is open."""

    family: str
    sequence: int
    type: str
    subject: str
    thing: str
    signed: SignedStatement
    released_at: int
    outcome: str | None = None
    index: int | None = None
    code: str | None = None
    field: str | None = None
    what: str | None = None
    fix: str | None = None


class DraftStore(Protocol):
    """Drafts and their release."""

    def import_chunk(self) -> AbstractAsyncContextManager[ImportChunk]:
        """A transaction that commits at the end of the block, or undoes everything where the block raises."""

    async def add_drafts(self, drafts: Sequence[Draft], now_ms: int) -> None:
        """Store drafts in order."""

    async def release_ready(self, signer: Signer, *, network: str, member: str, now_ms: int) -> int:
        """Number, link and sign a batch of the drafts that wait for nothing; how many that were.

        One transaction under the row locks of the streams. A draft is ready when each thing that it needs was seen in
        the ledger, or is our own and was released before in the same family, and no earlier draft of its thing is left.
        """


class ImportStore(DraftStore, Protocol):
    """What an import asks beyond its chunks."""

    def import_chunk(self, *, lock: bool = True) -> AbstractAsyncContextManager[ImportChunk]:
        """A transaction that commits at the end of the block, or undoes everything where the block raises. Without
        ``lock``, for reading only, other imports go on meanwhile.
        """

    async def events_of(self, thing: str) -> list[OutboxRow]:
        """Our own events about a thing, in order."""

    async def compares(self, kind: str) -> bool:
        """Whether records of a kind can be known again by learner, achievement and date."""

    async def count_records(self, kind: str) -> int:
        """How many records of a kind stand: published, not refused, not revoked."""

    async def records_between(self, kind: str, prefix: str) -> list[Mapping[str, Any]]:
        """Records of a kind that stand and whose key begins with two hex digits: key, kind, thing, status."""

    async def begin_import(self, run: ImportRun, kind: str) -> None:
        """Remember that an import began."""

    async def end_import(self, run: ImportRun, report: ImportReport) -> None:
        """Remember its counts and the first of its row errors, without values; older imports' errors go."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the relay goes by, as it was at one moment."""

    problem: Mapping[str, Any] | None
    """The open problem for which the relay stands still, None where there is none."""
    record: Mapping[str, Any] | None
    """Our own record as the registry topic shows it, None where it does not."""
    drafts: bool
    """Whether any draft is left, ready or not."""
    oldest: Mapping[str, int]
    """The lowest unanswered sequence of each family that has one."""


class OutboxStore(Protocol):
    """The relay's view of the outbox."""

    async def situation(self, member: str) -> Situation:
        """What there is to do for this member's relay, in one read."""

    async def open_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """Unanswered rows of a family above a sequence, in order."""

    async def answered_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """Answered rows of a family above a sequence, in order, without those whose body is lost."""

    async def note_sent(self, family: str, through: int, *, now_ms: int, again: bool) -> None:
        """Remember that rows up to ``through`` were handed to Kafka, for ``node status``."""

    async def sign_again(self, signer: Signer, *, network: str, member: str) -> int:
        """New signatures over the unanswered rows that another key signed; how many that were."""

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        """A member's record as the registry topic shows it, None where it does not."""

    async def stopping_problem(self) -> Mapping[str, Any] | None:
        """The open problem for which the relay stands still, None where there is none."""


@dataclass(frozen=True, slots=True)
class InboxEffects:
    """What the relay must do after inbox records were taken in."""

    resend: tuple[tuple[str, int], ...] = ()
    key_refused: bool = False
    conflict: bool = False
    """The ledger holds something else in a place of ours: the streams must be compared."""


class InboxStore(Protocol):
    """What comes in, taken in once and in order, with the position in the same transaction."""

    async def positions(self) -> dict[str, tuple[int, int | None]]:
        """By name (``inbox``: last number; ``feed``: next index; ``checkpoint``: size): number, next offset to read."""

    async def take_inbox(self, records: Sequence[InboxRecord], next_offset: int | None, now_ms: int) -> InboxEffects:
        """Apply records that follow the position without a hole."""

    async def take_feed(self, events: Sequence[FeedEvent], next_offset: int) -> None:
        """Remember the things of these indices, and the position."""

    async def put_members(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep the registry's records; one with a lower ``changed_index`` does not take a newer one's place."""

    async def put_checkpoint(self, size: int, root: bytes, note: str, next_offset: int) -> str | None:
        """Keep a verified checkpoint unless a later one is held; the note held where its size has another root."""

    async def add_problem(self, code: str, what: str, fix: str, now_ms: int) -> None:
        """Open a problem unless one of this code is open."""


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """A release granted here (``outgoing``) or taken from a learner's file; ``details`` is ciphertext."""

    id: str
    outgoing: bool
    member: str
    learner: str | None
    credentials: tuple[str, ...]
    purpose: str
    ends_on: str
    details: bytes | None = None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A transfer case that this node opened."""

    id: str
    release: str
    sender: str
    learner: str | None
    matched: str = "confirmed"
    """``confirmed``, ``pending`` (a person has still to compare) or ``unmatched``."""
    candidate: str | None = None
    """Where it is pending: the person of the file, as a learner that nobody finds by name."""


class CaseStore(Protocol):
    """Learners, releases and cases."""

    async def records_by_key(self, keys: Sequence[str]) -> dict[str, Record]:
        """Office records by their keyed hash."""

    async def record_of(self, thing: str, kind: str) -> Record | None:
        """The office record that became this thing."""

    async def learner(self, learner: str) -> Learner | None:
        """A learner that was not erased."""

    async def learners_by(self, *, match_key: str = "", birth_key: str = "") -> list[Learner]:
        """Learners of this name and birth date, or of this birth date; at most 50."""

    async def results_of(self, learner: str) -> list[bytes]:
        """The learner's course results, sealed."""

    async def events_of(self, thing: str) -> list[OutboxRow]:
        """Our own events about a thing, in order."""

    async def bodies_of(self, thing: str) -> list[PartyBody]:
        """Others' events about a thing that came in, in order of index."""

    async def save_release(
        self,
        release: ReleaseRow,
        drafts: Sequence[Draft],
        *,
        learner: Learner | None,
        proved: Sequence[PartyBody],
        now_ms: int,
    ) -> None:
        """Store a release with its events, its new learner, and bodies that receipts proved to be in the ledger."""

    async def release(self, release: str) -> ReleaseRow | None:
        """A release by id."""

    async def save_case(self, case: CaseRow, drafts: Sequence[Draft], now_ms: int) -> None:
        """Store a case with its first event."""

    async def case(self, case: str) -> CaseRow | None:
        """A case that this node opened."""


class StatusStore(Protocol):
    """What people ask of the node."""

    async def streams(self) -> list[Mapping[str, Any]]:
        """One row a family: sequence, accepted, refused, waiting, held, oldest open, last answer."""

    async def held(self, limit: int) -> list[Mapping[str, Any]]:
        """Drafts that wait, with what they wait for."""

    async def refused(self, limit: int) -> list[Mapping[str, Any]]:
        """Refused events, newest first."""

    async def records(self, limit: int) -> list[Mapping[str, Any]]:
        """Office records with their things and states."""

    async def problems(self) -> list[Mapping[str, Any]]:
        """Open problems, newest first."""

    async def notices(self, limit: int) -> list[Mapping[str, Any]]:
        """Notices, newest first."""

    async def checkpoint(self) -> Mapping[str, Any] | None:
        """The latest checkpoint seen."""

    async def refused_rows(self, limit: int) -> list[Mapping[str, Any]]:
        """Rows that the latest imports refused, newest import first: import, at, kind, row, column, code, what, fix."""

    async def imports(self, limit: int) -> list[Mapping[str, Any]]:
        """Imports, newest first: id, at, kind, counts, held_until, and how many of its drafts are left."""


class Publisher(Protocol):
    """Kafka's side of the relay."""

    async def publish(self, family: str, rows: Sequence[OutboxRow]) -> None:
        """Write the rows in order to the family's topic, all in the one partition of the member, and wait for the acks.

        Raises Unavailable where that is not known to have happened; the publisher can be used again.
        """

    async def close(self) -> None:
        """Release the connection."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """Records of one topic as they came: headers, value and offset."""

    topic: str
    records: tuple[tuple[list[tuple[str, bytes]], bytes | None, int, bytes | None], ...]


class Source(Protocol):
    """The topics that a node reads."""

    def batches(self, offsets: Mapping[str, int | None]) -> AsyncGenerator[Arrived, None]:
        """Batches of records, each topic in its own order, from the given offsets on (None: the first one kept).

        A topic that is not there yet is waited for. An offset that is no longer kept starts at the first one that is.
        """


@dataclass(frozen=True, slots=True)
class Proved:
    """An entry with its proof."""

    index: int
    entry: bytes
    proof: bytes


class Ledger(Protocol):
    """The questions that a node asks over gRPC, as its own member."""

    async def list_inbox(self, after: int) -> list[InboxRecord]:
        """Inbox records after a number, at most 500."""

    async def proof(self, family: str, sequence: int) -> Proved:
        """The proof of one of our own entries. Raises Unavailable ``checkpoint-not-ready`` too."""

    async def head(self) -> int:
        """The size of the log."""

    async def close(self) -> None:
        """Release the connection."""


__all__ = [
    "Answer",
    "Arrived",
    "Before",
    "CaseRow",
    "CaseStore",
    "DraftStore",
    "ImportChunk",
    "ImportRun",
    "ImportStore",
    "InboxEffects",
    "InboxStore",
    "Ledger",
    "OutboxRow",
    "OutboxStore",
    "Proved",
    "Publisher",
    "ReleaseRow",
    "SealedResult",
    "Situation",
    "Source",
    "StatusStore",
    "Writes",
]
