"""The peer: a service as one would first write it. One message at a time: models, a signature check, one commit."""

from __future__ import annotations

import json
import time
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from passerelle.core.batch import from_kafka, verify_signed
from passerelle.core.catalogue import EVENT_TYPES
from passerelle.events.catalogue import DATA_MODELS
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import start_consumer

INSERT = "INSERT INTO naive VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
TABLE = "CREATE TABLE IF NOT EXISTS naive (id text PRIMARY KEY, member text, type text, body bytea, statement bytea)"


async def naive_rate(kafka: KafkaConfig, dsn: str, keys: dict[str, bytes], starts: dict[int, int], count: int) -> float:
    """Events a second of the naive service over the first ``count`` credential events after ``starts``."""
    topic = ingress_topic("credential")
    positions = {TopicPartition(topic, number): starts.get(number, 0) for number in range(TOPICS[topic].partitions)}
    consumer: AIOKafkaConsumer = await start_consumer(kafka, client_id="naive", positions=positions)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        await connection.execute(TABLE)
        done, begun = 0, 0.0
        async for message in consumer:
            begun = begun or time.perf_counter()
            await _store(connection, message, keys)
            done += 1
            if done == count:
                break
        return count / (time.perf_counter() - begun)
    finally:
        await consumer.stop()
        await connection.close()


async def batched_rate(
    kafka: KafkaConfig, dsn: str, keys: dict[str, bytes], starts: dict[int, int], count: int
) -> float:
    """The same service after its first improvement: a hundred events a commit, by executemany."""
    topic = ingress_topic("credential")
    positions = {TopicPartition(topic, number): starts.get(number, 0) for number in range(TOPICS[topic].partitions)}
    consumer: AIOKafkaConsumer = await start_consumer(kafka, client_id="naive-100", positions=positions)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        await connection.execute(TABLE.replace("naive", "naive_100"))
        done, begun = 0, 0.0
        rows: list[tuple[Any, ...]] = []
        async for message in consumer:
            begun = begun or time.perf_counter()
            rows.append(_row(message, keys))
            if len(rows) == 100:
                async with connection.transaction():
                    await connection.executemany(INSERT.replace("naive", "naive_100"), rows)
                done, rows = done + 100, []
            if done >= count:
                break
        return done / (time.perf_counter() - begun)
    finally:
        await consumer.stop()
        await connection.close()


async def _store(connection: asyncpg.Connection[Any], message: Any, keys: dict[str, bytes]) -> None:
    row = _row(message, keys)
    async with connection.transaction():
        await connection.execute(INSERT, *row)


def _row(message: Any, keys: dict[str, bytes]) -> tuple[Any, ...]:
    signed = from_kafka(message.headers, message.value)
    statement = verify_signed(signed, keys[signed.key_id])
    body = json.loads(signed.body)
    DATA_MODELS[body["type"]].model_validate_json(json.dumps(body["data"]), strict=True)
    return body["id"], statement.member, EVENT_TYPES[body["type"]].name, signed.body, signed.statement
