"""The gateway's ASGI application: from a request to a call and back, with bounds on size and rate."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from passerelle.client import Client, Stream
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.gateway.asking import Operation, asked
from passerelle.gateway.openapi import document
from passerelle.gateway.operations import OPERATIONS
from passerelle.runtime.http import problem
from passerelle.runtime.language import preferred
from passerelle.runtime.limits import RateLimit
from passerelle.runtime.protojson import as_json, from_json

_LOG = structlog.get_logger(__name__)
MAX_ANSWER: Final = 16 * 1024 * 1024
"""Bytes of the messages of one streamed answer, which is put together in memory."""
HEADERS: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Vary": "Authorization"}
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Gateway:
    """What handlers share."""

    client: Client
    limit: RateLimit
    timeout_s: float
    body_max: int

    async def answer(self, operation: Operation, request: Request) -> Response:
        """One request. Raises PasserelleError."""
        query = {name: request.query_params.getlist(name) for name in request.query_params}
        value: Any = asked(operation, request.path_params, query)
        if operation.verb == "POST":
            value = await self._body(request)
        question = from_json(operation.method.request, value)
        token = _token(request)
        if operation.identity and token is None:
            raise PasserelleError("unauthenticated", "The call carries no identity.", where="authorization")
        if isinstance(operation.method, Stream):
            shown = await self._gathered(operation.method, question, token)
        else:
            response = await self.client.call(operation.method, question, timeout_s=self.timeout_s, token=token)
            shown = as_json(response)
        # What is for one caller is kept by nobody on the way.
        return JSONResponse(shown, headers=HEADERS if token is None else HEADERS | {"Cache-Control": "no-store"})

    async def _gathered(self, method: Stream[Any, Any], question: Any, token: str | None) -> dict[str, Any]:
        """The messages of Evaluate: its lines, then what the last one holds."""
        found, size = [], 0
        stream = self.client.stream(method, question, timeout_s=self.timeout_s, token=token)
        async with aclosing(stream) as responses:
            async for response in responses:
                size += response.ByteSize()
                if size > MAX_ANSWER:
                    raise FormatError(
                        "message-too-large", "The answer is over the size limit.", fix="Name a receiver, or split it."
                    )
                found.append(as_json(response))
        if not found:
            raise PasserelleError("internal", "The service gave no answer.")
        *lines, last = found
        return {"lines": lines, **{name: last[name] for name in ("summary", "position", "jws")}}

    async def _body(self, request: Request) -> Any:
        """The JSON of a request. Raises FormatError ``message-too-large``, ``body-not-json``."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise FormatError(
                "format-unknown", "The body is not application/json.", where="content-type", fix="Send JSON."
            )
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > self.body_max:
                raise FormatError("message-too-large", f"A body has at most {self.body_max} bytes.", where="body")
        try:
            return orjson.loads(bytes(data))
        except orjson.JSONDecodeError:
            raise FormatError("body-not-json", "The body is not JSON in UTF-8.", where="body") from None

    def admit(self, request: Request) -> None:
        """Count a request. Raises PasserelleError ``rate-limited``."""
        caller = request.client.host if request.client is not None else ""
        wait_s = self.limit.wait_s(caller)
        if wait_s > 0:
            raise _Limited(wait_s)


class _Limited(PasserelleError):
    """Over its rate; ``wait_s``: seconds until the next request is taken."""

    def __init__(self, wait_s: float) -> None:
        super().__init__("rate-limited", "Too many requests from this address.")
        self.wait_s = wait_s


def _token(request: Request) -> str | None:
    """The caller's identity, passed on as it came: the services judge it. Raises ``token-invalid``."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or not token.isascii() or len(token) > 4096:
        raise PasserelleError("token-invalid", "The header is not a bearer token.", where="authorization")
    return token.strip()


def build_app(gateway: Gateway) -> Starlette:
    """The application."""
    described = orjson.dumps(document())

    def bound(operation: Operation) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            gateway.admit(request)
            return await gateway.answer(operation, request)

        return endpoint

    async def openapi(request: Request) -> Response:
        gateway.admit(request)
        return Response(described, media_type="application/json", headers=HEADERS)

    routes = [Route(one.route, bound(one), methods=[one.verb], name=one.name) for one in OPERATIONS]
    routes.append(Route("/v1/openapi.json", openapi))
    handlers: Any = {PasserelleError: _told, HTTPException: _told, ClientDisconnect: _told, Exception: _told}
    return Starlette(routes=routes, exception_handlers=handlers)


async def _told(request: Request, error: Exception) -> Response:
    language = preferred(request.headers.get("accept-language", ""))
    typed = _typed(request, error)
    status = error.status_code if isinstance(error, HTTPException) else None
    retry_s = math.ceil(error.wait_s) if isinstance(error, _Limited) else 5
    return problem(typed, request.url.path[:200], language, status, retry_s=retry_s)


def _typed(request: Request, error: Exception) -> PasserelleError:
    if isinstance(error, PasserelleError):
        return error
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return NotFound("not-found", "There is nothing at this address.", where=request.url.path[:200])
        return PasserelleError("argument-invalid", "This address does not take this method.", where="method")
    if isinstance(error, ClientDisconnect):
        return PasserelleError("service-stopping", "The caller went away.")
    _LOG.error("a request failed", path=request.url.path[:200], exc_info=error)
    return PasserelleError("internal", "The request met a defect of the gateway; it is in its log.")
