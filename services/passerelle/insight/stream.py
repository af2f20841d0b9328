"""The Faust application: one agent over the summaries, one hourly windowed table, repeats dropped by position.

Faust runs at least once and may repeat a record after a crash; the position table drops what was counted. An error
in an agent would skip the record, so every record that cannot be read is logged, counted and left behind in plain
sight.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import faust
import structlog
from prometheus_client import Counter

from passerelle.events.topics import SUMMARY
from passerelle.insight.config import InsightConfig
from passerelle.insight.windows import HOUR_MS, SummaryInvalid, read_summary, row_key
from passerelle.runtime.kafka import client_options

_LOG = structlog.get_logger(__name__)
_READ = Counter("passerelle_insight_summaries_total", "Summaries taken in.", ["outcome"])
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0


def build_app(config: InsightConfig, generation: int) -> faust.App:
    """The application. A new ``generation`` has new tables and reads every summary again."""
    options = client_options(config.kafka)
    credentials: Any = None
    if config.kafka.security == "scram":
        credentials = faust.SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            ssl_context=options["ssl_context"],
            mechanism="SCRAM-SHA-512",
        )
    elif config.kafka.security == "mtls":
        credentials = faust.SSLCredentials(context=options["ssl_context"])
    return faust.App(
        "passerelle-insight",
        version=generation,
        broker=[f"kafka://{address}" for address in config.kafka.bootstrap.split(",")],
        broker_credentials=credentials,
        store="memory://",
        processing_guarantee="at_least_once",
        web_enabled=False,
        topic_partitions=1,
        topic_replication_factor=1,
        datadir=config.data_folder / f"faust-{generation}",
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        broker_commit_interval=1.0,
    )


class Windows:
    """The running application and its tables."""

    def __init__(self, config: InsightConfig, generation: int) -> None:
        self._max_rows = config.max_rows
        self.app = build_app(config, generation)
        # The topic is the ledger's: it is declared with its own settings, never by this application.
        topic = self.app.topic(SUMMARY, value_serializer="json")
        self._position: Any = self.app.Table("position", default=int, partitions=1)
        hourly: Any = self.app.Table("volume", default=int, partitions=1).tumbling(
            timedelta(milliseconds=HOUR_MS), expires=timedelta(hours=config.keep_hours)
        )
        self._volume: Any = hourly.relative_to(_accepted_at)
        self.app.agent(topic, name="count")(self._count)

    @property
    def position(self) -> int:
        """Log size up to which summaries are counted."""
        return int(self._position.get("size", 0))

    async def _count(self, stream: Any) -> None:
        async for event in stream.events():
            try:
                summary = read_summary(event.value)
            except SummaryInvalid as error:
                _READ.labels("invalid").inc()
                _LOG.error("a summary cannot be read", offset=event.message.offset, why=str(error))
                continue
            if summary.size <= self.position:
                _READ.labels("repeated").inc()
                continue
            for row in summary.counts:
                for outcome in ("accepted", "refused"):
                    if row[outcome]:
                        self._add(f"{row_key(row)}|{outcome}", int(row[outcome]))
            self._position["size"] = summary.size
            _READ.labels("counted").inc()

    def _add(self, key: str, count: int) -> None:
        if len(self._volume.table.data) >= self._max_rows:
            _READ.labels("row-left-out").inc()
            return
        self._volume[key] += count

    def rows(self) -> list[tuple[str, int, int, int]]:
        """(key, hour in Unix ms, accepted, refused), newest hour first."""
        found: dict[tuple[str, int], list[int]] = {}
        for (key, (start, _end)), count in self._volume.table.data.items():
            base, _, outcome = key.rpartition("|")
            row = found.setdefault((base, int(start * 1000)), [0, 0])
            row[outcome == "refused"] += count
        return [
            (key, hour, accepted, refused)
            for (key, hour), (accepted, refused) in sorted(found.items(), key=lambda item: (-item[0][1], item[0][0]))
        ]

    async def start(self) -> None:
        """Start consuming; returns once the application runs."""
        await asyncio.wait_for(self.app.start(), START_TIMEOUT_S)

    async def stop(self) -> None:
        """Stop; a worker can hang on stop, so the wait is bounded."""
        stopping = asyncio.ensure_future(self.app.stop())
        await asyncio.wait({stopping}, timeout=STOP_TIMEOUT_S)
        if not stopping.done():
            _LOG.warning("the stream application did not stop in time")
            stopping.cancel()


def _accepted_at(event: Any) -> float:
    """The instant that chooses the window, in seconds: the ledger's, not Kafka's."""
    return float(event.value["accepted_at"]) / 1000
