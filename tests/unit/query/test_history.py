"""What was answered at an older position never changes, and is what an index that ends there answers."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.query.world import NETWORK, OPERATOR, ROOT, World

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.portability.v1 import portability_pb2
from passerelle.core.registry import Registry
from passerelle.query.equivalency import Equivalency
from passerelle.query.evaluation import Evaluation
from passerelle.query.index import Index
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.portability import Portability
from passerelle.query.ports import Head, Instant

COURSES = ("humber/a", "humber/b", "queens/c")
TARGETS = ("bcit/x", "nscc/y")
PACKS = load_packs(default_folder())
Step = Callable[[World, int], None]


def _rule(course: str, target: str) -> Step:
    def step(world: World, number: int) -> None:
        receiver = target.partition("/")[0]
        world.rule(f"{receiver}/r{number}", course, target, valid_from="2020-01-01")

    return step


def _cluster(target: str) -> Step:
    def step(world: World, number: int) -> None:
        receiver = target.partition("/")[0]
        sending = {"all_of": [{"achievement": COURSES[0]}, {"achievement": COURSES[1]}]}
        world.rule(f"{receiver}/r{number}", sending, target)

    return step


def _on_last(change: Callable[[World, str, int], None]) -> Step:
    """A change of the latest rule that is still in force; nothing where there is none."""

    def step(world: World, number: int) -> None:
        living = [
            history.id
            for history in world.index.recognitions.values()
            if (row := history.rows()[-1]).state == "in-force" and row.outcome is not None
        ]
        if living:
            change(world, living[-1], number)

    return step


def _revise(world: World, rule: str, number: int) -> None:
    row = world.index.recognitions[rule].rows()[-1]
    receiver = rule.partition("/")[0]
    target = next(name for name in TARGETS if name.startswith(receiver))
    world.revise(rule, COURSES[number % len(COURSES)], target, row.version + 1)


def _end(world: World, rule: str, number: int) -> None:
    world.end(rule, "2025-06-30")


def _supersede(world: World, rule: str, number: int) -> None:
    receiver = rule.partition("/")[0]
    target = next(name for name in TARGETS if name.startswith(receiver))
    newer = {"recognition": rule, "mode": "replaces-from", "from_date": "2025-01-01"}
    world.rule(f"{receiver}/r{number}", COURSES[2], target, supersedes=newer)


def _deny(world: World, number: int) -> None:
    world.deny(f"bcit/r{number}", COURSES[number % len(COURSES)])


def _ask(world: World, number: int) -> None:
    asked = {"achievement": COURSES[number % len(COURSES)], "receiver": "nscc"}
    world.add("recognition.requested", "nscc", f"nscc/q{number}", asked)


def _endorse(world: World, number: int) -> None:
    endorsed = {"version": 1, "kinds": ["demand-confirmed"], "capacity": "body-for-employers", "jurisdictions": ["CA"]}
    world.add("credential.achievement-endorsed", "bdec", COURSES[number % len(COURSES)], endorsed)


def _silence(world: World, number: int) -> None:
    world.skip(1 + number % 3)


STEPS = st.sampled_from(
    [
        *(_rule(course, target) for course in COURSES for target in TARGETS),
        _cluster(TARGETS[0]),
        _on_last(_revise),
        _on_last(_end),
        _on_last(_supersede),
        _deny,
        _ask,
        _endorse,
        _silence,
    ]
)


async def answers(index: Index, size: int) -> list[Any]:
    """Everything that can be asked about the courses at a size, as comparable messages without the moving floor."""
    at = common_pb2.KnownAt(size=size)
    equivalency, portability = Equivalency(index), Portability(index, PACKS)
    told: list[Any] = []
    for course in COURSES:
        for day in ("2024-05-01", ""):
            request = pb.FindRequest(achievement=course, valid_on=day, known_at=at)
            told.append(await equivalency.find(request, 0))
        told.append(await equivalency.get_achievement(pb.GetAchievementRequest(achievement=course, known_at=at), 0))
        judged = portability_pb2.AssessRequest(achievement=course, jurisdictions=["CA-BC"], known_at=at)
        told.append(await portability.assess(judged, 0))
    for target in TARGETS:
        told.append(await equivalency.reverse(pb.ReverseRequest(achievement=target, known_at=at), 0))
    told.append(await equivalency.search(pb.SearchRequest(words="course", known_at=at), 0))
    lines = [pb.TranscriptLine(achievement=course, completed_on="2025-03-01") for course in COURSES]
    told += [one async for one in Evaluation(index).evaluate(pb.EvaluateRequest(lines=lines, known_at=at), 0)]
    for message in told:
        message.position.floor_ms = 0
    return told


def prefix(world: World, size: int) -> Index:
    """An index that has read a log that ends after ``size`` entries, in one page."""
    index = Index(Registry(NETWORK, OPERATOR, ROOT))
    events = [event for event in world.events if event.index < size]
    index.apply(events)
    accepted_at = world.index.clockwork.accepted_at(size)
    instants = [Instant(event.accepted_at, event.index + 1) for event in events]
    index.settle(Head(NETWORK, size, accepted_at, accepted_at), [*instants, Instant(accepted_at, size)])
    return index


@settings(max_examples=max(10, settings().max_examples // 3))
@given(st.lists(STEPS, min_size=1, max_size=9))
def test_an_answer_at_an_older_position_never_changes(steps: list[Step]) -> None:
    async def check() -> None:
        world = World()
        for course in COURSES:
            world.course(course)
        for target in TARGETS:
            world.course(target, "A target")
        given_then = {world.size: await answers(world.index, world.size)}
        for number, step in enumerate(steps):
            step(world, number)
            given_then[world.size] = await answers(world.index, world.size)
        for size, then in given_then.items():
            assert await answers(world.index, size) == then
            assert await answers(prefix(world, size), size) == then

    asyncio.run(check())
