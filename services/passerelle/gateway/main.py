"""The gateway process: one client, one HTTP server, health apart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.client import Client, Ledger
from passerelle.core.errors import PasserelleError
from passerelle.gateway.config import GatewayConfig
from passerelle.gateway.http import Gateway, build_app
from passerelle.runtime.backoff import pause
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.limits import RateLimit
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.process import run_together
from passerelle.runtime.telemetry import configure_logging, health_app, serve_http

LOOK_S = 5.0


class GatewayService:
    """Ready while the query service answers; it starts without it, and says so."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._client: Client | None = None
        self._reached: str | None = "not asked yet"
        self._size = 0

    async def start(self) -> Mapping[str, Any]:
        """Open the servers."""
        config, clock = self._config, SystemClock()
        self._client = client = Client(config.query, timeout_s=config.call_timeout_s)
        self._stack.push_async_callback(client.close)
        health = await self._stack.enter_async_context(serve_http(health_app(self.health), config.telemetry.health))
        limit = RateLimit(config.rate_per_s, config.rate_burst, clock)
        gateway = Gateway(client, limit, config.call_timeout_s, config.body_max_kb * 1024)
        port = await self._stack.enter_async_context(serve_http(build_app(gateway), config.http))
        await self._look()
        return {
            "http": f"http://{config.http.host}:{port}",
            "health": f"{config.telemetry.health.host}:{health}",
        }

    def health(self) -> Mapping[str, Any]:
        """Ready while the query service answers; the log's size as it told it, or why it did not."""
        return {"ready": self._reached is None, "position": self._size, "problem": self._reached}

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the query service until the stop."""
        guard = MemoryGuard(self._config.memory_max_mb, limit_s=self._config.memory_over_s)
        await run_together(stop, lambda: self._looking(stop), lambda: guard.run(stop))

    async def _looking(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await pause(stop, LOOK_S)
            await self._look()

    async def _look(self) -> None:
        client = self._client
        assert client is not None
        try:
            head = await client.call(Ledger.GET_HEAD, ledger_pb2.GetHeadRequest(), timeout_s=LOOK_S)
        except PasserelleError as error:
            self._reached = error.code
        else:
            self._reached, self._size = None, int(head.position.size)

    async def close(self) -> None:
        """Servers first, then the client."""
        await self._stack.aclose()


def build(config: GatewayConfig) -> GatewayService:
    """The service from its configuration."""
    configure_logging(config.telemetry, service="gateway")
    return GatewayService(config)
