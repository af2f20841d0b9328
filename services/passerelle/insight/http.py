"""The windows as JSON, beside health and metrics."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from passerelle.insight.stream import Windows
from passerelle.insight.windows import shown
from passerelle.runtime.telemetry import health_app


def build_page(windows: Windows) -> Starlette:
    """``/windows``: ledger position and hourly rows, small counts suppressed; beside it health and metrics."""

    async def hourly(_request: Request) -> Response:
        return JSONResponse({"position": windows.position, "rows": list(shown(windows.rows()))})

    health = health_app(lambda: {"ready": True, "position": windows.position})
    return Starlette(routes=[Route("/windows", hourly), Mount("/", health)])
