"""Whole transcripts where rules compete, towards a programme, explained; and input that is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.query.world import World, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.query.evaluation import Evaluation
from passerelle.query.packs import default_folder, load_packs

BOTH = {"all_of": [{"achievement": "humber/a"}, {"achievement": "humber/b"}]}


@pytest.fixture
def world() -> World:
    made = World()
    for course in ("humber/a", "humber/b", "bcit/x", "bcit/y", "bcit/z"):
        made.course(course, credits=[credit("3")])
    made.course("bcit/programme", kind="diploma", credits=[credit("60")], components={"achievement": "bcit/y"})
    return made


def line(achievement: str, **more: Any) -> pb.TranscriptLine:
    return pb.TranscriptLine(achievement=achievement, completed_on="2025-05-01", **more)


async def ask(world: World, *lines: pb.TranscriptLine, **more: Any) -> list[pb.EvaluateResponse]:
    request = pb.EvaluateRequest(lines=lines, **more)
    return [one async for one in Evaluation(world.index).evaluate(request, 0.05)]


def assigned(course: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": "assigned", "achievement": course, "credits": credit(value), **more}


async def test_competing_rules_count_a_line_once_and_as_much_as_can_be(world: World) -> None:
    world.rule("bcit/both", BOTH, assigned("bcit/z", "5"))
    world.rule("bcit/one", "humber/a", assigned("bcit/x", "3"))
    world.rule("bcit/other", "humber/b", assigned("bcit/y", "3"))
    *answers, last = await ask(world, line("humber/a"), line("humber/b"), receiver="bcit")
    assert [(one.rule.id, one.match, one.counted) for one in answers] == [
        ("bcit/one", pb.MATCH_MATCH, True),
        ("bcit/other", pb.MATCH_MATCH, True),
    ]
    (total,) = last.summary.receivers
    assert ([amount.value for amount in last.summary.credits], total.exact) == (["6"], True)
    assert list(total.rules) == ["bcit/one", "bcit/other"]


async def test_a_rule_that_gives_way_is_a_maybe_that_names_the_others(world: World) -> None:
    world.rule("bcit/both", BOTH, assigned("bcit/z", "5"))
    world.rule("bcit/one", "humber/a", assigned("bcit/x", "3"))
    first, second, last = await ask(world, line("humber/a"), line("humber/b"), receiver="bcit")
    assert (first.rule.id, second.rule.id) == ("bcit/both", "bcit/both")
    assert [amount.value for amount in last.summary.credits] == ["5"]
    world.rule("bcit/more", "humber/b", assigned("bcit/y", "3"))
    world.end("bcit/one", "2021-01-01")
    world.rule("bcit/one-more", "humber/a", assigned("bcit/y", "3"))
    first, second, last = await ask(world, line("humber/a"), line("humber/b"), receiver="bcit")
    assert [amount.value for amount in last.summary.credits] == ["5"]
    whole = [one async for one in Evaluation(world.index).evaluate(
        pb.EvaluateRequest(lines=[line("humber/b")], receiver="bcit"), 0.05
    )]  # fmt: skip
    assert (whole[0].rule.id, whole[0].counted) == ("bcit/more", True)


async def test_credit_towards_the_programme_comes_first(world: World) -> None:
    world.rule("bcit/elective", "humber/a", assigned("bcit/x", "4"))
    world.rule("bcit/required", "humber/a", assigned("bcit/y", "3"))
    answer, last = await ask(world, line("humber/a"), receiver="bcit", towards="bcit/programme")
    (total,) = last.summary.receivers
    assert (answer.rule.id, [amount.value for amount in total.towards]) == ("bcit/required", ["3"])
    answer, _ = await ask(world, line("humber/a"), receiver="bcit")
    assert answer.rule.id == "bcit/elective"


async def test_exclusions_keep_two_rules_apart(world: World) -> None:
    world.rule("bcit/one", "humber/a", assigned("bcit/x", "3", exclusions=["bcit/y"]))
    world.rule("bcit/other", "humber/b", assigned("bcit/y", "4"))
    first, second, last = await ask(world, line("humber/a"), line("humber/b"), receiver="bcit")
    assert (first.match, second.match) == (pb.MATCH_MAYBE, pb.MATCH_MATCH)
    assert "gives-way" in {reason.code for reason in first.reasons}
    assert [amount.value for amount in last.summary.credits] == ["4"]


async def test_receivers_are_ranked_by_what_they_give(world: World) -> None:
    world.rule("bcit/one", "humber/a", assigned("bcit/x", "3"))
    world.rule("nscc/one", "humber/a", assigned("nscc/x", "7/2"))
    *_, last = await ask(world, line("humber/a"))
    assert [one.receiver for one in last.summary.receivers] == ["nscc", "bcit"]
    assert not last.summary.credits


async def test_a_level_is_that_of_the_version_taken_unless_the_line_says_another(world: World) -> None:
    world.course("humber/c", level={"framework": "cdqf", "level": "master"})
    minimum = {"framework": "cdqf", "level": "master"}
    world.rule("bcit/r", {"achievement": "humber/c", "minimum_level": minimum}, "bcit/x")
    assert (await ask(world, line("humber/c")))[0].match == pb.MATCH_MATCH
    low = common_pb2.LevelRef(framework="cdqf", level="bachelor")
    answer = (await ask(world, line("humber/c", level=low)))[0]
    assert (answer.match, answer.reasons[0].code) == (pb.MATCH_MAYBE, "level-too-low")


@pytest.mark.parametrize(("confidence", "match"), [("official", pb.MATCH_MATCH), ("indicative", pb.MATCH_MAYBE)])
async def test_levels_compare_across_frameworks_where_a_body_states_it(
    world: World, confidence: str, match: pb.Match
) -> None:
    world.course("humber/c", level={"framework": "nzqcf", "level": "7"})
    reference = {"level": "L6", "framework": "nzqcf", "to_level": "7", "source": "Sample", "confidence": confidence}
    framework = {
        "framework": "queens/levels",
        "version": 1,
        "title": "Levels (sample)",
        "language": "en",
        "kind": "qualifications",
        "owner": "Sample",
        "recognised": True,
        "references": [reference],
    }
    world.add("reference.framework-published", "queens", "queens/levels", framework)
    minimum = {"framework": "queens/levels", "level": "L6"}
    world.rule("bcit/r", {"achievement": "humber/c", "minimum_level": minimum}, "bcit/x")
    assert (await ask(world, line("humber/c")))[0].match == match
    before = common_pb2.KnownAt(size=world.size - 1)
    assert (await ask(world, line("humber/c"), known_at=before))[0].match == pb.MATCH_MISS


async def test_a_trace_names_clauses_values_and_tables(world: World) -> None:
    minimum = {"scheme": "percentage-50", "grade": "70"}
    world.rule("bcit/r", {"any_of": [{"achievement": "humber/a", "minimum_grade": minimum}]}, "bcit/x")
    grade = common_pb2.Grade(scheme="percentage-50", grade="65")
    answer, _ = await ask(world, line("humber/a", grade=grade), receiver="bcit", explain=True)
    trace = answer.trace
    assert (trace.rule, trace.version, trace.match) == ("bcit/r", 1, pb.MATCH_MAYBE)
    (leaf,) = trace.root.parts
    assert (trace.root.kind, leaf.path, leaf.met) == ("any_of", "any_of[0]", False)
    assert leaf.reasons[0].parameters["held"] == "65"
    assert list(trace.tables) == ["percentage-50 v1 (same-scheme)"]
    plain, _ = await ask(world, line("humber/a", grade=grade), receiver="bcit")
    assert not plain.HasField("trace")


@pytest.mark.parametrize(
    ("lines", "more", "code", "where"),
    [
        ([line("humber/a")], {"receiver": "nobody"}, "not-found", "receiver"),
        ([line("humber/a")] * 10_000, {}, "too-many-items", "lines"),
        ([line("humber/a")] * 65, {}, "too-many-items", "held"),
        ([line("humber/a", grade=common_pb2.Grade(scheme="letters", grade="A"))], {}, "argument-invalid",
         "lines[0].grade.scheme"),
        ([line("humber/a")], {"valid_on": "2025-02-30"}, "argument-invalid", "valid_on"),
        ([line("humber/a")], {"towards": "bcit/programme"}, "argument-invalid", "towards"),
        ([line("humber/a")], {"towards": "bcit/none", "receiver": "bcit"}, "not-found", "towards"),
    ],
)  # fmt: skip
async def test_wrong_input_names_the_field_and_the_fix(
    world: World, lines: list[pb.TranscriptLine], more: dict[str, Any], code: str, where: str
) -> None:
    with pytest.raises(PasserelleError) as caught:
        await ask(world, *lines, **more)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert caught.value.fix


async def test_never_evaluated_is_not_a_denial(world: World) -> None:
    answer, _ = await ask(world, line("humber/a"), receiver="bcit")
    assert (answer.match, [one.code for one in answer.reasons]) == (pb.MATCH_MISS, ["never-evaluated"])


async def test_caps_are_shown_and_applied(world: World) -> None:
    world.course("bcit/short", kind="certificate", credits=[credit("8")])
    world.rule("bcit/one", "humber/a", assigned("bcit/x", "4"))
    world.rule("bcit/other", "humber/b", assigned("bcit/z", "3"))
    packs = load_packs(default_folder())
    request = pb.EvaluateRequest(
        lines=[line("humber/a"), line("humber/b", basis="plar")],
        receiver="bcit",
        towards="bcit/short",
        caps="sample-caps-on",
        valid_on="2026-06-30",
    )
    *_, last = [one async for one in Evaluation(world.index, packs).evaluate(request, 0.05)]
    (total,) = last.summary.receivers
    # Seven of eight credits leave an eighth for the receiver, where the sample asks for a quarter.
    assert {one.clause: one.finding for one in total.caps} == {
        "residency": "not-met",
        "plar": "met",
        "staleness": "met",
    }
    assert ([amount.value for amount in total.within_caps], list(total.over_caps)) == (["4"], ["bcit/other"])
    assert "pack-sample" in {reason.code for reason in total.reasons}
    request.towards = ""
    with pytest.raises(PasserelleError) as caught:
        _ = [one async for one in Evaluation(world.index, packs).evaluate(request, 0.05)]
    assert caught.value.where == "caps"
