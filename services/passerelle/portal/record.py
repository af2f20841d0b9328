"""From a record of the feed topic to what the portal stores and shows of it (pure)."""

from __future__ import annotations

from typing import Any

import orjson

from passerelle.events.feed import Checked, check, header, read_record
from passerelle.portal.ports import FeedItem, Raw

__all__ = ["Checked", "as_json", "check", "encode_json", "header", "read_raw", "to_item"]


def read_raw(raw: Raw, network: str) -> Checked:
    """Check one record of the feed topic. Raises FormatError or SignatureInvalid."""
    return read_record(raw.headers, raw.value, network)


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
