"""References between streams: what waits for a thing, what wakes it, and when it is refused."""

from __future__ import annotations

from tests.unit.ledger.test_sequencer_order import World, make_world

from passerelle.core.batch import SignedStatement
from passerelle.core.statement import member_urn
from passerelle.ledger.model import Limits
from passerelle.testing.federation import uuid_of

RELEASE = uuid_of("release", 4)


def release_granted(world: World, *credentials: str, receiver: str = "york") -> SignedStatement:
    data = {
        "credentials": [uuid_of(name) for name in credentials],
        "receiver": receiver,
        "purpose": "transfer",
        "ends_on": "2099-01-01",
    }
    return world.humber.event("credential.release-granted", RELEASE, data)


def case_requested(world: World, *credentials: str, **more: str) -> SignedStatement:
    data = {
        "release": RELEASE,
        "sender": "humber",
        "receiver": "york",
        "credentials": [uuid_of(name) for name in credentials],
        **more,
    }
    return world.york.event("transfer.requested", uuid_of("case"), data)


def test_an_event_waits_for_a_thing_of_another_stream_and_wakes_in_the_same_batch() -> None:
    world = make_world()
    rule = world.york.granted("r1", "humber/a", "york/b")
    waiting = world.ledger.feed(rule, world.york.achievement("b"))
    assert world.new == ["accepted"], "york's other stream is not delayed"
    assert len(waiting.waiting_new) == 1
    assert world.ledger.letters("york", "resend-from") == []
    woken = world.ledger.feed(world.humber.achievement("a"))
    assert world.new == ["accepted"] * 3
    assert [row[2] for row in woken.entries] == ["humber", "york"]
    assert world.ledger.waiting == {}
    assert woken.accepted_at == world.ledger.now


def test_what_is_behind_a_waiting_event_waits_too_and_keeps_its_order() -> None:
    world = make_world()
    events = [world.york.granted(f"r{number}", "humber/a", "york/b") for number in range(3)]
    world.ledger.feed(world.york.achievement("b"), *events)
    assert world.new == ["accepted"]
    assert len(world.ledger.waiting) == 3
    world.ledger.feed(world.humber.achievement("a"))
    assert world.new == ["accepted"] * 5
    assert world.ledger.receipts("york", "recognition") == [(1, "accepted"), (2, "accepted"), (3, "accepted")]


def test_a_missing_thing_is_refused_after_its_time_and_the_number_is_spent() -> None:
    world = make_world(Limits(reference_wait_ms=60_000))
    world.ledger.feed(world.york.achievement("b"), world.york.granted("r1", "humber/never", "york/b"))
    world.ledger.pass_time(30_000)
    world.ledger.feed(world.york.granted("r2", "york/b", "york/b"))
    assert world.new == ["accepted"]
    plan = world.ledger.pass_time(30_000)
    assert world.new == ["accepted", "reference-unknown", "accepted"]
    assert plan.refused_bodies[0][2] == "york/r1"
    told = world.ledger.letters("york", "receipts")[-1][0]["outcomes"][0]
    assert (told["code"], told["field"]) == ("reference-unknown", "data.sending")
    # A later event on what was refused is refused at once.
    world.ledger.feed(world.york.event("recognition.ended", "york/r1", {"effective_on": "2026-01-01"}))
    assert world.new[-1] == "subject-unknown"


def test_the_time_is_counted_from_the_stored_arrival_also_after_a_restart() -> None:
    world = make_world()
    world.ledger.feed(world.york.achievement("b"), world.york.granted("r1", "humber/never", "york/b"))
    world.ledger.now += 59_999
    world.ledger.restart()
    world.ledger.step()
    assert world.new == ["accepted"]
    world.ledger.pass_time(1)
    assert world.new == ["accepted", "reference-unknown"]


def test_one_accepted_thing_releases_a_chain_of_streams_in_the_same_batch() -> None:
    world = make_world()
    joint = {
        "achievement": "york/joint",
        "achievement_version": 1,
        "awarding_bodies": [member_urn("humber"), member_urn("york")],
        "registration": "humber",
        "conferred_on": "2025-06-10",
        "basis": "completed",
        "record": "0" * 64,
    }
    both = [member_urn("humber"), member_urn("york")]
    published = world.york.achievement("joint", awarding_bodies=both)
    co_signed = world.york.event("credential.co-awarded", uuid_of("x"), {"confirmed_on": "2025-06-11"})
    issue = world.humber.event("credential.issued", uuid_of("x"), joint)
    rule = world.york.granted("r1", "york/joint", "york/joint")
    # Three streams: a missing number, a missing achievement, and a rule on that achievement.
    world.ledger.feed(co_signed, issue, rule)
    assert world.new == []
    assert len(world.ledger.waiting) == 3
    plan = world.ledger.feed(published)
    assert world.new == ["accepted"] * 4
    assert [row[3] for row in plan.entries[:1]] == ["credential"]
    assert world.ledger.things[f"credential:{uuid_of('x')}"].state == "issued"
    assert world.ledger.waiting == {}


def test_a_stream_that_waits_for_itself_ends_by_refusal() -> None:
    world = make_world()
    world.ledger.feed(world.humber.issued("x", "a"), world.humber.achievement("a"), world.humber.issued("y", "a"))
    assert world.new == []
    world.ledger.pass_time(60_000)
    assert world.new == ["reference-unknown", "accepted", "accepted"]


def test_a_member_admitted_later_wakes_those_that_name_it() -> None:
    world = make_world()
    world.ledger.feed(world.humber.achievement("a"))
    world.ledger.feed(world.humber.issued("x", "a"), release_granted(world, "x", receiver="laval"))
    assert world.new == ["accepted"] * 2
    _, admission = world.federation.admit("laval")
    world.ledger.feed(admission)
    assert world.new == ["accepted"] * 4
    bodies = world.ledger.letters("laval", "body")
    assert [body["type"] for body in bodies] == ["ca.passerelle.credential.release-granted.v1"]


def test_parties_get_bodies_and_notices_and_nobody_else_does() -> None:
    world = make_world()
    world.ledger.feed(
        world.humber.achievement("a"),
        world.humber.issued("x", "a"),
        release_granted(world, "x"),
        case_requested(world, "x"),
    )
    assert world.new == ["accepted"] * 4
    assert [body["member"] for body in world.ledger.letters("york", "body")] == ["humber"]
    assert [body["member"] for body in world.ledger.letters("humber", "body")] == ["york"]
    assert world.ledger.letters("operator", "body") == []
    assert sorted(world.ledger.party) == [4, 5, 6]
    assert sorted(world.ledger.public) == [0, 1, 2, 3]
    world.ledger.feed(
        world.humber.event("credential.revoked", uuid_of("x"), {"reason": "fraud", "effective_on": "2026-01-01"})
    )
    assert world.ledger.letters("humber", "notice") == world.ledger.letters("york", "notice")
    assert world.ledger.letters("operator", "notice") == []
    assert world.ledger.letters("york", "notice") == [
        {
            "about": f"credential:{uuid_of('x')}",
            "event": "ca.passerelle.credential.revoked.v1",
            "index": 7,
            "member": "humber",
            "affects": [f"transfer:{uuid_of('case')}"],
            "change": {
                "before": {"state": "issued", "version": 1},
                "after": {"state": "revoked", "version": 2},
                "reason": "fraud",
                "effective_on": "2026-01-01",
                "grandfathered": False,
            },
        }
    ]


def test_edges_made_and_changed_in_one_batch_are_seen_in_it() -> None:
    world = make_world()
    plan = world.ledger.feed(
        world.humber.achievement("a"),
        world.humber.issued("x", "a"),
        release_granted(world, "x"),
        case_requested(world, "x"),
        world.humber.event("credential.suspended", uuid_of("x"), {"reason": "fees"}),
        world.humber.event("credential.erased", uuid_of("x"), {"ground": "learner-request"}),
    )
    assert world.new == ["accepted"] * 6
    assert len(world.ledger.letters("york", "notice")) == 2
    assert plan.erase == [(uuid_of("x"), 8)]
    bodies = {index: body for index, (_, _, body) in world.ledger.party.items()}
    assert (bodies[4], bodies[7]) == (None, None)
    assert bodies[8] is not None
    assert bodies[5] is not None, "the release is another subject"


def test_member_events_are_the_operators_alone_and_about_their_subject() -> None:
    world = make_world()
    from passerelle.testing.federation import Member, admitted

    laval = Member("laval")
    world.ledger.feed(
        world.humber.event("member.admitted", "laval", admitted(laval, ["issue"])),
        world.federation.operator.event("member.admitted", "mcgill", admitted(laval, ["issue"])),
        world.federation.operator.admits(laval, "issue"),
        world.federation.operator.admits(laval, "issue"),
    )
    assert world.new == ["operator-only", "subject-mismatch", "accepted", "member-exists"]
    assert [row[0] for row in world.ledger.sequencer._build.plan.members] == ["laval"]


def test_a_suspended_member_is_refused_until_its_roles_are_stated_anew() -> None:
    world = make_world()
    operator = world.federation.operator
    world.ledger.feed(operator.event("member.suspended", "humber", {"member": "humber", "reason": "unpaid"}))
    world.ledger.feed(world.humber.achievement("a"))
    world.ledger.feed(operator.event("member.roles-changed", "humber", {"member": "humber", "roles": ["issue"]}))
    world.ledger.feed(world.humber.achievement("a"), world.humber.granted("r", "humber/a", "humber/a"))
    assert world.new == ["accepted", "member-suspended", "accepted", "accepted", "role-missing"]


def test_a_permission_goes_to_home_and_host_and_a_refusal_to_nobody_else() -> None:
    world = make_world()
    term = {"starts_on": "2020-01-01", "ends_on": "2020-12-31"}
    outcome = {"type": "unassigned", "subject": "x", "credits": {"value": "3", "system": "units"}}
    course = {"line": 1, "achievement": "humber/a", "individual_reason": "Read", "outcome": outcome}
    grant = {"host": "humber", "term": term, "expires_on": "2199-01-01", "position": 0, "courses": [course]}
    no = {"line": 1, "achievement": "humber/a", "reason": "late", "fix": "Ask for the next term"}
    refused = {"host": "humber", "term": term, "position": 0, "courses": [no]}
    # The permission waits for the host's course.
    world.ledger.feed(world.york.event("transfer.permission-granted", uuid_of("permission"), grant))
    assert world.new == []
    world.ledger.feed(
        world.humber.achievement("a"),
        world.humber.issued("x", "a"),
        release_granted(world, "x"),
        case_requested(world, "x", permission=uuid_of("permission")),
        world.york.event("transfer.permission-refused", uuid_of("refused"), refused),
    )
    assert world.new == ["accepted"] * 6
    told = [body["type"].split(".")[-2] for body in world.ledger.letters("humber", "body")]
    assert sorted(told) == ["permission-granted", "requested"]
    assert world.ledger.things[f"permission:{uuid_of('permission')}"].data["case"] == uuid_of("case")
    world.ledger.feed(world.humber.event("credential.achievement-retired", "humber/a", {"effective_on": "2026-01-01"}))
    for member in ("humber", "york"):
        [notice] = world.ledger.letters(member, "notice")
        assert notice["affects"] == [f"permission:{uuid_of('permission')}"]
        assert notice["change"]["grandfathered"]
