"""Learners as a whole: what is held of one, and the destruction of their key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError
from passerelle.node.export import Stored
from passerelle.node.learners import Destroyed, Kept, LearnerFile
from passerelle.node.postgres.drafts import IMPORT_LOCK, as_learner, as_record, insert_drafts
from passerelle.node.postgres.session import Connection, Part, session

MAX_ROWS: Final = 10_000
"""Rows of one sort that are read of one learner, or of the access log."""
_RECORDS: Final = """
SELECT r.*, s.details AS sealed FROM node.record r LEFT JOIN node.result s ON s.record = r.key
WHERE r.learner = $1::text::uuid ORDER BY r.kind, r.key LIMIT $2
"""
_EVENTS: Final = """
SELECT thing, type, body FROM (
    SELECT thing, type, body, family, sequence, 0 AS id FROM node.outbox
    WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused' AND lost IS NULL
    UNION ALL
    SELECT thing, type, body, family, 9223372036854775807, id FROM node.draft WHERE thing = ANY($1)
) AS found ORDER BY family, sequence, id
"""
_SENT: Final = "SELECT DISTINCT thing FROM node.outbox WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused'"
_OWN: Final = """
SELECT type, family, sequence, subject, thing, outcome, code, index, released_at, body, lost FROM node.outbox
WHERE thing = ANY($1) ORDER BY family, sequence LIMIT $2
"""
_FIND: Final = """
SELECT id::text AS id FROM node.learner WHERE number_key = $1
UNION SELECT learner::text FROM node.record WHERE key = ANY($2) AND learner IS NOT NULL ORDER BY id LIMIT 10
"""
# As a backup brings them back.
_UNFINISHED: Final = """
SELECT l.id::text AS id FROM node.learner l JOIN node.record r ON r.learner = l.id AND r.kind = 'credential'
WHERE l.wrapped_key IS NOT NULL
GROUP BY l.id HAVING bool_or(r.accepted ->> 'status' = 'erased')
    AND bool_and(coalesce(r.current ->> 'status', 'erased') = 'erased') ORDER BY l.id LIMIT $1
"""
_ACCESSES: Final = """
SELECT a.id, a.at, a.account, a.format, a.sha256,
    (SELECT count(*) FROM node.access_learner n WHERE n.access = a.id) AS learners
FROM node.access a
WHERE $1::text = ''
    OR EXISTS (SELECT FROM node.access_learner m WHERE m.access = a.id AND m.learner = nullif($1::text, '')::uuid)
ORDER BY a.id DESC LIMIT $2
"""
_NOTICES: Final = """
SELECT number, about, event, index, member, affects, change FROM node.notice
WHERE about = ANY($1) OR affects && $1 ORDER BY number LIMIT $2
"""
_CASES: Final = """
SELECT c.id::text AS id, c.release::text AS release, c.sender, c.matched, c.match_reason, c.matched_at, c.created_at,
    p.lines AS proposal FROM node.transfer_case c LEFT JOIN node.proposal p ON p.case_id = c.id
WHERE $1::text::uuid IN (c.learner, c.candidate) ORDER BY c.id LIMIT $2
"""
_PERMISSIONS: Final = """
SELECT id::text AS id, host, asked, position, lines, made_at FROM node.permission
WHERE learner = $1::text::uuid ORDER BY id LIMIT $2
"""
_RELEASES: Final = """
SELECT id::text AS id, outgoing, member, credentials::text[] AS credentials, purpose, ends_on, created_at,
    details AS sealed FROM node.release WHERE learner = $1::text::uuid ORDER BY id LIMIT $2
"""
_DOCUMENTS: Final = """
SELECT case_id::text AS case, sha256, role, media_type, size, at FROM node.case_document
WHERE learner = $1::text::uuid ORDER BY at, sha256 LIMIT $2
"""
# A learner's row stays: other tables name it. Nothing in it can be told from chance any more.
_DESTROY: Final = (
    """UPDATE node.learner SET wrapped_key = NULL, details = NULL, number_key = NULL,
    match_key = 'erased ' || id, birth_key = 'erased ' || id WHERE id = $1::text::uuid""",
    "UPDATE node.record SET person = NULL, likeness = NULL WHERE learner = $1::text::uuid",
    "DELETE FROM node.result WHERE learner = $1::text::uuid",
    "UPDATE node.release SET details = NULL WHERE learner = $1::text::uuid",
    "UPDATE node.case_document SET content = NULL WHERE learner = $1::text::uuid",
    "UPDATE node.transfer_case SET match_reason = NULL WHERE learner = $1::text::uuid",
)


class PostgresErasing:
    """See :class:`passerelle.node.learners.Erasing`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def kept(self, learner: str) -> Kept | None:
        """See :class:`passerelle.node.learners.Erasing`."""
        fetch = self._connection.fetch
        row = await self._connection.fetchrow(
            "SELECT l.*, e.ground FROM node.learner l LEFT JOIN node.erasure e ON e.learner = l.id"
            " WHERE l.id = $1::text::uuid",
            learner,
        )
        if row is None:
            return None
        records = await _records(self._connection, learner)
        sent = await fetch(_SENT, [one.record.thing for one in records])
        cases = await fetch("SELECT created_at FROM node.transfer_case WHERE learner = $1::text::uuid", learner)
        return Kept(
            as_learner(row) if row["wrapped_key"] is not None else None,
            row["ground"],
            records,
            frozenset(one["thing"] for one in sent),
            [one["created_at"] for one in cases],
        )

    async def destroy(self, work: Destroyed) -> None:
        """See :class:`passerelle.node.learners.Erasing`."""
        execute = self._connection.execute
        rows = await self._connection.fetch(
            "SELECT DISTINCT thing FROM node.record"
            " WHERE learner = $1::text::uuid AND kind IN ('credential', 'assessment')",
            work.learner,
        )
        things = [row["thing"] for row in rows]
        # What would still be said of the learner, a release of theirs included, is not said any more.
        await execute(
            "DELETE FROM node.draft WHERE (thing = ANY($1) OR needs && $1) AND type <> $2",
            things,
            BY_NAME["credential.erased"].full,
        )
        await execute("UPDATE node.set_aside SET body = '' WHERE thing = ANY($1)", things)
        await execute("DELETE FROM node.unclaimed WHERE about = ANY($1) OR thing = ANY($1)", things)
        for statement in _DESTROY:
            await execute(statement, work.learner)
        mark = orjson.dumps(work.mark.as_dict()).decode()
        await execute(
            "UPDATE node.record SET current = $2::text::jsonb, accepted = $2::text::jsonb"
            " WHERE learner = $1::text::uuid AND kind = 'result'",
            work.learner,
            mark,
        )
        await execute(
            "UPDATE node.record SET current = $2::text::jsonb WHERE thing = ANY($1) AND kind = 'credential'",
            list(work.sent),
            mark,
        )
        await execute(
            "UPDATE node.record SET current = NULL, accepted = NULL WHERE thing = ANY($1)"
            " AND kind IN ('credential', 'assessment')",
            list(work.unsent),
        )
        await execute(
            "INSERT INTO node.erasure (learner, at, account, ground) VALUES ($1::text::uuid, $2, $3, $4)"
            " ON CONFLICT (learner) DO NOTHING",
            work.learner,
            work.at,
            work.account,
            work.ground,
        )
        await insert_drafts(self._connection, work.drafts, work.at)


class Learners(Part):
    """See :class:`passerelle.node.learners.LearnerStore`."""

    async def find_learners(self, number_key: str, record_keys: Sequence[str]) -> list[str]:
        """See :class:`passerelle.node.learners.LearnerStore`."""
        async with session(self._pool) as connection:
            return [row["id"] for row in await connection.fetch(_FIND, number_key or None, list(record_keys))]

    @asynccontextmanager
    async def erasing(self) -> AsyncIterator[PostgresErasing]:
        """See :class:`passerelle.node.learners.LearnerStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.execute("SELECT 1 FROM node.stream ORDER BY family FOR UPDATE")
            yield PostgresErasing(connection)

    async def learner_file(self, learner: str) -> LearnerFile | None:
        """See :class:`passerelle.node.learner_export.FileStore`."""
        async with session(self._pool, transaction=True) as connection:
            row = await connection.fetchrow(
                "SELECT * FROM node.learner WHERE id = $1::text::uuid AND wrapped_key IS NOT NULL", learner
            )
            if row is None:
                return None
            records = await _records(connection, learner)
            releases = await _rows(connection, _RELEASES, learner)
            cases = await _rows(connection, _CASES, learner)
            permissions = await _rows(connection, _PERMISSIONS, learner)
            things = [one.record.thing for one in records if one.sealed is None]
            things += [f"permission:{one['id']}" for one in permissions]
            things += [f"release:{one['id']}" for one in releases] + [f"transfer:{one['id']}" for one in cases]
            named = [f"credential:{one}" for release in releases for one in release["credentials"]]
            about = sorted({*things, *named})
            received = "SELECT * FROM node.party_body WHERE thing = ANY($1) ORDER BY index LIMIT $2"
            return LearnerFile(
                as_learner(row),
                records,
                await _rows(connection, _OWN, things),
                releases,
                cases,
                await _rows(connection, received, about),
                await _rows(connection, _NOTICES, about),
                await _rows(connection, _ACCESSES, learner),
                await _rows(connection, _DOCUMENTS, learner),
                permissions,
            )

    async def document_content(self, case: str, sha256: str) -> bytes | None:
        """See :class:`passerelle.node.learner_export.FileStore`."""
        query = "SELECT content FROM node.case_document WHERE case_id::text = $1 AND sha256 = $2"
        async with session(self._pool) as connection:
            found: bytes | None = await connection.fetchval(query, case, sha256)
        return found

    async def unfinished_erasures(self, limit: int) -> list[str]:
        """Learners whose key is here although the ledger holds none of their credentials any more, by id."""
        async with session(self._pool) as connection:
            return [row["id"] for row in await connection.fetch(_UNFINISHED, limit)]

    async def erasures(self, limit: int) -> list[Mapping[str, Any]]:
        """Learners who were erased, newest first: learner, at, account, ground."""
        query = "SELECT learner::text AS learner, at, account, ground FROM node.erasure ORDER BY at DESC LIMIT $1"
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(query, limit)]

    async def accesses(self, learner: str, limit: int) -> list[Mapping[str, Any]]:
        """The access log, newest first; with an id only what was about that learner."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_ACCESSES, learner, limit)]


async def _rows(connection: Connection, query: str, about: Any) -> list[Mapping[str, Any]]:
    return [dict(row) for row in await _bounded(connection, query, about)]


async def _bounded(connection: Connection, query: str, about: Any) -> Sequence[Any]:
    """The rows. Raises FormatError ``too-many-items`` rather than leave one out in silence."""
    rows: Sequence[Any] = await connection.fetch(query, about, MAX_ROWS + 1)
    if len(rows) > MAX_ROWS:
        what = f"more than {MAX_ROWS} rows of one sort are held of this learner"
        raise FormatError("too-many-items", what, where="learner", fix="Report it: no learner should have so many.")
    return rows


async def _records(connection: Connection, learner: str) -> list[Stored]:
    rows = await _bounded(connection, _RECORDS, learner)
    events: dict[str, list[tuple[str, bytes]]] = {}
    things = [row["thing"] for row in rows if row["kind"] != "result"]
    for row in await connection.fetch(_EVENTS, things):
        events.setdefault(row["thing"], []).append((row["type"], row["body"]))
    return [Stored(as_record(row), tuple(events.get(row["thing"], ())), row["sealed"]) for row in rows]
