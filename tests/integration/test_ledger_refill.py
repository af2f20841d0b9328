"""The ledger's database restored from before the last checkpoint: it fills itself again, or refuses to sign."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from tests.integration.ledger_out import Sample, empty_topics, read_topic, until_shown, vkey_of, whole_ledger

from passerelle.core.errors import Fatal, PasserelleError, Unavailable
from passerelle.core.registry import Registry
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import CHECKPOINT, FEED, INGRESS, TOPICS, inbox_topic
from passerelle.ledger.check_run import run_check
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.main import LedgerProcess, default_parts
from passerelle.ledger.postgres.check import open_snapshot
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.kafka import start_producer
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import attached, begin_at_the_end, make_config

KEPT = 8
"""Entries that the backup holds."""
MODELS = (
    "entry",
    "public_body",
    "party_body",
    "refused_body",
    "stream",
    "thing",
    "dependency",
    "member",
    "tile",
    "volume",
)


def database_of(url: str, name: str) -> str:
    """The address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@dataclass
class Restored:
    """A ledger that wrote every sample event, and its database as it was after the first ones."""

    config: LedgerConfig
    lost: str
    sample: Sample

    async def rows(self, url: str, table: str) -> list[tuple[Any, ...]]:
        look = await asyncpg.connect(url)
        try:
            return sorted((tuple(row) for row in await look.fetch(f"SELECT * FROM ledger.{table}")), key=repr)
        finally:
            await look.close()

    async def size(self) -> int:
        return int((await self.rows(self.config.database.url, "head"))[0][3])


@asynccontextmanager
async def administration(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection beside the test's database."""
    connection = await asyncpg.connect(database_of(url, "postgres"))
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def restored(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> AsyncIterator[Restored]:
    federation = Federation(f"test.example/{unique_name('net')}")
    config = make_config(tmp_path, kafka.bootstrap, database, federation)
    await begin_at_the_end(config)
    await empty_topics(config.kafka)
    sample = Sample(federation)
    async with whole_ledger(config, sample.events[:KEPT]) as (ledger, _process, _addresses):
        await until_shown(ledger, KEPT)
    name = urlsplit(database).path[1:]
    backup = unique_name("backup")
    async with administration(database) as admin:
        await admin.execute(f'CREATE DATABASE "{backup}" TEMPLATE "{name}"')
    try:
        async with whole_ledger(config) as (ledger, _process, _addresses):
            await ledger.send(*sample.events[KEPT:])
            await until_shown(ledger, len(sample.events))
        url = database_of(database, backup)
        back = config.model_copy(update={"database": config.database.model_copy(update={"url": url})})
        yield Restored(back, database, sample)
    finally:
        async with administration(database) as admin:
            await admin.execute(f'DROP DATABASE "{backup}" WITH (FORCE)')


async def inbox(config: LedgerConfig, member: str) -> list[tuple[int, str, Any]]:
    """What an inbox topic holds: number, kind, value."""
    found = []
    for record in await read_topic(config.kafka, inbox_topic(member)):
        headers = dict(record.headers)
        found.append((int(headers["inbox-number"]), headers["kind"].decode(), orjson.loads(record.value)))
    return found


async def fails(config: LedgerConfig) -> PasserelleError:
    """Start a ledger that must not come up; the error that it ends with."""
    process = LedgerProcess(config, make_parts=default_parts)
    try:
        with pytest.raises((Fatal, Unavailable)) as caught:
            await process.start()
    finally:
        await process.close()
    return caught.value


async def test_a_restored_database_fills_itself_and_goes_on(restored: Restored) -> None:
    config, sample = restored.config, restored.sample
    total = len(sample.events)
    before = {member: await inbox(config, member) for member in ("humber", "york", "operator")}
    async with whole_ledger(config) as (ledger, _process, _addresses):
        assert await ledger.size() == total
        for table in MODELS:
            assert await restored.rows(config.database.url, table) == await restored.rows(restored.lost, table), table
        heads = [(await restored.rows(url, "head"))[0] for url in (config.database.url, restored.lost)]
        # Generation and floor belong to a process, all else to the log.
        assert [(head[3], head[4], head[6]) for head in heads] == [(heads[1][3], heads[1][4], heads[1][6])] * 2
        assert await restored.rows(config.database.url, "ingress") == await restored.rows(restored.lost, "ingress")
        await ledger.send(sample.humber.achievement("after"))
        await until_shown(ledger, total + 1)
        after = {member: await inbox(config, member) for member in before}
        for member, letters in before.items():
            assert after[member][: len(letters)] == letters, f"{member} was told something again"
            assert [number for number, _, _ in after[member]] == list(range(1, len(after[member]) + 1))
        assert {member: len(after[member]) - len(before[member]) for member in before} == {
            "humber": 1,
            "york": 0,
            "operator": 0,
        }
    async with open_snapshot(config.database) as store:
        registry = Registry(config.network, config.operator, config.root_public_key())
        report = await run_check(store, registry, [vkey_of(config)], SystemClock())
    assert (report.sound, report.size) == (True, total + 1), report.faults


async def test_a_tampered_feed_is_not_signed(restored: Restored) -> None:
    config = restored.config
    records = await read_topic(config.kafka, FEED)
    signed = await read_topic(config.kafka, CHECKPOINT)
    await delete(config, {TopicPartition(FEED, 0): RecordsToDelete(before_offset=-1)})
    producer = await start_producer(config.kafka, client_id="test-rogue")
    try:
        for record in records:
            headers = dict(record.headers)
            if int(headers["index"]) == KEPT + 3:
                headers["entry"] = headers["entry"].replace(b"\naccepted\n", b"\nrefused not-owner\n")
                assert b"not-owner" in headers["entry"]
            await producer.send_and_wait(FEED, record.value, key=record.key, partition=0, headers=list(headers.items()))
    finally:
        await producer.stop()
    error = await fails(config)
    assert (error.code, error.where) == ("ledger-diverged", "checkpoint")
    assert "another root" in error.what
    assert await restored.size() == KEPT
    assert [record.value for record in await read_topic(config.kafka, CHECKPOINT)] == [row.value for row in signed]


async def test_bodies_past_retention_are_asked_for_and_waited_for(restored: Restored) -> None:
    config, sample = restored.config, restored.sample
    everything = [TopicPartition(name, number) for name in INGRESS for number in range(TOPICS[name].partitions)]
    await delete(config, dict.fromkeys(everything, RecordsToDelete(before_offset=-1)))
    error = await fails(config)
    assert error.code == "refill-waiting", error
    first = await restored.size()
    assert KEPT <= first < len(sample.events)
    asked = [value for _, kind, value in await inbox(config, "humber") if kind == "resend-from"]
    assert [value["family"] for value in asked] == ["credential"]
    async with attached(config) as ledger:
        # As a node does that was asked to relay its stream again.
        await ledger.send(*sample.events[KEPT:])
    async with whole_ledger(config) as (ledger, _process, _addresses):
        assert await ledger.size() == len(sample.events)
        for table in MODELS:
            assert await restored.rows(config.database.url, table) == await restored.rows(restored.lost, table), table


async def delete(config: LedgerConfig, places: dict[TopicPartition, RecordsToDelete]) -> None:
    """Delete records, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=config.kafka.bootstrap)
    await admin.start()
    try:
        await admin.delete_records(places)
    finally:
        await admin.close()
