"""From a record of the feed topic to a checked log entry (pure); source: contracts/formats.md, Kafka headers.

What a record claims is checked before it is used: the entry's form and network, the body's hash against the statement,
and that a body is there only where the event is public and accepted.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import FormatError, PasserelleError, SignatureInvalid
from passerelle.core.merkle import MAX_SIZE
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.events.codec import Event, parse_event

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


def read_record(headers: Sequence[tuple[str, bytes]], value: bytes | None, network: str) -> Checked:
    """Check one record of the feed topic. Raises FormatError or SignatureInvalid."""
    text = header(headers, "index")
    if not _INDEX.fullmatch(text) or int(text) >= MAX_SIZE:
        raise FormatError("header-malformed", "The index is not a decimal number.", where="index")
    return check(int(text), header(headers, "entry"), value or None, network)


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
            now=dt.datetime.fromtimestamp(parsed.accepted_at / 1000, tz=dt.UTC),
        )
    except PasserelleError as error:
        # A type newer than this reader: it is numbered, logged and passed on; only its meaning is not known here.
        return Checked(index, entry, parsed, statement, body, None, error.code)
    return Checked(index, entry, parsed, statement, body, event, "")
