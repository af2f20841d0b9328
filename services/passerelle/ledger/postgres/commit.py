"""The one transaction of a commit, statement by statement. Rows go in by COPY, states by upsert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from asyncpg.pool import PoolConnectionProxy

from passerelle.core.errors import Fatal
from passerelle.core.things import Thing
from passerelle.ledger.model import COMMIT_CHANNEL, CommitPlan

# The numbers are written into the text so that transaction and compare-and-swap are one message to the server.
_BEGIN = """
BEGIN; UPDATE ledger.head
SET size = {size}, accepted_at = {at}, floor = greatest(floor, {at}), frontier = '\\x{frontier}'
WHERE generation = {generation} AND size = {before}
"""
_MARKS = """
WITH offsets AS (
    INSERT INTO ledger.ingress (topic, partition, next_offset)
    SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
), streams AS (
    INSERT INTO ledger.stream (member, family, sequence, digest)
    SELECT * FROM unnest($4::text[], $5::text[], $6::bigint[], $7::bytea[])
    ON CONFLICT (member, family) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest
), inboxes AS (
    INSERT INTO ledger.inbox_head (member, number)
    SELECT * FROM unnest($8::text[], $9::bigint[])
    ON CONFLICT (member) DO UPDATE SET number = excluded.number
), volume AS (
    INSERT INTO ledger.volume (hour, family, accepted, refused)
    SELECT * FROM unnest($10::bigint[], $11::text[], $12::bigint[], $13::bigint[])
    ON CONFLICT (hour, family) DO UPDATE
    SET accepted = volume.accepted + excluded.accepted, refused = volume.refused + excluded.refused
), summary AS (
    INSERT INTO ledger.summary (size, value) SELECT $14::bigint, $15::bytea WHERE $15::bytea IS NOT NULL
), grown AS (
    SELECT * FROM unnest($16::int[], $17::bigint[], $18::int[], $19::bytea[]) AS grown (level, n, start, hashes)
), begun AS (
    INSERT INTO ledger.tile (level, n, hashes) SELECT level, n, hashes FROM grown WHERE start = 0
), continued AS (
    UPDATE ledger.tile t SET hashes = substring(t.hashes FOR 32 * g.start) || g.hashes
    FROM grown g WHERE g.start > 0 AND t.level = g.level AND t.n = g.n
)
SELECT pg_notify($20::text, $21::text)
"""
_CHANGED = """
UPDATE ledger.thing t
SET state = c.state, version = c.version, owner = c.owner, changed = c.changed, data = c.data, created = c.created
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::jsonb[]
) AS c (key, state, version, owner, created, changed, data)
WHERE t.key = c.key
"""
_UNDEPEND = "DELETE FROM ledger.dependency WHERE dependent = ANY($1::text[])"
_DEPEND = """
INSERT INTO ledger.dependency (on_key, dependent, member) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING
"""
_ERASE = """
WITH gone AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS gone (subject, index)),
party AS (
    UPDATE ledger.party_body b SET body = NULL FROM gone g
    WHERE b.subject = g.subject AND b.index < g.index AND b.body IS NOT NULL
)
UPDATE ledger.refused_body b SET body = NULL FROM gone g
WHERE b.subject = g.subject AND b.index < g.index AND b.body IS NOT NULL
"""
_MEMBER = """
INSERT INTO ledger.member (member, changed, record)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::jsonb[])
ON CONFLICT (member) DO UPDATE SET changed = excluded.changed, record = excluded.record
"""
_REGISTRY = "INSERT INTO ledger.registry (snapshot) VALUES ($1) ON CONFLICT (one) DO UPDATE SET snapshot = $1"
_CONFLICTS = """
INSERT INTO ledger.conflict
    (arrived_at, member, family, sequence, digest, statement, signature, key_id, headers, body)
SELECT * FROM unnest(
    $1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[], $8::text[], $9::jsonb[],
    $10::bytea[]
) ON CONFLICT (member, family, sequence, digest) DO NOTHING
"""
_UNWAIT = """
DELETE FROM ledger.waiting w USING unnest($1::text[], $2::text[], $3::bigint[]) AS gone (member, family, sequence)
WHERE (w.member, w.family, w.sequence) = (gone.member, gone.family, gone.sequence)
"""
_ENTRY = (
    "index", "accepted_at", "member", "family", "sequence", "visibility", "code", "refusal", "type", "subject",
    "digest", "entry", "ingress",
)  # fmt: skip
_WAITING = (
    "member", "family", "sequence", "arrived_at", "topic", "partition", "offset", "key", "headers", "value",
)  # fmt: skip
_THING = ("key", "kind", "id", "state", "version", "owner", "created", "changed", "data")
_INBOX = ("member", "number", "kind", "size", "entry_index", "value", "created_at")


async def write(session: PoolConnectionProxy, generation: int, plan: CommitPlan) -> None:
    """Open a transaction and write the plan in it. Raises Fatal ``lease-lost``: nothing is written then."""
    status = await session.execute(
        _BEGIN.format(
            size=plan.size,
            at=plan.accepted_at,
            frontier=b"".join(plan.peaks).hex(),
            generation=generation,
            before=plan.size_before,
        )
    )
    if status != "UPDATE 1":
        raise Fatal("lease-lost", "another ledger has moved the head", where=f"generation {generation}")
    await _write_log(session, plan)
    await _write_things(session, plan)
    await _write_members(session, plan)
    await _write_waiting(session, plan)
    await _copy(session, "inbox", _INBOX, plan.inbox)
    await session.execute(
        _MARKS,
        *_columns(((topic, number, offset) for (topic, number), offset in plan.offsets.items()), 3),
        *_columns(((*stream, head.sequence, head.digest) for stream, head in plan.streams.items()), 4),
        *_columns(plan.inbox_heads.items(), 2),
        *_columns(((*key, *counts) for key, counts in plan.volume.items()), 4),
        plan.size,
        plan.summary,
        *_columns(((tile.level, tile.index, tile.start, tile.hashes) for tile in plan.tiles), 4),
        COMMIT_CHANNEL,
        str(plan.size),
    )


async def _write_log(session: PoolConnectionProxy, plan: CommitPlan) -> None:
    if not plan.entries:
        return
    await _copy(session, "entry", _ENTRY, plan.entries)
    await _copy(session, "public_body", ("index", "sha256", "body"), plan.public_bodies)
    await _copy(session, "party_body", ("index", "subject", "parties", "body"), plan.party_bodies)
    await _copy(session, "refused_body", ("index", "member", "subject", "arrived_at", "body"), plan.refused_bodies)
    if plan.erase:
        await session.execute(_ERASE, *_columns(plan.erase, 2))


async def _write_things(session: PoolConnectionProxy, plan: CommitPlan) -> None:
    if plan.things_new:
        await _copy(session, "thing", _THING, [_thing(thing) for thing in plan.things_new])
    if plan.things_changed:
        rows = (
            (
                thing.key,
                thing.state,
                thing.version,
                thing.owner,
                thing.created,
                thing.changed,
                orjson.dumps(thing.data),
            )
            for thing in plan.things_changed
        )
        await session.execute(_CHANGED, *_columns(rows, 7))
    if plan.undepend:
        await session.execute(_UNDEPEND, plan.undepend)
    if plan.dependencies:
        await session.execute(_DEPEND, *_columns(plan.dependencies, 3))


def _thing(thing: Thing) -> tuple[Any, ...]:
    return (thing.key, *thing[:7], orjson.dumps(thing.data))


async def _write_members(session: PoolConnectionProxy, plan: CommitPlan) -> None:
    if plan.registry is None:
        return
    rows = ((member, changed, orjson.dumps(record)) for member, changed, record in plan.members)
    await session.execute(_MEMBER, *_columns(rows, 3))
    await session.execute(_REGISTRY, orjson.dumps(plan.registry))


async def _write_waiting(session: PoolConnectionProxy, plan: CommitPlan) -> None:
    if plan.waiting_gone:
        await session.execute(_UNWAIT, *_columns(plan.waiting_gone, 3))
    await _copy(session, "waiting", _WAITING, plan.waiting_new)
    if plan.conflicts:
        await session.execute(_CONFLICTS, *_columns(plan.conflicts, 10))
    await _copy(session, "unverified", ("arrived_at", "ingress", "code", "value"), plan.unverified)


async def _copy(
    session: PoolConnectionProxy, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    if rows:
        await session.copy_records_to_table(table, schema_name="ledger", columns=columns, records=rows)


def _columns(rows: Iterable[Iterable[Any]], count: int) -> list[list[Any]]:
    """Rows turned into the column lists that unnest takes; empty lists for no rows."""
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(count)]
