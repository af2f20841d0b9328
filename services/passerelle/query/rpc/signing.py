"""Signed answers over gRPC: for every method whose request has a field ``signed``, around the handler."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.core.errors import FormatError, Unavailable
from passerelle.core.jws import MAX_PAYLOAD
from passerelle.query.rpc.calls import ServicerContext, wait_of
from passerelle.query.signing import AnswerSigner
from passerelle.runtime.rpc import from_rpc_error

CALL_S = 5.0
_SIGNED = "signed"


class LedgerCheckpoints:
    """See :class:`passerelle.query.signing.Checkpoints`."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ledger_pb2_grpc.LedgerServiceStub(channel)

    async def latest(self) -> bytes:
        """The latest published checkpoint. Raises Unavailable."""
        call: Any = self._stub.GetCheckpoint
        try:
            response = await call(ledger_pb2.GetCheckpointRequest(), timeout=CALL_S)
        except grpc.aio.AioRpcError as error:
            told = from_rpc_error(error)
            raise Unavailable("checkpoint-not-ready", told.what, where="ledger") from None
        return str(response.note).encode()


class SigningInterceptor(grpc.aio.ServerInterceptor):
    """Adds ``jws`` to the answers whose questions ask for it. It stands inside the interceptor of errors."""

    def __init__(self, signer: AnswerSigner, *, max_wait_s: float) -> None:
        self._signer = signer
        self._max_wait_s = max_wait_s

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        if handler is None or handler.request_deserializer is None:
            return handler
        parts = (handler.request_deserializer, handler.response_serializer)
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self.unary(details.method, handler.unary_unary), *parts)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._stream(details.method, handler.unary_stream), *parts)
        return handler

    def unary(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        """A handler of messages that signs the answers whose questions ask for it."""

        async def call(request: Any, context: ServicerContext) -> Any:
            response = await inner(request, context)
            if getattr(request, _SIGNED, False):
                wait_s = wait_of(context, self._max_wait_s)
                response.jws = await self._signer.sign(method, request, [response], streams=False, wait_s=wait_s)
            return response

        return call

    def _stream(self, method: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        async def call(request: Any, context: ServicerContext) -> AsyncIterator[Any]:
            if not getattr(request, _SIGNED, False):
                async for response in inner(request, context):
                    yield response
                return
            if "explain" in request.DESCRIPTOR.fields_by_name:
                # What is signed says how it came about.
                request.explain = True
            told, size = [], 0
            async for response in inner(request, context):
                size += response.ByteSize()
                if size > MAX_PAYLOAD:
                    raise FormatError("message-too-large", "The answer is too large to be signed.", where=_SIGNED)
                told.append(response)
            wait_s = wait_of(context, self._max_wait_s)
            told[-1].jws = await self._signer.sign(method, request, told, streams=True, wait_s=wait_s)
            for response in told:
                yield response

        return call
