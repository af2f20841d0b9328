"""Between body bytes and events: strict reading, and the one way of writing.

CloudEvents 1.0, structured JSON (``contracts/formats.md``, body). Nothing that was read is ever serialised again for
signing or hashing: the bytes as received are kept.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson
from pydantic import ValidationError

from passerelle.core.catalogue import EVENT_TYPES, EventType
from passerelle.core.errors import Refused
from passerelle.core.statement import URN_PREFIX, member_urn
from passerelle.events.base import INSTANT_PATTERN, LOCAL_PATTERN, MEMBER_PATTERN, UUID_PATTERN, Model
from passerelle.events.catalogue import DATA_MODELS

MAX_BODY: Final = 64 * 1024
MAX_DEPTH: Final = 40
NONCE_BYTES: Final = 32
TIME_AHEAD: Final = dt.timedelta(hours=24)

_REQUIRED: Final = ("specversion", "type", "source", "subject", "id", "time", "data")
_ALLOWED: Final = frozenset({*_REQUIRED, "datacontenttype", "nonce"})
UUID7_PATTERN: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# 43 characters carry 258 bits: the last one holds two bits that must be zero, so that each nonce has one form.
NONCE_PATTERN: Final = r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
SUBJECT_PATTERNS: Final = {
    "owned": rf"{MEMBER_PATTERN}/{LOCAL_PATTERN}",
    "uuid": UUID_PATTERN,
    "member": MEMBER_PATTERN,
}
_UUID7: Final = re.compile(UUID7_PATTERN)
_NONCE: Final = re.compile(NONCE_PATTERN)
_INSTANT: Final = re.compile(INSTANT_PATTERN)
_SUBJECTS: Final = {form: re.compile(pattern) for form, pattern in SUBJECT_PATTERNS.items()}
# Possessive, and with an optional end: linear for any input, an unclosed string included.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(rb"[\[\]{}]")


class Event(NamedTuple):
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
    # Written again, a body without repeated names, spaces and odd escapes is itself: one comparison settles most.
    if orjson.dumps(value) != body:
        json.loads(body.decode(), object_pairs_hook=_distinct, parse_int=str, parse_float=str)
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    """Refuse a JSON object that names a member twice: two readers could read two events (RFC 8259, section 4)."""
    if len({name for name, _ in pairs}) != len(pairs):
        raise _refuse("body-duplicate-key", "a JSON object names a member twice", "body")


def _check_depth(body: bytes) -> None:
    """Count brackets outside strings, before any parser recurses. Linear in the body's size."""
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise _refuse("body-too-deep", f"the JSON nests deeper than {MAX_DEPTH}", "body")


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
    if value["source"] != URN_PREFIX + member:
        raise _refuse("source-mismatch", "source is not the URN of the member that signed", "source")
    subject, identifier = value["subject"], value["id"]
    if not isinstance(subject, str) or not _SUBJECTS[found.subject].fullmatch(subject):
        raise _refuse("field-malformed", f"the subject of this type has the form '{found.subject}'", "subject")
    if not isinstance(identifier, str) or not _UUID7.fullmatch(identifier):
        raise _refuse("event-id-malformed", "the id is not a UUIDv7 in lower case", "id")
    time = _read_time(value["time"], now)
    _check_nonce(found, value)
    data = check_data(found, value["data"])
    return Event(found, member, subject, identifier, time, data)


def read_again(body: bytes, member: str) -> Event:
    """The event of a body that :func:`parse_event` has read before, elsewhere: nothing is checked."""
    value = orjson.loads(body)
    time = dt.datetime.fromisoformat(value["time"])
    return Event(EVENT_TYPES[value["type"]], member, value["subject"], value["id"], time, value["data"])


def _read_time(value: object, now: dt.datetime) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(value) if isinstance(value, str) and _INSTANT.fullmatch(value) else None
    except ValueError:
        time = None
    if time is None:
        raise _refuse("time-malformed", "time is not an RFC 3339 instant with an offset", "time")
    if time > now + TIME_AHEAD:
        raise _refuse("time-ahead", "time is more than 24 hours after the ledger's clock", "time")
    return time


def _check_nonce(found: EventType, value: Mapping[str, Any]) -> None:
    if found.visibility == "public":
        if "nonce" in value:
            raise _refuse("nonce-unexpected", "a public body carries a nonce", "nonce")
        return
    if "nonce" not in value:
        raise _refuse("nonce-missing", "a party body needs a nonce", "nonce")
    nonce = value["nonce"]
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        raise _refuse("nonce-malformed", "the nonce is not 32 bytes in base64url without padding", "nonce")


def check_data(found: EventType, data: object) -> Mapping[str, Any]:
    """Check ``data`` against the type's model; the first problem is refused with its field, never its value."""
    raw = orjson.dumps(data)
    try:
        DATA_MODELS[found.full].model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise _from_validation(error, data) from None
    if not isinstance(data, dict):
        raise _refuse("schema-invalid", "data is not an object", "data")
    # The models take null for an absent field; on the network there is one way of saying absent, so that readers agree.
    if b"null" in raw and (path := _first_null(data)) is not None:
        raise _refuse("schema-invalid", "the field is null", _place(path, data), "leave an absent field out")
    return data


def _first_null(value: object) -> tuple[str | int, ...] | None:
    """The path to the first null, None where there is none (the depth was bounded with the body's)."""
    if value is None:
        return ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        path = _first_null(part)
        if path is not None:
            return (name, *path)
    return None


def _field_names(model: type[Model]) -> set[str]:
    names = set(model.model_fields)
    for child in model.__subclasses__():
        names |= _field_names(child)
    return names


_FIELDS: Final = frozenset(_field_names(Model))


def _place(path: tuple[str | int, ...], data: object) -> str:
    """The path as ``data.lines[0].status``.

    A map's own keys may be anything, a person's name too: the path ends before one that is no field of a model. Names
    of union members, which stand in a model's error path but not in the data, are left out.
    """
    where, value = "data", data
    for part in path:
        if isinstance(part, int):
            if not isinstance(value, list) or part >= len(value):
                break
            where, value = f"{where}[{part}]", value[part]
        elif isinstance(value, dict) and part in value:
            if part not in _FIELDS:
                break
            where, value = f"{where}.{part}", value[part]
        elif part == path[-1] and part in _FIELDS:
            where = f"{where}.{part}"
    return where[:200]


_WHAT: Final = {
    "missing": ("field-missing", "the field is missing"),
    "extra_forbidden": ("field-unknown", "the object has a field that is not in the schema"),
    # The library's own text would repeat the value found.
    "union_tag_invalid": ("schema-invalid", "the type is none of those allowed"),
    "union_tag_not_found": ("schema-invalid", "the type is missing"),
}


def _from_validation(error: ValidationError, data: object) -> Refused:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code, what = _WHAT.get(first["type"], ("schema-invalid", first["msg"].removeprefix("Value error, ")))
    # An unknown field's own name may be personal: only its place is named.
    path = first["loc"][:-1] if code == "field-unknown" else first["loc"]
    more = error.error_count() - 1
    what += f" (and {more} more)" if more else ""
    return _refuse(code, what, _place(path, data), "correct the field; contracts/schemas describes it")


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
