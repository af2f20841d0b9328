"""LedgerService through the query service: the ledger's answers, errors, streams and silence, passed on whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.integration.query_ledger import LedgerRows
from tests.integration.query_running import Running, failing, make_config, running

from passerelle.api.ledger.v1 import ledger_pb2 as pb
from passerelle.api.ledger.v1 import ledger_pb2_grpc
from passerelle.core.errors import NotFound, PasserelleError
from passerelle.query.rpc.ledger import SERVICE
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.rpc import RpcServer, start_server


class TestedLedger(ledger_pb2_grpc.LedgerServiceServicer):
    """A ledger's gRPC side that remembers how it was called."""

    __test__ = False

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {}
        self.deadline: float | None = None
        self.watching = 0
        self.ended = asyncio.Event()

    async def GetHead(self, request: pb.GetHeadRequest, context: Any) -> pb.GetHeadResponse:
        self.metadata = dict(context.invocation_metadata())
        self.deadline = context.time_remaining()
        return pb.GetHeadResponse(network="as the ledger says", root=b"\x01" * 32)

    async def GetEntry(self, request: pb.GetEntryRequest, context: Any) -> pb.GetEntryResponse:
        raise NotFound("entry-absent", "The log has no entry there.", where="index", fix="Ask below 7.")

    async def ListInbox(self, request: pb.ListInboxRequest, context: Any) -> pb.ListInboxResponse:
        raise PasserelleError("not-a-party", "The inbox is another member's.", where="member")

    async def Watch(self, request: pb.WatchRequest, context: Any) -> AsyncIterator[pb.WatchResponse]:
        self.watching += 1
        try:
            for index in range(request.from_index, request.from_index + 3):
                yield pb.WatchResponse(index=index, entry=b"entry")
            await asyncio.Event().wait()
        finally:
            self.watching -= 1
            self.ended.set()


@pytest.fixture
async def ledger() -> AsyncIterator[tuple[TestedLedger, RpcServer]]:
    made = TestedLedger()

    def add(server: grpc.aio.Server) -> None:
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(made, server)

    server = await start_server(ServerConfig(), add, [SERVICE.full_name])
    yield made, server
    await server.stop()


@pytest.fixture
async def live(database: str, tmp_path: Path, ledger: tuple[TestedLedger, RpcServer]) -> AsyncIterator[Running]:
    rows = await LedgerRows.create(database)
    config = make_config(tmp_path, database, ledger=f"127.0.0.1:{ledger[1].port}")
    async with running(config) as service:
        yield service
    await rows.close()


def stub(live: Running) -> Any:
    return ledger_pb2_grpc.LedgerServiceStub(live.channel)


async def test_answers_identity_and_deadline_pass_through(
    live: Running, ledger: tuple[TestedLedger, RpcServer]
) -> None:
    response = await stub(live).GetHead(
        pb.GetHeadRequest(), metadata=(("authorization", "Bearer abc"), ("x-other", "kept here")), timeout=7
    )
    assert (response.network, response.root) == ("as the ledger says", b"\x01" * 32)
    assert ledger[0].metadata["authorization"] == "Bearer abc"
    assert "x-other" not in ledger[0].metadata
    assert ledger[0].deadline is not None
    assert 0 < ledger[0].deadline <= 7


async def test_errors_keep_their_details(live: Running) -> None:
    error = await failing(stub(live).GetEntry(pb.GetEntryRequest(index=9), timeout=5))
    assert (error.status, error.reason, error.metadata["fix"]) == ("NOT_FOUND", "ENTRY_ABSENT", "Ask below 7.")
    error = await failing(stub(live).ListInbox(pb.ListInboxRequest(member="bcit"), timeout=5))
    assert (error.status, error.reason) == ("PERMISSION_DENIED", "NOT_A_PARTY")


async def test_a_watch_passes_through_and_ends_with_its_caller(
    live: Running, ledger: tuple[TestedLedger, RpcServer]
) -> None:
    stream = stub(live).Watch(pb.WatchRequest(from_index=5))
    answers = stream.__aiter__()
    seen = [(await asyncio.wait_for(anext(answers), 5)).index for _ in range(3)]
    assert seen == [5, 6, 7]
    assert ledger[0].watching == 1
    stream.cancel()
    await asyncio.wait_for(ledger[0].ended.wait(), 5)
    assert ledger[0].watching == 0


async def test_a_ledger_that_is_away_is_told_as_such(live: Running, ledger: tuple[TestedLedger, RpcServer]) -> None:
    await ledger[1].stop()
    error = await failing(stub(live).GetHead(pb.GetHeadRequest(), timeout=10))
    assert (error.status, error.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")

    async def watched() -> None:
        async for _ in stub(live).Watch(pb.WatchRequest(), timeout=10):
            raise AssertionError("nobody is there to answer")

    assert (await failing(watched())).reason == "SERVICE_UNAVAILABLE"


async def test_every_method_of_the_contract_is_served(live: Running) -> None:
    for method in SERVICE.methods:
        call = getattr(stub(live), method.name)
        request = getattr(pb, method.input_type.name)()
        if method.server_streaming:
            stream = call(request, timeout=5)
            async for _ in stream:
                stream.cancel()
                break
            continue
        try:
            await call(request, timeout=5)
        except grpc.aio.AioRpcError as error:
            # What the tested ledger does not offer is told by the ledger, not by a server that knows no such method.
            assert "Method not found" not in (error.details() or "")  # noqa: PT017 - which methods fail is not the point
