"""Errors over HTTP: problem details (RFC 9457) with the network's stable codes."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import JSONResponse

from passerelle.core.errors import PasserelleError
from passerelle.runtime.limits import REFUSED

PROBLEM: Final = "application/problem+json"
_CLIENT_GONE: Final = 499
_RETRY_S: Final = 5


def http_status(error: PasserelleError) -> int:
    """The HTTP status of an error; what has none of its own is 503."""
    status = error.info.http
    return 503 if status == _CLIENT_GONE else status


def problem(
    error: PasserelleError, path: str, language: str, status: int | None = None, *, retry_s: int = _RETRY_S
) -> JSONResponse:
    """The error as problem details; ``title`` in the language asked for, ``detail`` and ``fix`` in English.

    ``status``: where the protocol has one of its own, such as 405; else the error's.
    """
    status = status or http_status(error)
    REFUSED.labels(error.code).inc()
    value: dict[str, Any] = {
        "type": f"urn:passerelle:problem:{error.code}",
        "title": error.info.title_fr if language == "fr" else error.info.title,
        "status": status,
        "detail": error.what,
        "instance": path,
        "code": error.code,
        "fix": error.fix,
    }
    if error.where:
        value["where"] = error.where
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Language"}
    if status in (429, 503):
        headers["Retry-After"] = str(retry_s)
    return JSONResponse(value, status_code=status, headers=headers, media_type=PROBLEM)
