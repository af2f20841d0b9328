"""The outbox seen by who compares it with the ledger, and own events taken back into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.errors import code_info
from passerelle.core.statement import parse_statement
from passerelle.core.streams import StreamHead
from passerelle.node.messages import Answer
from passerelle.node.needs import needs
from passerelle.node.outbox import Draft
from passerelle.node.postgres.drafts import IMPORT_LOCK, as_record, upsert_records
from passerelle.node.postgres.inbox import see, settle_records, take_answers
from passerelle.node.postgres.session import WORK, Connection, Part, session
from passerelle.node.recognise import OwnEvent, Recogniser
from passerelle.node.records import RecordKeys
from passerelle.node.restore_ports import LocalRow, StreamStanding, Tail, Taken

MAX_HISTORY: Final = 10_000
"""Earlier events of awards that one page of amendments looks at."""
_COLUMNS: Final = (
    "family", "sequence", "type", "subject", "thing", "statement", "body", "batch_size", "batch_index", "batch_path",
    "batch_signature", "key_id", "marks", "released_at", "answered_at", "index", "outcome", "code", "field", "what",
    "fix", "restored_at", "lost",
)  # fmt: skip
_MEND: Final = f"""
INSERT INTO node.outbox AS o ({", ".join(_COLUMNS)})
VALUES ({", ".join(f"${place}" for place in range(1, len(_COLUMNS) + 1))})
ON CONFLICT (family, sequence) DO UPDATE SET
    statement = excluded.statement, batch_size = excluded.batch_size, batch_index = excluded.batch_index,
    batch_path = excluded.batch_path, batch_signature = excluded.batch_signature, key_id = excluded.key_id,
    index = excluded.index, outcome = excluded.outcome, code = excluded.code, restored_at = excluded.restored_at,
    field = coalesce(excluded.field, o.field), what = coalesce(excluded.what, o.what),
    fix = coalesce(excluded.fix, o.fix), answered_at = coalesce(o.answered_at, excluded.answered_at),
    -- A body that we hold and the ledger does not stays.
    body = CASE WHEN sha256(o.body) = ${len(_COLUMNS) + 1} THEN o.body ELSE excluded.body END,
    lost = CASE WHEN sha256(o.body) = ${len(_COLUMNS) + 1} THEN NULL ELSE excluded.lost END,
    type = CASE WHEN excluded.type = '' THEN o.type ELSE excluded.type END,
    subject = CASE WHEN excluded.subject = '' THEN o.subject ELSE excluded.subject END,
    thing = CASE WHEN excluded.thing = '' THEN o.thing ELSE excluded.thing END
"""  # noqa: S608 - constants only
_RECOUNT: Final = """
UPDATE node.stream s SET accepted = c.accepted, refused = c.refused FROM (
    SELECT count(*) FILTER (WHERE outcome = 'accepted') AS accepted,
        count(*) FILTER (WHERE outcome = 'refused') AS refused
    FROM node.outbox WHERE family = $1) AS c WHERE s.family = $1
"""
_SET_ASIDE: Final = """
WITH gone AS (DELETE FROM node.draft WHERE thing = ANY($1) OR (id < 0 AND thing = ANY($2)) RETURNING *)
INSERT INTO node.set_aside (family, sequence, type, subject, thing, statement, body, drafted, at)
SELECT family, NULL, type, subject, thing, NULL, body, false, $3 FROM gone ORDER BY id
"""
_STALE_MARKS: Final = """
SELECT d.marks FROM node.draft d WHERE d.thing = ANY($1) OR (d.id < 0 AND d.thing = ANY($2)) ORDER BY d.id
"""
_SETTLE: Final = """
UPDATE node.problem p SET open = false WHERE p.open AND p.code = 'sequence-conflict' AND p.family = $1 AND (
    EXISTS (SELECT FROM node.outbox o
        WHERE o.family = p.family AND o.sequence = p.sequence AND o.restored_at IS NOT NULL)
    OR EXISTS (SELECT FROM node.set_aside s WHERE s.family = p.family AND s.sequence = p.sequence))
"""
_WITHOUT_EVENT: Final = """
SELECT r.kind, r.thing FROM node.record r
WHERE r.accepted IS NOT NULL AND r.kind <> 'result'
    AND NOT EXISTS (SELECT FROM node.outbox o WHERE o.thing = r.thing AND o.outcome = 'accepted')
ORDER BY r.kind, r.thing LIMIT $1
"""


class Restore(Part):
    """See :class:`passerelle.node.restore_ports.RestoreStore`."""

    async def standing(self, family: str) -> StreamStanding:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT sequence, digest, sent FROM node.stream WHERE family = $1", family)
        return StreamStanding(StreamHead(row["sequence"], row["digest"]), row["sent"])

    async def digest_at(self, family: str, sequence: int) -> bytes | None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            found: bytes | None = await connection.fetchval(
                "SELECT sha256(statement) FROM node.outbox WHERE family = $1 AND sequence = $2", family, sequence
            )
        return found

    async def tail(self, family: str, after: int) -> Tail:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            return await _tail(connection, family, after)

    async def take_back(
        self, family: str, before: StreamHead, events: Sequence[OwnEvent], keys: RecordKeys, now_ms: int
    ) -> Taken | None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool, transaction=True) as connection:
            if not await _lock(connection, family, before):
                return None
            return await _Taking(connection, family, keys, now_ms).take(events)

    async def draft_again(self, family: str, common: StreamHead, *, sent_too: bool, now_ms: int) -> int | None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.fetchval("SELECT 1 FROM node.stream WHERE family = $1 FOR UPDATE", family)
            tail = await _tail(connection, family, common.sequence)
            if tail.answered or (tail.sent and not sent_too):
                return None
            rows = await connection.fetch(
                "DELETE FROM node.outbox WHERE family = $1 AND sequence > $2 RETURNING *", family, common.sequence
            )
            await _draft_rows(connection, sorted(rows, key=lambda row: row["sequence"]), now_ms)
            await connection.execute(
                "UPDATE node.stream SET sequence = $2, digest = $3, sent = least(sent, $2) WHERE family = $1",
                family,
                common.sequence,
                common.digest,
            )
        return len(rows)

    async def mend(self, family: str, events: Sequence[OwnEvent], now_ms: int) -> None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.fetchval("SELECT 1 FROM node.stream WHERE family = $1 FOR UPDATE", family)
            await take_answers(connection, [_answer(event) for event in events], now_ms)
            await connection.executemany(
                _MEND, [(*_values(event, "[]", now_ms), event.body_sha256) for event in events]
            )
            await connection.execute(_RECOUNT, family)

    async def rows_after(self, family: str, after: int, limit: int) -> list[LocalRow]:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT sequence, type, subject, statement, sha256(body) AS body_sha256, released_at, outcome, index,"
                " coalesce(code, '') AS code, coalesce(lost, '') AS lost FROM node.outbox"
                " WHERE family = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
                family,
                after,
                limit,
            )
        return [LocalRow(**dict(row)) for row in rows]

    async def records_without_event(self, limit: int) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_WITHOUT_EVENT, limit)]

    async def tell(self, code: str, family: str, sequence: int, what: str, now_ms: int) -> None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                "INSERT INTO node.problem (code, family, sequence, what, fix, at)"
                " SELECT $1::text, $2::text, $3::bigint, $4, $5, $6 WHERE NOT EXISTS (SELECT FROM node.problem"
                " WHERE open AND code = $1::text AND family = $2::text AND sequence = $3::bigint)",
                code,
                family,
                sequence,
                what,
                code_info(code).fix,
                now_ms,
            )

    async def settle_conflicts(self, family: str) -> None:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            await connection.execute(_SETTLE, family)

    async def close_problems(self, codes: Sequence[str], family: str) -> int:
        """See :class:`passerelle.node.restore_ports.RestoreStore`."""
        async with session(self._pool) as connection:
            done = await connection.execute(
                "UPDATE node.problem SET open = false WHERE open AND code = ANY($1) AND family = $2",
                list(codes),
                family,
            )
        return int(str(done).rpartition(" ")[2])


async def _tail(connection: Connection, family: str, after: int) -> Tail:
    row = await connection.fetchrow(
        "SELECT count(*) AS rows, count(o.outcome) AS answered, count(*) FILTER (WHERE o.sequence <= s.sent) AS sent"
        " FROM node.outbox o JOIN node.stream s USING (family) WHERE o.family = $1 AND o.sequence > $2",
        family,
        after,
    )
    return Tail(row["rows"], row["answered"], row["sent"])


async def _lock(connection: Connection, family: str, before: StreamHead) -> bool:
    """Keep imports and releases out until the transaction ends; whether the stream stands where it is thought to."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
    row = await connection.fetchrow("SELECT sequence, digest FROM node.stream WHERE family = $1 FOR UPDATE", family)
    return StreamHead(row["sequence"], row["digest"]) == before


def _answer(event: OwnEvent) -> Answer:
    accepted = event.outcome == "accepted"
    return Answer(event.family, event.sequence, event.index, accepted, event.code, event.field, event.what, event.fix)


def _values(event: OwnEvent, marks: str, now_ms: int) -> tuple[Any, ...]:
    """A row of the outbox, in the order of the columns."""
    signed = event.signed
    return (
        event.family, event.sequence, event.type, event.subject, event.thing, signed.statement, signed.body,
        signed.batch_size, signed.batch_index, b"".join(signed.batch_path), signed.batch_signature, signed.key_id,
        marks, event.released_at, now_ms, event.index, event.outcome, event.code or None, event.field or None,
        event.what or None, event.fix or None, now_ms, event.lost or None,
    )  # fmt: skip


async def _draft_rows(connection: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int) -> None:
    """Outbox rows as drafts before all others, so that what was drafted after them about the same things waits."""
    first = await connection.fetchval("SELECT least(coalesce(min(id), 0), 0) FROM node.draft") - len(rows)
    drafts = [_draft_of(row) for row in rows]
    await connection.executemany(
        "INSERT INTO node.draft (id, family, type, subject, thing, visibility, body, needs, marks, created_at)"
        " OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (
                first + place, draft.family, draft.type, draft.subject, draft.thing, draft.visibility, draft.body,
                list(draft.needs), orjson.loads(row["marks"]), row["released_at"],
            )
            for place, (draft, row) in enumerate(zip(drafts, rows, strict=True))
        ],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO node.set_aside (family, sequence, type, subject, thing, statement, body, drafted, at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, true, $8)",
        [
            (
                row["family"], row["sequence"], row["type"], row["subject"], row["thing"], row["statement"],
                row["body"], now_ms,
            )
            for row in rows
        ],
    )  # fmt: skip
    await connection.execute("SELECT pg_notify($1, '')", WORK)


def _draft_of(row: Mapping[str, Any]) -> Draft:
    statement = parse_statement(row["statement"])
    found = EVENT_TYPES[row["type"]]
    data = orjson.loads(row["body"])["data"]
    waits = tuple(needs(found, row["subject"], data, statement.member))
    return Draft(row["family"], row["type"], row["subject"], row["thing"], statement.visibility, row["body"], waits)


class _Taking:
    """One transaction that takes a run of own events in."""

    def __init__(self, connection: Connection, family: str, keys: RecordKeys, now_ms: int) -> None:
        self._connection = connection
        self._family = family
        self._keys = keys
        self._now_ms = now_ms

    async def take(self, events: Sequence[OwnEvent]) -> Taken:
        marks, events = await self._match_drafts(events)
        await self._insert(events, marks)
        accepted = [event for event in events if event.outcome == "accepted"]
        await see(self._connection, {event.thing: _version(event) for event in accepted if event.thing})
        recogniser = await self._recogniser(accepted)
        for event in accepted:
            if not event.lost:
                recogniser.take(event)
        aside = await self._records(recogniser, events, marks)
        await self._rest(recogniser, marks)
        await self._connection.execute("SELECT pg_notify($1, '')", WORK)
        lost = tuple(event.sequence for event in events if event.lost)
        return Taken(len(events), lost, aside)

    async def _match_drafts(self, events: Sequence[OwnEvent]) -> tuple[dict[int, str], list[OwnEvent]]:
        """Drafts that were released before the database was lost: gone from the drafts, their marks by sequence. Where
        the ledger does not hold the body any more, the draft has it.
        """
        rows = await self._connection.fetch(
            "DELETE FROM node.draft WHERE family = $1 AND sha256(body) = ANY($2)"
            " RETURNING sha256(body) AS sha256, body, type, subject, marks",
            self._family,
            [event.body_sha256 for event in events],
        )
        held = {row["sha256"]: row for row in rows}
        marks: dict[int, str] = {}
        found: list[OwnEvent] = []
        for event in events:
            row = held.get(event.body_sha256)
            if row is not None:
                marks[event.sequence] = orjson.dumps(row["marks"]).decode()
                data = orjson.loads(row["body"])["data"] if event.outcome == "accepted" else {}
                signed = replace(event.signed, body=row["body"])
                event = replace(event, signed=signed, type=row["type"], subject=row["subject"], data=data, lost="")
            found.append(event)
        return marks, found

    async def _insert(self, events: Sequence[OwnEvent], marks: Mapping[int, str]) -> None:
        last = events[-1]
        accepted = sum(event.outcome == "accepted" for event in events)
        await self._connection.copy_records_to_table(
            "outbox",
            schema_name="node",
            columns=list(_COLUMNS),
            records=[_values(event, marks.get(event.sequence, "[]"), self._now_ms) for event in events],
        )
        await self._connection.execute(
            "UPDATE node.stream SET sequence = $2, digest = $3, accepted = accepted + $4, refused = refused + $5,"
            " sent = greatest(sent, $2), last_answer_at = $6 WHERE family = $1",
            self._family,
            last.sequence,
            last.digest,
            accepted,
            len(events) - accepted,
            self._now_ms,
        )

    async def _recogniser(self, accepted: Sequence[OwnEvent]) -> Recogniser:
        """With the awards that the events are about as they stand here, and their earlier events where one amends."""
        things = sorted({event.thing for event in accepted if event.thing.startswith("credential:")})
        records = await self._connection.fetch(
            "SELECT * FROM node.record WHERE thing = ANY($1) AND kind = 'credential'", things
        )
        amended = sorted({event.thing for event in accepted if event.name == "credential.amended"})
        rows = await self._connection.fetch(
            "SELECT type, thing, body FROM node.outbox WHERE thing = ANY($1) AND family = $2 AND sequence < $3"
            " AND outcome = 'accepted' AND lost IS NULL ORDER BY sequence LIMIT $4",
            amended,
            self._family,
            accepted[0].sequence if accepted else 0,
            MAX_HISTORY,
        )
        history: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
        for row in rows:
            name = ".".join(str(row["type"]).split(".")[2:4])
            history.setdefault(row["thing"], []).append((name, orjson.loads(row["body"])["data"]))
        return Recogniser(self._keys, {row["thing"]: as_record(row) for row in records}, history)

    async def _records(
        self, recogniser: Recogniser, events: Sequence[OwnEvent], marks: Mapping[int, str]
    ) -> tuple[str, ...]:
        """Link the office's records, and keep drafts apart that stand against what came back; their things."""
        inferred = {event.thing for event in events if event.outcome == "accepted" and event.sequence not in marks}
        records = {key: record for key, record in recogniser.found.records.items() if record.thing in inferred}
        rows = await self._connection.fetch("SELECT key, thing FROM node.record WHERE key = ANY($1)", list(records))
        moved = sorted({row["thing"] for row in rows if row["thing"] != records[row["key"]].thing})
        touched = sorted({event.thing for event in events if event.thing and event.outcome == "accepted"})
        stale = await self._connection.fetch(_STALE_MARKS, moved, touched)
        undone = [
            {"family": "", "sequence": 0, "outcome": "refused", "marks": orjson.dumps(row["marks"])} for row in stale
        ]
        await settle_records(self._connection, undone)
        aside = await self._connection.fetch(f"{_SET_ASIDE} RETURNING thing", moved, touched, self._now_ms)
        settled = [
            {"family": "", "sequence": event.sequence, "outcome": event.outcome, "marks": marks[event.sequence]}
            for event in events
            if event.sequence in marks
        ]
        await settle_records(self._connection, settled)
        await upsert_records(self._connection, records.values(), settled=True)
        return tuple(row["thing"] for row in aside)

    async def _rest(self, recogniser: Recogniser, marks: Mapping[int, str]) -> None:
        """Events without a record for the next import to find; releases and cases."""
        found = recogniser.found
        await self._connection.executemany(
            "INSERT INTO node.unclaimed (family, sequence, about, content, thing, mark) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT (family, sequence) DO NOTHING",
            [
                (one.family, one.sequence, one.about, one.content, one.thing, one.mark.as_dict())
                for one in found.unclaimed
                if one.sequence not in marks
            ],
        )
        await self._connection.executemany(
            "INSERT INTO node.release (id, outgoing, member, learner, credentials, purpose, ends_on, created_at)"
            " VALUES ($1, true, $2, NULL, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
            [
                (one.id, one.member, list(one.credentials), one.purpose, one.ends_on, self._now_ms)
                for one in found.releases
            ],
        )
        await self._connection.executemany(
            "INSERT INTO node.transfer_case (id, release, sender, learner, created_at)"
            " SELECT $1, $2, $3, (SELECT r.learner FROM node.release r WHERE r.id = $2 AND NOT r.outgoing), $4"
            " ON CONFLICT (id) DO NOTHING",
            [(one.id, one.release, one.sender, self._now_ms) for one in found.cases],
        )


def _version(event: OwnEvent) -> int | None:
    version = event.data.get("version")
    return version if isinstance(version, int) else None
