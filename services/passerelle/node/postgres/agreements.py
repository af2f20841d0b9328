"""The member's own rules as they were last stated, for agreements files."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import orjson
from asyncpg import Pool

from passerelle.core.catalogue import BY_NAME
from passerelle.node.agreements.ports import PublishedRule
from passerelle.node.postgres.session import Connection, Part, plan_for_values, session

_RULING: Final = tuple(BY_NAME[f"recognition.{event}"].full for event in ("granted", "revised", "denied"))
_ENDED: Final = BY_NAME["recognition.ended"].full
_STATED: Final = """
SELECT subject, type, body FROM (
    SELECT o.subject, o.type, o.body, 0 AS late, o.sequence AS place FROM node.outbox o
    WHERE o.thing = ANY($1) AND o.family = 'recognition' AND o.outcome IS DISTINCT FROM 'refused' AND o.lost IS NULL
    UNION ALL
    SELECT d.subject, d.type, d.body, 1, d.id FROM node.draft d WHERE d.thing = ANY($1)
) AS found ORDER BY subject, late, place
"""
# Each half ends by itself, so that a page costs what it gives and not what the tables hold.
_IDS: Final = """
SELECT thing FROM (
    (SELECT DISTINCT thing FROM node.outbox
    WHERE family = 'recognition' AND outcome IS DISTINCT FROM 'refused' AND starts_with(thing, 'recognition:')
      AND thing > $1 ORDER BY thing LIMIT $2)
    UNION
    (SELECT DISTINCT thing FROM node.draft WHERE starts_with(thing, 'recognition:') AND thing > $1
    ORDER BY thing LIMIT $2)
) AS found ORDER BY thing LIMIT $2
"""
_PUT_NOTES: Final = """
INSERT INTO node.agreement_note (id, note) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (id) DO UPDATE SET note = excluded.note WHERE agreement_note.note IS DISTINCT FROM excluded.note
"""


def _things(subjects: Sequence[str]) -> list[str]:
    return [f"recognition:{subject}" for subject in subjects]


@asynccontextmanager
async def _looking_up(pool: Pool) -> AsyncIterator[Connection]:
    """A transaction that looks many ids up in tables of any size."""
    async with session(pool, transaction=True) as connection:
        await plan_for_values(connection)
        yield connection


class AgreementQueries(Part):
    """See :class:`passerelle.node.agreements.ports.AgreementStore`."""

    async def rules_of(self, subjects: Sequence[str]) -> dict[str, PublishedRule]:
        """See :class:`passerelle.node.agreements.ports.AgreementStore`."""
        if not subjects:
            return {}
        async with _looking_up(self._pool) as connection:
            rows = await connection.fetch(_STATED, _things(subjects))
        found: dict[str, PublishedRule] = {}
        for row in rows:
            subject = row["subject"]
            data = orjson.loads(row["body"])["data"]
            if row["type"] in _RULING:
                found[subject] = PublishedRule(subject, data)
            elif row["type"] == _ENDED and subject in found:
                found[subject] = PublishedRule(subject, found[subject].data, str(data["effective_on"]))
        return found

    async def rule_ids(self, after: str, limit: int) -> list[str]:
        """See :class:`passerelle.node.agreements.ports.AgreementStore`."""
        async with _looking_up(self._pool) as connection:
            rows = await connection.fetch(_IDS, f"recognition:{after}", limit)
        return [row["thing"].removeprefix("recognition:") for row in rows]

    async def achievements_of(self, member: str, limit: int) -> list[str]:
        """See :class:`passerelle.node.agreements.ports.AgreementStore`."""
        query = "SELECT key FROM node.seen WHERE starts_with(key, $1) ORDER BY key LIMIT $2"
        async with session(self._pool) as connection:
            rows = await connection.fetch(query, f"achievement:{member}/", limit)
        return [row["key"].removeprefix("achievement:") for row in rows]

    async def private_notes(self, subjects: Sequence[str]) -> dict[str, str]:
        """See :class:`passerelle.node.agreements.ports.AgreementStore`."""
        async with _looking_up(self._pool) as connection:
            rows = await connection.fetch("SELECT id, note FROM node.agreement_note WHERE id = ANY($1)", list(subjects))
        return {row["id"]: row["note"] for row in rows}

    async def put_private_notes(self, notes: Mapping[str, str]) -> None:
        """See :class:`passerelle.node.agreements.ports.AgreementStore`."""
        kept = {name: note for name, note in notes.items() if note}
        gone = [name for name, note in notes.items() if not note]
        async with _looking_up(self._pool) as connection:
            if gone:
                await connection.execute("DELETE FROM node.agreement_note WHERE id = ANY($1)", gone)
            if kept:
                await connection.execute(_PUT_NOTES, list(kept), list(kept.values()))
