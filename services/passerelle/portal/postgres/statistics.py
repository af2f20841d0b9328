"""The statistics in the portal's database: the latest record of each window, with the position in their topic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg

from passerelle.core.errors import Fatal
from passerelle.events.statistics import StatisticsRecord
from passerelle.portal.postgres.guard import guarded
from passerelle.runtime.postgres import borrowed, transaction

MAX_RECORDS: Final = 500
Fetch = Callable[..., Awaitable[list[asyncpg.Record]]]
_PUT: Final = """
INSERT INTO statistic AS s (measure, span, start, position, record) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (measure, span, start) DO UPDATE SET position = $4, record = $5 WHERE s.position <= $4
"""
_FIND: Final = """
SELECT record FROM statistic
WHERE ($1 = '' OR measure = $1) AND ($2 = '' OR span = $2) AND ($3::date IS NULL OR start = $3)
ORDER BY start DESC, measure, span LIMIT $4
"""


class StatisticsStore:
    """The one writer of the statistics. Every method raises Unavailable ``database-unavailable``."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def next_offset(self) -> int:
        """Where to read the topic on."""
        with guarded():
            async with borrowed(self._pool) as connection:
                found = await connection.fetchval("SELECT next_offset FROM statistic_progress")
        if found is None:
            raise Fatal("database-schema", "the statistics' position row is gone", where="statistic_progress")
        return int(found)

    async def put(self, records: Sequence[StatisticsRecord], next_offset: int) -> None:
        """Keep records and position together or not at all; a record never replaces one of a higher position."""
        rows = [
            (one.measure, one.window, one.start, one.position, one.model_dump(mode="json", exclude_none=True))
            for one in records
        ]
        with guarded():
            async with borrowed(self._pool) as connection, transaction(connection):
                await connection.executemany(_PUT, rows)
                await connection.execute("UPDATE statistic_progress SET next_offset = $1", next_offset)


async def find(fetch: Fetch, measure: str, window: str, start: dt.date | None, limit: int) -> list[StatisticsRecord]:
    """Records, newest window first, at most ``limit`` (bounded by :data:`MAX_RECORDS`)."""
    arguments: tuple[Any, ...] = (measure, window, start, min(limit, MAX_RECORDS))
    return [StatisticsRecord.model_validate(row["record"]) for row in await fetch(_FIND, *arguments)]
