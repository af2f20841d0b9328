"""The ports of witnesses, on both sides: one suite for the doubles of the unit tests and for PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest
from tests.unit.ledger_out.test_witnesses import MemoryCosignatures
from tests.unit.node.witnessing import MemoryWitnessStore

from passerelle.core.errors import PasserelleError
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.witnesses import CosignaturePostgres
from passerelle.ledger.witnesses import (
    KEPT_CHECKPOINTS,
    KEPT_COSIGNATURES,
    KEPT_OF_MEMBER,
    Cosignature,
    CosignatureStore,
)
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.node.witness_ports import MAX_OPEN, Alarm, Cosigned
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.simulation.office import NodeDatabase
from passerelle.testing.simulation.office import NodeStore as SimulatedStore
from passerelle.testing.simulation.world import Life, World

BOTH = ["in_memory", pytest.param("in_postgres", marks=pytest.mark.integration)]
NodeStore = MemoryWitnessStore | SimulatedStore | PostgresStore


class Filled:
    """A store of cosignatures and a way to publish checkpoints to it."""

    def __init__(self, store: MemoryCosignatures | CosignaturePostgres, pool: asyncpg.Pool | None = None) -> None:
        self.memory = store if isinstance(store, MemoryCosignatures) else None
        self.store: CosignatureStore = store
        self.pool = pool

    async def publish(self, *sizes: int, shown: bool = True) -> None:
        for size in sizes:
            if self.memory is not None and shown:
                self.memory.shown[size] = checkpoint(size)
            if self.pool is not None:
                found = checkpoint(size)
                await self.pool.execute(
                    "INSERT INTO ledger.checkpoint VALUES ($1, $2, $3, $4, $5)", found.size, found.root, found.note,
                    found.signed_at, shown,
                )  # fmt: skip

    async def refused(self, cosignature: Cosignature) -> str:
        before = await self.store.lines(cosignature.size)
        with pytest.raises(PasserelleError) as caught:
            await self.store.add(cosignature)
        assert await self.store.lines(cosignature.size) == before
        return caught.value.code


def checkpoint(size: int) -> StoredCheckpoint:
    return StoredCheckpoint(size, size.to_bytes(32, "big"), f"note {size}", 7)


def cosignature(size: int, member: str, key: str = "") -> Cosignature:
    return Cosignature(size, member, key or member, 1, f"line of {key or member} for {size}\n")


@pytest.fixture
async def ledger_in_memory() -> Filled:
    return Filled(MemoryCosignatures())


@pytest.fixture
async def ledger_in_postgres(database: str) -> AsyncIterator[Filled]:
    pool = await connect(DatabaseConfig(url=database), name="test")
    try:
        await migrate(pool, MIGRATIONS)
        yield Filled(CosignaturePostgres(pool), pool)
    finally:
        await pool.close()


@pytest.fixture(params=BOTH)
def filled(request: pytest.FixtureRequest) -> Filled:
    found: Filled = request.getfixturevalue(f"ledger_{request.param}")
    return found


@pytest.fixture
async def node_in_memory() -> MemoryWitnessStore:
    return MemoryWitnessStore()


@pytest.fixture
async def node_in_simulation() -> SimulatedStore:
    return SimulatedStore(World(calm=True), Life("node", 1), NodeDatabase())


@pytest.fixture
async def node_in_postgres(database: str) -> AsyncIterator[PostgresStore]:
    pool = await open_pool(DatabaseConfig(url=database), name="test")
    try:
        yield PostgresStore(pool)
    finally:
        await pool.close()


@pytest.fixture(params=[*BOTH, "in_simulation"])
def node(request: pytest.FixtureRequest) -> NodeStore:
    found: NodeStore = request.getfixturevalue(f"node_{request.param}")
    return found


async def test_cosignatures_are_kept_once_a_key_in_order_of_arrival(filled: Filled) -> None:
    store = filled.store
    await filled.publish(5)
    await filled.publish(6, shown=False)
    assert await store.published(5) == checkpoint(5)
    assert (await store.published(6), await store.published(7)) == (None, None)
    for one in (cosignature(5, "york"), cosignature(5, "laval")):
        await store.add(one)
    await store.add(replace(cosignature(5, "york"), line="another\n"))
    assert await store.lines(5) == ["line of york for 5\n", "line of laval for 5\n"]
    assert await store.lines(6) == []


async def test_the_number_of_cosignatures_is_bounded(filled: Filled) -> None:
    await filled.publish(5)
    for number in range(KEPT_OF_MEMBER):
        await filled.store.add(cosignature(5, "york", f"york {number}"))
    assert await filled.refused(cosignature(5, "york", "one more")) == "too-many-items"
    for number in range(KEPT_COSIGNATURES - KEPT_OF_MEMBER):
        await filled.store.add(cosignature(5, f"m{number}"))
    assert await filled.refused(cosignature(5, "laval")) == "too-many-items"
    assert len(await filled.store.lines(5)) == KEPT_COSIGNATURES


async def test_only_the_newest_cosigned_checkpoints_keep_them(filled: Filled) -> None:
    sizes = range(1, KEPT_CHECKPOINTS + 3)
    await filled.publish(*sizes)
    for size in sizes:
        await filled.store.add(cosignature(size, "york"))
    assert [len(await filled.store.lines(size)) for size in (1, 2, 3, sizes[-1])] == [0, 0, 1, 1]
    assert await filled.refused(cosignature(2, "laval")) == "cosignature-late"
    await filled.store.add(cosignature(3, "laval"))
    assert len(await filled.store.lines(3)) == 2


async def test_the_newest_with_enough_members_is_found(filled: Filled) -> None:
    await filled.publish(5, 6, 7)
    for one in (
        cosignature(5, "york"),
        cosignature(5, "laval"),
        cosignature(6, "york"),
        cosignature(6, "york", "york again"),
        cosignature(7, "operator"),
    ):
        await filled.store.add(one)
    found = filled.store.cosigned
    assert [await found(k, 0, without="operator") for k in (1, 2, 3)] == [6, 5, None]
    assert [await found(1, size, without="operator") for size in (6, 7)] == [6, None]
    assert await found(1, 0, without="nobody") == 7


def promise(size: int, fill: int = 1) -> Cosigned:
    return Cosigned(size, bytes([fill]) * 32, f"note {size}")


async def test_a_promise_moves_forward_only_and_from_what_stands(node: NodeStore) -> None:
    assert await node.cosigned() is None
    assert not await node.advance(promise(4), promise(5)), "nothing stands there"
    assert await node.advance(None, promise(5))
    assert not await node.advance(None, promise(6)), "something stands there already"
    await node.note_delivered(5)
    assert await node.cosigned() == replace(promise(5), delivered=True)
    for before, after in (
        (promise(4), promise(6)),
        (promise(5, 2), promise(6)),
        (promise(5), promise(5, 2)),
        (promise(5), promise(5)),
        (promise(5), promise(4)),
    ):
        assert not await node.advance(before, after)
        assert await node.cosigned() == replace(promise(5), delivered=True)
    assert await node.advance(promise(5), promise(6, 3))
    await node.note_delivered(5)
    assert await node.cosigned() == promise(6, 3)


async def test_of_several_at_once_one_moves_the_promise(node: NodeStore) -> None:
    first = await asyncio.gather(*(node.advance(None, promise(10, fill)) for fill in range(4)))
    assert sorted(first) == [False, False, False, True]
    held = promise(10, first.index(True))
    assert await node.cosigned() == held
    then = await asyncio.gather(*(node.advance(held, promise(20 + fill)) for fill in range(4)))
    assert sorted(then) == [False, False, False, True]
    assert await node.cosigned() == promise(20 + then.index(True))


def alarm(name: str, at: int = 1) -> Alarm:
    return Alarm(name, "checkpoint-forked", 9, b"evidence " + name.encode(), at)


async def test_an_open_alarm_holds_the_promise_until_it_is_cleared(node: NodeStore) -> None:
    assert await node.raise_alarm(alarm("a"))
    assert not await node.raise_alarm(alarm("a"))
    assert not await node.advance(None, promise(5))
    assert not await node.clear_alarm("b", "why", 2)
    assert await node.clear_alarm("a", "why", 2)
    assert not await node.clear_alarm("a", "again", 3)
    assert await node.alarms(open_only=True) == []
    assert await node.alarms(open_only=False) == [replace(alarm("a"), cleared_at=2, reason="why")]
    assert not await node.raise_alarm(alarm("a")), "the same evidence was cleared"
    assert await node.advance(None, promise(5))
    assert await node.raise_alarm(alarm("b"))
    assert not await node.advance(promise(5), promise(6))


async def test_open_alarms_are_bounded_and_their_problem_ends_with_the_last(node: NodeStore) -> None:
    for number in range(MAX_OPEN):
        assert await node.raise_alarm(alarm(f"{number:02}", number))
        await node.add_problem("checkpoint-forked", "what", "fix", number)
    assert not await node.raise_alarm(alarm("more"))
    names = [found.name for found in await node.alarms(open_only=True)]
    assert names == [f"{number:02}" for number in reversed(range(MAX_OPEN))]
    for name in names:
        if isinstance(node, PostgresStore):
            assert [problem["code"] for problem in await node.problems()] == ["checkpoint-forked"]
        assert await node.clear_alarm(name, "why", 99)
    if isinstance(node, PostgresStore):
        assert await node.problems() == []


async def test_positions_and_records(node: NodeStore) -> None:
    assert "witness" not in await node.positions()
    await node.save_witness_position(7)
    await node.save_witness_position(4)
    assert (await node.positions())["witness"] == (0, 4)
    if isinstance(node, PostgresStore):
        await node.put_members({"york": {"member": "york"}, "laval": {"member": "laval"}})
        assert await node.all_records() == [{"member": "laval"}, {"member": "york"}]
