"""Numbers, links and keys: what is next, what is a gap, what is a conflict, and what is nobody's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from passerelle.core.statement import digest
from passerelle.ledger.model import Limits
from passerelle.testing.federation import Federation, Member, achievement, uuid_of
from passerelle.testing.memory_ledger import MemoryLedger


@dataclass
class World:
    """Two members admitted, three entries in the log."""

    ledger: MemoryLedger
    federation: Federation
    humber: Member
    york: Member

    @property
    def new(self) -> list[str]:
        """Outcomes after the founding."""
        return self.ledger.outcomes[3:]


def make_world(limits: Limits | None = None) -> World:
    federation = Federation()
    ledger = MemoryLedger(federation, limits)
    events = [federation.found()]
    humber, admission = federation.admit("humber")
    events.append(admission)
    york, admission = federation.admit("york")
    events.append(admission)
    ledger.feed(*events)
    assert ledger.outcomes == ["accepted"] * 3
    return World(ledger, federation, humber, york)


@pytest.fixture
def world() -> World:
    return make_world()


def test_only_the_root_key_founds_the_network() -> None:
    federation = Federation()
    ledger = MemoryLedger(federation)
    impostor = Member("operator", key_name="not the root")
    humber = Member("humber")
    ledger.feed(impostor.admits(impostor, "operate"), humber.achievement("a"))
    assert ledger.outcomes == []
    assert [row["code"] for row in ledger.unverified] == ["key-unknown", "key-unknown"]
    ledger.feed(federation.found())
    assert ledger.outcomes == ["accepted"]


def test_a_member_admitted_in_the_batch_may_sign_in_it() -> None:
    federation = Federation()
    ledger = MemoryLedger(federation)
    founding = federation.found()
    humber, admission = federation.admit("humber")
    plan = ledger.feed(founding, admission, humber.achievement("a"))
    assert ledger.outcomes == ["accepted"] * 3
    assert plan.admitted == ["operator", "humber"]
    assert [row[0] for row in plan.members] == ["operator", "humber"]


def test_a_key_signs_nothing_before_the_index_that_lists_it() -> None:
    federation = Federation()
    ledger = MemoryLedger(federation)
    founding = federation.found()
    humber, admission = federation.admit("humber")
    first = humber.achievement("a")
    ledger.feed(founding, first, admission, first)
    assert ledger.outcomes == ["accepted"] * 3
    assert [row["code"] for row in ledger.unverified] == ["key-unknown"]


def test_a_batch_is_numbered_in_its_order_and_linked(world: World) -> None:
    events = [world.humber.achievement("a"), world.york.achievement("b"), world.humber.achievement("c")]
    plan = world.ledger.feed(*events)
    assert world.new == ["accepted"] * 3
    assert [(row[2], row[4]) for row in plan.entries] == [("humber", 1), ("york", 1), ("humber", 2)]
    assert world.ledger.streams["humber", "credential"].digest == digest(events[2].statement)
    assert plan.volume == {(world.ledger.now // 3_600_000, "credential"): [3, 0]}
    assert world.ledger.summaries[-1]["counts"][0] == {
        "member": "humber",
        "jurisdiction": "CA-ON",
        "family": "credential",
        "type": "ca.passerelle.credential.achievement-published.v1",
        "accepted": 2,
        "refused": 0,
    }


def test_a_statement_again_gets_its_receipt_again(world: World) -> None:
    one, two = world.humber.achievement("a"), world.humber.achievement("a")
    world.ledger.feed(one, two)
    world.ledger.feed(two, one, one)
    world.ledger.restart()
    world.ledger.feed(two)
    again = [(1, "accepted"), (2, "subject-exists")]
    assert world.ledger.receipts("humber", "credential") == [*again, again[1], again[0], again[0], again[1]]
    assert world.new == ["accepted", "subject-exists"]
    repeated = world.ledger.letters("humber", "receipts")[-1][0]["outcomes"][0]
    assert repeated["field"] == "subject"
    assert "entry 3" in repeated["what"]


def test_a_statement_twice_in_one_batch_is_one_entry(world: World) -> None:
    one = world.humber.achievement("a")
    world.ledger.feed(one, one)
    assert world.new == ["accepted"]
    assert world.ledger.receipts("humber", "credential") == [(1, "accepted")] * 2


def test_another_statement_at_a_spent_number_is_evidence(world: World) -> None:
    backup = world.humber.copy()
    world.ledger.feed(world.humber.achievement("a"), world.humber.achievement("b"))
    other = backup.achievement("c")
    world.ledger.feed(other, backup.achievement("d"))
    assert world.new == ["accepted"] * 2
    assert world.ledger.conflicts[0][5] == other.statement
    assert len(world.ledger.conflicts) == 2
    problems = world.ledger.letters("humber", "problem")
    assert len(problems) == 1, "one answer a stream and commit is enough"
    assert problems[0]["code"] == "sequence-conflict"
    assert problems[0]["head"] == {"sequence": 2, "digest": world.humber.heads["credential"][1].hex()}


def test_a_wrong_link_at_the_next_number_is_a_conflict_and_spends_nothing(world: World) -> None:
    world.ledger.feed(world.humber.achievement("a"))
    lost = world.humber.copy()
    lost.heads["credential"] = (1, bytes(range(32)))
    world.ledger.feed(lost.achievement("b"))
    assert world.new == ["accepted"]
    assert world.ledger.letters("humber", "problem")[0]["sequence"] == 2
    world.ledger.feed(world.humber.achievement("c"))
    assert world.new == ["accepted"] * 2


def test_a_gap_waits_asks_and_is_filled(world: World) -> None:
    one, two, three = (world.humber.achievement(name) for name in "abc")
    world.ledger.feed(three, world.york.achievement("y"))
    assert world.new == ["accepted"], "york is not delayed"
    assert world.ledger.letters("humber", "resend-from") == [{"family": "credential", "sequence": 1}]
    world.ledger.feed(two)
    assert len(world.ledger.letters("humber", "resend-from")) == 1, "the same gap is not asked for at once again"
    assert len(world.ledger.waiting) == 2
    world.ledger.feed(one)
    assert world.new == ["accepted"] * 4
    assert world.ledger.waiting == {}
    assert world.ledger.receipts("humber", "credential") == [(1, "accepted"), (2, "accepted"), (3, "accepted")]


def test_a_gap_filled_within_the_batch_is_never_stored(world: World) -> None:
    one, two = world.humber.achievement("a"), world.humber.achievement("b")
    plan = world.ledger.feed(two, one)
    assert world.new == ["accepted"] * 2
    assert (plan.waiting_new, plan.waiting_gone) == ([], [])
    assert world.ledger.letters("humber", "resend-from") == []


def test_a_gap_never_expires_and_asks_again_with_back_off(world: World) -> None:
    world.humber.achievement("a")
    world.ledger.feed(world.humber.achievement("b"))

    def asked() -> int:
        return len(world.ledger.letters("humber", "resend-from"))

    counts = []
    for _ in range(12):
        world.ledger.pass_time(5_000)
        counts.append(asked())
    assert counts == [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4]
    assert world.ledger.sequencer.parking.stalled(world.ledger.now) == []
    world.ledger.pass_time(300_000)
    assert world.ledger.sequencer.parking.stalled(world.ledger.now) == [(("humber", "credential"), 1)]
    assert len(world.ledger.waiting) == 1


def test_a_waiting_event_that_came_on_another_history_is_evidence_when_its_turn_comes(world: World) -> None:
    fork = world.humber.copy()
    fork.achievement("x")
    stray = fork.achievement("y")
    world.ledger.feed(stray)
    world.ledger.feed(world.humber.achievement("a"))
    assert world.new == ["accepted"]
    assert world.ledger.waiting == {}
    assert [row[5] for row in world.ledger.conflicts] == [stray.statement]
    world.ledger.feed(world.humber.achievement("b"))
    assert world.new == ["accepted"] * 2


def test_two_statements_cannot_wait_at_one_number(world: World) -> None:
    fork = world.humber.copy()
    world.humber.achievement("a")
    fork.achievement("x")
    first, second = world.humber.achievement("b"), fork.achievement("y")
    world.ledger.feed(first, second, first)
    assert len(world.ledger.waiting) == 1
    assert [row[5] for row in world.ledger.conflicts] == [second.statement]


def test_waiting_is_bounded_and_what_is_dropped_is_asked_for_once() -> None:
    world = make_world(Limits(park_max=3))
    events = [world.humber.achievement(f"a{number}") for number in range(8)]
    world.ledger.feed(*events[1:])
    assert sorted(place[2] for place in world.ledger.waiting) == [2, 3, 4]
    asked = [letter["sequence"] for letter in world.ledger.letters("humber", "resend-from")]
    assert asked == [5, 1]
    world.ledger.feed(*events[4:])
    assert len(world.ledger.letters("humber", "resend-from")) == 2
    world.ledger.feed(events[0])
    assert world.new == ["accepted"] * 4
    # The lane is free again: the sender is told where to go on.
    assert world.ledger.letters("humber", "resend-from")[-1] == {"family": "credential", "sequence": 5}
    world.ledger.feed(*events[4:])
    assert world.new == ["accepted"] * 8


def test_waiting_events_survive_a_restart(world: World) -> None:
    one, two, three = (world.humber.achievement(name) for name in "abc")
    world.ledger.feed(two, three)
    world.ledger.restart()
    world.ledger.feed(one)
    assert world.new == ["accepted"] * 3
    assert world.ledger.waiting == {}


def test_a_key_removed_while_its_event_waits_signs_nothing(world: World) -> None:
    humber, operator = world.humber, world.federation.operator
    old = humber.signer.key_id
    one, two = humber.achievement("a"), humber.achievement("b")
    written_two = (two.statement, two.body)
    world.ledger.feed(two)
    new = Member("humber", key_name="humber 2")
    world.ledger.feed(operator.changes_keys(humber, remove=[{"key_id": old}], add=[new.key()]))
    humber.rekey("humber 2")
    world.ledger.feed(*humber.sign([(one.statement, one.body)]))
    assert world.new == ["accepted", "accepted"]
    assert [row["code"] for row in world.ledger.unverified] == ["key-not-valid"]
    assert world.ledger.letters("humber", "problem")[0]["code"] == "key-not-valid"
    assert world.ledger.waiting == {}
    world.ledger.feed(*humber.sign([written_two]))
    assert world.new == ["accepted"] * 3


def test_an_ended_key_signs_nothing_more_and_makes_no_evidence(world: World) -> None:
    humber, operator = world.humber, world.federation.operator
    fork = humber.copy()
    world.ledger.feed(humber.achievement("a"))
    world.ledger.feed(operator.changes_keys(humber, remove=[{"key_id": humber.signer.key_id}]))
    conflict, following, beyond = fork.achievement("x"), humber.achievement("b"), humber.achievement("c")
    world.ledger.feed(conflict, beyond, following)
    assert world.new == ["accepted", "accepted"]
    assert (world.ledger.conflicts, world.ledger.waiting) == ([], {})
    assert [row["code"] for row in world.ledger.unverified] == ["key-not-valid"] * 3
    problems = world.ledger.letters("humber", "problem")
    assert [(problem["code"], problem["head"]["sequence"]) for problem in problems] == [("key-not-valid", 1)]


def test_a_logged_statement_under_an_ended_key_still_gets_its_receipt(world: World) -> None:
    humber, operator = world.humber, world.federation.operator
    one = humber.achievement("a")
    world.ledger.feed(one)
    world.ledger.feed(operator.changes_keys(humber, remove=[{"key_id": humber.signer.key_id}]))
    world.ledger.feed(one)
    assert world.ledger.receipts("humber", "credential") == [(1, "accepted")] * 2
    assert world.ledger.unverified == []


def test_what_verifies_under_no_key_is_nobodys(world: World) -> None:
    humber = world.humber
    good = humber.copy().achievement("a")
    thief = humber.copy()
    thief.rekey("york")
    twin = humber.copy()
    publish = ("credential.achievement-published", "humber/b", achievement("humber"))
    batch = twin.sign([twin.write(*publish), twin.write(*publish)])
    bad = [
        replace(good, batch_signature=bytes(64)),
        replace(good, body=good.body + b" "),
        thief.achievement("a"),
        replace(batch[0], batch_index=1),
        replace(good, statement=good.statement + b"x"),
        Member("humber", "another.example/1").achievement("a"),
        Member("mcgill").achievement("a"),
    ]
    plan = world.ledger.feed(*bad)
    codes = [row["code"] for row in world.ledger.unverified]
    assert codes == [
        "signature-invalid",
        "body-hash-mismatch",
        "key-of-other-member",
        "signature-invalid",
        "statement-malformed",
        "network-mismatch",
        "key-unknown",
    ]
    assert world.new == []
    assert plan.inbox == []
    assert plan.offsets, "they are never read again"
    assert all("Energy" not in str(row) for row in world.ledger.unverified)


def test_the_instant_never_goes_back(world: World) -> None:
    first = world.ledger.feed(world.humber.achievement("a")).accepted_at
    world.ledger.now -= 600_000
    second = world.ledger.feed(world.humber.achievement("b")).accepted_at
    world.ledger.now += 600_001
    third = world.ledger.feed(world.humber.achievement("c")).accepted_at
    assert (second, third) == (first, first + 1)


def test_a_time_ahead_is_judged_at_the_decision(world: World) -> None:
    from passerelle.runtime.clock import as_datetime

    ahead = as_datetime(world.ledger.now + 25 * 3_600_000)
    write = ("credential.achievement-published", "humber/a", achievement("humber"))
    one, two = world.humber.event(*write, time=ahead), world.humber.achievement("b")
    world.ledger.feed(one)
    assert world.new == ["time-ahead"]
    world.ledger.feed(two)
    # The same again, but the event waited until its time was near enough.
    three = world.humber.achievement("c")
    four = world.humber.event(write[0], "humber/d", write[2], time=ahead)
    world.ledger.feed(four)
    world.ledger.pass_time(2 * 3_600_000)
    world.ledger.feed(three)
    assert world.new == ["time-ahead", "accepted", "accepted", "accepted"]


def test_a_body_prepared_before_its_instant_is_judged_at_it(world: World) -> None:
    from passerelle.ledger.model import Batch
    from passerelle.ledger.prepare import Trees, prepare_all
    from passerelle.runtime.clock import as_datetime

    ahead = as_datetime(world.ledger.now + 24 * 3_600_000 + 10)
    event = world.humber.event("credential.achievement-published", "humber/a", achievement("humber"), time=ahead)
    registry = world.ledger.sequencer.registry
    items = prepare_all(world.ledger.records([event]), registry, Trees(), world.ledger.now)
    world.ledger.now += 10
    world.ledger.step(Batch(items, {}))
    assert world.new == ["accepted"]


def test_random_ids_are_of_the_asked_version() -> None:
    assert uuid_of("x")[14] == "7"
    assert uuid_of("x", 4)[14] == "4"
