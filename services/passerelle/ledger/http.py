"""The log over HTTP, for anyone: checkpoints, tiles, entry bundles, public bodies (C2SP tlog-tiles).

Nothing beyond the latest shown checkpoint is served, so that whoever reads tiles can prove them. Errors are problem
details (RFC 9457).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from passerelle.core.batch import CONTENT_TYPE
from passerelle.core.errors import FormatError, NotFound, PasserelleError, Unavailable
from passerelle.core.merkle import HASH_SIZE
from passerelle.core.tiles import WIDTH, encode_bundle, parse_bundle_path, parse_tile_path, width_at
from passerelle.ledger.checkpoints import CheckpointBoard
from passerelle.ledger.log_ports import LogStore
from passerelle.ledger.witnesses import Cosigning
from passerelle.runtime.limits import REFUSED

_LOG = structlog.get_logger(__name__)
MAX_AT_ONCE: Final = 64
"""Requests in work; more are told to come again."""
FOREVER: Final = "public, max-age=31536000, immutable"
SHORT: Final = "public, max-age=60"
FRESH: Final = "no-cache"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"

_SHA256: Final = re.compile("[0-9a-f]{64}")
_COUNT: Final = re.compile("[0-9]{1,2}")
_STATUS_CODES: Final = {404: "not-found", 405: "argument-invalid"}


class LogPages:
    """The endpoints. ``vkey`` is the log's verifier key as text."""

    def __init__(self, store: LogStore, board: CheckpointBoard, cosigning: Cosigning, vkey: str) -> None:
        self._store = store
        self._board = board
        self._cosigning = cosigning
        self._vkey = vkey
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/checkpoint", self._guard(self.checkpoint)),
            Route("/tile/entries/{path:path}", self._guard(self.bundle)),
            Route("/tile/{path:path}", self._guard(self.tile)),
            Route("/body/{sha256}", self._guard(self.body)),
            Route("/vkey", self._guard(self.verifier_key)),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_problem, Exception: _defect})

    def _guard(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                async with self._admitted():
                    response = await page(request)
            except PasserelleError as error:
                return problem(error)
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        return answer

    @asynccontextmanager
    async def _admitted(self) -> AsyncIterator[None]:
        if self._room.locked():
            raise Unavailable("queue-full", f"{MAX_AT_ONCE} requests are in work")
        async with self._room:
            yield

    async def checkpoint(self, request: Request) -> Response:
        """``/checkpoint``: the latest shown checkpoint, a signed note with the cosignatures that came so far;
        ``/checkpoint?witnesses=K``: the newest that so many members cosigned.
        """
        asked = request.query_params.get("witnesses", "0")
        if not _COUNT.fullmatch(asked):
            raise FormatError("argument-invalid", "the number of witnesses is 0 to 64", where="witnesses")
        found = await self._cosigning.find(witnesses=int(asked))
        return Response(found.note.encode(), media_type=TEXT, headers={"Cache-Control": FRESH})

    async def verifier_key(self, _request: Request) -> Response:
        """``/vkey``: the log's verifier key (signed-note). A reader takes it from its own configuration, not here."""
        return Response(f"{self._vkey}\n", media_type=TEXT, headers={"Cache-Control": SHORT})

    async def tile(self, request: Request) -> Response:
        """``/tile/<L>/<N>[.p/<W>]``: the hashes of a tile."""
        coord = parse_tile_path(f"tile/{request.path_params['path']}")
        if width_at(coord.level, coord.index, self._board.size) < coord.width:
            raise _beyond(coord.path)
        hashes = (await self._store.tile(coord.level, coord.index))[: coord.width * HASH_SIZE]
        if len(hashes) != coord.width * HASH_SIZE:
            raise PasserelleError("ledger-diverged", "the stored tile is shorter than the tree", where=coord.path)
        return Response(hashes, media_type=BYTES, headers={"Cache-Control": _caching(coord.width)})

    async def bundle(self, request: Request) -> Response:
        """``/tile/entries/<N>[.p/<W>]``: entries, each after its length as a big-endian uint16."""
        coord = parse_bundle_path(f"tile/entries/{request.path_params['path']}")
        start = coord.index * WIDTH
        if start + coord.width > self._board.size:
            raise _beyond(coord.path)
        entries = await self._store.entries(start, start + coord.width)
        if len(entries) != coord.width:
            raise PasserelleError("ledger-diverged", "a stored entry is missing", where=coord.path)
        return Response(encode_bundle(entries), media_type=BYTES, headers={"Cache-Control": _caching(coord.width)})

    async def body(self, request: Request) -> Response:
        """``/body/<sha256>``: the exact bytes of a public, accepted body, which may be withdrawn later."""
        name = request.path_params["sha256"]
        if not _SHA256.fullmatch(name):
            raise FormatError("hash-malformed", "the name of a body is 64 lower-case hex digits", where="sha256")
        found = await self._store.public_body(bytes.fromhex(name))
        if found is None:
            raise NotFound("body-absent", "the log names no public body of this hash", where=name)
        if found.body is None:
            raise NotFound("body-withdrawn", "the body was withdrawn; its entry and proof stay", where=name)
        return Response(found.body, media_type=CONTENT_TYPE.decode(), headers={"Cache-Control": SHORT})


def _caching(width: int) -> str:
    return FOREVER if width == WIDTH else SHORT


def _beyond(path: str) -> NotFound:
    return NotFound("tile-absent", "the latest checkpoint does not cover this tile in this width", where=path)


def problem(error: PasserelleError) -> Response:
    """A typed error as problem details (RFC 9457, section 3.1); ``code``, ``where`` and ``fix`` are extensions."""
    info = error.info
    REFUSED.labels(error.code).inc()
    content = {
        "type": f"urn:passerelle:problem:{error.code}",
        "title": info.title,
        "status": info.http,
        "detail": error.what,
        "code": error.code,
        "where": error.where,
        "fix": error.fix,
    }
    headers = {"Retry-After": "1"} if info.http in (429, 503) else {}
    return JSONResponse(content, info.http, media_type="application/problem+json", headers=headers)


async def _http_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = problem(PasserelleError(_STATUS_CODES.get(error.status_code, "argument-invalid"), str(error.detail)))
    headers = dict(error.headers or {}) | {"content-type": "application/problem+json"}
    return Response(found.body, error.status_code, headers=headers)


async def _defect(request: Request, error: Exception) -> Response:
    _LOG.error("a page failed", path=request.url.path, kind=type(error).__name__)
    return problem(PasserelleError("internal", "the page failed; the log has more"))
