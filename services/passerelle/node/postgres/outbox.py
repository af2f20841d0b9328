"""The relay's view of the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from passerelle.core.batch import SignedStatement
from passerelle.core.signature import Signer
from passerelle.node.outbox import sign_again
from passerelle.node.ports import OutboxRow, Situation
from passerelle.node.postgres.session import WORK, Part, session

HASH: Final = 32
SIGN_MAX: Final = 4096
STOPS: Final = ("sequence-conflict", "stream-forked")
"""Problems for which the relay stands still."""
_SITUATION: Final = """
SELECT p.*, (SELECT record FROM node.member WHERE member = $2) AS record, EXISTS (SELECT FROM node.draft) AS drafts,
    (SELECT jsonb_object_agg(s.family, o.sequence) FROM node.stream s CROSS JOIN LATERAL (
        SELECT sequence FROM node.outbox
        WHERE family = s.family AND outcome IS NULL ORDER BY sequence LIMIT 1) AS o) AS oldest
FROM (SELECT) AS one LEFT JOIN LATERAL (
    SELECT code, family, sequence, what, fix, head FROM node.problem
    WHERE open AND code = ANY($1) ORDER BY id DESC LIMIT 1) AS p ON true
"""
_PROBLEM: Final = ("code", "family", "sequence", "what", "fix", "head")


def as_row(row: Mapping[str, Any]) -> OutboxRow:
    """A row of node.outbox."""
    path = row["batch_path"]
    signed = SignedStatement(
        row["statement"],
        row["body"],
        row["batch_size"],
        row["batch_index"],
        tuple(path[place : place + HASH] for place in range(0, len(path), HASH)),
        row["batch_signature"],
        row["key_id"],
    )
    return OutboxRow(
        row["family"],
        row["sequence"],
        row["type"],
        row["subject"],
        row["thing"],
        signed,
        row["released_at"],
        row["outcome"],
        row["index"],
        row["code"],
        row["field"],
        row["what"],
        row["fix"],
    )


class Outbox(Part):
    """See :class:`passerelle.node.ports.OutboxStore`."""

    async def open_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.outbox WHERE family = $1 AND sequence > $2 AND outcome IS NULL"
                " ORDER BY sequence LIMIT $3",
                family,
                after,
                limit,
            )
        return [as_row(row) for row in rows]

    async def answered_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.outbox WHERE family = $1 AND sequence > $2 AND outcome IS NOT NULL"
                # What lost its body cannot be sent: the ledger would not take it.
                " AND lost IS NULL ORDER BY sequence LIMIT $3",
                family,
                after,
                limit,
            )
        return [as_row(row) for row in rows]

    async def situation(self, member: str) -> Situation:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(_SITUATION, list(STOPS), member)
        problem = None if row["code"] is None else {name: row[name] for name in _PROBLEM}
        return Situation(problem, row["record"], row["drafts"], row["oldest"] or {})

    async def note_sent(self, family: str, through: int, *, now_ms: int, again: bool) -> None:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            await connection.execute(
                "UPDATE node.stream SET sent = greatest(sent, $2), sent_at = $3,"
                " attempts = CASE WHEN $4 THEN attempts + 1 ELSE attempts END WHERE family = $1",
                family,
                through,
                now_ms,
                again,
            )

    async def sign_again(self, signer: Signer, *, network: str, member: str) -> int:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool, transaction=True) as connection:
            rows = await connection.fetch(
                "SELECT family, sequence, statement, body FROM node.outbox WHERE outcome IS NULL AND key_id <> $1"
                " ORDER BY family, sequence LIMIT $2 FOR UPDATE",
                signer.key_id,
                SIGN_MAX,
            )
            signed = sign_again(
                [(row["statement"], row["body"]) for row in rows], network=network, member=member, signer=signer
            )
            await connection.executemany(
                "UPDATE node.outbox SET batch_size = $3, batch_index = $4, batch_path = $5, batch_signature = $6,"
                " key_id = $7 WHERE family = $1 AND sequence = $2",
                [
                    (
                        row["family"], row["sequence"], new.batch_size, new.batch_index, b"".join(new.batch_path),
                        new.batch_signature, new.key_id,
                    )
                    for row, new in zip(rows, signed, strict=True)
                ],
            )  # fmt: skip
            if rows:
                await connection.execute("SELECT pg_notify($1, '')", WORK)
        return len(rows)

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            found: Mapping[str, Any] | None = await connection.fetchval(
                "SELECT record FROM node.member WHERE member = $1", member
            )
        return found

    async def stopping_problem(self) -> Mapping[str, Any] | None:
        """See :class:`passerelle.node.ports.OutboxStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT code, family, sequence, what, fix, head FROM node.problem WHERE open AND code = ANY($1)"
                " ORDER BY id DESC LIMIT 1",
                list(STOPS),
            )
        return None if row is None else dict(row)
