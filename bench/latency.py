"""P3, latency: from the commit of a node's outbox to the entry on the public feed, at a paced rate.

A real outbox in PostgreSQL, the real relay, the real ledger process, and a reader of the feed. Rows are committed every
20 ms, singly signed; the clock of a row starts when the commit that holds it has returned.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import TopicPartition

from bench.events import generate
from bench.ingest import finish_opening
from bench.relay import COLUMNS, FAMILY, outbox_row, relay_of
from bench.running import Bench
from passerelle.core.batch import SignedStatement
from passerelle.core.statement import parse_statement
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.events.topics import FEED
from passerelle.node.postgres import MIGRATIONS, PostgresStore, open_pool
from passerelle.node.stream import KafkaPublisher
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.kafka import end_offsets, start_consumer
from passerelle.runtime.postgres import migrate

TICK_S = 0.02
MEASURED_S = 10
WARM_S = 5
"""Seconds before: a broker that has just started is busy compiling itself."""
BUCKETS_MS = (10, 20, 50, 100, 150, 250, 500, 1000, 2000)
PATIENCE_S = 120.0
_STATEMENT_TAIL = 65
"""The last line of a statement, the body's hash: an entry ends with the statement, so both end alike."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; ``histogram`` counts events up to each of :data:`BUCKETS_MS`, and the rest."""

    rate: int
    events: int
    p50: float
    p90: float
    p99: float
    worst: float
    histogram: dict[str, int]


async def measure_latency(rate: int, folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> Latency:
    """One rate on a broker of its own."""
    count = rate * (WARM_S + MEASURED_S)
    load = generate(count, batched=False, colleges=1)
    bench = Bench(folder / f"latency-{rate}", kafka, postgres, load.federation, f"bench_latency_{rate}")
    await bench.open()
    await finish_opening(bench, load)
    member = parse_statement(load.events[0].statement).member
    dsn = await postgres.create_database(f"bench_node_{rate}")
    pool = await open_pool(DatabaseConfig(url=dsn), name="bench")
    try:
        await migrate(pool, MIGRATIONS)
        async with bench.ledger():
            times = await _paced(bench, PostgresStore(pool), dsn, member, load.events[:count], rate)
    finally:
        await pool.close()
    return summary(rate, sorted(times[rate * WARM_S :]))


def summary(rate: int, times: Sequence[float]) -> Latency:
    """Percentiles and histogram of sorted seconds."""
    found = [second * 1000 for second in times]
    count = len(found)
    histogram: dict[str, int] = {}
    below = 0
    for bucket in BUCKETS_MS:
        upto = sum(1 for value in found if value <= bucket)
        histogram[f"<= {bucket}"], below = upto - below, upto
    histogram["more"] = count - below
    return Latency(
        rate, count, found[count // 2], found[count * 9 // 10], found[count * 99 // 100], found[-1], histogram
    )


async def _paced(
    bench: Bench, store: PostgresStore, dsn: str, member: str, events: Sequence[SignedStatement], rate: int
) -> list[float]:
    assert bench.config is not None
    kafka = bench.config.kafka
    end = await end_offsets(kafka, FEED, [0], client_id="bench")
    consumer = await start_consumer(kafka, client_id="bench-feed", positions={TopicPartition(FEED, 0): end[0]})
    publisher, stop = KafkaPublisher(kafka, member), asyncio.Event()
    relay = await relay_of(store, publisher, member, events[0])
    committed: dict[bytes, float] = {}
    times: list[float] = []

    async def read() -> None:
        while len(times) < len(events):
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                now = time.perf_counter()
                for message in messages:
                    begun = committed.pop(dict(message.headers)["entry"][-_STATEMENT_TAIL:], None)
                    if begun is not None:
                        times.append(now - begun)

    tasks = [asyncio.create_task(read()), asyncio.create_task(relay.run(stop))]
    try:
        await _commit_paced(dsn, events, rate, committed, relay.wake)
        await asyncio.wait_for(tasks[0], PATIENCE_S)
    finally:
        stop.set()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        await publisher.close()
        await consumer.stop()
    return times


async def _commit_paced(
    dsn: str, events: Sequence[SignedStatement], rate: int, committed: dict[bytes, float], wake: Any
) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    rows = [outbox_row(event) for event in events]
    try:
        start, sent = time.perf_counter(), 0
        while sent < len(events):
            await asyncio.sleep(TICK_S)
            due = min(len(events), int((time.perf_counter() - start) * rate))
            if due == sent:
                continue
            async with connection.transaction():
                await connection.copy_records_to_table(
                    "outbox", schema_name="node", columns=COLUMNS, records=rows[sent:due]
                )
                await connection.execute(
                    "UPDATE node.stream SET sequence = $2 WHERE family = $1", FAMILY, rows[due - 1][1]
                )
            now = time.perf_counter()
            for event in events[sent:due]:
                committed[event.statement[-_STATEMENT_TAIL:]] = now
            sent = due
            wake()
    finally:
        await connection.close()
