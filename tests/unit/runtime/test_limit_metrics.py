"""Limits that are met show in the metrics: refused calls by code, over gRPC and HTTP, and connections by port."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.core.errors import PasserelleError
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.http import problem
from passerelle.runtime.limits import REFUSED
from passerelle.runtime.rpc import from_rpc_error, open_channel, start_server
from passerelle.runtime.telemetry import CONNECTIONS, serve_http

FULL = PasserelleError("too-many-watchers", "no room")


class Refusing(ledger_pb2_grpc.LedgerServiceServicer):
    """Answers a call, and a stream, with an error."""

    async def GetHead(self, request: Any, context: Any) -> Any:
        raise FULL

    async def Watch(self, request: Any, context: Any) -> Any:
        for _ in range(0):
            yield
        raise FULL


def connections() -> dict[str, float]:
    return {sample.labels["port"]: sample.value for sample in next(iter(CONNECTIONS.collect())).samples}


def refused() -> float:
    return float(REFUSED.labels(FULL.code)._value.get())


async def test_errors_over_grpc_are_counted_by_code() -> None:
    before = refused()
    server = await start_server(
        ServerConfig(), lambda made: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(Refusing(), made), []
    )
    try:
        async with open_channel(f"127.0.0.1:{server.port}") as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.GetHead(ledger_pb2.GetHeadRequest())
            assert from_rpc_error(caught.value).code == FULL.code
            with pytest.raises(grpc.aio.AioRpcError):
                async for _ in stub.Watch(ledger_pb2.WatchRequest()):
                    pass
    finally:
        await server.stop()
    assert refused() == before + 2


async def test_errors_over_http_are_counted_and_connections_are_seen() -> None:
    before = refused()

    async def answer(request: Request) -> Response:
        return problem(FULL, request.url.path, "en")

    app = Starlette(routes=[Route("/", answer)])
    async with serve_http(app, ServerConfig()) as port, httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://127.0.0.1:{port}/")
        assert response.json()["code"] == FULL.code
        assert connections()[str(port)] == 1
    assert refused() == before + 1
    assert str(port) not in connections(), "a server that ended is not shown"
