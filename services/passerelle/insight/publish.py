"""Publishes the statistics to ``passerelle.insight.v1``: what changed, soon; everything, at the start and each day.

The topic keeps 30 days, so a reader that begins today finds every window that insight keeps. A record that was sent
twice says the same twice: readers go by measure, window and start.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog
from prometheus_client import Counter

from passerelle.core.errors import Unavailable
from passerelle.events.statistics import StatisticsRecord
from passerelle.events.topics import INSIGHT
from passerelle.insight.config import InsightConfig
from passerelle.insight.report import Rules, everything, records, touched
from passerelle.insight.stream import Reading
from passerelle.runtime.backoff import Backoff, pause
from passerelle.runtime.kafka import CLIENT_ERRORS, abandon, all_acked, start_producer, unreachable

_LOG = structlog.get_logger(__name__)
_SENT = Counter("passerelle_insight_published_total", "Statistics records published, each time again.")
AGAIN_S: Final = 24 * 3600.0
FIRST_PAUSE_S: Final = 0.5
LAST_PAUSE_S: Final = 30.0


class Publisher:
    """The one writer of the topic."""

    def __init__(self, config: InsightConfig, reading: Reading) -> None:
        self._config = config
        self._reading = reading
        self._rules = Rules(config.network, config.threshold, config.burst_factor)
        self._producer: Any = None
        self._all_due = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop``. What Kafka did not take is tried again with growing pauses."""
        pauses = Backoff("insight-publish", FIRST_PAUSE_S, LAST_PAUSE_S)
        try:
            while not stop.is_set():
                try:
                    await self._publish()
                    pauses.reset()
                    await pause(stop, self._config.publish_every_s)
                except Unavailable as error:
                    _LOG.warning("the statistics are not published", code=error.code, what=error.what)
                    await pauses.pause(stop)
        finally:
            await self._end()

    def due(self, now: float) -> list[StatisticsRecord]:
        """The records to publish at ``now`` (monotonic seconds): those that changed, or all."""
        fold, rows = self._reading.fold, self._reading.rows
        wanted = everything(rows) if now >= self._all_due else touched(fold.dirty)
        return list(records(rows, wanted, self._rules, fold.position)) if wanted else []

    async def _publish(self) -> None:
        """Raises Unavailable; then everything is due again."""
        now = asyncio.get_running_loop().time()
        found, fold = self.due(now), self._reading.fold
        fold.dirty = set()
        if now >= self._all_due:
            self._all_due = now + AGAIN_S
        if not found:
            return
        try:
            await self._send(found)
        except BaseException:
            self._all_due = 0.0
            raise
        _SENT.inc(len(found))

    async def _send(self, found: list[StatisticsRecord]) -> None:
        config = self._config.kafka
        if self._producer is None:
            self._producer = await start_producer(config, client_id="passerelle-insight")
        try:
            sent = [
                await self._producer.send(INSIGHT, value=record.write(), key=record.measure.encode(), partition=0)
                for record in found
            ]
            await all_acked(sent, config.publish_timeout_s)
        except CLIENT_ERRORS as error:
            await self._end()
            raise unreachable(config, error) from None

    async def _end(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await abandon(producer)
