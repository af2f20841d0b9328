"""P4: the outbox relay against a bare idempotent producer that sends the same records from memory.

The relay reads its rows from PostgreSQL, page by page, and notes in PostgreSQL how far it came; the bare producer does
neither. Both wait for every acknowledgement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from bench.events import generate
from passerelle.core.batch import SignedStatement
from passerelle.core.statement import parse_statement
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.node.postgres import MIGRATIONS, PostgresStore, open_pool
from passerelle.node.relay import PAGE, Relay
from passerelle.node.stream import KafkaPublisher, partition_of
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.kafka import ensure_topics, start_producer
from passerelle.runtime.postgres import migrate
from passerelle.testing.federation import Member

ROUNDS = 3
FAMILY = "credential"
COLUMNS = (
    "family", "sequence", "type", "subject", "thing", "statement", "body", "batch_size", "batch_index", "batch_path",
    "batch_signature", "key_id", "released_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Relayed:
    """Events a second, the best of the rounds of each."""

    events: int
    relay: float
    bare: float
    over_bare: float


async def measure_relay(count: int, kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> Relayed:
    """Rounds of both, taking turns, over one member's events."""
    load = generate(count, batched=True)
    member = parse_statement(load.events[0].statement).member
    events = [event for event in load.events if parse_statement(event.statement).member == member]
    config = KafkaConfig(bootstrap=kafka.bootstrap)
    await ensure_topics(config, TOPICS.values())
    relayed, bare = [], []
    for number in range(ROUNDS):
        dsn = await postgres.create_database(f"bench_relay_{number}")
        relayed.append(await _relay(dsn, config, member, events))
        bare.append(await _bare(config, member, events))
    return Relayed(len(events), max(relayed), max(bare), max(relayed) / max(bare))


async def _relay(dsn: str, kafka: KafkaConfig, member: str, events: Sequence[SignedStatement]) -> float:
    pool = await open_pool(DatabaseConfig(url=dsn), name="bench")
    publisher = KafkaPublisher(kafka, member)
    try:
        await migrate(pool, MIGRATIONS)
        await _fill(dsn, events)
        relay = await relay_of(PostgresStore(pool), publisher, member, events[0])
        # The first page starts the producer: it is not measured.
        await relay.step()
        start, before = time.perf_counter(), relay.sent
        while relay.sent < len(events):
            if not await relay.step():
                raise RuntimeError(f"the relay stands still: {relay.state}")
        return (relay.sent - before) / (time.perf_counter() - start)
    finally:
        await publisher.close()
        await pool.close()


async def relay_of(store: PostgresStore, publisher: KafkaPublisher, member: str, event: SignedStatement) -> Relay:
    """The relay of a member whose key the registry shows."""
    signer = Member(member).signer
    key = {"key_id": signer.key_id, "public_key": signer.public_key.hex(), "use": "sign", "removed_index": None}
    key |= {"valid_from": None, "valid_to": None}
    await store.put_members({member: {"member": member, "status": "active", "keys": [key], "details": {}}})
    return Relay(
        store, store, publisher, signer, SystemClock(), network=parse_statement(event.statement).network, member=member,
        bootstrap_key=None, resend_after_s=600.0,
    )  # fmt: skip


async def _fill(dsn: str, events: Sequence[SignedStatement]) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        last = parse_statement(events[-1].statement)
        await connection.execute("UPDATE node.stream SET sequence = $2 WHERE family = $1", FAMILY, last.sequence)
        await connection.copy_records_to_table(
            "outbox", schema_name="node", columns=COLUMNS, records=[outbox_row(event) for event in events]
        )
    finally:
        await connection.close()


def outbox_row(event: SignedStatement) -> tuple[Any, ...]:
    statement, body = parse_statement(event.statement), orjson.loads(event.body)
    return (
        statement.family, statement.sequence, body["type"], body["subject"], f"credential:{body['subject']}",
        event.statement, event.body, event.batch_size, event.batch_index, b"".join(event.batch_path),
        event.batch_signature, event.key_id, 1_790_000_000_000,
    )  # fmt: skip


async def _bare(config: KafkaConfig, member: str, events: Sequence[SignedStatement]) -> float:
    producer = await start_producer(config, client_id="bench-bare")
    topic, key = ingress_topic(FAMILY), member.encode()
    target = partition_of(member, TOPICS[topic].partitions)
    try:
        start = 0.0
        for first in range(0, len(events), PAGE):
            if first == PAGE:
                start = time.perf_counter()
            acks, batch = [], producer.create_batch()
            for event in events[first : first + PAGE]:
                if batch.append(key=key, value=event.body, timestamp=None, headers=event.headers()) is None:
                    acks.append(await producer.send_batch(batch, topic, partition=target))
                    batch = producer.create_batch()
                    batch.append(key=key, value=event.body, timestamp=None, headers=event.headers())
            acks.append(await producer.send_batch(batch, topic, partition=target))
            await asyncio.gather(*acks)
        return (len(events) - PAGE) / (time.perf_counter() - start)
    finally:
        await producer.stop()
