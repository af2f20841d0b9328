"""Letters of permission: every step in every state, who may take it, what it must name, and the return that uses it."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core.catalogue import BY_NAME
from passerelle.core.decide import Accepted, Rejected, Waiting
from passerelle.core.decide.engine import first_needs
from passerelle.core.lifecycle import ABSENT, TABLES

from .test_transfers import CASE, CREDIT, Case
from .world import TODAY, achievement_data, release_data, rule_data, uuid

PERMISSION = uuid(300)
AHEAD, LATER = "2027-01-11", "2027-04-23"
DURING, LAST, AFTER = "2027-02-01", "2027-08-31", "2027-09-01"


class Desk(Case):
    """queens permits a learner of its own to take a course at humber."""

    def permitted(self, **more: Any) -> dict[str, Any]:
        rule = self.world.thing(f"recognition:{self.rule}")
        named = {"recognition": self.rule, "recognition_index": rule.changed}
        return {"line": 1, "achievement": self.course, **named, "outcome": CREDIT, **more}

    def data(self, step: str = "granted", **more: Any) -> dict[str, Any]:
        term = {"starts_on": AHEAD, "ends_on": LATER}
        grant = {"host": "humber", "term": term, "expires_on": LAST, "position": 5, "courses": [self.permitted()]}
        no = {"line": 1, "achievement": self.course, "reason": "offered-here", "fix": "Take it here."}
        found = self.world.view.thing(f"permission:{PERMISSION}")
        on = {"expected_version": 1 if found is None else found.version}
        made = {
            "granted": grant,
            "amended": grant | on,
            "withdrawn": {**on, "reason": "error"},
            "refused": {"host": "humber", "term": term, "position": 5, "courses": [no]},
        }[step]
        return {**made, **more}

    def take(self, step: str, **more: Any) -> Accepted:
        return self.world.accept("queens", f"transfer.permission-{step}", PERMISSION, self.data(step, **more))

    def back(self, date: str, case: str = CASE, **more: Any) -> Any:
        data = self.request(permission=PERMISSION, **more)
        return self.world.say("queens", "transfer.requested", case, data, date)


@pytest.fixture
def desk() -> Desk:
    return Desk()


STEPS = ("granted", "amended", "refused", "withdrawn")
REACH = {ABSENT: (), "granted": ("granted",), "refused": ("refused",), "withdrawn": ("granted", "withdrawn")}


@pytest.mark.parametrize(("state", "step"), [(state, step) for state in REACH for step in STEPS])
def test_a_step_is_legal_or_refused_as_the_table_says(desk: Desk, state: str, step: str) -> None:
    for taken in REACH[state]:
        desk.take(taken)
    after = TABLES["permission"][state].get(f"permission-{step}")
    if after is not None:
        desk.take(step)
        assert desk.world.thing(f"permission:{PERMISSION}").state == after
        return
    first = step in {"granted", "refused"}
    code = "subject-unknown" if state == ABSENT else "subject-exists" if first else "step-illegal"
    refused = desk.world.refuse(code, "queens", f"transfer.permission-{step}", PERMISSION, desk.data(step))
    assert refused.where
    assert refused.fix


def test_the_table_has_no_other_state(desk: Desk) -> None:
    assert set(TABLES["permission"]) == set(REACH)


def test_home_and_host_read_a_permission_and_only_home_reads_a_refusal(desk: Desk) -> None:
    assert desk.take("granted").effects.parties == ("humber", "queens")
    assert desk.take("amended").effects.parties == ("humber", "queens")
    assert desk.take("withdrawn").effects.parties == ("humber", "queens")
    assert Desk().take("refused").effects.parties == ("queens",)


def test_a_permission_is_for_courses_of_another_institution_by_rules_of_its_own(desk: Desk) -> None:
    desk.world.accept("rru", "recognition.granted", "rru/rule", rule_data("rru", desk.course))
    desk.world.achievement("rru", "art")
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("permission-invalid", {"host": "queens"}),
        ("permission-invalid", {"courses": [desk.permitted(achievement="rru/art")]}),
        ("permission-expired", {"expires_on": "2026-11-01"}),
        ("reference-invalid", {"position": 1_000}),
        ("reference-invalid", {"courses": [desk.permitted(recognition="rru/rule")]}),
        ("reference-invalid", {"courses": [desk.permitted(recognition_index=0)]}),
    ]
    for code, more in wrong:
        desk.world.refuse(code, "queens", "transfer.permission-granted", PERMISSION, desk.data(**more))
    waits: dict[str, dict[str, Any]] = {
        "recognition:queens/none": {"courses": [desk.permitted(recognition="queens/none")]},
        "achievement:humber/none": {"courses": [desk.permitted(achievement="humber/none")]},
        "member:nobody": {"host": "nobody"},
        "policy:queens/residency": {"policies": [{"policy": "queens/residency", "version": 1}]},
    }
    for key, more in waits.items():
        desk.world.wait(key, "queens", "transfer.permission-granted", PERMISSION, desk.data(**more))


def test_policies_are_the_signers_own_in_a_published_version(desk: Desk) -> None:
    desk.world.accept("queens", "reference.policy-published", "queens/residency", {"version": 1})
    desk.world.accept("rru", "reference.policy-published", "rru/residency", {"version": 1})
    for name, version in (("queens/residency", 2), ("rru/residency", 1)):
        data = desk.data(policies=[{"policy": name, "version": version}])
        desk.world.refuse("reference-invalid", "queens", "transfer.permission-granted", PERMISSION, data)
    desk.take("granted", policies=[{"policy": "queens/residency", "version": 1}])


@pytest.mark.parametrize("step", ["amended", "withdrawn"])
def test_only_home_changes_a_permission_on_its_latest_version_and_before_the_term(desk: Desk, step: str) -> None:
    desk.take("granted")
    name = f"transfer.permission-{step}"
    desk.world.refuse("not-owner", "humber", name, PERMISSION, desk.data(step))
    desk.world.refuse("version-stale", "queens", name, PERMISSION, desk.data(step, expected_version=2))
    late = desk.world.say("queens", name, PERMISSION, desk.data(step), AHEAD)
    assert isinstance(late, Rejected)
    assert late.code == "permission-begun"
    assert isinstance(desk.world.say("queens", name, PERMISSION, desk.data(step), "2027-01-10"), Accepted)


def test_an_amended_permission_keeps_its_host(desk: Desk) -> None:
    desk.take("granted")
    desk.world.achievement("rru", "art")
    other = desk.data("amended", host="rru", courses=[desk.permitted(achievement="rru/art")])
    desk.world.refuse("permission-invalid", "queens", "transfer.permission-amended", PERMISSION, other)


def test_both_parties_hear_of_a_rule_and_a_course_that_change_until_it_is_withdrawn(desk: Desk) -> None:
    desk.take("granted")
    revised = desk.world.accept("queens", "recognition.revised", desk.rule, rule_data("queens", desk.course, version=2))
    told = {notice.member: notice.affects for notice in revised.effects.notices}
    assert told == {"humber": (f"permission:{PERMISSION}",), "queens": (f"permission:{PERMISSION}",)}
    assert all(notice.change["grandfathered"] for notice in revised.effects.notices)
    course = desk.world.accept(
        "humber", "credential.achievement-revised", desk.course, achievement_data("humber", version=2)
    )
    told = {notice.member: notice.affects for notice in course.effects.notices}
    assert told["humber"] == (f"permission:{PERMISSION}",)
    assert told["queens"] == (f"permission:{PERMISSION}", f"recognition:{desk.rule}")
    # Amended to another ground: the rule is no longer what it rests on.
    alone = {"line": 1, "achievement": desk.course, "individual_reason": "Outline read", "outcome": CREDIT}
    desk.take("amended", courses=[alone])
    ended = desk.world.accept("queens", "recognition.ended", desk.rule, {"effective_on": "2026-12-31"})
    assert ended.effects.notices == ()
    desk.take("withdrawn")
    retired = desk.world.accept("humber", "credential.achievement-retired", desk.course, {"effective_on": TODAY})
    assert {notice.affects for notice in retired.effects.notices} == {(f"recognition:{desk.rule}",)}


@pytest.mark.parametrize(("date", "code"), [(TODAY, "permission-expired"), (AFTER, "permission-expired")])
def test_the_return_is_a_case_between_the_terms_first_day_and_the_last_day(desk: Desk, date: str, code: str) -> None:
    desk.take("granted")
    desk.release = desk.world.release("humber", 60, "queens", [desk.held], ends_on="2028-01-01")
    verdict = desk.back(date)
    assert isinstance(verdict, Rejected)
    assert (verdict.code, verdict.where) == (code, "data.permission")
    assert isinstance(desk.back(LAST), Accepted)
    assert desk.world.thing(f"transfer:{CASE}").data["permission"] == PERMISSION
    assert desk.world.thing(f"permission:{PERMISSION}").data["case"] == CASE


def test_a_permission_serves_one_case_and_comes_back_when_that_is_withdrawn(desk: Desk) -> None:
    desk.take("granted")
    assert isinstance(desk.back(DURING), Accepted)
    again = desk.world.release("humber", 61, "queens", [desk.held])
    second = desk.back(DURING, uuid(101), release=again)
    assert isinstance(second, Rejected)
    assert second.code == "permission-used"
    begun = desk.world.say("queens", "transfer.permission-withdrawn", PERMISSION, desk.data("withdrawn"), TODAY)
    assert isinstance(begun, Rejected)
    assert begun.code == "permission-begun"
    desk.step("withdrawn", by="receiver", reason="unmatched")
    assert isinstance(desk.back(DURING, uuid(101), release=again), Accepted)


def test_a_permission_that_does_not_fit_the_case_opens_nothing(desk: Desk) -> None:
    waits = desk.back(DURING)
    assert isinstance(waits, Waiting)
    assert waits.key == f"permission:{PERMISSION}"
    desk.take("granted")
    # Another sender than the host.
    course = desk.world.achievement("rru", "art")
    held = desk.world.credential("rru", 9, course)
    release = desk.world.release("rru", 62, "queens", [held])
    other = desk.back(DURING, release=release, sender="rru", credentials=[held])
    assert isinstance(other, Rejected)
    assert other.code == "permission-invalid"
    # Another receiver than home.
    desk.world.accept("humber", "credential.release-granted", uuid(63), release_data("rru", [desk.held]))
    data = desk.request(permission=PERMISSION, release=uuid(63), receiver="rru")
    stranger = desk.world.say("rru", "transfer.requested", CASE, data, DURING)
    assert isinstance(stranger, Rejected)
    assert stranger.code == "permission-invalid"
    desk.take("withdrawn")
    gone = desk.back(DURING)
    assert isinstance(gone, Rejected)
    assert gone.code == "permission-invalid"
    assert "withdrawn" in gone.what


def test_what_a_permission_names_is_waited_for_by_the_node(desk: Desk) -> None:
    found = BY_NAME["transfer.permission-granted"]
    data = desk.data(programme="queens/bsc", policies=[{"policy": "queens/residency", "version": 1}])
    assert first_needs(found.full, PERMISSION, data) == {
        f"permission:{PERMISSION}",
        f"achievement:{desk.course}",
        f"recognition:{desk.rule}",
        "achievement:queens/bsc",
        "policy:queens/residency",
    }
    back = first_needs(BY_NAME["transfer.requested"].full, CASE, desk.request(permission=PERMISSION))
    assert f"permission:{PERMISSION}" in back
