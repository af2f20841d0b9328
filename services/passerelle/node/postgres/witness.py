"""A witness's promise, and the alarms that outlive the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from passerelle.node.postgres.inbox import set_position
from passerelle.node.postgres.session import Part, session
from passerelle.node.witness_ports import MAX_OPEN, Alarm, Cosigned

_FIRST: Final = """
INSERT INTO node.cosigned (size, root, note)
SELECT $1::bigint, $2::bytea, $3::text WHERE NOT EXISTS (SELECT FROM node.alarm WHERE cleared_at IS NULL)
ON CONFLICT (one) DO NOTHING
"""
# The whole promise in one statement: nobody can stand between the look and the step.
_ADVANCE: Final = """
UPDATE node.cosigned SET size = $1, root = $2, note = $3, delivered = false
WHERE size = $4 AND root = $5 AND size < $1
    AND NOT EXISTS (SELECT FROM node.alarm WHERE cleared_at IS NULL)
"""
_RAISE: Final = """
INSERT INTO node.alarm (name, code, size, evidence, raised_at)
SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM node.alarm WHERE cleared_at IS NULL) < $6
ON CONFLICT (name) DO NOTHING
"""
_ALARMS: Final = """
SELECT name, code, size, evidence, raised_at, cleared_at, coalesce(reason, '') AS reason FROM node.alarm
WHERE cleared_at IS NULL OR NOT $1::boolean ORDER BY raised_at DESC, name LIMIT 100
"""


class WitnessQueries(Part):
    """See :class:`passerelle.node.witness_ports.WitnessStore` and ``AlarmStore``."""

    async def cosigned(self) -> Cosigned | None:
        """See :class:`passerelle.node.witness_ports.WitnessStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT size, root, note, delivered FROM node.cosigned")
        return None if row is None else Cosigned(row["size"], row["root"], row["note"], row["delivered"])

    async def advance(self, before: Cosigned | None, after: Cosigned) -> bool:
        """See :class:`passerelle.node.witness_ports.WitnessStore`."""
        new = (after.size, after.root, after.note)
        async with session(self._pool) as connection:
            if before is None:
                done = await connection.execute(_FIRST, *new)
            else:
                done = await connection.execute(_ADVANCE, *new, before.size, before.root)
        return str(done).endswith(" 1")

    async def note_delivered(self, size: int) -> None:
        """See :class:`passerelle.node.witness_ports.WitnessStore`."""
        async with session(self._pool) as connection:
            await connection.execute("UPDATE node.cosigned SET delivered = true WHERE size = $1", size)

    async def save_witness_position(self, next_offset: int) -> None:
        """See :class:`passerelle.node.witness_ports.WitnessStore`."""
        async with session(self._pool) as connection:
            await set_position(connection, "witness", 0, next_offset)

    async def all_records(self) -> list[Mapping[str, Any]]:
        """Every member's record as the registry topic shows it."""
        async with session(self._pool) as connection:
            rows = await connection.fetch("SELECT record FROM node.member ORDER BY member")
        return [row["record"] for row in rows]

    async def raise_alarm(self, alarm: Alarm) -> bool:
        """See :class:`passerelle.node.witness_ports.AlarmStore`."""
        values = (alarm.name, alarm.code, alarm.size, alarm.evidence, alarm.raised_at)
        async with session(self._pool) as connection:
            done = await connection.execute(_RAISE, *values, MAX_OPEN)
        return str(done).endswith(" 1")

    async def alarms(self, *, open_only: bool) -> Sequence[Alarm]:
        """See :class:`passerelle.node.witness_ports.AlarmStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(_ALARMS, open_only)
        return [Alarm(**dict(row)) for row in rows]

    async def clear_alarm(self, name: str, reason: str, now_ms: int) -> bool:
        """See :class:`passerelle.node.witness_ports.AlarmStore`."""
        async with session(self._pool, transaction=True) as connection:
            code = await connection.fetchval(
                "UPDATE node.alarm SET cleared_at = $3, reason = $2 WHERE name = $1 AND cleared_at IS NULL"
                " RETURNING code",
                name,
                reason,
                now_ms,
            )
            if code is None:
                return False
            # The problem goes with the last alarm of its code.
            await connection.execute(
                "UPDATE node.problem SET open = false WHERE open AND code = $1"
                " AND NOT EXISTS (SELECT FROM node.alarm WHERE code = $1 AND cleared_at IS NULL)",
                code,
            )
        return True
