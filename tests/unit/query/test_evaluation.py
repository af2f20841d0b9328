"""Whole transcripts: lines, receivers, fixes, scales, totals."""

from typing import Any

import pytest
from tests.unit.query.world import World, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.evaluation import Evaluation
from passerelle.query.messages import credits_of


@pytest.fixture
def world() -> World:
    made = World()
    for course in ("humber/a", "humber/b", "bcit/x", "bcit/y", "nscc/z"):
        made.course(course, credits=[credit("3")])
    return made


async def evaluate(world: World, lines: list[dict[str, Any]], **more: Any) -> list[pb.EvaluateResponse]:
    request = pb.EvaluateRequest(lines=[pb.TranscriptLine(**line) for line in lines], **more)
    return [response async for response in Evaluation(world.index).evaluate(request, 0.05)]


def line(achievement: str, completed_on: str = "2025-05-01", **more: Any) -> dict[str, Any]:
    return {"achievement": achievement, "completed_on": completed_on, **more}


async def test_every_receiver_with_a_rule_answers_for_a_line(world: World) -> None:
    world.rule("bcit/r1", "humber/a", "bcit/x")
    world.rule("nscc/r1", "humber/a", "nscc/z")
    *answers, last = await evaluate(world, [line("humber/a", reference="r")])
    assert {(one.receiver, one.match, one.rule.id, one.reference, one.line) for one in answers} == {
        ("bcit", pb.MATCH_MATCH, "bcit/r1", "r", 1),
        ("nscc", pb.MATCH_MATCH, "nscc/r1", "r", 1),
    }
    # The credits of different receivers are no sum of anything.
    assert (last.summary.matched, list(last.summary.credits)) == (1, [])


async def test_a_maybe_names_the_smallest_fix(world: World) -> None:
    world.rule("bcit/r1", {"all_of": [{"achievement": "humber/a"}, {"achievement": "humber/b"}]}, "bcit/x")
    first, last = await evaluate(world, [line("humber/a")], receiver="bcit")
    assert (first.match, list(first.smallest_fix)) == (pb.MATCH_MAYBE, ["humber/b"])
    assert (last.summary.matched, last.summary.maybe) == (0, 1)
    *both, total = await evaluate(world, [line("humber/a"), line("humber/b")], receiver="bcit")
    assert [one.match for one in both] == [pb.MATCH_MATCH, pb.MATCH_MATCH]
    # One rule gives its credit once, however many lines it takes.
    assert [(amount.value, amount.system) for amount in total.summary.credits] == [("3", "credit-hours")]


async def test_a_published_scale_compares_its_grades_from_its_position_on(world: World) -> None:
    minimum = {"scheme": "humber/scale", "grade": "B"}
    world.rule("bcit/r1", {"achievement": "humber/a", "minimum_grade": minimum}, "bcit/x")
    graded = [line("humber/a", grade=common_pb2.Grade(scheme="humber/scale", grade="A"))]
    before = world.size
    steps = [{"grade": grade, "rank": rank, "passes": rank > 0} for rank, grade in enumerate(("F", "C", "B", "A"))]
    scale = {
        "scheme": "humber/scale",
        "version": 1,
        "title": "Letters",
        "language": "en",
        "valid_from": "2000-01-01",
        "steps": steps,
    }
    world.add("reference.scale-published", "humber", "humber/scale", scale)
    assert (await evaluate(world, graded))[0].match == pb.MATCH_MATCH
    [then, _] = await evaluate(world, graded, known_at=common_pb2.KnownAt(size=before))
    assert then.match == pb.MATCH_MAYBE
    assert "grade-cannot-compare" in {reason.code for reason in then.reasons}
    low = [line("humber/a", grade=common_pb2.Grade(scheme="humber/scale", grade="C"))]
    assert "grade-too-low" in {reason.code for reason in (await evaluate(world, low))[0].reasons}


async def test_a_scale_that_contradicts_itself_compares_nothing(world: World) -> None:
    minimum = {"scheme": "humber/scale", "grade": "A"}
    world.rule("bcit/r1", {"achievement": "humber/a", "minimum_grade": minimum}, "bcit/x")
    steps = [{"grade": "A", "rank": 1, "passes": False}, {"grade": "B", "rank": 0, "passes": True}]
    scale = {"scheme": "humber/scale", "version": 1, "title": "S", "language": "en", "valid_from": "2000-01-01"}
    world.add("reference.scale-published", "humber", "humber/scale", {**scale, "steps": steps})
    graded = [line("humber/a", grade=common_pb2.Grade(scheme="humber/scale", grade="A"))]
    [answer, _] = await evaluate(world, graded)
    assert "grade-cannot-compare" in {reason.code for reason in answer.reasons}


async def test_a_denial_is_a_miss_with_its_reason(world: World) -> None:
    world.deny("bcit/no", "humber/a", "hours")
    [answer, last] = await evaluate(world, [line("humber/a")], receiver="bcit")
    assert (answer.match, answer.rule.id, answer.rule.outcome.reason) == (pb.MATCH_MISS, "bcit/no", "hours")
    assert [reason.code for reason in answer.reasons] == ["no-credit-hours"]
    assert last.summary.missed == 1


async def test_version_zero_is_the_latest(world: World) -> None:
    world.rule("bcit/r1", {"achievement": "humber/a", "versions": {"first": 2}}, "bcit/x")
    data = {
        "version": 2,
        "kind": "course",
        "title": "A again",
        "language": "en",
        "awarding_bodies": ["urn:passerelle:member:humber"],
        "credit_bearing": True,
    }
    world.add("credential.achievement-revised", "humber", "humber/a", data)
    assert (await evaluate(world, [line("humber/a")]))[0].match == pb.MATCH_MATCH
    assert (await evaluate(world, [line("humber/a", version=1)]))[0].match == pb.MATCH_MISS


@pytest.mark.parametrize(
    ("bad", "code", "where"),
    [
        ({"achievement": "", "completed_on": "2025-05-01"}, "argument-missing", "lines[1].achievement"),
        ({"achievement": "humber/a"}, "argument-missing", "lines[1].completed_on"),
        (line("humber/a", "2025-13-01"), "argument-invalid", "lines[1].completed_on"),
        (line("humber/a", basis="gift"), "argument-invalid", "lines[1].basis"),
        (line("humber/a", credits=common_pb2.CreditValue(value="3", system="x")), "argument-invalid",
         "lines[1].credits.system"),
        (line("humber/a", credits=common_pb2.CreditValue(value="-3", system="units")), "argument-invalid",
         "lines[1].credits.value"),
    ],
)  # fmt: skip
async def test_a_bad_line_is_named(world: World, bad: dict[str, Any], code: str, where: str) -> None:
    with pytest.raises(PasserelleError) as caught:
        await evaluate(world, [line("humber/a"), bad])
    assert (caught.value.code, caught.value.where) == (code, where)


def test_credits_of_sums_and_choices() -> None:
    three, four = {"type": "assigned", "credits": credit("3")}, {"type": "assigned", "credits": credit("4")}
    none = {"type": "exemption", "achievement": "bcit/x"}
    assert credits_of(three) == (credit("3"),)
    assert list(credits_of({"type": "sum", "of": [three, four, none]})) == [credit("3"), credit("4")]
    assert list(credits_of({"type": "choice", "of": [three, dict(three)]})) == [credit("3")]
    assert list(credits_of({"type": "choice", "of": [three, four]})) == []
    assert list(credits_of(None)) == []
