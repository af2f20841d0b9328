"""Published frameworks: what leads to an occupation or a term, and which levels stand beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.unit.query.world import World

from passerelle.api.common.v1 import common_pb2
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.frameworks import Frameworks

SAMPLES = Path(__file__).resolve().parents[3] / "samples" / "frameworks"
NOC = "operator/noc-2021"


def framework(world: World, subject: str, **more: Any) -> int:
    data = {
        "framework": subject,
        "version": 1,
        "title": "A framework",
        "language": "en",
        "kind": "occupation",
        "owner": "Test",
        "recognised": True,
        **more,
    }
    return world.add("reference.framework-published", subject.partition("/")[0], subject, data)


def tag(name: str, code: str, strength: str | None = None) -> dict[str, str]:
    row = {"kind": "competency", "framework": name, "code": code}
    return row if strength is None else {**row, "strength": strength}


@pytest.fixture
def world() -> World:
    made = World()
    terms = [
        {"code": "2221", "title": "Technicians"},
        {"code": "22212", "title": "Drafting", "broader": "2221"},
    ]
    framework(made, NOC, terms=terms)
    made.course("humber/revit", "Revit", kind="micro-credential", occupations=["22212"])
    made.course("bcit/bim", "BIM", alignments=[tag("noc-2021", "22212", "close")])
    made.course("nscc/bim", "BIM", alignments=[tag(NOC, "22212", "exact")])
    made.course("queens/first", "First", laddering={"design": "designed", "into": ["humber/revit"]})
    made.course("queens/other", "Other", occupations=["22210"])
    return made


async def ask(world: World, code: str = "22212", name: str = "noc-2021", **more: Any) -> pb.LeadsToResponse:
    return await Frameworks(world.index).leads_to(pb.LeadsToRequest(framework=name, code=code, **more), 0.05)


def found(answer: pb.LeadsToResponse) -> list[tuple[str, str, str]]:
    return [(one.achievement, one.grounds[0].how, one.grounds[0].strength) for one in answer.leads]


async def test_nearest_first_by_every_ground(world: World) -> None:
    answer = await ask(world)
    assert found(answer) == [
        ("nscc/bim", "alignment", "exact"),
        ("bcit/bim", "alignment", "close"),
        ("humber/revit", "occupation", ""),
        ("queens/first", "ladders", ""),
    ]
    assert answer.title == "Drafting"
    assert answer.leads[3].grounds[0].through == "humber/revit"
    assert answer.leads[0].grounds[0].evidence.member == "nscc"
    # The operator's record and the bare name are one framework.
    assert found(await ask(world, name=NOC)) == found(answer)


async def test_a_broader_term_takes_in_its_narrower_ones(world: World) -> None:
    answer = await ask(world, code="2221")
    assert [one.achievement for one in answer.leads] == ["nscc/bim", "bcit/bim", "humber/revit", "queens/first"]
    assert {ground.code for one in answer.leads[:3] for ground in one.grounds} == {"22212"}


async def test_place_retirement_and_earlier_states(world: World) -> None:
    assert [one[0] for one in found(await ask(world, jurisdiction="CA-NS"))] == ["nscc/bim"]
    before = world.size
    world.add("credential.achievement-retired", "nscc", "nscc/bim", {"effective_on": "2026-01-01"})
    assert "nscc/bim" not in {one[0] for one in found(await ask(world))}
    assert "nscc/bim" in {one[0] for one in found(await ask(world, known_at=common_pb2.KnownAt(size=before)))}
    assert found(await ask(world, known_at=common_pb2.KnownAt(size=1))) == []


async def test_who_takes_it_as_sufficient_and_where_there_is_demand(world: World) -> None:
    endorsement = {
        "version": 1,
        "kinds": ["sufficient-for-employment"],
        "capacity": "employer",
        "jurisdictions": ["CA-BC"],
    }
    world.add("credential.achievement-endorsed", "harbour-design", "humber/revit", endorsement)
    stated = {"occupation": "22212", "region": "CA-BC", "size": 120, "source": "Survey", "stated_on": "2026-01-01"}
    world.add("credential.demand-stated", "bdec", "bdec/d1", stated)
    lapsed = {**stated, "stated_on": "2025-01-01", "valid_until": "2025-12-31"}
    world.add("credential.demand-stated", "bdec", "bdec/d2", lapsed)
    answer = await ask(world)
    revit = next(one for one in answer.leads if one.achievement == "humber/revit")
    assert list(revit.sufficient_for) == ["harbour-design"]
    assert [(one.region, one.size, one.evidence.subject) for one in answer.demand] == [("CA-BC", 120, "bdec/d1")]


async def test_pages_are_of_one_state(world: World) -> None:
    first = await ask(world, page_size=3)
    world.course("bcit/new", "New", alignments=[tag("noc-2021", "22212", "exact")])
    second = await ask(world, page_size=3, page_token=first.next_page_token)
    assert [one.achievement for one in (*first.leads, *second.leads)] == [
        "nscc/bim",
        "bcit/bim",
        "humber/revit",
        "queens/first",
    ]
    assert second.next_page_token == ""
    for wrong in ("x", first.next_page_token + "A"):
        with pytest.raises(PasserelleError) as caught:
            await ask(world, page_size=3, page_token=wrong)
        assert caught.value.code == "page-token-invalid"


@pytest.mark.parametrize(("name", "code"), [("", "1"), ("noc-2021", ""), ("x" * 81, "1"), ("noc-2021", "1" * 81)])
async def test_a_question_without_its_terms_is_refused(world: World, name: str, code: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await ask(world, code=code, name=name)
    assert caught.value.code in {"argument-missing", "argument-invalid"}


async def levels(world: World, name: str, level: str) -> pb.CompareLevelResponse:
    return await Frameworks(world.index).compare_level(pb.CompareLevelRequest(framework=name, level=level), 0.05)


async def test_levels_stand_beside_each_other_only_as_published() -> None:
    world = World()
    for path in sorted(SAMPLES.glob("*.json")):
        value = orjson.loads(path.read_bytes())
        world.add("reference.framework-published", "operator", value["framework"], value)
    seven = await levels(world, "nzqcf", "7")
    assert {(one.framework, one.level) for one in seven.levels} == {("eqf", "6"), ("aqf", "7")}
    assert all(one.source and one.confidence in {"official", "published", "indicative"} for one in seven.levels)
    back = await levels(world, "operator/eqf", "6")
    assert {(one.framework, one.level) for one in back.levels} == {("operator/nzqcf", "7")}
    # Nothing is inferred through a third framework, and nobody has published Ontario's.
    assert not any(one.framework.endswith("aqf") for one in back.levels)
    ontario = await levels(world, "ontario", "bachelor-honours")
    assert not ontario.levels
    assert [one.code for one in ontario.reasons] == ["level-reference-unknown"]
