"""Errors over HTTP, told in the language that the request asks for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from passerelle.core.errors import PasserelleError
from passerelle.runtime import http
from passerelle.runtime.language import preferred


def problem(request: Request, error: PasserelleError, status: int | None = None) -> JSONResponse:
    """See :func:`passerelle.runtime.http.problem`."""
    language = preferred(request.headers.get("accept-language", ""))
    return http.problem(error, request.url.path, language, status)
