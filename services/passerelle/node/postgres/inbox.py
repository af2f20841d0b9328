"""What comes in: receipts, bodies, notices and problems of the inbox; things of the feed; members; checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import code_info
from passerelle.node.messages import (
    Answer,
    FeedEvent,
    InboxRecord,
    PartyBody,
    answers,
    heads_told,
    other_statement,
    party_body,
)
from passerelle.node.ports import InboxEffects
from passerelle.node.postgres.session import WORK, Connection, Part, session

_ANSWER: Final = """
WITH given AS (
    SELECT * FROM unnest(
        $1::text[], $2::bigint[], $3::bigint[], $4::bool[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS g (family, sequence, index, accepted, code, field, what, fix)
)
UPDATE node.outbox o SET
    outcome = CASE WHEN g.accepted THEN 'accepted' ELSE 'refused' END,
    index = g.index, code = nullif(g.code, ''), field = nullif(g.field, ''), what = nullif(g.what, ''),
    fix = nullif(g.fix, ''), answered_at = $9
FROM given g
WHERE o.family = g.family AND o.sequence = g.sequence AND o.outcome IS NULL
RETURNING o.family, o.sequence, o.outcome, o.thing, o.marks, o.type
"""
_ACCEPT: Final = """
UPDATE node.record r SET accepted = m.mark::jsonb
FROM unnest($1::text[], $2::text[]) AS m (key, mark) WHERE r.key = m.key
"""
_REVERT: Final = """
UPDATE node.record r SET current = r.accepted
FROM unnest($1::text[], $2::text[]) AS m (key, mark) WHERE r.key = m.key AND r.current = m.mark::jsonb
"""
# What the ledger deletes is not kept here either; statements stay, so that the stream can be proved.
_FORGET: Final = """
UPDATE node.outbox o SET body = '', lost = 'body-withdrawn'
FROM node.outbox e
WHERE e.family = 'credential' AND e.sequence = ANY($1) AND o.thing = e.thing AND o.family = e.family
    AND o.sequence < e.sequence AND o.outcome IS NOT NULL AND o.lost IS NULL
"""
_ERASED: Final = BY_NAME["credential.erased"].full
_COUNT: Final = """
UPDATE node.stream SET accepted = accepted + $2, refused = refused + $3, last_answer_at = $4, attempts = 0
WHERE family = $1
"""


class Inbox(Part):
    """See :class:`passerelle.node.ports.InboxStore`."""

    async def positions(self) -> dict[str, tuple[int, int | None]]:
        """See :class:`passerelle.node.ports.InboxStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch("SELECT name, number, next_offset FROM node.position")
        return {row["name"]: (row["number"], row["next_offset"]) for row in rows}

    async def take_inbox(self, records: Sequence[InboxRecord], next_offset: int | None, now_ms: int) -> InboxEffects:
        """See :class:`passerelle.node.ports.InboxStore`."""
        resend: list[tuple[str, int]] = []
        key_refused = conflict = False
        async with session(self._pool, transaction=True) as connection:
            position = await connection.fetchval("SELECT number FROM node.position WHERE name = 'inbox' FOR UPDATE")
            for record in records:
                if position is not None and record.number <= position:
                    continue
                if record.kind == "receipts":
                    await _require_ours(connection, record)
                    await take_answers(connection, answers(record), now_ms)
                elif record.kind == "body":
                    body = party_body(record)
                    await insert_bodies(connection, [] if body is None else [body])
                elif record.kind == "notice":
                    await _take_notice(connection, record, now_ms)
                elif record.kind == "resend-from":
                    resend.append((str(record.value["family"]), int(record.value["sequence"])))
                elif record.kind == "problem":
                    key_refused = await _take_problem(connection, record, now_ms) or key_refused
                    conflict = conflict or record.value["code"] == "sequence-conflict"
            if records:
                await set_position(connection, "inbox", max(record.number for record in records), next_offset)
                await connection.execute("SELECT pg_notify($1, '')", WORK)
        return InboxEffects(tuple(resend), key_refused, conflict)

    async def take_feed(self, events: Sequence[FeedEvent], next_offset: int) -> None:
        """See :class:`passerelle.node.ports.InboxStore`."""
        async with session(self._pool, transaction=True) as connection:
            things = {event.thing: event.version for event in events if event.thing}
            await see(connection, things)
            await set_position(connection, "feed", max(event.index for event in events) + 1, next_offset)
            if things:
                await connection.execute("SELECT pg_notify($1, '')", WORK)

    async def put_members(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """See :class:`passerelle.node.ports.InboxStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.executemany(
                "INSERT INTO node.member AS held (member, record) VALUES ($1, $2)"
                " ON CONFLICT (member) DO UPDATE SET record = excluded.record"
                " WHERE coalesce((excluded.record ->> 'changed_index')::bigint, 0)"
                " >= coalesce((held.record ->> 'changed_index')::bigint, 0)",
                list(records.items()),
            )
            await connection.execute("SELECT pg_notify($1, '')", WORK)

    async def put_checkpoint(self, size: int, root: bytes, note: str, next_offset: int) -> str | None:
        """See :class:`passerelle.node.ports.InboxStore`."""
        async with session(self._pool, transaction=True) as connection:
            held = await connection.fetchrow("SELECT size, root, note FROM node.checkpoint FOR UPDATE")
            if held is not None and held["size"] == size and held["root"] != root:
                # The position stays: what a crash keeps from being told now is read again.
                return str(held["note"])
            await set_position(connection, "checkpoint", size, next_offset)
            if held is None or held["size"] < size:
                await connection.execute(
                    "INSERT INTO node.checkpoint (size, root, note) VALUES ($1, $2, $3)"
                    " ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note",
                    size,
                    root,
                    note,
                )
        return None

    async def add_problem(self, code: str, what: str, fix: str, now_ms: int) -> None:
        """See :class:`passerelle.node.ports.InboxStore`."""
        async with session(self._pool, transaction=True) as connection:
            await _open_problem(connection, code, what, fix, now_ms)


async def _require_ours(connection: Connection, record: InboxRecord) -> None:
    """Raise Retryable ``sequence-conflict`` where a receipt is of another statement than the one that stands here: then
    one of these streams is not known whole, and a number says nothing.
    """
    for family, sequence, told in heads_told(record):
        held = await connection.fetchrow(
            "SELECT s.sequence AS head, sha256(o.statement) AS digest FROM node.stream s"
            " LEFT JOIN node.outbox o ON o.family = s.family AND o.sequence = $2 WHERE s.family = $1",
            family,
            sequence,
        )
        # A row that is not kept any more was answered before.
        if sequence > held["head"] or (held["digest"] is not None and held["digest"] != told):
            raise other_statement(family, sequence)


async def set_position(connection: Connection, name: str, number: int, next_offset: int | None) -> None:
    """Keep how far a topic was taken in; the number never goes back, an offset of None leaves the one that stands."""
    await connection.execute(
        "INSERT INTO node.position (name, number, next_offset) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET"
        " number = greatest(position.number, excluded.number),"
        " next_offset = coalesce(excluded.next_offset, position.next_offset)",
        name,
        number,
        next_offset,
    )


async def see(connection: Connection, things: Mapping[str, int | None]) -> None:
    """Remember that these things are in the ledger, with their latest versions."""
    if not things:
        return
    await connection.execute(
        "INSERT INTO node.seen (key, version) SELECT * FROM unnest($1::text[], $2::bigint[])"
        " ON CONFLICT (key) DO UPDATE SET version = coalesce(greatest(excluded.version, seen.version), seen.version)",
        list(things),
        list(things.values()),
    )


async def insert_bodies(connection: Connection, bodies: Sequence[PartyBody]) -> None:
    """Keep party bodies, and that their things are in the ledger."""
    await connection.executemany(
        "INSERT INTO node.party_body (index, type, member, subject, thing, body) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (index) DO NOTHING",
        [(body.index, body.type, body.member, body.subject, body.thing, body.body) for body in bodies],
    )
    await see(connection, {body.thing: None for body in bodies})


async def take_answers(connection: Connection, given: Sequence[Answer], now_ms: int) -> None:
    """Close open rows with the ledger's answers; rows that were answered stay as they are."""
    columns: list[list[Any]] = [
        [answer.family for answer in given],
        [answer.sequence for answer in given],
        [answer.index for answer in given],
        [answer.accepted for answer in given],
        [answer.code for answer in given],
        [answer.field for answer in given],
        [answer.what for answer in given],
        [answer.fix for answer in given],
    ]
    rows = await connection.fetch(_ANSWER, *columns, now_ms)
    await settle_records(connection, rows)
    await see(connection, {row["thing"]: None for row in rows if row["outcome"] == "accepted"})
    if erased := [row["sequence"] for row in rows if row["type"] == _ERASED and row["outcome"] == "accepted"]:
        await connection.execute(_FORGET, erased)
    for family in sorted({row["family"] for row in rows}):
        outcomes = [row["outcome"] for row in rows if row["family"] == family]
        accepted = outcomes.count("accepted")
        await connection.execute(_COUNT, family, accepted, len(outcomes) - accepted, now_ms)


async def settle_records(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make records what accepted events made them; refused ones go back. A row: family, sequence, outcome, marks."""
    accepted: dict[str, str] = {}
    refused: dict[str, str] = {}
    for row in sorted(rows, key=lambda item: (item["family"], item["sequence"])):
        target = accepted if row["outcome"] == "accepted" else refused
        for item in orjson.loads(row["marks"]):
            target[item["record"]] = orjson.dumps(item["mark"]).decode()
    if accepted:
        await connection.execute(_ACCEPT, list(accepted), list(accepted.values()))
    if refused:
        await connection.execute(_REVERT, list(refused), list(refused.values()))


async def _take_notice(connection: Connection, record: InboxRecord, now_ms: int) -> None:
    value = record.value
    await connection.execute(
        "INSERT INTO node.notice (number, about, event, index, member, affects, received_at, change)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (number) DO NOTHING",
        record.number,
        value["about"],
        value["event"],
        int(value["index"]),
        value["member"],
        list(value["affects"]),
        now_ms,
        value.get("change"),
    )


async def _take_problem(connection: Connection, record: InboxRecord, now_ms: int) -> bool:
    """Keep a problem; True where our key was not valid, which signing anew mends."""
    value = record.value
    code = str(value["code"])
    if code == "key-not-valid":
        return True
    await connection.execute(
        "INSERT INTO node.problem (code, family, sequence, what, fix, head, at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        code,
        value.get("family"),
        value.get("sequence"),
        str(value.get("what") or code_info(code).meaning),
        str(value.get("fix") or code_info(code).fix),
        value.get("head"),
        now_ms,
    )
    return False


async def _open_problem(connection: Connection, code: str, what: str, fix: str, now_ms: int) -> None:
    await connection.execute(
        "INSERT INTO node.problem (code, what, fix, at) SELECT $1::text, $2, $3, $4"
        " WHERE NOT EXISTS (SELECT 1 FROM node.problem WHERE open AND code = $1::text)",
        code,
        what,
        fix or code_info(code).fix,
        now_ms,
    )
