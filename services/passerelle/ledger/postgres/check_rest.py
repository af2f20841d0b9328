"""The reads of ``ledger check`` beside entries, tree and read models: letters, what has no index, marks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

import asyncpg

from passerelle.ledger.check_ports import (
    AnsweredRow,
    CosignatureRow,
    Counted,
    KeptRow,
    LetterRow,
    Notified,
    UnverifiedRow,
)

LETTERS: Final = 100
"""Inbox rows in one read: each has up to half a megabyte of outcomes."""
ROWS: Final = 500
TOLD: Final = 10

_LETTERS: Final = """
SELECT member, number, kind, size, entry_index, value, created_at FROM ledger.inbox ORDER BY member, number
"""
_ANSWERED: Final = """
SELECT index, member, family, sequence, code, refusal, accepted_at, digest FROM ledger.entry
WHERE index = ANY ($1::bigint[])
"""
_DIGESTS: Final = """
SELECT e.member, e.family, e.sequence, e.digest FROM ledger.entry e
JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS w (member, family, sequence) USING (member, family, sequence)
"""
# A party is told of a body once, in the commit of its entry; the sender is answered by its receipt.
_BODY_LETTERS: Final = """
WITH due AS (
    SELECT party.member, p.index, e.accepted_at FROM ledger.party_body p JOIN ledger.entry e USING (index)
    CROSS JOIN LATERAL unnest(p.parties) AS party (member)
    WHERE e.code IS NULL AND party.member <> e.member
), held AS (
    SELECT member, number, entry_index, size, created_at,
        count(*) OVER (PARTITION BY member, entry_index) AS times
    FROM ledger.inbox WHERE kind = 'body'
)
SELECT coalesce(d.member, h.member) AS member, h.number, d.index
FROM due d FULL JOIN held h ON h.member = d.member AND h.entry_index = d.index
WHERE (h.number IS NULL AND d.accepted_at >= $1 AND d.index >= $2)
    OR (h.number IS NOT NULL AND d.index IS NULL)
    OR h.times > 1
    OR (h.size > $2 AND (h.created_at <> d.accepted_at OR h.size <= d.index))
ORDER BY 1, 2 LIMIT 10
"""
_NOTICES: Final = """
SELECT coalesce(d.member, h.member) AS member, h.number, d.index, h.value
FROM {schema}.notice d
FULL JOIN (SELECT * FROM ledger.inbox WHERE kind = 'notice') h ON h.member = d.member AND h.value = d.value
WHERE (h.number IS NULL AND d.accepted_at >= $1 AND d.index >= $2)
    OR (h.number IS NOT NULL AND d.index IS NULL)
    OR (h.size > $2 AND (h.created_at <> d.accepted_at OR h.size <= d.index))
ORDER BY 1, 2
"""
_WAITING: Final = """
SELECT member, family, sequence, arrived_at, headers, value, topic, partition, "offset", key FROM ledger.waiting
"""
_CONFLICT: Final = """
SELECT member, family, sequence, arrived_at, headers, body, digest, statement, signature, key_id FROM ledger.conflict
"""
_COUNTED: Final = """
SELECT member, family, coalesce(type, '') AS kind, count(*) FILTER (WHERE code IS NULL) AS accepted,
    count(*) FILTER (WHERE code IS NOT NULL) AS refused
FROM ledger.entry WHERE index >= $1 AND index < $2 GROUP BY 1, 2, 3 ORDER BY min(index)
"""
_COSIGNATURES: Final = """
SELECT s.size, s.key_id, s.member, s.signed_at, s.line, c.note
FROM ledger.cosignature s JOIN ledger.checkpoint c USING (size) ORDER BY s.size, s.key_id
"""
_REPEATED: Final = """
SELECT max(index) AS index, ingress FROM ledger.entry GROUP BY ingress HAVING count(*) > 1 ORDER BY 1 LIMIT 10
"""


class RestSnapshot:
    """The :class:`~passerelle.ledger.check_ports.LetterStore` and ``RestStore`` of one open snapshot."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._schema = ""

    async def scratch(self) -> str:
        """The scratch schema, which goes with the transaction."""
        if not self._schema:
            self._schema = f"ledger_check_{self._connection.get_server_pid()}"
            await self._connection.execute(
                f"CREATE SCHEMA {self._schema};"
                f" CREATE TABLE {self._schema}.notice (member text, index bigint, accepted_at bigint, value bytea)"
            )
        return self._schema

    # What members were told

    async def letters(self) -> AsyncIterator[Sequence[LetterRow]]:
        cursor = await self._connection.cursor(_LETTERS)
        while rows := await cursor.fetch(LETTERS):
            yield [LetterRow(*row) for row in rows]

    async def answered(self, indices: Sequence[int]) -> Mapping[int, AnsweredRow]:
        if not indices:
            return {}
        return {row["index"]: AnsweredRow(*row) for row in await self._connection.fetch(_ANSWERED, indices)}

    async def entry_digests(self, places: Sequence[tuple[str, str, int]]) -> Mapping[tuple[str, str, int], bytes]:
        if not places:
            return {}
        columns = [list(column) for column in zip(*places, strict=True)]
        rows = await self._connection.fetch(_DIGESTS, *columns)
        return {(row["member"], row["family"], row["sequence"]): row["digest"] for row in rows}

    async def conflict_places(self) -> frozenset[tuple[str, str, int]]:
        rows = await self._connection.fetch("SELECT member, family, sequence FROM ledger.conflict")
        return frozenset((row["member"], row["family"], row["sequence"]) for row in rows)

    async def inbox_heads(self) -> Mapping[str, tuple[int, int]]:
        rows = await self._connection.fetch("SELECT member, number, published FROM ledger.inbox_head")
        return {row["member"]: (row["number"], row["published"]) for row in rows}

    async def expect_notices(self, notices: Iterable[Notified]) -> None:
        schema = await self.scratch()
        await self._connection.copy_records_to_table("notice", schema_name=schema, records=notices)

    async def notice_faults(self, since: int, after: int) -> Sequence[tuple[str, int | None, int | None, bytes | None]]:
        query = _NOTICES.format(schema=await self.scratch())
        found = await self._connection.fetch(query, since, after)
        return [(row["member"], row["number"], row["index"], row["value"]) for row in found]

    async def body_letter_faults(self, since: int, after: int) -> Sequence[tuple[str, int | None, int | None]]:
        found = await self._connection.fetch(_BODY_LETTERS, since, after)
        return [(row["member"], row["number"], row["index"]) for row in found]

    # What has no index, and marks

    async def kept(self) -> AsyncIterator[KeptRow]:
        for table, query, body in (("waiting", _WAITING, "value"), ("conflict", _CONFLICT, "body")):
            cursor = await self._connection.cursor(query)
            while rows := await cursor.fetch(ROWS):
                for row in rows:
                    place = (row["member"], row["family"], row["sequence"])
                    yield KeptRow(table, *place, row["arrived_at"], row["headers"], row[body], dict(row))

    async def unverified(self) -> AsyncIterator[UnverifiedRow]:
        cursor = await self._connection.cursor(
            "SELECT number, arrived_at, ingress, code, value FROM ledger.unverified ORDER BY number"
        )
        while rows := await cursor.fetch(ROWS):
            for row in rows:
                yield UnverifiedRow(*row)

    async def summaries(self) -> AsyncIterator[tuple[int, bytes]]:
        cursor = await self._connection.cursor("SELECT size, value FROM ledger.summary ORDER BY size")
        while rows := await cursor.fetch(ROWS):
            for row in rows:
                yield row["size"], row["value"]

    async def cosignatures(self) -> AsyncIterator[CosignatureRow]:
        cursor = await self._connection.cursor(_COSIGNATURES)
        while rows := await cursor.fetch(ROWS):
            for row in rows:
                yield CosignatureRow(*row)

    async def counted(self, start: int, stop: int) -> Sequence[Counted]:
        return [Counted(*row) for row in await self._connection.fetch(_COUNTED, start, stop)]

    async def published(self) -> Mapping[str, int]:
        rows = await self._connection.fetch("SELECT name, position FROM ledger.published")
        return {row["name"]: row["position"] for row in rows}

    async def ingress(self) -> Mapping[tuple[str, int], int]:
        rows = await self._connection.fetch("SELECT topic, partition, next_offset FROM ledger.ingress")
        return {(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def repeated_ingress(self) -> Sequence[tuple[int, str]]:
        return [(row["index"], row["ingress"]) for row in await self._connection.fetch(_REPEATED)]

    async def lease_generations(self) -> Sequence[int]:
        return [row["generation"] for row in await self._connection.fetch("SELECT generation FROM ledger.lease")]
