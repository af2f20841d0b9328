"""What every page shares: the site's parts, and one request's language, links and rendering."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from passerelle.core.errors import PasserelleError
from passerelle.portal.config import PortalConfig
from passerelle.portal.hub import Hub
from passerelle.portal.i18n import Catalogue
from passerelle.portal.ports import Questions
from passerelle.portal.postgres.reader import Reader
from passerelle.portal.status import Status
from passerelle.portal.trust import Trust
from passerelle.runtime.clock import Clock, as_date, as_datetime
from passerelle.runtime.language import LANGUAGES, preferred

T = TypeVar("T")
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Site:
    """The parts that the pages are made of, handed in by the service."""

    config: PortalConfig
    root_key: bytes
    reader: Reader
    questions: Questions
    trust: Trust
    hub: Hub
    status: Status
    clock: Clock
    catalogues: Mapping[str, Catalogue]
    templates: jinja2.Environment


def environment() -> jinja2.Environment:
    """The templates, escaping everything, strict about names."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("passerelle.portal", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset_versions() -> dict[str, str]:
    """The first hex digits of each static file's SHA-256: the address changes when the file does."""
    folder = files("passerelle.portal") / "static"
    versions: dict[str, str] = {}
    for base in (folder, folder / "vendor"):
        for path in base.iterdir():
            if path.is_file():
                name = path.name if base is folder else f"vendor/{path.name}"
                versions[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return versions


_ASSETS = asset_versions()


class Page:
    """One request's view: its language, its links, its parameters."""

    def __init__(self, site: Site, request: Request) -> None:
        self.site = site
        self.request = request
        first = request.url.path.split("/", 2)[1]
        self.language = first if first in LANGUAGES else preferred(request.headers.get("accept-language", ""))
        self.catalogue = site.catalogues[self.language]

    def text(self, name: str, limit: int = MAX_TEXT) -> str:
        """A query parameter without control characters, cut at ``limit``."""
        return clean(self.request.query_params.get(name, ""), limit)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number of a query parameter, kept within its bounds; ``default`` where there is none."""
        value = self.request.query_params.get(name, "")
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            return default
        return min(max(int(value), least), most)

    def href(self, path: str, **query: Any) -> str:
        """A link within the page's language; empty parameters are left out."""
        kept = {name: value for name, value in query.items() if value not in ("", None)}
        return f"/{self.language}{path}" + (f"?{urlencode(kept)}" if kept else "")

    def switch(self, language: str) -> str:
        """The same page in another language."""
        path = self.request.url.path
        first = path.split("/", 2)[1]
        rest = path[len(first) + 1 :] if first in LANGUAGES else path
        query = self.request.url.query
        return f"/{language}{rest}" + (f"?{query}" if query else "")

    def today(self) -> str:
        """The date of the question where none is given, in UTC."""
        return as_date(self.site.clock.now_ms())

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """The page as HTML."""
        text = self.site.templates.get_template(template).render(
            page=self,
            c=self.catalogue,
            t=self.catalogue.t,
            n=self.catalogue.n,
            label=self.catalogue.label,
            href=self.href,
            asset=asset,
            iso=iso,
            languages=LANGUAGES,
            path=self.request.url.path.removeprefix(f"/{self.language}"),
            diverged=self.site.status.diverged,
            network=self.site.config.network,
            log_url=self.site.config.log_url,
            **values,
        )
        return HTMLResponse(text, status_code=status, headers={"Content-Language": self.language})


def clean(value: str, limit: int) -> str:
    """A text without control characters, trimmed and cut at ``limit``."""
    return "".join(c for c in value[: 4 * limit] if c.isprintable()).strip()[:limit]


def asset(name: str) -> str:
    """The address of a static file; KeyError where there is none."""
    return f"/static/{name}?v={_ASSETS[name]}"


def iso(instant_ms: int) -> str:
    """An instant as RFC 3339 in UTC, for ``<time datetime>``."""
    return as_datetime(instant_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def attempt(call: Awaitable[T]) -> tuple[T | None, PasserelleError | None]:
    """The answer of a call that a page can do without, or the error that the page tells."""
    try:
        return await call, None
    except PasserelleError as error:
        return None, error
