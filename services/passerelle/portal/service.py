"""The portal process: the follower, the comparison with checkpoints, and the pages, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from passerelle.events.topics import FEED, INSIGHT
from passerelle.portal.config import PortalConfig
from passerelle.portal.follow import Follower
from passerelle.portal.http.app import build_app
from passerelle.portal.http.site import Site, environment
from passerelle.portal.hub import Hub
from passerelle.portal.i18n import load
from passerelle.portal.postgres.reader import Reader
from passerelle.portal.postgres.statistics import StatisticsStore
from passerelle.portal.postgres.writer import Writer
from passerelle.portal.rpc import QueryClient
from passerelle.portal.statistics import Taker
from passerelle.portal.status import Status
from passerelle.portal.stream import KafkaFeed
from passerelle.portal.trust import Trust, Witness
from passerelle.runtime.clock import Clock
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.postgres import close_pool, connect, migrate
from passerelle.runtime.process import run_together
from passerelle.runtime.telemetry import health_app, serve_http

MIGRATIONS = "passerelle.portal.migrations"


class PortalService:
    """A :class:`passerelle.runtime.process.Service`."""

    def __init__(self, config: PortalConfig, clock: Clock, *, topic: str = FEED, statistics: str = INSIGHT) -> None:
        """``topic`` is the feed, ``statistics`` that of the statistics; tests that share a broker give their own."""
        self._config = config
        self._topic = topic
        self._statistics = statistics
        self._clock = clock
        self._stack = AsyncExitStack()
        self.status = Status()
        self.hub = Hub(config.feed.buffer, config.feed.max_clients)
        self._follower: Follower | None = None
        self._witness: Witness | None = None
        self._taker: Taker | None = None

    async def start(self) -> Mapping[str, Any]:
        """Open database, channel and pages. The pages answer before the feed is read: they say what they lack."""
        config = self._config
        root_key = config.root_public_key()
        pool = await connect(config.database, name="passerelle-portal", retry_for=config.start_patience_s)
        self._stack.push_async_callback(close_pool, pool)
        await migrate(pool, MIGRATIONS)
        reader, writer = Reader(pool), Writer(pool)
        questions = QueryClient(config.query, config.call_timeout_s)
        self._stack.push_async_callback(questions.close)
        trust = Trust(reader, root_key, config.operator, config.network)
        position = await writer.position()
        self.hub.start(position.next_index)
        self.status.next_index = position.next_index
        # A log that once signed another tree than its feed gives is not trusted again because of a restart.
        compared = await reader.checkpoint()
        self.status.diverged = compared is not None and not compared.agrees
        self._follower = Follower(
            writer, KafkaFeed(config.kafka, self._topic), questions, self.status, self.hub.publish, config.network
        )
        self._witness = Witness(reader, writer, questions, trust, self.status, self._clock)
        source = KafkaFeed(config.kafka, self._statistics, cut=True)
        self._taker = Taker(StatisticsStore(pool), source, self.status, config.network)
        site = Site(
            config, root_key, reader, questions, trust, self.hub, self.status, self._clock, load(), environment()
        )
        port = await self._stack.enter_async_context(serve_http(build_app(site), config.http))
        health = await self._stack.enter_async_context(
            serve_http(health_app(self.status.snapshot), config.telemetry.health)
        )
        # Entered last, so closed first: the streams end with a resume hint before the server waits for them.
        self._stack.callback(self.hub.close)
        return {
            "http": f"http://{config.http.host}:{port}",
            "health": f"http://{config.telemetry.health.host}:{health}",
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the feed until told to stop."""
        follower, witness, taker = self._follower, self._witness, self._taker
        assert follower is not None
        assert witness is not None
        assert taker is not None
        guard = MemoryGuard(self._config.memory_max_mb, self.hub.shed, limit_s=self._config.memory_over_s)
        try:
            await run_together(
                stop,
                lambda: follower.run(stop),
                lambda: witness.run(stop),
                lambda: taker.run(stop),
                lambda: guard.run(stop),
                lambda: self._end(stop),
            )
        finally:
            self.hub.close()

    async def _end(self, stop: asyncio.Event) -> None:
        """At the stop the streams end with a resume hint, while the follower stores what it has in hand."""
        await stop.wait()
        self.hub.close()

    async def close(self) -> None:
        """End the streams, the pages, the channel, the database."""
        await self._stack.aclose()
