"""What the query service needs from the ledger's database, as narrow ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.query.permission_ports import PermissionReader


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

    @property
    def parties(self) -> frozenset[str]:
        """Who may read it."""
        return frozenset({self.data["sender"], self.data["receiver"]})


@dataclass(frozen=True, slots=True)
class StepRow:
    """One event of a case; ``body`` is None where it was erased. ``parties``: who may read it, where it was asked."""

    index: int
    accepted_at: int
    member: str
    type: str
    body: bytes | None
    parties: Sequence[str] = ()


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
class WholeCase:
    """A case with its events in log order and, where it was asked, where else its credentials count."""

    row: CaseRow
    steps: Sequence[StepRow]
    uses: Sequence[UseRow] = ()


@dataclass(frozen=True, slots=True)
class CasesRead:
    """Cases in one consistent view, with its head."""

    head: Head
    cases: Sequence[WholeCase]


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


class CaseReader(PermissionReader, Protocol):
    """Transfer cases and letters of permission read for one call, in one consistent view; nothing of it is kept."""

    head: Head

    async def steps(self, cases: Sequence[str], member: str | None) -> dict[str, list[StepRow]]:
        """The events of these cases that ``member`` (None: the operator) is party to, in log order, by case."""

    async def cases(self, query: CaseQuery) -> list[CaseRow]:
        """A member's cases, latest change first."""

    async def dependents(self, on: str, member: str, limit: int) -> list[DependentRow]:
        """The member's things that rest on the thing with this key."""


class CaseStore(Protocol):
    """Reads for one call, or opens a view for one. Every method raises Unavailable ``database-unavailable``.

    What is read serves the calls of its moment and is kept for no later one.
    """

    def reading(self) -> AbstractAsyncContextManager[CaseReader]:
        """A consistent view with its head."""

    async def case(self, case: str, member: str | None, uses: int) -> CasesRead:
        """One case, or none, whoever asks; its events that ``member`` (None: the operator) is party to.

        ``uses``: at most so many other cases whose credit was posted on its credentials and was not removed, by
        credential and change.
        """

    async def changed(self, members: Sequence[str], readers: Sequence[str] | None, first: int, limit: int) -> CasesRead:
        """Cases that one of the members is party to, whose last change is at index ``first`` or after.

        In order of change, at most ``limit``; their events that one of ``readers`` (None: the operator) is party to.
        """
