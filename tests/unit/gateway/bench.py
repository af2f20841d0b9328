"""The gateway as an HTTP client sees it, over the query services of a small world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
from tests.unit.client.serving import Serving, serving
from tests.unit.query.world import World

from passerelle.client import Client
from passerelle.gateway.http import Gateway, build_app
from passerelle.gateway.openapi import document
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.limits import RateLimit

DOCUMENT = document()


@dataclass
class Bench:
    """The gateway as an HTTP client sees it, and what is behind it."""

    http: httpx.AsyncClient
    behind: Serving
    client: Client


@asynccontextmanager
async def gateway(
    folder: Path, *, burst: int = 1_000, body_max: int = 4_096, world: World | None = None, store: Any = None
) -> AsyncIterator[Bench]:
    """Start the services and the gateway. ``world`` and ``store``: as for the services."""
    async with serving(folder, world=world, store=store) as behind, Client(behind.address) as client:
        app = build_app(Gateway(client, RateLimit(0.01, burst, SystemClock()), 5.0, body_max))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as http:
            yield Bench(http, behind, client)


def fits(value: Any, name: str) -> bool:
    """Whether a value is what the document says of it, and says all that stands there."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.is_valid(schema, value)


def promised(verb: str, path: str) -> str:
    """Name of the schema that the document promises for the answer of an address."""
    answer = DOCUMENT["paths"][path][verb.lower()]["responses"]["200"]["content"]["application/json"]["schema"]
    return str(answer["$ref"].rpartition("/")[2])


def problem(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and place of an error, in the form of RFC 9457."""
    assert response.headers["content-type"] == "application/problem+json"
    value = response.json()
    assert fits(value, "Problem"), value
    assert value["status"] == response.status_code
    return value["status"], value["code"], value.get("where", "")


def pick(value: Any, path: str) -> Any:
    """What stands at a path of an answer: ``rules.*.id`` is the id of every rule, ``path.0`` the first of a list."""
    name, _, rest = path.partition(".")
    if not name:
        return value
    if name == "*":
        return [pick(one, rest) for one in value]
    return pick(value[int(name)] if name.isdecimal() else value[name], rest)
