"""Every step of a transfer case in every state, from one table: the legal ones lead where it says, all others are
refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core.lifecycle import ABSENT, TABLES

from .test_transfers import CASE, CREDIT, Case
from .world import TODAY, uuid

STEPS: dict[str, dict[str, Any]] = {
    "evidence-added": {"documents": [{"sha256": "0" * 64, "media_type": "application/pdf", "size": 1}]},
    "information-requested": {"needed": ["outline"]},
    "posted": {"posted_on": TODAY},
    "adjusted": {"reason": "error", "lines": [{"line": 1, "outcome": "kept"}]},
    "appealed": {"ground": "new-evidence"},
    "withdrawn": {"by": "learner"},
    "closed": {},
}
# How each state is reached. "decided*": a line waits; "decided0": no credit; "appealed+": after the credit was posted.
REACH: dict[str, tuple[str, ...]] = {
    "requested": (),
    "information-requested": ("information-requested",),
    "decided": ("decided",),
    "decided*": ("decided*",),
    "decided0": ("decided0",),
    "posted": ("decided", "posted"),
    "posted*": ("decided*", "posted"),
    "appealed": ("decided", "appealed"),
    "appealed+": ("decided", "posted", "appealed"),
    "closed": ("decided", "posted", "closed"),
    "withdrawn": ("withdrawn",),
}
OPEN = {"evidence-added": "requested", "information-requested": "information-requested", "decided": "decided"}
AGAIN = {"evidence-added": "appealed", "information-requested": "appealed", "decided": "decided"}
# What is legal, and the state after it. Whatever does not stand here is refused with the step and the state named.
LEGAL: dict[str, dict[str, str]] = {
    "requested": {**OPEN, "withdrawn": "withdrawn"},
    "information-requested": {**OPEN, "withdrawn": "withdrawn"},
    "decided": {"posted": "posted", "appealed": "appealed", "withdrawn": "withdrawn"},
    "decided*": {"decided": "decided", "posted": "posted", "appealed": "appealed", "withdrawn": "withdrawn"},
    "decided0": {"appealed": "appealed", "withdrawn": "withdrawn", "closed": "closed"},
    "posted": {"adjusted": "posted", "appealed": "appealed", "closed": "closed"},
    "posted*": {"decided": "decided", "adjusted": "posted", "appealed": "appealed", "closed": "closed"},
    "appealed": {**AGAIN, "withdrawn": "withdrawn"},
    "appealed+": AGAIN,
    "closed": {"adjusted": "closed", "appealed": "appealed"},
    "withdrawn": {},
}
PAIRS = [(state, step) for state in REACH for step in ("requested", "decided", *STEPS)]


class Desk(Case):
    """A case with two credentials, so that one line can wait while the other is credited."""

    def __init__(self) -> None:
        super().__init__()
        self.second = self.world.credential("humber", 2, self.course)
        self.release = self.world.release("humber", 60, "queens", [self.held, self.second])
        self.open()

    def request(self, **more: Any) -> dict[str, Any]:
        found = super().request(**more)
        return found | {"credentials": [self.held, getattr(self, "second", self.held)]} | more

    def lines(self, kind: str) -> list[dict[str, Any]]:
        none = {"line": 1, "credential": self.held, "status": "no-credit", "reason": "content"}
        waits = {"line": 2, "credential": self.second, "status": "pending", "waits_for": "final-grade"}
        return {"": [self.line()], "*": [self.line(), waits], "0": [none]}[kind]

    def data(self, step: str) -> dict[str, Any]:
        name, kind = (step[:7], step[7:]) if step.startswith("decided") else (step, "")
        if name == "requested":
            return self.request()
        more = {"lines": self.lines(kind)} if name == "decided" else STEPS[name]
        programme = {"programme": self.programme} if name == "posted" else {}
        return {"expected_version": self.version(), **more, **programme}

    def take(self, step: str) -> None:
        self.world.accept("queens", f"transfer.{step[:7] if step[:7] == 'decided' else step}", CASE, self.data(step))


def reached(state: str) -> Desk:
    desk = Desk()
    for step in REACH[state]:
        desk.take(step)
    assert desk.world.thing(f"transfer:{CASE}").state == state.rstrip("*0+")
    return desk


@pytest.mark.parametrize(("state", "step"), PAIRS, ids=[f"{state}-{step}" for state, step in PAIRS])
def test_a_step_is_legal_or_refused_as_the_table_says(state: str, step: str) -> None:
    desk = reached(state)
    before = desk.world.thing(f"transfer:{CASE}")
    data = desk.data(step)
    after = LEGAL[state].get(step)
    if after is not None:
        desk.world.accept("queens", f"transfer.{step}", CASE, data)
        now = desk.world.thing(f"transfer:{CASE}")
        assert (now.state, now.version) == (after, before.version + 1)
        return
    code = "subject-exists" if step == "requested" else "step-illegal"
    refused = desk.world.refuse(code, "queens", f"transfer.{step}", CASE, data)
    assert before.state in refused.what or "credit" in refused.what
    assert refused.where
    assert refused.fix


def test_the_table_is_that_of_the_lifecycle() -> None:
    for state, steps in TABLES["transfer"].items():
        if state == ABSENT:
            continue
        kinds = [name for name in LEGAL if name.rstrip("*0+") == state]
        assert kinds
        assert {(step, after) for name in kinds for step, after in LEGAL[name].items()} == set(steps.items())


def test_no_step_but_the_first_is_legal_before_the_case_is_there() -> None:
    case = Case()
    for step in ("decided", *STEPS):
        data = {"expected_version": 1, **STEPS.get(step, {}), "lines": [case.line()], "programme": case.programme}
        case.world.wait(f"transfer:{CASE}", "queens", f"transfer.{step}", CASE, data)


def test_a_waiting_line_is_settled_and_the_others_stand() -> None:
    desk = reached("posted*")
    settled = desk.line(line=2, credential=desk.second)
    other = {"line": 1, "credential": desk.held, "status": "no-credit", "reason": "level"}
    data = {"expected_version": desk.version(), "lines": [other, settled]}
    refused = desk.world.refuse("step-illegal", "queens", "transfer.decided", CASE, data)
    assert "line 1" in refused.what
    desk.step("decided", lines=[desk.line(), settled])
    desk.take("posted")
    marks = [thing for key, thing in desk.world.view.things.items() if key.startswith("counted:") and thing is not None]
    assert sorted(thing.id.rpartition("|")[2] for thing in marks if thing.state == "counted") == [
        desk.held,
        desk.second,
    ]


def test_settling_keeps_that_a_decision_is_final_and_its_limit() -> None:
    desk = Desk()
    desk.step("decided", lines=desk.lines("*"), final=True, appeal_by="2026-12-01")
    desk.step("decided", lines=[desk.line(), desk.line(line=2, credential=desk.second)])
    thing = desk.world.thing(f"transfer:{CASE}")
    assert (thing.data["final"], thing.data["appeal_by"]) == (True, "2026-12-01")


def test_what_was_removed_is_not_brought_back_by_settling() -> None:
    desk = reached("posted*")
    desk.step("adjusted", reason="error", lines=[{"line": 1, "outcome": "removed"}])
    both = {"expected_version": desk.version(), "lines": desk.lines("*")}
    desk.world.refuse("step-illegal", "queens", "transfer.decided", CASE, both)
    desk.step("decided", lines=[desk.line(line=2, credential=desk.second)])


def test_an_appeal_is_taken_until_the_last_day_that_the_decision_states() -> None:
    desk = Desk()
    desk.step("decided", lines=[desk.line()], appeal_by=TODAY)
    appeal = {"expected_version": desk.version(), "ground": "new-evidence"}
    late = desk.world.say("humber", "transfer.appealed", CASE, appeal, date="2026-11-03")
    assert getattr(late, "code", "") == "appeal-late"
    assert TODAY in getattr(late, "what", "")
    desk.step("appealed", "humber", ground="new-evidence")
    desk.step("decided", lines=[desk.line()])
    # The first decision's limit is not that of the second.
    assert "appeal_by" not in desk.world.thing(f"transfer:{CASE}").data


def test_an_appeal_goes_to_the_last_level_with_new_evidence() -> None:
    desk = Desk()
    desk.take("decided0")
    for final in (False, True):
        desk.step("appealed", "humber", ground="new-evidence")
        desk.step("evidence-added", "humber", **STEPS["evidence-added"])
        desk.step("decided", lines=[desk.line()], final=final)
    desk.world.refuse("decision-final", "humber", "transfer.appealed", CASE, desk.data("appealed"))
    desk.take("posted")
    assert desk.version() == 9


def test_a_decision_without_credit_after_a_posting_frees_what_was_counted() -> None:
    desk = reached("appealed+")
    desk.take("decided0")
    key = f"counted:queens|{desk.programme}|{desk.held}"
    assert desk.world.thing(key).state == "counted"
    desk.take("closed")
    assert desk.world.thing(key).state == "removed"


def test_posting_to_another_programme_after_an_appeal_frees_the_first() -> None:
    desk = reached("appealed+")
    other = desk.world.achievement("queens", "ba")
    desk.take("decided")
    desk.step("posted", programme=other, posted_on=TODAY)
    states = {name: desk.world.thing(f"counted:queens|{name}|{desk.held}").state for name in (desk.programme, other)}
    assert states == {desk.programme: "removed", other: "counted"}


def test_use_in_another_programme_and_at_another_receiver_is_allowed() -> None:
    desk = reached("posted")
    elsewhere = desk.world.achievement("rru", "bsc")
    release = desk.world.release("humber", 61, "rru", [desk.held])
    desk.world.accept("rru", "transfer.requested", uuid(101), desk.request(
        release=release, receiver="rru", credentials=[desk.held]))  # fmt: skip
    line = {"line": 1, "credential": desk.held, "status": "credited", "individual_reason": "Read", "outcome": CREDIT}
    desk.world.accept("rru", "transfer.decided", uuid(101), {"expected_version": 1, "lines": [line]})
    posted = {"expected_version": 2, "programme": elsewhere, "posted_on": TODAY}
    desk.world.accept("rru", "transfer.posted", uuid(101), posted)


def test_a_line_names_the_entry_of_the_rule_that_was_applied() -> None:
    desk = Desk()
    rule = desk.world.thing(f"recognition:{desk.rule}")
    for index in (rule.created - 1, rule.changed + 1):
        data = {"expected_version": desk.version(), "lines": [desk.line(recognition_index=index)]}
        refused = desk.world.refuse("reference-invalid", "queens", "transfer.decided", CASE, data)
        assert refused.where == "data.lines[0].recognition_index"
        assert str(rule.created) in refused.what
    desk.step("decided", lines=[desk.line(recognition_index=rule.created)])


def test_an_adjustment_names_the_posting_that_it_adjusts() -> None:
    desk = reached("posted")
    posted = desk.world.thing(f"transfer:{CASE}").changed
    data = {**STEPS["adjusted"], "expected_version": desk.version()}
    refused = desk.world.refuse(
        "reference-invalid", "queens", "transfer.adjusted", CASE, data | {"earlier": posted - 1}
    )
    assert f"entry {posted}" in refused.what
    desk.world.accept("queens", "transfer.adjusted", CASE, data | {"earlier": posted})


def test_a_credential_of_two_lines_counts_while_one_of_them_stands() -> None:
    desk = Desk()
    desk.step("decided", lines=[desk.line(), desk.line(line=2)])
    desk.take("posted")
    key = f"counted:queens|{desk.programme}|{desk.held}"
    for line, state in ((1, "counted"), (2, "removed")):
        desk.step("adjusted", reason="error", lines=[{"line": line, "outcome": "removed"}])
        assert desk.world.thing(key).state == state
