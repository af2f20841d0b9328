"""Page tokens: opaque, bound to their question, and pinned to the state that the first page was computed at."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from google.protobuf.message import Message

from passerelle.core.errors import FormatError

DEFAULT_SIZE: Final = 100
MAX_SIZE: Final = 1_000
_MAX_TOKEN: Final = 1_024
_PAGING: Final = ("page_token", "page_size", "min_position", "fields", "signed")


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page starts: ``state`` is what the first page fixed (JSON values), empty on the first page.

    ``request`` and ``caller`` say whose question the token of the next page belongs to.
    """

    size: int
    request: Message
    caller: str = ""
    state: tuple[Any, ...] = ()

    @property
    def first(self) -> bool:
        """No page came before."""
        return not self.state

    def token(self, *state: Any) -> str:
        """The token of the next page."""
        digest = _digest(self.request, self.caller)
        return base64.urlsafe_b64encode(orjson.dumps([digest, *state])).rstrip(b"=").decode()


def open_page(request: Message, caller: str = "") -> Page:
    """The page that a request with ``page_token`` and ``page_size`` asks for.

    A token belongs to one question of one caller: the same request apart from paging. Raises FormatError
    ``argument-invalid`` for a page size out of bounds, ``page-token-invalid`` for a token not made for this question.
    """
    asked: Any = request
    size = int(asked.page_size) or DEFAULT_SIZE
    if size > MAX_SIZE:
        raise FormatError("argument-invalid", f"A page has at most {MAX_SIZE} items.", where="page_size")
    if not asked.page_token:
        return Page(size, request, caller)
    return Page(size, request, caller, _read(str(asked.page_token), _digest(request, caller)))


def _digest(request: Message, caller: str) -> str:
    question = type(request)()
    question.CopyFrom(request)
    for name in _PAGING:
        if name in question.DESCRIPTOR.fields_by_name:
            question.ClearField(name)
    told = f"{question.DESCRIPTOR.full_name}|{caller}|".encode() + question.SerializeToString(deterministic=True)
    return hashlib.sha256(told).hexdigest()[:24]


def _read(token: str, digest: str) -> tuple[Any, ...]:
    try:
        if len(token) > _MAX_TOKEN:
            raise ValueError
        padded = token + "=" * (-len(token) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise invalid_token() from None
    if not isinstance(found, list) or len(found) < 2 or found[0] != digest:
        raise invalid_token()
    return tuple(found[1:])


def numbers(page: Page, count: int) -> tuple[int, ...]:
    """The state of a token as so many whole numbers. Raises FormatError ``page-token-invalid``."""
    good = all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 for value in page.state)
    if len(page.state) != count or not good:
        raise invalid_token()
    return page.state


def change_before(page: Page) -> tuple[int, str] | None:
    """The state of a token as log index and id of the last thing told, None on the first page.

    Raises FormatError ``page-token-invalid``.
    """
    if page.first:
        return None
    *changed, last = page.state
    if not isinstance(last, str):
        raise invalid_token()
    return numbers(replace(page, state=tuple(changed)), 1)[0], last


def invalid_token() -> FormatError:
    """The error of a token that was not made here for this question."""
    return FormatError("page-token-invalid", "The page token is not one made for this question.", where="page_token")
