"""The read models made again from the entries alone, and held against what the ledger keeps."""

from __future__ import annotations

from functools import lru_cache

import orjson

from passerelle.core.entry import parse_entry
from passerelle.core.errors import PasserelleError
from passerelle.core.registry import Registry
from passerelle.core.statement import digest
from passerelle.events.codec import Event, parse_event
from passerelle.ledger.replay import Logged, Replay
from passerelle.runtime.clock import as_date, as_datetime
from passerelle.testing.federation import NETWORK, OPERATOR, Federation
from passerelle.testing.memory_ledger import START_MS
from passerelle.testing.simulation.database import LedgerDatabase


def difference(database: LedgerDatabase, federation: Federation) -> str:
    """What a rebuild says otherwise than the tables; empty where they agree."""
    replay = Replay(Registry(NETWORK, OPERATOR, federation.root_public_key))
    try:
        for row in database.entries:
            replay.take(_logged(database, row[0], row[11]))
    except PasserelleError as error:
        return f"{error.code}: {error.what} ({error.where})"
    if replay.state.things != database.things:
        keys = {key for key in replay.state.things | database.things if _differs(replay, database, key)}
        return f"things: {', '.join(sorted(keys))}"
    if set(replay.state.edges()) != set(database.edges.values()):
        return "what rests on what"
    if orjson.loads(orjson.dumps(replay.registry.snapshot())) != orjson.loads(orjson.dumps(database.snapshot)):
        return "the registry"
    return "" if replay.streams == database.streams else "the heads of the streams"


def _differs(replay: Replay, database: LedgerDatabase, key: str) -> bool:
    return replay.state.things.get(key) != database.things.get(key)


@lru_cache(512)
def _event(body: bytes, member: str, family: str, visibility: str) -> Event:
    """Every seed says the same bodies, whose times are long before any clock."""
    return parse_event(body, member=member, family=family, visibility=visibility, now=as_datetime(START_MS))


def _logged(database: LedgerDatabase, index: int, data: bytes) -> Logged:
    entry = parse_entry(data)
    statement = entry.parsed()
    date = as_date(entry.accepted_at)
    if not entry.accepted:
        return Logged(index, entry, statement, digest(entry.statement), date, "", "", None)
    body = database.public[index] if index in database.public else database.party[index][2]
    event = _event(body or b"", statement.member, statement.family, statement.visibility)
    return Logged(index, entry, statement, digest(entry.statement), date, event.type.full, event.subject, event)
