"""Insight on a real Kafka: windows counted once, repeats dropped, built again on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from passerelle.embedded import EmbeddedKafka
from passerelle.events.topics import SUMMARY, TOPICS
from passerelle.insight.config import InsightConfig
from passerelle.insight.main import InsightService
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import ensure_topics, start_producer
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
        assert await wait_for(there, timeout_s=60), found
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
