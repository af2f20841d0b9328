"""Letters of permission that learners of the office asked for."""

from __future__ import annotations

from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.node.permission_ports import AskedPermission
from passerelle.node.postgres.session import Part, session

_GRANTED: Final = BY_NAME["transfer.permission-granted"].full
_REFUSED: Final = BY_NAME["transfer.permission-refused"].full
_IDS: Final = f"""
SELECT id FROM (
    SELECT id::text COLLATE "C" AS id FROM node.permission
    UNION SELECT subject COLLATE "C" FROM node.outbox WHERE type IN ('{_GRANTED}', '{_REFUSED}') AND lost IS NULL
    UNION SELECT subject COLLATE "C" FROM node.party_body WHERE type = '{_GRANTED}'
) AS known WHERE id > $1 ORDER BY id LIMIT $2
"""  # noqa: S608 - names of our own


class Permissions(Part):
    """See :class:`passerelle.node.permission_ports.PermissionStore`."""

    async def save_permission(self, asked: AskedPermission, now_ms: int) -> None:
        """See :class:`passerelle.node.permission_ports.PermissionStore`."""
        told = {"programme": asked.programme, "term": dict(asked.term)}
        async with session(self._pool) as connection:
            await connection.execute(
                "INSERT INTO node.permission (id, learner, host, asked, position, lines, made_at)"
                " VALUES ($1, $2, $3, $4::text::jsonb, $5, $6::text::jsonb, $7)",
                asked.id,
                asked.learner,
                asked.host,
                orjson.dumps(told).decode(),
                asked.position,
                orjson.dumps([dict(line) for line in asked.lines]).decode(),
                now_ms,
            )

    async def permission(self, permission: str) -> AskedPermission | None:
        """See :class:`passerelle.node.permission_ports.PermissionStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT * FROM node.permission WHERE id::text = $1", permission)
        return None if row is None else _asked(row)

    async def permission_ids(self, after: str, limit: int) -> list[str]:
        """See :class:`passerelle.node.permission_ports.PermissionStore`."""
        async with session(self._pool) as connection:
            return [row["id"] for row in await connection.fetch(_IDS, after, limit)]


def _asked(row: Any) -> AskedPermission:
    told = row["asked"]
    return AskedPermission(
        str(row["id"]),
        str(row["learner"]),
        row["host"],
        told["programme"],
        told["term"],
        row["position"],
        tuple(row["lines"]),
    )
