"""Packs that members publish: which version answers, at which size of the log, and what happens to a broken one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.query.world import World

from passerelle.api.common.v1 import common_pb2
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.portability import Portability

PACKS = load_packs(default_folder())
COURSE = "humber/short"
HEQCO = "operator/heqco"


def pack(version: int, rule: str = "achievement.delivery.elapsed_weeks < 12.0", **more: Any) -> dict[str, Any]:
    data = {
        "policy": "heqco",
        "version": version,
        "title": {"en": "Short", "fr": "Courte"},
        "source": "Test",
        "effective_from": "2022-01-01",
        "fields": {"achievement.delivery.elapsed_weeks": "double"},
        "clauses": [
            {"id": "short", "test": "cel", "rule": rule, "force": "must", "message": {"en": "Short.", "fr": "Courte."}}
        ],
    }
    return {**data, **more}


@pytest.fixture
def world() -> World:
    made = World()
    made.course(COURSE, "A short one", kind="micro-credential", delivery={"modes": ["hybrid"], "elapsed_weeks": "10"})
    return made


def publish(world: World, data: dict[str, Any], subject: str = HEQCO) -> int:
    return world.add("reference.policy-published", subject.partition("/")[0], subject, data)


async def ask(world: World, name: str = "heqco", **more: Any) -> pb.AssessResponse:
    request = pb.AssessRequest(achievement=COURSE, pack=name, jurisdictions=["CA-ON"], **more)
    return await Portability(world.index, PACKS).assess(request, 0.05)


def notes(answer: pb.AssessResponse) -> list[str]:
    return [one.code for one in answer.pack_used.notes]


async def test_without_a_published_pack_the_built_in_one_answers_and_says_so(world: World) -> None:
    answer = await ask(world)
    assert (answer.pack_version, answer.pack_used.origin, notes(answer)) == (1, "built-in", ["pack-built-in"])
    assert not answer.pack_used.HasField("evidence")
    assert len(answer.clauses) == 4


async def test_the_operators_pack_takes_the_place_of_the_built_in_one_from_its_entry_on(world: World) -> None:
    before = world.size
    index = publish(world, pack(1))
    second = publish(world, pack(2, "achievement.delivery.elapsed_weeks < 8.0"))
    now = await ask(world)
    then = await ask(world, known_at=common_pb2.KnownAt(size=before))
    first = await ask(world, known_at=common_pb2.KnownAt(size=second))
    assert (now.pack_version, now.pack_used.evidence.index, now.verdict) == (
        2,
        second,
        pb.PORTABILITY_VERDICT_NOT_PORTABLE,
    )
    assert (first.pack_version, first.pack_used.evidence.index) == (1, index)
    assert first.verdict == pb.PORTABILITY_VERDICT_PORTABLE
    assert then.pack_used.origin == "built-in"
    assert (now.pack_used.origin, now.pack_used.evidence.member, now.pack_used.evidence.subject) == (
        "ledger",
        "operator",
        HEQCO,
    )
    assert notes(now) == []


async def test_the_version_in_force_on_the_date_is_taken(world: World) -> None:
    publish(world, pack(1, effective_to="2025-12-31"))
    publish(world, pack(2, "achievement.delivery.elapsed_weeks < 8.0", effective_from="2026-01-01"))
    assert (await ask(world, asked_on="2025-12-31")).pack_version == 1
    assert (await ask(world, asked_on="2026-01-01")).pack_version == 2
    # Before both, the operator has none in force: the service's own copy is asked, if it is in force.
    with pytest.raises(PasserelleError, match="in force"):
        await ask(world, asked_on="2021-12-31")


@pytest.mark.parametrize(
    "broken",
    [
        {"clauses": [{"id": "short", "test": "short-programme", "force": "must", "message": {"en": "a", "fr": "b"}}]},
        {"fields": {"achievement.colour": "string"}},
        {"policy": "another"},
        {"title": {"en": "English only"}},
    ],
)
async def test_a_broken_version_is_left_out_and_the_last_good_one_stays(world: World, broken: dict[str, Any]) -> None:
    good = publish(world, pack(1))
    publish(world, pack(2, **broken))
    answer = await ask(world)
    assert (answer.pack_version, answer.pack_used.evidence.index, notes(answer)) == (1, good, ["pack-unusable"])
    (note,) = answer.pack_used.notes
    assert (note.parameters["pack"], note.parameters["index"]) == (HEQCO, str(good + 1))
    assert note.parameters["where"]


async def test_a_pack_of_another_member_goes_by_its_whole_name_only(world: World) -> None:
    index = publish(world, pack(1, "achievement.delivery.elapsed_weeks < 2.0"), "bdec/heqco")
    assert (await ask(world)).pack_used.origin == "built-in"
    own = await ask(world, "bdec/heqco")
    assert (own.pack, own.pack_used.evidence.index, own.verdict) == (
        "bdec/heqco",
        index,
        pb.PORTABILITY_VERDICT_NOT_PORTABLE,
    )
    with pytest.raises(PasserelleError) as caught:
        await ask(world, "bdec/other")
    assert caught.value.code == "policy-unknown"
    publish(world, pack(1, title={"en": "x"}, policy="broken"), "bdec/broken")
    with pytest.raises(PasserelleError, match="bdec/broken") as caught:
        await ask(world, "bdec/broken")
    assert caught.value.code == "policy-unknown"


async def test_the_list_shows_each_name_once_with_its_origin(world: World) -> None:
    publish(world, pack(1))
    publish(world, pack(1), "bdec/heqco")
    shown = await Portability(world.index, PACKS).list_packs(pb.ListPacksRequest(), 0.05)
    origins = {one.id: one.used.origin for one in shown.packs}
    assert (origins["heqco"], origins["bdec/heqco"], origins["unesco"]) == ("ledger", "ledger", "built-in")
    assert len(origins) == len(shown.packs) == len(PACKS) + 1
    caps = next(one for one in shown.packs if one.id == "sample-caps-on")
    assert (caps.sample, list(caps.jurisdictions)) == (True, ["CA-ON"])
    assert "pack-sample" in {one.code for one in caps.used.notes}


async def test_a_profile_asks_every_definition_of_achievements(world: World) -> None:
    portability = Portability(world.index, PACKS)
    shown = await portability.profile(pb.ProfileRequest(achievement=COURSE), 0.05)
    findings = {one.pack.id: one.finding for one in shown.packs}
    assert findings["ontario-student-aid"] == pb.FINDING_MET
    assert findings["nzqa"] == pb.FINDING_UNKNOWN
    assert not any(name.startswith("sample-caps") for name in findings)
    for one in shown.packs:
        assert all(clause.message.keys() == {"en", "fr"} for clause in one.clauses)
    some = await portability.profile(pb.ProfileRequest(achievement=COURSE, packs=["nzqa", "unesco", "nzqa"]), 0.05)
    assert [one.pack.id for one in some.packs] == ["nzqa", "unesco"]
    with pytest.raises(PasserelleError, match="At most"):
        await portability.profile(pb.ProfileRequest(achievement=COURSE, packs=[str(n) for n in range(65)]), 0.05)


async def test_caps_are_asked_with_the_facts_of_a_case(world: World) -> None:
    given = {"case.residency_share": 0.2, "case.plar_share": 0.1, "case.years_since_completion": 3.0}
    answer = await ask(world, "sample-caps-on", given=given)
    assert {one.id: one.finding for one in answer.clauses} == {
        "residency": pb.FINDING_NOT_MET,
        "plar": pb.FINDING_MET,
        "staleness": pb.FINDING_MET,
    }
    assert notes(answer) == ["pack-built-in", "pack-sample"]
    for wrong in ({"case.luck": 1.0}, {"case.plar_share": float("nan")}):
        with pytest.raises(PasserelleError) as caught:
            await ask(world, "sample-caps-on", given=wrong)
        assert (caught.value.code, caught.value.where) == ("argument-invalid", "given")


async def test_by_the_lisbon_principle_only_a_stated_difference_stands_in_the_way(world: World) -> None:
    free = await ask(world, "lisbon")
    assert free.verdict == pb.PORTABILITY_VERDICT_PORTABLE
    world.deny("queens/no", COURSE, "duplicate")
    assert (await ask(world, "lisbon")).verdict == pb.PORTABILITY_VERDICT_PORTABLE
    world.deny("bcit/no", COURSE, "level")
    refused = await Portability(world.index, PACKS).assess(
        pb.AssessRequest(achievement=COURSE, pack="lisbon", jurisdictions=["CA-BC", "CA-ON"]), 0.05
    )
    assert refused.verdict == pb.PORTABILITY_VERDICT_NOT_PORTABLE
    assert [one.verdict for one in refused.jurisdictions] == [
        pb.PORTABILITY_VERDICT_NOT_PORTABLE,
        pb.PORTABILITY_VERDICT_PORTABLE,
    ]
    (criterion,) = refused.criteria
    assert [(one.member, one.subject) for one in criterion.evidence] == [("bcit", "bcit/no")]
    assert [one.code for one in criterion.reasons] == ["difference-stated"]
    world.end("bcit/no", "2026-01-01")
    assert (await ask(world, "lisbon", asked_on="2026-06-01")).verdict == pb.PORTABILITY_VERDICT_PORTABLE


async def test_each_clause_explains_its_parts(world: World) -> None:
    answer = await ask(world)
    short = next(one for one in answer.clauses if one.id == "short")
    assert (short.explained.text, short.finding, len(short.explained.parts)) == ("||", pb.FINDING_MET, 3)
    weeks = short.explained.parts[0]
    assert [(one.name, one.value, one.absent) for one in weeks.fields] == [
        ("achievement.delivery.elapsed_weeks", "10", False)
    ]
    assert short.explained.parts[1].fields[0].absent
    (place,) = answer.jurisdictions
    assert "not-stated" in {one.code for one in place.missing}
