"""Answers put together of bytes: always the message that the long way gives, whatever the rules are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.query.world import DAY_MS, NETWORK, OPERATOR, ROOT, World, achievement_data, credit

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.core.registry import Registry
from passerelle.query import plain as plain_module
from passerelle.query import snapshot
from passerelle.query.equivalency import Equivalency
from passerelle.query.index import Index
from passerelle.query.plain import PlainFind
from passerelle.query.rpc.quick import QuickFind

CONTEXT: Any = None
COURSES = ("humber/a", "humber/b", "humber/c")
TARGETS = ("bcit/x", "bcit/y", "nscc/x", "nscc/unknown")
RECEIVERS = ("bcit", "nscc")
DAYS = ("2019-12-31", "2020-01-01", "2022-06-30", "2024-12-15")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)
WORDS = st.sampled_from(["", "100%", "~mark-0~", "Crédits « à la carte »", 'a "b" \\ c\n', "x" * 130, "0001-01-01"])


def a_world() -> World:
    world = World()
    for course in (*COURSES, *TARGETS[:3]):
        world.course(course, f"Titre de {course}")
    return world


async def long_way(index: Index, request: pb.FindRequest) -> pb.FindResponse:
    return await Equivalency(index).find(request, 0.05)


async def same(world: World, plain: PlainFind, **asked: Any) -> bool:
    """Whether the question was a plain one; where it was, the answer must be the long way's."""
    request = pb.FindRequest(**asked)
    answer = plain.answer(request)
    if answer is None:
        return False
    expected = await long_way(world.index, request)
    expected.ClearField("position")
    assert pb.FindResponse.FromString(answer) == expected
    return True


def leaves() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"achievement": st.sampled_from(COURSES)},
        optional={
            "versions": st.sampled_from([{"first": 2}, {"first": 1, "last": 3}]),
            "minimum_grade": st.sampled_from(
                [{"scheme": "pct", "grade": "60 %"}, {"scheme": "lettres", "grade": "B+"}]
            ),
            "minimum_level": st.just({"framework": "cdqf", "level": "5"}),
            "within_years": st.integers(1, 10),
            "basis": st.sampled_from([["plar", "completed"], ["transfer"]]),
        },
    )


def gates(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        several.map(lambda of: {"all_of": of}),
        several.map(lambda of: {"any_of": of}),
        several.map(lambda of: {"n_of": {"n": 1, "of": of}}),
        several.map(lambda of: {"credits_from": {"credits": credit("6/2"), "of": of}}),
    )


def outcomes() -> st.SearchStrategy[dict[str, Any]]:
    single = st.one_of(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["assigned", "exemption"]), "achievement": st.sampled_from(TARGETS)},
            optional={
                "credits": st.sampled_from([credit("3"), credit("7/3", "cegep-units")]),
                "attributes": st.sampled_from([["writing"], ["breadth", "quantitative"]]),
                "applicability": st.sampled_from(["major", "elective"]),
                "exclusions": st.lists(st.sampled_from(TARGETS), min_size=1, max_size=2),
                "conditions": st.just([{"use": "credit", "minimum_grade": {"scheme": "pct", "grade": "70"}}]),
            },
        ),
        st.fixed_dictionaries({"type": st.just("unassigned"), "subject": st.sampled_from(["MATH", "Études"])}),
        st.fixed_dictionaries(
            {"type": st.just("block"), "programme": st.sampled_from(TARGETS), "entry_year": st.integers(2, 4)}
        ),
    )
    return st.one_of(
        single,
        st.lists(single, min_size=2, max_size=3).map(lambda of: {"type": "choice", "of": of}),
        st.lists(single, min_size=2, max_size=3).map(lambda of: {"type": "sum", "of": of}),
    )


def rules() -> st.SearchStrategy[dict[str, Any]]:
    """Data of rules and denials, without the receiver."""
    dates = {"valid_from": st.sampled_from(["2019-09-01", "2020-01-01", "2023-01-01"])}
    more = {
        "valid_to": st.sampled_from(["2022-06-30", "2029-12-31"]),
        "note": st.one_of(WORDS, TEXTS),
        "jurisdictions": st.just(["CA-NS", "CA-BC"]),
    }
    sending = st.recursive(leaves(), gates, max_leaves=4)
    granted = st.fixed_dictionaries(
        {
            "version": st.integers(1, 300),
            "kind": st.sampled_from(["equivalency", "laddering"]),
            "sending": sending,
            "outcome": outcomes(),
            **dates,
        },
        optional=more | {"source": st.one_of(WORDS, TEXTS)},
    )
    denied = st.fixed_dictionaries(
        {"sending": sending, "reason": st.sampled_from(["content", "other", "upper-year"]), **dates}, optional=more
    )
    return st.one_of(granted, denied)


def put(world: World, subject: str, data: Mapping[str, Any]) -> None:
    """A rule straight into the index: bounds on texts are the business of events' models."""
    index = world.index
    index.rules.put(subject, world.size, {"receiver": subject.partition("/")[0], **data})
    index.changes += 1
    index.applied = world.size + 1
    world.skip()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(RECEIVERS), st.integers(0, 3), rules()), min_size=1, max_size=7))
async def test_every_kind_of_rule_is_told_as_the_long_way_tells_it(
    made: list[tuple[str, int, dict[str, Any]]],
) -> None:
    world = a_world()
    plain = PlainFind(world.index)
    # Numbers that come again are later states of one rule.
    for receiver, number, data in made:
        put(world, f"{receiver}/r{number}", data)
    for course in COURSES:
        for receiver in ("", *RECEIVERS):
            await same(world, plain, achievement=course, receiver=receiver, valid_on=DAYS[2])


BASE: dict[str, Any] = {
    "kind": "equivalency",
    "receiver": "bcit",
    "sending": {"achievement": COURSES[0]},
    "outcome": {"type": "assigned", "achievement": "bcit/x", "credits": credit("3")},
    "valid_from": "2020-01-01",
}
STEPS: dict[str, Callable[[World, int], object]] = {
    "rule": lambda world, n: world.rule(f"bcit/r{n}", COURSES[n % 2], "bcit/x", valid_to=f"{2021 + n % 5}-06-30"),
    "cluster": lambda world, n: world.rule(f"nscc/r{n}", {"all_of": [{"achievement": c} for c in COURSES]}, "nscc/x"),
    "replace": lambda world, n: world.rule(
        f"bcit/r{n}", COURSES[0], "bcit/y", supersedes={"recognition": "bcit/r0", "mode": "replaces-all"}
    ),
    "replace-from": lambda world, n: world.rule(
        f"bcit/r{n}",
        COURSES[0],
        "bcit/y",
        supersedes={"recognition": "bcit/r0", "mode": "replaces-from", "from_date": f"20{20 + n % 6}-01-01"},
    ),
    "revise": lambda world, n: world.revise("bcit/r0", COURSES[n % 2], "bcit/y", n + 2, note=f"Édition {n}"),
    "deny": lambda world, n: world.deny(f"nscc/r{n}", COURSES[n % 2], "other", note="Voir le plan de cours"),
    "end": lambda world, n: world.end("bcit/r0", f"20{20 + n % 6}-06-30"),
    "title": lambda world, n: world.add(
        "credential.achievement-revised", "bcit", "bcit/x", achievement_data("bcit", f"X {n}", version=2 + n)
    ),
    "ask": lambda world, n: world.add(
        "recognition.requested", "queens", f"queens/ask{n}", {"achievement": COURSES[1], "receiver": "queens"}
    ),
    "not-committed": lambda world, n: world.add(
        "recognition.revised", "bcit", "bcit/r0", {**BASE, "version": 90 + n}, settle=False
    ),
    "idle": lambda world, n: world.idle(DAY_MS),
}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=9))
async def test_whatever_happens_to_rules_the_answers_are_the_long_way_s(steps: list[str]) -> None:
    world = a_world()
    plain = PlainFind(world.index)
    for number, name in enumerate(["rule", *steps]):
        STEPS[name](world, number)
        for course in COURSES[:2]:
            for receiver in ("", *RECEIVERS, "queens"):
                for day in ("", *DAYS):
                    await same(world, plain, achievement=course, receiver=receiver, valid_on=day)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"receiver": "bcit"},
        {"valid_on": "2022-06-30"},
        {"receiver": "bcit", "min_position": 3, "page_size": 2},
    ],
)
async def test_what_is_plain_is_answered_here(more: dict[str, Any]) -> None:
    world = a_world()
    world.rule("bcit/r1", COURSES[0], "bcit/x", source="Guide (sample)")
    world.rule("bcit/r0", {"any_of": [{"achievement": COURSES[1]}, {"achievement": COURSES[0]}]}, "bcit/y")
    plain = PlainFind(world.index)
    for later in (0, 1):
        assert await same(world, plain, achievement=COURSES[0], **more)
        world.idle(later * DAY_MS)


async def test_revised_rules_and_those_superseded_for_the_day_are_answered_here() -> None:
    world = a_world()
    world.rule("bcit/r0", COURSES[0], "bcit/x")
    world.revise("bcit/r0", COURSES[0], "bcit/y", 2)
    world.rule("bcit/r1", COURSES[0], "bcit/x", supersedes={"recognition": "bcit/r0", "mode": "replaces-all"})
    world.rule("bcit/r2", COURSES[0], "bcit/x")
    world.end("bcit/r2", "2021-12-31")
    plain = PlainFind(world.index)
    assert await same(world, plain, achievement=COURSES[0], receiver="bcit", valid_on="2024-12-15")
    # An ended rule has other dates than it states: the long way tells them.
    assert not await same(world, plain, achievement=COURSES[0], receiver="bcit", valid_on="2021-12-31")


@pytest.mark.parametrize(
    "more",
    [
        {"known_at": common_pb2.KnownAt(size=12)},
        {"signed": True},
        {"explain": True},
        {"jurisdiction": "CA-BC"},
        {"fields": {"paths": ["position"]}},
        {"page_size": 1},
        {"page_size": 1_001},
        {"page_token": "x"},
        {"min_position": 10_000},
        {"receiver": "nobody"},
        {"valid_on": "2024-02-30"},
        {"valid_on": "2024-W01-1"},
        {"valid_on": "2019-12-31"},
        {"achievement": ""},
        {"achievement": "humber/none"},
        {"achievement": COURSES[2]},
        {"receiver": "nscc"},
    ],
)
async def test_all_else_is_left_to_the_long_way(more: dict[str, Any]) -> None:
    world = a_world()
    world.rule("bcit/r0", COURSES[0], "bcit/x")
    world.rule("bcit/r1", COURSES[0], "bcit/x")
    assert not await same(world, PlainFind(world.index), **{"achievement": COURSES[0], **more})


async def test_the_bytes_sent_are_an_answer_with_its_position_and_errors_stay_as_they_are() -> None:
    world = a_world()
    world.rule("bcit/r0", COURSES[0], "bcit/x")

    async def find(request: pb.FindRequest, _context: Any) -> pb.FindResponse:
        return await long_way(world.index, request)

    quick = QuickFind(world.index, find, plain=PlainFind(world.index))
    request = pb.FindRequest(achievement=COURSES[0])
    for _ in range(2):
        told = pb.FindResponse.FromString(await quick.call(request.SerializeToString(), CONTEXT))
        assert told == await find(request, CONTEXT)
        world.idle(DAY_MS)
    assert len(quick.remembered) == 1
    with pytest.raises(PasserelleError) as caught:
        await quick.call(pb.FindRequest(achievement="humber/none").SerializeToString(), CONTEXT)
    assert caught.value.code == "not-found"


async def test_what_is_kept_of_kinds_and_receivers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_module, "MAX_HEADS", 1)
    world = a_world()
    plain = PlainFind(world.index, max_kinds=3)
    for number in range(8):
        outcome = {"type": "block", "entry_year": number + 1, "programme": "bcit/x"}
        world.rule(f"{RECEIVERS[number % 2]}/r{number}", COURSES[0], outcome)
        assert await same(world, plain, achievement=COURSES[0])
        assert 1 <= plain.kinds <= 3


async def test_the_index_read_from_its_snapshot_answers_the_same() -> None:
    world = a_world()
    world.rule("bcit/r0", COURSES[0], "bcit/x", note="Note")
    request = pb.FindRequest(achievement=COURSES[0], valid_on="2024-12-15")
    before = PlainFind(world.index).answer(request)
    mark = snapshot.Mark(NETWORK, world.index.position, ())
    fresh = Index(Registry(NETWORK, OPERATOR, ROOT))
    snapshot.thaw(fresh, snapshot.freeze(world.index, mark)())
    after = PlainFind(fresh).answer(request)
    assert before is not None
    assert after is not None
    assert pb.FindResponse.FromString(after) == pb.FindResponse.FromString(before)
