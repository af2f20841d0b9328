"""How the question commands ask and show: the channel, the JSON form of an answer, texts in both languages."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from google.protobuf.message import Message

from passerelle.core.errors import FormatError

if TYPE_CHECKING:
    import grpc
    from rich.console import Console

T = TypeVar("T")
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


def ask(address: str, call: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
    """Open a channel, make the call, and translate a failure into the error that the service meant."""
    import grpc

    from passerelle.runtime.rpc import from_rpc_error, open_channel

    async def made() -> T:
        async with open_channel(address) as channel:
            try:
                return await call(channel)
            except grpc.aio.AioRpcError as error:
                raise from_rpc_error(error) from None

    return asyncio.run(made())


async def every_page(ask_page: Callable[[str], Awaitable[Any]], field: str, limit: int) -> tuple[Any, list[Any]]:
    """The first response, and the items of ``field`` of all pages up to ``limit``."""
    first = response = await ask_page("")
    items = list(getattr(response, field))
    while response.next_page_token and len(items) < limit:
        response = await ask_page(response.next_page_token)
        items += getattr(response, field)
    return first, items[:limit]


def as_json(message: Message) -> dict[str, Any]:
    """A message for scripts: the field names of the contract, enums as lower-case words, bytes in hexadecimal.

    Every field stands there, but for messages and members of a ``oneof`` that are not set.
    """
    shown: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        shown[field.name] = _field(field, getattr(message, field.name))
    return shown


def _field(field: Any, value: Any) -> Any:
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return {name: _value(entry.fields_by_name["value"], value[name]) for name in sorted(value)}
    if field.is_repeated:
        return [_value(field, item) for item in value]
    return _value(field, value)


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return as_json(value)
    if field.enum_type is not None:
        return word(field.enum_type, value)
    return value.hex() if isinstance(value, bytes) else value


def word(kind: Any, number: int) -> str:
    """``no-credit`` for ``VERDICT_NO_CREDIT`` of the enum ``Verdict``."""
    found = kind.values_by_number.get(number)
    if found is None:
        return str(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.name).upper() + "_"
    return str(found.name.removeprefix(prefix).lower().replace("_", "-"))


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

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Call metadata with a fresh token."""
        from passerelle.runtime.clock import SystemClock
        from passerelle.runtime.identity import make_token
        from passerelle.runtime.keys import read_seed
        from passerelle.runtime.rpc import metadata

        settings = self._settings
        token = make_token(
            read_seed(settings.key_file),
            member=settings.member,
            network=settings.network,
            now_s=SystemClock().now_ms() // 1000,
        )
        return metadata(token)


async def until(stream: AsyncIterator[T], count: int) -> AsyncIterator[T]:
    """At most ``count`` items of a stream; 0 is all."""
    seen = 0
    async for item in stream:
        yield item
        seen += 1
        if count and seen >= count:
            return
