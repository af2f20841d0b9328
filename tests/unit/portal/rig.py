"""A portal on real servers for tests: its own database, its own feed topic, nobody to answer questions unless named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from tests.unit.portal.builder import Log

from passerelle.events.topics import FEED, INSIGHT, TOPICS
from passerelle.portal.config import PortalConfig
from passerelle.portal.service import PortalService
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig, KafkaConfig
from passerelle.runtime.kafka import ensure_topics, start_producer
from passerelle.runtime.process import wait_for

NOBODY = "127.0.0.1:1"
"""No service listens there: every question is refused at once."""


@dataclass
class Topic:
    """A feed topic of the test's own, written as the ledger writes the real one."""

    name: str
    config: KafkaConfig
    producer: AIOKafkaProducer

    async def write(self, log: Log, indices: Iterable[int]) -> None:
        """Publish entries of the log in this order, and wait until the broker has them."""
        sent = [
            await self.producer.send(
                self.name, value=log.bodies[index] or b"", key=b"member", headers=log.headers(index), partition=0
            )
            for index in indices
        ]
        await asyncio.gather(*sent)

    async def send(self, headers: list[tuple[str, bytes]], value: bytes) -> None:
        """Publish a record as given."""
        await self.producer.send_and_wait(self.name, value=value, key=b"member", headers=headers, partition=0)


@asynccontextmanager
async def feed_topic(bootstrap: str, name: str) -> AsyncIterator[Topic]:
    """A fresh topic with the feed's settings."""
    config = KafkaConfig(bootstrap=bootstrap)
    await ensure_topics(config, [replace(TOPICS[FEED], name=name)])
    producer = await start_producer(config, client_id="portal-tests", linger_ms=0)
    try:
        yield Topic(name, config, producer)
    finally:
        await producer.stop()


@asynccontextmanager
async def statistics_topic(config: KafkaConfig, name: str) -> AsyncIterator[AIOKafkaProducer]:
    """A fresh topic with the settings of the statistics, and a producer for it."""
    await ensure_topics(config, [replace(TOPICS[INSIGHT], name=name)])
    producer = await start_producer(config, client_id="portal-tests", linger_ms=0)
    try:
        yield producer
    finally:
        await producer.stop()


@dataclass
class Portal:
    """A running portal."""

    url: str
    service: PortalService
    config: PortalConfig

    @property
    def status(self) -> Any:
        """What it knows about its health."""
        return self.service.status

    async def reached(self, size: int) -> None:
        """Wait until this many entries are stored."""

        async def there() -> bool:
            return bool(self.service.status.next_index >= size)

        assert await wait_for(there, timeout_s=30), f"only {self.service.status.next_index} of {size} entries came"

    async def counted(self, records: int) -> None:
        """Wait until so many statistics records are stored."""
        found: list[Any] = []

        async def there() -> bool:
            found[:] = (await client.get("/api/statistics")).json()["records"]
            return len(found) >= records

        async with httpx.AsyncClient(base_url=self.url, timeout=20) as client:
            assert await wait_for(there, timeout_s=30), f"only {len(found)} of {records} statistics came"


def config_for(log: Log, folder: Path, dsn: str, kafka: KafkaConfig, **more: Any) -> PortalConfig:
    """The portal's configuration, as its TOML file would give it."""
    key = folder / "root.pub"
    key.write_text(log.root_key.hex() + "\n", encoding="ascii")
    values: dict[str, Any] = {
        "network": log.network,
        "root_public_key_file": key,
        "kafka": kafka,
        "database": DatabaseConfig(url=dsn),
        "query": NOBODY,
        **more,
    }
    return PortalConfig(**values)


@asynccontextmanager
async def portal(config: PortalConfig, topic: str, statistics: str = INSIGHT) -> AsyncIterator[Portal]:
    """Start a portal in this process and run it until the block ends."""
    service = PortalService(config, SystemClock(), topic=topic, statistics=statistics)
    stop = asyncio.Event()
    running: asyncio.Task[None] | None = None
    try:
        addresses = await service.start()
        running = asyncio.create_task(service.run(stop))
        yield Portal(addresses["http"], service, config)
    finally:
        stop.set()
        if running is not None:
            await asyncio.wait_for(running, 15)
        await service.close()
