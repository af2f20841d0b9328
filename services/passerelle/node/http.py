"""Pushes over HTTP, for the office's own programs: ``POST /v1/imports`` takes a file, ``GET /v1/jobs/{id}`` tells.

Plain HTTP on the loopback address by default; who calls shows a bearer token (RFC 6750). Errors are problem details
(RFC 9457) with the project's codes. What the document at ``/openapi.json`` says is what is served.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import stat
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from passerelle.core.errors import ConfigError, FormatError, NotFound, PasserelleError, Unavailable
from passerelle.node.config import PushConfig
from passerelle.node.csv_forms import FORMS
from passerelle.node.jobs import Asked, Job, JobRunner, JobStore
from passerelle.node.push_api import MAX_PARAMETER, PARAMETERS, openapi
from passerelle.node.setup import known
from passerelle.runtime.clock import Clock, as_datetime
from passerelle.runtime.config import read_secret
from passerelle.runtime.http import problem
from passerelle.runtime.ids import Ids

_LOG = structlog.get_logger(__name__)
MIN_TOKEN: Final = 32
"""Characters of a token: fewer could be guessed."""
UPLOAD_S: Final = 600.0
"""Longest time for one body: a caller that stands still gives its place back."""
_CODES: Final = {404: "not-found", 405: "argument-invalid"}
Handler = Callable[[Request], Awaitable[Response]]


def read_token(path: Path) -> bytes:
    """The token of a file that only its owner can read. Raises ConfigError."""
    token = read_secret(path).strip()
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        fix = f"chmod 600 {path}"
        raise ConfigError("config-secret-exposed", "the token's file can be read by others", where=str(path), fix=fix)
    if len(token) < MIN_TOKEN or not token.isascii() or " " in token:
        fix = "Make one with: openssl rand -hex 32"
        what = f"the token has fewer than {MIN_TOKEN} characters, or other than ASCII without spaces"
        raise ConfigError("config-invalid", what, where=str(path), fix=fix)
    return token.encode()


def refusal(request: Request, error: PasserelleError, status: int | None = None) -> Response:
    """A typed error as problem details, in English."""
    answer = problem(error, request.url.path, "en", status)
    if answer.status_code == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


class PushApi:
    """The handlers. A body goes to a file in the spool folder; the job is stored before it is answered."""

    def __init__(
        self, config: PushConfig, store: JobStore, runner: JobRunner, clock: Clock, ids: Ids, token: bytes
    ) -> None:
        self._config = config
        self._store = store
        self._runner = runner
        self._clock = clock
        self._ids = ids
        self._token = hashlib.sha256(token).digest()
        self._uploading = 0

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/v1/imports", self._guarded(self.push), methods=["POST"]),
            Route("/v1/jobs/{id}", self._guarded(self.job), methods=["GET"]),
            Route("/openapi.json", self.document, methods=["GET"]),
        ]
        handlers: Any = {PasserelleError: _typed, HTTPException: _http_error, Exception: _defect}
        return Starlette(routes=routes, exception_handlers=handlers)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            # Hashes have one length, and comparing them tells nothing by its time.
            given = hashlib.sha256(token.strip().encode("latin-1", "replace")).digest()
            if not hmac.compare_digest(given, self._token) or scheme.lower() != "bearer":
                code = "token-invalid" if token else "unauthenticated"
                fix = "Send 'Authorization: Bearer' with the token of the node's token_file."
                what = "the call shows no token that this node takes"
                return refusal(request, PasserelleError(code, what, fix=fix))
            return await handler(request)

        return guarded

    async def document(self, _request: Request) -> Response:
        """``/openapi.json``."""
        return JSONResponse(openapi(self._config.max_bytes))

    async def job(self, request: Request) -> Response:
        """``/v1/jobs/{id}``."""
        try:
            found = await self._store.job(str(uuid.UUID(request.path_params["id"])))
        except ValueError:
            found = None
        if found is None:
            raise NotFound("not-found", "this node knows no such job, or has forgotten it", where="id")
        return JSONResponse(shown(found), headers={"Cache-Control": "no-store"})

    async def push(self, request: Request) -> Response:
        """``/v1/imports``. Raises FormatError, PasserelleError ``queue-full``, Unavailable."""
        asked = _asked(request)
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._config.max_bytes:
            raise self._too_large()
        room = self._config.max_waiting - await self._store.open_jobs() - self._uploading
        if room <= 0:
            raise self._full()
        self._uploading += 1
        job = Job(self._ids.uuid7(), "push", "", asked, "waiting", self._clock.now_ms())
        part = self._config.spool_folder / f"{job.id}.part"
        try:
            async with asyncio.timeout(UPLOAD_S):
                await self._receive(request, part)
            part.rename(self._runner.file(job.id))
            if not await self._store.add_job(job, self._config.max_waiting):
                raise self._full()
        except TimeoutError:
            raise Unavailable("deadline-exceeded", "the body did not come in time", where="body") from None
        except ClientDisconnect:
            raise FormatError("cancelled", "the caller went away in the middle of the body", where="body") from None
        except OSError as error:
            _LOG.error("a pushed file cannot be stored", errno=error.errno)
            raise Unavailable("disk-full", "the file cannot be stored now", where="spool_folder") from None
        except BaseException:
            self._runner.file(job.id).unlink(missing_ok=True)
            raise
        finally:
            self._uploading -= 1
            part.unlink(missing_ok=True)
        self._runner.wake()
        return JSONResponse(shown(job), 202, {"Location": f"/v1/jobs/{job.id}", "Cache-Control": "no-store"})

    async def _receive(self, request: Request, part: Path) -> None:
        """The body in a file, on the disk before it is answered. Raises FormatError, OSError."""
        size = 0
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > self._config.max_bytes:
                    raise self._too_large()
                file.write(chunk)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        if size == 0:
            raise FormatError("file-empty", "the body is empty", where="body", fix="Send the file as the body.")

    def _too_large(self) -> PasserelleError:
        what = f"the body has no length that can be read, or more than {self._config.max_bytes} bytes"
        return FormatError("message-too-large", what, where="body")

    def _full(self) -> PasserelleError:
        what = f"{self._config.max_waiting} files wait already"
        return PasserelleError("queue-full", what, where="max_waiting")


def shown(job: Job) -> dict[str, Any]:
    """A job as the API tells it; instants in RFC 3339."""

    def instant(at: int | None) -> str | None:
        return None if at is None else as_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return {
        "id": job.id,
        "state": job.state,
        "asked": job.asked.as_dict(),
        "made_at": instant(job.made_at),
        "ended_at": instant(job.ended_at),
        "report": job.report,
        "error": job.error,
    }


def _asked(request: Request) -> Asked:
    for name in request.query_params:
        known(name, PARAMETERS, "query")
    given = {name: request.query_params.get(name, "") for name in PARAMETERS}
    for name, value in given.items():
        if len(value) > MAX_PARAMETER or len(request.query_params.getlist(name)) > 1:
            raise FormatError("argument-invalid", "the value is too long or stands twice", where=name)
    if given["kind"]:
        known(given["kind"], tuple(FORMS), "kind")
    return Asked(**given)


async def _typed(request: Request, error: Exception) -> Response:
    assert isinstance(error, PasserelleError)
    return refusal(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "argument-invalid")
    return refusal(request, PasserelleError(code, "there is no such page or method here"), error.status_code)


async def _defect(request: Request, error: Exception) -> Response:
    _LOG.error("a call failed", kind=type(error).__name__)
    return refusal(request, PasserelleError("internal", "the call failed by a defect of this program"))
