"""Policy packs: strict reading, the packs of contracts/policies on one achievement, and their cases."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.clauses import SCOPED
from passerelle.core.errors import CODES, PasserelleError
from passerelle.core.facts import PROVINCES, Demand, Difference, Endorsement, Facts, Framework
from passerelle.core.policy import Pack, choose_pack, evaluate_pack, joint, load_pack
from passerelle.core.policycases import Case, compare, load_cases, run_cases, uncovered
from passerelle.core.policyfields import CASE_FIELDS, FIELDS, Readings
from passerelle.events.achievement import AchievementData
from passerelle.events.reference import PolicyData

POLICIES = Path(__file__).resolve().parents[3] / "contracts" / "policies"
FILES = sorted(POLICIES.glob("*.yaml"))
ASKED_ON = dt.date(2026, 9, 1)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


PACKS: dict[str, Pack] = {path.stem: load_pack(read(path)) for path in FILES}
ABOUT_ACHIEVEMENTS = sorted(name for name, pack in PACKS.items() if not set(pack.fields) <= set(CASE_FIELDS))


def good() -> dict[str, Any]:
    return {
        "policy": "example",
        "version": 1,
        "title": {"en": "Example", "fr": "Exemple"},
        "source": "Nobody",
        "effective_from": "2022-01-01",
        "fields": {"achievement.assessment.appeal": "bool", "achievement.delivery.elapsed_weeks": "double"},
        "clauses": [
            {
                "id": "a.one",
                "test": "cel",
                "rule": "achievement.assessment.appeal",
                "force": "must",
                "message": {"en": "Appeal.", "fr": "Appel."},
            },
            {
                "id": "b",
                "test": "cel",
                "rule": "achievement.delivery.elapsed_weeks < 12.0",
                "force": "should",
                "message": {"en": "Short.", "fr": "Courte."},
            },
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
        "european-commission", "heqco", "lisbon", "malaysia-mqa", "microbol", "nzqa", "ontario-student-aid",
        "portability-national", "portal-essentials", "sample-caps-ab", "sample-caps-bc", "sample-caps-ns",
        "sample-caps-on", "sample-caps-qc", "unesco",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_is_a_policy_event_of_its_name(path: Path) -> None:
    data = read(path)
    event = PolicyData.model_validate(data)
    pack = PACKS[path.stem]
    assert pack.id == event.policy == path.stem
    assert (pack.version, pack.effective_from, pack.effective_to) == (1, event.effective_from, event.effective_to)
    assert [clause.rule.text for clause in pack.clauses] == [
        " ".join((one.rule or "").split()) for one in event.clauses
    ]
    assert pack.sample == event.sample == path.stem.startswith("sample-")
    assert all(set(clause.message) == {"en", "fr"} for clause in pack.clauses)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_each_pack_finds_what_its_cases_expect(name: str) -> None:
    pack_name, cases = load_cases(read(POLICIES / "cases" / f"{name}.yaml"))
    assert pack_name == name
    assert run_cases(PACKS[name], cases) == ()
    assert uncovered(PACKS[name], cases) == ()


def test_a_case_that_expects_otherwise_is_named() -> None:
    _, (case, *_) = load_cases(read(POLICIES / "cases" / "ontario-student-aid.yaml"))
    other = Case(case.name, case.facts, case.scope, {"duration": "not-met", "gone": "met"}, "not-met")
    wrong = {(one.clause, one.expected, one.found) for one in run_cases(PACKS["ontario-student-aid"], [other])}
    assert wrong == {("duration", "not-met", "met"), ("gone", "met", "absent"), ("", "not-met", "met")}
    assert uncovered(PACKS["ontario-student-aid"], [other]) == ("duration",)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"evidence": {"rumours": []}}, "cases[0] (one): rumours"),
        ({"given": {"case.luck": 1}}, "cases[0] (one): case.luck"),
        ({"evidence": {"endorsements": [{"member": "x"}]}}, "cases[0] (one)"),
        ({"expected": {"duration": "yes"}}, "cases[0] (one)"),
        ({"asked_on": "soon"}, "cases[0] (one): "),
        ({"comment": "x"}, "cases[0]"),
    ],
)
def test_a_bad_case_is_refused_with_its_place(change: dict[str, Any], where: str) -> None:
    case = {"name": "one", "asked_on": "2026-09-01", "achievement": {}, "expected": {}, "outcome": "met", **change}
    with pytest.raises(PasserelleError) as caught:
        load_cases({"pack": "x", "cases": [case]})
    assert (caught.value.code, caught.value.where) == ("policy-invalid", where)


def test_what_differs_in_two_packs() -> None:
    new = load_pack(
        {**with_clause(rule="!achievement.assessment.appeal", force="should"), "version": 2}
        | {
            "clauses": [
                {**good()["clauses"][0], "force": "should"},
                {**good()["clauses"][1], "force": "must", "rule": "achievement.delivery.elapsed_weeks < 8.0"},
            ]
        }
    )
    assert {(one.place, one.before, one.after) for one in compare(load_pack(good()), new)} == {
        ("version", "1", "2"),
        ("a.one.force", "must", "should"),
        ("b.force", "should", "must"),
        ("b.rule", "achievement.delivery.elapsed_weeks < 12.0", "achievement.delivery.elapsed_weeks < 8.0"),
    }
    assert compare(new, new) == ()


EXPECTED = {
    "bccampus": "met",
    "canadian-consensus": "met",
    "cican": "met",
    "ecampusontario": "met",
    "ecampusontario-principles": "met",
    "european-commission": "met",
    "heqco": "met",
    "lisbon": "met",
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
    for result in evaluate_pack(PACKS[name], bare).clauses:
        # By the Lisbon principle silence is an answer, and it is for the learner.
        presumed = result.clause.rule.fields == ("evidence.substantial_difference_stated",)
        assert result.finding.outcome == ("met" if presumed else "unknown")
        assert presumed or result.finding.missing


@pytest.mark.parametrize("name", ABOUT_ACHIEVEMENTS)
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
        (
            "heqco",
            "short",
            {"delivery": {"modes": ["hybrid"], "effort_hours": "400", "elapsed_weeks": "30"}},
            ("unknown", {"not-testable"}),
        ),
        ("heqco", "short", {"delivery": {"modes": ["hybrid"], "effort_hours": "400"}}, ("unknown", {"not-stated"})),
        ("heqco", "short", {"delivery": {"modes": ["hybrid"]}}, ("unknown", {"not-stated"})),
        ("ecampusontario", "transcriptable", {"transcriptable": False}, ("not-met", {"stated-no"})),
        ("ecampusontario", "transcriptable", {"transcriptable": None}, ("unknown", {"not-stated"})),
    ],
)
def test_clauses_at_their_limits(
    pack: str, clause: str, change: dict[str, Any], expected: tuple[str, set[str]]
) -> None:
    assert finding(pack, clause, facts(achievement=change)) == expected


def test_only_what_depends_on_the_place_is_judged_again_for_it() -> None:
    """Every field that answers otherwise elsewhere is one of those that the core lists as such."""
    refused = Difference("queens/no", "queens", "level", ("CA-ON",), 9)
    builder = Endorsement("builder", "employer", "employer", ("co-designed",), ("CA-BC",), 8)
    known = facts(endorsements=(builder,), differences=(refused,))
    moved = {
        name
        for name in FIELDS
        if len({Readings(known, scope).of(name) for scope in ((), ("CA-ON",), ("CA-BC",), PROVINCES)}) > 1
    }
    assert moved == SCOPED
    for pack in PACKS.values():
        national = evaluate_pack(pack, known, PROVINCES)
        for place in ("CA-ON", "CA-BC", "CA-MB"):
            assert evaluate_pack(pack, known, (place,), elsewhere=national) == evaluate_pack(pack, known, (place,))


def test_a_should_is_reported_and_does_not_decide() -> None:
    result = evaluate_pack(PACKS["ecampusontario"], facts(achievement={"transcriptable": False}))
    assert result.outcome == "met"


def test_demand_counts_until_it_lapses() -> None:
    def with_demand(until: str) -> Facts:
        stated = Demand("chamber", "CA-ON", 12, dt.date(2026, 1, 1), dt.date.fromisoformat(until), 40)
        return facts(endorsements=(), demands=(stated,))

    assert finding("nzqa", "need", with_demand("2026-09-01"))[0] == "met"
    # Either would do: the one that lacks least, and is named first, is told.
    assert finding("nzqa", "need", with_demand("2026-08-31")) == ("unknown", {"endorsement-kind-missing"})


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
        (with_clause(test="appeal"), "clauses[0] (a.one)"),
        (with_clause(test=None), "clauses[0] (a.one)"),
        (with_clause(rule=7), "clauses[0] (a.one)"),
        (with_clause(rule=""), "clauses[0] (a.one), line 1, column 1"),
        (with_clause(rule="achievement.assessment.appeal &&"), "clauses[0] (a.one), line 1, column 33"),
        (with_clause(rule="achievement.assessment.task_analysis"), "clauses[0] (a.one), line 1, column 1"),
        (with_clause(rule="true ||\n  achievement.assessment"), "clauses[0] (a.one), line 2, column 3"),
        (with_clause(rule="achievement.delivery.elapsed_weeks < 12"), "clauses[0] (a.one), line 1, column 36"),
        (with_clause(rule="achievement.delivery.elapsed_weeks"), "clauses[0] (a.one), line 1, column 1"),
        (with_clause(rule="true"), "fields.achievement.assessment.appeal"),
        (changed(fields={}), "fields"),
        (changed(fields={**good()["fields"], "achievement.colour": "string"}), "fields.achievement.colour"),
        (changed(fields={**good()["fields"], "asked_on": "string"}), "fields.asked_on"),
        (changed(fields={**good()["fields"], "asked_on": "timestamp"}), "fields.asked_on"),
        (changed(jurisdictions=["US"]), "jurisdictions"),
        (changed(sample="yes"), "sample"),
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
    assert [(one.id, one.rule.text, one.force, one.criterion) for one in pack.clauses] == [
        ("a.one", "achievement.assessment.appeal", "must", "a"),
        ("b", "achievement.delivery.elapsed_weeks < 12.0", "should", "b"),
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
