"""Pathways, rules between places, and field masks."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tests.unit.query.world import World, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.equivalency import Equivalency
from passerelle.query.listing import Listing
from passerelle.query.pathways import Pathways

MBA = "queens/mba"


@pytest.fixture
def world() -> World:
    made = World()
    for course, hours in (("humber/a", "30"), ("humber/b", "20"), ("humber/c", "5")):
        made.course(
            course,
            f"Course {course}",
            credits=[credit("3")],
            delivery={"modes": ["in-person"], "effort_hours": hours},
            cost={"amount_cad": "100"},
        )
    made.course(MBA, "Master of Business Administration", kind="degree", credits=[credit("48")])
    for name in "ab":
        block = {"type": "block", "programme": MBA, "credits": credit("3")}
        made.rule(f"queens/{name}", f"humber/{name}", block, kind="laddering")
    return made


def held(*names: str) -> list[pb.TranscriptLine]:
    return [
        pb.TranscriptLine(achievement=name, completed_on="2025-05-01", credits=common_pb2.CreditValue(**credit("3")))
        for name in names
    ]


async def ways(world: World, target: str, *names: str, **more: Any) -> pb.PathwaysResponse:
    return await Pathways(world.index).pathways(pb.PathwaysRequest(held=held(*names), target=target, **more), 0.05)


def steps(path: pb.Pathway) -> list[tuple[str, str]]:
    return [(step.kind, step.rule.id or step.achievement) for step in path.steps]


async def test_all_that_is_held_counts_together_before_any_part_of_it(world: World) -> None:
    found = await ways(world, MBA, "humber/a", "humber/b")
    first = found.pathways[0]
    assert (steps(first), list(first.credits_lost)) == ([("rule", "queens/a"), ("rule", "queens/b")], [])
    assert [amount.value for amount in found.pathways[1].credits_lost] == ["3"]
    assert found.complete
    assert found.position.size == world.size


async def test_what_is_missing_is_earned_by_the_least_effort(world: World) -> None:
    either = {"all_of": [{"achievement": "humber/a"}, {"any_of": [{"achievement": "humber/b"}]}]}
    world.rule("queens/both", either, {"type": "admission", "programme": MBA})
    found = await ways(world, MBA, "humber/a", count=5)
    by_steps = {tuple(steps(path)): path for path in found.pathways}
    both = by_steps[("earn", "humber/b"), ("rule", "queens/both")]
    assert (both.effort_hours, both.cost_cad) == ("20", "100")
    assert steps(found.pathways[0]) == [("rule", "queens/a")]


async def test_a_part_may_be_reached_by_a_rule_in_its_turn(world: World) -> None:
    world.course("queens/entry", credits=[credit("3")])
    world.rule("queens/entry-rule", "humber/c", "queens/entry")
    world.rule("queens/last", "queens/entry", {"type": "admission", "programme": MBA})
    found = await ways(world, MBA, "humber/c", count=20)
    assert [("rule", "queens/entry-rule"), ("rule", "queens/last")] in [steps(path) for path in found.pathways]


async def test_a_stack_that_names_itself_leads_nowhere(world: World) -> None:
    world.course("humber/one", components={"achievement": "humber/two"})
    world.course("humber/two", components={"achievement": "humber/one"})
    world.rule("humber/loop", "humber/one", {"type": "exemption", "achievement": "humber/two"})
    found = await ways(world, "humber/one", count=20)
    assert all(("stack", "humber/one") in steps(path) for path in found.pathways)
    assert all(len(path.steps) == 2 for path in found.pathways)


async def test_nothing_leads_where_no_rule_does(world: World) -> None:
    assert not (await ways(world, "humber/a", "humber/b")).pathways


@pytest.mark.parametrize(
    ("request_", "code", "where"),
    [
        (pb.PathwaysRequest(target="queens/none"), "not-found", "target"),
        (pb.PathwaysRequest(), "argument-missing", "target"),
        (pb.PathwaysRequest(target=MBA, count=21), "argument-invalid", "count"),
        (pb.PathwaysRequest(target=MBA, held=held("humber/a") * 101), "too-many-items", "held"),
        (pb.PathwaysRequest(target=MBA, held=[pb.TranscriptLine(achievement="humber/a")]), "argument-missing",
         "held[0].completed_on"),
    ],
)  # fmt: skip
async def test_wrong_questions_name_the_field(
    world: World, request_: pb.PathwaysRequest, code: str, where: str
) -> None:
    with pytest.raises(PasserelleError) as caught:
        await Pathways(world.index).pathways(request_, 0.05)
    assert (caught.value.code, caught.value.where) == (code, where)


async def rules(world: World, **more: Any) -> list[str]:
    response = await Listing(world.index).list_rules(pb.ListRulesRequest(**more), 0.05)
    return [rule.id for rule in response.rules]


async def test_rules_between_members_and_between_provinces(world: World) -> None:
    world.rule("bcit/r1", "humber/a", "bcit/x")
    world.rule("nscc/r1", "bcit/x", "nscc/z", valid_to="2021-01-01")
    assert await rules(world, receiver="bcit") == ["bcit/r1"]
    assert await rules(world, sender_jurisdiction="CA-ON", receiver_jurisdiction="CA-BC") == ["bcit/r1"]
    assert await rules(world, sender="humber") == ["bcit/r1", "queens/a", "queens/b"]
    assert await rules(world, achievement="humber/a") == ["queens/a", "bcit/r1"]
    assert await rules(world, words="humber/a", receiver="queens") == ["queens/a"]
    assert await rules(world, receiver="nscc") == []
    assert await rules(world, receiver="nscc", valid_on="2020-06-01") == ["nscc/r1"]
    early = common_pb2.KnownAt(size=world.size - 2)
    assert await rules(world, receiver="bcit", known_at=early) == []


async def test_pages_of_rules_fit_together_while_the_log_grows(world: World) -> None:
    for number in range(5):
        world.rule(f"bcit/r{number}", "humber/a", "bcit/x")
    listing, request = Listing(world.index), pb.ListRulesRequest(receiver="bcit", page_size=2)
    found, token = [], ""
    while True:
        request.page_token = token
        page = await listing.list_rules(request, 0.05)
        found += [rule.id for rule in page.rules]
        world.rule(f"bcit/later{len(found)}", "humber/a", "bcit/x")
        token = page.next_page_token
        if not token:
            break
    assert found == [f"bcit/r{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("request_", "code", "where"),
    [
        (pb.ListRulesRequest(), "argument-missing", "receiver"),
        (pb.ListRulesRequest(receiver="nobody"), "not-found", "receiver"),
        (pb.ListRulesRequest(receiver="bcit", page_token="x"), "page-token-invalid", "page_token"),
    ],
)
async def test_wrong_lists_name_the_field(world: World, request_: pb.ListRulesRequest, code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await Listing(world.index).list_rules(request_, 0.05)
    assert (caught.value.code, caught.value.where) == (code, where)


async def test_a_field_mask_keeps_what_it_names_also_inside_lists(world: World) -> None:
    mask = FieldMask(paths=["answers.rule.id", "position"])
    response = await Equivalency(world.index).find(pb.FindRequest(achievement="humber/a", fields=mask), 0.05)
    (answer,) = response.answers
    assert answer == pb.Answer(rule=pb.Rule(id="queens/a"))
    assert (response.position.size, response.title) == (world.size, "")


@pytest.mark.parametrize("path", ["nothing", "answers.nothing", "title.x", "answers.receiver_names.en", ""])
async def test_a_mask_of_what_is_not_there_is_refused(world: World, path: str) -> None:
    request = pb.FindRequest(achievement="humber/a", fields=FieldMask(paths=[path]))
    with pytest.raises(PasserelleError) as caught:
        await Equivalency(world.index).find(request, 0.05)
    assert (caught.value.code, caught.value.where) == ("argument-invalid", "fields")
