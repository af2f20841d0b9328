"""A running query service inside the test's loop, and a client that shows errors as callers see them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tests.unit.query.world import NETWORK, ROOT

from passerelle.query.config import QueryConfig
from passerelle.query.main import QueryService
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.rpc import open_channel


@dataclass
class Running:
    """A service and a channel to it."""

    service: QueryService
    address: str
    channel: grpc.aio.Channel
    config: QueryConfig


def make_config(folder: Path, dsn: str, **settings: Any) -> QueryConfig:
    """The service's configuration; ``ledger`` is an address where nobody answers, unless it is given."""
    root = folder / "root.pub"
    root.write_text(ROOT.hex() + "\n", encoding="ascii")
    given = {"ledger": "127.0.0.1:9", "database": DatabaseConfig(url=dsn), "max_wait_s": 5.0, **settings}
    return QueryConfig(network=NETWORK, root_public_key_file=root, **given)


@asynccontextmanager
async def running(config: QueryConfig) -> AsyncIterator[Running]:
    """Start the service, yield it, stop it; an error of its own is raised."""
    service, stop = QueryService(config), asyncio.Event()
    try:
        addresses = await service.start()
        task = asyncio.create_task(service.run(stop))
        async with open_channel(addresses["grpc"]) as channel:
            yield Running(service, addresses["grpc"], channel, config)
        stop.set()
        await asyncio.wait_for(task, 10)
    finally:
        await service.close()


@dataclass
class Told:
    """An error as the caller sees it."""

    status: str
    reason: str
    metadata: dict[str, str]
    violations: list[str]


async def failing(call: Awaitable[Any]) -> Told:
    """The rich status of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return told(caught.value)


def told(error: grpc.aio.AioRpcError) -> Told:
    """Status, ErrorInfo and BadRequest of an error."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    assert status is not None, f"no rich status: {error.code()} {error.details()}"
    found = Told(error.code().name, "", {}, [])
    for detail in status.details:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "passerelle"
            found.reason, found.metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad):
            found.violations = [violation.field for violation in bad.field_violations]
    assert found.reason
    return found
