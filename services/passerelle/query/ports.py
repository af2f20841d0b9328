"""What the query service needs from the ledger's database, as narrow ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Head:
    """The log's head: ``size`` entries; times in Unix ms. No later entry is earlier than ``floor``.

    ``frontier``: the hashes of the tree's whole subtrees, the largest first (RFC 9162), one after the other.
    """

    network: str
    size: int
    accepted_at: int
    floor: int
    frontier: bytes = b""


@dataclass(frozen=True, slots=True)
class PublicEvent:
    """An accepted public event whose body is held; ``body`` is the CloudEvent's bytes."""

    index: int
    accepted_at: int
    member: str
    type: str
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Instant:
    """The log held ``size`` entries when the last one of this acceptance time (Unix ms) was in."""

    accepted_at: int
    size: int


class Snapshot(Protocol):
    """One consistent view: the head and everything below it."""

    head: Head

    def events(self, first: int) -> AsyncIterator[Sequence[PublicEvent]]:
        """Public events from index ``first`` to the head, in order, in bounded pages."""

    def instants(self, first: int) -> AsyncIterator[Sequence[Instant]]:
        """Acceptance times of all entries from index ``first`` on, in order, in bounded pages."""

    def leaves(self, first: int) -> AsyncIterator[Sequence[bytes]]:
        """The entries themselves from index ``first`` on, in order, in bounded pages."""


class LedgerLog(Protocol):
    """The log as the index follows it. Every method raises Unavailable ``database-unavailable``."""

    async def head(self) -> Head:
        """The head as it is now."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """A view of one moment (one REPEATABLE READ transaction)."""

    def waking(self, wake: Callable[[], Any]) -> AbstractAsyncContextManager[None]:
        """Call ``wake`` at each commit of the ledger; wake-ups may be lost, so who listens also polls."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A transfer case as the ledger's read model has it."""

    id: str
    state: str
    version: int
    changed: int
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One event of a case; ``body`` is None where it was erased."""

    index: int
    accepted_at: int
    member: str
    type: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class DependentRow:
    """A thing that rests on another, with its state; ``state`` is empty where the read model has no such thing."""

    key: str
    member: str
    state: str


@dataclass(frozen=True, slots=True)
class UseRow:
    """Another case that counts a credential: its receiver, programme, state and last change."""

    credential: str
    receiver: str
    programme: str
    state: str
    changed: int


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """Which cases of a member: in ``role`` (``sender``, ``receiver`` or either), ``state`` (empty: all).

    ``before`` is the (changed, id) of the last case of the previous page.
    """

    member: str
    role: str = ""
    state: str = ""
    before: tuple[int, str] | None = None
    limit: int = 100


class CaseReader(Protocol):
    """Transfer cases read for one call, in one consistent view; nothing of it is kept."""

    head: Head

    async def case(self, case: str) -> CaseRow | None:
        """One case, whoever asks."""

    async def steps(self, cases: Sequence[str], member: str | None) -> dict[str, list[StepRow]]:
        """The events of these cases that ``member`` (None: the operator) is party to, in log order, by case."""

    async def uses(self, case: str, credentials: Sequence[str], limit: int) -> list[UseRow]:
        """Other cases whose credit was posted on these credentials and was not removed, by credential and change."""

    async def cases(self, query: CaseQuery) -> list[CaseRow]:
        """A member's cases, latest change first."""

    async def changed(self, member: str, first: int, limit: int) -> list[CaseRow]:
        """A member's cases whose last change is at index ``first`` or after, in order of change."""

    async def with_changes(self, members: Sequence[str], first: int) -> set[str]:
        """Those of the members that are party to a case whose last change is at index ``first`` or after."""

    async def dependents(self, on: str, member: str, limit: int) -> list[DependentRow]:
        """The member's things that rest on the thing with this key."""


class CaseStore(Protocol):
    """Opens a view for one call. Raises Unavailable ``database-unavailable``."""

    def reading(self) -> AbstractAsyncContextManager[CaseReader]:
        """A consistent view with its head."""
