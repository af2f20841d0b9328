"""Policy packs: strict reading, and the packs of contracts/policies on one achievement."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.clauses import PLAIN, WITH_ARGUMENTS, find_test
from passerelle.core.errors import CODES, PasserelleError
from passerelle.core.facts import Demand, Endorsement, Facts, Framework
from passerelle.core.policy import Pack, choose_pack, evaluate_pack, joint, load_pack
from passerelle.events.achievement import AchievementData
from passerelle.events.reference import PolicyData

POLICIES = Path(__file__).resolve().parents[3] / "contracts" / "policies"
FILES = sorted(POLICIES.glob("*.yaml"))
ASKED_ON = dt.date(2026, 9, 1)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


PACKS: dict[str, Pack] = {path.stem: load_pack(read(path)) for path in FILES}


def good() -> dict[str, Any]:
    return {
        "policy": "example",
        "version": 1,
        "title": {"en": "Example", "fr": "Exemple"},
        "source": "Nobody",
        "effective_from": "2022-01-01",
        "clauses": [
            {"id": "a.one", "test": "appeal", "force": "must", "message": {"en": "Appeal.", "fr": "Appel."}},
            {"id": "b", "test": "weeks-below:12", "force": "should", "message": {"en": "Short.", "fr": "Courte."}},
        ],
    }


ACHIEVEMENT: dict[str, Any] = {
    "version": 1,
    "kind": "micro-credential",
    "title": "Sample",
    "language": "en",
    "awarding_bodies": ["urn:passerelle:member:humber"],
    "credit_bearing": False,
    "laddering": {"design": "stand-alone"},
    "alignments": [{"kind": "competency", "framework": "bim/competencies", "code": "B1"}],
    "outcomes": ["Models a building"],
    "assessment": {"methods": ["project"], "pass_standard": "70 %", "evidence_visible_to_employers": True},
    "delivery": {"modes": ["in-person"], "effort_hours": "45", "elapsed_weeks": "8"},
    "cost": {"amount_cad": "450"},
    "quality": {"approval_body": "Academic council", "last_review": "2026-01-15", "next_review": "2027-01-15"},
    "transcriptable": True,
}


def facts(**more: Any) -> Facts:
    changes = more.pop("achievement", {})
    achievement = {name: value for name, value in {**ACHIEVEMENT, **changes}.items() if value is not None}
    AchievementData.model_validate(achievement)
    given_facts: dict[str, Any] = {
        "awarding_kinds": ("college",),
        "frameworks": {"bim/competencies": Framework("bim/competencies", True, 3)},
        "endorsements": (
            Endorsement(
                "bim-council",
                "sector-council",
                "body-for-employers",
                ("demand-confirmed", "assessment-reflects-job"),
                ("CA",),
                8,
            ),
        ),
        **more,
    }
    return Facts("humber/sample", achievement, 7, ASKED_ON, **given_facts)


def test_the_packs_of_the_sources_are_there() -> None:
    assert set(PACKS) == {
        "bccampus", "canadian-consensus", "cican", "ecampusontario", "ecampusontario-principles",
        "european-commission", "heqco", "malaysia-mqa", "microbol", "nzqa", "ontario-student-aid",
        "portability-national", "portal-essentials", "unesco",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_is_a_policy_event_of_its_name(path: Path) -> None:
    data = read(path)
    event = PolicyData.model_validate(data)
    pack = PACKS[path.stem]
    assert pack.id == event.policy == path.stem
    assert (pack.version, pack.effective_from, pack.effective_to) == (1, event.effective_from, event.effective_to)
    assert [clause.test_name for clause in pack.clauses] == [clause.test for clause in event.clauses]
    assert all(set(clause.message) == {"en", "fr"} for clause in pack.clauses)


def test_every_test_is_used_by_a_pack() -> None:
    used = {clause.test_name.partition(":")[0] for pack in PACKS.values() for clause in pack.clauses}
    assert used == set(PLAIN) | set(WITH_ARGUMENTS)


EXPECTED = {
    "bccampus": "met",
    "canadian-consensus": "met",
    "cican": "met",
    "ecampusontario": "met",
    "ecampusontario-principles": "met",
    "european-commission": "met",
    "heqco": "met",
    "malaysia-mqa": "met",
    "microbol": "met",
    "nzqa": "not-met",
    "ontario-student-aid": "met",
    "portability-national": "unknown",
    "portal-essentials": "met",
    "unesco": "met",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_same_achievement_by_every_definition(name: str) -> None:
    assert evaluate_pack(PACKS[name], facts()).outcome == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(PACKS))
def test_nothing_stated_is_unknown_and_never_not_met(name: str) -> None:
    bare = Facts("a/x", {}, 1, ASKED_ON)
    outcomes = {result.finding.outcome for result in evaluate_pack(PACKS[name], bare).clauses}
    assert outcomes == {"unknown"}
    assert all(result.finding.missing for result in evaluate_pack(PACKS[name], bare).clauses)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_standing_alone_is_never_marked_down(name: str) -> None:
    alone = evaluate_pack(PACKS[name], facts())
    designed = evaluate_pack(
        PACKS[name], facts(achievement={"laddering": {"design": "designed", "into": ["athabasca/mba"]}})
    )
    assert alone.outcome == designed.outcome
    assert [one.finding.outcome for one in alone.clauses] == [one.finding.outcome for one in designed.clauses]


def finding(pack: str, clause: str, given_facts: Facts) -> tuple[str, set[str]]:
    result = next(one for one in evaluate_pack(PACKS[pack], given_facts).clauses if one.clause.id == clause)
    return result.finding.outcome, {one.code for one in result.finding.missing}


@pytest.mark.parametrize(
    ("pack", "clause", "change", "expected"),
    [
        ("nzqa", "size", {"delivery": {"modes": ["hybrid"], "effort_hours": "50"}}, ("met", set())),
        ("nzqa", "size", {"delivery": {"modes": ["hybrid"], "effort_hours": "401"}}, ("not-met", {"value-above"})),
        ("nzqa", "size", {}, ("not-met", {"value-below"})),
        ("nzqa", "size", {"delivery": None}, ("unknown", {"not-stated"})),
        ("nzqa", "not-duplicate", {}, ("unknown", {"not-testable"})),
        ("nzqa", "reviewed", {"quality": {"last_review": "2025-09-01"}}, ("met", set())),
        ("nzqa", "reviewed", {"quality": {"last_review": "2025-08-31"}}, ("not-met", {"review-too-old"})),
        ("bccampus", "process.reviewed", {"quality": {"next_review": "2026-08-31"}}, ("not-met", {"review-lapsed"})),
        ("bccampus", "process.reviewed", {"quality": {"next_review": "2026-09-01"}}, ("met", set())),
        (
            "ontario-student-aid",
            "duration",
            {"delivery": {"modes": ["hybrid"], "elapsed_weeks": "12"}},
            ("not-met", {"value-above"}),
        ),
        (
            "ontario-student-aid",
            "duration",
            {"delivery": {"modes": ["hybrid"], "elapsed_weeks": "35/3"}},
            ("met", set()),
        ),
        ("heqco", "short", {"delivery": {"modes": ["hybrid"], "effort_hours": "120"}}, ("met", set())),
        ("heqco", "short", {"delivery": {"modes": ["hybrid"], "effort_hours": "400"}}, ("unknown", {"not-testable"})),
        ("heqco", "short", {"delivery": {"modes": ["hybrid"]}}, ("unknown", {"not-stated"})),
        ("ecampusontario", "transcriptable", {"transcriptable": False}, ("not-met", {"stated-no"})),
        ("ecampusontario", "transcriptable", {"transcriptable": None}, ("unknown", {"not-stated"})),
    ],
)
def test_clauses_at_their_limits(
    pack: str, clause: str, change: dict[str, Any], expected: tuple[str, set[str]]
) -> None:
    assert finding(pack, clause, facts(achievement=change)) == expected


def test_a_should_is_reported_and_does_not_decide() -> None:
    result = evaluate_pack(PACKS["ecampusontario"], facts(achievement={"transcriptable": False}))
    assert result.outcome == "met"


def test_demand_counts_until_it_lapses() -> None:
    def with_demand(until: str) -> Facts:
        stated = Demand("chamber", "CA-ON", 12, dt.date(2026, 1, 1), dt.date.fromisoformat(until), 40)
        return facts(endorsements=(), demands=(stated,))

    assert finding("nzqa", "need", with_demand("2026-09-01"))[0] == "met"
    assert finding("nzqa", "need", with_demand("2026-08-31")) == (
        "unknown",
        {"demand-missing", "endorsement-kind-missing"},
    )


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**good(), **changes}.items() if value is not ...}


def with_clause(**changes: Any) -> dict[str, Any]:
    first = {**good()["clauses"][0], **changes}
    return changed(clauses=[{name: value for name, value in first.items() if value is not ...}, good()["clauses"][1]])


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], ""),
        (changed(owner="x"), "owner"),
        (changed(source=...), "source"),
        (changed(policy="Has Space"), "policy"),
        (changed(version=0), "version"),
        (changed(version=True), "version"),
        (changed(title={"en": "Example"}), "title"),
        (changed(effective_from="2022-02-30"), "effective_from"),
        (changed(effective_to="2021-12-31"), "effective_to"),
        (changed(clauses=[]), "clauses"),
        (changed(clauses=[good()["clauses"][1]]), "clauses"),
        (changed(clauses=[good()["clauses"][0]] * 2), "clauses[1] (a.one)"),
        (changed(clauses=[good()["clauses"][0]] * 101), "clauses"),
        (with_clause(weight=3), "clauses[0]"),
        (with_clause(force=...), "clauses[0]"),
        (with_clause(id=7), "clauses[0]"),
        (with_clause(force="may"), "clauses[0] (a.one)"),
        (with_clause(test="eval"), "clauses[0] (a.one)"),
        (with_clause(test="appeal:3"), "clauses[0] (a.one)"),
        (with_clause(test="weeks-below"), "clauses[0] (a.one)"),
        (with_clause(test="weeks-below:twelve"), "clauses[0] (a.one)"),
        (with_clause(test="reviewed-within-months:1.5"), "clauses[0] (a.one)"),
        (with_clause(test="effort-hours:50"), "clauses[0] (a.one)"),
        (with_clause(test=None), "clauses[0] (a.one)"),
        (with_clause(message={"en": "Appeal."}), "clauses[0] (a.one)"),
        (with_clause(message={"en": "Appeal.", "fr": " "}), "clauses[0] (a.one)"),
    ],
)
def test_a_bad_pack_is_refused_with_its_clause_named(data: Any, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        load_pack(data)
    assert (caught.value.code, caught.value.where) == ("policy-invalid", where)
    assert caught.value.code in CODES


def test_a_good_pack_is_read_whole() -> None:
    pack = load_pack(good())
    assert pack.criteria == ("a", "b")
    assert [(one.id, one.test_name, one.force, one.criterion) for one in pack.clauses] == [
        ("a.one", "appeal", "must", "a"),
        ("b", "weeks-below:12", "should", "b"),
    ]


def test_the_pack_in_force_on_a_day_is_chosen() -> None:
    first = load_pack(changed(effective_to="2024-12-31"))
    second = load_pack(changed(version=2, effective_from="2024-07-01"))
    packs = [second, first]
    chosen = {
        day: choose_pack(packs, "example", dt.date.fromisoformat(day)).version for day in ("2024-06-30", "2024-07-01")
    }
    assert chosen == {"2024-06-30": 1, "2024-07-01": 2}
    for name, day in (("example", "2021-12-31"), ("other", "2024-07-01")):
        with pytest.raises(PasserelleError) as caught:
            choose_pack(packs, name, dt.date.fromisoformat(day))
        assert caught.value.code == "policy-unknown"


@given(st.lists(st.sampled_from(["met", "not-met", "unknown"])))
def test_the_joint_outcome_is_the_worst(outcomes: list[Any]) -> None:
    worst = max(outcomes, key=["met", "unknown", "not-met"].index, default="met")
    assert joint(outcomes) == worst


@given(st.text(max_size=30))
def test_no_text_makes_the_reader_fail_otherwise(name: str) -> None:
    known = name in PLAIN or name.partition(":")[0] in WITH_ARGUMENTS
    assert find_test(name) is None or known
