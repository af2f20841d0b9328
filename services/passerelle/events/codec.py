"""Between body bytes and events: strict reading, and the one way of writing.

CloudEvents 1.0, structured JSON (``contracts/formats.md``, body). Nothing that was read is ever serialised again for
signing or hashing: the bytes as received are kept.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from passerelle.core.catalogue import EVENT_TYPES, EventType
from passerelle.core.errors import Refused
from passerelle.core.statement import member_urn
from passerelle.events.base import LOCAL_PATTERN, MEMBER_PATTERN, UUID_PATTERN
from passerelle.events.catalogue import DATA_MODELS

MAX_BODY: Final = 64 * 1024
MAX_DEPTH: Final = 40
NONCE_BYTES: Final = 32
TIME_AHEAD: Final = dt.timedelta(hours=24)

_REQUIRED: Final = ("specversion", "type", "source", "subject", "id", "time", "data")
_ALLOWED: Final = frozenset({*_REQUIRED, "datacontenttype", "nonce"})
_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_SUBJECTS: Final = {
    "owned": re.compile(rf"{MEMBER_PATTERN}/{LOCAL_PATTERN}\Z"),
    "uuid": re.compile(rf"{UUID_PATTERN}\Z"),
    "member": re.compile(rf"{MEMBER_PATTERN}\Z"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """A body that was read and checked: ``data`` holds plain JSON values, valid against the type's model."""

    type: EventType
    member: str
    subject: str
    id: str
    time: dt.datetime
    data: Mapping[str, Any]


def _refuse(code: str, what: str, where: str, fix: str = "") -> Refused:
    return Refused(code, what, where=where, fix=fix)


def _load(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY:
        raise _refuse("body-too-large", f"the body has {len(body)} bytes, at most {MAX_BODY} are allowed", "body")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refuse("body-not-json", f"not UTF-8 JSON at byte {error.pos}", "body") from None
    if not isinstance(value, dict):
        raise _refuse("body-not-json", "the body is not a JSON object", "body")
    return value


def _check_depth(body: bytes) -> None:
    """Count brackets outside strings: cheap, and before any parser recurses."""
    depth, quoted, escaped = 0, False, False
    for byte in body:
        if quoted:
            quoted = escaped or byte != 0x22
            escaped = byte == 0x5C and not escaped
        elif byte == 0x22:
            quoted = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _refuse("body-too-deep", f"the JSON nests deeper than {MAX_DEPTH}", "body")
        elif byte in b"]}":
            depth -= 1


def read_type(body: bytes) -> tuple[EventType, dict[str, Any]]:
    """The event type and the whole object, before the data is checked. Raises ``Refused``."""
    value = _load(body)
    for name in _REQUIRED:
        if name not in value:
            raise _refuse("field-missing", f"the attribute {name} is missing", name)
    for name in value:
        if name not in _ALLOWED:
            raise _refuse("field-unknown", "the body has an attribute that is not of its format", "body")
    if value["specversion"] != "1.0":
        raise _refuse("schema-invalid", "specversion is not 1.0", "specversion", "state specversion 1.0")
    if value.get("datacontenttype", "application/json") != "application/json":
        raise _refuse("schema-invalid", "datacontenttype is not application/json", "datacontenttype")
    found = EVENT_TYPES.get(value["type"]) if isinstance(value["type"], str) else None
    if found is None:
        raise _refuse("type-unknown", "the event type is not known to this version", "type")
    return found, value


def parse_event(body: bytes, *, member: str, family: str, visibility: str, now: dt.datetime) -> Event:
    """Read the body of a statement of ``member`` in ``family``; ``now`` judges its time. Raises ``Refused``."""
    found, value = read_type(body)
    if found.family != family:
        raise _refuse("type-family-mismatch", f"the type belongs to the family {found.family}", "type")
    if found.visibility != visibility:
        raise _refuse("visibility-mismatch", f"this type is {found.visibility}", "statement.visibility")
    if value["source"] != member_urn(member):
        raise _refuse("source-mismatch", "source is not the URN of the member that signed", "source")
    subject, identifier = value["subject"], value["id"]
    if not isinstance(subject, str) or not _SUBJECTS[found.subject].match(subject):
        raise _refuse("field-malformed", f"the subject of this type has the form '{found.subject}'", "subject")
    if not isinstance(identifier, str) or not _UUID7.match(identifier):
        raise _refuse("event-id-malformed", "the id is not a UUIDv7 in lower case", "id")
    time = _read_time(value["time"], now)
    _check_nonce(found, value.get("nonce"))
    data = check_data(found, value["data"])
    return Event(found, member, subject, identifier, time, data)


def _read_time(value: object, now: dt.datetime) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise _refuse("time-malformed", "time is not an RFC 3339 instant with an offset", "time")
    if time > now + TIME_AHEAD:
        raise _refuse("time-ahead", "time is more than 24 hours after the ledger's clock", "time")
    return time


def _check_nonce(found: EventType, nonce: object) -> None:
    if found.visibility == "public":
        if nonce is not None:
            raise _refuse("nonce-unexpected", "a public body carries a nonce", "nonce")
        return
    if nonce is None:
        raise _refuse("nonce-missing", "a party body needs a nonce", "nonce")
    try:
        raw = base64.urlsafe_b64decode(f"{nonce}=") if isinstance(nonce, str) and len(nonce) == 43 else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != NONCE_BYTES:
        raise _refuse("nonce-malformed", "the nonce is not 32 bytes in base64url without padding", "nonce")


def check_data(found: EventType, data: object) -> Mapping[str, Any]:
    """Check ``data`` against the type's model; the first problem is refused with its field, never its value."""
    try:
        DATA_MODELS[found.full].model_validate_json(orjson.dumps(data), strict=True)
    except ValidationError as error:
        raise _from_validation(error) from None
    if not isinstance(data, dict):
        raise _refuse("schema-invalid", "data is not an object", "data")
    return data


def _from_validation(error: ValidationError) -> Refused:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    codes = {"missing": "field-missing", "extra_forbidden": "field-unknown"}
    code = codes.get(first["type"], "schema-invalid")
    # An unknown field's or a map key's own text may be personal: name its place only.
    path = first["loc"][:-1] if code == "field-unknown" else first["loc"]
    if "[key]" in path:
        path = path[: path.index("[key]") - 1]
    where = "data" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    more = error.error_count() - 1
    what = first["msg"] + (f" (and {more} more)" if more else "")
    return _refuse(code, what, where[:200], "correct the field; contracts/schemas describes it")


def write_body(
    found: EventType,
    *,
    member: str,
    subject: str,
    identifier: str,
    time: dt.datetime,
    data: Mapping[str, Any],
    nonce: bytes | None,
) -> bytes:
    """Serialise an event once; what this returns is what gets hashed and signed. Raises ``Refused`` on bad data."""
    value: dict[str, Any] = {
        "specversion": "1.0",
        "type": found.full,
        "source": member_urn(member),
        "subject": subject,
        "id": identifier,
        "time": time.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    if found.visibility == "party":
        if nonce is None or len(nonce) != NONCE_BYTES:
            raise _refuse("nonce-missing", "a party body needs 32 random bytes", "nonce")
        value["nonce"] = base64.urlsafe_b64encode(nonce).rstrip(b"=").decode()
    body = orjson.dumps(value)
    parse_event(body, member=member, family=found.family, visibility=found.visibility, now=time)
    return body
