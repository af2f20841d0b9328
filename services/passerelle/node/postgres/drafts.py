"""Imports, drafts, and their release under the streams' row locks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson

from passerelle.core.errors import Unavailable
from passerelle.core.signature import Signer
from passerelle.core.streams import StreamHead
from passerelle.node.outbox import Draft, Released, release
from passerelle.node.people import Learner
from passerelle.node.plan import Found, Known, Wanted
from passerelle.node.ports import Before, ImportRun, Writes
from passerelle.node.postgres.session import WORK, Connection, Part, plan_for_values, session
from passerelle.node.records import Mark, Record

RELEASE_MAX: Final = 4096
OUTBOX_MAX: Final = 1_000_000
MAX_OWN: Final = 5000
MAX_UNCLAIMED: Final = 20_000
"""Events without a record that one chunk of an import looks through."""
IMPORT_LOCK: Final = 0x696D_706F
"""Held by who plans on what records say."""
_READY: Final = """
SELECT d.* FROM node.draft d
WHERE NOT EXISTS (SELECT 1 FROM node.draft e WHERE e.thing = d.thing AND e.id < d.id)
  AND NOT EXISTS (
    SELECT 1 FROM unnest(d.needs) AS n (key)
    WHERE NOT EXISTS (SELECT 1 FROM node.seen s WHERE s.key = n.key)
      AND NOT EXISTS (
        SELECT 1 FROM node.outbox o
        WHERE o.thing = n.key AND o.family = d.family AND o.outcome IS DISTINCT FROM 'refused')
      AND NOT EXISTS (SELECT 1 FROM node.member m WHERE n.key = 'member:' || m.member))
  AND (d.held_until IS NULL OR d.held_until <= $2)
ORDER BY d.id LIMIT $1
"""
# How many can wait at most, by the ends of three indexes: counting takes longer the more there are.
_WAITING_BOUND: Final = """
SELECT coalesce((SELECT max(id) - min(id) + 1 FROM node.draft), 0)
    + coalesce((SELECT sum(o.span) FROM node.stream s CROSS JOIN LATERAL (
        SELECT max(sequence) - min(sequence) + 1 AS span FROM node.outbox
        WHERE family = s.family AND outcome IS NULL) AS o), 0)
"""
_WAITING: Final = """
SELECT (SELECT count(*) FROM (SELECT FROM node.draft LIMIT $1) AS d)
    + (SELECT count(*) FROM (SELECT FROM node.outbox WHERE outcome IS NULL LIMIT $1) AS o)
"""
_RECORDS: Final = """
SELECT r.*, l.id IS NOT NULL AND l.wrapped_key IS NULL AS erased
FROM node.record r LEFT JOIN node.learner l ON l.id = r.learner WHERE r.key = ANY($1)
"""
_ALIKE: Final = """
SELECT * FROM node.record
WHERE likeness = ANY($1) AND current IS NOT NULL AND current ->> 'status' NOT IN ('revoked', 'erased')
"""
_EVENTS: Final = """
SELECT thing, type, body, marks, family, sequence, 0 AS id FROM node.outbox
WHERE thing = ANY($1) AND outcome IS DISTINCT FROM 'refused'
UNION ALL
SELECT thing, type, body, marks::text, family, 9223372036854775807, id FROM node.draft WHERE thing = ANY($1)
ORDER BY family, sequence, id
"""
_UNCLAIMED: Final = "SELECT * FROM node.unclaimed WHERE about = ANY($1) ORDER BY family, sequence LIMIT $2"
_KNOWN_THINGS: Final = """
SELECT key, max(version) AS version FROM (
    SELECT s.key, s.version FROM node.seen s WHERE s.key = ANY($1)
    UNION ALL
    SELECT r.thing, (r.current ->> 'version')::bigint FROM node.record r
    WHERE r.thing = ANY($1) AND r.current IS NOT NULL
    UNION ALL
    SELECT o.thing, NULL FROM node.outbox o WHERE o.thing = ANY($1) AND o.outcome IS DISTINCT FROM 'refused'
    UNION ALL
    SELECT d.thing, NULL FROM node.draft d WHERE d.thing = ANY($1)
) AS found GROUP BY key
"""


_INSERT_DRAFTS: Final = """
INSERT INTO node.draft (family, type, subject, thing, visibility, body, needs, marks, created_at, run, held_until)
SELECT family, type, subject, thing, visibility, body, string_to_array(needs, E'\\n'), marks::jsonb,
    $9::bigint, $10::uuid, $11::bigint
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::text[])
    WITH ORDINALITY AS d (family, type, subject, thing, visibility, body, needs, marks, place)
ORDER BY place
"""
_UPSERT_LEARNERS: Final = """
INSERT INTO node.learner (id, number_key, match_key, birth_key, wrapped_key, details)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
ON CONFLICT (id) DO UPDATE SET number_key = excluded.number_key, match_key = excluded.match_key,
    birth_key = excluded.birth_key, details = excluded.details
"""
# A course result is settled at once; anything else when the ledger answers.
_UPSERT_RECORDS: Final = """
INSERT INTO node.record (key, kind, thing, current, accepted, learner, person, likeness)
SELECT key, kind, thing, current::jsonb, accepted::jsonb, learner, person, likeness
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::text[])
    AS r (key, kind, thing, current, accepted, learner, person, likeness)
ON CONFLICT (key) DO UPDATE SET thing = excluded.thing, current = excluded.current,
    accepted = CASE WHEN $9 OR record.kind = 'result' THEN excluded.accepted ELSE record.accepted END,
    learner = coalesce(excluded.learner, record.learner),
    person = coalesce(excluded.person, record.person),
    likeness = coalesce(excluded.likeness, record.likeness)
"""


def as_record(row: Mapping[str, Any]) -> Record:
    """A row of node.record."""
    return Record(
        row["key"],
        row["kind"],
        row["thing"],
        Mark.from_dict(row["current"]) if row["current"] is not None else None,
        Mark.from_dict(row["accepted"]) if row["accepted"] is not None else None,
        str(row["learner"]) if row["learner"] is not None else None,
        row["person"],
    )


def as_learner(row: Mapping[str, Any]) -> Learner:
    """A row of node.learner that was not erased."""
    return Learner(
        str(row["id"]), row["number_key"], row["match_key"], row["birth_key"], row["wrapped_key"], row["details"]
    )


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


async def require_room(connection: Connection, most: int) -> None:
    """Raise Unavailable ``outbox-full`` where ``most`` events wait already: drafts, or numbered and unanswered."""
    if await connection.fetchval(_WAITING_BOUND) >= most and await connection.fetchval(_WAITING, most) >= most:
        what = f"{most} events wait for the ledger's answer: nothing of this was stored"
        raise Unavailable("outbox-full", what, where="outbox_max")


async def insert_drafts(
    connection: Connection, drafts: Sequence[Draft], now_ms: int, run: ImportRun | None = None
) -> None:
    """Store drafts in order, as those of an import where it is given, and wake the release."""
    if not drafts:
        return
    whose, held_until = (run.id, run.held_until) if run is not None else (None, None)
    rows = [
        (
            draft.family, draft.type, draft.subject, draft.thing, draft.visibility, draft.body, "\n".join(draft.needs),
            _json([{"record": record, "mark": mark} for record, mark in draft.marks]),
        )
        for draft in drafts
    ]  # fmt: skip
    await connection.execute(_INSERT_DRAFTS, *zip(*rows, strict=True), now_ms, whose, held_until)
    await connection.execute("SELECT pg_notify($1, '')", WORK)


async def upsert_learners(connection: Connection, learners: Sequence[Learner]) -> None:
    """Store learners, new or changed."""
    if learners:
        rows = [
            (one.id, one.number_key, one.match_key, one.birth_key, one.wrapped_key, one.details) for one in learners
        ]
        await connection.execute(_UPSERT_LEARNERS, *zip(*rows, strict=True))


async def upsert_records(connection: Connection, records: Iterable[Record], *, settled: bool = False) -> None:
    """Store records, new or changed, each once; what the ledger accepted of them only where it is ``settled``."""
    rows = [
        (
            record.key, record.kind, record.thing,
            _json(record.current and record.current.as_dict()),
            _json(record.accepted and record.accepted.as_dict()),
            record.learner, record.person, record.likeness,
        )
        for record in records
    ]  # fmt: skip
    if rows:
        await connection.execute(_UPSERT_RECORDS, *zip(*rows, strict=True), settled)


class PostgresChunk:
    """One transaction of an import."""

    def __init__(self, connection: Connection, outbox_max: int) -> None:
        self._connection = connection
        self._outbox_max = outbox_max

    async def load(self, wanted: Wanted) -> Known:
        """See :class:`passerelle.node.ports.ImportChunk`."""
        records = await self._connection.fetch(_RECORDS, list(wanted.records))
        things = await self._connection.fetch(_KNOWN_THINGS, list(wanted.things))
        known = Known(
            {row["key"]: as_record(row) for row in records},
            {row["key"] for row in things},
            {row["key"]: row["version"] for row in things if row["version"] is not None},
            erased={row["key"] for row in records if row["erased"]},
        )
        about = [*wanted.things, *(record.thing for record in known.records.values())]
        for row in await self._connection.fetch(_UNCLAIMED, about, MAX_UNCLAIMED):
            found = Found(row["family"], row["sequence"], row["thing"], Mark.from_dict(row["mark"]))
            known.unclaimed.setdefault((row["about"], row["content"]), []).append(found)
        if wanted.things - known.things:
            own = await self._connection.fetch(
                "SELECT thing FROM node.record WHERE kind = 'achievements' LIMIT $1", MAX_OWN
            )
            known.own = {row["thing"].partition(":")[2] for row in own}
        if wanted.alike:
            rows = await self._connection.fetch(_ALIKE, list(wanted.alike))
            for row in rows:
                known.alike.setdefault(row["likeness"], []).append(as_record(row))
        return known

    async def before(self, records: Sequence[Record]) -> Before:
        """See :class:`passerelle.node.ports.ImportChunk`."""
        found = Before()
        things: dict[str, list[str]] = {}
        for record in records:
            things.setdefault(record.thing, []).append(record.key)
        for row in await self._connection.fetch(_EVENTS, list(things)):
            marked = {item["record"] for item in orjson.loads(row["marks"])}
            for key in things[row["thing"]]:
                # What came back from the ledger names no record: it is the thing's.
                if not marked or key in marked:
                    found.bodies.setdefault(key, []).append((row["type"], row["body"]))
        for row in await self._connection.fetch(
            "SELECT record, details FROM node.result WHERE record = ANY($1)", [record.key for record in records]
        ):
            found.results[row["record"]] = row["details"]
        learners = {record.learner for record in records if record.learner is not None}
        for row in await self._connection.fetch(
            "SELECT * FROM node.learner WHERE id = ANY($1) AND wrapped_key IS NOT NULL", list(learners)
        ):
            found.learners[str(row["id"])] = as_learner(row)
        return found

    async def learners(self, number_keys: Sequence[str]) -> dict[str, Learner]:
        """See :class:`passerelle.node.ports.ImportChunk`."""
        rows = await self._connection.fetch(
            "SELECT * FROM node.learner WHERE number_key = ANY($1) AND wrapped_key IS NOT NULL", list(number_keys)
        )
        return {row["number_key"]: as_learner(row) for row in rows}

    async def write(self, writes: Writes, now_ms: int) -> None:
        """See :class:`passerelle.node.ports.ImportChunk`. Raises Unavailable ``outbox-full``."""
        if writes.drafts:
            await require_room(self._connection, self._outbox_max)
        await upsert_learners(self._connection, writes.learners)
        for old, new in writes.moved:
            await self._connection.execute("UPDATE node.record SET key = $2 WHERE key = $1", old, new)
            await self._connection.execute("UPDATE node.result SET record = $2 WHERE record = $1", old, new)
        await upsert_records(self._connection, writes.records)
        if writes.claimed:
            await self._connection.execute(
                "DELETE FROM node.unclaimed u USING unnest($1::text[], $2::bigint[]) AS c (family, sequence)"
                " WHERE u.family = c.family AND u.sequence = c.sequence",
                [family for family, _ in writes.claimed],
                [sequence for _, sequence in writes.claimed],
            )
        await self._connection.executemany(
            "INSERT INTO node.result (record, learner, details) VALUES ($1, $2, $3)"
            " ON CONFLICT (record) DO UPDATE SET learner = excluded.learner, details = excluded.details",
            [(one.record, one.learner, one.details) for one in writes.results],
        )
        await insert_drafts(self._connection, writes.drafts, now_ms, writes.run)


class Drafts(Part):
    """See :class:`passerelle.node.ports.DraftStore`."""

    outbox_max = OUTBOX_MAX
    """Most events that wait: beyond, nothing new is drafted."""

    @asynccontextmanager
    async def import_chunk(self, *, lock: bool = True) -> AsyncIterator[PostgresChunk]:
        """See :class:`passerelle.node.ports.DraftStore`."""
        async with session(self._pool, transaction=True) as connection:
            await plan_for_values(connection)
            if lock:
                await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            yield PostgresChunk(connection, self.outbox_max)

    async def add_drafts(self, drafts: Sequence[Draft], now_ms: int) -> None:
        """See :class:`passerelle.node.ports.DraftStore`. Raises Unavailable ``outbox-full``."""
        async with session(self._pool, transaction=True) as connection:
            await require_room(connection, self.outbox_max)
            await insert_drafts(connection, drafts, now_ms)

    async def release_ready(self, signer: Signer, *, network: str, member: str, now_ms: int) -> int:
        """See :class:`passerelle.node.ports.DraftStore`."""
        async with session(self._pool, transaction=True) as connection:
            streams = await connection.fetch(
                "SELECT family, sequence, digest FROM node.stream ORDER BY family FOR UPDATE"
            )
            rows = await connection.fetch(_READY, RELEASE_MAX, now_ms)
            if not rows:
                return 0
            heads = {row["family"]: StreamHead(row["sequence"], row["digest"]) for row in streams}
            drafts = [_draft(row) for row in rows]
            released, after = release(drafts, heads, network=network, member=member, signer=signer)
            await _insert_released(connection, released, now_ms)
            await connection.executemany(
                "UPDATE node.stream SET sequence = $2, digest = $3 WHERE family = $1",
                [(family, head.sequence, head.digest) for family, head in after.items()],
            )
            await connection.execute("DELETE FROM node.draft WHERE id = ANY($1)", [draft.id for draft in drafts])
            await connection.execute("SELECT pg_notify($1, '')", WORK)
        return len(released)


def _draft(row: Mapping[str, Any]) -> Draft:
    marks = tuple((item["record"], item["mark"]) for item in row["marks"])
    return Draft(
        row["family"],
        row["type"],
        row["subject"],
        row["thing"],
        row["visibility"],
        row["body"],
        tuple(row["needs"]),
        marks,
        row["id"],
    )


async def _insert_released(connection: Connection, released: Sequence[Released], now_ms: int) -> None:
    await connection.copy_records_to_table(
        "outbox",
        schema_name="node",
        columns=[
            "family", "sequence", "type", "subject", "thing", "statement", "body", "batch_size", "batch_index",
            "batch_path", "batch_signature", "key_id", "marks", "released_at",
        ],
        records=[
            (
                row.draft.family, row.sequence, row.draft.type, row.draft.subject, row.draft.thing,
                row.signed.statement, row.signed.body, row.signed.batch_size, row.signed.batch_index,
                b"".join(row.signed.batch_path), row.signed.batch_signature, row.signed.key_id,
                _json([{"record": record, "mark": mark} for record, mark in row.draft.marks]), now_ms,
            )
            for row in released
        ],
    )  # fmt: skip
