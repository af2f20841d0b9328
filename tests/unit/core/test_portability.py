"""Portability: the three criteria, grounds in law, verdicts by province, and who recognises an achievement where."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.core.policy import load_pack
from passerelle.core.portability import (
    PROVINCES,
    Endorsement,
    Facts,
    Framework,
    PortabilityAnswer,
    Province,
    Recognition,
    assess,
)
from passerelle.core.reasons import reason
from passerelle.events.achievement import AchievementData, EndorsedData

PACK = load_pack(
    yaml.safe_load(
        (Path(__file__).resolve().parents[3] / "contracts" / "policies" / "portability-national.yaml").read_text(
            "utf-8"
        )
    )
)
ASKED_ON = dt.date(2026, 9, 1)
FLAGS = ("task_analysis", "assessor_qualified", "identity_checked", "records_kept", "appeal", "accommodation")
DEFENSIBLE: dict[str, Any] = {**dict.fromkeys(FLAGS, True), "pass_standard": "70 % of the rubric"}


def achievement(assessment: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "version": 1,
        "kind": "micro-credential",
        "title": "Autodesk Revit",
        "language": "en",
        "awarding_bodies": ["urn:passerelle:member:humber"],
        "credit_bearing": False,
        "alignments": [{"kind": "competency", "framework": "bim/competencies", "code": "REVIT"}],
        "assessment": DEFENSIBLE if assessment is None else assessment,
        **more,
    }
    AchievementData.model_validate(data)
    return data


def endorsement(
    member: str = "bim-council", index: int = 8, places: tuple[str, ...] = ("CA",), **more: Any
) -> Endorsement:
    fields: dict[str, Any] = {
        "member_kind": "sector-council",
        "capacity": "body-for-employers",
        "kinds": ("co-designed", "sufficient-for-employment"),
        "version": 1,
        **more,
    }
    EndorsedData.model_validate(
        {name: fields[name] for name in ("version", "kinds", "capacity")} | {"jurisdictions": places}
    )
    return Endorsement(member=member, index=index, jurisdictions=places, **fields)


RECOGNISED = {"bim/competencies": Framework("bim/competencies", True, 3)}


def facts(
    data: dict[str, Any] | None = None,
    endorsements: tuple[Endorsement, ...] = (endorsement(),),
    **more: Any,
) -> Facts:
    return Facts(
        id="humber/revit",
        achievement=achievement() if data is None else data,
        index=7,
        asked_on=ASKED_ON,
        endorsements=endorsements,
        **{"awarding_kinds": ("college",), "frameworks": RECOGNISED, **more},
    )


def outcomes(answer: PortabilityAnswer) -> dict[str, str]:
    return {one.id: one.outcome for one in answer.criteria}


def place(answer: PortabilityAnswer, jurisdiction: str) -> Province:
    return next(one for one in answer.provinces if one.jurisdiction == jurisdiction)


def gaps(answer: PortabilityAnswer) -> dict[str, list[str]]:
    return {gap.clause: [one.code for one in gap.missing] for gap in answer.missing}


ALL_MET = {"framework": "met", "employers": "met", "assessment": "met"}


def test_portable_when_all_three_criteria_are_met() -> None:
    answer = assess(facts(), PACK)
    assert (answer.verdict, answer.criteria_verdict, outcomes(answer)) == ("portable", "portable", ALL_MET)
    assert (answer.policy, answer.policy_version, answer.missing) == ("portability-national", 1, ())
    assert {one.id: one.evidence for one in answer.criteria}["framework"] == (3, 7)
    assert [(one.member, one.kinds) for one in answer.involvement] == [
        ("bim-council", ("co-designed", "sufficient-for-employment"))
    ]
    assert [one.jurisdiction for one in answer.provinces] == list(PROVINCES)
    assert {one.verdict for one in answer.provinces} == {"portable"}


@pytest.mark.parametrize("flag", FLAGS)
def test_absent_is_unknown_and_false_is_not_met(flag: str) -> None:
    clause = f"assessment.{flag.replace('_', '-')}"
    absent = {name: value for name, value in DEFENSIBLE.items() if name != flag}
    unknown = assess(facts(achievement(absent)), PACK)
    assert (unknown.verdict, outcomes(unknown)["assessment"]) == ("unknown", "unknown")
    assert gaps(unknown) == {clause: ["not-stated"]}
    assert not unknown.missing[0].change
    refused = assess(facts(achievement({**DEFENSIBLE, flag: False})), PACK)
    assert (refused.verdict, outcomes(refused)["assessment"]) == ("not-portable", "not-met")
    assert refused.missing[0].change
    assert {one.verdict for one in refused.provinces} == {"not-portable"}


def test_the_pass_standard_is_a_text() -> None:
    answer = assess(facts(achievement({**DEFENSIBLE, "pass_standard": None})), PACK)
    assert gaps(answer) == {"assessment.pass-standard": ["not-stated"]}


@pytest.mark.parametrize(
    ("frameworks", "outcome", "codes"),
    [
        ({}, "unknown", ["framework-unknown"]),
        ({"bim/competencies": Framework("bim/competencies", False, 3)}, "not-met", ["framework-not-recognised"]),
        (
            {"bim/competencies": Framework("bim/competencies", True, 3, "qualifications")},
            "unknown",
            ["framework-not-competency"],
        ),
    ],
)
def test_the_framework(frameworks: dict[str, Framework], outcome: str, codes: list[str]) -> None:
    answer = assess(facts(frameworks=frameworks), PACK)
    assert outcomes(answer) == {**ALL_MET, "framework": outcome}
    assert gaps(answer) == {"framework.recognised": codes}


def test_no_alignment_at_all() -> None:
    assert gaps(assess(facts(achievement(alignments=[])), PACK)) == {
        "framework.recognised": ["framework-alignment-missing"]
    }


def test_an_employer_of_one_province_makes_it_portable_there_only() -> None:
    employer = endorsement("builder", places=("CA-ON",), member_kind="employer", capacity="employer")
    answer = assess(facts(endorsements=(employer,)), PACK, ("CA-ON", "CA-BC", "CA-NS"))
    assert {one.jurisdiction: one.verdict for one in answer.provinces} == {
        "CA-ON": "portable",
        "CA-BC": "unknown",
        "CA-NS": "unknown",
    }
    assert answer.verdict == "unknown"
    (gap,) = answer.missing
    assert "CA-BC" in gap.missing[0].params["jurisdictions"]
    assert "CA-ON" not in gap.missing[0].params["jurisdictions"]
    assert place(answer, "CA-BC").missing[0].missing == (reason("endorsement-missing", jurisdictions="CA-BC"),)


def test_several_bodies_together_cover_the_country() -> None:
    halves = (endorsement("west", 8, PROVINCES[:6]), endorsement("east", 9, PROVINCES[6:]))
    assert assess(facts(endorsements=halves), PACK).verdict == "portable"
    assert assess(facts(endorsements=halves[:1]), PACK).verdict == "unknown"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"valid_until": dt.date(2026, 8, 31)}, "endorsement-lapsed"),
        ({"version": 2}, "endorsement-version"),
        ({"member_kind": "college"}, "endorsement-capacity"),
        ({"member_kind": "sector-council", "capacity": "employer"}, "endorsement-capacity"),
    ],
)
def test_an_endorsement_that_does_not_count_is_explained(change: dict[str, Any], code: str) -> None:
    answer = assess(facts(endorsements=(endorsement(**change),)), PACK)
    assert outcomes(answer)["employers"] == "unknown"
    assert gaps(answer) == {"employers.involved": ["endorsement-missing", code]}
    assert answer.missing[0].missing[0] == reason("endorsement-missing", jurisdictions="CA")
    assert answer.involvement == ()
    assert place(answer, "CA-BC").recognised_by == ()


def test_an_endorsement_holds_on_its_last_day() -> None:
    assert assess(facts(endorsements=(endorsement(valid_until=ASKED_ON),)), PACK).verdict == "portable"


def test_who_recognises_it_employers_and_professions_first() -> None:
    rules = (
        Recognition("bcit/r1", "bcit", "polytechnic", "equivalency", ("CA-BC",), 20, ("assigned",)),
        Recognition("aibc/r2", "aibc", "professional-association", "professional", ("CA-BC",), 21, ("standing",)),
        Recognition("dal/r3", "dal", "university", "laddering", ("CA-NS",), 22, ("block",)),
    )
    builder = endorsement("builder", 9, ("CA-BC",), member_kind="employer", capacity="employer")
    answer = assess(facts(endorsements=(endorsement(), builder), recognitions=rules), PACK)
    found = [(one.member, one.group, one.ground) for one in place(answer, "CA-BC").recognised_by]
    assert found == [
        ("builder", "employers", "endorsement"),
        ("aibc", "professional-bodies", "professional-standing"),
        ("bim-council", "professional-bodies", "endorsement"),
        ("bcit", "institutions", "rule"),
    ]
    assert [one.member for one in place(answer, "CA-NS").recognised_by] == ["bim-council", "dal"]
    assert place(answer, "CA-NS").recognised_by[1].rule == "dal/r3"


RED_SEAL: dict[str, Any] = {
    "kind": "trade-certificate",
    "legal_basis": "red-seal",
    "alignments": [{"kind": "competency", "framework": "red-seal/standard", "code": "309A"}],
}


def red_seal(**assessment: Any) -> dict[str, Any]:
    return achievement({"methods": ["exam"], "performance": "knowledge-only", **assessment}, **RED_SEAL)


def test_red_seal_is_portable_by_law_and_its_weak_point_is_shown() -> None:
    data = red_seal(validated_common_examination=True)
    answer = assess(facts(data, (), awarding_kinds=("apprenticeship-authority",), frameworks={}), PACK)
    assert (answer.verdict, answer.criteria_verdict) == ("portable", "unknown")
    assert [(one.kind, one.holds, one.reason.code) for one in answer.grounds] == [("law", True, "law-red-seal")]
    assert outcomes(answer)["assessment"] == "met"
    findings = {one.clause.id: one.finding for one in answer.criteria[2].clauses}
    assert findings["assessment.appeal"].notes == (reason("through-common-examination"),)
    assert findings["assessment.direct"].outcome == "not-met"
    assert all(one.by_law and one.verdict == "portable" for one in answer.provinces)


def test_a_common_examination_does_not_outweigh_what_is_stated_as_false() -> None:
    answer = assess(facts(red_seal(validated_common_examination=True, appeal=False), ()), PACK)
    assert outcomes(answer)["assessment"] == "not-met"


def test_red_seal_claimed_by_a_college_is_no_ground() -> None:
    answer = assess(facts(red_seal(validated_common_examination=True), ()), PACK)
    assert [(one.holds, one.reason.code) for one in answer.grounds] == [(False, "law-claim-unsupported")]
    assert answer.verdict == "unknown"
    assert not any(one.by_law for one in answer.provinces)


def test_the_law_binds_provinces_only() -> None:
    data = red_seal(validated_common_examination=True)
    trade = facts(data, (), awarding_kinds=("apprenticeship-authority",), frameworks={})
    answer = assess(trade, PACK, ("CA-QC", "NZ"))
    assert [(one.by_law, one.verdict) for one in answer.provinces] == [(True, "portable"), (False, "unknown")]


# ---- properties ------------------------------------------------------------------------------------------------------

RANK = {"not-portable": 0, "unknown": 1, "portable": 2}

endorsements = st.builds(
    endorsement,
    st.sampled_from(["one", "two", "three"]),
    st.integers(8, 30),
    st.lists(st.sampled_from([*PROVINCES, "CA"]), min_size=1, max_size=5, unique=True).map(tuple),
    valid_until=st.sampled_from([None, dt.date(2026, 8, 31), dt.date(2027, 1, 1)]),
    version=st.sampled_from([1, 2]),
    member_kind=st.sampled_from(["employer", "sector-council", "college"]),
    capacity=st.sampled_from(["employer", "body-for-employers", "regulator"]),
)
assessments = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FLAGS, st.booleans()), "validated_common_examination": st.booleans()}
).map(lambda flags: {**flags, "pass_standard": "stated"})


@settings(max_examples=80, deadline=None)
@given(assessments, st.lists(endorsements, max_size=4), endorsements)
def test_one_endorsement_more_never_worsens(
    flags: dict[str, Any], given_endorsements: list[Endorsement], more: Endorsement
) -> None:
    before = assess(facts(achievement(flags), tuple(given_endorsements)), PACK)
    after = assess(facts(achievement(flags), (*given_endorsements, more)), PACK)
    assert RANK[after.verdict] >= RANK[before.verdict]
    for one, other in zip(before.provinces, after.provinces, strict=True):
        assert RANK[other.verdict] >= RANK[one.verdict]
        assert len(other.recognised_by) >= len(one.recognised_by)


@settings(max_examples=80, deadline=None)
@given(assessments, st.lists(endorsements, max_size=4))
def test_the_country_is_portable_exactly_where_every_province_is(
    flags: dict[str, Any], given_endorsements: list[Endorsement]
) -> None:
    answer = assess(facts(achievement(flags), tuple(given_endorsements)), PACK)
    assert (answer.verdict == "portable") == all(one.verdict == "portable" for one in answer.provinces)
    assert (answer.verdict == "portable") == (not answer.missing)


@settings(max_examples=80, deadline=None)
@given(assessments, st.lists(endorsements, max_size=4, unique_by=lambda one: one.index), st.randoms())
def test_the_order_of_endorsements_changes_nothing(
    flags: dict[str, Any], given_endorsements: list[Endorsement], random: Any
) -> None:
    shuffled = list(given_endorsements)
    random.shuffle(shuffled)
    first = assess(facts(achievement(flags), tuple(given_endorsements)), PACK)
    assert assess(facts(achievement(flags), tuple(shuffled)), PACK) == first


def test_the_answer_depends_on_nothing_but_its_facts() -> None:
    """The same question twice, with equal but distinct values, has the same answer."""
    known = facts()
    assert assess(known, PACK) == assess(dataclasses.replace(known), PACK)
