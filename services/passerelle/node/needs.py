"""What must be in the ledger before an event of this node may go out: a node relays nothing that would have to wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from passerelle.core.catalogue import EventType
from passerelle.core.decide import first_needs
from passerelle.core.decide.context import member_of
from passerelle.core.lifecycle import ABSENT, legal_steps

_MEMBERS: Final = ("receiver", "registration", "sender", "evaluator", "delegate", "verified_by", "host")


def thing_key(found: EventType, subject: str) -> str:
    """``<kind>:<id>`` of what an event is about."""
    return f"{found.kind}:{subject}"


def creates(found: EventType) -> bool:
    """Whether the event can be the first of its thing."""
    return found.kind == "member" or found.event in legal_steps(found.kind, ABSENT)


def needs(found: EventType, subject: str, data: Mapping[str, Any], home: str) -> list[str]:
    """Keys of the things that the event names, its own subject included where the event changes it, in order.

    The node waits for each: another's until it was seen on the feed or in the inbox, its own until released before in
    the same family, or accepted in another.
    """
    if found.kind == "member":
        return []
    keys = set(first_needs(found.full, subject, data)) | {f"member:{name}" for name in _members(data) if name != home}
    own = thing_key(found, subject)
    if creates(found):
        keys.discard(own)
    return sorted(keys)


def _members(data: Mapping[str, Any]) -> Iterator[str]:
    for name in _MEMBERS:
        value = data.get(name)
        if isinstance(value, str):
            yield value
    yield from data.get("parties", ())
    for urn in data.get("awarding_bodies", ()):
        member = member_of(urn)
        if member is not None:
            yield member
