"""The read models, made from the entries in index order: what ``ledger rebuild`` writes and ``ledger check`` compares.

A recorded outcome is applied, never decided again. A body that was erased leaves a *ghost*: the thing exists, its facts
are unknown, and whatever reads it cannot be judged any more. Erasing turns the ghost into the row that needs no body.
Pure: core and the event codec only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME, EVENT_TYPES
from passerelle.core.decide.context import Missing
from passerelle.core.decide.engine import apply as apply_event
from passerelle.core.decide.engine import erased
from passerelle.core.entry import Entry
from passerelle.core.errors import Fatal, Refused
from passerelle.core.registry import Registry
from passerelle.core.registry import apply as apply_member
from passerelle.core.statement import Statement
from passerelle.core.streams import StreamHead, advance
from passerelle.core.things import Dependency, Effects, Occurrence, Thing
from passerelle.events.codec import Event

HOUR_MS: Final = 3_600_000
ERASED: Final = BY_NAME["credential.erased"].full

StreamId = tuple[str, str]


class State:
    """Things and edges in memory (a :class:`~passerelle.core.things.View`); ``touched`` tells that a ghost was read."""

    __slots__ = ("_by_dependent", "_edges", "ghosts", "things", "touched")

    def __init__(self) -> None:
        self.things: dict[str, Thing] = {}
        self.ghosts: set[str] = set()
        self.touched = False
        self._edges: dict[str, dict[tuple[str, str], Dependency]] = {}
        self._by_dependent: dict[str, set[str]] = {}

    def thing(self, key: str) -> Thing | None:
        """The thing, None where there is none."""
        if key in self.ghosts:
            self.touched = True
        return self.things.get(key)

    def dependents(self, key: str) -> Sequence[Dependency]:
        """The edges on a thing."""
        return tuple(self._edges.get(key, {}).values())

    def edges(self) -> list[Dependency]:
        """Every edge."""
        return [edge for edges in self._edges.values() for edge in edges.values()]

    def apply(self, effects: Effects) -> None:
        """Take the effects of an accepted event in."""
        for thing in effects.things:
            self.things[thing.key] = thing
        for key in effects.undepend:
            for on in self._by_dependent.pop(key, ()):
                edges = self._edges[on]
                for edge in [edge for edge in edges if edge[0] == key]:
                    del edges[edge]
        for item in effects.dependencies:
            self._edges.setdefault(item.on, {})[(item.dependent, item.member)] = item
            self._by_dependent.setdefault(item.dependent, set()).add(item.on)


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry as it is replayed. ``event`` is the body as read, None where it is not held; ``kind`` and ``subject``
    are what the ledger kept of it (empty where the body could never be read). ``date`` is the UTC date of acceptance.
    """

    index: int
    entry: Entry
    statement: Statement
    digest: bytes
    date: str
    kind: str
    subject: str
    event: Event | None


@dataclass(slots=True)
class Replay:
    """All read models so far; :meth:`take` brings them one entry on."""

    registry: Registry
    state: State = field(default_factory=State)
    streams: dict[StreamId, StreamHead] = field(default_factory=dict)
    volume: dict[tuple[int, str], list[int]] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    """Member -> index of its last change."""
    erased: dict[str, int] = field(default_factory=dict)
    """Subject -> index of its ``erased`` event."""
    size: int = 0

    def count(self, logged: Logged) -> None:
        """What every entry does, accepted or refused: its stream, its hour."""
        statement, entry = logged.statement, logged.entry
        self.streams[(statement.member, statement.family)] = advance(statement, logged.digest)
        counts = self.volume.setdefault((entry.accepted_at // HOUR_MS, statement.family), [0, 0])
        counts[0 if entry.accepted else 1] += 1
        self.size = logged.index + 1

    def take(self, logged: Logged) -> None:
        """Count the entry and, where it was accepted, apply it.

        Raises Fatal ``ledger-diverged`` where the recorded outcome cannot be applied.
        """
        self.count(logged)
        if not logged.entry.accepted:
            return
        if logged.statement.family == "member":
            self.change_member(logged)
            return
        try:
            self.take_effects(logged, self.effects(logged))
        except (Refused, Missing) as error:
            what = f"the recorded acceptance cannot be applied: {error}"
            raise Fatal("ledger-diverged", what, where=f"index {logged.index}") from None

    def change_member(self, logged: Logged) -> None:
        """Apply an accepted member event. Raises Fatal ``ledger-diverged``."""
        where = f"index {logged.index}"
        if logged.event is None:
            raise Fatal("ledger-diverged", "the body of a member event is missing", where=where)
        try:
            apply_member(self.registry, logged.index, logged.event.type.full, logged.event.data)
        except Refused as refused:
            what = f"a recorded member event cannot be applied: {refused.what}"
            raise Fatal("ledger-diverged", what, where=where) from None
        self.changed_member(logged.subject, logged.index)

    def changed_member(self, member: str, index: int) -> None:
        """The registry holds a new state of the member since ``index``."""
        self.members[member] = index

    def effects(self, logged: Logged) -> Effects | None:
        """What the accepted event changes; None where its body is gone, or rests on facts that are gone.

        Raises Refused or Missing where the state does not allow what was recorded.
        """
        occurrence = self.occurrence(logged)
        if occurrence is None:
            return None
        if logged.kind == ERASED:
            return erased(occurrence, self.state, self.registry)
        self.state.touched = False
        try:
            return apply_event(occurrence, self.state, self.registry)
        except (Refused, Missing, KeyError, TypeError):
            # Only what reads a ghost may fail here.
            if not self.state.touched:
                raise
            return None

    def occurrence(self, logged: Logged) -> Occurrence | None:
        """The event as the core sees it; that of ``erased`` needs no body."""
        event = logged.event
        if event is not None:
            return Occurrence(event.member, event.type.full, event.subject, event.data, logged.index, logged.date)
        if logged.kind == ERASED:
            return Occurrence(logged.statement.member, ERASED, logged.subject, {}, logged.index, logged.date)
        return None

    def take_effects(self, logged: Logged, effects: Effects | None) -> None:
        """Apply effects; None makes a ghost of the event's subject."""
        if effects is None:
            self._haunt(logged)
            return
        self.state.apply(effects)
        for subject in effects.erase:
            self.erased[subject] = logged.index
            self.state.ghosts.discard(f"credential:{subject}")

    def _haunt(self, logged: Logged) -> None:
        if logged.kind not in EVENT_TYPES or not logged.subject:
            raise Fatal("ledger-diverged", "neither body nor type of an entry is held", where=f"index {logged.index}")
        kind = EVENT_TYPES[logged.kind].kind
        key = f"{kind}:{logged.subject}"
        before = self.state.things.get(key)
        self.state.ghosts.add(key)
        owner = logged.statement.member if before is None else before.owner
        created = logged.index if before is None else before.created
        version = 1 if before is None else before.version + 1
        state, facts = (
            (_CREDENTIAL_STATE, _unknown_credential(self.registry)) if kind == "credential" else ("unknown", {})
        )
        thing = Thing(kind, logged.subject, state, version, owner, created, logged.index, facts)
        self.state.things[key] = thing


_CREDENTIAL_STATE: Final = "issued"


def _unknown_credential(registry: Registry) -> dict[str, Any]:
    """Facts that stand in no recorded acceptance's way: what was accepted then had the right ones."""
    everyone = sorted(registry.members)
    return {"awarding": everyone, "registration": "", "achievement": "", "unsigned": [], "revoked_by": []}
