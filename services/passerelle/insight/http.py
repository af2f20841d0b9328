"""The windows as JSON, beside health and metrics."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from passerelle.insight.stream import Reading, Windows
from passerelle.insight.windows import shown
from passerelle.runtime.telemetry import health_app


def build_page(windows: Windows, reading: Reading) -> Starlette:
    """``/windows``: ledger position and hourly rows, small counts suppressed; beside it health and metrics."""

    async def hourly(_request: Request) -> Response:
        return JSONResponse({"position": windows.position, "rows": list(shown(windows.rows()))})

    def snapshot() -> dict[str, Any]:
        fold = reading.fold
        return {
            "ready": True,
            "position": windows.position,
            "entries": fold.position,
            "holes": fold.holes,
            "left_out": fold.left_out,
        }

    health = health_app(snapshot)
    return Starlette(routes=[Route("/windows", hourly), Mount("/", health)])
