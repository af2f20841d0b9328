"""Jobs: files that came by a folder or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from passerelle.node.jobs import Asked, Job
from passerelle.node.postgres.session import Part, session

KEPT_JOBS: Final = 1_000
"""Ended jobs that are remembered."""
QUEUE_LOCK: Final = 0x6A6F_6273
_ADD: Final = """
INSERT INTO node.job (id, source, name, asked, state, made_at)
SELECT $1, $2, $3, $4::text::jsonb, 'waiting', $5
WHERE (SELECT count(*) FROM node.job WHERE source = 'push' AND state IN ('waiting', 'running')) < $6
"""
_NEXT: Final = """
UPDATE node.job SET state = 'running' WHERE id = (
    SELECT id FROM node.job WHERE source = 'push' AND state = 'waiting' ORDER BY made_at, id LIMIT 1)
RETURNING *
"""
_END: Final = """
INSERT INTO node.job (id, source, name, asked, state, made_at, ended_at, report, error)
VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8::text::jsonb, $9::text::jsonb)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at, report = excluded.report,
    error = excluded.error
"""
_FORGET: Final = """
DELETE FROM node.job WHERE ended_at IS NOT NULL AND id NOT IN (
    SELECT id FROM node.job WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT $1)
"""


class Jobs(Part):
    """See :class:`passerelle.node.jobs.JobStore`."""

    async def add_job(self, job: Job, most: int) -> bool:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", QUEUE_LOCK)
            asked = orjson.dumps(job.asked.as_dict()).decode()
            done = await connection.execute(_ADD, job.id, job.source, job.name, asked, job.made_at, most)
        return bool(done == "INSERT 0 1")

    async def job(self, job: str) -> Job | None:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT * FROM node.job WHERE id::text = $1", job)
        return None if row is None else _job(row)

    async def begin_jobs(self) -> list[str]:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute("UPDATE node.job SET state = 'waiting' WHERE state = 'running'")
            rows = await connection.fetch("SELECT id FROM node.job WHERE state = 'waiting'")
        return [str(row["id"]) for row in rows]

    async def next_job(self) -> Job | None:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(_NEXT)
        return None if row is None else _job(row)

    async def wait_again(self, job: str) -> None:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool) as connection:
            await connection.execute("UPDATE node.job SET state = 'waiting' WHERE id::text = $1", job)

    async def end_job(self, job: Job) -> None:
        """See :class:`passerelle.node.jobs.JobStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                _END,
                job.id,
                job.source,
                job.name,
                orjson.dumps(job.asked.as_dict()).decode(),
                job.state,
                job.made_at,
                job.ended_at,
                None if job.report is None else orjson.dumps(job.report).decode(),
                None if job.error is None else orjson.dumps(job.error).decode(),
            )
            await connection.execute(_FORGET, KEPT_JOBS)

    async def open_jobs(self) -> int:
        """See :class:`passerelle.node.jobs.JobStore`."""
        query = "SELECT count(*) FROM node.job WHERE source = 'push' AND state IN ('waiting', 'running')"
        async with session(self._pool) as connection:
            return int(await connection.fetchval(query))

    async def latest_jobs(self, limit: int) -> list[Job]:
        """The jobs that came last, newest first."""
        query = "SELECT * FROM node.job ORDER BY made_at DESC, id DESC LIMIT $1"
        async with session(self._pool) as connection:
            return [_job(row) for row in await connection.fetch(query, limit)]


def _job(row: Mapping[str, Any]) -> Job:
    return Job(
        str(row["id"]), row["source"], row["name"], Asked(**row["asked"]), row["state"], row["made_at"],
        row["ended_at"], row["report"], row["error"],
    )  # fmt: skip
