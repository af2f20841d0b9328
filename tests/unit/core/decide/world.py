"""A small federation in memory: decides events one after another, as the ledger would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from passerelle.core import registry as registries
from passerelle.core.catalogue import BY_NAME
from passerelle.core.decide import Accepted, Rejected, Verdict, Waiting, decide
from passerelle.core.registry import Registry
from passerelle.core.signature import key_id
from passerelle.core.things import MemoryView, Occurrence, Thing

ROLES = {
    "humber": ["issue", "recognise"],
    "queens": ["issue", "recognise"],
    "rru": ["issue", "recognise"],
    "bccat": ["articulate"],
    "bdec": ["endorse"],
}
TODAY = "2026-11-02"


def uuid(number: int) -> str:
    """A UUIDv7-shaped id that a test can read."""
    return f"01930000-0000-7000-8000-{number:012d}"


class World:
    """Members of ``ROLES``, a growing index, and the effects of what was accepted."""

    def __init__(self) -> None:
        self.view = MemoryView()
        self.index = 0
        self.registry = Registry("test/log", "operator", bytes(32))
        self._admit("operator", "operator", ["operate"], 1)
        for number, (member, roles) in enumerate(ROLES.items()):
            self._admit(member, "university", roles, number + 2)

    def _admit(self, member: str, kind: str, roles: list[str], number: int) -> None:
        public = bytes([number]) * 32
        data = {
            "member": member,
            "kind": kind,
            "names": {"en": member},
            "jurisdictions": ["CA-ON"],
            "roles": roles,
            "keys": [{"key_id": key_id(public), "public_key": public.hex(), "use": "sign"}],
        }
        registries.apply(self.registry, self.index, BY_NAME["member.admitted"].full, data)
        self.index += 1

    def say(self, member: str, name: str, subject: str, data: Mapping[str, Any], date: str = TODAY) -> Verdict:
        """Decide one event and take an accepted one's effects in."""
        event = Occurrence(member, BY_NAME[name].full, subject, data, self.index, date)
        verdict = decide(event, self.view, self.registry)
        if isinstance(verdict, Accepted):
            self.view.apply(verdict.effects)
        self.index += 1
        return verdict

    def accept(self, member: str, name: str, subject: str, data: Mapping[str, Any]) -> Accepted:
        """Decide one event that must be accepted."""
        verdict = self.say(member, name, subject, data)
        assert isinstance(verdict, Accepted), verdict
        return verdict

    def refuse(self, code: str, member: str, name: str, subject: str, data: Mapping[str, Any]) -> Rejected:
        """Decide one event that must be refused with this code; the state must not change."""
        before = dict(self.view.things)
        verdict = self.say(member, name, subject, data)
        assert isinstance(verdict, Rejected), verdict
        assert verdict.code == code, verdict
        assert verdict.what
        assert dict(self.view.things) == before
        return verdict

    def wait(self, key: str, member: str, name: str, subject: str, data: Mapping[str, Any]) -> None:
        """Decide one event that must wait for this key."""
        verdict = self.say(member, name, subject, data)
        assert isinstance(verdict, Waiting), verdict
        assert verdict.key == key

    def thing(self, key: str) -> Thing:
        """A thing that must exist."""
        thing = self.view.thing(key)
        assert thing is not None, key
        return thing

    def achievement(self, member: str, local: str, **more: Any) -> str:
        """Publish an achievement; returns its id."""
        name = f"{member}/{local}"
        self.accept(member, "credential.achievement-published", name, achievement_data(member, **more))
        return name

    def credential(self, member: str, number: int, achievement: str, **more: Any) -> str:
        """Issue a credential; returns its id."""
        self.accept(member, "credential.issued", uuid(number), credential_data(member, achievement, **more))
        return uuid(number)

    def release(self, member: str, number: int, receiver: str, credentials: list[str], **more: Any) -> str:
        """Grant a release; returns its id."""
        self.accept(member, "credential.release-granted", uuid(number), release_data(receiver, credentials, **more))
        return uuid(number)


def achievement_data(member: str, **more: Any) -> dict[str, Any]:
    """The data of a first version, with changes."""
    return {
        "version": 1,
        "kind": "course",
        "title": "Title",
        "language": "en",
        "credit_bearing": True,
        "awarding_bodies": [f"urn:passerelle:member:{member}"],
        **more,
    }


def credential_data(member: str, achievement: str, **more: Any) -> dict[str, Any]:
    """The data of an award by one member, with changes."""
    return {
        "achievement": achievement,
        "achievement_version": 1,
        "awarding_bodies": [f"urn:passerelle:member:{member}"],
        "registration": member,
        "conferred_on": "2026-06-01",
        "basis": "completed",
        "record": "0" * 64,
        **more,
    }


def release_data(receiver: str, credentials: list[str], **more: Any) -> dict[str, Any]:
    """The data of a release, with changes."""
    return {"credentials": credentials, "receiver": receiver, "purpose": "transfer", "ends_on": "2027-06-01", **more}


def rule_data(receiver: str, sending: str, **more: Any) -> dict[str, Any]:
    """The data of a rule that gives unassigned credit, with changes."""
    return {
        "kind": "equivalency",
        "receiver": receiver,
        "sending": {"achievement": sending},
        "outcome": {"type": "unassigned", "subject": "STAT", "credits": {"value": "3", "system": "credit-hours"}},
        "valid_from": "2020-01-01",
        **more,
    }
