"""Articulation requests of this member: which were made, and those that designed laddering asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.node.laddering import Numbered
from passerelle.node.outbox import Draft
from passerelle.node.postgres.drafts import insert_drafts
from passerelle.node.postgres.session import Connection, Part, session

PAGE: Final = 500
_TYPES: Final = [BY_NAME[f"credential.achievement-{event}"].full for event in ("published", "revised")]
_MADE: Final = """
SELECT subject FROM node.outbox WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused'
UNION SELECT subject FROM node.draft WHERE thing = ANY($1)
"""
_BEHIND: Final = """
SELECT s.sequence > coalesce((SELECT p.number FROM node.position p WHERE p.name = 'laddering'), 0)
FROM node.stream s WHERE s.family = 'credential'
"""
_NUMBERED: Final = """
SELECT sequence, subject, body FROM node.outbox
WHERE family = 'credential' AND sequence > $1 AND sequence <= $2 AND type = ANY($3)
  AND outcome IS DISTINCT FROM 'refused' AND lost IS NULL
ORDER BY sequence LIMIT $4
"""


async def _made(connection: Connection, requests: Sequence[str]) -> set[str]:
    rows = await connection.fetch(_MADE, [f"articulation:{one}" for one in requests])
    return {row["subject"] for row in rows}


class ArticulationQueries(Part):
    """See :class:`passerelle.node.laddering.LadderingStore`."""

    async def made_requests(self, requests: Sequence[str]) -> set[str]:
        """Those of these requests that this node has made."""
        async with session(self._pool) as connection:
            return await _made(connection, requests)

    async def open_laddering(self, asked: Callable[[Sequence[Numbered]], list[Draft]], now_ms: int) -> int:
        """See :class:`passerelle.node.laddering.LadderingStore`."""
        async with session(self._pool) as connection:
            if not await connection.fetchval(_BEHIND):
                return 0
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                "INSERT INTO node.position (name, number) VALUES ('laddering', 0) ON CONFLICT DO NOTHING"
            )
            after = await connection.fetchval("SELECT number FROM node.position WHERE name = 'laddering' FOR UPDATE")
            head = await connection.fetchval("SELECT sequence FROM node.stream WHERE family = 'credential'")
            rows = await connection.fetch(_NUMBERED, after, head, _TYPES, PAGE)
            drafts = asked([Numbered(row["subject"], orjson.loads(row["body"])["data"]) for row in rows])
            made = await _made(connection, [draft.subject for draft in drafts])
            new = {draft.subject: draft for draft in drafts if draft.subject not in made}
            await insert_drafts(connection, list(new.values()), now_ms)
            through = rows[-1]["sequence"] if len(rows) == PAGE else head
            await connection.execute("UPDATE node.position SET number = $1 WHERE name = 'laddering'", through)
        return len(new)
