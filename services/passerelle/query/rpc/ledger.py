"""LedgerService passed on to the ledger whole: messages as bytes, the caller's identity and deadline, errors with their
details.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.core.errors import Unavailable
from passerelle.query.rpc.calls import ServicerContext

SERVICE: Final = ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"]
PASSED_ON: Final = frozenset({"authorization", "traceparent", "tracestate"})
UNARY_S: Final = 30.0
STREAM_S: Final = 3_700.0
"""Longer than the hour after which the ledger ends a watch by itself."""
_DETAILS: Final = "grpc-status-details-bin"


def ledger_handlers(channel: grpc.aio.Channel) -> grpc.GenericRpcHandler:
    """A handler for every method of LedgerService that calls the same method on ``channel``."""
    handlers: dict[str, Any] = {}
    for method in SERVICE.methods:
        path = f"/{SERVICE.full_name}/{method.name}"
        if method.server_streaming:
            handlers[method.name] = grpc.unary_stream_rpc_method_handler(_stream(channel, path))
        else:
            handlers[method.name] = grpc.unary_unary_rpc_method_handler(_unary(channel, path))
    return grpc.method_handlers_generic_handler(SERVICE.full_name, handlers)


def _unary(channel: grpc.aio.Channel, path: str) -> Any:
    upstream: Any = channel.unary_unary(path)

    async def call(request: bytes, context: ServicerContext) -> bytes:
        try:
            return bytes(await upstream(request, timeout=_timeout(context, UNARY_S), metadata=_metadata(context)))
        except grpc.aio.AioRpcError as error:
            await _fail(error, context)
            raise

    return call


def _stream(channel: grpc.aio.Channel, path: str) -> Any:
    upstream: Any = channel.unary_stream(path)

    async def call(request: bytes, context: ServicerContext) -> AsyncIterator[bytes]:
        answers = upstream(request, timeout=_timeout(context, STREAM_S), metadata=_metadata(context))
        try:
            async for answer in answers:
                yield answer
        except grpc.aio.AioRpcError as error:
            await _fail(error, context)
        except (asyncio.CancelledError, GeneratorExit):
            # A caller that goes away does not by itself end the call that was made for it.
            answers.cancel()
            raise

    return call


def _timeout(context: ServicerContext, most: float) -> float:
    left = context.time_remaining()
    return most if left is None else max(0.0, min(left, most))


def _metadata(context: ServicerContext) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in context.invocation_metadata() or () if name in PASSED_ON)


async def _fail(error: grpc.aio.AioRpcError, context: ServicerContext) -> None:
    """Tell the ledger's error as the ledger told it; one without details is a failure of the way to it."""
    trailing = tuple((name, value) for name, value in error.trailing_metadata() or () if name == _DETAILS)
    if not trailing and error.code() is grpc.StatusCode.UNAVAILABLE:
        raise Unavailable("service-unavailable", "The ledger does not answer now.", where="ledger") from None
    await context.abort(error.code(), error.details() or "", trailing)
