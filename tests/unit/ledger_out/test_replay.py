"""Check and rebuild against what the ledger itself made of random events: same models, no fault, erasure included."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from passerelle.core.batch import SignedStatement
from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal
from passerelle.core.registry import Registry
from passerelle.core.statement import digest
from passerelle.ledger.check import EntryChecker, Findings
from passerelle.ledger.check_ports import BodyRow, EntryRow
from passerelle.ledger.check_run import logged_of
from passerelle.ledger.check_signatures import good as verified
from passerelle.ledger.replay import Replay
from passerelle.testing.federation import Federation, Member, uuid_of
from passerelle.testing.memory_ledger import MemoryLedger

CREDENTIALS = ("ann", "bob", "joint")
STEPS = ("issued", "amended", "suspended", "reinstated", "revoked", "erased", "co-awarded")
OTHERS = ("publish", "retire", "grant", "release", "request", "decide", "post", "suspend-member", "junk")


class Actors:
    """Two members and the events that a number stands for."""

    def __init__(self) -> None:
        self.federation = Federation()
        self.ledger = MemoryLedger(self.federation)
        self.ledger.feed(self.federation.found())
        self.humber, admission = self.federation.admit("humber")
        self.ledger.feed(admission)
        self.york, admission = self.federation.admit("york")
        self.ledger.feed(admission)
        self.ledger.feed(self.humber.achievement("energy"), self.york.achievement("energy-2"))
        both = ["urn:passerelle:member:humber", "urn:passerelle:member:york"]
        self.ledger.feed(self.humber.achievement("joint", awarding_bodies=both))
        self.both = both
        self.versions = 0

    def step(self, name: str, who: str) -> SignedStatement:
        """A step of a credential's life, legal or not."""
        subject = uuid_of(who)
        data: dict[str, dict[str, Any]] = {
            "amended": {"reason": "other"},
            "suspended": {"reason": "fees"},
            "reinstated": {},
            "revoked": {"reason": "fraud", "effective_on": "2026-01-01"},
            "erased": {"ground": "learner-request"},
        }
        if name == "issued" and who == "joint":
            return self.humber.issued(who, "joint", awarding_bodies=self.both)
        if name == "issued":
            return self.humber.issued(who, "energy")
        if name == "co-awarded":
            return self.york.event("credential.co-awarded", subject, {"confirmed_on": "2026-01-01"})
        return self.humber.event(f"credential.{name}", subject, data[name])

    def other(self, name: str, who: str) -> SignedStatement:
        """Everything that rests on credentials, or has nothing to do with them."""
        york, humber, case = self.york, self.humber, uuid_of(f"case {who}")
        data: dict[str, Any]
        release, credential = uuid_of(f"release {who}", 4), uuid_of(who)
        self.versions += 1
        if name == "publish":
            return york.achievement(f"course-{self.versions}")
        if name == "retire":
            return humber.event("credential.achievement-retired", "humber/energy", {"effective_on": "2026-01-01"})
        if name == "grant":
            return york.granted(f"rule-{self.versions}", "humber/energy", "york/energy-2")
        if name == "release":
            grant = {"credentials": [credential], "receiver": "york", "purpose": "transfer", "ends_on": "2199-01-01"}
            return humber.event("credential.release-granted", release, grant)
        if name == "request":
            data = {"release": release, "sender": "humber", "receiver": "york", "credentials": [credential]}
            return york.event("transfer.requested", case, data)
        if name == "decide":
            outcome = {
                "type": "assigned",
                "achievement": "york/energy-2",
                "credits": {"value": "3", "system": "credit-hours"},
            }
            line = {"line": 1, "credential": credential, "status": "credited", "individual_reason": "x"}
            data = {"expected_version": 1, "lines": [{**line, "outcome": outcome}]}
            return york.event("transfer.decided", case, data)
        if name == "post":
            data = {"expected_version": 2, "programme": "york/energy-2", "posted_on": "2026-01-01"}
            return york.event("transfer.posted", case, data)
        if name == "suspend-member":
            return self.federation.operator.event("member.suspended", "york", {"member": "york", "reason": "x"})
        return humber.raw("credential", "public", b"{}")

    def rows(self) -> list[EntryRow]:
        """The log as ``ledger check`` reads it."""
        return [self._row(row) for row in self.ledger.entries]

    def _row(self, row: tuple[Any, ...]) -> EntryRow:
        index = row[0]
        bodies = []
        if index in self.ledger.public:
            body = self.ledger.public[index]
            bodies.append(BodyRow("public_body", body, (digest(body),)))
        if index in self.ledger.party:
            subject, parties, party = self.ledger.party[index]
            bodies.append(BodyRow("party_body", party, (subject, tuple(parties))))
        if index in self.ledger.refused:
            note = (row[2], row[9], row[1])
            bodies.append(BodyRow("refused_body", self.ledger.refused[index], note))
        names = ("index", "accepted_at", "member", "family", "sequence", "visibility", "code", "refusal", "type")
        values = dict(zip((*names, "subject", "digest", "entry"), row, strict=False))
        values["refusal"] = None if row[7] is None else row[7].decode()
        return EntryRow(**values, bodies=tuple(bodies))

    def registry(self) -> Registry:
        return Registry(self.federation.network, self.federation.operator.id, self.federation.root_public_key)


def assert_same(replay: Replay, ledger: MemoryLedger) -> None:
    """The replay holds what the ledger holds."""
    assert replay.state.things == ledger.things
    assert {(edge.on, edge.dependent, edge.member): edge for edge in replay.state.edges()} == ledger.edges
    assert replay.streams == ledger.streams
    assert replay.registry.snapshot() == ledger.snapshot
    assert replay.state.ghosts == set()


actions = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(STEPS), st.sampled_from(CREDENTIALS)),
        st.tuples(st.sampled_from(OTHERS), st.sampled_from(CREDENTIALS[:2])),
    ),
    max_size=30,
)


# A case goes on after its credential was erased, and one is opened on a credential that is gone.
GONE = [
    ("issued", "ann"),
    ("release", "ann"),
    ("request", "ann"),
    ("erased", "ann"),
    ("decide", "ann"),
    ("post", "ann"),
]
LATE = [(name, "bob") for name in ("issued", "release", "suspended", "request", "erased")]
JOINT = [(name, "joint") for name in ("issued", "co-awarded", "revoked")]


@given(actions, st.booleans())
@example(GONE, False)
@example(LATE, False)
@example(JOINT, True)
def test_check_and_rebuild_agree_with_the_ledger(chosen: list[tuple[str, str]], erase: bool) -> None:
    actors = Actors()
    for name, who in chosen:
        event = actors.step(name, who) if name in STEPS else actors.other(name, who)
        actors.ledger.feed(event)
    # What waits for a reference is refused when its time is over.
    actors.ledger.pass_time(61_000)
    for who in CREDENTIALS if erase else ():
        actors.ledger.feed(actors.step("erased", who))
    findings = Findings()
    checker = EntryChecker(actors.registry(), findings)
    rebuilt = Replay(actors.registry())
    for row in actors.rows():
        checker.take(row)
        rebuilt.take(logged_of(row, rebuilt.size))
    checker.tell_counts()
    assert findings.faults == []
    assert findings.counts["entries"] == len(actors.ledger.entries)
    missing = {subject for subject in checker.missing if checker.replay.erased.get(subject, -1) < 0}
    assert missing == set()
    for replay in (checker.replay, rebuilt):
        assert_same(replay, actors.ledger)


def test_a_withdrawn_body_leaves_a_ghost_that_is_named() -> None:
    actors = Actors()
    actors.ledger.feed(actors.step("issued", "ann"), actors.other("grant", "ann"))
    index = next(index for index, body in actors.ledger.public.items() if b"humber/energy" in body)
    rows = actors.rows()
    row = rows[index]
    assert row.subject == "humber/energy"
    rows[index] = replace(row, bodies=(BodyRow("public_body", None, row.bodies[0].note),))
    findings = Findings()
    checker = EntryChecker(actors.registry(), findings)
    for item in rows:
        checker.take(item)
    assert findings.faults == []
    assert findings.counts["public bodies withdrawn"] == 1
    assert "achievement:humber/energy" in checker.replay.state.ghosts


def test_a_rebuild_stops_at_what_it_cannot_read() -> None:
    actors = Actors()
    rows = actors.rows()
    with pytest.raises(Fatal, match="missing"):
        logged_of(rows[2], 1)
    with pytest.raises(Fatal, match="cannot be read"):
        logged_of(replace(rows[1], entry=b"x"), 1)
    replay = Replay(actors.registry())
    with pytest.raises(Fatal, match="cannot be applied"):
        # A member event of an operator that was never admitted.
        replay.take(logged_of(rows[1], 1))


def test_every_fault_of_an_entry_is_told_with_its_place() -> None:
    actors = Actors()
    good = actors.rows()
    other = Member("york", key_name="another")
    entry = parse_entry(good[5].entry)
    assert entry.parsed().member == "humber"
    cases = {
        "entry-malformed": good[5].entry[1:],
        "signature-invalid": good[5].entry.replace(entry.batch_signature.hex().encode(), b"00" * 64),
        "key-not-valid": good[5].entry.replace(entry.key_id.encode(), other.signer.key_id.encode()),
        "ledger-diverged": good[5].entry.replace(b"\naccepted\n", b"\nrefused not-owner\n"),
    }
    for code, data in cases.items():
        findings = Findings()
        checker = EntryChecker(actors.registry(), findings)
        for item in (*good[:5], replace(good[5], entry=data)):
            checker.take(item)
        checker.settle(checker.pending, verified(checker.pending))
        assert code in {fault.code for fault in findings.faults if fault.where == "index 5"}, code
