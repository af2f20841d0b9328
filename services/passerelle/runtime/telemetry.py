"""Structured logs to standard error, and a small HTTP server for health and metrics."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import prometheus_client
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from passerelle.runtime.config import ServerConfig, TelemetryConfig
from passerelle.runtime.watchdog import watchdogs

_NOISY: Final = ("aiokafka", "asyncio", "asyncpg", "uvicorn.access", "faust", "mode")
"""Libraries that say the same many times a second while a server is away."""
WINDOW_S: Final = 10.0
MOST_IN_WINDOW: Final = 20
CONNECTIONS: Final = prometheus_client.Gauge("passerelle_http_connections", "HTTP connections open now.", ["port"])

Health = Callable[[], Mapping[str, Any]]
"""A snapshot for people and probes: ``{"ready": bool, ...}``; never personal data."""


def configure_logging(config: TelemetryConfig, *, service: str) -> None:
    """Route structlog and the standard library's logging to standard error in one form."""
    level = getattr(logging, config.log_level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: Any = structlog.processors.JSONRenderer()
    if config.log_format == "console":
        # The default formatter prints the values of local variables, which can hold personal data.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logger = logging.getLogger(noisy)
        logger.setLevel(logging.WARNING)
    handler.addFilter(SparingFilter())
    structlog.contextvars.bind_contextvars(service=service)


class SparingFilter(logging.Filter):
    """Lets ``MOST_IN_WINDOW`` records of a noisy library through in ``WINDOW_S`` seconds, and tells of the rest.

    While a broker is away its client writes dozens of lines a second: a log on a full disk helps nobody.
    """

    def __init__(self) -> None:
        super().__init__()
        self._windows: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        library = record.name.partition(".")[0]
        if library not in _NOISY:
            return True
        start, count = self._windows.get(library, (record.created, 0))
        if record.created - start >= WINDOW_S:
            if count > MOST_IN_WINDOW:
                record.msg = (
                    f"{record.getMessage()} ({count - MOST_IN_WINDOW} earlier lines of {library} were left out)"
                )
                record.args = ()
            start, count = record.created, 0
        self._windows[library] = (start, count + 1)
        return count < MOST_IN_WINDOW


def health_app(health: Health) -> Starlette:
    """``/healthz`` (alive), ``/readyz`` (200 or 503 with the snapshot), ``/metrics`` (Prometheus)."""

    async def alive(_request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def ready(_request: Request) -> Response:
        snapshot = {**health(), "watchdogs": watchdogs()}
        return JSONResponse(snapshot, status_code=200 if snapshot.get("ready") else 503)

    async def metrics(_request: Request) -> Response:
        return Response(prometheus_client.generate_latest(), media_type=prometheus_client.CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", metrics)])


@asynccontextmanager
async def serve_http(app: Any, config: ServerConfig) -> AsyncIterator[int]:
    """Serve an ASGI application inside the running loop; yields the bound port, stops within five seconds."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            limit_concurrency=config.calls_max,
            lifespan="on",
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise OSError(f"the HTTP server on port {config.port} did not start")
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        CONNECTIONS.labels(str(port)).set_function(lambda: len(server.server_state.connections))
        try:
            yield port
        finally:
            CONNECTIONS.remove(str(port))
    finally:
        server.should_exit = True
        await asyncio.wait([task], timeout=5)
        if not task.done():
            task.cancel()
