"""What goes from one node to another so that the receiver alone can read it: documents, and the person of a release.

A sealed file is three lines of ASCII, each ended by LF (``passerelle.sealed/v1``, the receiver's member id, the id of
its key), and then a sealed box of libsodium (``crypto_box_seal``: X25519, XSalsa20-Poly1305) of one line of JSON,
``{about, role, media_type}``, LF and the content. The key is one that the registry lists for the receiver with the use
``seal``. A sealed box says nothing of its sender: who vouches for the content is told by the event that holds its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from passerelle.core.errors import FormatError, NotFound
from passerelle.core.signature import key_id
from passerelle.core.statement import digest

FORMAT: Final = b"passerelle.sealed/v1"
MAX_CONTENT: Final = 16 * 1024 * 1024
MAX_SEALED: Final = MAX_CONTENT + 4096
MAX_LINE: Final = 1024
ROLES: Final = ("transcript", "outline", "portfolio", "rubric", "evidence", "letter", "other")
"""What a document is, as events say it."""


@dataclass(frozen=True, slots=True)
class SealKey:
    """A public key to which something is sealed for ``member``."""

    member: str
    key_id: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Content:
    """What stands in a sealed file. ``about`` is the id of the case or release. Its ``repr`` tells nothing."""

    about: str
    role: str
    media_type: str
    content: bytes

    def __repr__(self) -> str:
        return f"Content({self.role}, {len(self.content)} bytes)"

    @property
    def document(self) -> dict[str, Any]:
        """What an event says of it: hash, type, size (bytes) and role."""
        sha256 = digest(self.content).hex()
        return {"sha256": sha256, "media_type": self.media_type, "size": len(self.content), "role": self.role}


@dataclass(frozen=True, slots=True)
class OwnSeal:
    """The key under which this member's node opens what was sealed to it. ``secret``: 32 bytes (RFC 7748)."""

    member: str
    secret: bytes

    def __repr__(self) -> str:
        return f"OwnSeal({self.member})"

    @property
    def public(self) -> SealKey:
        """What the registry lists."""
        public = bytes(PrivateKey(self.secret).public_key)
        return SealKey(self.member, key_id(public), public)


def seal_key(member: str, record: Mapping[str, Any] | None, now_ms: int) -> SealKey:
    """The key that a member seals with now, as its registry record says: the one that was listed last.

    Raises NotFound ``seal-key-missing``.
    """
    found = [key for key in (record or {}).get("keys", ()) if _in_force(key, now_ms)]
    if (record or {}).get("status") != "active" or not found:
        what = f"the registry shows no key in force to which something can be sealed for {member}"
        raise NotFound("seal-key-missing", what, where="registry")
    key = max(found, key=lambda one: int(one.get("added_index") or 0))
    return SealKey(member, str(key["key_id"]), bytes.fromhex(key["public_key"]))


def _in_force(key: Mapping[str, Any], now_ms: int) -> bool:
    started = key.get("valid_from") is None or key["valid_from"] <= now_ms
    ended = key.get("valid_to") is not None and key["valid_to"] <= now_ms
    return key.get("use") == "seal" and key.get("removed_index") is None and started and not ended


def seal(item: Content, key: SealKey) -> bytes:
    """The bytes of a sealed file. Raises FormatError ``file-too-large`` or ``file-empty``."""
    if not item.content:
        raise FormatError("file-empty", "the document has no content", where=item.role)
    if len(item.content) > MAX_CONTENT:
        raise FormatError("file-too-large", f"the document has more than {MAX_CONTENT} bytes", where=item.role)
    line = orjson.dumps({"about": item.about, "role": item.role, "media_type": item.media_type})
    box = SealedBox(PublicKey(key.public_key)).encrypt(line + b"\n" + item.content)
    return b"\n".join((FORMAT, key.member.encode(), key.key_id.encode(), box))


def open_sealed(sealed: bytes, own: OwnSeal, about: str) -> Content:
    """What a sealed file holds, for this member and about this case or release.

    Raises FormatError ``sealed-malformed`` or ``file-too-large``.
    """
    if len(sealed) > MAX_SEALED:
        raise FormatError("file-too-large", f"the sealed file has more than {MAX_SEALED} bytes", where="sealed file")
    parts = sealed.split(b"\n", 3)
    if len(parts) != 4 or parts[0] != FORMAT:
        raise _malformed("the file does not begin as a sealed file does")
    if parts[1] != own.member.encode():
        raise _malformed("the file is sealed to another member")
    if parts[2] != own.public.key_id.encode():
        raise _malformed("the file is sealed to another key than this node's")
    try:
        plain = SealedBox(PrivateKey(own.secret)).decrypt(parts[3])
    except CryptoError:
        raise _malformed("the file does not open: it was changed on its way") from None
    return _content(plain, about)


def _content(plain: bytes, about: str) -> Content:
    line, _, content = plain.partition(b"\n")
    try:
        said = orjson.loads(line) if len(line) <= MAX_LINE else None
    except orjson.JSONDecodeError:
        said = None
    if not isinstance(said, dict) or said.keys() != {"about", "role", "media_type"}:
        raise _malformed("the file's first line is not what it must be")
    if not all(isinstance(value, str) for value in said.values()) or not content:
        raise _malformed("the file's first line is not what it must be")
    if said["about"] != about:
        raise _malformed("the file is about another case")
    return Content(said["about"], said["role"], said["media_type"], content)


def _malformed(what: str) -> FormatError:
    return FormatError("sealed-malformed", what, where="sealed file")
