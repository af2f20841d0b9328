"""One snapshot of the ledger's database for ``ledger check`` and ``ledger rebuild``, and the read models' writing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
import orjson

from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.things import Thing
from passerelle.ledger.check_ports import BodyRow, CheckpointRow, Difference, EntryRow, HeadRow
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.check_rest import RestSnapshot
from passerelle.ledger.postgres.errors import translated
from passerelle.ledger.postgres.lease import LOCK
from passerelle.ledger.replay import Replay
from passerelle.runtime.config import DatabaseConfig, read_secret
from passerelle.runtime.postgres import require_migrated

CHUNK: Final = 1_000
_NAME: Final = "passerelle-ledger-check"
TOLD: Final = 10

_ENTRIES: Final = """
SELECT e.index, e.accepted_at, e.member, e.family, e.sequence, e.visibility, e.code, e.type, e.subject, e.digest,
    e.entry, e.refusal, e.ingress, b.index IS NOT NULL AS public_row, b.sha256, b.body AS public_body,
    p.index IS NOT NULL AS party_row, p.subject AS party_subject, p.parties, p.body AS party_body,
    r.index IS NOT NULL AS refused_row, r.member AS refused_member, r.subject AS refused_subject, r.arrived_at,
    r.body AS refused_body
FROM ledger.entry e
LEFT JOIN ledger.public_body b ON b.index = e.index
LEFT JOIN ledger.party_body p ON p.index = e.index
LEFT JOIN ledger.refused_body r ON r.index = e.index
ORDER BY e.index
"""
_STRAY: Final = """
SELECT name || ' ' || index AS place FROM (
    SELECT 'public_body' AS name, index FROM ledger.public_body
    UNION ALL SELECT 'party_body', index FROM ledger.party_body
    UNION ALL SELECT 'refused_body', index FROM ledger.refused_body
) AS bodies WHERE NOT EXISTS (SELECT FROM ledger.entry e WHERE e.index = bodies.index) ORDER BY index LIMIT 10
"""
_KEPT: Final = """
SELECT h.index FROM (
    SELECT index, subject FROM ledger.party_body WHERE body IS NOT NULL
    UNION ALL SELECT index, subject FROM ledger.refused_body WHERE body IS NOT NULL
) AS h JOIN unnest($1::text[], $2::bigint[]) AS e (subject, index) ON e.subject = h.subject AND h.index < e.index
ORDER BY h.index LIMIT 10
"""

_STRAY_TILES: Final = """
SELECT t.level, t.n FROM ledger.tile t LEFT JOIN unnest($1::int[], $2::bigint[]) AS w (level, count) USING (level)
WHERE w.count IS NULL OR t.n < 0 OR t.n >= w.count ORDER BY 1, 2 LIMIT 10
"""

_TAKE: Final = """
UPDATE ledger.lease SET generation = generation + 1, holder = 'rebuild'
WHERE pg_try_advisory_xact_lock($1) OR expires_at < clock_timestamp() RETURNING generation
"""

MODELS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "thing": (("key",), ("key", "kind", "id", "state", "version", "owner", "created", "changed", "data")),
    "dependency": (("on_key", "dependent", "member"), ("on_key", "dependent", "member")),
    "member": (("member",), ("member", "changed", "record")),
    "registry": (("one",), ("one", "snapshot")),
    "stream": (("member", "family"), ("member", "family", "sequence", "digest")),
    "volume": (("hour", "family"), ("hour", "family", "accepted", "refused")),
}
"""The disposable tables: key columns and columns, in the order of the rows of :func:`model_rows`."""


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _thing_row(thing: Thing) -> tuple[Any, ...]:
    return (
        thing.key,
        thing.kind,
        thing.id,
        thing.state,
        thing.version,
        thing.owner,
        thing.created,
        thing.changed,
        _json(dict(thing.data)),
    )


def model_rows(replay: Replay) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every read model. Things whose facts are unknown are left out."""
    state, registry = replay.state, replay.registry
    members = [(name, at, _json(registry.members[name].as_dict())) for name, at in replay.members.items()]
    return {
        "thing": [_thing_row(thing) for key, thing in state.things.items() if key not in state.ghosts],
        "dependency": [(edge.on, edge.dependent, edge.member) for edge in state.edges()],
        "member": members,
        "registry": [(True, _json(registry.snapshot()))] if members else [],
        "stream": [(*stream, head.sequence, head.digest) for stream, head in replay.streams.items()],
        "volume": [(hour, family, *counts) for (hour, family), counts in replay.volume.items()],
    }


class SnapshotStore(RestSnapshot):
    """The stores of :mod:`passerelle.ledger.check_ports` over one open snapshot."""

    async def head(self) -> HeadRow | None:
        row = await self._connection.fetchrow(
            "SELECT network, size, accepted_at, floor, frontier, generation FROM ledger.head"
        )
        return None if row is None else HeadRow(*row)

    async def entries(self) -> AsyncIterator[Sequence[EntryRow]]:
        cursor = await self._connection.cursor(_ENTRIES)
        while rows := await cursor.fetch(CHUNK):
            yield [_entry_row(row) for row in rows]

    async def tiles(self, level: int, first: int, last: int) -> Mapping[int, bytes]:
        rows = await self._connection.fetch(
            "SELECT n, hashes FROM ledger.tile WHERE level = $1 AND n BETWEEN $2 AND $3", level, first, last
        )
        return {row["n"]: row["hashes"] for row in rows}

    async def stray_tiles(self, counts: Sequence[int]) -> Sequence[tuple[int, int]]:
        rows = await self._connection.fetch(_STRAY_TILES, list(range(len(counts))), list(counts))
        return [(row["level"], row["n"]) for row in rows]

    async def checkpoints(self) -> AsyncIterator[CheckpointRow]:
        cursor = await self._connection.cursor(
            "SELECT size, root, note, signed_at, shown FROM ledger.checkpoint ORDER BY size"
        )
        while rows := await cursor.fetch(CHUNK):
            for size, root, note, signed_at, shown in rows:
                yield CheckpointRow(StoredCheckpoint(size, root, note, signed_at), shown)

    async def stray_bodies(self) -> Sequence[str]:
        return [row["place"] for row in await self._connection.fetch(_STRAY)]

    async def kept_bodies(self, erased: Mapping[str, int]) -> Sequence[int]:
        rows = await self._connection.fetch(_KEPT, list(erased), list(erased.values()))
        return [row["index"] for row in rows]

    async def compare(self, replay: Replay) -> Sequence[Difference]:
        schema = await self.scratch()
        differences = []
        rows = model_rows(replay)
        for table, (keys, columns) in MODELS.items():
            await self._connection.execute(f"CREATE TABLE {schema}.{table} (LIKE ledger.{table})")
            await self._connection.copy_records_to_table(
                table, schema_name=schema, records=rows[table], columns=list(columns)
            )
            ghosts = list(replay.state.ghosts) if table == "thing" else []
            found = await self._connection.fetch(_difference(schema, table, keys), ghosts)
            if found:
                differences.append(Difference(table, found[0]["total"], tuple(row["place"] for row in found)))
        return differences


def _difference(schema: str, table: str, keys: Sequence[str]) -> str:
    """Rows that only one side has, or that differ; ``$1`` are keys of things that cannot be compared."""
    place = " || ' ' || ".join(f"coalesce(a.{key}, b.{key})::text" for key in keys)
    on = " AND ".join(f"a.{key} = b.{key}" for key in keys)
    return (
        f"SELECT {place} AS place, count(*) OVER () AS total FROM ledger.{table} a"  # noqa: S608 - constants only
        f" FULL JOIN {schema}.{table} b ON {on}"
        f" WHERE a IS DISTINCT FROM b AND NOT ({place}) = ANY ($1::text[]) ORDER BY 1 LIMIT {TOLD}"
    )


def _entry_row(row: asyncpg.Record) -> EntryRow:
    """The columns of ``_ENTRIES`` in their order: there are many of them, and millions of rows."""
    (
        index, accepted_at, member, family, sequence, visibility, code, kind, subject, digest, entry, refusal, ingress,
        public, sha256, public_body, party, party_subject, parties, party_body,
        refused, refused_member, refused_subject, arrived_at, refused_body,
    ) = row  # fmt: skip
    bodies = []
    if public:
        bodies.append(BodyRow("public_body", public_body, (sha256,)))
    if party:
        bodies.append(BodyRow("party_body", party_body, (party_subject, tuple(parties))))
    if refused:
        bodies.append(BodyRow("refused_body", refused_body, (refused_member, refused_subject, arrived_at)))
    return EntryRow(
        index, accepted_at, member, family, sequence, visibility, code, kind, subject, digest, entry, tuple(bodies),
        refusal, ingress,
    )  # fmt: skip


async def connect(config: DatabaseConfig, name: str) -> asyncpg.Connection:
    """A connection outside any pool; PostgreSQL shows it under ``name``. Raises as :func:`translated`."""
    password = read_secret(config.password_file) if config.password_file else None
    with translated("ledger"):
        connection: asyncpg.Connection = await asyncpg.connect(
            config.url, password=password, timeout=10, server_settings={"application_name": name}
        )
    return connection


@asynccontextmanager
async def open_snapshot(config: DatabaseConfig) -> AsyncIterator[SnapshotStore]:
    """One snapshot, in a transaction that is rolled back at the end: the scratch schema goes with it."""
    connection = await connect(config, _NAME)
    try:
        transaction = connection.transaction(isolation="repeatable_read")
        with translated("ledger"):
            await transaction.start()
            await require_migrated(connection, MIGRATIONS)
            yield SnapshotStore(connection)
            await transaction.rollback()
    finally:
        await connection.close(timeout=5)


@asynccontextmanager
async def open_rebuild(config: DatabaseConfig) -> AsyncIterator[Rebuild]:
    """The database taken over for a rebuild: no ledger runs, and one that wakes up is fenced.

    Raises Unavailable ``lease-held`` where a ledger is active.
    """
    connection = await connect(config, _NAME)
    try:
        with translated("ledger"):
            async with connection.transaction(isolation="repeatable_read"):
                await require_migrated(connection, MIGRATIONS)
                taken = await connection.fetchval(_TAKE, LOCK)
                if taken is None:
                    raise Unavailable("lease-held", "a ledger is active", fix="Stop the ledger, then rebuild.")
                await connection.execute("UPDATE ledger.head SET generation = $1", taken)
                yield Rebuild(connection)
    finally:
        await connection.close(timeout=5)


class Rebuild(SnapshotStore):
    """The snapshot of a rebuild, which also writes: everything is committed together, or nothing."""

    async def replace(self, replay: Replay) -> dict[str, int]:
        """Replace the live read models by the rebuilt ones; rows written, by table."""
        if replay.state.ghosts:
            keys = ", ".join(sorted(replay.state.ghosts)[:TOLD])
            raise Fatal("body-withdrawn", f"the facts of {len(replay.state.ghosts)} things are gone: {keys}")
        rows = model_rows(replay)
        for table, (_keys, columns) in MODELS.items():
            await self._connection.execute(f"DELETE FROM ledger.{table}")  # noqa: S608 - constants only
            await self._connection.copy_records_to_table(
                table, schema_name="ledger", records=rows[table], columns=list(columns)
            )
        return {table: len(found) for table, found in rows.items()}
