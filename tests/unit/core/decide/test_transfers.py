"""Transfer cases: parties, versions, counting once, and what a revocation tells."""

from __future__ import annotations

from typing import Any

import pytest

from passerelle.core.lifecycle import ABSENT, TABLES, next_state

from .world import World, release_data, rule_data, uuid

CASE = uuid(100)
CREDIT = {"type": "unassigned", "subject": "STAT", "credits": {"value": "3", "system": "credit-hours"}}


class Case:
    """humber's learner transfers to queens."""

    def __init__(self) -> None:
        self.world = World()
        self.course = self.world.achievement("humber", "stat-101")
        self.programme = self.world.achievement("queens", "bsc")
        self.held = self.world.credential("humber", 1, self.course)
        self.release = self.world.release("humber", 50, "queens", [self.held])
        self.rule = "queens/rule-1"
        self.world.accept("queens", "recognition.granted", self.rule, rule_data("queens", self.course))

    def request(self, **more: Any) -> dict[str, Any]:
        data = {"release": self.release, "sender": "humber", "receiver": "queens", "credentials": [self.held]}
        return data | more

    def open(self) -> None:
        self.world.accept("queens", "transfer.requested", CASE, self.request())

    def version(self) -> int:
        return self.world.thing(f"transfer:{CASE}").version

    def step(self, event: str, member: str = "queens", **data: Any) -> None:
        data = {"expected_version": self.version(), **data}
        self.world.accept(member, f"transfer.{event}", CASE, data)

    def line(self, **more: Any) -> dict[str, Any]:
        line = {"line": 1, "credential": self.held, "status": "credited", "recognition": self.rule, "outcome": CREDIT}
        return line | more


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_case_from_request_to_close(case: Case) -> None:
    case.open()
    case.step("information-requested", needed=["outline"])
    case.step("evidence-added", "humber", documents=[])
    case.step("decided", lines=[case.line()])
    case.step("posted", programme=case.programme, posted_on="2026-11-02")
    case.step("closed")
    thing = case.world.thing(f"transfer:{CASE}")
    assert (thing.state, thing.version) == ("closed", 6)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sender": "rru"}, "release-invalid"),
        ({"credentials": [uuid(77)]}, "release-invalid"),
        ({"receiver": "rru"}, "not-receiver"),
    ],
)
def test_a_request_fits_its_release(case: Case, change: dict[str, Any], code: str) -> None:
    case.world.refuse(code, "queens", "transfer.requested", CASE, case.request(**change))


def test_a_release_serves_one_case(case: Case) -> None:
    case.open()
    case.world.refuse("release-used", "queens", "transfer.requested", uuid(101), case.request())


def test_a_withdrawn_release_opens_nothing_and_undoes_nothing(case: Case) -> None:
    case.open()
    case.world.accept("humber", "credential.release-withdrawn", case.release, {})
    case.step("decided", lines=[case.line()])
    other = case.world.release("humber", 51, "queens", [case.held])
    case.world.accept("humber", "credential.release-withdrawn", other, {})
    again = case.request(release=other)
    case.world.refuse("release-withdrawn", "queens", "transfer.requested", uuid(101), again)


def test_only_the_receiver_decides_and_only_a_party_acts(case: Case) -> None:
    case.open()
    decided = {"expected_version": 1, "lines": [case.line()]}
    case.world.refuse("not-receiver", "humber", "transfer.decided", CASE, decided)
    case.world.refuse("not-a-party", "rru", "transfer.withdrawn", CASE, {"expected_version": 1, "by": "learner"})


def test_a_stale_version_is_a_conflict(case: Case) -> None:
    case.open()
    case.step("information-requested", needed=["outline"])
    stale = {"expected_version": 1, "lines": [case.line()]}
    refused = case.world.refuse("version-stale", "queens", "transfer.decided", CASE, stale)
    assert "version 2" in refused.what


def test_a_line_rests_on_the_receivers_rule_about_a_credential_of_the_case(case: Case) -> None:
    case.open()
    foreign = case.line(credential=uuid(77))
    case.world.refuse("reference-invalid", "queens", "transfer.decided", CASE, _decided(foreign))
    case.world.accept("rru", "recognition.granted", "rru/rule", rule_data("rru", case.course))
    other = case.line(recognition="rru/rule")
    refused = case.world.refuse("reference-invalid", "queens", "transfer.decided", CASE, _decided(other))
    assert refused.where == "data.lines[0].recognition"
    unknown = case.line(recognition="queens/none")
    case.world.wait("recognition:queens/none", "queens", "transfer.decided", CASE, _decided(unknown))


def _decided(line: dict[str, Any]) -> dict[str, Any]:
    return {"expected_version": 1, "lines": [line]}


def test_credit_counts_once_and_removal_frees_it(case: Case) -> None:
    case.open()
    case.step("decided", lines=[case.line()])
    case.step("posted", programme=case.programme, posted_on="2026-11-02")
    posted = case.world.thing(f"transfer:{CASE}").changed
    second = uuid(101)
    other = case.world.release("humber", 51, "queens", [case.held])
    case.world.accept("queens", "transfer.requested", second, case.request(release=other))
    case.world.accept("queens", "transfer.decided", second, _decided(case.line()))
    again = {"expected_version": 2, "programme": case.programme, "posted_on": "2026-11-02"}
    refused = case.world.refuse("credit-counted-already", "queens", "transfer.posted", second, again)
    assert f"entry {posted}" in refused.what
    case.step("adjusted", reason="error", lines=[{"line": 1, "outcome": "removed"}])
    case.world.accept("queens", "transfer.posted", second, again)


def test_a_revocation_tells_both_parties_which_case_it_affects(case: Case) -> None:
    case.open()
    case.step("decided", lines=[case.line()])
    case.step("posted", programme=case.programme, posted_on="2026-11-02")
    revoked = {"reason": "issued-in-error", "effective_on": "2026-11-02"}
    verdict = case.world.accept("humber", "credential.revoked", case.held, revoked)
    told = [(notice.member, notice.about, notice.affects) for notice in verdict.effects.notices]
    assert told == [(one, f"credential:{case.held}", (f"transfer:{CASE}",)) for one in ("humber", "queens")]
    case.step("adjusted", reason="source-revoked", cause=5, lines=[{"line": 1, "outcome": "kept"}])
    assert case.world.thing(f"transfer:{CASE}").state == "posted"


def test_an_ended_rule_tells_the_case_that_rests_on_it(case: Case) -> None:
    case.open()
    case.step("decided", lines=[case.line()])
    verdict = case.world.accept("queens", "recognition.ended", case.rule, {"effective_on": "2026-12-31"})
    assert verdict.effects.notices[0].affects == (f"transfer:{CASE}",)


def test_a_final_decision_is_not_appealed(case: Case) -> None:
    case.open()
    case.step("decided", lines=[case.line()])
    case.step("appealed", "humber", ground="new-evidence")
    case.step("decided", lines=[case.line()], final=True)
    appeal = {"expected_version": case.version(), "ground": "other"}
    case.world.refuse("decision-final", "queens", "transfer.appealed", CASE, appeal)


def test_only_a_decision_without_credit_is_closed_unposted(case: Case) -> None:
    case.open()
    case.step("decided", lines=[case.line()])
    case.world.refuse("step-illegal", "queens", "transfer.closed", CASE, {"expected_version": case.version()})
    case.step("appealed", ground="other")
    case.step("decided", lines=[{"line": 1, "credential": case.held, "status": "no-credit", "reason": "content"}])
    posted = {"expected_version": case.version(), "programme": case.programme, "posted_on": "2026-11-02"}
    case.world.refuse("step-illegal", "queens", "transfer.posted", CASE, posted)
    case.step("closed")


def test_every_illegal_transfer_step_is_refused_from_one_table() -> None:
    events = sorted({event for steps in TABLES["transfer"].values() for event in steps})
    reach: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "requested": [],
        "information-requested": [("information-requested", {"needed": ["x"]})],
        "decided": [("decided", {})],
        "posted": [("decided", {}), ("posted", {})],
        "appealed": [("decided", {}), ("appealed", {"ground": "other"})],
        "closed": [("decided", {}), ("posted", {}), ("closed", {})],
        "withdrawn": [("withdrawn", {"by": "learner"})],
    }
    assert reach.keys() == TABLES["transfer"].keys() - {ABSENT}
    tried = 0
    for state, steps in reach.items():
        for event in events:
            if event == "requested" or next_state("transfer", state, event) is not None:
                continue
            case = Case()
            case.open()
            for name, data in steps:
                case.step(name, **_filled(case, name, data))
            data = {"expected_version": case.version(), **_filled(case, event, {})}
            refused = case.world.refuse("step-illegal", "queens", f"transfer.{event}", CASE, data)
            assert event in refused.what
            assert state in refused.what
            tried += 1
    assert tried > 30


def _filled(case: Case, event: str, data: dict[str, Any]) -> dict[str, Any]:
    defaults: dict[str, dict[str, Any]] = {
        "decided": {"lines": [case.line()]},
        "posted": {"programme": case.programme, "posted_on": "2026-11-02"},
        "adjusted": {"reason": "error", "lines": [{"line": 1, "outcome": "kept"}]},
        "appealed": {"ground": "other"},
        "withdrawn": {"by": "learner"},
        "evidence-added": {"documents": []},
        "information-requested": {"needed": ["x"]},
    }
    return defaults.get(event, {}) | data


def test_a_release_end_is_judged_by_the_day(case: Case) -> None:
    late = case.world.release("humber", 52, "queens", [case.held], ends_on="2026-11-02")
    assert release_data("queens", [])["purpose"] == "transfer"
    case.world.accept("queens", "transfer.requested", CASE, case.request(release=late))
