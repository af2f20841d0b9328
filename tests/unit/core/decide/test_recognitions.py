"""Articulation requests, rules, assessments and reference records."""

from __future__ import annotations

import pytest

from .world import World, rule_data, uuid


@pytest.fixture
def world() -> World:
    return World()


def test_a_rule_waits_for_what_it_names(world: World) -> None:
    rule = rule_data("queens", "humber/stat")
    world.wait("achievement:humber/stat", "queens", "recognition.granted", "queens/r1", rule)
    world.achievement("humber", "stat")
    assigned = {"type": "assigned", "achievement": "queens/stat", "credits": {"value": "3", "system": "units"}}
    towards = rule | {"outcome": {"type": "choice", "of": [assigned, {"type": "exemption", "achievement": "queens/x"}]}}
    world.wait("achievement:queens/stat", "queens", "recognition.granted", "queens/r1", towards)
    world.accept("queens", "recognition.granted", "queens/r1", rule)


def test_only_the_receiver_or_its_delegate_rules(world: World) -> None:
    world.achievement("humber", "stat")
    rule = rule_data("queens", "humber/stat")
    world.refuse("not-receiver", "bccat", "recognition.granted", "bccat/r1", rule)
    world.refuse("not-owner", "bccat", "recognition.granted", "queens/r1", rule)
    named = rule | {"delegation": "queens/to-bccat"}
    world.wait("delegation:queens/to-bccat", "bccat", "recognition.granted", "bccat/r1", named)
    delegation = {"delegate": "bccat", "valid_from": "2026-01-01"}
    world.accept("queens", "reference.delegation-published", "queens/to-bccat", delegation)
    world.accept("bccat", "recognition.granted", "bccat/r1", named)
    ended = delegation | {"valid_to": "2026-06-30"}
    world.accept("queens", "reference.delegation-published", "queens/to-bccat", ended)
    world.refuse("not-delegated", "bccat", "recognition.granted", "bccat/r2", named)


def test_a_rule_is_revised_confirmed_and_ended(world: World) -> None:
    world.achievement("humber", "stat")
    rule = rule_data("queens", "humber/stat")
    world.accept("queens", "recognition.granted", "queens/r1", rule)
    world.refuse("version-stale", "queens", "recognition.revised", "queens/r1", rule)
    world.accept("queens", "recognition.revised", "queens/r1", rule | {"version": 2})
    world.accept("queens", "recognition.confirmed", "queens/r1", {"reviewed_on": "2026-10-01"})
    world.accept("queens", "recognition.ended", "queens/r1", {"effective_on": "2026-12-31"})
    world.refuse("step-illegal", "queens", "recognition.revised", "queens/r1", rule | {"version": 3})


def test_a_request_goes_from_asking_to_answer(world: World) -> None:
    world.achievement("humber", "stat")
    ask = {"achievement": "humber/stat", "receiver": "queens"}
    world.refuse("not-owner", "rru", "recognition.requested", "rru/q1", ask)
    world.accept("humber", "recognition.requested", "humber/q1", ask)
    world.refuse("not-receiver", "rru", "recognition.returned", "humber/q1", {"needed": ["outline"]})
    world.accept("queens", "recognition.returned", "humber/q1", {"needed": ["outline"]})
    world.refuse("step-illegal", "queens", "recognition.declined", "humber/q1", {})
    world.accept("humber", "recognition.resubmitted", "humber/q1", {})
    rule = rule_data("queens", "humber/stat", request="humber/q1")
    world.accept("queens", "recognition.granted", "queens/r1", rule)
    assert world.thing("articulation:humber/q1").state == "answered"
    again = rule_data("queens", "humber/stat", request="humber/q1")
    world.refuse("reference-invalid", "queens", "recognition.granted", "queens/r2", again)


def test_a_forwarded_request_is_the_new_evaluators(world: World) -> None:
    world.achievement("humber", "stat")
    ask = {"achievement": "humber/stat", "receiver": "queens"}
    world.accept("bccat", "recognition.requested", "bccat/q1", ask)
    world.accept("queens", "recognition.forwarded", "bccat/q1", {"evaluator": "bccat"})
    world.refuse("not-receiver", "queens", "recognition.declined", "bccat/q1", {})
    world.accept("bccat", "recognition.declined", "bccat/q1", {})


def test_an_agency_returns_forwards_and_declines_under_the_evaluators_delegation(world: World) -> None:
    world.achievement("humber", "stat")
    ask = {"achievement": "humber/stat", "receiver": "queens"}
    world.accept("humber", "recognition.requested", "humber/q1", ask)
    world.refuse("not-receiver", "bccat", "recognition.returned", "humber/q1", {"needed": ["outline"]})
    delegation = {"delegate": "bccat", "valid_from": "2026-01-01"}
    world.accept("queens", "reference.delegation-published", "queens/to-bccat", delegation)
    named = {"delegation": "queens/to-bccat"}
    world.accept("bccat", "recognition.returned", "humber/q1", {"needed": ["outline"], **named})
    world.accept("humber", "recognition.resubmitted", "humber/q1", {})
    world.accept("bccat", "recognition.forwarded", "humber/q1", {"evaluator": "rru", **named})
    world.refuse("not-delegated", "bccat", "recognition.declined", "humber/q1", named)
    world.accept("rru", "recognition.declined", "humber/q1", {})


def test_a_renumbered_course_names_the_senders_own_older_one(world: World) -> None:
    for member, local in (("humber", "stat"), ("humber", "stat2"), ("queens", "x")):
        world.achievement(member, local)
    ask = {"achievement": "humber/stat2", "receiver": "queens"}
    world.refuse("reference-invalid", "humber", "recognition.requested", "humber/q1", ask | {"replaces": "queens/x"})
    itself = ask | {"replaces": "humber/stat2"}
    world.refuse("reference-invalid", "humber", "recognition.requested", "humber/q2", itself)
    world.wait("achievement:humber/y", "humber", "recognition.requested", "humber/q3", ask | {"replaces": "humber/y"})
    world.accept("humber", "recognition.requested", "humber/q4", ask | {"replaces": "humber/stat"})


def test_a_denial_is_a_record_too(world: World) -> None:
    world.achievement("humber", "stat")
    data = {
        "receiver": "queens",
        "sending": {"achievement": "humber/stat"},
        "valid_from": "2026-01-01",
        "reason": "content",
    }
    world.accept("queens", "recognition.denied", "queens/d1", data)
    assert world.thing("recognition:queens/d1").state == "denied"


def test_supersession_is_among_the_receivers_own_rules(world: World) -> None:
    world.achievement("humber", "stat")
    world.accept("queens", "recognition.granted", "queens/r1", rule_data("queens", "humber/stat"))
    by = {"recognition": "queens/r1", "mode": "replaces-all"}
    world.refuse("not-owner", "rru", "recognition.granted", "rru/r1", rule_data("rru", "humber/stat", supersedes=by))
    world.accept("queens", "recognition.granted", "queens/r2", rule_data("queens", "humber/stat", supersedes=by))


def test_an_assessment_is_read_by_the_signer_and_the_members_it_names(world: World) -> None:
    data = {
        "receiver": "queens",
        "assessment": {"methods": ["portfolio"], "assessor": "independent", "assessed_on": "2026-10-01"},
        "outcome": {"type": "exemption", "achievement": "queens/x"},
        "parties": ["rru"],
    }
    verdict = world.accept("queens", "recognition.assessed", uuid(1), data)
    assert verdict.effects.parties == ("queens", "rru")
    world.refuse("not-receiver", "rru", "recognition.assessed", uuid(2), data)


def test_reference_records_are_versioned_and_owned(world: World) -> None:
    framework = {"framework": "rru/climate", "version": 1}
    world.accept("rru", "reference.framework-published", "rru/climate", framework)
    world.refuse("version-stale", "rru", "reference.framework-published", "rru/climate", framework)
    world.refuse("subject-mismatch", "rru", "reference.framework-published", "rru/other", framework)
    world.accept("rru", "reference.framework-published", "rru/climate", framework | {"version": 2})
    listed = {"answered_for_by": "queens"}
    world.refuse("not-owner", "rru", "reference.organisation-listed", "rru/mit", listed)
    world.accept("queens", "reference.organisation-listed", "queens/mit", listed)
    body = ["urn:passerelle:organisation:queens/mit"]
    assert world.achievement("queens", "mitx", awarding_bodies=body) == "queens/mitx"
