"""Errors over HTTP: problem details (RFC 9457) with the network's stable codes."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from passerelle.core.errors import PasserelleError
from passerelle.portal.i18n import preferred

MEDIA_TYPE = "application/problem+json"
_CLIENT_GONE = 499


def http_status(error: PasserelleError) -> int:
    """The HTTP status of an error; what has none of its own is 503."""
    status = error.info.http
    return 503 if status == _CLIENT_GONE else status


def problem(request: Request, error: PasserelleError, status: int | None = None) -> JSONResponse:
    """The error as problem details; ``title`` in the language asked for, ``detail`` and ``fix`` in English.

    ``status``: where the protocol has one of its own, such as 405; else the error's.
    """
    language = preferred(request.headers.get("accept-language", ""))
    status = status or http_status(error)
    value: dict[str, Any] = {
        "type": f"urn:passerelle:problem:{error.code}",
        "title": error.info.title_fr if language == "fr" else error.info.title,
        "status": status,
        "detail": error.what,
        "instance": request.url.path,
        "code": error.code,
        "fix": error.fix,
    }
    if error.where:
        value["where"] = error.where
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    if status in (429, 503):
        headers["Retry-After"] = "5"
    return JSONResponse(value, status_code=status, headers=headers, media_type=MEDIA_TYPE)
