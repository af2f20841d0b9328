"""The readable log in PostgreSQL. What a caller may not read never leaves the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from passerelle.core.statement import ZERO
from passerelle.core.tiles import ReadTile
from passerelle.ledger.access import Caller
from passerelle.ledger.log_ports import EntryView, InboxView, PublicBody, StreamEntryView, StreamView, VolumeView
from passerelle.ledger.postgres.guard import guarded
from passerelle.ledger.postgres.outgoing import inbox_value
from passerelle.ledger.postgres.pool import Pool
from passerelle.ledger.postgres.tiles import read_tiles, tiles_needed

T = TypeVar("T")
INBOX_BYTES: Final = 3 * 1024 * 1024
"""Bytes of one inbox answer beyond its first record: clients take messages of 4 MiB."""
STREAM_BYTES: Final = 3 * 1024 * 1024
"""Bytes of entries and bodies in one answer about a stream, beyond its first entry."""

# $1: the caller's member id, empty for the public; $2: whether it is the operator. Type and subject of a party event
# tell what its body says, so they are read by the same rule.
_VISIBLE: Final = """
    CASE
        WHEN e.code IS NOT NULL THEN $2 OR e.member = $1
        WHEN e.visibility = 'public' THEN true
        ELSE $2 OR coalesce($1 = ANY (p.parties), false)
    END
"""
_VIEW: Final = f"""
SELECT e.index, e.entry, e.visibility, e.code, v.visible,
    CASE WHEN v.visible THEN e.type END AS type, CASE WHEN v.visible THEN e.subject END AS subject
FROM ledger.entry e LEFT JOIN ledger.party_body p ON p.index = e.index AND e.code IS NULL
CROSS JOIN LATERAL (SELECT {_VISIBLE} AS visible) AS v
"""  # noqa: S608 - constants only
_BODY: Final = {
    "refused": "SELECT body FROM ledger.refused_body WHERE index = $1",
    "public": "SELECT body FROM ledger.public_body WHERE index = $1",
    "party": "SELECT body FROM ledger.party_body WHERE index = $1",
}
# $3: member, $4: family, $5: after, $6: limit, $7: whether bodies are wanted.
_STREAM: Final = f"""
SELECT e.index, e.entry, CASE WHEN v.visible THEN e.type END AS type, CASE WHEN v.visible THEN e.subject END AS subject,
    CASE WHEN v.visible THEN e.refusal END AS refusal,
    CASE WHEN v.visible AND $7 THEN
        CASE WHEN e.code IS NOT NULL THEN (SELECT r.body FROM ledger.refused_body r WHERE r.index = e.index)
            WHEN e.visibility = 'public' THEN (SELECT b.body FROM ledger.public_body b WHERE b.index = e.index)
            ELSE p.body END
    END AS body
FROM ledger.entry e LEFT JOIN ledger.party_body p ON p.index = e.index AND e.code IS NULL
CROSS JOIN LATERAL (SELECT {_VISIBLE} AS visible) AS v
WHERE e.member = $3 AND e.family = $4 AND e.sequence > $5
    AND e.index < (SELECT coalesce(max(position), 0) FROM ledger.published WHERE name = 'feed')
ORDER BY e.sequence LIMIT $6
"""  # noqa: S608 - constants only
_INBOX: Final = """
SELECT number, kind, value, entry_index, type, sender, subject, body FROM (
    SELECT i.number, i.kind, i.value, i.entry_index, e.type, e.member AS sender, e.subject,
        CASE WHEN i.member = ANY (b.parties) THEN b.body END AS body,
        sum(coalesce(octet_length(i.value), 4 * octet_length(b.body) / 3, 0)) OVER (ORDER BY i.number) AS bytes,
        row_number() OVER (ORDER BY i.number) AS row
    FROM (
        SELECT * FROM ledger.inbox WHERE member = $1 AND number > $2
            AND size <= (SELECT coalesce(max(position), 0) FROM ledger.published WHERE name = 'feed')
        ORDER BY number LIMIT $3
    ) AS i
    LEFT JOIN ledger.entry e ON e.index = i.entry_index
    LEFT JOIN ledger.party_body b ON b.index = i.entry_index
) AS part WHERE row = 1 OR bytes <= $4 ORDER BY number
"""


class LogPostgres:
    """The :class:`~passerelle.ledger.log_ports.LogStore` of a ledger's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def walk(self, walk: Callable[[ReadTile], T]) -> T:
        return walk(await read_tiles(self._pool, tiles_needed(walk)))

    async def tile(self, level: int, n: int) -> bytes:
        return (await read_tiles(self._pool, {(level, n)}))(level, n)

    async def entries(self, start: int, stop: int) -> Sequence[bytes]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT entry FROM ledger.entry WHERE index >= $1 AND index < $2 ORDER BY index", start, stop
            )
        return [row["entry"] for row in rows]

    async def public_body(self, sha256: bytes) -> PublicBody | None:
        async with guarded(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT b.body FROM ledger.public_body b JOIN ledger.entry e USING (index)"
                " WHERE b.sha256 = $1 AND e.code IS NULL AND e.visibility = 'public'"
                " ORDER BY b.body IS NULL LIMIT 1",
                sha256,
            )
        return None if row is None else PublicBody(row["body"])

    async def entry_at(self, index: int, caller: Caller) -> EntryView | None:
        return await self._one("WHERE e.index = $3", caller, index)

    async def entry_of(self, member: str, family: str, sequence: int, caller: Caller) -> EntryView | None:
        where = "WHERE e.member = $3 AND e.family = $4 AND e.sequence = $5"
        return await self._one(where, caller, member, family, sequence)

    async def _one(self, where: str, caller: Caller, *values: Any) -> EntryView | None:
        async with guarded(self._pool) as connection:
            row = await connection.fetchrow(f"{_VIEW} {where}", caller.member, caller.operator, *values)
            if row is None:
                return None
            body = None
            if row["visible"]:
                kind = "refused" if row["code"] is not None else row["visibility"]
                body = await connection.fetchval(_BODY[kind], row["index"])
        return _view(row, body)

    async def stream_entries(
        self, member: str, family: str, after: int, limit: int, caller: Caller, *, bodies: bool
    ) -> Sequence[StreamEntryView]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(_STREAM, caller.member, caller.operator, member, family, after, limit, bodies)
        found: list[StreamEntryView] = []
        total = 0
        for row in rows:
            total += len(row["entry"]) + len(row["body"] or b"")
            if found and total > STREAM_BYTES:
                break
            told = row["refusal"] or {}
            texts = (str(told.get(name) or "") for name in ("field", "what", "fix"))
            found.append(StreamEntryView(_view(row, row["body"]), *texts))
        return found

    async def views(self, start: int, stop: int, caller: Caller) -> Sequence[EntryView]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(
                f"{_VIEW} WHERE e.index >= $3 AND e.index < $4 ORDER BY e.index",
                caller.member,
                caller.operator,
                start,
                stop,
            )
        return [_view(row, None) for row in rows]

    async def stream(self, member: str, family: str) -> StreamView:
        async with guarded(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM ledger.waiting WHERE member = $1 AND family = $2) AS waiting,"
                " s.sequence, s.digest FROM (SELECT 1) AS one"
                " LEFT JOIN ledger.stream s ON s.member = $1 AND s.family = $2",
                member,
                family,
            )
        assert row is not None
        return StreamView(row["sequence"] or 0, row["digest"] or ZERO, row["waiting"])

    async def inbox(self, member: str, after: int, limit: int) -> Sequence[InboxView]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(_INBOX, member, after, limit, INBOX_BYTES)
        return [InboxView(row["number"], row["kind"], inbox_value(row)) for row in rows]

    async def volume(self, first_hour: int) -> Sequence[VolumeView]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT hour, family, accepted, refused FROM ledger.volume WHERE hour >= $1 ORDER BY hour, family",
                first_hour,
            )
        return [VolumeView(*row) for row in rows]


def _view(row: asyncpg.Record, body: bytes | None) -> EntryView:
    return EntryView(row["index"], row["entry"], body or b"", row["type"] or "", row["subject"] or "")
