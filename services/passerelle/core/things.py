"""The ledger's working state: things, what depends on them, and the effects of one accepted event.

A *thing* is whatever an event's subject names: an achievement, a credential, a release, a rule, a case. The ledger
keeps for each only the few facts that later decisions need, never a whole body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Thing(NamedTuple):
    """The state of one thing after the log entry ``changed``.

    ``version`` counts accepted changes from 1, ``owner`` is the member whose accepted event created it, ``created`` and
    ``changed`` are log indices, ``data`` holds JSON values only.
    """

    kind: str
    id: str
    state: str
    version: int
    owner: str
    created: int
    changed: int
    data: Mapping[str, Any]

    @property
    def key(self) -> str:
        """``<kind>:<id>``, unique in the ledger."""
        return f"{self.kind}:{self.id}"


class Dependency(NamedTuple):
    """``dependent`` (a thing's key) rests on ``on`` (a thing's key); ``member`` is told when ``on`` changes."""

    on: str
    dependent: str
    member: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Told to ``member``: ``event`` happened to ``about``, and these things of the member rest on it.

    ``change`` says what the event made of the thing (contracts/formats.md, "Inbox record"): ``before`` and ``after``,
    each ``{state, version}``; ``reason``, a code, and ``effective_on`` where the event states them; ``grandfathered``:
    whether what was decided before stands by itself.
    """

    member: str
    about: str
    event: str
    affects: tuple[str, ...]
    change: Mapping[str, Any] = field(default_factory=dict)

    def value(self, index: int, member: str) -> dict[str, Any]:
        """The notice as JSON values: the event stands at ``index`` and is the work of ``member``."""
        told: dict[str, Any] = {
            "about": self.about,
            "event": self.event,
            "index": index,
            "member": member,
            "affects": self.affects,
        }
        return told | {"change": self.change} if self.change else told


class CaseCount(NamedTuple):
    """What one step of a transfer case adds to the counts that name no case: one of ``appeal`` and ``days``.

    ``sender`` and ``receiver`` are members, of whom only the provinces are told; ``appeal``: how an appeal ended
    (``changed``, ``kept``, ``withdrawn``); ``days``: from the date of the request to that of the first decision (UTC).
    """

    sender: str
    receiver: str
    appeal: str | None = None
    days: int | None = None


class Effects(NamedTuple):
    """What an accepted event changes.

    ``things`` are the new states; ``dependencies`` new edges; ``undepend`` keys of dependents whose edges end;
    ``notices`` what others are told; ``parties`` the members that may read a party body; ``erase`` subjects whose
    bodies are deleted; ``counted`` what the commit's summary counts besides the event itself.
    """

    things: tuple[Thing, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    undepend: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    parties: tuple[str, ...] = ()
    erase: tuple[str, ...] = ()
    counted: CaseCount | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A verified event in its place, as the core sees it.

    ``data`` is the body's ``data`` member, already valid against its schema; ``date`` the calendar date (UTC) of
    ``accepted_at`` as ``YYYY-MM-DD``; ``index`` the log index that the entry will have.
    """

    member: str
    type: str
    subject: str
    data: Mapping[str, Any]
    index: int
    date: str


class View(Protocol):
    """Reads of the state before the event. Both methods answer only for keys that were loaded."""

    def thing(self, key: str) -> Thing | None:
        """The thing, or None where the ledger does not hold it."""

    def dependents(self, key: str) -> Sequence[Dependency]:
        """The edges whose ``on`` is ``key``."""


@dataclass(slots=True)
class MemoryView:
    """A view over plain dictionaries: the overlay of a batch, the whole state in tests and in ``ledger check``."""

    things: dict[str, Thing | None] = field(default_factory=dict)
    edges: dict[str, dict[tuple[str, str], Dependency]] = field(default_factory=dict)

    def thing(self, key: str) -> Thing | None:
        return self.things.get(key)

    def dependents(self, key: str) -> Sequence[Dependency]:
        return tuple(self.edges.get(key, {}).values())

    def apply(self, effects: Effects) -> None:
        """Take the effects of an accepted event in."""
        for thing in effects.things:
            self.things[thing.key] = thing
        for key in effects.undepend:
            for edges in self.edges.values():
                for edge in [edge for edge in edges if edge[0] == key]:
                    del edges[edge]
        for item in effects.dependencies:
            self.edges.setdefault(item.on, {})[(item.dependent, item.member)] = item
