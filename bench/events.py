"""Generated events of about 1 kB: credentials of a few members, signed singly or in batches of 256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from passerelle.core.batch import SignedStatement
from passerelle.testing.federation import Federation, Member, issued, time_uuid

MEMBERS = 6
BATCH = 256
SMALL = 32
"""Events that a member signs in one go where the mode is single: each still has its own signature."""


@dataclass(frozen=True, slots=True)
class Load:
    """Admissions, achievements, then ``events``: each part is sent when the one before is decided."""

    federation: Federation
    admissions: list[SignedStatement]
    achievements: list[SignedStatement]
    events: list[SignedStatement]

    @property
    def body_bytes(self) -> float:
        """Mean size of a body in bytes."""
        return sum(len(event.body) for event in self.events) / len(self.events)


def generate(count: int, *, batched: bool, colleges: int = MEMBERS, more: int = 0) -> Load:
    """``count`` issued credentials, the colleges taking turns, then at least ``more`` of the first one alone."""
    federation = Federation()
    admissions = [federation.found()]
    members = []
    for number in range(colleges):
        member, admission = federation.admit(f"college-{number}")
        admissions.append(admission)
        members.append(member)
    achievements = [member.achievement("course") for member in members]
    queues = [
        _credentials(member, number, count // colleges + 1 + (0 if number else more), batched)
        for number, member in enumerate(members)
    ]
    events: list[SignedStatement] = []
    while len(events) < count:
        for queue in queues:
            events += next(queue)
    events = events[:count]
    while len(events) < count + more:
        events += next(queues[0])
    return Load(federation, admissions, achievements, events)


def _credentials(member: Member, number: int, count: int, batched: bool) -> Iterator[list[SignedStatement]]:
    size = BATCH if batched else SMALL
    for start in range(0, count + size, size):
        written = [_credential(member, start + place, number) for place in range(size)]
        yield member.sign(written) if batched else [member.sign([one])[0] for one in written]


def _credential(member: Member, place: int, number: int) -> tuple[bytes, bytes]:
    record = f"{member.id} {place}"
    evidence = [
        {"sha256": hashlib.sha256(f"{record} {part}".encode()).hexdigest(), "media_type": "application/pdf", "size": 9}
        for part in range(3)
    ]
    data = issued(member.id, f"{member.id}/course", record, evidence=evidence)
    return member.write("credential.issued", time_uuid(place * MEMBERS + number), data)
