"""Inbox rows for a refill: what was published is stored again, and the next number follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from passerelle.ledger.postgres.guard import guarded
from passerelle.ledger.postgres.pool import Pool
from passerelle.ledger.refill_letters import as_row
from passerelle.ledger.refill_ports import Letter, ToldRow
from passerelle.runtime.postgres import transaction

CHUNK: Final = 1000

_RESTORE: Final = """
INSERT INTO ledger.inbox (member, number, kind, size, entry_index, value, created_at)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[])
ON CONFLICT (member, number) DO NOTHING
"""
_FILL: Final = """
INSERT INTO ledger.inbox (member, number, kind, size, value, created_at)
SELECT $1, number, 'receipts', $3, '[]', $4
FROM generate_series((SELECT coalesce(max(number), 0) + 1 FROM ledger.inbox_head WHERE member = $1), $2) AS number
ON CONFLICT (member, number) DO NOTHING
"""
_SETTLE: Final = """
INSERT INTO ledger.inbox_head (member, number, published) VALUES ($1, $2, $2)
ON CONFLICT (member) DO UPDATE
SET number = greatest(inbox_head.number, $2), published = greatest(inbox_head.published, $2)
"""
_TOLD: Final = """
SELECT i.member, i.kind, i.entry_index, i.value, i.created_at
FROM ledger.inbox i JOIN ledger.inbox_head h USING (member)
WHERE i.size > $1 AND i.number <= h.published ORDER BY i.member, i.number
"""
_MARK: Final = """
INSERT INTO ledger.published (name, position) VALUES ('refilled', $1)
ON CONFLICT (name) DO UPDATE SET position = greatest(published.position, $1)
"""
_ASKED: Final = """
SELECT EXISTS (SELECT FROM ledger.inbox WHERE member = $1 AND kind = 'resend-from' AND value = $2 AND created_at >= $3)
"""


class RefillPostgres:
    """The :class:`~passerelle.ledger.refill_ports.LetterStore` of a ledger's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def numbers(self) -> Mapping[str, tuple[int, int]]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch("SELECT member, number, published FROM ledger.inbox_head")
        return {row["member"]: (row["number"], row["published"]) for row in rows}

    async def mark(self, size: int) -> None:
        async with guarded(self._pool) as connection:
            await connection.execute(_MARK, size)

    async def restore(self, letters: Sequence[Letter], size: int) -> None:
        columns = [list(column) for column in zip(*(as_row(letter, size) for letter in letters), strict=True)]
        async with guarded(self._pool) as connection:
            await connection.execute(_RESTORE, *columns)

    async def settle(self, member: str, number: int, size: int, now_ms: int) -> None:
        async with guarded(self._pool) as connection, transaction(connection):
            await connection.execute(_FILL, member, number, size, now_ms)
            await connection.execute(_SETTLE, member, number)

    async def told(self, size: int) -> AsyncIterator[Sequence[ToldRow]]:
        async with guarded(self._pool) as connection, transaction(connection):
            cursor = await connection.cursor(_TOLD, size)
            while rows := await cursor.fetch(CHUNK):
                yield [ToldRow(*row) for row in rows]

    async def asked(self, member: str, value: bytes, since_ms: int) -> bool:
        async with guarded(self._pool) as connection:
            return bool(await connection.fetchval(_ASKED, member, value, since_ms))
