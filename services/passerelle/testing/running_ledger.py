"""A real ledger loop on a real Kafka and PostgreSQL, inside the test's own event loop or as a process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer

from passerelle.core.batch import SignedStatement
from passerelle.events.topics import INGRESS, TOPICS
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess
from passerelle.ledger.ports import MakeParts, Parts
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.runtime.clock import Clock
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics, start_producer
from passerelle.runtime.keys import create_seed
from passerelle.runtime.postgres import connect, migrate
from passerelle.runtime.process import wait_for
from passerelle.testing.federation import Federation, seed_of, send

PATIENCE_S = 60.0
_LOG_KEY = "log"


def make_config(folder: Path, bootstrap: str, dsn: str, federation: Federation, **settings: Any) -> LedgerConfig:
    """A configuration with its key files in ``folder``."""
    root, log = folder / "root.pub", folder / "log.key"
    if not log.exists():
        root.write_text(federation.root_public_key.hex() + "\n", encoding="ascii")
        create_seed(log, seed_of(_LOG_KEY))
    return LedgerConfig(
        network=federation.network,
        root_public_key_file=root,
        log_key_file=log,
        kafka=KafkaConfig(bootstrap=bootstrap),
        database=DatabaseConfig(url=dsn),
        **settings,
    )


async def begin_at_the_end(config: LedgerConfig) -> None:
    """Make the schema and start reading after what others have written to the shared ingress topics."""
    await ensure_topics(config.kafka, TOPICS.values())
    pool = await connect(config.database, name="test-setup")
    try:
        await migrate(pool, MIGRATIONS)
        for topic in INGRESS:
            ends = await end_offsets(config.kafka, topic, range(TOPICS[topic].partitions), client_id="test-setup")
            for partition, offset in ends.items():
                await pool.execute("INSERT INTO ledger.ingress VALUES ($1, $2, $3)", topic, partition, offset)
    finally:
        await pool.close()


class Ledger:
    """A running ledger with a producer to feed it and a connection to look at it."""

    def __init__(self, config: LedgerConfig, producer: AIOKafkaProducer, look: asyncpg.Connection[Any]) -> None:
        self.config = config
        self.producer = producer
        self.look = look

    async def send(self, *events: SignedStatement) -> None:
        """Write events to their topics."""
        await send(self.producer, events)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the condition holds. Raises AssertionError that says what did not happen."""
        if not await wait_for(condition, timeout_s=timeout_s, every_s=0.02):
            last = (await self.outcomes())[-20:]
            raise AssertionError(f"in vain: {what}; the log holds {await self.size()} entries, the last ones: {last}")

    async def size(self) -> int:
        """Entries committed."""
        return int(await self.look.fetchval("SELECT coalesce(max(size), 0) FROM ledger.head"))

    async def until_size(self, size: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the log holds so many entries."""

        async def reached() -> bool:
            return await self.size() >= size

        await self.until(reached, f"waited for {size} entries", timeout_s)

    async def outcomes(self) -> list[tuple[str, str, int, str]]:
        """(member, family, sequence, ``accepted`` or code) of every entry, by index."""
        rows = await self.look.fetch(
            "SELECT member, family, sequence, coalesce(code, 'accepted') FROM ledger.entry ORDER BY index"
        )
        return [tuple(row) for row in rows]

    async def letters(self, member: str, kind: str) -> list[Any]:
        """Inbox values of one kind, in order; those of kind ``body`` hold their index only."""
        rows = await self.look.fetch(
            "SELECT value, entry_index FROM ledger.inbox WHERE member = $1 AND kind = $2 ORDER BY number", member, kind
        )
        return [{"index": row[1]} if row[0] is None else orjson.loads(row[0]) for row in rows]

    async def until_letter(self, member: str, kind: str, count: int = 1) -> list[Any]:
        """Wait until a member was told something of a kind."""

        async def told() -> bool:
            return len(await self.letters(member, kind)) >= count

        await self.until(told, f"waited for {count} letters '{kind}' to {member}")
        return await self.letters(member, kind)

    async def unverified(self) -> list[dict[str, Any]]:
        """What verified under no key."""
        return [
            orjson.loads(row[0]) for row in await self.look.fetch("SELECT value FROM ledger.unverified ORDER BY number")
        ]

    async def count(self, table: str) -> int:
        """Rows of a table of the ledger."""
        return int(await self.look.fetchval(f"SELECT count(*) FROM ledger.{table}"))  # noqa: S608 - our own names


@asynccontextmanager
async def attached(config: LedgerConfig) -> AsyncIterator[Ledger]:
    """Producer and connection without a ledger: one runs elsewhere, or is started in between."""
    producer = await start_producer(config.kafka, client_id=f"test-{os.getpid()}")
    look = await asyncpg.connect(config.database.url)
    try:
        yield Ledger(config, producer, look)
    finally:
        await producer.stop()
        await look.close()


@asynccontextmanager
async def loop_running(
    config: LedgerConfig, *, make_parts: MakeParts | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[LedgerProcess, asyncio.Task[None]]]:
    """A ledger in this event loop; the task ends with the error that stopped it."""
    process = LedgerProcess(config, make_parts=make_parts or (lambda _shared: Parts()), clock=clock)
    stop = asyncio.Event()
    try:
        await process.start()
        task = asyncio.create_task(process.run(stop))
        yield process, task
        stop.set()
        await asyncio.wait({task}, timeout=15)
        if not task.done():
            task.cancel()
            raise AssertionError("the ledger did not stop")
    finally:
        await process.close()


@asynccontextmanager
async def running(
    config: LedgerConfig, events: Sequence[SignedStatement] = (), **options: Any
) -> AsyncIterator[Ledger]:
    """A ledger in this event loop, with these events already in its log."""
    async with attached(config) as ledger, loop_running(config, **options) as (_, task):
        # As nodes do: a member relays nothing until its key is in the registry.
        admissions = [event for event in events if b"\nmember\n" in event.statement]
        await ledger.send(*admissions)
        await ledger.until_size(len(admissions))
        await ledger.send(*(event for event in events if event not in admissions))
        await ledger.until_size(len(events))
        yield ledger
        if task.done():
            task.result()
