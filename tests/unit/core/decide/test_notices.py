"""What a change tells those who rest on it: what, before, after, why, and whether earlier decisions stand."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core.decide import Accepted

from .test_transfers import CASE, Case
from .world import achievement_data, rule_data, uuid


@pytest.fixture
def case() -> Case:
    made = Case()
    made.open()
    made.step("decided", lines=[made.line()])
    made.step("posted", programme=made.programme, posted_on="2026-11-02")
    return made


def told(verdict: Accepted, *members: str) -> dict[str, Any]:
    """What each of these members is told, which must be the same, and nobody else is told anything."""
    notices = verdict.effects.notices
    assert tuple(notice.member for notice in notices) == (members or ("humber", "queens"))
    first, *others = (notice.value(7, "humber") for notice in notices)
    assert all(other == first for other in others)
    return first


def test_a_revocation_says_what_it_was_and_is_and_why(case: Case) -> None:
    data = {"reason": "issued-in-error", "effective_on": "2026-11-02", "note": "Planted"}
    assert told(case.world.accept("humber", "credential.revoked", case.held, data)) == {
        "about": f"credential:{case.held}",
        "event": "ca.passerelle.credential.revoked.v1",
        "index": 7,
        "member": "humber",
        "affects": (f"transfer:{CASE}",),
        "change": {
            "before": {"state": "issued", "version": 1},
            "after": {"state": "revoked", "version": 2},
            "reason": "issued-in-error",
            "effective_on": "2026-11-02",
            "grandfathered": False,
        },
    }


def test_a_rule_that_ends_or_is_revised_leaves_decisions_standing(case: Case) -> None:
    revised = case.world.accept("queens", "recognition.revised", case.rule, rule_data("queens", case.course, version=2))
    change = told(revised)["change"]
    assert (change["before"]["version"], change["after"]["version"]) == (1, 2)
    assert change["grandfathered"]
    data = {"effective_on": "2026-12-31", "reason": "Planted words"}
    ended = told(case.world.accept("queens", "recognition.ended", case.rule, data))
    assert ended["affects"] == (f"transfer:{CASE}",)
    assert ended["change"]["after"]["state"] == "ended"
    assert ended["change"]["effective_on"] == "2026-12-31"
    # The words of a public event are read there; a notice holds codes only.
    assert "reason" not in ended["change"]


@pytest.mark.parametrize("event", ["achievement-revised", "achievement-retired"])
def test_an_achievement_tells_the_rules_that_rest_on_it(case: Case, event: str) -> None:
    retired = {"effective_on": "2026-12-31"}
    data = achievement_data("humber", version=2) if event.endswith("revised") else retired
    verdict = case.world.accept("humber", f"credential.{event}", case.course, data)
    assert told(verdict, "queens")["affects"] == (f"recognition:{case.rule}",)
    assert told(verdict, "queens")["change"]["grandfathered"]


def test_a_component_tells_those_who_rest_on_the_stack_made_of_it() -> None:
    case = Case()
    world = case.world
    top = world.achievement("rru", "stack")
    mine = world.release("humber", 70, "rru", [case.held])
    stack = world.credential("rru", 2, top, releases=[mine], components=[case.held])
    upper = world.credential("rru", 3, top, components=[stack])
    release = world.release("rru", 71, "queens", [upper])
    opened = {"release": release, "sender": "rru", "receiver": "queens", "credentials": [upper]}
    world.accept("queens", "transfer.requested", uuid(200), opened)
    data = {"reason": "fraud", "effective_on": "2026-11-02"}
    verdict = world.accept("humber", "credential.revoked", case.held, data)
    assert {notice.member: notice.affects for notice in verdict.effects.notices} == {
        "queens": (f"transfer:{uuid(200)}",),
        # It issued the stacks, and it is the sender of the case.
        "rru": (f"credential:{stack}", f"credential:{upper}", f"transfer:{uuid(200)}"),
    }


def test_a_notice_without_a_change_has_the_form_that_it_always_had(case: Case) -> None:
    notice, _ = case.world.accept("humber", "credential.suspended", case.held, {"reason": "fees"}).effects.notices
    bare = type(notice)(notice.member, notice.about, notice.event, notice.affects)
    assert set(bare.value(1, "humber")) == {"about", "event", "index", "member", "affects"}
    assert notice.change["before"] == {"state": "issued", "version": 1}
