"""Cosignatures in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from passerelle.core.errors import PasserelleError
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.postgres.guard import guarded
from passerelle.ledger.postgres.pool import Pool
from passerelle.ledger.witnesses import KEPT_CHECKPOINTS, KEPT_COSIGNATURES, KEPT_OF_MEMBER, Cosignature
from passerelle.runtime.postgres import transaction

_COUNTS: Final = """
SELECT bool_or(size = $1 AND key_id = $2) AS held,
    count(*) FILTER (WHERE size = $1) AS here,
    count(*) FILTER (WHERE size = $1 AND member = $3) AS own,
    count(DISTINCT size) FILTER (WHERE size > $1) AS newer
FROM ledger.cosignature WHERE size >= $1
"""
_FORGET: Final = """
DELETE FROM ledger.cosignature WHERE size < (
    SELECT min(size) FROM (SELECT DISTINCT size FROM ledger.cosignature ORDER BY size DESC LIMIT $1) AS newest)
"""
_COSIGNED: Final = """
SELECT size FROM ledger.cosignature WHERE size >= $2 AND member <> $3
GROUP BY size HAVING count(DISTINCT member) >= $1 ORDER BY size DESC LIMIT 1
"""


class CosignaturePostgres:
    """The :class:`~passerelle.ledger.witnesses.CosignatureStore` of a ledger's database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def published(self, size: int) -> StoredCheckpoint | None:
        async with guarded(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT size, root, note, signed_at FROM ledger.checkpoint WHERE size = $1 AND shown", size
            )
        return None if row is None else StoredCheckpoint(row["size"], row["root"], row["note"], row["signed_at"])

    async def lines(self, size: int) -> Sequence[str]:
        async with guarded(self._pool) as connection:
            rows = await connection.fetch("SELECT line FROM ledger.cosignature WHERE size = $1 ORDER BY number", size)
        return [row["line"] for row in rows]

    async def add(self, cosignature: Cosignature) -> None:
        async with guarded(self._pool) as connection, transaction(connection):
            # One at a time, so that what is counted stands until the row is in. Readers are not held up.
            await connection.execute("LOCK TABLE ledger.cosignature IN SHARE ROW EXCLUSIVE MODE")
            counts = await connection.fetchrow(_COUNTS, cosignature.size, cosignature.key_id, cosignature.member)
            if counts is None or counts["held"]:
                return
            _require_room(counts)
            await connection.execute(
                "INSERT INTO ledger.cosignature (size, key_id, member, signed_at, line) VALUES ($1, $2, $3, $4, $5)",
                cosignature.size,
                cosignature.key_id,
                cosignature.member,
                cosignature.signed_at,
                cosignature.line,
            )
            await connection.execute(_FORGET, KEPT_CHECKPOINTS)

    async def cosigned(self, witnesses: int, covering: int, *, without: str) -> int | None:
        async with guarded(self._pool) as connection:
            size: int | None = await connection.fetchval(_COSIGNED, witnesses, covering, without)
        return size


def _require_room(counts: asyncpg.Record) -> None:
    if counts["newer"] >= KEPT_CHECKPOINTS:
        what = f"{KEPT_CHECKPOINTS} newer checkpoints are cosigned already"
        raise PasserelleError("cosignature-late", what, where="size")
    if counts["here"] >= KEPT_COSIGNATURES or counts["own"] >= KEPT_OF_MEMBER:
        raise PasserelleError("too-many-items", "the checkpoint has as many cosignatures as are kept", where="note")
