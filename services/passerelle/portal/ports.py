"""What the portal's parts ask of each other and of the world, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.api.portability.v1 import portability_pb2


@dataclass(frozen=True, slots=True)
class Raw:
    """A record of the feed topic as it came: nothing in it is trusted yet."""

    offset: int
    headers: Sequence[tuple[str, bytes]]
    value: bytes


@dataclass(frozen=True, slots=True)
class Position:
    """Where the portal stands: entries held, next offset of the feed topic, subtree hashes of its own Merkle tree."""

    next_index: int
    next_offset: int
    frontier: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One log entry as the portal holds it.

    ``accepted_at``: Unix ms; ``code``: None where accepted; ``type``, ``subject``, ``title``, ``body``: None where the
    body is not public (a party event, a refused one); ``root``: 32 bytes, of the tree that ends with this entry.
    """

    index: int
    accepted_at: int
    member: str
    family: str
    sequence: int
    visibility: str
    code: str | None
    type: str | None
    subject: str | None
    title: str | None
    entry: bytes
    root: bytes
    body: bytes | None


class FeedSource(Protocol):
    """The feed topic from an offset on, in order."""

    async def open(self, offset: int) -> None:
        """Read from this offset on. Raises Unavailable; Fatal ``offset-out-of-range``."""

    async def poll(self) -> Sequence[Raw]:
        """The next records, none after a short wait. Raises as :meth:`open`."""

    async def close(self) -> None:
        """Let the connection go; may be called twice."""


class Questions(Protocol):
    """The query services over gRPC, each call with a deadline. All raise PasserelleError, ``service-unavailable`` where
    nobody answers."""

    async def find(self, achievement: str, receiver: str, valid_on: str) -> equivalency_pb2.FindResponse:
        """What the achievement counts for; an empty receiver asks for all, an empty date for today."""

    async def reverse(self, achievement: str, sender: str, valid_on: str) -> equivalency_pb2.ReverseResponse:
        """What counts for the achievement."""

    async def assess(self, achievement: str) -> portability_pb2.AssessResponse:
        """Whether it is portable across provinces, with evidence."""

    async def profile(self, achievement: str) -> portability_pb2.ProfileResponse:
        """What the definitions in force ask of it, clause by clause."""

    async def head(self) -> ledger_pb2.GetHeadResponse:
        """The head of the log and its latest checkpoint."""

    async def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """An entry, for a hole in the feed."""

    async def proof(self, index: int) -> ledger_pb2.GetProofResponse:
        """The inclusion proof of an entry under the latest checkpoint."""


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member as its member events say."""

    id: str
    kind: str
    names: Mapping[str, str]
    jurisdictions: Sequence[str]
    roles: Sequence[str]
    status: str
    details: Mapping[str, Any]
    admitted_index: int
    changed_index: int
    achievements: int = 0


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A member's public key; indices of the entries that added and removed it."""

    key_id: str
    member: str
    public_key: bytes
    use: str
    added_index: int
    removed_index: int | None


@dataclass(frozen=True, slots=True)
class AchievementRow:
    """The latest version of an achievement; ``data`` as published; ``index`` of the entry that published it."""

    id: str
    member: str
    version: int
    kind: str
    title: str
    language: str
    retired: bool
    index: int
    first_index: int
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemarkRow:
    """What a member published about an achievement: ``event`` is endorsed, demand, outcomes or retired."""

    index: int
    achievement: str
    member: str
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """A checkpoint that was compared with the portal's own tree; ``checked_at``: Unix ms."""

    size: int
    root: bytes
    note: bytes
    checked_at: int
    agrees: bool


@dataclass(frozen=True, slots=True)
class Search:
    """A question to the catalogue. Empty strings ask for everything; ``page`` counts from 1."""

    words: str = ""
    delivery: str = ""
    hours: str = ""
    cost: str = ""
    credit: str = ""
    competency: str = ""
    framework: str = ""
    kind: str = ""
    member: str = ""
    jurisdiction: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Facet:
    """One value of a filter with the number of achievements that it would leave."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``fuzzy``: nothing matched the words as they are, so similar spellings were taken."""

    total: int
    rows: Sequence[AchievementRow]
    facets: Mapping[str, Sequence[Facet]]
    fuzzy: bool


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """Entries of one hour (start, Unix ms) and family."""

    hour: int
    family: str
    accepted: int
    refused: int


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals for the home page."""

    entries: int
    refused: int
    members: int
    achievements: int
    jurisdictions: int
