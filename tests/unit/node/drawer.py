"""What a node keeps of its cases, in memory: the doubles of its database and of the query service."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from tests.unit.node.office import CountingIds, FixedClock

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import NotFound
from passerelle.core.signature import SeedSigner
from passerelle.node.author import Author
from passerelle.node.case_ports import DocumentRow, Match, Proposal
from passerelle.node.casework import Casework, casework
from passerelle.node.key_encryption import FileKey
from passerelle.node.messages import PartyBody
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner, Vault
from passerelle.node.permission_ports import AskedPermission
from passerelle.node.ports import CaseRow, OutboxRow, ReleaseRow
from passerelle.node.records import RecordKeys
from passerelle.node.rules_asked import Elsewhere, Ruled
from passerelle.node.sealed import OwnSeal
from passerelle.node.transfers import Transfers
from passerelle.runtime.ids import Ids

CASE = "01990000-0000-7000-8000-00000000ca5e"
RELEASE = "01990000-0000-4000-8000-0000000000aa"
HELD = ("01990000-0000-7000-8000-0000000000c1", "01990000-0000-7000-8000-0000000000c2")
CREDIT = {"type": "assigned", "achievement": "queens/stat-101", "credits": {"value": "3", "system": "units"}}


class Drawer:
    """Cases, learners, events; what PostgreSQL keeps for a node. Only what the tests of cases read is there."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.bodies: list[PartyBody] = []
        self.cases: dict[str, CaseRow] = {}
        self.learners: dict[str, Learner] = {}
        self.releases: dict[str, ReleaseRow] = {}
        self.proposals: dict[str, Proposal] = {}
        self.papers: dict[tuple[str, str], DocumentRow] = {}
        self.reminders: set[tuple[str, str, str]] = set()
        self.notices: list[Mapping[str, Any]] = []
        self.drafts: list[Draft] = []
        self.members: dict[str, Mapping[str, Any]] = {}
        self.reasons: dict[str, str] = {}
        self.promises: dict[str, tuple[str, bytes]] = {}
        self.seen: dict[str, int] = {}
        self.asked: dict[str, AskedPermission] = {}

    async def events_of(self, thing: str) -> list[OutboxRow]:
        return [row for row in self.rows if row.thing == thing]

    async def bodies_of(self, thing: str) -> list[PartyBody]:
        return sorted((body for body in self.bodies if body.thing == thing), key=lambda body: body.index)

    async def case(self, case: str) -> CaseRow | None:
        return self.cases.get(case)

    async def save_case(self, case: CaseRow, drafts: Sequence[Draft], now_ms: int) -> None:
        self.cases[case.id] = case
        self.drafts += drafts

    async def learner(self, learner: str) -> Learner | None:
        return self.learners.get(learner)

    async def learners_by(self, *, match_key: str = "", birth_key: str = "") -> list[Learner]:
        return [one for one in self.learners.values() if match_key == one.match_key or birth_key == one.birth_key]

    async def release(self, release: str) -> ReleaseRow | None:
        return self.releases.get(release)

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        return self.members.get(member)

    async def settle_match(self, match: Match, drafts: Sequence[Draft], now_ms: int) -> bool:
        if self.cases[match.case.id].matched != "pending":
            return False
        learner = match.learner.id if match.learner is not None else None
        state = "unmatched" if learner is None else "confirmed"
        self.cases[match.case.id] = dataclasses.replace(match.case, learner=learner, matched=state, candidate=None)
        if match.learner is not None and match.fresh:
            self.learners[match.learner.id] = match.learner
        if (held := self.releases.get(match.case.release)) is not None:
            self.releases[held.id] = dataclasses.replace(held, learner=learner, details=match.details)
        if match.gone is not None:
            del self.learners[match.gone]
        self.reasons[match.case.id] = match.reason
        self.drafts += drafts
        return True

    async def save_proposal(self, proposal: Proposal, now_ms: int) -> None:
        # As through the database: what is kept is JSON.
        lines = tuple(orjson.loads(orjson.dumps([dict(line) for line in proposal.lines])))
        self.proposals[proposal.case] = dataclasses.replace(proposal, lines=lines)

    async def proposal(self, case: str) -> Proposal | None:
        return self.proposals.get(case)

    async def save_document(self, document: DocumentRow, now_ms: int) -> bool:
        key = (document.case, document.sha256)
        fresh = key not in self.papers
        self.papers.setdefault(key, document)
        return fresh

    async def documents(self, case: str) -> list[DocumentRow]:
        return [row for row in self.papers.values() if row.case == case]

    async def received_cases(self, after: str, limit: int) -> list[CaseRow]:
        return [self.cases[name] for name in sorted(self.cases) if name > after][:limit]

    async def decisions(self, before: int | None, limit: int) -> list[OutboxRow]:
        name = BY_NAME["transfer.decided"].full
        found = [row for row in self.rows if row.type == name and row.outcome == "accepted"]
        return sorted((row for row in found if before is None or row.sequence < before), key=lambda row: -row.sequence)[
            :limit
        ]

    async def remind(self, rows: Sequence[tuple[str, str, str]], now_ms: int) -> set[tuple[str, str, str]]:
        fresh = set(rows) - self.reminders
        self.reminders |= fresh
        return fresh

    async def notices_about(
        self, before: int | None, limit: int, *, index: int | None = None
    ) -> list[Mapping[str, Any]]:
        found = [row for row in self.notices if before is None or row["number"] < before]
        return sorted((row for row in found if index in {None, row["index"]}), key=lambda row: -int(row["number"]))[
            :limit
        ]

    async def save_preliminary(self, identifier: str, expires_on: str, envelope: bytes, now_ms: int) -> None:
        self.promises[identifier] = (expires_on, envelope)

    async def preliminaries(self, today: str, limit: int) -> list[bytes]:
        return [envelope for expires, envelope in sorted(self.promises.values()) if expires >= today][:limit]

    async def versions_seen(self, keys: Sequence[str]) -> dict[str, int]:
        return {key: self.seen[key] for key in keys if key in self.seen}

    async def policy_versions(self, limit: int) -> dict[str, int]:
        named = {
            key.removeprefix("policy:"): version for key, version in self.seen.items() if key.startswith("policy:")
        }
        return dict(sorted(named.items())[:limit])

    async def save_permission(self, asked: AskedPermission, now_ms: int) -> None:
        lines = tuple(orjson.loads(orjson.dumps([dict(line) for line in asked.lines])))
        self.asked[asked.id] = dataclasses.replace(asked, lines=lines)

    async def permission(self, permission: str) -> AskedPermission | None:
        return self.asked.get(permission)

    async def permission_ids(self, after: str, limit: int) -> list[str]:
        things = [row.thing for row in self.rows] + [body.thing for body in self.bodies]
        told = {thing.removeprefix("permission:") for thing in things if thing.startswith("permission:")}
        return sorted(one for one in {*self.asked, *told} if one > after)[:limit]

    # What comes in

    def take(self, kind: str, value: Any) -> None:
        """One letter of the ledger; taking it again changes nothing."""
        if kind == "body" and value["body"] is not None:
            body = base64.b64decode(value["body"])
            made = PartyBody(value["index"], value["type"], value["member"], value["subject"], body)
            if made not in self.bodies:
                self.bodies.append(made)
        for stream in value if kind == "receipts" else ():
            for told in stream["outcomes"]:
                place = (stream["family"], told["sequence"])
                self.rows = [
                    dataclasses.replace(row, outcome=told["outcome"], index=told["index"], code=told.get("code"))
                    if (row.family, row.sequence) == place
                    else row
                    for row in self.rows
                ]
        if kind == "notice":
            self.notices.append({"number": len(self.notices) + 1, "change": None, **value})

    def say(self, name: str, subject: str, data: Mapping[str, Any], *, index: int | None, member: str) -> None:
        """An event of this member, accepted at an index, or not answered."""
        found = BY_NAME[name]
        body = orjson.dumps({"type": found.full, "source": f"urn:passerelle:member:{member}", "data": dict(data)})
        sequence = 1 + sum(row.family == found.family for row in self.rows)
        signed = SignedStatement(b"", body, 1, 0, (), b"", "")
        outcome = None if index is None else "accepted"
        row = OutboxRow(
            found.family, sequence, found.full, subject, f"{found.kind}:{subject}", signed, 0, outcome, index
        )
        self.rows.append(row)

    def hear(self, name: str, subject: str, data: Mapping[str, Any], *, index: int, member: str) -> None:
        """An event of another member that came in."""
        found = BY_NAME[name]
        body = orjson.dumps({"type": found.full, "source": f"urn:passerelle:member:{member}", "data": dict(data)})
        self.bodies.append(PartyBody(index, found.full, member, subject, body))


class PaperRules:
    """A query service that knows what it was told."""

    def __init__(self, *answers: Ruled, elsewhere: Sequence[Elsewhere] = ()) -> None:
        self.answers = answers
        self.then: dict[int, Sequence[Ruled]] = {}
        self.asked: list[Sequence[Mapping[str, Any]]] = []
        self.others = list(elsewhere)
        self.known: dict[str, Mapping[str, str]] = {}

    async def evaluate(
        self, lines: Sequence[Mapping[str, Any]], receiver: str, *, known_at: int | None = None
    ) -> list[Ruled]:
        self.asked.append(lines)
        return list(self.answers if known_at is None else self.then[known_at])

    async def elsewhere(self, achievement: str, limit: int) -> list[Elsewhere]:
        if not self.others:
            raise NotFound("not-found", "no such achievement")
        return self.others[:limit]

    async def titles(self, achievements: Sequence[str]) -> dict[str, Mapping[str, str]]:
        return {name: self.known[name] for name in achievements if name in self.known}


def issued(achievement: str = "humber/stat", **more: Any) -> dict[str, Any]:
    """Data of a credential."""
    return {
        "achievement": achievement,
        "achievement_version": 1,
        "conferred_on": "2026-05-01",
        "basis": "completed",
        "result": {"scheme": "percentage-50", "grade": "80"},
        **more,
    }


class OfficeDesk:
    """The work on cases at queens, over a drawer; humber is the sender of its case."""

    def __init__(self, *answers: Ruled, member: str = "queens", elsewhere: Sequence[Elsewhere] = ()) -> None:
        self.drawer, self.clock, self.ids = Drawer(), FixedClock(), CountingIds()
        self.member = member
        ids: Ids = self.ids
        self.vault = Vault(FileKey(b"w" * 32, ids), RecordKeys(b"k" * 32), ids)
        self.rules = PaperRules(*answers, elsewhere=elsewhere)
        self.author = Author(member, self.clock, ids)
        self.transfers = Transfers(self.drawer, self.author, self.clock, ids, member)  # type: ignore[arg-type]
        self.signer = SeedSigner(b"s" * 32)
        self.own = OwnSeal(member, bytes(range(1, 33)))

    @property
    def work(self) -> Casework:
        """The use cases."""
        return casework(
            self.drawer,  # type: ignore[arg-type]
            self.transfers,
            self.author,
            self.vault,
            self.rules,
            self.signer,
            "unit.example/1",
            self.own,
        )

    def open(
        self, *credentials: str, learner: str | None = None, index: int = 10, case: str = CASE, **data: Any
    ) -> None:
        """A case that queens opened, accepted at an index."""
        named = credentials or HELD[:1]
        for number, credential in enumerate(named):
            if not any(body.subject == credential for body in self.drawer.bodies):
                self.drawer.hear("credential.issued", credential, issued(), index=number, member="humber")
        opened = {"release": RELEASE, "sender": "humber", "receiver": "queens", "credentials": list(named), **data}
        self.drawer.say("transfer.requested", case, opened, index=index, member="queens")
        self.drawer.cases[case] = CaseRow(case, RELEASE, "humber", learner)

    def step(self, name: str, index: int | None, case: str = CASE, **data: Any) -> None:
        """A step of queens."""
        self.drawer.say(f"transfer.{name}", case, {"expected_version": 1, **data}, index=index, member="queens")

    def line(self, **more: Any) -> dict[str, Any]:
        """A credited line by rule."""
        line = {"line": 1, "credential": HELD[0], "status": "credited", "recognition": "queens/r1", "outcome": CREDIT}
        return line | more
