"""What is read from Kafka: the hours by Faust, the statistics by a plain consumer.

The Faust application: one agent over the summaries, one hourly windowed table, repeats dropped by position.

Faust runs at least once and may repeat a record after a crash; the position table drops what was counted. An error
in an agent would skip the record, so every record that cannot be read is logged, counted and left behind in plain
sight.

The statistics are counted from the feed's first entry on and may miss none, and Faust passes over a record now and then
while partitions are assigned. So :class:`Reading` reads feed and summaries by offset, and keeps the rows in a file.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any, Final

import faust
import orjson
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from prometheus_client import Counter

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.events.feed import read_record
from passerelle.events.topics import FEED, SUMMARY
from passerelle.insight.config import InsightConfig
from passerelle.insight.statistics import Fold, Row
from passerelle.insight.windows import HOUR_MS, SummaryInvalid, read_summary, row_key
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.kafka import (
    CLIENT_ERRORS,
    ReaderWatch,
    client_options,
    start_consumer,
    stop_consumer,
    unreachable,
)

_LOG = structlog.get_logger(__name__)
_READ = Counter("passerelle_insight_summaries_total", "Summaries taken in.", ["outcome"])
_ENTRIES = Counter("passerelle_insight_entries_total", "Feed entries taken in.", ["outcome"])
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
READ_MS = 500
READ_MOST = 500
READ_FIRST_PAUSE_S = 0.5
READ_LAST_PAUSE_S = 15.0
SAVE_S = 30.0


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


class Reading:
    """Reads feed and summaries into the rows of the statistics, which stand in a file with the offsets they rest on.

    Rows and offsets are written together, so what was read after the last save is read again after a crash; rows take
    nothing twice. Another ``generation`` begins with no file: at the feed's first entry.
    """

    def __init__(self, config: InsightConfig, generation: int) -> None:
        self._config = config
        self._path = config.data_folder / f"statistics-{generation}.json"
        self._places: Final = {name: TopicPartition(name, 0) for name in (FEED, SUMMARY)}
        self._offsets = dict.fromkeys(self._places, 0)
        self.rows: dict[str, Row] = {}
        self._load()
        self.fold = Fold(self.rows, max_rows=config.max_rows, keep_days=config.keep_days)
        self._saved = dict(self._offsets)
        self._save_due = 0.0
        self._watch = ReaderWatch("insight", config.kafka)

    def _load(self) -> None:
        try:
            state = orjson.loads(self._path.read_bytes())
            if state["network"] == self._config.network:
                self.rows = state["rows"]
                self._offsets = {name: int(state["offsets"][name]) for name in self._places}
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            # The file can be made again from the feed, and a half of it counts for nothing.
            _LOG.error("the statistics file cannot be read and is counted anew", why=type(error).__name__)

    def save(self) -> None:
        """Put rows and offsets into the file, whole or not at all."""
        if self._saved == self._offsets:
            return
        state = {"network": self._config.network, "offsets": self._offsets, "rows": self.rows}
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(orjson.dumps(state))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        self._saved = dict(self._offsets)

    async def run(self, stop: asyncio.Event) -> None:
        """Read until ``stop``. What can pass is tried again with growing pauses, from where it stood."""
        pauses = Backoff("insight-read", READ_FIRST_PAUSE_S, READ_LAST_PAUSE_S)
        try:
            while not stop.is_set():
                try:
                    await self._session(stop, pauses)
                except Unavailable as error:
                    _LOG.warning("feed and summaries are not read", code=error.code, what=error.what)
                    await pauses.pause(stop)
        finally:
            self.save()

    async def _session(self, stop: asyncio.Event, pauses: Backoff) -> None:
        """Read with one consumer. Raises Unavailable."""
        config = self._config.kafka
        consumer = await start_consumer(config, client_id="passerelle-insight-statistics", positions={})
        self._watch.rest()
        try:
            await self._seek(consumer)
            while not stop.is_set():
                found = await consumer.getmany(timeout_ms=READ_MS, max_records=READ_MOST)
                pauses.reset()
                for place, records in found.items():
                    for record in records:
                        self._take(place.topic, record)
                        self._offsets[place.topic] = record.offset + 1
                if not found and self._watch.due():
                    positions = {place: self._offsets[name] for name, place in self._places.items()}
                    if still := await self._watch.still(consumer, positions):
                        raise self._watch.stalled(still)
                now = asyncio.get_running_loop().time()
                if now >= self._save_due:
                    self.save()
                    self._save_due = now + SAVE_S
        except OffsetOutOfRangeError:
            raise Unavailable("offset-out-of-range", "a topic was cut while it was read", where=SUMMARY) from None
        except CLIENT_ERRORS as error:
            raise unreachable(config, error) from None
        finally:
            await stop_consumer(consumer)

    async def _seek(self, consumer: AIOKafkaConsumer) -> None:
        """Go to the saved offsets, or to the first that a topic holds where it does not hold that one."""
        places = list(self._places.values())
        firsts, ends = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
        consumer.assign(places)
        for name, place in self._places.items():
            if not firsts[place] <= self._offsets[name] <= ends[place]:
                _LOG.warning("a topic does not hold the saved offset: read from its first", topic=name)
                self._offsets[name] = firsts[place]
            consumer.seek(place, self._offsets[name])

    def _take(self, topic: str, record: Any) -> None:
        try:
            if topic == SUMMARY:
                self.fold.summary(read_summary(orjson.loads(record.value or b"")))
                return
            checked = read_record(record.headers, record.value, self._config.network)
        except (PasserelleError, SummaryInvalid, orjson.JSONDecodeError) as error:
            _ENTRIES.labels("invalid").inc()
            why = error.code if isinstance(error, PasserelleError) else type(error).__name__
            _LOG.error("a record cannot be read", topic=topic, offset=record.offset, why=why)
            return
        holes, left_out = self.fold.holes, self.fold.left_out
        _ENTRIES.labels("counted" if self.fold.entry(checked) else "repeated").inc()
        _ENTRIES.labels("row-left-out").inc(self.fold.left_out - left_out)
        if self.fold.holes > holes:
            _ENTRIES.labels("missing").inc(self.fold.holes - holes)
            _LOG.error("the feed has a hole", code="feed-gap", before=checked.index, missing=self.fold.holes - holes)
