"""How the node knows the office's records again: keyed hashes, so that a stolen database tells no record id.

Source: HMAC-SHA-256, RFC 2104. The hash of an award's record id is in its event, so that a node that lost its database
can tell which of the ledger's events are whose.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

RECORD_KINDS: Final = {"credentials": "credential", "assessments": "assessment", "results": "result"}
"""Kinds of file whose records are kept under another name."""
HANDLE: Final = "record:"
"""Before a record's hash where an export gives no office id: the node knows hashes only."""
_HANDLE: Final = re.compile(rf"{HANDLE}([0-9a-f]{{64}})")
_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""


def record_kind(kind: str) -> str:
    """The kind under which the records of a kind of file are kept."""
    return RECORD_KINDS.get(kind, kind)


@dataclass(frozen=True, slots=True)
class Mark:
    """What was published of a record: hash of the whole content, of its unchangeable part, version, lifecycle state.

    ``also`` are other hashes of the content: of a record that came back from the ledger, where the published event does
    not say which of them the office's row had.
    """

    content: str
    fixed: str = ""
    version: int = 1
    status: str = ""
    also: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Mark:
        """What :meth:`as_dict` gave."""
        return cls(**{**value, "also": tuple(value.get("also", ()))})

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = {"content": self.content, "fixed": self.fixed, "version": self.version, "status": self.status}
        return {**found, "also": list(self.also)} if self.also else found

    def holds(self, content: str) -> bool:
        """Whether this is the hash of the published content."""
        return content == self.content or content in self.also


@dataclass(frozen=True, slots=True)
class Record:
    """An office record: ``current`` is what was last sent, ``accepted`` what the ledger last accepted.

    ``thing`` is the key of the thing it became; ``person`` a keyed hash of the learner's details.
    """

    key: str
    kind: str
    thing: str
    current: Mark | None
    accepted: Mark | None = None
    learner: str | None = None
    person: str | None = None
    likeness: str | None = None
    """Hash of learner, achievement and date, to know the record again under another id; None where not known."""

    @property
    def subject(self) -> str:
        """The thing's id."""
        return self.thing.partition(":")[2]


class RecordKeys:
    """Keyed hashes under one secret of 32 bytes."""

    def __init__(self, secret: bytes) -> None:
        # An import hashes millions of short texts: the two states of RFC 2104 are made once and copied, which takes a
        # third of the time of hmac.digest.
        block = hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret
        block = block.ljust(_BLOCK, b"\0")
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))

    def _digest(self, label: str, value: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(label.encode() + b"\n" + value)
        outer.update(inner.digest())
        return outer.hexdigest()

    def key(self, kind: str, office_id: str) -> str:
        """Hash of a record's kind and office id, 64 hex digits; of a handle that an export gave, the hash in it."""
        if office_id.startswith(HANDLE) and (handle := _HANDLE.fullmatch(office_id)) is not None:
            return handle[1]
        return self._digest(kind, office_id.encode())

    def content(self, value: Any) -> str:
        """Hash of JSON values, the same whatever the order of their names."""
        return self._digest("content", orjson.dumps(value, option=orjson.OPT_SORT_KEYS))

    def likeness(self, kind: str, student_number: str, what: str, when: str) -> str:
        """Equal for two records of one kind about the same learner, achievement and date."""
        return self._digest("likeness", "\n".join((kind, student_number, what, when)).encode())

    def published(self, name: str, data: Mapping[str, Any]) -> str:
        """Hash under which an event that names no record is found again; ids and versions that the node gave are left
        out.
        """
        given = {field: value for field, value in data.items() if field not in {"version", "credential"}}
        return self.content({"event": name, "data": given})

    def person(self, *parts: str) -> str:
        """Hash of a person's details, the same whatever their case, accents' spelling and spaces."""
        folded = (" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in parts)
        return self._digest("person", "\n".join(folded).encode())
