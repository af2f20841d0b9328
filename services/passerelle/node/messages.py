"""What comes in from Kafka, read strictly: inbox records, feed records, registry records.

The topics are written by the ledger alone, yet every record is checked for its form before anything is believed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.entry import parse_entry
from passerelle.core.errors import FormatError, Retryable
from passerelle.core.statement import FAMILIES

SKIPPED: Final = "skipped"
"""Kind that a record gets here when it could not be read: its number is passed, and a problem tells of it."""


@dataclass(frozen=True, slots=True)
class InboxRecord:
    """One numbered record of the inbox; ``value`` is its JSON: a list in ``receipts``, an object in all others."""

    number: int
    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """The ledger's answer to one of our events: its log index, and why it was refused."""

    family: str
    sequence: int
    index: int
    accepted: bool
    code: str = ""
    field: str = ""
    what: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class PartyBody:
    """A body about one learner that this member may read."""

    index: int
    type: str
    member: str
    subject: str
    body: bytes

    @property
    def thing(self) -> str:
        """Key of the subject."""
        return f"{EVENT_TYPES[self.type].kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One index of the log. ``thing`` is empty where the body is not public, or the event was refused."""

    index: int
    thing: str = ""
    version: int | None = None


def _bad(what: str, where: str) -> FormatError:
    return FormatError("line-malformed", what, where=where)


def header(headers: Iterable[tuple[str, bytes]], name: str) -> str:
    """The text of a header. Raises FormatError ``header-missing``."""
    for found, value in headers:
        if found == name:
            return value.decode("ascii", "replace")
    raise FormatError("header-missing", "the record lacks a header", where=name)


def _number(headers: Iterable[tuple[str, bytes]], name: str) -> int:
    text = header(headers, name)
    if not text.isascii() or not text.isdigit():
        raise FormatError("header-malformed", "the header is not a number", where=name)
    return int(text)


def read_inbox(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> InboxRecord:
    """An inbox record of Kafka. Raises FormatError."""
    pairs = list(headers)
    return inbox_record(_number(pairs, "inbox-number"), header(pairs, "kind"), value or b"")


def inbox_record(number: int, kind: str, value: bytes) -> InboxRecord:
    """An inbox record from its parts. Raises FormatError ``line-malformed``."""
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise _bad("the inbox record is not JSON", f"inbox {number}") from None
    if not isinstance(found, list if kind == "receipts" else dict):
        raise _bad("the inbox record does not have the form of its kind", f"inbox {number}")
    return InboxRecord(number, kind, found)


def answers(record: InboxRecord) -> list[Answer]:
    """The outcomes in a receipts record. Raises FormatError ``line-malformed``."""
    found = []
    try:
        for stream in record.value:
            if stream["family"] not in FAMILIES:
                raise _bad("the receipt is of no known family", f"inbox {record.number}")
            for item in stream["outcomes"]:
                texts = {name: str(item[name]) for name in ("code", "field", "what", "fix") if item.get(name)}
                accepted = {"accepted": True, "refused": False}[item["outcome"]]
                found.append(Answer(stream["family"], int(item["sequence"]), int(item["index"]), accepted, **texts))
    except (KeyError, TypeError, ValueError):
        raise _bad("the receipt does not have its form", f"inbox {record.number}") from None
    return found


def heads_told(record: InboxRecord) -> list[tuple[str, int, bytes]]:
    """Family, highest number and its statement's digest (32 bytes) of each stream in a receipts record that says it.

    Raises FormatError ``line-malformed``.
    """
    try:
        return [
            (str(one["family"]), max(int(item["sequence"]) for item in one["outcomes"]), bytes.fromhex(one["digest"]))
            for one in record.value
            if "digest" in one
        ]
    except (KeyError, TypeError, ValueError):
        raise _bad("the receipt does not have its form", f"inbox {record.number}") from None


def other_statement(family: str, sequence: int) -> Retryable:
    """The ledger answers another statement than the one that stands at this number here."""
    what = "the receipt is of another statement than this node's"
    return Retryable("sequence-conflict", what, where=f"{family} {sequence}")


def checked(record: InboxRecord) -> InboxRecord:
    """The record itself where it has the form of its kind. Raises FormatError ``line-malformed``."""
    try:
        if record.kind == "receipts":
            answers(record)
            heads_told(record)
        elif record.kind == "body":
            party_body(record)
        elif record.kind == "notice":
            texts = [record.value[name] for name in ("about", "event", "member")] + list(record.value["affects"])
            told = all(isinstance(text, str) for text in texts) and isinstance(record.value.get("change", {}), dict)
            if not told or int(record.value["index"]) < 0:
                raise ValueError
        elif record.kind == "resend-from":
            if record.value["family"] not in FAMILIES or int(record.value["sequence"]) < 1:
                raise ValueError
        elif record.kind == "problem":
            if not isinstance(record.value["code"], str):
                raise ValueError
        elif record.kind != SKIPPED:
            raise ValueError
    except (KeyError, TypeError, ValueError):
        raise _bad("the inbox record does not have the form of its kind", f"inbox {record.number}") from None
    return record


def party_body(record: InboxRecord) -> PartyBody | None:
    """The body in a body record, None where it was erased meanwhile. Raises FormatError ``line-malformed``."""
    value = record.value
    try:
        if value["body"] is None:
            return None
        body = base64.b64decode(value["body"], validate=True)
        known = EVENT_TYPES[value["type"]].full
        return PartyBody(int(value["index"]), known, str(value["member"]), str(value["subject"]), body)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise _bad("the body record does not have its form", f"inbox {record.number}") from None


def read_feed(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> FeedEvent:
    """One record of the feed. Raises FormatError."""
    pairs = list(headers)
    index = _number(pairs, "index")
    if not value:
        return FeedEvent(index)
    entry = parse_entry(header(pairs, "entry").encode("ascii"))
    if not entry.accepted:
        return FeedEvent(index)
    try:
        body = orjson.loads(value)
        kind = EVENT_TYPES[body["type"]].kind
        version = body["data"].get("version")
        return FeedEvent(index, f"{kind}:{body['subject']}", version if isinstance(version, int) else None)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        raise _bad("the feed record does not have its form", f"feed {index}") from None


def is_newer(record: Mapping[str, Any], held: Mapping[str, Any] | None) -> bool:
    """Whether a registry record is the one to keep: a late write may put an older one behind a newer one."""
    return held is None or record.get("changed_index", 0) >= held.get("changed_index", 0)


def signing_keys(record: Mapping[str, Any] | None, now_ms: int) -> dict[str, bytes]:
    """The keys that a member may sign with now, by id, as its registry record says; none for a member not in force."""
    if record is None or record.get("status") != "active":
        return {}
    found = {}
    for key in record.get("keys", ()):
        started = key.get("valid_from") is None or key["valid_from"] <= now_ms
        ended = key.get("valid_to") is not None and key["valid_to"] <= now_ms
        if key.get("use") == "sign" and key.get("removed_index") is None and started and not ended:
            found[str(key["key_id"])] = bytes.fromhex(key["public_key"])
    return found


def known_keys(record: Mapping[str, Any] | None) -> dict[str, bytes]:
    """Every key that a member ever signed with, by id: for receipts, whose entries are from then."""
    keys = record.get("keys", ()) if record is not None else ()
    return {str(key["key_id"]): bytes.fromhex(key["public_key"]) for key in keys if key.get("use") == "sign"}
