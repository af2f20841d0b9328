"""How the question commands ask and show: the channel, the JSON form of an answer, texts in both languages."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from google.protobuf.message import Message

from passerelle.cli.common import run_work
from passerelle.core.errors import FormatError
from passerelle.runtime import protojson

if TYPE_CHECKING:
    from rich.console import Console

    from passerelle.client import Client, MemberIdentity, Unary

T = TypeVar("T")
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
QUERY_DEFAULT: Final = "127.0.0.1:8443"

QueryOption = Annotated[
    str, typer.Option("--query", envvar="PASSERELLE_QUERY", help="Address of the query service, host:port.")
]
LangOption = Annotated[
    str | None, typer.Option("--lang", help="Language of the answer for people: en or fr; LANG says which otherwise.")
]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0.1, max=300, help="Seconds to wait for the answer.")]
KnownAtOption = Annotated[
    str | None,
    typer.Option("--known-at", help="Answer as of a log size (12345) or an instant (2026-11-02T14:05:00Z)."),
]
MinPositionOption = Annotated[
    int, typer.Option("--min-position", min=0, help="Wait until the service holds this many log entries.")
]
SignOption = Annotated[
    Path | None, typer.Option("--sign", help="Write the answer signed by the service to a file, *.answer.jws.")
]

# The form that --json prints is the form of signed answers and of the gateway.
as_json = protojson.as_json
word = protojson.word
_SIZE: Final = re.compile(r"[0-9]{1,16}")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def language(lang: str | None) -> str:
    """``en`` or ``fr``. Raises FormatError ``language-unknown`` for another that was asked for by name."""
    if lang is not None:
        if lang not in {"en", "fr"}:
            raise FormatError("language-unknown", "Answers for people are in English and French.", where="--lang")
        return lang
    told = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "fr" if told.lower().startswith("fr") else "en"


def known_at(text: str | None) -> dict[str, int]:
    """The ``known_at`` of a request: a size of the log or an instant. Raises FormatError ``argument-invalid``."""
    if text is None:
        return {}
    if _SIZE.fullmatch(text):
        return {"size": int(text)}
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FormatError(
            "argument-invalid",
            "Neither a number of log entries nor an instant with its offset.",
            where="--known-at",
            fix="Write 12345, or 2026-11-02T14:05:00Z.",
        )
    return {"instant_ms": (moment - _EPOCH) // dt.timedelta(milliseconds=1)}


def ask(address: str, call: Callable[[Client], Awaitable[T]], identity: MemberIdentity | None = None) -> T:
    """Open a client and make the calls; failures are the errors that the service meant."""
    from passerelle.client import Client

    async def made() -> T:
        async with Client(address, identity=identity) as client:
            return await call(client)

    return run_work(made())


def ask_one(address: str, method: Unary[Q, R], request: Q, timeout: float, identity: MemberIdentity | None = None) -> R:
    """One call of a method with one answer."""
    return ask(address, lambda client: client.call(method, request, timeout_s=timeout), identity)


def ask_pages(
    address: str,
    method: Unary[Q, R],
    request: Q,
    field: str,
    limit: int,
    timeout: float,
    identity: MemberIdentity | None = None,
) -> tuple[R, list[Any]]:
    """The first answer, and the items of ``field`` of all pages up to ``limit``."""

    async def call(client: Client) -> tuple[R, list[Any]]:
        async def page(token: str) -> R:
            asked: Any = request
            asked.page_token = token
            return await client.call(method, request, timeout_s=timeout)

        return await every_page(page, field, limit)

    return ask(address, call, identity)


def keep_signed(target: Path | None, response: Any) -> None:
    """Write the signed form of an answer to a file. Raises FormatError ``too-many-items`` where it is a part only."""
    if target is None:
        return
    if getattr(response, "next_page_token", ""):
        raise FormatError(
            "too-many-items", "A signed answer is one page, and this one has more.", where="--sign", fix="Ask for less."
        )
    target.write_text(response.jws + "\n", encoding="ascii")


async def every_page(ask_page: Callable[[str], Awaitable[Any]], field: str, limit: int) -> tuple[Any, list[Any]]:
    """The first response, and the items of ``field`` of all pages up to ``limit``."""
    first = response = await ask_page("")
    items = list(getattr(response, field))
    while response.next_page_token and len(items) < limit:
        response = await ask_page(response.next_page_token)
        items += getattr(response, field)
    return first, items[:limit]


def name_of(names: Any, lang: str, default: str) -> str:
    """A name in a language, in any that there is, or the id."""
    return str(names.get(lang) or next(iter(names.values()), "") or default)


def credit_text(credits: Any) -> str:
    """``3 credit-hours``."""
    return f"{credits.value} {credits.system}" if credits.value else ""


def position_text(position: Any, lang: str) -> str:
    """Which state of the ledger the answer is about."""
    moment = dt.datetime.fromtimestamp(position.accepted_at_ms / 1000, tz=dt.UTC).isoformat(timespec="seconds")
    shown = moment.replace("+00:00", "Z")
    if lang == "fr":
        return f"Position du registre : {position.size} entrées, la dernière acceptée le {shown}."
    return f"Ledger position: {position.size} entries, the last accepted at {shown}."


def reason_text(reason: Any, lang: str) -> str:
    """The sentence of a reason."""
    return str(reason.fr if lang == "fr" else reason.en)


def console() -> Console:
    """Where answers for people go."""
    from rich.console import Console

    return Console(soft_wrap=False)


class Identity:
    """A member's identity from its node's configuration: the key stays in its file."""

    def __init__(self, config: Path, address: str | None) -> None:
        from passerelle.node.config import NodeConfig

        self._settings = NodeConfig.load(config)
        self.address = address or self._settings.query

    @property
    def member(self) -> MemberIdentity:
        """Who the client calls as."""
        from passerelle.client import MemberIdentity

        settings = self._settings
        return MemberIdentity.from_file(settings.key_file, member=settings.member, network=settings.network)


async def until(stream: AsyncIterator[T], count: int) -> AsyncIterator[T]:
    """At most ``count`` items of a stream; 0 is all."""
    seen = 0
    async for item in stream:
        yield item
        seen += 1
        if count and seen >= count:
            return
