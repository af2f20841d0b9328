"""The index as a file, so that a start reads what was already read.

The file is a line with the format, a line with the SHA-256 of all that follows, a line of JSON (the *header*), and the
parts that the header lists by their length. Rules stand in it as they lie in memory; everything else as the events that
it was made from, which are applied again. The header names the network, the log position, and the tree's right edge
there (RFC 9162), from which the reader proves that the ledger's log goes on from it: see
:func:`passerelle.query.source.Follower.resume`.

A file that does not fit in any respect is ``snapshot-invalid``: the index is then read from the database.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.query.histories import Position
from passerelle.query.index import Index
from passerelle.query.ports import Instant, PublicEvent
from passerelle.query.records import RequestHistory
from passerelle.query.rulestore import RuleStore

FORMAT: Final = b"passerelle.query-index/v2\n"
MAX_BYTES: Final = 8 << 30
_HEADER_BYTES: Final = 1 << 20
_HASH_LINE: Final = 65


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a snapshot was taken: the position, and the right-edge hashes of the tree of that size."""

    network: str
    position: Position
    frontier: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Frozen:
    """The content of an index at a mark, as bytes that no later event changes."""

    mark: Mark
    parts: tuple[bytes, ...]


def freeze(index: Index, mark: Mark) -> Callable[[], Frozen]:
    """The content of an index at a mark: what changes in place is copied now, the rest when the result is called.

    The result may be called in a thread while the index goes on: what was recorded below the mark never changes.
    """
    if index.applied != mark.position.size:
        raise ValueError("the index holds more than the mark says")
    rules = tuple(index.rules.dump())
    requests = orjson.dumps([_request(one) for one in index.requests.values()])
    members, instants = list(index.member_events), index.clockwork.copy()

    def rest() -> Frozen:
        size = mark.position.size
        rows = sorted([*_events(index, size), *members])
        events = b"\n".join(orjson.dumps([*row[:4], orjson.Fragment(row[4])]) for row in rows)
        return Frozen(mark, (events, requests, orjson.dumps(instants), *rules))

    return rest


def _events(index: Index, size: int) -> Iterator[tuple[int, str, str, str, bytes]]:
    """Every event but those about members, rules and requests: index, member, type, subject, data."""
    for history in list(index.achievements.values()):
        for at, version in history.versions.upto(size):
            yield at, version.said.member, version.said.type, history.id, version.said.raw
        for line in (history.retired, history.endorsements, history.outcomes):
            for at, said in line.upto(size):
                yield at, said.member, said.type, history.id, said.raw
    for things in index.references.values():
        for name, line in list(things.items()):
            for at, said in line.upto(size):
                yield at, said.member, said.type, name, said.raw


def _request(one: RequestHistory) -> list[Any]:
    states = [[at, state] for at, _, state in one.states.spans()]
    return [one.id, one.achievement, one.receiver, one.since_index, one.since_date.isoformat(), states]


def write(path: Path, frozen: Frozen) -> bool:
    """Put a file in the path's place: a reader sees the old one or the new one, whole. Raises OSError.

    False where another process is writing one now.
    """
    at = frozen.mark.position
    header = orjson.dumps(
        {
            "network": frozen.mark.network,
            "size": at.size,
            "accepted_at": at.accepted_at,
            "floor": at.floor,
            "frontier": [one.hex() for one in frozen.mark.frontier],
            "byte_order": sys.byteorder,
            "parts": [len(part) for part in frozen.parts],
        }
    )
    digest = hashlib.sha256(header + b"\n")
    for part in frozen.parts:
        digest.update(part)
    fresh = path.with_name(path.name + ".new")
    with fresh.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        file.truncate(0)
        file.write(FORMAT + digest.hexdigest().encode() + b"\n" + header + b"\n")
        for part in frozen.parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
        fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def read(path: Path, network: str) -> Frozen:
    """The content of a file. Raises FormatError ``snapshot-invalid``, FileNotFoundError where there is none."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES or file.read(len(FORMAT)) != FORMAT:
                raise _invalid("It is no snapshot of this version.")
            told = file.read(_HASH_LINE)
            first = file.readline(_HEADER_BYTES)
            digest = hashlib.sha256(first)
            header = orjson.loads(first)
            parts = []
            for length in header["parts"]:
                part = file.read(length)
                digest.update(part)
                parts.append(part)
            rest = file.read(1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise _invalid(f"It cannot be read: {type(error).__name__}.") from None
    if rest or told != digest.hexdigest().encode() + b"\n":
        raise _invalid("Its hash is not that of its content.")
    if header["network"] != network or header["byte_order"] != sys.byteorder:
        raise _invalid("It is of another network, or of a machine of another byte order.")
    position = Position(header["size"], header["accepted_at"], header["floor"])
    return Frozen(Mark(network, position, tuple(bytes.fromhex(one) for one in header["frontier"])), tuple(parts))


def thaw(index: Index, frozen: Frozen) -> None:
    """Fill an empty index. Raises FormatError ``snapshot-invalid``, after which the index is of no use."""
    try:
        events, requests, instants, *rules = frozen.parts
        for line in events.split(b"\n") if events else ():
            at, member, event_type, subject, data = orjson.loads(line)
            index.apply_data(PublicEvent(at, 0, member, event_type, subject, b""), EVENT_TYPES[event_type], data)
        for name, achievement, receiver, since_index, since_date, states in orjson.loads(requests):
            made = RequestHistory(name, achievement, receiver, since_index, dt.date.fromisoformat(since_date))
            for at, state in states:
                made.states.add(at, state)
            index.add_request(made)
        index.rules = RuleStore.load(rules)
        index.clockwork.extend(Instant(*row) for row in zip(*orjson.loads(instants), strict=True))
    except (PasserelleError, ValueError, KeyError, TypeError, IndexError) as error:
        raise _invalid(f"Its content does not fit: {type(error).__name__}.") from None
    index.applied = frozen.mark.position.size
    index.position = frozen.mark.position


def _invalid(what: str) -> FormatError:
    return FormatError("snapshot-invalid", what, where="snapshot")
