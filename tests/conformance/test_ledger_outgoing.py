"""The outgoing half's ports, one suite for the memory doubles of the unit tests and for PostgreSQL and Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import asyncpg
import pytest
from tests.integration.ledger_out import read_topic
from tests.unit.ledger_out.fakes import NETWORK, MemoryCheckpoints, MemoryStore, MemoryTopics

from passerelle.core.errors import Fatal
from passerelle.core.merkle import EMPTY_ROOT, leaf_hashes, root_from_leaves
from passerelle.core.tiles import write_tiles
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import inbox_topic
from passerelle.ledger.outgoing_ports import (
    CheckpointStore,
    InboxRow,
    OutgoingStore,
    Positions,
    Record,
    StoredCheckpoint,
    SummaryRow,
    Topics,
    UnverifiedRow,
)
from passerelle.ledger.outgoing_stream import KafkaTopics
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.outgoing import CheckpointPostgres, OutgoingPostgres
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.postgres import connect, migrate
from passerelle.testing.federation import Federation
from passerelle.testing.simulation.broker import Broker
from passerelle.testing.simulation.broker import MemoryTopics as SimulatedTopics
from passerelle.testing.simulation.database import InboxLine, LedgerDatabase
from passerelle.testing.simulation.database import MemoryCheckpoints as SimulatedCheckpoints
from passerelle.testing.simulation.database import MemoryOutgoing as SimulatedOutgoing
from passerelle.testing.simulation.world import Life, World

HELD = 300


class Filled(Protocol):
    """A store and a way to commit rows to it."""

    store: OutgoingStore
    checkpoints: CheckpointStore

    async def log(self, count: int) -> None: ...

    async def inbox(self, size: int, row: InboxRow) -> None: ...

    async def member(self, name: str, changed: int) -> None: ...

    async def summary(self, row: SummaryRow) -> None: ...

    async def unverified(self, row: UnverifiedRow) -> None: ...


class InMemory:
    """The doubles of the unit tests."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.checkpoints = MemoryCheckpoints(HELD)

    async def log(self, count: int) -> None:
        self.store.log(count)

    async def inbox(self, size: int, row: InboxRow) -> None:
        self.store.inbox.append((size, row))

    async def member(self, name: str, changed: int) -> None:
        self.store.member_rows[name] = changed

    async def summary(self, row: SummaryRow) -> None:
        self.store.summary_rows.append(row)

    async def unverified(self, row: UnverifiedRow) -> None:
        self.store.unverified_rows.append(row)


class InSimulation:
    """The doubles of the simulation, over tables whose tree is that of the other double."""

    def __init__(self) -> None:
        world, life = World(calm=True), Life("ledger", 1)
        self.tables = LedgerDatabase(Federation())
        self.store = SimulatedOutgoing(world, life, self.tables)
        self.checkpoints = SimulatedCheckpoints(world, life, self.tables)
        self.tables.head.size = HELD
        leaves = leaf_hashes(b"entry %d" % index for index in range(HELD))
        for tile in write_tiles(0, leaves, lambda _coord: b""):
            self.tables.tiles[tile.coord.level, tile.coord.index] = tile.hashes

    async def log(self, count: int) -> None:
        for index in range(len(self.tables.entries), len(self.tables.entries) + count):
            entry, ingress = b"entry %d" % index, f"topic/0/{index}"
            row = (index, 0, "york", "credential", index, "party", None, None, None, None, b"", entry, ingress)
            self.tables.entries.append(row)

    async def inbox(self, size: int, row: InboxRow) -> None:
        line = InboxLine(row.number, row.kind, size, None, row.value)
        self.tables.letters.setdefault(row.member, []).append(line)

    async def member(self, name: str, changed: int) -> None:
        self.tables.changed[name] = (changed, b"{}")

    async def summary(self, row: SummaryRow) -> None:
        self.tables.summary_rows[row.size] = row.value

    async def unverified(self, row: UnverifiedRow) -> None:
        self.tables.unverified_rows.append(row)


class InPostgres:
    """The adapters over a fresh database, whose tree is that of the double."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.store = OutgoingPostgres(pool)
        self.checkpoints = CheckpointPostgres(pool)
        self.logged = 0

    async def fill_tree(self) -> None:
        leaves = leaf_hashes(b"entry %d" % index for index in range(HELD))
        for tile in write_tiles(0, leaves, lambda _coord: b""):
            coord = tile.coord
            await self.pool.execute(
                "INSERT INTO ledger.tile VALUES ($1, $2, $3)", coord.level, coord.index, tile.hashes
            )
        await self.pool.execute("INSERT INTO ledger.head (network, size) VALUES ($1, $2)", NETWORK, HELD)

    async def log(self, count: int) -> None:
        for index in range(self.logged, self.logged + count):
            await self.pool.execute(
                "INSERT INTO ledger.entry (index, accepted_at, member, family, sequence, visibility, digest, entry,"
                " ingress) VALUES ($1, 0, 'york', 'credential', $1, 'party', '', $2, $3)",
                index,
                b"entry %d" % index,
                f"topic/0/{index}",
            )
        self.logged += count

    async def inbox(self, size: int, row: InboxRow) -> None:
        await self.pool.execute(
            "INSERT INTO ledger.inbox_head AS h VALUES ($1, $2)"
            " ON CONFLICT (member) DO UPDATE SET number = GREATEST(h.number, $2)",
            row.member,
            row.number,
        )
        await self.pool.execute(
            "INSERT INTO ledger.inbox (member, number, kind, size, value, created_at) VALUES ($1, $2, $3, $4, $5, 0)",
            row.member,
            row.number,
            row.kind,
            size,
            row.value,
        )

    async def member(self, name: str, changed: int) -> None:
        await self.pool.execute("INSERT INTO ledger.member VALUES ($1, $2, '{}')", name, changed)

    async def summary(self, row: SummaryRow) -> None:
        await self.pool.execute("INSERT INTO ledger.summary VALUES ($1, $2)", row.size, row.value)

    async def unverified(self, row: UnverifiedRow) -> None:
        await self.pool.execute(
            "INSERT INTO ledger.unverified (number, arrived_at, ingress, code, value) OVERRIDING SYSTEM VALUE"
            " VALUES ($1, 0, $2, $3, $4)",
            row.number,
            row.ingress,
            row.code,
            row.value,
        )


@pytest.fixture
async def in_memory() -> InMemory:
    return InMemory()


@pytest.fixture
async def in_simulation() -> InSimulation:
    return InSimulation()


@pytest.fixture
async def in_postgres(database: str) -> AsyncIterator[InPostgres]:
    pool = await connect(DatabaseConfig(url=database), name="test")
    try:
        await migrate(pool, MIGRATIONS)
        filled = InPostgres(pool)
        await filled.fill_tree()
        yield filled
        await filled.store.close()
    finally:
        await pool.close()


@pytest.fixture(params=["in_memory", "in_simulation", pytest.param("in_postgres", marks=pytest.mark.integration)])
def filled(request: pytest.FixtureRequest) -> Filled:
    found: Filled = request.getfixturevalue(request.param)
    return found


async def test_entries_come_in_order_and_positions_never_go_back(filled: Filled) -> None:
    store = filled.store
    assert (await store.positions(), await store.feed(0)) == (Positions(0, 0), [])
    await filled.log(5)
    rows = await store.feed(2)
    assert [(row.index, row.member, row.entry, row.ingress, row.body) for row in rows] == [
        (index, "york", b"entry %d" % index, f"topic/0/{index}", b"") for index in (2, 3, 4)
    ]
    await store.save_feed(4)
    await store.save_registry(3)
    await store.save_feed(2)
    await store.save_registry(1)
    assert await store.positions() == Positions(4, 3)
    assert await store.feed(5) == []


async def test_inboxes_wait_for_the_feed_and_go_on_after_their_last_number(filled: Filled) -> None:
    store = filled.store
    rows = [InboxRow("york", number, "receipts", b'{"n":%d}' % number) for number in (1, 2, 3)]
    for size, row in zip((4, 4, 9), rows, strict=True):
        await filled.inbox(size, row)
    other = InboxRow("humber", 1, "notice", b"{}")
    await filled.inbox(4, other)
    assert await store.inboxes(3) == []
    assert await store.inboxes(4) == [other, *rows[:2]]
    await store.save_inboxes({"york": 2})
    await store.save_inboxes({"york": 1})
    assert await store.inboxes(9) == [other, rows[2]]


async def test_members_by_the_index_of_their_change(filled: Filled) -> None:
    for name, changed in (("york", 7), ("humber", 2), ("laval", 9)):
        await filled.member(name, changed)
    assert [(row.member, row.changed) for row in await filled.store.members(2, 9)] == [("humber", 2), ("york", 7)]
    assert await filled.store.member_ids() == ["humber", "laval", "york"]


async def test_summaries_and_refused_are_forgotten_once_acked(filled: Filled) -> None:
    store = filled.store
    for size in (9, 4):
        await filled.summary(SummaryRow(size, b"%d" % size))
    assert [row.size for row in await store.summaries(8)] == [4]
    await store.drop_summaries(4)
    assert [row.size for row in await store.summaries(99)] == [9]
    rows = [UnverifiedRow(number, "key-unknown", f"t/0/{number}", b"{}") for number in (1, 2)]
    for row in rows:
        await filled.unverified(row)
    assert await store.unverified() == rows
    await store.drop_unverified(1)
    assert await store.unverified() == rows[1:]


async def test_the_tree_at_any_size(filled: Filled) -> None:
    checkpoints = filled.checkpoints
    leaves = leaf_hashes(b"entry %d" % index for index in range(HELD))
    found = await checkpoints.roots([1, 255, 256, 257, HELD])
    assert found == {size: root_from_leaves(leaves[:size]) for size in (1, 255, 256, 257, HELD)}
    assert await checkpoints.size() == HELD
    assert found[HELD] != EMPTY_ROOT


async def test_checkpoints_by_compare_and_swap(filled: Filled) -> None:
    checkpoints = filled.checkpoints
    assert await checkpoints.latest(shown=False) is None
    first, second = (StoredCheckpoint(size, bytes([size]) * 32, f"note {size}", 7) for size in (5, 9))
    await checkpoints.add(first)
    await checkpoints.add(first)
    assert await checkpoints.latest(shown=False) == first
    assert await checkpoints.latest(shown=True) is None
    await checkpoints.show(5)
    await checkpoints.add(second)
    assert await checkpoints.latest(shown=True) == first
    assert await checkpoints.latest(shown=False) == second
    for bad, code in (
        (StoredCheckpoint(9, bytes(32), "other", 7), "checkpoint-forked"),
        (StoredCheckpoint(8, bytes(32), "other", 7), "checkpoint-shrunk"),
    ):
        with pytest.raises(Fatal) as caught:
            await checkpoints.add(bad)
        assert caught.value.code == code
    assert await checkpoints.latest(shown=False) == second


@pytest.mark.integration
async def test_large_bodies_are_read_a_part_at_a_time(in_postgres: InPostgres) -> None:
    """A bound in bytes beside the bound in rows: 4,000 bodies of 64 KiB must not be in memory together."""
    await in_postgres.log(300)
    await in_postgres.pool.execute("UPDATE ledger.entry SET visibility = 'public'")
    await in_postgres.pool.execute(
        "INSERT INTO ledger.public_body SELECT index, '', convert_to(repeat('x', 65000), 'utf8') FROM ledger.entry"
    )
    start, reads = 0, 0
    while rows := await in_postgres.store.feed(start):
        assert sum(len(row.body) for row in rows) <= 8 * 1024 * 1024
        assert rows[0].index == start
        start, reads = rows[-1].index + 1, reads + 1
    assert (start, reads) == (300, 3)


@pytest.fixture
def memory_topics() -> tuple[MemoryTopics, Callable[[str], Any]]:
    topics = MemoryTopics()

    async def read(topic: str) -> list[Any]:
        return topics.topics.get(topic, [])

    return topics, read


@pytest.fixture
async def simulated_topics() -> tuple[SimulatedTopics, Callable[[str], Any]]:
    broker = Broker()

    async def read(topic: str) -> list[Any]:
        return broker.topics[topic][0].records

    return SimulatedTopics(World(calm=True), Life("ledger", 1), broker), read


@pytest.fixture
async def kafka_topics(kafka: EmbeddedKafka) -> AsyncIterator[tuple[KafkaTopics, Callable[[str], Any]]]:
    config = KafkaConfig(bootstrap=kafka.bootstrap)
    topics = KafkaTopics(config)

    async def read(topic: str) -> list[Any]:
        return await read_topic(config, topic)

    yield topics, read
    await topics.close()


@pytest.fixture(
    params=["memory_topics", "simulated_topics", pytest.param("kafka_topics", marks=pytest.mark.integration)]
)
def topics(request: pytest.FixtureRequest) -> tuple[Topics, Callable[[str], Any]]:
    found: tuple[Topics, Callable[[str], Any]] = request.getfixturevalue(request.param)
    return found


async def test_records_are_written_in_order_with_their_headers(
    topics: tuple[Topics, Callable[[str], Any]], unique_name: Callable[[str], str]
) -> None:
    writer, read = topics
    member = unique_name("m").replace("_", "-")
    other = f"{member}x"
    await writer.ensure([member, other], fixed=False)
    large = b"x" * 700_000
    records = [Record(b"key", b"%d" % number, [("n", b"%d" % number)]) for number in range(3000)]
    records[1500] = Record(None, large, [("n", b"1500")])
    await writer.publish({inbox_topic(member): records, inbox_topic(other): records[:1]})
    await writer.publish({inbox_topic(other): records[1:2]})
    found = await read(inbox_topic(member))
    assert [(item.key, bytes(item.value), list(item.headers)) for item in found] == [
        (item.key, item.value, item.headers) for item in records
    ]
    assert [item.value for item in await read(inbox_topic(other))] == [b"0", b"1"]
    # A second closing, and writing after it, are both right.
    await writer.close()
    await writer.close()
    await writer.publish({inbox_topic(other): records[2:3]})
    assert len(await read(inbox_topic(other))) == 3
