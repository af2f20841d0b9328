"""The insight process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from passerelle.core.errors import ConfigError
from passerelle.events.topics import FEED, INSIGHT, SUMMARY, TOPICS
from passerelle.insight.config import InsightConfig
from passerelle.insight.http import build_page
from passerelle.insight.publish import Publisher
from passerelle.insight.stream import Reading, Windows
from passerelle.runtime.backoff import Backoff, patiently
from passerelle.runtime.kafka import ensure_topics
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.process import run_together
from passerelle.runtime.telemetry import configure_logging, serve_http

GENERATION_FILE = "generation"
START_FIRST_S = 0.5
START_LAST_S = 10.0


def read_generation(folder: Path, *, rebuild: bool) -> int:
    """The generation of the tables, one on when they are to be built again. Raises ConfigError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / GENERATION_FILE
    try:
        generation = int(path.read_text(encoding="ascii")) if path.exists() else 1
    except ValueError:
        raise ConfigError("config-invalid", "the generation file does not hold a number", where=str(path)) from None
    generation += rebuild
    path.write_text(f"{generation}\n", encoding="ascii")
    return generation


class InsightService:
    """Windows, their JSON page and the publication of the statistics in one process."""

    def __init__(self, config: InsightConfig, *, rebuild: bool) -> None:
        self._config = config
        self._rebuild = rebuild
        self._stack = AsyncExitStack()
        self._windows: Windows | None = None
        self._reading: Reading | None = None

    async def start(self) -> Mapping[str, Any]:
        """Start the application and the page."""
        config, pauses = self._config, Backoff("insight-start", START_FIRST_S, START_LAST_S)
        topics = [TOPICS[name] for name in (SUMMARY, FEED, INSIGHT)]
        await patiently(lambda: ensure_topics(config.kafka, topics), pauses, config.start_patience_s)
        generation = read_generation(self._config.data_folder, rebuild=self._rebuild)
        self._reading = reading = Reading(config, generation)
        self._windows = windows = Windows(self._config, generation)
        self._stack.push_async_callback(windows.stop)
        await windows.start()
        port = await self._stack.enter_async_context(serve_http(build_page(windows, reading), self._config.http))
        return {"http": f"http://{self._config.http.host}:{port}"}

    async def run(self, stop: asyncio.Event) -> None:
        """The application runs by itself; it ends with the run, where there is time for it."""
        guard = MemoryGuard(self._config.memory_max_mb, limit_s=self._config.memory_over_s)
        windows, reading = self._windows, self._reading
        assert windows is not None
        assert reading is not None
        publisher = Publisher(self._config, reading)
        await run_together(stop, lambda: guard.run(stop), lambda: reading.run(stop), lambda: publisher.run(stop))
        await windows.stop()

    async def close(self) -> None:
        """Stop the page, then the application."""
        await self._stack.aclose()


def build(config: InsightConfig, *, rebuild: bool = False) -> InsightService:
    """The service from its configuration."""
    configure_logging(config.telemetry, service="insight")
    return InsightService(config, rebuild=rebuild)
