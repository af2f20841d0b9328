"""The client: deadlines, retries within a budget, several addresses, typed errors, identity, and without a loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.client.serving import REVIT, serving
from tests.unit.query.world import NETWORK, seed

from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs
from passerelle.api.transfer.v1 import transfer_pb2 as tr
from passerelle.client import (
    Articulation,
    Client,
    Equivalency,
    Ledger,
    MemberIdentity,
    Portability,
    RetryBudget,
    Stream,
    SyncClient,
    Transfer,
    Unary,
)
from passerelle.core.errors import NotFound, PasserelleError, Unavailable
from passerelle.embedded.ports import free_port
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.rpc import start_server

FIND = eq.FindRequest(achievement=REVIT)


class Moody(stubs.EquivalencyServiceServicer):
    """Fails as often as it is told, then answers."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures = failures
        self.error = error or Unavailable("service-unavailable", "a moment")
        self.calls = 0
        self.metadata: dict[str, Any] = {}
        self.hang = asyncio.Event()
        self.ended = asyncio.Event()

    def _fail(self, context: Any) -> None:
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        if self.calls <= self.failures:
            raise self.error

    async def Find(self, request: eq.FindRequest, context: Any) -> eq.FindResponse:
        self._fail(context)
        return eq.FindResponse(title=f"after {self.calls}")

    async def Search(self, request: eq.SearchRequest, context: Any) -> eq.SearchResponse:
        await self.hang.wait()
        return eq.SearchResponse()

    async def Evaluate(self, request: eq.EvaluateRequest, context: Any) -> AsyncIterator[eq.EvaluateResponse]:
        self.calls += 1
        if request.receiver == "first" and self.calls <= self.failures:
            raise self.error
        try:
            yield eq.EvaluateResponse(line=self.calls)
            if request.receiver == "second":
                raise self.error
            if request.receiver == "hang":
                await self.hang.wait()
        finally:
            self.ended.set()


@asynccontextmanager
async def moody(failures: int = 0, error: Exception | None = None) -> AsyncIterator[tuple[Moody, str]]:
    service = Moody(failures, error)
    name = Equivalency.SERVICE.full_name
    server = await start_server(
        ServerConfig(), lambda made: stubs.add_EquivalencyServiceServicer_to_server(service, made), [name]
    )
    try:
        yield service, f"127.0.0.1:{server.port}"
    finally:
        service.hang.set()
        await server.stop()


async def refused(client: Client, method: Any, request: Any, timeout_s: float = 5) -> str:
    with pytest.raises(PasserelleError) as caught:
        await client.call(method, request, timeout_s=timeout_s)
    return caught.value.code


async def test_it_tries_again_while_the_service_is_away() -> None:
    async with moody(failures=2) as (service, address), Client(address) as client:
        assert (await client.call(Equivalency.FIND, FIND)).title == "after 3"
        assert service.calls == 3


async def test_it_stops_after_its_tries() -> None:
    async with moody(failures=9) as (service, address), Client(address, tries=3) as client:
        assert await refused(client, Equivalency.FIND, FIND) == "service-unavailable"
        assert service.calls == 3


async def test_what_another_try_would_not_change_is_told_at_once() -> None:
    for error, code in (
        (NotFound("not-found", "no"), "not-found"),
        (Unavailable("position-not-reached", "no"), "position-not-reached"),
    ):
        async with moody(9, error) as (service, address), Client(address) as client:
            assert await refused(client, Equivalency.FIND, FIND) == code
            assert service.calls == 1


async def test_what_is_not_idempotent_is_tried_once() -> None:
    once: Any = Unary(Equivalency.SERVICE, "Find", eq.FindRequest, eq.FindResponse, idempotent=False)
    async with moody(failures=1) as (service, address), Client(address) as client:
        assert await refused(client, once, FIND) == "service-unavailable"
        assert service.calls == 1


async def test_the_budget_ends_retries_of_all_calls_together() -> None:
    async with moody(failures=10**6) as (service, address):
        budget = RetryBudget()
        async with Client(address, budget=budget, tries=2) as client:
            for _ in range(12):
                assert await refused(client, Equivalency.FIND, FIND) == "service-unavailable"
        # Four calls of two tries and one more failure bring it to half; from there every call has one try.
        assert service.calls < 2 * 12 - 6
        assert budget.tokens <= 5


async def test_the_next_address_is_asked() -> None:
    async with moody() as (service, address):
        away = f"127.0.0.1:{free_port()}"
        async with Client([away, address], tries=1) as client:
            for _ in range(3):
                assert await client.call(Equivalency.FIND, FIND)
        async with Client(f"{away}, {address}") as client:
            assert await client.call(Equivalency.FIND, FIND)
        assert service.calls == 4


async def test_nobody_there_is_told_within_the_deadline() -> None:
    async with Client(f"127.0.0.1:{free_port()}") as client:
        assert await refused(client, Equivalency.FIND, FIND) == "service-unavailable"


async def test_a_defect_of_the_service_is_told_as_one() -> None:
    async with moody(9, RuntimeError("a defect")) as (service, address), Client(address) as client:
        assert await refused(client, Equivalency.FIND, FIND) == "internal"
        assert service.calls == 1


async def test_a_deadline_is_kept_and_told() -> None:
    async with moody() as (_service, address), Client(address) as client:
        assert await refused(client, Equivalency.SEARCH, eq.SearchRequest(), timeout_s=0.2) == "deadline-exceeded"


async def test_a_stream_is_asked_again_only_while_nothing_has_come() -> None:
    async def lines(client: Client, receiver: str) -> list[int]:
        request = eq.EvaluateRequest(receiver=receiver)
        return [one.line async for one in client.stream(Equivalency.EVALUATE, request)]

    async with moody(failures=2) as (service, address), Client(address) as client:
        assert await lines(client, "first") == [3]
        service.calls = 0
        with pytest.raises(PasserelleError) as caught:
            await lines(client, "second")
        assert (caught.value.code, service.calls) == ("service-unavailable", 1)


async def test_who_stops_listening_ends_the_call() -> None:
    async with moody() as (service, address), Client(address) as client:
        request = eq.EvaluateRequest(receiver="hang")
        async with aclosing(client.stream(Equivalency.EVALUATE, request, endless=True)) as answers:
            assert (await anext(answers)).line == 1
        await asyncio.wait_for(service.ended.wait(), 5)


async def test_the_identity_goes_with_every_call_and_one_given_wins() -> None:
    member = MemberIdentity(seed("humber"), member="humber", network=NETWORK, clock=SystemClock())
    async with moody() as (service, address), Client(address, identity=member) as client:
        await client.call(Equivalency.FIND, FIND)
        assert service.metadata["authorization"].startswith("Bearer ey")
        await client.call(Equivalency.FIND, FIND, token="given")
        assert service.metadata["authorization"] == "Bearer given"
    async with moody() as (service, address), Client(address) as client:
        await client.call(Equivalency.FIND, FIND)
        assert "authorization" not in service.metadata


async def test_a_call_without_identity_is_refused_where_one_is_needed(tmp_path: Path) -> None:
    async with serving(tmp_path) as at, Client(at.address) as client:
        assert await refused(client, Transfer.SHOW, tr.ShowRequest(case="x")) == "unauthenticated"


async def test_without_a_loop_several_threads_ask_one_client() -> None:
    async with moody(failures=1) as (service, address):
        titles: list[str] = []

        def ask() -> None:
            with SyncClient(address) as client:
                inner = [threading.Thread(target=lambda: titles.append(client.call(Equivalency.FIND, FIND).title))
                         for _ in range(3)]  # fmt: skip
                for thread in inner:
                    thread.start()
                for thread in inner:
                    thread.join()
                titles.extend(str(one.line) for one in client.stream(Equivalency.EVALUATE, eq.EvaluateRequest()))
            client.close()

        await asyncio.to_thread(ask)
        assert len(titles) == 4
        assert service.calls == 5


async def test_without_a_loop_errors_are_the_same_and_a_stream_can_be_left() -> None:
    async with moody(9, NotFound("not-found", "no")) as (service, address):

        def ask() -> str:
            with SyncClient(address) as client:
                answers = client.stream(Equivalency.EVALUATE, eq.EvaluateRequest(receiver="hang"), endless=True)
                assert next(answers).line == 1
                answers.close()  # type: ignore[attr-defined]
                with pytest.raises(PasserelleError) as caught:
                    client.call(Equivalency.FIND, FIND)
                return caught.value.code

        assert await asyncio.to_thread(ask) == "not-found"
        await asyncio.wait_for(service.ended.wait(), 5)


@pytest.mark.parametrize("group", [Equivalency, Articulation, Portability, Transfer, Ledger])
def test_every_method_of_the_contract_is_declared_with_its_types(group: Any) -> None:
    declared = {one.name: one for one in vars(group).values() if isinstance(one, Unary | Stream)}
    assert declared.keys() == {method.name for method in group.SERVICE.methods}
    for method in group.SERVICE.methods:
        one = declared[method.name]
        assert one.request.DESCRIPTOR is method.input_type
        assert one.response.DESCRIPTOR is method.output_type
        assert isinstance(one, Stream) == method.server_streaming
        assert one.path == f"/{group.SERVICE.full_name}/{method.name}"


@given(st.lists(st.booleans(), max_size=200))
def test_the_budget_stays_within_its_bounds(outcomes: list[bool]) -> None:
    budget = RetryBudget(10, 0.1)
    allowed = 0
    for good in outcomes:
        if good:
            budget.succeeded()
        else:
            allowed += budget.failed()
        assert 0 <= budget.tokens <= 10
    # Each allowed retry spends a token that was there at the start, above the half, or was earned by successes.
    assert allowed <= 5 + 0.1 * sum(outcomes)


@pytest.mark.parametrize("given", [{"addresses": ""}, {"addresses": []}, {"addresses": "a:1", "tries": 0}])
def test_a_client_that_could_ask_nobody_is_not_made(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(**given)
