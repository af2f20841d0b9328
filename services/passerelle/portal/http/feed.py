"""The live feed (server-sent events, WHATWG HTML section 9.2) and its JSON twin for catching up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import structlog
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse, SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from passerelle.core.errors import NotFound, PasserelleError
from passerelle.core.receipt import Receipt, build_receipt
from passerelle.portal.http.catalogue import question
from passerelle.portal.http.site import Page, Site, iso
from passerelle.portal.hub import follow
from passerelle.portal.postgres.catalogue import PAGE
from passerelle.portal.record import as_json

_LOG = structlog.get_logger(__name__)
RETRY_MS: Final = 3_000
MAX_LIMIT: Final = 500
MAX_FULL: Final = 100
"""Entries with their bodies in one answer: at most 6.5 MB."""
OPEN: Final = {"Access-Control-Allow-Origin": "*"}
"""Everything here is public, so pages of other portals may read it."""
HOUR_MS: Final = 3_600_000


class Answer(Response):
    """JSON bytes that any page may read."""

    def __init__(self, value: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(
            orjson.dumps(value),
            media_type="application/json",
            headers={"Cache-Control": "no-cache", **OPEN, **(headers or {})},
        )


class FeedResponse(EventSourceResponse):
    """A stream whose reader may be cut off for taking nothing: that is told in the log, not raised."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            _LOG.info("a feed client took nothing for too long and was cut off", code="watcher-too-slow")


def index_of(text: str, where: str) -> int:
    """A log index given by a caller. Raises PasserelleError ``argument-invalid``."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise PasserelleError("argument-invalid", "An index is a whole number, from 0.", where=where)
    return int(text)


def _detail(request: Request) -> bool:
    detail = request.query_params.get("detail", "short")
    if detail not in ("short", "full"):
        raise PasserelleError("argument-invalid", "The detail is short or full.", where="detail")
    return detail == "full"


def start_of(request: Request, head: int) -> int:
    """The first index that a client wants: after Last-Event-ID, else ``from``, else what comes next.

    A browser that reconnects repeats the address and adds the header, so the header wins. Raises PasserelleError.
    """
    last = request.headers.get("last-event-id", "")
    if last:
        return index_of(last, "Last-Event-ID") + 1
    first = request.query_params.get("from")
    return head if first is None else index_of(first, "from")


async def feed(site: Site, request: Request) -> Response:
    """``/feed``: every entry from a position on, in ledger order, without end."""
    full = _detail(request)
    start = start_of(request, site.hub.next_index)
    site.hub.check_room()
    return FeedResponse(
        _events(site, start, full=full),
        headers=OPEN,
        sep="\n",
        ping=site.config.feed.heartbeat_s,
        ping_message_factory=lambda: ServerSentEvent(comment="heartbeat"),
        send_timeout=site.config.feed.send_timeout_s,
    )


async def _events(site: Site, start: int, *, full: bool) -> AsyncIterator[ServerSentEvent]:
    following = start
    detail = "full" if full else "short"
    try:
        with site.hub.present():
            hello = {"head": site.hub.next_index, "from": start, "detail": detail, "network": site.config.network}
            yield ServerSentEvent(orjson.dumps(hello).decode(), event="hello", retry=RETRY_MS)
            async for live in follow(site.hub, site.reader.items, start):
                yield ServerSentEvent(live.json(full=full), id=str(live.index), event="entry")
                following = live.index + 1
    except PasserelleError as error:
        hint = {"code": error.code, "from": following, "url": f"/feed?from={following}&detail={detail}"}
        yield ServerSentEvent(orjson.dumps(hint).decode(), event="resume")


async def page_of_feed(site: Site, request: Request) -> Response:
    """``/api/feed``: the entries after an index, for catching up."""
    full = _detail(request)
    after = request.query_params.get("after")
    first = 0 if after is None else index_of(after, "after") + 1
    most = MAX_FULL if full else MAX_LIMIT
    limit = index_of(request.query_params.get("limit", "100"), "limit")
    if not 1 <= limit <= most:
        raise PasserelleError("argument-invalid", f"The limit is 1 to {most}.", where="limit")
    head = await site.reader.head()
    items = await site.reader.items(first, limit)
    last = items[-1].index if items else first - 1
    more = f"/api/feed?after={last}&limit={limit}&detail={'full' if full else 'short'}"
    value = {
        "items": [as_json(item, full=full) for item in items],
        "head": head,
        "next": more if last + 1 < head else None,
    }
    return Answer(value)


async def entry(site: Site, request: Request) -> Response:
    """``/api/entries/{index}``: one entry with its lines and, where public, its body."""
    item = await site.reader.item(request.path_params["index"]) if request.path_params["index"] < 2**62 else None
    if item is None:
        raise NotFound("entry-absent", "The log has no entry at this index.", where="index")
    return Answer(as_json(item, full=True))


async def receipt(site: Site, request: Request) -> Response:
    """``/api/proof/{index}``: the receipt file of an entry, to be verified offline."""
    index = request.path_params["index"]
    if index >= 2**62:
        raise NotFound("entry-absent", "The log has no entry at this index.", where="index")
    found = await site.questions.proof(index)
    data = build_receipt(Receipt(found.entry, found.proof.encode(), found.body or None))
    headers = {"Content-Disposition": f'attachment; filename="entry-{index}.receipt.json"', **OPEN}
    return Response(data, media_type="application/json", headers=headers)


async def volume(site: Site, request: Request) -> Response:
    """``/api/volume``: entries by hour, hours without any included, for the chart."""
    hours = index_of(request.query_params.get("hours", "48"), "hours")
    if not 1 <= hours <= 720:
        raise PasserelleError("argument-invalid", "The hours are 1 to 720.", where="hours")
    now = site.clock.now_ms()
    last = now - now % HOUR_MS
    first = last - (hours - 1) * HOUR_MS
    accepted = dict.fromkeys(range(first, last + 1, HOUR_MS), 0)
    refused = dict(accepted)
    for row in await site.reader.volume(first):
        accepted[row.hour] = accepted.get(row.hour, 0) + row.accepted
        refused[row.hour] = refused.get(row.hour, 0) + row.refused
    return Answer(
        {
            "hours": [iso(hour) for hour in sorted(accepted)],
            "accepted": [accepted[hour] for hour in sorted(accepted)],
            "refused": [refused[hour] for hour in sorted(accepted)],
        }
    )


async def achievements(site: Site, request: Request) -> Response:
    """``/api/achievements``: the search of the pages, with each achievement's data as published."""
    asked = question(Page(site, request))
    result = await site.reader.search(asked)
    items = [
        {"id": row.id, "member": row.member, "version": row.version, "index": row.index, "data": row.data}
        for row in result.rows
    ]
    facets = {name: {facet.value: facet.count for facet in values} for name, values in result.facets.items()}
    return Answer(
        {
            "total": result.total,
            "page": asked.page,
            "page_size": PAGE,
            "fuzzy": result.fuzzy,
            "items": items,
            "facets": facets,
        }
    )
