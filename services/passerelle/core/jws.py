"""Signed JSON: JWS in its compact form (RFC 7515, section 7.1), Ed25519 (RFC 8037, section 3.1), RFC 8785 inside.

There is one spelling of everything: the header has exactly ``alg``, ``kid`` and ``typ``, header and payload are
canonical JSON, base64url has no padding. So who holds the same values holds the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from passerelle.core.errors import FormatError, SignatureInvalid
from passerelle.core.signature import Signer, verify

ALGORITHM: Final = "EdDSA"
MAX_PAYLOAD: Final = 2 * 1024 * 1024
MAX_SIZE: Final = 3 * 1024 * 1024
"""Bytes of a whole compact serialisation: the largest payload in base64url, header and signature."""
_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]{1,400})\.([A-Za-z0-9_-]{1,})\.([A-Za-z0-9_-]{86})")
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload whose signature was verified, and the id of the key that made it."""

    payload: dict[str, Any]
    key_id: str


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one spelling of a JSON object (RFC 8785). Raises FormatError ``answer-malformed`` where there is none."""
    try:
        return rfc8785.dumps(dict(value))
    except (rfc8785.CanonicalizationError, RecursionError):
        raise FormatError("answer-malformed", "A value has no canonical JSON form.", where="payload") from None


def sign(signer: Signer, kind: str, payload: Mapping[str, Any]) -> str:
    """``header.payload.signature``. ``kind`` stands as ``typ``: a signature for one kind is none for another.

    Raises FormatError ``answer-malformed``, ``message-too-large``.
    """
    content = canonical(payload)
    if len(content) > MAX_PAYLOAD:
        raise FormatError("message-too-large", f"At most {MAX_PAYLOAD} bytes are signed at once.", where="payload")
    signed = f"{_encode(_header(kind, signer.key_id))}.{_encode(content)}"
    return f"{signed}.{_encode(signer.sign(signed.encode()))}"


def read(data: bytes, kind: str, key: Callable[[str], bytes | None]) -> Signed:
    """Verify and open what :func:`sign` made; one LF at the end is allowed, as files have it.

    ``key`` gives the public key of a key id, None for one that is not trusted. Raises FormatError
    ``answer-malformed``, SignatureInvalid ``answer-signature-invalid``.
    """
    if len(data) > MAX_SIZE:
        raise FormatError("answer-malformed", f"It has more than {MAX_SIZE} bytes.", where="file")
    try:
        text = data.decode("ascii").removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    match = _COMPACT.fullmatch(text)
    if match is None:
        raise FormatError("answer-malformed", "It is not three parts in base64url, joined by points.", where="file")
    header, content, signature = (_decode(part, where) for part, where in zip(match.groups(), _PARTS, strict=True))
    key_id = _read_header(header, kind)
    public_key = key(key_id)
    if public_key is None:
        raise SignatureInvalid("answer-signature-invalid", "It is signed by another key than expected.", where="kid")
    if not verify(public_key, f"{match[1]}.{match[2]}".encode(), signature):
        raise SignatureInvalid("answer-signature-invalid", "The signature does not verify.", where="signature")
    return Signed(_read_payload(content), key_id)


_PARTS: Final = ("header", "payload", "signature")


def _header(kind: str, key_id: str) -> bytes:
    return canonical({"alg": ALGORITHM, "kid": key_id, "typ": kind})


def _read_header(header: bytes, kind: str) -> str:
    try:
        value = json.loads(header)
        key_id = value["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        key_id = None
    if not isinstance(key_id, str) or _KEY_ID.fullmatch(key_id) is None or header != _header(kind, key_id):
        raise FormatError("answer-malformed", f"The header is not that of a {kind}.", where="header")
    return key_id


def _read_payload(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or canonical(value) != content:
        raise FormatError("answer-malformed", "The payload is no JSON object in canonical form.", where="payload")
    return value


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(part: str, where: str) -> bytes:
    try:
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        data = b""
    if _encode(data) != part:
        raise FormatError("answer-malformed", "A part is not base64url without padding.", where=where)
    return data
