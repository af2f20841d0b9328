"""Insight on a real Kafka: windows counted once, repeats dropped, built again on demand."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from aiokafka import TopicPartition
from tests.integration.ledger_out import empty_topics
from tests.unit.ledger_out.test_case_summaries import OUTCOME, Office
from tests.unit.portal.builder import OPERATOR, Log

from passerelle.embedded import EmbeddedKafka
from passerelle.events.statistics import read_statistics
from passerelle.events.topics import FEED, INSIGHT, SUMMARY, TOPICS
from passerelle.insight.config import InsightConfig
from passerelle.insight.main import InsightService
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import end_offsets, ensure_topics, start_consumer, start_producer, stop_consumer
from passerelle.runtime.process import wait_for

HOUR = 3_600_000
START = 1_760_000_400_000 // HOUR * HOUR
BASE = 1_000_000_000
"""Far beyond the positions of other tests' ledgers, whose summaries stand in the same topic."""
MEMBER = "insight-college"


def summary(start: int, size: int, at: int, accepted: int) -> bytes:
    row = {"member": MEMBER, "jurisdiction": "CA-ON", "family": "credential", "type": "t"}
    counts = [row | {"accepted": accepted, "refused": size - start - accepted}]
    return json.dumps({"from": BASE + start, "size": BASE + size, "accepted_at": at, "counts": counts}).encode()


async def rows_at(address: str, position: int) -> list[dict[str, Any]]:
    """The windows once the service has counted up to ``position``."""
    found: dict[str, Any] = {}

    async def there() -> bool:
        found.update((await client.get("/windows")).json())
        return bool(found["position"] >= BASE + position)

    async with httpx.AsyncClient(base_url=address) as client:
        assert await wait_for(there, timeout_s=20), found
    return [row for row in found["rows"] if row["member"] == MEMBER]


async def serve(config: InsightConfig, position: int, *, rebuild: bool = False) -> list[dict[str, Any]]:
    service = InsightService(config, rebuild=rebuild)
    try:
        addresses = await service.start()
        return await rows_at(addresses["http"], position)
    finally:
        await service.close()


async def test_hours_are_counted_once_and_again_on_demand(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    settings = KafkaConfig(bootstrap=kafka.bootstrap)
    await ensure_topics(settings, [TOPICS[SUMMARY]])
    producer = await start_producer(settings, client_id="test")
    first, second = summary(0, 20, START, 20), summary(20, 40, START + 1000, 15)
    later = summary(40, 60, START + HOUR, 20)
    try:
        for value in (first, second, first, b"not a summary", b"{}", second, later):
            await producer.send_and_wait(SUMMARY, value)
    finally:
        await producer.stop()
    config = InsightConfig(
        network="test/log",
        root_public_key_file=tmp_path / "unused",
        kafka=settings,
        data_folder=tmp_path / "insight",
        keep_hours=24 * 90,
    )
    expected = [(START + HOUR, 20, 0), (START, None, None)]
    rows = await serve(config, 60)
    assert [(row["hour_ms"], row["accepted"], row["refused"]) for row in rows] == expected
    again = await serve(config, 60, rebuild=True)
    assert again == rows
    assert (tmp_path / "insight" / "generation").read_text().strip() == "2"


def at(hours: float) -> dt.datetime:
    return dt.datetime(2026, 11, 2, tzinfo=dt.UTC) + dt.timedelta(hours=hours)


def asked_and_decided(network: str) -> Log:
    """Five requests from Ontario to British Columbia, each decided two hours later."""
    log = Log(network=network, now=at(0))
    log.admit(OPERATOR, "operator", {"en": "Operator"}, ["CA"], ["operate"])
    log.admit("humber", "polytechnic", {"en": "Humber"}, ["CA-ON"], ["issue", "recognise"])
    log.admit("bcit", "polytechnic", {"en": "BCIT"}, ["CA-BC"], ["issue", "recognise"])
    for number in range(5):
        log.add("recognition.requested", "humber", f"humber/{number}", {"achievement": "humber/a", "receiver": "bcit"})
        denied = {
            "receiver": "bcit", "sending": {"achievement": "humber/a"}, "valid_from": "2026-01-01", "reason": "level",
            "request": f"humber/{number}",
        }  # fmt: skip
        log.add("recognition.denied", "bcit", f"bcit/{number}", denied, after=dt.timedelta(hours=2))
    return log


async def feed_of(settings: KafkaConfig, log: Log, indices: Iterable[int]) -> None:
    """Publish entries of the log, in this order, as the ledger does."""
    producer = await start_producer(settings, client_id="test")
    try:
        for index in indices:
            value = log.bodies[index] or b""
            await producer.send_and_wait(FEED, value, key=b"m", headers=log.headers(index), partition=0)
    finally:
        await producer.stop()


async def published(
    service: InsightService, settings: KafkaConfig, network: str, size: int, windows: int = 6
) -> set[bytes]:
    """Run the service until it told so many windows of this network as they are after ``size`` entries; as bytes."""
    first = await end_offsets(settings, INSIGHT, [0], client_id="test")
    partition, stop = TopicPartition(INSIGHT, 0), asyncio.Event()
    consumer = await start_consumer(settings, client_id="test", positions={partition: first[0]})
    found: set[bytes] = set()
    await service.start()
    running = asyncio.create_task(service.run(stop))

    async def there() -> bool:
        batch = await consumer.getmany(partition, timeout_ms=100)
        for one in batch.get(partition, []):
            record = read_statistics(one.value)
            if (record.network, record.position) == (network, size):
                found.add(one.value)
        return len(found) >= windows

    try:
        assert await wait_for(there, timeout_s=20), found
    finally:
        stop.set()
        await running
        await service.close()
        await stop_consumer(consumer)
    return found


async def test_statistics_of_the_feed_are_published_and_the_same_when_counted_again(
    kafka: EmbeddedKafka, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    settings, network = KafkaConfig(bootstrap=kafka.bootstrap), unique_name("log")
    await ensure_topics(settings, [TOPICS[name] for name in (SUMMARY, FEED, INSIGHT)])
    log = asked_and_decided(network)
    # The ledger publishes at least once: the second half of the entries comes twice.
    await feed_of(settings, log, [*range(len(log.entries)), *range(6, len(log.entries))])
    config = InsightConfig(
        network=network,
        root_public_key_file=tmp_path / "unused",
        kafka=settings,
        data_folder=tmp_path / "insight",
        publish_every_s=0.2,
    )
    size = len(log.entries)
    first = await published(InsightService(config, rebuild=False), settings, network, size)
    told = {(one.measure, one.window): one for one in map(read_statistics, first)}
    assert len(told) == 6
    times, decisions = told["decision-time", "month"].rows[0], told["acceptance", "month"].rows[0]
    assert (times.count, decisions.count, decisions.reason) == (5, 5, "level")
    assert times.p50_s == pytest.approx(2 * 3600, rel=0.05)
    again = await published(InsightService(config, rebuild=False), settings, network, size)
    rebuilt = await published(InsightService(config, rebuild=True), settings, network, size)
    assert again == first == rebuilt


def decided_and_appealed(number: int) -> Office:
    """A ledger with so many cases, each decided after ten days and appealed, and the decision kept."""
    office, names = Office(), [f"learner {place}" for place in range(number)]
    office.feed(*(event for name in names for event in office.opened(name)))
    office.wait(10)
    office.feed(*(office.decide(name, 1) for name in names))
    office.feed(*(office.act(name, "appealed", 2, ground="other") for name in names))
    office.feed(*(office.decide(name, 3, OUTCOME) for name in names))
    # Some commit of a later month.
    office.wait(40)
    office.feed(office.step("issued", "dora"))
    return office


async def test_what_cases_came_to_goes_from_the_ledgers_summaries_to_the_published_months(
    kafka: EmbeddedKafka, tmp_path: Path, unique_name: Callable[[str], str]
) -> None:
    settings, network, office = KafkaConfig(bootstrap=kafka.bootstrap), unique_name("log"), decided_and_appealed(12)
    await ensure_topics(settings, [TOPICS[name] for name in (SUMMARY, FEED, INSIGHT)])
    await empty_topics(settings)
    producer = await start_producer(settings, client_id="test")
    try:
        # The ledger publishes at least once.
        for value in (*office.ledger.summaries, *office.ledger.summaries[-3:]):
            await producer.send_and_wait(SUMMARY, orjson.dumps(value))
    finally:
        await producer.stop()
    config = InsightConfig(
        network=network,
        root_public_key_file=tmp_path / "unused",
        kafka=settings,
        data_folder=tmp_path / "insight",
        publish_every_s=0.2,
    )
    size = office.ledger.head.size
    first = await published(InsightService(config, rebuild=False), settings, network, size, 3)
    told = {one.measure: one for one in map(read_statistics, first)}
    assert {one.start for one in told.values()} == {dt.date(2026, 8, 1)}
    (end,), (time,) = told["appeal-outcomes"].rows, told["case-time"].rows
    assert (end.sending, end.receiving, end.outcome, end.count) == ("CA-ON", "CA-ON", "kept", 12)
    assert (time.count, time.p50_s, time.p90_s) == (12, 10 * 86_400, 10 * 86_400)
    assert await published(InsightService(config, rebuild=True), settings, network, size, 3) == first
