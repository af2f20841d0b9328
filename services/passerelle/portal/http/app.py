"""The ASGI application: routes, languages, headers, and what happens on errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from passerelle.core.errors import NotFound, PasserelleError
from passerelle.portal.http import catalogue, feed, ledger, statistics
from passerelle.portal.http.problems import problem
from passerelle.portal.http.site import Page, Site
from passerelle.runtime.http import http_status
from passerelle.runtime.language import LANGUAGES, preferred

_LOG = structlog.get_logger(__name__)
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PAGES: Final = {
    "": ledger.home,
    "achievements": catalogue.achievements,
    "achievements/{member}/{local}": catalogue.achievement,
    "equivalencies": catalogue.equivalencies,
    "ledger": ledger.ledger,
    "ledger/{index:int}": ledger.entry,
    "proof": ledger.proof,
    "members": ledger.members,
    "members/{member}": ledger.member,
    "live": ledger.live,
    "statistics": statistics.statistics,
}
MACHINES: Final = {
    "/feed": feed.feed,
    "/api/feed": feed.page_of_feed,
    "/api/entries/{index:int}": feed.entry,
    "/api/proof/{index:int}": feed.receipt,
    "/api/volume": feed.volume,
    "/api/achievements": feed.achievements,
    "/api/statistics": statistics.as_json,
    "/api/statistics.csv": statistics.as_csv,
}
Handler = Callable[[Site, Request], Awaitable[Response]]


class Headers:
    """Adds the security headers to every response; pages are looked up again each time, static files never."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                static = scope["path"].startswith("/static/") and message["status"] in (200, 304)
                headers.setdefault("Cache-Control", "public, max-age=31536000, immutable" if static else "no-cache")
            await send(message)

        await self._app(scope, receive, add)


def build_app(site: Site) -> Starlette:
    """The application of a site."""

    def bound(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await handler(site, request)

        return endpoint

    routes: list[Route | Mount] = []
    for language in LANGUAGES:
        for path, handler in PAGES.items():
            methods = ["GET", "POST"] if path == "proof" else ["GET"]
            routes.append(Route(f"/{language}/{path}", bound(handler), methods=methods))
        routes.append(Route(f"/{language}", _to_home(language)))
    routes += [Route(path, bound(handler)) for path, handler in MACHINES.items()]
    # The same pages without a language: to the one that the reader prefers.
    routes += [Route(f"/{path}", _to_language) for path in PAGES]
    routes += [
        Route("/healthz", _alive),
        Route("/readyz", bound(_ready)),
        Mount("/static", StaticFiles(directory=_static_folder()), name="static"),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Headers)],
        exception_handlers={
            PasserelleError: _on_error(site),
            HTTPException: _on_error(site),
            Exception: _on_error(site),
        },
    )


def _static_folder() -> Path:
    # The package is installed as files, never zipped: StaticFiles and the templates need a folder.
    return Path(str(files("passerelle.portal") / "static"))


def _to_home(language: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return RedirectResponse(f"/{language}/", status_code=308)

    return endpoint


async def _to_language(request: Request) -> Response:
    language = preferred(request.headers.get("accept-language", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(
        f"/{language}{request.url.path}{query}", status_code=307, headers={"Vary": "Accept-Language"}
    )


async def _alive(_request: Request) -> Response:
    return JSONResponse({"alive": True})


async def _ready(site: Site, _request: Request) -> Response:
    site.status.clients = site.hub.clients
    return JSONResponse(site.status.snapshot(), status_code=200 if site.status.ready else 503)


def _typed(request: Request, error: Exception) -> PasserelleError:
    if isinstance(error, PasserelleError):
        return error
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return NotFound("not-found", "There is nothing at this address.", where=request.url.path[:200])
        if error.status_code == 405:
            return PasserelleError("argument-invalid", "This address does not take this method.", where="method")
        return PasserelleError("argument-invalid", str(error.detail)[:200])
    _LOG.error("a request failed", path=request.url.path[:200], exc_info=error)
    return PasserelleError("internal", "The request met a defect of the portal; it is in its log.")


def _on_error(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        typed = _typed(request, error)
        status = error.status_code if isinstance(error, HTTPException) else http_status(typed)
        if request.url.path.startswith(("/api/", "/feed")):
            return problem(request, typed, status)
        if request.url.path.startswith("/static/"):
            return Response(status_code=status)
        return Page(site, request).render("error.html", status=status, error=typed, shown_status=status)

    return answer
