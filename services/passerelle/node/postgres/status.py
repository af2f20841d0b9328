"""What people ask of the node: counts, what waits and why, what was refused, records, problems, notices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from passerelle.node.postgres.session import MIGRATIONS, Part, session

_STREAMS: Final = """
SELECT s.family, s.sequence, s.accepted, s.refused, s.sequence - s.accepted - s.refused AS waiting,
    (SELECT count(*) FROM node.draft d WHERE d.family = s.family) AS held,
    o.sequence AS oldest_open, o.released_at AS oldest_released_at, s.sent, s.attempts, s.last_answer_at
FROM node.stream s
LEFT JOIN LATERAL (
    SELECT sequence, released_at FROM node.outbox o
    WHERE o.family = s.family AND o.outcome IS NULL ORDER BY sequence LIMIT 1) o ON true
ORDER BY s.family
"""
_HELD: Final = """
SELECT d.id, d.type, d.subject, d.created_at, ARRAY(
    SELECT n.key FROM unnest(d.needs) AS n (key)
    WHERE NOT EXISTS (SELECT 1 FROM node.seen s WHERE s.key = n.key)
      AND NOT EXISTS (
        SELECT 1 FROM node.outbox o
        WHERE o.thing = n.key AND o.family = d.family AND o.outcome IS DISTINCT FROM 'refused')
      AND NOT EXISTS (SELECT 1 FROM node.member m WHERE n.key = 'member:' || m.member)
    ORDER BY 1) AS waits_for
FROM node.draft d ORDER BY d.id LIMIT $1
"""
_REFUSED: Final = """
SELECT family, sequence, index, type, subject, code, field, what, fix, answered_at
FROM node.outbox WHERE outcome = 'refused' ORDER BY answered_at DESC, family, sequence DESC LIMIT $1
"""
_RECORDS: Final = """
SELECT r.kind, r.thing, r.key, (r.current ->> 'version')::bigint AS version, r.current ->> 'status' AS status,
    CASE WHEN r.current IS NULL THEN 'refused' WHEN r.current = r.accepted THEN 'accepted' ELSE 'waiting' END AS state
FROM node.record r WHERE r.kind <> 'amendment' ORDER BY r.kind, r.thing LIMIT $1
"""


class StatusQueries(Part):
    """See :class:`passerelle.node.ports.StatusStore`."""

    async def _rows(self, query: str, *arguments: Any) -> list[Mapping[str, Any]]:
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]

    async def streams(self) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        return await self._rows(_STREAMS)

    async def held(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        return await self._rows(_HELD, limit)

    async def refused(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        return await self._rows(_REFUSED, limit)

    async def records(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        return await self._rows(_RECORDS, limit)

    async def problems(self) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        query = (
            "SELECT code, family, sequence, what, fix, head, at FROM node.problem WHERE open ORDER BY id DESC LIMIT 100"
        )
        return await self._rows(query)

    async def notices(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.ports.StatusStore`."""
        query = "SELECT number, about, event, index, member, affects FROM node.notice ORDER BY number DESC LIMIT $1"
        return await self._rows(query, limit)

    async def migrations(self) -> set[str]:
        """Names of the migrations that this database was made by."""
        rows = await self._rows("SELECT name FROM public.migration WHERE package = $1", MIGRATIONS)
        return {str(row["name"]) for row in rows}

    async def sessions(self, name: str) -> int:
        """How many connections to this database, of any process, have this application name."""
        rows = await self._rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", name
        )
        return int(rows[0]["count"])

    async def checkpoint(self) -> Mapping[str, Any] | None:
        """See :class:`passerelle.node.ports.StatusStore`."""
        rows = await self._rows("SELECT size, encode(root, 'hex') AS root FROM node.checkpoint")
        return rows[0] if rows else None
