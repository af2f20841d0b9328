"""The samples, judged: the answers about portability that the demonstration expects, from the samples alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

import pytest
from tests.unit.demo.test_samples import EVENTS, MEMBERS, SAMPLES
from tests.unit.query.world import World

from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.cli.policy import as_json_values
from passerelle.demo import project
from passerelle.demo.answers import ASK
from passerelle.demo.compare import differences
from passerelle.demo.loading import FRAMEWORK, POLICY
from passerelle.demo.plan import OPERATOR, load_expected, policies_folder
from passerelle.query.frameworks import Frameworks
from passerelle.query.index import Index
from passerelle.query.packs import default_folder, load_packs, read_yaml
from passerelle.query.portability import Portability

PACKS = load_packs(default_folder())
ORDER = (
    "framework-published", "organisation-listed", "achievement-published", "achievement-endorsed", "demand-stated",
    "granted", "denied",
)  # fmt: skip


class Direct:
    """The demonstration's questions, asked without a network."""

    def __init__(self, index: Index) -> None:
        self._portability = Portability(index, PACKS)
        self._frameworks = Frameworks(index)

    async def portability(self, achievement: str, **more: Any) -> pb.AssessResponse:
        return await assess(self._portability, achievement, **more)

    async def leads_to(self, framework: str, code: str) -> pb.LeadsToResponse:
        return await self._frameworks.leads_to(pb.LeadsToRequest(framework=framework, code=code), 0.05)


@pytest.fixture(scope="module")
def portability() -> Portability:
    return Portability(samples_world().index, PACKS)


def samples_world() -> World:
    """Everything public of the samples in one log, things before what names them."""
    members = {
        one.id: (
            one.admission["kind"],
            next(iter(one.admission["names"].values())),
            one.admission["jurisdictions"],
            one.admission["roles"],
        )
        for one in MEMBERS
    }
    world = World(members)
    events = [(member, event) for member, event in EVENTS if event.type.event in ORDER]
    events.sort(key=lambda row: ORDER.index(row[1].type.event))
    for member, event in events:
        world.add(event.type.name, member, event.subject, event.data, settle=False)
    world.settle()
    return world


def publish_as_the_demonstration_does(world: World) -> None:
    """The framework of occupations and the province's pack, as the operator's."""
    framework = json.loads((SAMPLES / "frameworks" / f"{FRAMEWORK}.json").read_text("utf-8"))
    world.add("reference.framework-published", OPERATOR, framework["framework"], framework)
    pack = as_json_values(read_yaml(policies_folder() / f"{POLICY}.yaml"))
    world.add("reference.policy-published", OPERATOR, f"{OPERATOR}/{POLICY}", pack)


async def assess(portability: Portability, achievement: str, **more: Any) -> pb.AssessResponse:
    return await portability.assess(pb.AssessRequest(achievement=achievement, **more), 0.05)


async def test_the_revit_of_humber_is_portable_to_vancouver_and_halifax(portability: Portability) -> None:
    expected = load_expected(SAMPLES, "S1")
    question, answer = expected["question"], expected["answer"]
    found = await assess(
        portability,
        question["achievement"],
        jurisdictions=question["jurisdictions"],
        asked_on=question["asked_on"],
    )
    assert project.portability(found.verdict) == answer["verdict"]
    assert {one.id: project.finding(one.finding) for one in found.criteria} == answer["criteria"]
    told = {
        one.id: sorted([proof.member, proof.type.split(".")[3], proof.subject] for proof in one.evidence)
        for one in found.criteria
    }
    assert told == {name: sorted(rows) for name, rows in answer["evidence"].items()}
    for place in found.jurisdictions:
        recognised = sorted([one.member, one.ground, one.subject] for one in place.recognised_by)
        assert recognised == sorted(answer["jurisdictions"][place.jurisdiction]["recognised_by"])
        assert not place.missing
    assert (found.pack, found.pack_version) == (answer["pack"], answer["pack_version"])


async def answered(world: World) -> list[str]:
    """How the answer to S1 differs from the expected one."""
    expected = load_expected(SAMPLES, "S1")
    ask: Any = Direct(world.index)
    given = await ASK["portability"](ask, cast(Any, None), expected["question"])
    return differences(expected, {"question": expected["question"], "answer": given.answer, "reasons": given.reasons})


async def test_the_whole_answer_rests_on_what_the_operator_published() -> None:
    world = samples_world()
    before = [text.partition(":")[0] for text in await answered(world)]
    assert before == ["answer.occupation.title", "answer.policy.origin", "answer.policy.published_by"]
    publish_as_the_demonstration_does(world)
    assert await answered(world) == []


async def test_the_pilots_by_the_six_elements(portability: Portability) -> None:
    expected = load_expected(SAMPLES, "S7")
    published = [event for _, event in EVENTS if event.type.event == "achievement-published"]
    pilots = sorted({event.subject for event in published if "/pilot-" in event.subject})
    elements: Counter[str] = Counter()
    reasons: set[tuple[str, str]] = set()
    for pilot in pilots:
        found = await assess(portability, pilot, pack="ecampusontario", asked_on=expected["question"]["asked_on"])
        findings = {project.finding(one.finding) for one in found.criteria if one.force == "must"}
        elements["not-met" if "not-met" in findings else "unknown" if "unknown" in findings else "met"] += 1
        reasons |= {(why.code, why.parameters["field"]) for why in found.missing}
    six = {name: count for name, count in expected["answer"]["six_elements"].items() if name in elements}
    assert elements == six
    assert reasons == {(why["code"], why["field"]) for why in expected["reasons"]}


async def test_a_red_seal_certificate_is_portable_by_law_and_its_weak_point_is_shown(portability: Portability) -> None:
    """Criterion c is met by a validated common examination, though competence is not assessed directly."""
    found = await assess(portability, "nsaa/certificate-of-qualification-carpenter", jurisdictions=["CA-BC"])
    assert project.portability(found.verdict) == "portable"
    assert [one.code for one in found.grounds_in_law] == ["law-red-seal"]
    findings = {one.id: project.finding(one.finding) for one in found.clauses}
    assert {name: findings[name] for name in ("framework.recognised", "assessment.appeal", "assessment.direct")} == {
        "framework.recognised": "unknown",
        "assessment.appeal": "met",
        "assessment.direct": "not-met",
    }
    assert {one.id: project.finding(one.finding) for one in found.criteria}["assessment"] == "met"
    first = found.jurisdictions[0].recognised_by[0]
    assert (first.member, first.ground) == ("nsaa", "law")
