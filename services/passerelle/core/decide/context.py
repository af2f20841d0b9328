"""What a rule sees of the event and the state, and the three ways in which it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from passerelle.core.catalogue import EVENT_TYPES, EventType
from passerelle.core.errors import Refused
from passerelle.core.lifecycle import ABSENT, legal_steps, next_state
from passerelle.core.registry import Registry
from passerelle.core.things import Dependency, Notice, Occurrence, Thing, View

MEMBER_URN = "urn:passerelle:member:"
ORGANISATION_URN = "urn:passerelle:organisation:"
STACK: Final = "credential:"
"""What rests on a credential and is one itself: a stack."""
MAX_STACK_DEPTH: Final = 16
GRANDFATHERED: Final = frozenset(
    {"achievement-revised", "achievement-retired", "revised", "ended", "confirmed", "policy-published", "erased"}
)
"""Events that leave earlier decisions standing: a course counts when completed inside the dates of its rule, a
credential names its version, and erasing bodies undoes no decision. All others ask for an answer.
"""


class Missing(Exception):
    """The event names a thing that the ledger does not hold yet: it waits for ``key``."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__(key)
        self.key = key
        self.where = where


class Context:
    """One event with the state before it. Rules read through it, so that every read is answered or waited for."""

    __slots__ = ("event", "registry", "type", "view")

    def __init__(self, event: Occurrence, view: View, registry: Registry) -> None:
        self.event = event
        self.view = view
        self.registry = registry
        self.type: EventType = EVENT_TYPES[event.type]

    @property
    def data(self) -> Mapping[str, Any]:
        """The body's ``data``."""
        return self.event.data

    @property
    def subject_key(self) -> str:
        """The key of the thing that the event is about."""
        return f"{self.type.kind}:{self.event.subject}"

    def subject(self) -> Thing:
        """The existing subject; refused where it is unknown (never waited for: it is this member's own)."""
        thing = self.view.thing(self.subject_key)
        if thing is None:
            raise Refused(
                "subject-unknown",
                "the thing that this event changes is not in the ledger",
                where="subject",
                fix="publish its first event before this one, and see that it was accepted",
            )
        return thing

    def reference(self, kind: str, name: str, where: str) -> Thing:
        """A thing of another stream: waited for where it is absent."""
        key = f"{kind}:{name}"
        thing = self.view.thing(key)
        if thing is None:
            raise Missing(key, where)
        return thing

    def member(self, member: str, where: str) -> None:
        """The member must be in the registry."""
        if member not in self.registry.members:
            raise Missing(f"member:{member}", where)

    def step(self, thing: Thing | None, step: str | None = None) -> str:
        """The state after the step; an illegal one is refused with the step and the state named."""
        state = ABSENT if thing is None else thing.state
        taken = step or self.type.event
        after = next_state(self.type.kind, state, taken)
        if after is None and thing is not None and state != ABSENT and taken in _first_steps(self.type.kind):
            raise Refused(
                "subject-exists",
                f"the id is taken: the ledger holds it since entry {thing.created}, in state {state}",
                where="subject",
                fix="use a new id, or publish a change of the existing thing",
            )
        if after is None:
            legal = ", ".join(legal_steps(self.type.kind, state)) or "none"
            raise Refused(
                "step-illegal",
                f"step {taken} is not legal in state {state}",
                where="type",
                fix=f"legal steps in this state: {legal}",
            )
        return after

    def owned_subject(self) -> None:
        """The subject stands in the signer's namespace."""
        if self.event.subject.partition("/")[0] != self.event.member:
            raise Refused(
                "not-owner",
                "the subject is in another member's namespace",
                where="subject",
                fix="use an id that starts with your own member id and a slash",
            )

    def require(self, condition: bool, code: str, what: str, where: str, fix: str) -> None:
        """Refuse unless the condition holds."""
        if not condition:
            raise Refused(code, what, where=where, fix=fix)

    def create(self, state: str, data: Mapping[str, Any]) -> Thing:
        """The subject as a new thing."""
        event = self.event
        return Thing(self.type.kind, event.subject, state, 1, event.member, event.index, event.index, data)

    def change(self, thing: Thing, state: str | None = None, data: Mapping[str, Any] | None = None) -> Thing:
        """The thing one version on."""
        return Thing(
            thing.kind,
            thing.id,
            thing.state if state is None else state,
            thing.version + 1,
            thing.owner,
            thing.created,
            self.event.index,
            thing.data if data is None else data,
        )

    def notices(self, on: Thing, after: Thing | None = None) -> tuple[Notice, ...]:
        """One notice a member that has something resting on ``on``, in order of member id.

        What rests on a stack rests on its components: stacks are walked upwards. ``after`` is the thing as the event
        leaves it.
        """
        affected: dict[str, set[str]] = {}
        for edge in self._resting(on.key):
            affected.setdefault(edge.member, set()).add(edge.dependent)
        change = {} if after is None else self._change(on, after)
        return tuple(
            Notice(member, on.key, self.event.type, tuple(sorted(keys)), change)
            for member, keys in sorted(affected.items())
        )

    def _resting(self, key: str) -> Iterator[Dependency]:
        """The edges on a thing, and on the stacks that are made of it, each thing once."""
        level, seen = [key], {key}
        for _ in range(MAX_STACK_DEPTH):
            above = []
            for on in level:
                for edge in self.view.dependents(on):
                    yield edge
                    if edge.dependent.startswith(STACK) and edge.dependent not in seen:
                        seen.add(edge.dependent)
                        above.append(edge.dependent)
            if not above:
                return
            level = above

    def _change(self, before: Thing, after: Thing) -> dict[str, Any]:
        """What the event made of a thing, without a word of free text."""
        change: dict[str, Any] = {"before": _standing(before), "after": _standing(after)}
        reason = self.data.get("reason")
        if isinstance(reason, str) and self.type.visibility == "party":
            # A code of a closed list. In public events it is free text, which everybody can read there.
            change["reason"] = reason
        if self.data.get("effective_on") is not None:
            change["effective_on"] = str(self.data["effective_on"])
        return change | {"grandfathered": self.type.event in GRANDFATHERED}

    def rests_on(self, dependent: str, member: str, keys: Iterable[str]) -> tuple[Dependency, ...]:
        """Edges from each key to the dependent."""
        return tuple(Dependency(key, dependent, member) for key in keys)


def _standing(thing: Thing) -> dict[str, Any]:
    """State and version; that which was published counts where the thing has one."""
    return {"state": thing.state, "version": thing.data.get("version", thing.version)}


def _first_steps(kind: str) -> tuple[str, ...]:
    return legal_steps(kind, ABSENT)


def leaves(expression: Mapping[str, Any]) -> Iterator[str]:
    """The achievement ids at the leaves of a sending expression (its depth was bounded with the body's)."""
    if "achievement" in expression:
        yield expression["achievement"]
        return
    for name, part in expression.items():
        members = part["of"] if name in {"n_of", "credits_from"} else part
        for member in members:
            yield from leaves(member)


def member_of(urn: str) -> str | None:
    """The member id of a member's URN, None for a listed organisation's."""
    return urn.removeprefix(MEMBER_URN) if urn.startswith(MEMBER_URN) else None


def organisation_of(urn: str) -> str | None:
    """The id of a listed organisation's URN, None for a member's."""
    return urn.removeprefix(ORGANISATION_URN) if urn.startswith(ORGANISATION_URN) else None
