"""Inbox rows for a refill, one suite for the double of the simulation and for PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import asyncpg
import pytest

from passerelle.ledger.outgoing_ports import InboxRow
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.outgoing import OutgoingPostgres
from passerelle.ledger.postgres.refill import RefillPostgres
from passerelle.ledger.refill_ports import Letter, LetterStore, ToldRow
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.federation import Federation
from passerelle.testing.memory_ledger import START_MS
from passerelle.testing.simulation.database import InboxLine, LedgerDatabase, MemoryOutgoing
from passerelle.testing.simulation.refilling import RefillLetters
from passerelle.testing.simulation.world import Life, World

SIZE = 9
EMPTY = b"[]"


class Rig(Protocol):
    """The port, a row that the ledger wrote itself, and what the publisher finds to publish."""

    letters: LetterStore

    async def written(self, member: str, number: int, size: int, value: bytes) -> None: ...

    async def unpublished(self) -> Sequence[InboxRow]: ...


class InSimulation:
    """The doubles of the simulation."""

    def __init__(self) -> None:
        world, life, self.tables = World(calm=True), Life("ledger", 1), LedgerDatabase(Federation())
        self.letters = RefillLetters(world, life, self.tables)
        self._outgoing = MemoryOutgoing(world, life, self.tables)

    async def written(self, member: str, number: int, size: int, value: bytes) -> None:
        self.tables.letters.setdefault(member, []).append(InboxLine(number, "receipts", size, None, value))

    async def unpublished(self) -> Sequence[InboxRow]:
        return await self._outgoing.inboxes(SIZE)


class InPostgres:
    """The adapters over a fresh database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.letters = RefillPostgres(pool)
        self.outgoing = OutgoingPostgres(pool)

    async def written(self, member: str, number: int, size: int, value: bytes) -> None:
        await self._pool.execute(
            "INSERT INTO ledger.inbox_head AS h VALUES ($1, $2)"
            " ON CONFLICT (member) DO UPDATE SET number = GREATEST(h.number, $2)",
            member,
            number,
        )
        await self._pool.execute(
            "INSERT INTO ledger.inbox (member, number, kind, size, value, created_at)"
            " VALUES ($1, $2, 'receipts', $3, $4, $5)",
            member,
            number,
            size,
            value,
            START_MS,
        )

    async def unpublished(self) -> Sequence[InboxRow]:
        return await self.outgoing.inboxes(SIZE)


@pytest.fixture
async def in_simulation() -> InSimulation:
    return InSimulation()


@pytest.fixture
async def in_postgres(database: str) -> AsyncIterator[InPostgres]:
    pool = await connect(DatabaseConfig(url=database), name="test")
    try:
        await migrate(pool, MIGRATIONS)
        rig = InPostgres(pool)
        yield rig
        await rig.outgoing.close()
    finally:
        await pool.close()


@pytest.fixture(params=["in_simulation", pytest.param("in_postgres", marks=pytest.mark.integration)])
def rig(request: pytest.FixtureRequest) -> Rig:
    found: Rig = request.getfixturevalue(request.param)
    return found


def letter(number: int, kind: str = "receipts", value: bytes = b"[7]") -> Letter:
    return Letter("york", number, kind, value, START_MS)


async def told(rig: Rig, size: int) -> list[tuple[Any, ...]]:
    rows: list[ToldRow] = [row async for chunk in rig.letters.told(size) for row in chunk]
    return [(row.member, row.kind, row.entry_index, row.value) for row in rows]


async def test_numbers_go_on_behind_what_was_published(rig: Rig) -> None:
    await rig.written("york", 1, 4, b"[1]")
    assert await rig.letters.numbers() == {"york": (1, 0)}
    await rig.letters.restore([letter(2), letter(3, "body", b'{"index":5}')], SIZE)
    # Restored is not settled: a crash here begins again.
    assert await rig.letters.numbers() == {"york": (1, 0)}
    assert await told(rig, 0) == []
    await rig.letters.restore([letter(2), letter(3, "body", b'{"index":5}')], SIZE)
    await rig.letters.settle("york", 3, SIZE, START_MS)
    assert await rig.letters.numbers() == {"york": (3, 3)}
    assert await told(rig, 4) == [("york", "receipts", None, b"[7]"), ("york", "body", 5, None)]
    assert await told(rig, SIZE) == []
    assert await rig.unpublished() == []


async def test_numbers_that_are_gone_are_filled_and_those_beyond_keep_their_letters(rig: Rig) -> None:
    await rig.letters.restore([letter(3), letter(5)], SIZE)
    await rig.letters.settle("york", 5, SIZE, START_MS)
    assert [row[3] for row in await told(rig, 0)] == [EMPTY, EMPTY, b"[7]", EMPTY, b"[7]"]


async def test_what_is_held_is_not_replaced_and_nothing_goes_back(rig: Rig) -> None:
    await rig.written("york", 1, 4, b"[1]")
    await rig.written("york", 2, 4, b"[2]")
    await rig.letters.restore([letter(1), letter(2)], SIZE)
    await rig.letters.settle("york", 2, SIZE, START_MS)
    await rig.letters.settle("york", 1, SIZE, START_MS)
    assert await rig.letters.numbers() == {"york": (2, 2)}
    assert [row[3] for row in await told(rig, 0)] == [b"[1]", b"[2]"]


async def test_whether_a_sender_was_asked(rig: Rig) -> None:
    value = b'{"family":"credential","sequence":4}'
    await rig.letters.restore([letter(1, "resend-from", value)], SIZE)
    await rig.letters.settle("york", 1, SIZE, START_MS)
    assert await rig.letters.asked("york", value, START_MS - 1)
    assert not await rig.letters.asked("york", value, START_MS + 1)
    assert not await rig.letters.asked("york", value + b" ", START_MS - 1)
    assert not await rig.letters.asked("humber", value, START_MS - 1)
