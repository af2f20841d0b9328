"""Learners, releases and transfer cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from passerelle.node.messages import PartyBody
from passerelle.node.outbox import Draft
from passerelle.node.people import Learner
from passerelle.node.ports import CaseRow, OutboxRow, ReleaseRow
from passerelle.node.postgres.drafts import as_learner, as_record, insert_drafts, upsert_learners
from passerelle.node.postgres.inbox import insert_bodies
from passerelle.node.postgres.outbox import as_row
from passerelle.node.postgres.session import Part, session
from passerelle.node.records import Record

MAX_LEARNERS: Final = 50
MAX_EVENTS: Final = 1000
# A release that came back from the ledger does not say whose it is; its credentials do, once they were imported again.
_RELEASE: Final = """
SELECT r.*, coalesce(r.learner, (
    SELECT c.learner FROM node.record c
    WHERE c.thing = 'credential:' || r.credentials[1]::text AND c.kind = 'credential' LIMIT 1)) AS owner
FROM node.release r WHERE r.id::text = $1
"""


class Cases(Part):
    """See :class:`passerelle.node.ports.CaseStore`."""

    async def records_by_key(self, keys: Sequence[str]) -> dict[str, Record]:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch("SELECT * FROM node.record WHERE key = ANY($1)", list(keys))
        return {row["key"]: as_record(row) for row in rows}

    async def record_of(self, thing: str, kind: str) -> Record | None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT * FROM node.record WHERE thing = $1 AND kind = $2 LIMIT 1", thing, kind
            )
        return None if row is None else as_record(row)

    async def learner(self, learner: str) -> Learner | None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(
                "SELECT * FROM node.learner WHERE id::text = $1 AND wrapped_key IS NOT NULL", learner
            )
        return None if row is None else as_learner(row)

    async def learners_by(self, *, match_key: str = "", birth_key: str = "") -> list[Learner]:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.learner WHERE (match_key = $1 OR birth_key = $2) AND wrapped_key IS NOT NULL"
                " ORDER BY id LIMIT $3",
                match_key,
                birth_key,
                MAX_LEARNERS,
            )
        return [as_learner(row) for row in rows]

    async def results_of(self, learner: str) -> list[bytes]:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT details FROM node.result WHERE learner = $1::text::uuid ORDER BY record", learner
            )
        return [row["details"] for row in rows]

    async def events_of(self, thing: str) -> list[OutboxRow]:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.outbox WHERE thing = $1 AND lost IS NULL ORDER BY family, sequence LIMIT $2",
                thing,
                MAX_EVENTS,
            )
        return [as_row(row) for row in rows]

    async def bodies_of(self, thing: str) -> list[PartyBody]:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            rows = await connection.fetch(
                "SELECT * FROM node.party_body WHERE thing = $1 ORDER BY index LIMIT $2", thing, MAX_EVENTS
            )
        return [PartyBody(row["index"], row["type"], row["member"], row["subject"], row["body"]) for row in rows]

    async def save_release(
        self,
        release: ReleaseRow,
        drafts: Sequence[Draft],
        *,
        learner: Learner | None,
        proved: Sequence[PartyBody],
        now_ms: int,
    ) -> None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool, transaction=True) as connection:
            if learner is not None:
                await upsert_learners(connection, [learner])
            await connection.execute(
                "INSERT INTO node.release (id, outgoing, member, learner, credentials, purpose, ends_on, details,"
                " created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET"
                " learner = excluded.learner, details = excluded.details",
                release.id,
                release.outgoing,
                release.member,
                release.learner,
                list(release.credentials),
                release.purpose,
                release.ends_on,
                release.details,
                now_ms,
            )
            await insert_bodies(connection, proved)
            await insert_drafts(connection, drafts, now_ms)

    async def release(self, release: str) -> ReleaseRow | None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow(_RELEASE, release)
        if row is None:
            return None
        return ReleaseRow(
            str(row["id"]),
            row["outgoing"],
            row["member"],
            str(row["owner"]) if row["owner"] is not None else None,
            tuple(str(one) for one in row["credentials"]),
            row["purpose"],
            row["ends_on"],
            row["details"],
        )

    async def save_case(self, case: CaseRow, drafts: Sequence[Draft], now_ms: int) -> None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool, transaction=True) as connection:
            await connection.execute(
                "INSERT INTO node.transfer_case (id, release, sender, learner, matched, candidate, created_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7)",
                case.id,
                case.release,
                case.sender,
                case.learner,
                case.matched,
                case.candidate,
                now_ms,
            )
            await insert_drafts(connection, drafts, now_ms)

    async def case(self, case: str) -> CaseRow | None:
        """See :class:`passerelle.node.ports.CaseStore`."""
        async with session(self._pool) as connection:
            row = await connection.fetchrow("SELECT * FROM node.transfer_case WHERE id::text = $1", case)
        if row is None:
            return None
        return as_case(row)


def as_case(row: Any) -> CaseRow:
    """A row of ``node.transfer_case``."""
    learner, candidate = (str(row[name]) if row[name] is not None else None for name in ("learner", "candidate"))
    return CaseRow(str(row["id"]), str(row["release"]), row["sender"], learner, row["matched"], candidate)
