"""Letters of permission in schema ``read`` of the ledger's database (contracts/read.sql)."""

from __future__ import annotations

from typing import Any, Final

from passerelle.query.permission_ports import REFUSED, PermissionQuery, PermissionRow

ROLES: Final = {"home": "owner = $1", "host": f"data ->> 'host' = $1 AND state <> '{REFUSED}'"}
"""In which column a member's role stands. One branch a role, so that each is answered from its own index."""
_PERMISSION: Final = "SELECT id, owner, state, version, changed, data FROM read.thing"
_ROLE: Final = (
    "(" + _PERMISSION + " WHERE kind = 'permission' AND {role} AND ($2 = '' OR state = $2)"
    " AND ($3::bigint IS NULL OR (changed, id) < ($3, $4)) ORDER BY changed DESC, id DESC LIMIT $5)"
)


class PermissionReading:
    """:class:`~passerelle.query.permission_ports.PermissionReader` inside a transaction that another class opens."""

    _connection: Any

    async def permission(self, permission: str) -> PermissionRow | None:
        row = await self._connection.fetchrow(_PERMISSION + " WHERE key = $1", f"permission:{permission}")
        return None if row is None else PermissionRow(*row)

    async def permissions(self, query: PermissionQuery) -> list[PermissionRow]:
        changed, last = query.before or (None, None)
        roles = [query.role] if query.role else list(ROLES)
        # Nobody is home and host of one permission: the branches never tell one twice.
        parts = " UNION ALL ".join(_ROLE.format(role=ROLES[role]) for role in roles)
        sql = f"SELECT * FROM ({parts}) AS found ORDER BY changed DESC, id DESC LIMIT $5"  # noqa: S608 - our own texts
        rows = await self._connection.fetch(sql, query.member, query.state, changed, last, query.limit)
        return [PermissionRow(*row) for row in rows]
