"""Transfer cases of a federation: their opening, step by step, and the steps that follow while others issue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.rules_world import NETWORK
from passerelle.core.batch import SignedStatement
from passerelle.testing.federation import Federation, Member, issued, time_uuid, uuid_of

SENDERS: Final = 10
RECEIVERS: Final = 15
ISSUERS: Final = 4
SHARE: Final = 20
"""One of so many events of the flow is a step of a case."""
_CREDENTIALS: Final = 10_000_000
"""Where the numbers of the flow's credentials begin."""


def parties() -> list[str]:
    """Every member that is party to a case, the sending ones first."""
    senders = [f"sender-{number}" for number in range(SENDERS)]
    return [*senders, *(f"receiver-{number}" for number in range(RECEIVERS))]


@dataclass(slots=True)
class Case:
    """A case by its id, its parties, and the version that it has once every step so far is in the log."""

    id: str
    sender: str
    receiver: str
    version: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One event of the flow. ``case`` is None where it is no step; ``version``: that of the case after it."""

    event: SignedStatement
    case: Case | None = None
    version: int = 0


@dataclass(slots=True)
class CasesWorld:
    """Members, open cases between them, and a flow of events in which the cases go on."""

    count: int
    federation: Federation = field(default_factory=lambda: Federation(NETWORK))
    members: dict[str, Member] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    issuers: list[Member] = field(default_factory=list)
    issued: int = 0

    def opening(self) -> Iterator[list[SignedStatement]]:
        """Events in parts: each is sent when the part before is decided."""
        yield self._admissions()
        yield [member.achievement("course") for member in self.members.values()]
        for number in range(self.count):
            sender, receiver = f"sender-{number % SENDERS}", f"receiver-{number % RECEIVERS}"
            self.cases.append(Case(uuid_of(f"case {number}"), sender, receiver))
        # A stream is a chain: its events are made in the order in which they are sent.
        numbered = list(enumerate(self.cases))
        yield [self.members[case.sender].issued(f"credential {number}", "course") for number, case in numbered]
        yield [self._release(number, case) for number, case in numbered]
        yield [self._request(number, case) for number, case in numbered]

    def _release(self, number: int, case: Case) -> SignedStatement:
        credentials = [uuid_of(f"credential {number}")]
        data = {
            "credentials": credentials, "receiver": case.receiver, "purpose": "transfer", "ends_on": "2199-01-01"
        }  # fmt: skip
        return self.members[case.sender].event("credential.release-granted", uuid_of(f"release {number}", 4), data)

    def _request(self, number: int, case: Case) -> SignedStatement:
        release, credentials = uuid_of(f"release {number}", 4), [uuid_of(f"credential {number}")]
        data = {"release": release, "sender": case.sender, "receiver": case.receiver, "credentials": credentials}
        return self.members[case.receiver].event("transfer.requested", case.id, data)

    def _admissions(self) -> list[SignedStatement]:
        found = [self.federation.found()]
        names = parties()
        issuers = [f"issuer-{number}" for number in range(ISSUERS)]
        for name in (*names, *issuers):
            self.members[name], admission = self.federation.admit(name)
            found.append(admission)
        self.issuers = [self.members[name] for name in issuers]
        return found

    def flow(self, count: int) -> list[Step]:
        """So many events, singly signed: one in :data:`SHARE` is the next step of the next case."""
        return [self._step(number // SHARE) if number % SHARE == 0 else self._issue() for number in range(count)]

    def _step(self, number: int) -> Step:
        """The receiver asks for something, and has it at the step after: both keep the case open."""
        case = self.cases[number % self.count]
        data = {"expected_version": case.version, "note": f"step {case.version}"}
        if case.version % 2:
            event = self.members[case.receiver].event(
                "transfer.information-requested", case.id, {**data, "needed": ["the outline of the course"]}
            )
        else:
            digest = hashlib.sha256(f"{case.id} {case.version}".encode()).hexdigest()
            document = {"sha256": digest, "media_type": "application/pdf", "size": 9, "role": "outline"}
            event = self.members[case.receiver].event(
                "transfer.evidence-added", case.id, {**data, "documents": [document]}
            )
        case.version += 1
        return Step(event, case, case.version)

    def _issue(self) -> Step:
        self.issued += 1
        member = self.issuers[self.issued % ISSUERS]
        data = issued(member.id, f"{member.id}/course", f"flow {self.issued}")
        return Step(member.event("credential.issued", time_uuid(_CREDENTIALS + self.issued), data))
