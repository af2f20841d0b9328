"""Two nodes work on one case in any order, with restarts, repeats and late letters, through the ledger's deciding code:
at the end all tell the same case, and it is the one that the log makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.node.drawer import Drawer
from tests.unit.node.office import CountingIds, FixedClock

from passerelle.core.batch import SignedStatement
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.decide import decide
from passerelle.core.decide.casecounts import credit_digest
from passerelle.core.decide.engine import Accepted
from passerelle.core.things import MemoryView, Occurrence
from passerelle.node.author import Author
from passerelle.node.ports import OutboxRow
from passerelle.node.transfers import CaseView, Transfers
from passerelle.runtime.clock import as_date
from passerelle.testing.federation import Federation, Member, uuid_of
from passerelle.testing.memory_ledger import MemoryLedger

CASE, HELD, RELEASE = uuid_of("case"), uuid_of("held"), uuid_of("release", 4)
LATER = {"line": 2, "credential": HELD, "status": "pending", "waits_for": "final-grade"}
NONE = {"line": 1, "credential": HELD, "status": "no-credit", "reason": "content"}
CREDITED = {
    "line": 1,
    "credential": HELD,
    "status": "credited",
    "recognition": "queens/r1",
    "outcome": {"type": "unassigned", "subject": "STAT", "credits": {"value": "3", "system": "units"}},
}
DOCUMENT = {"sha256": "0" * 64, "media_type": "application/pdf", "size": 9, "role": "outline"}
STEPS: dict[str, dict[str, Any]] = {
    "evidence-added": {"documents": [DOCUMENT]},
    "information-requested": {"needed": ["The outline"]},
    "decided": {"lines": [CREDITED]},
    "decided*": {"lines": [CREDITED, LATER]},
    "decided0": {"lines": [NONE]},
    "decided-final": {"lines": [CREDITED], "final": True},
    "posted": {"programme": "queens/bsc", "posted_on": "2026-11-02"},
    "adjusted": {"reason": "error", "lines": [{"line": 1, "outcome": "removed"}]},
    "appealed": {"ground": "new-evidence"},
    "withdrawn": {"by": "learner"},
    "closed": {},
}


class Node:
    """One party: what it knows comes by letters only, and what it says waits until it is sent."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.drawer = Drawer()
        self.unsent: list[SignedStatement] = []
        self.sent: list[SignedStatement] = []
        self.heard = 0
        self.restart()

    def restart(self) -> None:
        """Forget everything but the database."""
        clock, ids = FixedClock(), CountingIds()
        author = Author(self.member.id, clock, ids)
        self.transfers = Transfers(self.drawer, author, clock, ids, self.member.id)  # type: ignore[arg-type]

    def publish(self, name: str, subject: str, data: dict[str, Any]) -> None:
        signed = self.member.event(name, subject, data)
        found = EVENT_TYPES[f"ca.passerelle.{name}.v1"]
        sequence = self.member.heads[found.family][0]
        self.drawer.rows.append(
            OutboxRow(found.family, sequence, found.full, subject, f"{found.kind}:{subject}", signed, 0)
        )
        self.unsent.append(signed)

    def say(self, step: str, stale: int) -> None:
        """A step on the version known here, or on one before it."""
        version = max(1, self.view().version - stale)
        name = "decided" if step.startswith("decided") else step
        self.publish(f"transfer.{name}", CASE, {"expected_version": version, **STEPS[step]})

    def view(self) -> CaseView:
        return asyncio.run(self.transfers.view(CASE))


class Two:
    """humber, queens and a ledger; the case is open and both know it."""

    def __init__(self) -> None:
        federation = Federation()
        self.ledger = MemoryLedger(federation)
        self.ledger.feed(federation.found())
        members = [federation.admit(name) for name in ("humber", "queens")]
        self.ledger.feed(*(event for _, event in members))
        humber, queens = (member for member, _ in members)
        self.ledger.feed(humber.achievement("stat"), queens.achievement("bsc"), queens.achievement("st101"))
        self.ledger.feed(humber.issued("held", "stat"), queens.granted("r1", "humber/stat", "queens/st101"))
        grant = {"credentials": [HELD], "receiver": "queens", "purpose": "transfer", "ends_on": "2199-01-01"}
        self.ledger.feed(humber.event("credential.release-granted", RELEASE, grant))
        self.nodes = {"humber": Node(humber), "queens": Node(queens)}
        opened = {"release": RELEASE, "sender": "humber", "receiver": "queens", "credentials": [HELD]}
        self.nodes["queens"].publish("transfer.requested", CASE, opened)
        self.settle()

    def send(self, name: str) -> None:
        node = self.nodes[name]
        if node.unsent:
            node.sent.append(node.unsent.pop(0))
            self.ledger.feed(node.sent[-1])

    def repeat(self, name: str, back: int) -> None:
        """A record that was sent comes again: the broker delivers at least once, and so does the relay."""
        sent = self.nodes[name].sent
        if sent:
            self.ledger.feed(sent[-1 - back % len(sent)])

    def deliver(self, name: str, count: int) -> None:
        node, letters = self.nodes[name], self.ledger.inbox.get(name, [])
        for kind, value in letters[node.heard : node.heard + count]:
            node.drawer.take(kind, value)
        node.heard = min(len(letters), node.heard + count)

    def settle(self) -> None:
        for name, node in self.nodes.items():
            while node.unsent:
                self.send(name)
        for name in self.nodes:
            self.deliver(name, 10_000)


NAMES = st.sampled_from(["humber", "queens"])
ACTIONS = st.one_of(
    st.tuples(st.just("say"), NAMES, st.sampled_from(sorted(STEPS)), st.sampled_from([0, 0, 0, 1])),
    # The way on is likely: without it most cases would end at their first refusal.
    st.tuples(st.just("say"), st.just("queens"), st.sampled_from(["decided", "decided*", "posted"]), st.just(0)),
    st.tuples(st.just("send"), NAMES),
    st.tuples(st.just("repeat"), NAMES, st.integers(0, 5)),
    st.tuples(st.just("deliver"), NAMES, st.integers(1, 4)),
    st.tuples(st.just("settle")),
    st.tuples(st.just("restart"), st.sampled_from(["humber", "queens", "ledger"])),
)


def run(two: Two, actions: list[tuple[Any, ...]]) -> None:
    for what, *rest in actions:
        if what == "say":
            two.nodes[rest[0]].say(rest[1], rest[2])
        elif what == "restart":
            (two.ledger if rest[0] == "ledger" else two.nodes[rest[0]]).restart()
        else:
            getattr(two, what)(*rest)
    two.settle()


def accepted(two: Two) -> list[tuple[int, str, str, str]]:
    """Index, member, type and subject of the accepted steps of the case, as the log has them."""
    return [(row[0], row[2], row[8], row[9]) for row in two.ledger.entries if row[6] is None and row[9] == CASE]


def fact(line: Mapping[str, Any]) -> dict[str, Any]:
    """What the ledger keeps of a line as a node shows it: of its credit a digest only."""
    told = {name: line[name] for name in ("line", "credential", "status")}
    return told if line.get("outcome") is None else told | {"outcome": credit_digest(line["outcome"])}


@settings(max_examples=80, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=24))
def test_any_interleaving_ends_in_the_same_case_everywhere(actions: list[tuple[Any, ...]]) -> None:
    two = Two()
    run(two, actions)
    thing = two.ledger.things[f"transfer:{CASE}"]
    for node in two.nodes.values():
        view = node.view()
        assert (view.state, view.version) == (thing.state, thing.version)
        # A step of the sender's or the receiver's that was refused stands in nobody's case.
        assert [step.index for step in view.told] == [row[0] for row in accepted(two)]
        facts = [fact(line) for line in view.lines]
        assert facts == thing.data["lines"]
        assert view.final == thing.data["final"]
    # Nothing is lost: each statement that was sent has exactly one number and one answer.
    for name, node in two.nodes.items():
        answered = [row for row in node.drawer.rows if row.family == "transfer"]
        assert all(row.outcome in {"accepted", "refused"} for row in answered), name
        assert two.ledger.streams[(name, "transfer")].sequence == len(answered) if answered else True
    # The same case comes of the log alone, decided again in its order.
    assert again(two) == thing


def again(two: Two) -> Any:
    """The case as the entries make it in a fresh state."""
    view = MemoryView()
    for row in two.ledger.entries:
        index, at, member, kind, subject, code = row[0], row[1], row[2], row[8], row[9], row[6]
        if kind.split(".")[2] == "member":
            continue
        body = two.ledger.public.get(index) or (two.ledger.party.get(index) or ("", [], None))[2]
        body = body or two.ledger.refused[index]
        event = Occurrence(member, kind, subject, orjson.loads(body)["data"], index, as_date(at))
        verdict = decide(event, view, two.ledger.sequencer.registry)
        assert isinstance(verdict, Accepted) == (code is None), (kind, verdict)
        if isinstance(verdict, Accepted):
            view.apply(verdict.effects)
    return view.thing(f"transfer:{CASE}")


def test_of_two_steps_on_one_version_the_first_stands_and_the_other_is_a_conflict() -> None:
    two = Two()
    two.nodes["humber"].say("evidence-added", 0)
    two.nodes["queens"].say("decided", 0)
    two.send("humber")
    two.send("queens")
    two.settle()
    refused = [row for row in two.nodes["queens"].drawer.rows if row.outcome == "refused"]
    assert [row.code for row in refused] == ["version-stale"]
    assert two.ledger.things[f"transfer:{CASE}"].state == "requested"
    two.nodes["queens"].say("decided", 0)
    two.settle()
    assert two.nodes["humber"].view().state == "decided"


def test_the_longest_way_is_the_same_for_both() -> None:
    two = Two()
    way = [
        ("queens", "information-requested"), ("humber", "evidence-added"), ("queens", "decided*"), ("queens", "posted"),
        ("queens", "decided"), ("queens", "posted"), ("humber", "appealed"), ("humber", "evidence-added"),
        ("queens", "decided-final"), ("queens", "posted"), ("queens", "adjusted"), ("queens", "closed"),
    ]  # fmt: skip
    for name, step in way:
        two.nodes[name].say(step, 0)
        two.settle()
    views = [node.view() for node in two.nodes.values()]
    assert [view.steps[1:] for view in views] == [tuple(step.split("*")[0].split("-final")[0] for _, step in way)] * 2
    assert [(view.state, view.level, view.final, view.lines[0]["status"]) for view in views] == [
        ("closed", 2, True, "removed")
    ] * 2
    assert again(two) == two.ledger.things[f"transfer:{CASE}"]
    two.nodes["humber"].say("appealed", 0)
    two.settle()
    assert two.nodes["humber"].drawer.rows[-1].code == "decision-final"
