"""gRPC servers and channels: health, reflection, identity, and errors as rich status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import grpc
import structlog
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status

from passerelle.core.errors import CODES, PasserelleError, Unavailable
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.limits import REFUSED

MAX_MESSAGE = 4 * 1024 * 1024
STOP_GRACE_S = 3.0
_LOG = structlog.get_logger(__name__)
_REUSE = "grpc.so_reuseport"
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", 4 * MAX_MESSAGE),
    (_REUSE, 0),
)
DOMAIN = "passerelle"


def to_status(error: PasserelleError) -> status_pb2.Status:
    """A typed error as google.rpc.Status with ErrorInfo, and BadRequest where a field is named."""
    number = code_pb2.Code.Value(CODES[error.code].grpc)
    info = error_details_pb2.ErrorInfo(
        reason=error.code.upper().replace("-", "_"),
        domain=DOMAIN,
        metadata={"code": error.code, "what": error.what, "where": error.where, "fix": error.fix},
    )
    details = [info]
    if number == code_pb2.INVALID_ARGUMENT:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.where, description=error.what)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=number, message=f"{error.code}: {error.what}")
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def from_rpc_error(error: grpc.aio.AioRpcError) -> PasserelleError:
    """The typed error behind a failed call; a bare transport failure becomes ``service-unavailable``."""
    status = rpc_status.from_call(cast(grpc.Call, error))
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Is(info.DESCRIPTOR) and detail.Unpack(info) and info.metadata.get("code") in CODES:
            found = info.metadata
            return PasserelleError(found["code"], found["what"], where=found["where"], fix=found["fix"])
    name = error.code().name
    return Unavailable("service-unavailable", f"the call failed: {name}: {error.details()}")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns typed errors into rich status; anything else is logged whole and answered as ``internal``.

    It is the outermost one. What it and those inside it make of a method is made once and kept: they go by the method
    and by nothing else of a call.
    """

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        made = self._made.get(details.method)
        if made is None:
            made = await self._guarded(continuation, details)
            # There is no handler for a method that the server does not have: callers cannot make this grow.
            if made is not None:
                self._made[details.method] = made
        return made

    async def _guarded(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(
                _guard(handler.unary_unary), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(
                _guard_stream(handler.unary_stream), handler.request_deserializer, handler.response_serializer
            )
        return handler


def _guard(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request, context)
        except PasserelleError as error:
            REFUSED.labels(error.code).inc()
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told as internal
            _LOG.exception("a call failed", kind=type(error).__name__)
            await context.abort(grpc.StatusCode.INTERNAL, "internal")

    return call


def _guard_stream(method: Callable[..., Any]) -> Callable[..., Any]:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            async for response in method(request, context):
                yield response
        except PasserelleError as error:
            REFUSED.labels(error.code).inc()
            await context.abort_with_status(rpc_status.to_status(to_status(error)))
        except (asyncio.CancelledError, grpc.aio.AbortError):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: logged whole, told as internal
            _LOG.exception("a call failed", kind=type(error).__name__)
            await context.abort(grpc.StatusCode.INTERNAL, "internal")

    return call


@dataclass(slots=True)
class RpcServer:
    """A started server with its bound port."""

    server: grpc.aio.Server
    port: int
    health: health.aio.HealthServicer

    async def stop(self) -> None:
        """Refuse new calls, give running ones a moment, then end."""
        await self.health.enter_graceful_shutdown()
        await asyncio.wait_for(self.server.stop(STOP_GRACE_S), STOP_GRACE_S + 2)


async def start_server(
    config: ServerConfig,
    add: Callable[[grpc.aio.Server], Any],
    services: Iterable[str],
    *,
    share_port: bool = False,
    inside: Sequence[grpc.aio.ServerInterceptor] = (),
) -> RpcServer:
    """Start a server with health and reflection. ``services`` are full proto names. Raises Unavailable.

    ``share_port``: other processes may listen on the same port (SO_REUSEPORT). ``inside``: interceptors whose typed
    errors are told as those of handlers are.
    """
    options = [(name, value) for name, value in _OPTIONS if name != _REUSE]
    options.append((_REUSE, int(share_port)))
    server = grpc.aio.server(
        interceptors=[ErrorInterceptor(), *inside], options=options, maximum_concurrent_rpcs=config.calls_max
    )
    add(server)
    names = list(services)
    status = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    try:
        port = server.add_insecure_port(f"{config.host}:{config.port}")
    except RuntimeError:
        raise Unavailable("port-taken", "the gRPC port is in use", where=f"{config.host}:{config.port}") from None
    await server.start()
    for name in ("", *names):
        await status.set(name, health_pb2.HealthCheckResponse.SERVING)
    return RpcServer(server, port, status)


def open_channel(address: str) -> grpc.aio.Channel:
    """A channel to ``host:port``; calls set their own deadlines.

    Several IPv4 addresses with ports, joined by commas, stand for an active server and its standby, which listens only
    when it takes over: the first that can be reached is used.
    """
    target = f"ipv4:{address}" if "," in address else address
    return grpc.aio.insecure_channel(target, options=_OPTIONS)


def metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    """Call metadata with the caller's identity, if there is one."""
    return () if token is None else (("authorization", f"Bearer {token}"),)


def bearer(context_metadata: Iterable[tuple[str, Any]] | Mapping[str, Any]) -> str | None:
    """The token of a call's metadata, None where there is none."""
    items = context_metadata.items() if isinstance(context_metadata, Mapping) else context_metadata
    for name, value in items:
        if name == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    return None
