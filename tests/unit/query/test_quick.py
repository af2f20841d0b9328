"""Remembered look-ups: always the very bytes that a new answer has, and never more of them than the bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.query.world import DAY_MS, World, achievement_data

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs
from passerelle.core.errors import FormatError, NotFound
from passerelle.query.equivalency import Equivalency
from passerelle.query.rpc.public import EquivalencyServicer
from passerelle.query.rpc.quick import FIND, MAX_ENTRY, OVERHEAD, QuickFind
from passerelle.query.rpc.signing import SigningInterceptor
from passerelle.query.signing import AnswerSigner
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.rpc import open_channel, start_server

COURSE = "humber/a"
COURSES = (COURSE, "humber/b")
CONTEXT: Any = None


class Finder:
    """The slow way, which counts how often it is gone."""

    def __init__(self, world: World) -> None:
        self.equivalency = Equivalency(world.index)
        self.asked = 0

    async def find(self, request: pb.FindRequest, _context: Any) -> pb.FindResponse:
        self.asked += 1
        return await self.equivalency.find(request, 0.05)


def a_world() -> World:
    world = World()
    for course in (*COURSES, "bcit/x", "nscc/x"):
        world.course(course)
    world.rule("bcit/r0", COURSE, "bcit/x")
    return world


@pytest.fixture
def world() -> World:
    return a_world()


def question(achievement: str = COURSE, **more: Any) -> bytes:
    return pb.FindRequest(achievement=achievement, **more).SerializeToString()


async def told(quick: QuickFind, asked: bytes) -> pb.FindResponse:
    return pb.FindResponse.FromString(await quick.call(asked, CONTEXT))


async def test_an_answer_is_made_once_and_states_the_position_of_now(world: World) -> None:
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    first = await told(quick, question(valid_on="2024-12-15"))
    world.skip(3)
    world.idle(DAY_MS)
    again = await told(quick, question(valid_on="2024-12-15"))
    assert finder.asked == 1
    assert (first.position.size, again.position.size) == (world.size - 3, world.size)
    assert again.position.floor_ms == world.now_ms
    first.position.CopyFrom(again.position)
    assert first == again


async def test_without_a_date_it_is_made_anew_on_another_day(world: World) -> None:
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    world.rule("nscc/r1", COURSE, "nscc/x", valid_from="2026-01-02")
    assert [one.receiver for one in (await told(quick, question())).answers if one.rule.id] == ["bcit"]
    world.idle(1_000)
    await quick.call(question(), CONTEXT)
    assert finder.asked == 1
    world.idle(DAY_MS)
    assert [one.receiver for one in (await told(quick, question())).answers if one.rule.id] == ["bcit", "nscc"]
    assert (finder.asked, len(quick.remembered)) == (2, 1)


async def test_what_is_applied_and_not_yet_committed_spoils_nothing(world: World) -> None:
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    await quick.call(question(), CONTEXT)
    world.add("recognition.ended", "bcit", "bcit/r0", {"effective_on": "2020-06-30"}, settle=False)
    before = await told(quick, question())
    assert [one.verdict for one in before.answers] == [pb.VERDICT_AGREEMENT]
    world.settle()
    after = await told(quick, question())
    assert [one.verdict for one in after.answers] == [pb.VERDICT_CASE_BY_CASE]
    assert finder.asked == 3


@pytest.mark.parametrize(
    "more",
    [
        {"known_at": common_pb2.KnownAt(size=12)},
        {"known_at": common_pb2.KnownAt(instant_ms=1_767_225_600_012)},
        {"signed": True},
    ],
)
async def test_what_is_bound_to_its_own_position_is_not_kept(world: World, more: dict[str, Any]) -> None:
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    for _ in range(2):
        await quick.call(question(**more), CONTEXT)
    assert (finder.asked, len(quick.remembered)) == (2, 0)


class Asked:
    """A call without a deadline."""

    def time_remaining(self) -> float | None:
        return None


class Signer:
    """Signs by saying what it signed."""

    async def sign(self, method: str, _request: Any, told: list[Any], *, streams: bool, wait_s: float) -> str:
        return f"{method} {told[0].achievement} {told[0].position.size} {streams}"


async def test_a_signed_answer_is_signed_each_time_and_beside_it_the_plain_one_is_kept(world: World) -> None:
    signer, context, finder = Signer(), Asked(), Finder(world)
    signing = SigningInterceptor(cast(AnswerSigner, signer), max_wait_s=1)
    quick = QuickFind(world.index, signing.unary(FIND, finder.find))
    for size in (world.size, world.size + 1):
        signed = pb.FindResponse.FromString(await quick.call(question(signed=True), cast(Any, context)))
        plain = await told(quick, question())
        assert (signed.jws, plain.jws) == (f"{FIND} {COURSE} {size} False", "")
        signed.ClearField("jws")
        assert signed == plain
        world.skip()
    assert (finder.asked, len(quick.remembered)) == (3, 1)


async def test_pages_and_masks_are_as_without_it(world: World) -> None:
    for number in range(1, 4):
        world.rule(f"bcit/r{number}", COURSE, "bcit/x")
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    for _ in range(2):
        page = await told(quick, question(page_size=3))
        rest = await told(quick, question(page_size=3, page_token=page.next_page_token))
        assert [len(page.answers), len(rest.answers)] == [3, 1]
        bare = pb.FindRequest(achievement=COURSE)
        bare.fields.paths.append("answers.verdict")
        masked = await told(quick, bare.SerializeToString())
        assert not masked.HasField("position")
        assert [len(masked.answers), masked.answers[0].receiver] == [4, ""]
    # The first page and the masked answer are kept, the second page is not.
    assert (finder.asked, len(quick.remembered)) == (4, 2)


async def test_errors_are_told_each_time_and_not_kept(world: World) -> None:
    quick = QuickFind(world.index, Finder(world).find)
    with pytest.raises(NotFound):
        await quick.call(question("humber/none"), CONTEXT)
    with pytest.raises(FormatError) as caught:
        await quick.call(b"\x0a\xff", CONTEXT)
    assert (caught.value.code, caught.value.where) == ("argument-invalid", "request")
    assert len(quick.remembered) == 0


async def test_the_bound_on_bytes_holds_and_the_longest_unasked_go_first(world: World) -> None:
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find, max_bytes=4_000)
    days = [question(valid_on=f"2024-{month:02}-01") for month in range(1, 13)]
    await quick.call(days[0], CONTEXT)
    for day in days[1:]:
        await quick.call(day, CONTEXT)
        await quick.call(days[0], CONTEXT)
        assert quick.remembered.held <= 4_000
    assert finder.asked == len(days)
    assert 1 < len(quick.remembered) < len(days)
    assert quick.remembered.held > len(quick.remembered) * OVERHEAD


async def test_an_answer_that_is_too_large_is_not_kept(world: World) -> None:
    for number in range(1, 80):
        world.rule(f"bcit/r{number}", COURSE, "bcit/x", note="n" * 200)
    finder = Finder(world)
    quick = QuickFind(world.index, finder.find)
    for _ in range(2):
        assert len(await quick.call(question(), CONTEXT)) > MAX_ENTRY
    assert (finder.asked, quick.remembered.held) == (2, 0)


Step = Callable[[World, int], object]
STEPS: dict[str, Step] = {
    "rule": lambda world, n: world.rule(f"bcit/n{n}", COURSES[n % 2], "bcit/x"),
    "cluster": lambda world, n: world.rule(f"nscc/n{n}", {"all_of": [{"achievement": c} for c in COURSES]}, "nscc/x"),
    "supersede": lambda world, n: world.rule(
        f"bcit/n{n}", COURSES[1], "bcit/x", supersedes={"recognition": "bcit/r0", "mode": "replaces-all"}
    ),
    "deny": lambda world, n: world.deny(f"nscc/n{n}", COURSES[n % 2]),
    "end": lambda world, n: world.end("bcit/r0", f"20{20 + n % 5}-06-30"),
    "title": lambda world, n: world.add(
        "credential.achievement-revised", "bcit", "bcit/x", achievement_data("bcit", f"X {n}", version=2 + n)
    ),
    "private": lambda world, n: world.skip(1 + n % 3),
    "idle": lambda world, n: world.idle(n % 3 * DAY_MS),
}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.booleans()), max_size=12))
async def test_whatever_happens_the_bytes_are_those_of_a_new_answer(steps: list[tuple[str, bool]]) -> None:
    world = a_world()
    quick, slow = QuickFind(world.index, Finder(world).find), Finder(world)
    asked = [
        pb.FindRequest(achievement=course, receiver=receiver, valid_on=day)
        for course in COURSES
        for receiver in ("", "bcit")
        for day in ("", "2024-12-15")
    ]
    for number, (name, twice) in enumerate([("idle", True), *steps]):
        STEPS[name](world, number)
        for request in asked * (1 + twice):
            fresh = await slow.find(request, CONTEXT)
            assert await quick.call(request.SerializeToString(), CONTEXT) == fresh.SerializeToString()


class Counting(grpc.aio.ServerInterceptor):
    """Notes the methods that it was asked about."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        self.methods.append(details.method.rpartition("/")[2])
        return await continuation(details)


async def test_it_answers_in_the_place_of_the_service_s_own_method(world: World) -> None:
    finder, inside = Finder(world), Counting()

    def add(server: grpc.aio.Server) -> None:
        stubs.add_EquivalencyServiceServicer_to_server(EquivalencyServicer(world.index, max_wait_s=1), server)
        QuickFind(world.index, finder.find).add_to(server)

    names = ["passerelle.api.equivalency.v1.EquivalencyService"]
    server = await start_server(ServerConfig(), add, names, inside=[inside])
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            stub = stubs.EquivalencyServiceStub(channel)
            for _ in range(3):
                assert (await stub.Find(pb.FindRequest(achievement=COURSE), timeout=5)).achievement == COURSE
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Find(pb.FindRequest(achievement="humber/none"), timeout=5)
            # The other methods, and their errors, are as they were.
            reversed_ = await stub.Reverse(pb.ReverseRequest(achievement="bcit/x"), timeout=5)
    finally:
        await server.stop()
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "not-found" in (caught.value.details() or "")
    assert len(reversed_.answers) == 1
    assert finder.asked == 2
    # What interceptors make of a method is made once.
    assert inside.methods == ["Find", "Reverse"]
