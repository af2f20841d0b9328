"""Search, one achievement, and the reverse look-up."""

from typing import Any

import pytest
from tests.unit.query.world import World, achievement_data, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.equivalency import Equivalency
from passerelle.query.searching import AT_ONCE
from passerelle.query.words import fold, split


@pytest.fixture
def world() -> World:
    made = World()
    made.course(
        "humber/revit",
        "Revit Architecture",
        kind="micro-credential",
        code="REV-100",
        translations={"fr": "Architecture avec Revit : modélisation"},
        description="Model a building.",
        outcomes=["Coordinate drawings with structural engineers"],
        alignments=[{"kind": "skill", "framework": "esco", "code": "S1", "name": "use CADD software"}],
        occupations=["22212"],
        delivery={"modes": ["online-asynchronous"], "effort_hours": "45"},
        cost={"amount_cad": "450.50"},
        credits=[credit("3/2")],
    )
    made.course("bcit/arch-1", "Architectural drawing", delivery={"modes": ["in-person"]})
    made.course("queens/stats", "Statistics and data")
    return made


async def search(world: World, **more: Any) -> pb.SearchResponse:
    return await Equivalency(world.index).search(pb.SearchRequest(**more), 0.05)


def ids(response: pb.SearchResponse) -> list[str]:
    return [one.id for one in response.achievements]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"words": "revit"}, ["humber/revit"]),
        ({"words": "MODELISATION"}, ["humber/revit"]),
        ({"words": "REV-100"}, ["humber/revit"]),
        ({"words": "structural cadd"}, ["humber/revit"]),
        ({"words": "architect"}, ["bcit/arch-1", "humber/revit"]),
        ({"words": "revit statistics"}, []),
        ({"words": "ar"}, []),
        ({"words": "humber/revit"}, ["humber/revit"]),
        ({}, ["bcit/arch-1", "humber/revit", "queens/stats"]),
        ({"kind": "micro-credential"}, ["humber/revit"]),
        ({"member": "bcit"}, ["bcit/arch-1"]),
        ({"jurisdiction": "CA-ON"}, ["humber/revit", "queens/stats"]),
        ({"delivery_mode": "in-person"}, ["bcit/arch-1"]),
        ({"framework": "esco"}, ["humber/revit"]),
        ({"occupation": "22212", "words": "revit"}, ["humber/revit"]),
        ({"occupation": "22212", "words": "statistics"}, []),
    ],
)
async def test_words_and_facets(world: World, asked: dict[str, str], expected: list[str]) -> None:
    response = await search(world, **asked)
    assert ids(response) == expected
    assert response.total == len(expected)


async def test_a_word_of_the_title_weighs_more(world: World) -> None:
    world.course("nscc/intro", "Introduction", description="A first look at Revit")
    assert ids(await search(world, words="revit")) == ["humber/revit", "nscc/intro"]


async def test_search_sees_the_version_known_at_the_position(world: World) -> None:
    before = world.size
    data = achievement_data("queens", "Applied probability", version=2)
    world.add("credential.achievement-revised", "queens", "queens/stats", data)
    assert ids(await search(world, words="statistics")) == []
    assert ids(await search(world, words="probability")) == ["queens/stats"]
    early = common_pb2.KnownAt(size=before)
    assert ids(await search(world, words="statistics", known_at=early)) == ["queens/stats"]
    assert ids(await search(world, words="probability", known_at=early)) == []


async def test_pages_of_a_search_hold_every_achievement_once(world: World) -> None:
    for number in range(7):
        world.course(f"nscc/c{number}", f"Carpentry {number}")
    seen: list[str] = []
    token = ""
    while True:
        response = await search(world, words="carpentry", page_size=3, page_token=token)
        assert response.total == 7
        seen += ids(response)
        token = response.next_page_token
        if not token:
            break
        world.course(f"nscc/b{len(seen)}", "Carpentry before")
    assert seen == [f"nscc/c{number}" for number in range(7)]


@pytest.mark.parametrize("words", ["a b c d e f g h i", "!!!"])
async def test_words_that_cannot_be_searched_are_told(world: World, words: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await search(world, words=words)
    assert (caught.value.code, caught.value.where) == ("argument-invalid", "words")


async def test_one_achievement_tells_all_that_was_published(world: World) -> None:
    world.add(
        "credential.achievement-endorsed",
        "bdec",
        "humber/revit",
        {"version": 1, "kinds": ["demand-confirmed"], "capacity": "body-for-employers", "jurisdictions": ["CA"]},
    )
    demand = {"achievement": "humber/revit", "region": "CA-BC", "size": 50, "source": "S", "stated_on": "2026-01-01"}
    world.add("credential.demand-stated", "bdec", "bdec/d1", demand)
    retired_at = world.size
    world.add("credential.achievement-retired", "humber", "humber/revit", {"effective_on": "2026-12-31"})
    ask = Equivalency(world.index).get_achievement
    response = await ask(pb.GetAchievementRequest(achievement="humber/revit"), 0.05)
    one = response.achievement
    assert (one.title, one.code, one.owner, one.retired) == ("Revit Architecture", "REV-100", "humber", True)
    assert (one.effort_hours, one.cost_cad, list(one.delivery_modes)) == ("45", "450.50", ["online-asynchronous"])
    assert [(amount.value, amount.system) for amount in one.credits] == [("3/2", "credit-hours")]
    assert '"occupations":["22212"]' in one.data_json
    [mark] = response.endorsements
    assert (mark.member, mark.capacity, list(mark.jurisdictions)) == ("bdec", "body-for-employers", ["CA"])
    assert [one.subject for one in response.evidence] == ["humber/revit", "humber/revit", "bdec/d1", "humber/revit"]
    assert [one.index for one in response.evidence] == sorted(one.index for one in response.evidence)
    early = pb.GetAchievementRequest(achievement="humber/revit", known_at=common_pb2.KnownAt(size=retired_at))
    assert not (await ask(early, 0.05)).achievement.retired


async def test_reverse_finds_what_counts_for_a_course(world: World) -> None:
    world.rule("bcit/r1", "humber/revit", "bcit/arch-1")
    choice = {
        "type": "choice",
        "of": [
            {"type": "assigned", "achievement": "bcit/arch-1", "credits": credit("3")},
            {"type": "exemption", "achievement": "bcit/arch-1"},
        ],
    }
    world.rule("bcit/r2", "queens/stats", choice)
    world.deny("bcit/r3", "queens/stats")

    async def ask(**more: Any) -> list[str]:
        request = pb.ReverseRequest(achievement="bcit/arch-1", **more)
        return [answer.rule.id for answer in (await Equivalency(world.index).reverse(request, 0.05)).answers]

    assert await ask() == ["bcit/r1", "bcit/r2"]
    assert await ask(sender="queens") == ["bcit/r2"]
    assert await ask(page_size=1) == ["bcit/r1"]
    assert await ask(valid_on="2019-12-31") == []


async def test_a_revised_rule_leaves_the_courses_that_it_no_longer_names(world: World) -> None:
    world.rule("bcit/r1", "humber/revit", "bcit/arch-1")
    before = world.size
    world.revise("bcit/r1", "queens/stats", "bcit/arch-1", 2)
    find = Equivalency(world.index).find
    now = await find(pb.FindRequest(achievement="humber/revit"), 0.05)
    assert [answer.verdict for answer in now.answers] == [pb.VERDICT_NEVER_EVALUATED]
    then = await find(pb.FindRequest(achievement="humber/revit", known_at=common_pb2.KnownAt(size=before)), 0.05)
    assert [answer.rule.id for answer in then.answers] == ["bcit/r1"]
    other = await find(pb.FindRequest(achievement="queens/stats"), 0.05)
    assert [(answer.rule.id, answer.rule.version) for answer in other.answers] == [("bcit/r1", 2)]
    reverse = await Equivalency(world.index).reverse(pb.ReverseRequest(achievement="bcit/arch-1"), 0.05)
    assert [answer.rule.version for answer in reverse.answers] == [2]


def test_words_are_folded() -> None:
    assert fold("Électricité ŒUVRE") == "electricite œuvre"
    assert split("APSC-100 / l'été_1") == ["apsc", "100", "l", "ete", "1"]


async def test_a_large_catalogue_is_searched_beside_the_loop(world: World) -> None:
    for number in range(AT_ONCE + 1):
        world.course(f"nscc/m{number:04}", f"Masonry {number}")
    response = await search(world, words="masonry", page_size=5)
    assert (response.total, ids(response)) == (AT_ONCE + 1, [f"nscc/m{number:04}" for number in range(5)])
    assert ids(await search(world, words="masonry 77", kind="course")) == ["nscc/m0077"]
