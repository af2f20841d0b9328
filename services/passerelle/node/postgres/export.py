"""What an export reads, and its access log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from passerelle.node.export import Access, Stored
from passerelle.node.people import Learner
from passerelle.node.postgres.drafts import as_learner, as_record
from passerelle.node.postgres.session import Connection, Part, session

# Refused events were never in force, and a lost body cannot be read.
_EVENTS: Final = """
SELECT thing, type, body FROM node.outbox
WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused' AND lost IS NULL
ORDER BY thing, family, sequence
"""
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
"""Before every learner's id."""
_RECORDS: Final = """
SELECT r.*, s.details AS sealed FROM node.record r LEFT JOIN node.result s ON s.record = r.key
WHERE r.learner = ANY($1::text[]::uuid[]) AND r.kind IN ('credential', 'result') ORDER BY r.learner, r.key
"""
_BODIES: Final = """
SELECT DISTINCT ON (thing) thing, body FROM node.outbox
WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused' AND lost IS NULL
    AND type IN ('ca.passerelle.credential.achievement-published.v1', 'ca.passerelle.credential.achievement-revised.v1')
ORDER BY thing, sequence DESC
"""

_REWRAP: Final = """
UPDATE node.learner AS l SET wrapped_key = n.after
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS n (id, before, after)
WHERE l.id = n.id::uuid AND l.wrapped_key = n.before
"""


class Exports(Part):
    """See :class:`passerelle.node.export.ExportStore`."""

    async def export_learners(self, after: str, limit: int) -> list[Learner]:
        """See :class:`passerelle.node.export.ExportStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.learner WHERE wrapped_key IS NOT NULL AND id > $1::text::uuid ORDER BY id LIMIT $2",
                after or _FIRST,
                limit,
            )
        return [as_learner(row) for row in rows]

    async def rewrap(self, items: Sequence[tuple[str, bytes, bytes]]) -> int:
        """See :class:`passerelle.node.rewrapping.RewrapStore`."""
        columns = [list(column) for column in zip(*items, strict=True)]
        async with session(self._pool, transaction=True) as connection:
            done = await connection.execute(_REWRAP, *columns)
        return int(str(done).rpartition(" ")[2])

    async def export_records(self, learners: Sequence[str]) -> list[Stored]:
        """See :class:`passerelle.node.export.ExportStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(_RECORDS, list(learners))
            events = await _events(connection, [row["thing"] for row in rows if row["sealed"] is None])
        return [Stored(as_record(row), events.get(row["thing"], ()), row["sealed"]) for row in rows]

    async def export_achievements(self, after: str, limit: int) -> list[Stored]:
        """See :class:`passerelle.node.export.ExportStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.record WHERE kind = 'achievements' AND key > $1 ORDER BY key LIMIT $2", after, limit
            )
            events = await _events(connection, [row["thing"] for row in rows])
        known = {".achievement-published.", ".achievement-revised."}
        kept = {
            thing: tuple(one for one in found if any(name in one[0] for name in known))
            for thing, found in events.items()
        }
        return [Stored(as_record(row), kept.get(row["thing"], ())) for row in rows]

    async def achievement_bodies(self, things: Sequence[str]) -> dict[str, bytes]:
        """See :class:`passerelle.node.export.ExportStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(_BODIES, list(things))
        return {row["thing"]: row["body"] for row in rows}

    async def log_access(self, entry: Access) -> None:
        """See :class:`passerelle.node.export.ExportStore`."""
        async with session(self._pool, transaction=True) as connection:
            number = await connection.fetchval(
                "INSERT INTO node.access (at, account, format, sha256) VALUES ($1, $2, $3, $4) RETURNING id",
                entry.at,
                entry.account,
                entry.format,
                entry.sha256,
            )
            await connection.execute(
                "INSERT INTO node.access_learner (access, learner) SELECT $1, one::uuid FROM unnest($2::text[]) AS one",
                number,
                list(entry.learners),
            )


async def _events(connection: Connection, things: Sequence[str]) -> dict[str, tuple[tuple[str, bytes], ...]]:
    found: dict[str, list[tuple[str, bytes]]] = {}
    rows: list[Any] = await connection.fetch(_EVENTS, list(things))
    for row in rows:
        found.setdefault(row["thing"], []).append((row["type"], row["body"]))
    return {thing: tuple(events) for thing, events in found.items()}
