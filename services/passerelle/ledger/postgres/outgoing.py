"""Reads and positions of the publisher, and the checkpoints, in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import orjson

from passerelle.core.errors import Fatal, FormatError
from passerelle.core.merkle import EMPTY_ROOT
from passerelle.core.tiles import root_at, tiles_at
from passerelle.ledger.inbox_values import body_value
from passerelle.ledger.outgoing_ports import (
    BYTES_MAX,
    MEMBERS_MAX,
    READ_MAX,
    FeedRow,
    InboxRow,
    MemberRow,
    Positions,
    StoredCheckpoint,
    SummaryRow,
    UnverifiedRow,
)
from passerelle.ledger.postgres.errors import is_gone, translated
from passerelle.ledger.postgres.guard import ACQUIRE_TIMEOUT_S, BY_KEY, guarded
from passerelle.ledger.postgres.pool import Pool
from passerelle.ledger.postgres.tiles import read_tiles
from passerelle.runtime.postgres import transaction

EXPIRE_MAX: Final = 10_000
KEEP_MS: Final = 30 * 24 * 60 * 60 * 1000

_FEED: Final = """
SELECT index, member, entry, ingress, body FROM (
    SELECT e.index, e.member, e.entry, e.ingress, b.body,
        sum(coalesce(octet_length(b.body), 0)) OVER (ORDER BY e.index) AS bytes
    FROM ledger.entry e
    LEFT JOIN ledger.public_body b ON b.index = e.index AND e.code IS NULL AND e.visibility = 'public'
    WHERE e.index >= $1 AND e.index < $1 + $2
) AS part WHERE index = $1 OR bytes <= $3 ORDER BY index
"""
# Each member's rows are a prefix of what waits for it, and every member gets its first rows before any its later ones.
_INBOXES: Final = """
SELECT member, number, kind, value, entry_index, type, sender, subject, body FROM (
    SELECT w.member, w.number, w.kind, w.value, w.entry_index, e.type, e.member AS sender, e.subject,
        CASE WHEN w.member = ANY (b.parties) THEN b.body END AS body,
        sum(coalesce(octet_length(w.value), 4 * octet_length(b.body) / 3, 0))
            OVER (ORDER BY w.place, w.member) AS bytes,
        row_number() OVER (ORDER BY w.place, w.member) AS row
    FROM ledger.inbox_head h
    CROSS JOIN LATERAL (
        SELECT i.*, i.number - h.published AS place FROM ledger.inbox i
        WHERE i.member = h.member AND i.number > h.published AND i.size <= $1 ORDER BY i.number LIMIT 500
    ) AS w
    LEFT JOIN ledger.entry e ON e.index = w.entry_index
    LEFT JOIN ledger.party_body b ON b.index = w.entry_index
    WHERE h.published < h.number
) AS part
WHERE row = 1 OR (row <= $2 AND bytes <= $3)
ORDER BY member, number
"""


# A published inbox record is fetched from its topic, and is kept here as long as it is there.
_EXPIRED: Final = (
    """
    DELETE FROM ledger.inbox WHERE (member, number) IN (
        SELECT i.member, i.number FROM ledger.inbox i JOIN ledger.inbox_head h USING (member)
        WHERE i.created_at < $1 AND i.number <= h.published LIMIT $2)
    """,
    """
    UPDATE ledger.refused_body SET body = NULL WHERE index IN (
        SELECT index FROM ledger.refused_body WHERE arrived_at < $1 AND body IS NOT NULL LIMIT $2)
    """,
    """
    UPDATE ledger.conflict SET body = NULL WHERE id IN (
        SELECT id FROM ledger.conflict WHERE arrived_at < $1 AND body IS NOT NULL LIMIT $2)
    """,
)


class OutgoingPostgres:
    """The :class:`~passerelle.ledger.outgoing_ports.OutgoingStore` of a ledger's database.

    It keeps a connection of its own that does not wait for the disk: a position that a crash forgets only makes some
    records be published twice.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._session: asyncpg.pool.PoolConnectionProxy | None = None

    @asynccontextmanager
    async def _own(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
        with translated("ledger"):
            if self._session is None:
                self._session = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
                await self._session.execute(f"SET synchronous_commit = off; {BY_KEY}")
            try:
                yield self._session
            except BaseException as error:
                await self.close()
                if isinstance(error, TimeoutError):
                    # The idle ones may be cut off as well.
                    await self._pool.expire_connections()
                raise

    async def close(self) -> None:
        """As the port."""
        session, self._session = self._session, None
        if session is not None:
            with translated("closing"):
                if not is_gone(session):
                    session.terminate()
                await self._pool.release(session, timeout=2)

    async def positions(self) -> Positions:
        async with self._own() as connection:
            rows = await connection.fetch("SELECT name, position FROM ledger.published")
        found = {row["name"]: row["position"] for row in rows}
        return Positions(found.get("feed", 0), found.get("registry", 0))

    async def feed(self, start: int) -> Sequence[FeedRow]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch(_FEED, start, READ_MAX, BYTES_MAX)
        for number, row in enumerate(rows):
            if row["index"] != start + number:
                raise Fatal("ledger-diverged", "an entry is missing from the table", where=f"index {start + number}")
        return [FeedRow(row["index"], row["member"], row["entry"], row["ingress"], row["body"] or b"") for row in rows]

    async def save_feed(self, position: int) -> None:
        await self._save("feed", position)

    async def save_registry(self, position: int) -> None:
        await self._save("registry", position)

    async def _save(self, name: str, position: int) -> None:
        async with self._own() as connection:
            await connection.execute(
                "INSERT INTO ledger.published AS p VALUES ($1, $2)"
                " ON CONFLICT (name) DO UPDATE SET position = GREATEST(p.position, excluded.position)",
                name,
                position,
            )

    async def inboxes(self, size: int) -> Sequence[InboxRow]:
        async with self._own() as connection:
            rows = await connection.fetch(_INBOXES, size, READ_MAX, BYTES_MAX)
        return [InboxRow(row["member"], row["number"], row["kind"], inbox_value(row)) for row in rows]

    async def save_inboxes(self, published: Mapping[str, int]) -> None:
        async with self._own() as connection:
            await connection.execute(
                "UPDATE ledger.inbox_head h SET published = GREATEST(h.published, n.number)"
                " FROM unnest($1::text[], $2::bigint[]) AS n (member, number) WHERE h.member = n.member",
                list(published),
                list(published.values()),
            )

    async def members(self, start: int, size: int) -> Sequence[MemberRow]:
        async with self._own() as connection:
            rows = await connection.fetch(
                "SELECT member, changed, record FROM ledger.member WHERE changed >= $1 AND changed < $2"
                " ORDER BY changed, member LIMIT $3",
                start,
                size,
                MEMBERS_MAX,
            )
        return [MemberRow(row["member"], row["changed"], orjson.dumps(row["record"])) for row in rows]

    async def member_ids(self) -> Sequence[str]:
        async with self._own() as connection:
            rows = await connection.fetch("SELECT member FROM ledger.member ORDER BY member")
        return [row["member"] for row in rows]

    async def summaries(self, size: int) -> Sequence[SummaryRow]:
        async with self._own() as connection:
            rows = await connection.fetch(
                "SELECT size, value FROM ledger.summary WHERE size <= $1 ORDER BY size LIMIT 500", size
            )
        return [SummaryRow(row["size"], row["value"]) for row in rows]

    async def drop_summaries(self, size: int) -> None:
        async with self._own() as connection:
            await connection.execute("DELETE FROM ledger.summary WHERE size <= $1", size)

    async def unverified(self) -> Sequence[UnverifiedRow]:
        async with self._own() as connection:
            rows = await connection.fetch(
                "SELECT number, code, ingress, value FROM ledger.unverified ORDER BY number LIMIT 1000"
            )
        return [UnverifiedRow(row["number"], row["code"], row["ingress"], row["value"]) for row in rows]

    async def drop_unverified(self, number: int) -> None:
        async with self._own() as connection:
            await connection.execute("DELETE FROM ledger.unverified WHERE number <= $1", number)

    async def expire(self, now_ms: int) -> int:
        gone = 0
        async with guarded(self._pool) as connection:
            for statement in _EXPIRED:
                status = await connection.execute(statement, now_ms - KEEP_MS, EXPIRE_MAX)
                gone += int(status.rpartition(" ")[2])
        return gone


def inbox_value(row: asyncpg.Record) -> bytes:
    """The record's JSON: as stored, or for kind ``body`` made from the entry and the party body, where it is held."""
    if row["kind"] != "body":
        return bytes(row["value"])
    return body_value(row["entry_index"], row["type"], row["sender"], row["subject"], row["body"])


class CheckpointPostgres:
    """The :class:`~passerelle.ledger.outgoing_ports.CheckpointStore` of a ledger's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def size(self) -> int:
        async with guarded(self._pool) as connection:
            return int(await connection.fetchval("SELECT coalesce(max(size), 0) FROM ledger.head"))

    async def roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        held = await read_tiles(self._pool, {(coord.level, coord.index) for size in sizes for coord in tiles_at(size)})
        try:
            return {size: root_at(size, held) if size else EMPTY_ROOT for size in sizes}
        except FormatError as error:
            what = f"the tiles do not hold the tree: {error.what}"
            raise Fatal("ledger-diverged", what, where=error.where) from None

    async def entry(self, index: int) -> bytes | None:
        async with guarded(self._pool) as connection:
            found: bytes | None = await connection.fetchval("SELECT entry FROM ledger.entry WHERE index = $1", index)
        return found

    async def latest(self, *, shown: bool) -> StoredCheckpoint | None:
        async with guarded(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT size, root, note, signed_at FROM ledger.checkpoint WHERE shown OR NOT $1::boolean"
                " ORDER BY size DESC LIMIT 1",
                shown,
            )
        return None if row is None else StoredCheckpoint(row["size"], row["root"], row["note"], row["signed_at"])

    async def add(self, checkpoint: StoredCheckpoint) -> None:
        async with guarded(self._pool) as connection, transaction(connection):
            # The lock conflicts with itself only: two writers come one after the other, readers are not held up.
            await connection.execute("LOCK TABLE ledger.checkpoint IN SHARE ROW EXCLUSIVE MODE")
            row = await connection.fetchrow("SELECT size, root, note FROM ledger.checkpoint ORDER BY size DESC LIMIT 1")
            if row is not None and row["size"] >= checkpoint.size:
                _compare(row, checkpoint)
                return
            await connection.execute(
                "INSERT INTO ledger.checkpoint (size, root, note, signed_at) VALUES ($1, $2, $3, $4)",
                checkpoint.size,
                checkpoint.root,
                checkpoint.note,
                checkpoint.signed_at,
            )

    async def show(self, size: int) -> None:
        async with guarded(self._pool) as connection:
            await connection.execute("UPDATE ledger.checkpoint SET shown = true WHERE size = $1", size)


def _compare(row: asyncpg.Record, checkpoint: StoredCheckpoint) -> None:
    where = f"size {checkpoint.size}"
    if row["size"] > checkpoint.size:
        raise Fatal("checkpoint-shrunk", "a larger checkpoint is stored: another process signs", where=where)
    if row["root"] != checkpoint.root or row["note"] != checkpoint.note:
        raise Fatal("checkpoint-forked", "another checkpoint of this size is stored", where=where)
