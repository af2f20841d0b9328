"""Schema ``read`` of the ledger's database (contracts/read.sql), by a role that can read nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from passerelle.core.errors import Unavailable
from passerelle.query.ports import CaseQuery, CaseRow, CasesRead, DependentRow, Head, Instant, PublicEvent, StepRow
from passerelle.query.postgres_cases import LONG_RANGES, changed_cases, head_of, one_case
from passerelle.query.postgres_permissions import PermissionReading
from passerelle.runtime.postgres import AWAY, borrowed, listening, transaction

CHANNEL = "ledger_commit"
_HEAD = "SELECT network, size, accepted_at, floor, frontier FROM read.head"
# The index reads long ranges; calls, by single keys (postgres_cases).
_HEAD_OF_SNAPSHOT = f"SELECT network, size, accepted_at, floor, frontier FROM read.head, (SELECT {LONG_RANGES}) AS s"  # noqa: S608 - our own texts
_EVENTS = (
    "SELECT index, accepted_at, member, type, subject, body FROM read.public_event"
    " WHERE index >= $1 AND index < $2 ORDER BY index LIMIT $3"
)
_EVENTS_AT = (
    "SELECT index, accepted_at, member, type, subject, body FROM read.public_event WHERE index = ANY($1::bigint[])"
)
_INSTANTS = (
    "SELECT accepted_at, max(index) + 1 AS size FROM read.entry"
    " WHERE index >= $1 AND index < $2 GROUP BY accepted_at ORDER BY accepted_at"
)
_LEAVES = "SELECT entry FROM read.entry WHERE index >= $1 AND index < $2 ORDER BY index"
_CASE = "SELECT id, state, version, changed, data FROM read.thing"
_STEPS = (
    "SELECT index, accepted_at, member, type, subject, body FROM read.party_event"
    " WHERE subject = ANY($1::text[]) AND ($2::text IS NULL OR $2 = ANY(parties)) ORDER BY index"
)
_DEPENDENTS = (
    "SELECT d.dependent, d.member, coalesce(t.state, '') AS state"
    " FROM read.dependency d LEFT JOIN read.thing t ON t.key = d.dependent"
    " WHERE d.on_key = $1 AND d.member = $2 ORDER BY d.dependent LIMIT $3"
)
# One branch a role, so that each is answered from its own index.
_ROLE = (
    "(" + _CASE + " WHERE kind = 'transfer' AND data ->> '{role}' = $1 AND ($2 = '' OR state = $2)"
    " AND ($3::bigint IS NULL OR (changed, id) < ($3, $4)) ORDER BY changed DESC, id DESC LIMIT $5)"
)
# The ledger makes its schema when it first starts: until then this service waits for it.
_ABSENT = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError)
_BROKEN = (*AWAY, *_ABSENT)


def _translated(error: BaseException) -> Unavailable:
    if isinstance(error, _ABSENT):
        return Unavailable("database-schema", "Schema read of the ledger's database is absent or not to be read.")
    return Unavailable("database-unavailable", f"the ledger's database does not answer: {type(error).__name__}")


class _Snapshot:
    """A view inside one transaction."""

    def __init__(self, connection: Any, head: Head, page: int) -> None:
        self._connection = connection
        self._page = page
        self.head = head

    async def events(self, first: int) -> AsyncIterator[Sequence[PublicEvent]]:
        while True:
            rows = await self._connection.fetch(_EVENTS, first, self.head.size, self._page)
            if not rows:
                return
            yield [PublicEvent(*row) for row in rows]
            first = rows[-1]["index"] + 1

    async def instants(self, first: int) -> AsyncIterator[Sequence[Instant]]:
        while first < self.head.size:
            last = min(first + 10 * self._page, self.head.size)
            yield [Instant(*row) for row in await self._connection.fetch(_INSTANTS, first, last)]
            first = last

    async def leaves(self, first: int) -> AsyncIterator[Sequence[bytes]]:
        while first < self.head.size:
            last = min(first + self._page, self.head.size)
            yield [row["entry"] for row in await self._connection.fetch(_LEAVES, first, last)]
            first = last


class _Cases(PermissionReading):
    """Cases and letters of permission inside one transaction."""

    def __init__(self, connection: Any, head: Head) -> None:
        self._connection = connection
        self.head = head

    async def steps(self, cases: Sequence[str], member: str | None) -> dict[str, list[StepRow]]:
        found: dict[str, list[StepRow]] = {case: [] for case in cases}
        for row in await self._connection.fetch(_STEPS, list(cases), member):
            step = StepRow(row["index"], row["accepted_at"], row["member"], row["type"], row["body"])
            found[row["subject"]].append(step)
        return found

    async def cases(self, query: CaseQuery) -> list[CaseRow]:
        roles = [query.role] if query.role else ["sender", "receiver"]
        changed, case = query.before or (None, None)
        parts = " UNION ".join(_ROLE.format(role=role) for role in roles)
        sql = f"SELECT * FROM ({parts}) AS found ORDER BY changed DESC, id DESC LIMIT $5"  # noqa: S608 - our own texts
        rows = await self._connection.fetch(sql, query.member, query.state, changed, case, query.limit)
        return [CaseRow(*row) for row in rows]

    async def dependents(self, on: str, member: str, limit: int) -> list[DependentRow]:
        return [DependentRow(*row) for row in await self._connection.fetch(_DEPENDENTS, on, member, limit)]


class PostgresLedger:
    """The ledger's read schema as :class:`~passerelle.query.ports.LedgerLog` and
    :class:`~passerelle.query.ports.CaseStore`.
    """

    def __init__(self, pool: asyncpg.Pool, *, page: int = 5_000) -> None:
        self._pool = pool
        self._page = page

    async def head(self) -> Head:
        """The head row. Raises Unavailable."""
        async with self._borrowed() as connection:
            return head_of(await connection.fetchrow(_HEAD))

    async def events_at(self, indices: Sequence[int]) -> list[PublicEvent]:
        """Public events by log index. Raises Unavailable."""
        async with self._borrowed() as connection:
            return [PublicEvent(*row) for row in await connection.fetch(_EVENTS_AT, list(indices))]

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[_Snapshot]:
        """One REPEATABLE READ transaction. Raises Unavailable."""
        async with self._transaction() as connection:
            yield _Snapshot(connection, head_of(await connection.fetchrow(_HEAD_OF_SNAPSHOT)), self._page)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[_Cases]:
        """One REPEATABLE READ transaction. Raises Unavailable."""
        async with self._transaction() as connection:
            yield _Cases(connection, head_of(await connection.fetchrow(_HEAD)))

    async def case(self, case: str, member: str | None, uses: int) -> CasesRead:
        """See :class:`~passerelle.query.ports.CaseStore`."""
        async with self._borrowed() as connection:
            return await one_case(connection, case, member, uses)

    async def changed(self, members: Sequence[str], readers: Sequence[str] | None, first: int, limit: int) -> CasesRead:
        """See :class:`~passerelle.query.ports.CaseStore`."""
        async with self._borrowed() as connection:
            return await changed_cases(connection, members, readers, first, limit)

    @asynccontextmanager
    async def waking(self, wake: Callable[[], Any]) -> AsyncIterator[None]:
        """LISTEN on the ledger's channel. Raises Unavailable."""
        try:
            async with listening(self._pool, CHANNEL, wake):
                yield
        except _BROKEN as error:
            raise _translated(error) from None

    @asynccontextmanager
    async def _borrowed(self) -> AsyncIterator[Any]:
        """A connection for one statement."""
        try:
            async with borrowed(self._pool) as connection:
                yield connection
        except _BROKEN as error:
            raise _translated(error) from None

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        async with (
            self._borrowed() as connection,
            transaction(connection, isolation="repeatable_read", readonly=True),
        ):
            yield connection
