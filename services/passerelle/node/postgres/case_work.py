"""The office's work on transfer cases: matches, proposals, documents, reminders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.core.catalogue import BY_NAME
from passerelle.node.case_ports import DocumentRow, Match, Proposal
from passerelle.node.outbox import Draft
from passerelle.node.ports import CaseRow, OutboxRow
from passerelle.node.postgres.cases import as_case
from passerelle.node.postgres.drafts import insert_drafts, upsert_learners
from passerelle.node.postgres.outbox import as_row
from passerelle.node.postgres.session import Part, session

MAX_DOCUMENTS: Final = 1000
_MATCH: Final = """
UPDATE node.transfer_case SET matched = $2, learner = $3, match_reason = $4, matched_at = $5, candidate = NULL
WHERE id = $1 AND matched = 'pending'
"""
_DECISIONS: Final = f"""
SELECT * FROM node.outbox
WHERE type = '{BY_NAME["transfer.decided"].full}' AND outcome = 'accepted' AND lost IS NULL
    AND ($1::bigint IS NULL OR sequence < $1)
ORDER BY sequence DESC LIMIT $2
"""  # noqa: S608 - a name of our own
_NOTICES: Final = """
SELECT number, about, event, index, member, affects, change, received_at FROM node.notice
WHERE ($1::bigint IS NULL OR number < $1) AND ($3::bigint IS NULL OR index = $3) ORDER BY number DESC LIMIT $2
"""


class CaseWork(Part):
    """See :class:`passerelle.node.case_ports.MatchStore` and :class:`passerelle.node.case_ports.WorkStore`."""

    async def settle_match(self, match: Match, drafts: Sequence[Draft], now_ms: int) -> bool:
        """See :class:`passerelle.node.case_ports.MatchStore`."""
        async with session(self._pool, transaction=True) as connection:
            learner = match.learner.id if match.learner is not None else None
            state = "unmatched" if learner is None else "confirmed"
            done = await connection.execute(_MATCH, match.case.id, state, learner, match.reason or None, now_ms)
            if done != "UPDATE 1":
                return False
            if match.learner is not None and match.fresh:
                await upsert_learners(connection, [match.learner])
            await connection.execute(
                "UPDATE node.release SET learner = $2, details = $3 WHERE id = $1",
                match.case.release,
                learner,
                match.details,
            )
            if match.gone is not None:
                await connection.execute(
                    "UPDATE node.learner SET wrapped_key = NULL, details = NULL WHERE id = $1", match.gone
                )
            await insert_drafts(connection, drafts, now_ms)
        return True

    async def save_proposal(self, proposal: Proposal, now_ms: int) -> None:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            await connection.execute(
                "INSERT INTO node.proposal (case_id, version, position, lines, made_at)"
                " VALUES ($1, $2, $3, $4::text::jsonb, $5) ON CONFLICT (case_id) DO UPDATE SET"
                " version = excluded.version, position = excluded.position, lines = excluded.lines,"
                " made_at = excluded.made_at",
                proposal.case,
                proposal.version,
                proposal.position,
                orjson.dumps([dict(line) for line in proposal.lines]).decode(),
                now_ms,
            )

    async def proposal(self, case: str) -> Proposal | None:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT * FROM node.proposal WHERE case_id::text = $1", case)
        return None if row is None else Proposal(case, row["version"], row["position"], tuple(row["lines"]))

    async def save_document(self, document: DocumentRow, now_ms: int) -> bool:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            done = await connection.execute(
                "INSERT INTO node.case_document (case_id, sha256, role, media_type, size, learner, content, at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (case_id, sha256) DO NOTHING",
                document.case,
                document.sha256,
                document.role,
                document.media_type,
                document.size,
                document.learner,
                document.content,
                now_ms,
            )
        return bool(done == "INSERT 0 1")

    async def documents(self, case: str) -> list[DocumentRow]:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.case_document WHERE case_id::text = $1 ORDER BY at, sha256 LIMIT $2",
                case,
                MAX_DOCUMENTS,
            )
        return [
            DocumentRow(
                case, row["sha256"], row["role"], row["media_type"], row["size"],
                str(row["learner"]) if row["learner"] is not None else None, row["content"],
            )
            for row in rows
        ]  # fmt: skip

    async def received_cases(self, after: str, limit: int) -> list[CaseRow]:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.transfer_case WHERE $1 = '' OR id > nullif($1, '')::uuid ORDER BY id LIMIT $2",
                after,
                limit,
            )
        return [as_case(row) for row in rows]

    async def decisions(self, before: int | None, limit: int) -> list[OutboxRow]:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            return [as_row(row) for row in await connection.fetch(_DECISIONS, before, limit)]

    async def remind(self, rows: Sequence[tuple[str, str, str]], now_ms: int) -> set[tuple[str, str, str]]:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
        async with session(self._pool, transaction=True) as connection:
            told = await connection.fetch(
                "INSERT INTO node.reminder (case_id, kind, due_on, told_at)"
                " SELECT g.c::uuid, g.k, g.d, $4 FROM unnest($1::text[], $2::text[], $3::text[]) AS g (c, k, d)"
                " ON CONFLICT DO NOTHING RETURNING case_id, kind, due_on",
                *columns,
                now_ms,
            )
        return {(str(row["case_id"]), row["kind"], row["due_on"]) for row in told}

    async def save_preliminary(self, identifier: str, expires_on: str, envelope: bytes, now_ms: int) -> None:
        """See :class:`passerelle.node.preliminary.PromiseStore`."""
        async with session(self._pool) as connection:
            await connection.execute(
                "INSERT INTO node.preliminary (id, made_at, expires_on, envelope) VALUES ($1, $2, $3, $4)",
                identifier,
                now_ms,
                expires_on,
                envelope,
            )

    async def preliminaries(self, today: str, limit: int) -> list[bytes]:
        """See :class:`passerelle.node.preliminary.PromiseStore`."""
        query = "SELECT envelope FROM node.preliminary WHERE expires_on >= $1 ORDER BY expires_on, id LIMIT $2"
        async with session(self._pool) as connection:
            return [row["envelope"] for row in await connection.fetch(query, today, limit)]

    async def versions_seen(self, keys: Sequence[str]) -> dict[str, int]:
        """See :class:`passerelle.node.preliminary.PromiseStore`."""
        query = "SELECT key, version FROM node.seen WHERE key = ANY($1) AND version IS NOT NULL"
        async with session(self._pool) as connection:
            return {row["key"]: row["version"] for row in await connection.fetch(query, list(keys))}

    async def policy_versions(self, limit: int) -> dict[str, int]:
        """See :class:`passerelle.node.preliminary.PromiseStore`."""
        # Keys are ASCII: everything between the colon and the sign after it.
        query = (
            "SELECT key, version FROM node.seen WHERE key >= 'policy:' COLLATE \"C\" AND key < 'policy;' COLLATE \"C\""
            " AND version IS NOT NULL ORDER BY key LIMIT $1"
        )
        async with session(self._pool) as connection:
            rows = await connection.fetch(query, limit)
        return {row["key"].removeprefix("policy:"): row["version"] for row in rows}

    async def notices_about(
        self, before: int | None, limit: int, *, index: int | None = None
    ) -> list[Mapping[str, Any]]:
        """See :class:`passerelle.node.case_ports.WorkStore`."""
        async with session(self._pool) as connection:
            return [dict(row) for row in await connection.fetch(_NOTICES, before, limit, index)]
