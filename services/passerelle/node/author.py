"""Writes event bodies: the one place where a node gives an event its id, its time and, for a party body, its nonce."""

from __future__ import annotations

from passerelle.core.catalogue import EventType
from passerelle.events.codec import NONCE_BYTES, write_body
from passerelle.node.needs import needs
from passerelle.node.outbox import Draft
from passerelle.node.plan import NewEvent
from passerelle.runtime.clock import Clock, as_datetime
from passerelle.runtime.ids import Ids


class Author:
    """Turns what shall be said into drafts of one member."""

    def __init__(self, member: str, clock: Clock, ids: Ids) -> None:
        self._member = member
        self._clock = clock
        self._ids = ids

    def draft(self, event: NewEvent) -> Draft:
        """The event as a draft. Raises Refused where its data do not fit their schema or the body is too large."""
        found: EventType = event.type
        body = write_body(
            found,
            member=self._member,
            subject=event.subject,
            identifier=self._ids.uuid7(),
            time=as_datetime(self._clock.now_ms()),
            data=event.data,
            nonce=self._ids.random(NONCE_BYTES) if found.visibility == "party" else None,
        )
        return Draft(
            found.family,
            found.full,
            event.subject,
            event.thing,
            found.visibility,
            body,
            tuple(needs(found, event.subject, event.data, self._member)),
            tuple((record, mark.as_dict()) for record, mark in event.marks),
        )
