"""A small federation for the tests of the query service: public events made by the one writer of bodies."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import Any

from passerelle.core.catalogue import BY_NAME
from passerelle.core.note import NoteSigner
from passerelle.core.registry import Registry
from passerelle.core.signature import SeedSigner
from passerelle.events.codec import write_body
from passerelle.query.index import Index
from passerelle.query.ports import Head, Instant, PublicEvent

NETWORK = "ledger.passerelle.example/test"
OPERATOR = "operator"
START_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
DAY_MS = 86_400_000


def seed(name: str) -> bytes:
    """The signing seed of a member of the tests."""
    return hashlib.sha256(f"passerelle query test: {name}".encode()).digest()


def signing_key(name: str) -> dict[str, str]:
    """Its public half, as the registry lists it."""
    signer = SeedSigner(seed(name))
    return {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign"}


ROOT = SeedSigner(seed("root")).public_key
LOG = NoteSigner(NETWORK, seed("log"))
ALL_ROLES = ["issue", "recognise", "endorse"]
MEMBERS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "operator": ("operator", "The operator", ["CA-ON"], ["operate"]),
    "humber": ("polytechnic", "Humber College", ["CA-ON"], ALL_ROLES),
    "queens": ("university", "Queen's University", ["CA-ON"], ALL_ROLES),
    "bcit": ("polytechnic", "British Columbia Institute of Technology", ["CA-BC"], ALL_ROLES),
    "nscc": ("college", "Nova Scotia Community College", ["CA-NS"], ALL_ROLES),
    "bdec": ("professional-association", "Building Design Employers' Council (sample)", ["CA"], ["endorse", "issue"]),
    "harbour-design": ("employer", "Harbour & Pacific Design-Build (sample)", ["CA-BC", "CA-NS"], ["endorse"]),
    "nsaa": ("apprenticeship-authority", "Nova Scotia Apprenticeship Agency", ["CA-NS"], ALL_ROLES),
}


def credit(value: str, system: str = "credit-hours") -> dict[str, str]:
    """An amount of credit."""
    return {"value": value, "system": system}


def achievement_data(member: str, title: str, **more: Any) -> dict[str, Any]:
    """The data of a course, changed by ``more``."""
    return {
        "version": 1,
        "kind": "course",
        "title": title,
        "language": "en",
        "awarding_bodies": [f"urn:passerelle:member:{member}"],
        "credit_bearing": True,
        **more,
    }


def rule_data(receiver: str, sending: Any, outcome: Any, **more: Any) -> dict[str, Any]:
    """The data of a published rule; ``sending`` and ``outcome`` may be ids of achievements."""
    if isinstance(sending, str):
        sending = {"achievement": sending}
    if isinstance(outcome, str):
        outcome = {"type": "assigned", "achievement": outcome, "credits": credit("3")}
    return {
        "version": 1,
        "kind": "equivalency",
        "receiver": receiver,
        "sending": sending,
        "outcome": outcome,
        "valid_from": "2020-01-01",
        **more,
    }


class World:
    """A growing log of public events, and the index that follows it one commit at a time."""

    def __init__(self, members: Mapping[str, Any] = MEMBERS) -> None:
        self.events: list[PublicEvent] = []
        self.size = 0
        self.now_ms = START_MS
        self.index = Index(Registry(NETWORK, OPERATOR, ROOT))
        for member, (kind, name, jurisdictions, roles) in members.items():
            data = {
                "member": member,
                "kind": kind,
                "names": {"en": name},
                "jurisdictions": jurisdictions,
                "roles": roles,
                "keys": [signing_key(member)],
            }
            if kind == "operator":
                data["log_vkey"] = str(LOG.verifier)
            self.add("member.admitted", OPERATOR, member, data, settle=False)
        self.settle()

    def add(
        self, name: str, member: str, subject: str, data: Mapping[str, Any], *, settle: bool = True, later_ms: int = 1
    ) -> int:
        """Append an accepted public event; returns its index."""
        self.now_ms += later_ms
        found = BY_NAME[name]
        moment = dt.datetime.fromtimestamp(self.now_ms / 1000, tz=dt.UTC)
        identifier = f"{self.now_ms:012x}"
        body = write_body(
            found,
            member=member,
            subject=subject,
            identifier=f"{identifier[:8]}-{identifier[8:]}-7000-8000-{self.size:012x}",
            time=moment,
            data=data,
            nonce=None,
        )
        event = PublicEvent(self.size, self.now_ms, member, found.full, subject, body)
        self.events.append(event)
        self.index.apply([event])
        self.size += 1
        if settle:
            self.settle()
        return event.index

    def skip(self, entries: int = 1) -> None:
        """Entries that are not public, or refused, stand in the log too."""
        self.size += entries
        self.settle()

    def settle(self) -> None:
        """Commit: the index answers from here on."""
        head = Head(NETWORK, self.size, self.now_ms, self.now_ms)
        self.index.settle(head, [Instant(self.now_ms, self.size)] if self.size else [])

    def idle(self, later_ms: int) -> None:
        """Time goes by without an entry: only the floor rises."""
        self.now_ms += later_ms
        position = self.index.position
        self.index.settle(Head(NETWORK, position.size, position.accepted_at, self.now_ms))

    # The things that most tests speak of

    def course(self, subject: str, title: str = "A course", **more: Any) -> int:
        """Publish a course of the member in the id."""
        member = subject.partition("/")[0]
        return self.add("credential.achievement-published", member, subject, achievement_data(member, title, **more))

    def rule(self, subject: str, sending: Any, outcome: Any, **more: Any) -> int:
        """Publish a rule of the member in the id."""
        receiver = subject.partition("/")[0]
        return self.add("recognition.granted", receiver, subject, rule_data(receiver, sending, outcome, **more))

    def revise(self, subject: str, sending: Any, outcome: Any, version: int, **more: Any) -> int:
        """Publish the next version of a rule."""
        receiver = subject.partition("/")[0]
        data = rule_data(receiver, sending, outcome, **{"version": version, **more})
        return self.add("recognition.revised", receiver, subject, data)

    def end(self, subject: str, effective_on: str) -> int:
        """End a rule."""
        receiver = subject.partition("/")[0]
        return self.add("recognition.ended", receiver, subject, {"effective_on": effective_on})

    def deny(self, subject: str, sending: str, reason: str = "content", **more: Any) -> int:
        """Publish that there is no credit."""
        receiver = subject.partition("/")[0]
        data = {
            "receiver": receiver,
            "sending": {"achievement": sending},
            "valid_from": "2020-01-01",
            "reason": reason,
            **more,
        }
        return self.add("recognition.denied", receiver, subject, data)
