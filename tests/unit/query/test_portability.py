"""Portability from the index: the facts that reach the core, and how its answer is told."""

from typing import Any

import pytest
from tests.unit.query.world import World, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import ConfigError
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.portability import Portability

REVIT = "humber/revit"
FRAMEWORK = "bdec/building-design"
PACKS = load_packs(default_folder())
ASSESSMENT = {
    "methods": ["demonstration"],
    "task_analysis": True,
    "pass_standard": "70 of 100 on the rubric",
    "assessor": "independent",
    "assessor_qualified": True,
    "identity_checked": True,
    "records_kept": True,
    "appeal": True,
    "accommodation": True,
}


def endorse(world: World, member: str, kinds: list[str], capacity: str, places: list[str], **more: Any) -> int:
    data = {"version": 1, "kinds": kinds, "capacity": capacity, "jurisdictions": places, **more}
    return world.add("credential.achievement-endorsed", member, REVIT, data)


def publish_framework(world: World, *, recognised: bool = True) -> int:
    framework = {
        "framework": FRAMEWORK,
        "version": 1,
        "title": "Building design competencies",
        "language": "en",
        "kind": "competency",
        "owner": "Building Design Employers' Council (sample)",
        "recognised": recognised,
    }
    return world.add("reference.framework-published", "bdec", FRAMEWORK, framework)


@pytest.fixture
def world() -> World:
    """The portable Revit: framework, employers and assessment stated; recognised in two provinces."""
    made = World()
    publish_framework(made)
    alignments = [{"kind": "competency", "framework": FRAMEWORK, "code": "BD-1", "name": "Model a building"}]
    more = {"alignments": alignments, "assessment": ASSESSMENT, "occupations": ["22212"]}
    made.course(REVIT, "Autodesk Revit Architecture", kind="micro-credential", **more)
    made.course("bcit/bim-1")
    made.course("nscc/bim")
    endorse(made, "bdec", ["demand-confirmed", "assessment-reflects-job"], "body-for-employers", ["CA"])
    endorse(made, "harbour-design", ["co-designed", "sufficient-for-employment"], "employer", ["CA-BC", "CA-NS"])
    made.rule("bcit/r1", REVIT, "bcit/bim-1")
    made.rule("nscc/r1", REVIT, {"type": "unassigned", "subject": "drafting", "credits": credit("3")})
    return made


async def assess(world: World, **more: Any) -> pb.AssessResponse:
    return await Portability(world.index, PACKS).assess(pb.AssessRequest(achievement=REVIT, **more), 0.05)


def recognisers(place: pb.JurisdictionVerdict) -> set[tuple[str, str, str]]:
    return {(one.member, one.ground, one.subject) for one in place.recognised_by}


async def test_the_portable_revit(world: World) -> None:
    answer = await assess(world, jurisdictions=["CA-BC", "CA-NS", "CA-AB"])
    assert answer.verdict == pb.PORTABILITY_VERDICT_PORTABLE
    assert {one.id: one.finding for one in answer.criteria} == dict.fromkeys(
        ("framework", "employers", "assessment"), pb.FINDING_MET
    )
    assert (answer.pack, answer.pack_version, answer.title) == (
        "portability-national",
        1,
        "Autodesk Revit Architecture",
    )
    west, east, middle = answer.jurisdictions
    assert [place.verdict for place in answer.jurisdictions] == [pb.PORTABILITY_VERDICT_PORTABLE] * 3
    employers = {("bdec", "endorsement", REVIT), ("harbour-design", "endorsement", REVIT)}
    assert recognisers(west) == employers | {("bcit", "rule", "bcit/r1")}
    assert recognisers(east) == employers | {("nscc", "rule", "nscc/r1")}
    assert recognisers(middle) == {("bdec", "endorsement", REVIT)}
    # Employers and professional bodies stand before institutions.
    assert [one.ground for one in west.recognised_by][-1] == "rule"
    assert not answer.missing


async def test_each_finding_names_the_entries_behind_it(world: World) -> None:
    by_id = {one.id: one for one in (await assess(world)).criteria}
    assert {(one.type, one.member, one.subject) for one in by_id["framework"].evidence} == {
        ("ca.passerelle.credential.achievement-published.v1", "humber", REVIT),
        ("ca.passerelle.reference.framework-published.v1", "bdec", FRAMEWORK),
    }
    assert {one.member for one in by_id["employers"].evidence} == {"bdec", "harbour-design"}
    assert by_id["assessment"].message["fr"] != by_id["assessment"].message["en"]


async def test_without_endorsements_the_employers_are_unknown_and_missing(world: World) -> None:
    early = common_pb2.KnownAt(size=world.index.achievements[REVIT].versions.at(world.size)[0] + 1)  # type: ignore[index]
    answer = await assess(world, known_at=early, jurisdictions=["CA-BC"])
    findings = {one.id: one.finding for one in answer.criteria}
    assert findings["employers"] == pb.FINDING_UNKNOWN
    assert answer.verdict == pb.PORTABILITY_VERDICT_UNKNOWN
    assert "endorsement-missing" in {reason.code for reason in answer.missing}
    assert not answer.jurisdictions[0].recognised_by


async def test_a_lapsed_endorsement_no_longer_counts() -> None:
    made = World()
    publish_framework(made)
    made.course(REVIT, kind="micro-credential")
    endorse(made, "bdec", ["demand-confirmed"], "body-for-employers", ["CA"], valid_until="2026-06-30")
    kept = await assess(made, asked_on="2026-06-30")
    lapsed = await assess(made, asked_on="2026-07-01")
    assert next(one for one in kept.criteria if one.id == "employers").finding == pb.FINDING_MET
    employers = next(one for one in lapsed.criteria if one.id == "employers")
    assert employers.finding == pb.FINDING_UNKNOWN
    assert "endorsement-lapsed" in {reason.code for reason in employers.reasons}


async def test_a_body_that_is_no_employer_cannot_speak_as_one() -> None:
    made = World()
    made.course(REVIT, kind="micro-credential")
    endorse(made, "queens", ["demand-confirmed"], "employer", ["CA"])
    employers = next(one for one in (await assess(made)).criteria if one.id == "employers")
    assert employers.finding == pb.FINDING_UNKNOWN
    assert "endorsement-capacity" in {reason.code for reason in employers.reasons}


async def test_a_red_seal_is_portable_by_law() -> None:
    made = World()
    made.course("nsaa/cook", "Cook", kind="trade-certificate", legal_basis="red-seal")
    answer = await Portability(made.index, PACKS).assess(
        pb.AssessRequest(achievement="nsaa/cook", jurisdictions=["CA-QC", "NZ"]), 0.05
    )
    assert answer.verdict == pb.PORTABILITY_VERDICT_PORTABLE
    assert [ground.code for ground in answer.grounds_in_law] == ["law-red-seal"]
    here, away = answer.jurisdictions
    assert here.verdict == pb.PORTABILITY_VERDICT_PORTABLE
    assert [(one.member, one.ground) for one in here.recognised_by] == [("nsaa", "law")]
    assert away.verdict == pb.PORTABILITY_VERDICT_UNKNOWN
    assert not away.recognised_by


async def test_demand_for_its_occupation_is_a_fact_of_it(world: World) -> None:
    demand = {"occupation": "22212", "region": "CA-BC", "size": 120, "source": "Survey", "stated_on": "2026-01-01"}
    index = world.add("credential.demand-stated", "bdec", "bdec/demand-1", demand)
    answer = await assess(world, pack="ecampusontario")
    evidence = {one.index for criterion in answer.criteria for one in criterion.evidence}
    assert index in evidence


async def test_an_ended_or_denying_rule_recognises_nothing(world: World) -> None:
    world.end("bcit/r1", "2026-01-31")
    world.deny("queens/no", REVIT)
    after = await assess(world, jurisdictions=["CA-BC", "CA-ON"], asked_on="2026-03-01")
    members = {one.member for place in after.jurisdictions for one in place.recognised_by}
    assert members == {"bdec", "harbour-design"}
    before = await assess(world, jurisdictions=["CA-BC"], asked_on="2026-01-31")
    assert "bcit" in {one.member for one in before.jurisdictions[0].recognised_by}


def test_a_folder_of_packs_is_read_strictly(tmp_path: Any) -> None:
    for name, text in (
        ("broken.yaml", "policy: [unclosed"),
        ("unknown.yaml", "policy: x\nextra: 1\n"),
        ("other.yaml", (default_folder() / "unesco.yaml").read_text(encoding="utf-8")),
    ):
        folder = tmp_path / name.removesuffix(".yaml")
        folder.mkdir()
        (folder / name).write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError):
            load_packs(folder)
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in ("a.yaml", "b.yaml"):
        text = (default_folder() / "portability-national.yaml").read_text(encoding="utf-8")
        (twice / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="version of the policy"):
        load_packs(twice)
