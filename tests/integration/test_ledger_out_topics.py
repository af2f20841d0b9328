"""What the ledger publishes, on a real Kafka and PostgreSQL: feed, inboxes, registry, summary, refused, checkpoints."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from tests.integration.ledger_out import (
    SECRET,
    Sample,
    empty_topics,
    read_topic,
    until_shown,
    vkey_of,
    whole_ledger,
)

from passerelle.core.checkpoint import open_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.statement import digest
from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import CHECKPOINT, FEED, REFUSED, REGISTRY, SUMMARY, inbox_topic
from passerelle.ledger.config import LedgerConfig
from passerelle.runtime.kafka import end_offsets
from passerelle.testing.federation import Federation, achievement
from passerelle.testing.running_ledger import Ledger, attached, begin_at_the_end, make_config


@dataclass
class World:
    ledger: Ledger
    sample: Sample
    config: LedgerConfig
    registry_from: int

    @property
    def size(self) -> int:
        return len(self.sample.events)


@pytest.fixture
async def config(
    kafka: EmbeddedKafka, database: str, tmp_path: Path, unique_name: Callable[[str], str]
) -> LedgerConfig:
    made = make_config(tmp_path, kafka.bootstrap, database, Federation(f"test.example/{unique_name('net')}"))
    await begin_at_the_end(made)
    await empty_topics(made.kafka)
    return made


@pytest.fixture
async def world(config: LedgerConfig) -> AsyncIterator[World]:
    start = (await end_offsets(config.kafka, REGISTRY, [0], client_id="test"))[0]
    sample = Sample(Federation(config.network))
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, len(sample.events))
        yield World(ledger, sample, config, start)


def headers_of(record: Any) -> dict[str, bytes]:
    return dict(record.headers)


async def test_the_feed_is_the_log_with_public_bodies_only(world: World) -> None:
    records = await read_topic(world.config.kafka, FEED)
    assert [int(headers_of(record)["index"]) for record in records] == list(range(world.size))
    rows = await world.ledger.look.fetch("SELECT entry, member, ingress FROM ledger.entry ORDER BY index")
    bodies = 0
    for record, row in zip(records, rows, strict=True):
        headers = headers_of(record)
        assert (headers["entry"], record.key) == (row["entry"], row["member"].encode())
        assert headers["ingress"].decode() == row["ingress"]
        entry = parse_entry(headers["entry"])
        statement = entry.parsed()
        if entry.accepted and statement.visibility == "public":
            assert digest(record.value) == statement.body_sha256
            bodies += 1
        else:
            assert record.value == b""
        assert SECRET.encode() not in record.value + headers["entry"]
    assert bodies == 7


async def test_checkpoints_are_signed_rise_and_cover_what_the_feed_holds(world: World) -> None:
    entries = [headers_of(record)["entry"] for record in await read_topic(world.config.kafka, FEED)]
    records = await read_topic(world.config.kafka, CHECKPOINT)
    sizes = []
    for record in records:
        checkpoint = open_checkpoint(record.value, [vkey_of(world.config)], origin=world.config.network).checkpoint
        assert record.key == str(checkpoint.size).encode()
        frontier = Frontier()
        frontier.extend(leaf_hashes(entries[: checkpoint.size]))
        assert frontier.root() == checkpoint.root
        sizes.append(checkpoint.size)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == world.size


async def test_inboxes_have_no_hole_and_hold_what_their_member_may_read(world: World) -> None:
    async def published() -> bool:
        return not await world.ledger.look.fetchval("SELECT count(*) FROM ledger.inbox_head WHERE published < number")

    await world.ledger.until(published, "the inboxes are published")
    kinds: dict[str, list[str]] = {}
    for member in ("operator", "humber", "york", "laval"):
        records = await read_topic(world.config.kafka, inbox_topic(member))
        assert [int(headers_of(record)["inbox-number"]) for record in records] == list(range(1, len(records) + 1))
        kinds[member] = [headers_of(record)["kind"].decode() for record in records]
        for record in records:
            value = orjson.loads(record.value)
            if headers_of(record)["kind"] == b"body":
                told = base64.b64decode(value["body"])
                assert orjson.loads(told)["subject"] == value["subject"]
                assert value["member"] != member
    # York is party to the release, Humber to York's case; nobody else hears of either.
    assert kinds["york"].count("body") == 1
    assert kinds["humber"].count("body") == 1
    assert "body" not in kinds["laval"] + kinds["operator"]
    receipts = [
        outcome
        for record in await read_topic(world.config.kafka, inbox_topic("humber"))
        if headers_of(record)["kind"] == b"receipts"
        for stream in orjson.loads(record.value)
        for outcome in stream["outcomes"]
    ]
    assert sorted(outcome["sequence"] for outcome in receipts) == list(range(1, 9))


async def test_registry_summary_and_refused_topics(world: World) -> None:
    kafka = world.config.kafka
    forged = replace(world.sample.laval.achievement("x"), batch_signature=bytes(64))
    await world.ledger.send(forged)

    async def told() -> bool:
        return bool(await read_topic(kafka, REFUSED))

    await world.ledger.until(told, "the refused topic has the record")
    members = {
        record.key: orjson.loads(record.value) for record in await read_topic(kafka, REGISTRY, world.registry_from)
    }
    assert set(members) == {b"operator", b"humber", b"york", b"laval"}
    assert members[b"york"]["roles"] == ["issue", "recognise"]
    counts = [count for record in await read_topic(kafka, SUMMARY) for count in orjson.loads(record.value)["counts"]]
    assert sum(count["accepted"] + count["refused"] for count in counts) == world.size
    (record,) = await read_topic(kafka, REFUSED)
    assert headers_of(record)["code"] == b"signature-invalid"
    assert orjson.loads(record.value)["member_named"] == "laval"
    assert forged.body not in record.value


async def test_after_a_restart_publishing_goes_on_without_a_hole(config: LedgerConfig) -> None:
    sample = Sample(Federation(config.network))
    size = len(sample.events)
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, size)
    more = [sample.york.achievement(f"more-{number}") for number in range(3)]
    async with whole_ledger(config) as (ledger, _process, _addresses):
        await ledger.send(*more)
        await until_shown(ledger, size + 3)
    indices = [int(headers_of(record)["index"]) for record in await read_topic(config.kafka, FEED)]
    assert indices == list(range(size + 3))


async def test_positions_that_were_lost_only_repeat(config: LedgerConfig) -> None:
    sample = Sample(Federation(config.network))
    size = len(sample.events)
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, size)
        await ledger.look.execute("UPDATE ledger.published SET position = 3 WHERE name = 'feed'")
        await ledger.look.execute("UPDATE ledger.checkpoint SET shown = false")
    async with whole_ledger(config) as (ledger, _process, _addresses):
        await until_shown(ledger, size)
    indices = [int(headers_of(record)["index"]) for record in await read_topic(config.kafka, FEED)]
    assert indices == [*range(size), *range(3, size)]
    sizes = [int(record.key) for record in await read_topic(config.kafka, CHECKPOINT)]
    # The one that was not marked as shown is published again, and none of this size is signed anew.
    assert sizes[-1] == size
    assert len({record.value for record in await read_topic(config.kafka, CHECKPOINT) if int(record.key) == size}) == 1


async def outcomes_of(config: LedgerConfig) -> list[tuple[str, str, int, str]]:
    async with attached(config) as ledger:
        return await ledger.outcomes()


async def test_a_database_that_was_lost_is_made_again_from_the_topics(
    config: LedgerConfig, tmp_path: Path, postgres: Any, unique_name: Callable[[str], str], kafka: EmbeddedKafka
) -> None:
    sample = Sample(Federation(config.network))
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, len(sample.events))
    name = unique_name("restored")
    dsn = await postgres.create_database(name)
    try:
        restored = make_config(tmp_path, kafka.bootstrap, dsn, Federation(config.network))
        await begin_at_the_end(restored)
        told = await read_topic(config.kafka, inbox_topic("york"))
        async with whole_ledger(restored) as (ledger, _process, _addresses):
            assert await ledger.outcomes() == await outcomes_of(config)
            await ledger.send(sample.york.achievement("after"))
            await until_shown(ledger, len(sample.events) + 1)
        numbers = [headers_of(record)["inbox-number"] for record in await read_topic(config.kafka, inbox_topic("york"))]
        assert numbers == [b"%d" % number for number in range(1, len(told) + 2)]
    finally:
        await postgres.drop_database(name)


async def test_a_database_that_differs_does_not_start(config: LedgerConfig) -> None:
    sample = Sample(Federation(config.network))
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await until_shown(ledger, len(sample.events))
    look = await asyncpg.connect(config.database.url)
    try:
        await look.execute(
            "UPDATE ledger.entry SET entry = set_byte(entry, 40, 49)"
            " WHERE index = (SELECT max(index) FROM ledger.entry)"
        )
        with pytest.raises(Fatal) as caught:
            async with whole_ledger(config):
                pass
        assert (caught.value.code, caught.value.where) == ("ledger-diverged", f"index {len(sample.events) - 1}")
        await look.execute("UPDATE ledger.tile SET hashes = set_byte(hashes, 0, 0) WHERE level = 0 AND n = 0")
        with pytest.raises(Fatal) as caught:
            async with whole_ledger(config):
                pass
        assert caught.value.code == "ledger-diverged"
    finally:
        await look.close()


# A broker that was killed may need a minute to come back on a busy machine.
@pytest.mark.timeout(300)
async def test_a_killed_broker_costs_repeats_and_no_entry(config: LedgerConfig, kafka: EmbeddedKafka) -> None:
    if kafka.external:
        pytest.skip("the given brokers are not this test's to kill")
    sample = Sample(Federation(config.network))
    laval, count = sample.laval, 3000
    data = achievement("laval")
    many = laval.sign([laval.write("credential.achievement-published", f"laval/{n}", data) for n in range(count)])
    size = len(sample.events) + count
    async with whole_ledger(config, sample.events) as (ledger, _process, _addresses):
        await ledger.send(*many)
        await ledger.until_size(len(sample.events) + 1)
        await kafka.kill()
        await kafka.restart()
        await until_shown(ledger, size, timeout_s=90)

        async def told() -> bool:
            return not await ledger.look.fetchval("SELECT count(*) FROM ledger.inbox_head WHERE published < number")

        await ledger.until(told, "the inboxes are published", timeout_s=60)
    highest = -1
    for record in await read_topic(config.kafka, FEED):
        index = int(headers_of(record)["index"])
        assert index <= highest + 1, "a hole in the feed"
        highest = max(highest, index)
    assert highest == size - 1
    letters = await read_topic(config.kafka, inbox_topic("laval"))
    numbers = {int(headers_of(record)["inbox-number"]) for record in letters}
    assert numbers == set(range(1, len(numbers) + 1))
