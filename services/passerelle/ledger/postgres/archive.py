"""The ledger's database out to an archive and in again: one snapshot to read, one transaction to write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from passerelle.core.errors import Unavailable
from passerelle.ledger.check_ports import BodyRow, EntryRow
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.postgres.check import Rebuild, SnapshotStore, connect
from passerelle.ledger.postgres.errors import translated
from passerelle.ledger.postgres.lease import LOCK
from passerelle.runtime.config import DatabaseConfig

_ENTRY: Final = (
    "index", "accepted_at", "member", "family", "sequence", "visibility", "code", "refusal", "type", "subject",
    "digest", "entry", "ingress",
)  # fmt: skip
_BODY: Final = {
    "public_body": ("index", "sha256", "body"),
    "party_body": ("index", "subject", "parties", "body"),
    "refused_body": ("index", "member", "subject", "arrived_at", "body"),
}
# Below these nothing waits and nothing is missing in the archive: what is read again is absorbed.
_OFFSETS: Final = """
SELECT i.topic, i.partition, least(i.next_offset,
    (SELECT min(w."offset") FROM ledger.waiting w WHERE (w.topic, w.partition) = (i.topic, i.partition)),
    (SELECT min(split_part(e.ingress, '/', 3)::bigint) FROM ledger.entry e
     WHERE e.index >= $1 AND split_part(e.ingress, '/', 1) = i.topic
         AND split_part(e.ingress, '/', 2)::int = i.partition)) AS next_offset
FROM ledger.ingress i ORDER BY 1, 2
"""
_USED: Final = "SELECT EXISTS (SELECT FROM ledger.entry) OR EXISTS (SELECT FROM ledger.head WHERE size > 0)"
_HEAD: Final = """
INSERT INTO ledger.head (network, generation, size, accepted_at, floor, frontier)
SELECT $1, generation, $2, $3, $3, $4 FROM ledger.lease
ON CONFLICT (one) DO UPDATE SET network = $1, size = $2, accepted_at = $3, floor = $3, frontier = $4
"""
_PUBLISHED: Final = """
INSERT INTO ledger.published (name, position) SELECT name, $1 FROM unnest($2::text[]) AS name
ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""


class Export(SnapshotStore):
    """One snapshot, with what a ledger needs beside the log in order to go on."""

    async def ingress_offsets(self, size: int) -> list[tuple[str, int, int]]:
        """Topic, partition and offset where reading goes on after the first ``size`` entries."""
        return [tuple(row) for row in await self._connection.fetch(_OFFSETS, size)]

    async def inbox_numbers(self) -> dict[str, int]:
        """The last number published in each inbox."""
        rows = await self._connection.fetch("SELECT member, published FROM ledger.inbox_head ORDER BY member")
        return {row["member"]: row["published"] for row in rows}


@asynccontextmanager
async def open_export(config: DatabaseConfig) -> AsyncIterator[Export]:
    """One snapshot of a ledger's database; it may run meanwhile."""
    connection = await connect(config, "passerelle-ledger-archive")
    try:
        with translated("ledger"):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield Export(connection)
    finally:
        await connection.close(timeout=5)


@asynccontextmanager
async def open_import(config: DatabaseConfig) -> AsyncIterator[Import]:
    """An empty ledger's database, written in one transaction that is undone where the block fails.

    Raises Unavailable ``lease-held`` where a ledger is active, ``database-not-empty`` where there are entries.
    """
    connection = await connect(config, "passerelle-ledger-archive")
    try:
        with translated("ledger"):
            async with connection.transaction(isolation="repeatable_read"):
                if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
                    raise Unavailable("lease-held", "a ledger is active", fix="Stop the ledger, then import.")
                if await connection.fetchval(_USED):
                    raise Unavailable("database-not-empty", "the database holds a log already", where="ledger.entry")
                yield Import(connection)
    finally:
        await connection.close(timeout=5)


class Import(Rebuild):
    """What an archive holds, written; the same rows can be read and checked before they are committed."""

    async def add_entries(self, rows: Sequence[EntryRow]) -> None:
        """Entries and their bodies."""
        entries = [
            (
                row.index,
                row.accepted_at,
                row.member,
                row.family,
                row.sequence,
                row.visibility,
                row.code,
                row.refusal,
                row.type,
                row.subject,
                row.digest,
                row.entry,
                row.ingress,
            )
            for row in rows
        ]
        await self._copy("entry", _ENTRY, entries)
        for table, columns in _BODY.items():
            found = [_body(row.index, item) for row in rows for item in row.bodies if item.table == table]
            await self._copy(table, columns, found)

    async def add_tile(self, level: int, n: int, hashes: bytes) -> None:
        """One tile."""
        await self._connection.execute("INSERT INTO ledger.tile VALUES ($1, $2, $3)", level, n, hashes)

    async def finish(
        self,
        network: str,
        checkpoint: StoredCheckpoint,
        frontier: bytes,
        ingress: Sequence[tuple[str, int, int]],
        inboxes: Mapping[str, int],
    ) -> None:
        """Head, checkpoint and positions: all that the archive holds counts as published."""
        size, at = checkpoint.size, checkpoint.signed_at
        await self._connection.execute(_HEAD, network, size, at, frontier)
        await self._connection.execute(
            "INSERT INTO ledger.checkpoint (size, root, note, signed_at, shown) VALUES ($1, $2, $3, $4, true)",
            size,
            checkpoint.root,
            checkpoint.note,
            at,
        )
        await self._connection.execute(_PUBLISHED, size, ["feed", "registry", "refilled"])
        await self._connection.execute("DELETE FROM ledger.ingress")
        await self._copy("ingress", ("topic", "partition", "next_offset"), list(ingress))
        heads = [(member, number, number) for member, number in inboxes.items()]
        await self._copy("inbox_head", ("member", "number", "published"), heads)

    async def _copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            await self._connection.copy_records_to_table(
                table, schema_name="ledger", columns=list(columns), records=rows
            )


def _body(index: int, item: BodyRow) -> tuple[Any, ...]:
    note = item.note
    if item.table == "party_body":
        return index, note[0], list(note[1]), item.body
    return (index, *note, item.body)
