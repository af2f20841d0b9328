"""What an example is, and the fixed ids, nonces and hashes that examples are made of."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME, EventType
from passerelle.core.statement import member_urn

NOW: Final = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
"""The ledger's clock when the examples are judged: after the last of them."""


@dataclass(frozen=True, slots=True)
class Bad:
    """How a good example is spoilt, and what it must be refused with.

    ``put`` and ``drop`` name places of the body with dots (``data.lines.0.status``); ``text`` spoils the written JSON;
    ``statement`` overrides what the statement says. ``where`` is the field named. ``by_schema``: the JSON Schema
    refuses it too.
    """

    code: str
    where: str
    put: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    text: Callable[[str], str] | None = None
    statement: Mapping[str, str] = field(default_factory=dict)
    by_schema: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """One event. With ``bad`` it is *the* example of its type, without it is only a part of the story."""

    name: str
    member: str
    subject: str
    at: str
    data: Mapping[str, Any]
    bad: Bad | None = None

    @property
    def type(self) -> EventType:
        """Its row of the catalogue."""
        return BY_NAME[self.name]

    @property
    def id(self) -> str:
        """A UUIDv7 of the event's time and name."""
        return uuid7(self.at, f"{self.name} {self.subject}")

    def body(self) -> dict[str, Any]:
        """The CloudEvent."""
        body: dict[str, Any] = {
            "specversion": "1.0",
            "type": self.type.full,
            "source": member_urn(self.member),
            "subject": self.subject,
            "id": self.id,
            "time": self.at,
            "datacontenttype": "application/json",
            "data": copy.deepcopy(dict(self.data)),
        }
        if self.type.visibility == "party":
            body["nonce"] = nonce(self.id)
        return body

    def statement(self) -> dict[str, str]:
        """Member, family and visibility that its statement names."""
        return {"member": self.member, "family": self.type.family, "visibility": self.type.visibility}


def spoil(body: dict[str, Any], bad: Bad) -> dict[str, Any]:
    """A copy of ``body`` with the values of ``bad.put`` and without the places of ``bad.drop``."""
    spoilt = copy.deepcopy(body)
    for path, value in bad.put.items():
        holder, last = _holder(spoilt, path)
        holder[last] = value
    for path in bad.drop:
        holder, last = _holder(spoilt, path)
        del holder[last]
    return spoilt


def _holder(value: Any, path: str) -> tuple[Any, str | int]:
    parts = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts[:-1]:
        value = value[part]
    return value, parts[-1]


def _bytes(label: str) -> bytes:
    return hashlib.sha256(f"passerelle example: {label}".encode()).digest()


def sha256(label: str) -> str:
    """64 hex digits that stand for the hash of a document or of an office's record."""
    return _bytes(label).hex()


def nonce(label: str) -> str:
    """32 bytes in base64url without padding, fixed for the examples; real ones are random."""
    return base64.urlsafe_b64encode(_bytes(f"nonce {label}")).rstrip(b"=").decode()


def _uuid(raw: bytearray, version: int) -> str:
    raw[6] = raw[6] & 0x0F | version << 4
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7(at: str, label: str) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) of the instant ``at``, its other bits from the label."""
    moment = dt.datetime.fromisoformat(at) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    milliseconds = moment // dt.timedelta(milliseconds=1)
    return _uuid(bytearray(milliseconds.to_bytes(6, "big") + _bytes(label)[:10]), 7)


def uuid4(label: str) -> str:
    """A UUID of version 4: the form of a release's id, which carries no time."""
    return _uuid(bytearray(_bytes(label)[:16]), 4)


def signing_key(public_key: str) -> dict[str, str]:
    """A signing key as the registry lists it, from its 64 hex digits."""
    key_id = hashlib.sha256(bytes.fromhex(public_key)).hexdigest()[:16]
    return {"key_id": key_id, "public_key": public_key, "use": "sign"}


def document(label: str, role: str, size: int, media_type: str = "application/pdf") -> dict[str, Any]:
    """A document by hash; ``size`` in bytes."""
    return {"sha256": sha256(label), "media_type": media_type, "size": size, "role": role}
