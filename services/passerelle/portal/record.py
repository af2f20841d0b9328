"""From a record of the feed topic to a checked log entry, and to what it says (pure).

What a record claims is checked before it is used: the entry's form and network, the body's hash against the statement,
and that a body is there only where the event is public and accepted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import FormatError, PasserelleError, SignatureInvalid
from passerelle.core.merkle import MAX_SIZE
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.events.codec import Event, parse_event
from passerelle.portal.ports import FeedItem, Raw
from passerelle.runtime.clock import as_datetime

_INDEX: Final = re.compile(rb"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checked:
    """An entry whose form, network and body hash were checked; ``event`` where the body is public and readable."""

    index: int
    entry: bytes
    parsed: Entry
    statement: Statement
    body: bytes | None
    event: Event | None
    problem: str
    """Why a public body could not be read by this version (a code), else empty: the entry stands all the same."""


def header(headers: Sequence[tuple[str, bytes]], name: str) -> bytes:
    """The one header of this name. Raises FormatError ``header-missing`` or ``header-duplicate``."""
    found = [value for key, value in headers if key == name]
    if len(found) != 1:
        code = "header-duplicate" if found else "header-missing"
        raise FormatError(code, "The header does not stand exactly once.", where=name)
    return found[0]


def read_raw(raw: Raw, network: str) -> Checked:
    """Check one record of the feed topic. Raises FormatError or SignatureInvalid."""
    text = header(raw.headers, "index")
    if not _INDEX.fullmatch(text) or int(text) >= MAX_SIZE:
        raise FormatError("header-malformed", "The index is not a decimal number.", where="index")
    return check(int(text), header(raw.headers, "entry"), raw.value or None, network)


def check(index: int, entry: bytes, body: bytes | None, network: str) -> Checked:
    """Check an entry with its body, from wherever they came. Raises FormatError or SignatureInvalid."""
    parsed = parse_entry(entry)
    statement = parsed.parsed()
    if statement.network != network:
        raise SignatureInvalid("network-mismatch", "The entry is of another network.", where="entry")
    if body is None:
        return Checked(index, entry, parsed, statement, None, None, "")
    if statement.visibility != PUBLIC or not parsed.accepted:
        raise SignatureInvalid("visibility-mismatch", "A body stands where none may be public.", where="value")
    if digest(body) != statement.body_sha256:
        raise SignatureInvalid("body-hash-mismatch", "The body is not the one that the entry names.", where="value")
    try:
        event = parse_event(
            body,
            member=statement.member,
            family=statement.family,
            visibility=statement.visibility,
            now=as_datetime(parsed.accepted_at),
        )
    except PasserelleError as error:
        # A type newer than this portal: it is numbered, logged and passed on; only its meaning is not known here.
        return Checked(index, entry, parsed, statement, body, None, error.code)
    return Checked(index, entry, parsed, statement, body, event, "")


def to_item(checked: Checked, root: bytes) -> FeedItem:
    """The row that the portal stores; ``root`` of the tree that ends with this entry."""
    event = checked.event
    return FeedItem(
        index=checked.index,
        accepted_at=checked.parsed.accepted_at,
        member=checked.statement.member,
        family=checked.statement.family,
        sequence=checked.statement.sequence,
        visibility=checked.statement.visibility,
        code=checked.parsed.refusal or None,
        type=event.type.full if event else None,
        subject=event.subject if event else None,
        title=_title(event.data) if event else None,
        entry=checked.entry,
        root=root,
        body=checked.body,
    )


def _title(data: Any) -> str | None:
    title = data.get("title")
    if isinstance(title, str):
        return title
    names = title if isinstance(title, dict) else data.get("names")
    if isinstance(names, dict):
        return next(iter(names.values()), None)
    return None


def as_json(item: FeedItem, *, full: bool) -> dict[str, Any]:
    """One entry as the SSE feed and ``/api/feed`` show it.

    With ``full`` also the entry's sixteen lines and the body's exact text, so that a reader checks hash and signature.
    """
    value: dict[str, Any] = {
        "index": item.index,
        "accepted_at": item.accepted_at,
        "member": item.member,
        "family": item.family,
        "sequence": item.sequence,
        "visibility": item.visibility,
        "outcome": "accepted" if item.code is None else "refused",
    }
    for name, part in (("code", item.code), ("type", item.type), ("subject", item.subject), ("title", item.title)):
        if part is not None:
            value[name] = part
    if full:
        value["entry"] = item.entry.decode("ascii")
        if item.body is not None:
            value["body"] = item.body.decode("utf-8")
    return value


def encode_json(item: FeedItem, *, full: bool) -> str:
    """:func:`as_json` as text on one line, as an SSE ``data`` field takes it."""
    return orjson.dumps(as_json(item, full=full)).decode()
