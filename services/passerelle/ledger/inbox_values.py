"""The JSON of inbox records that are made when they are read (``contracts/formats.md``, inbox record)."""

from __future__ import annotations

import base64

import orjson


def body_value(index: int, event_type: str | None, sender: str, subject: str | None, body: bytes | None) -> bytes:
    """A party body for a member that is party to it; ``body`` is null once it was erased."""
    encoded = None if body is None else base64.b64encode(body).decode("ascii")
    return orjson.dumps({"index": index, "type": event_type, "member": sender, "subject": subject, "body": encoded})
