"""The query process: the index at the ledger's head, and four services on one address."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from passerelle.core.registry import Registry
from passerelle.query.config import QueryConfig
from passerelle.query.index import Index
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.postgres import PostgresLedger
from passerelle.query.rpc.server import open_services
from passerelle.query.source import Follower
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.postgres import connect
from passerelle.runtime.telemetry import configure_logging, health_app, serve_http

DATABASE_RETRY_S = 20.0
LEDGER_RETRY_S = 20.0


class QueryService:
    """Follower, index and gRPC server in one process."""

    def __init__(self, config: QueryConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._clock = SystemClock()
        self._index = Index(Registry(config.network, config.operator, config.root_public_key()))
        self._follower: Follower | None = None

    async def start(self) -> Mapping[str, Any]:
        """Read the whole log, then open the services. Raises ConfigError, Unavailable, Fatal."""
        config = self._config
        packs = load_packs(config.policies_folder or default_folder())
        pool = await connect(config.database, name="passerelle-query", retry_for=DATABASE_RETRY_S)
        self._stack.push_async_callback(pool.close)
        ledger = PostgresLedger(pool, page=config.page)
        self._follower = Follower(
            ledger, self._index, self._clock, network=config.network, poll_s=config.poll_ms / 1000
        )
        await self._follower.start(LEDGER_RETRY_S)
        server = await open_services(config, self._index, ledger, packs, self._clock, self._stack)
        health = await self._stack.enter_async_context(serve_http(health_app(self.health), config.telemetry.health))
        return {
            "grpc": f"{config.grpc.host}:{server.port}",
            "health": f"{config.telemetry.health.host}:{health}",
        }

    def health(self) -> Mapping[str, Any]:
        """Ready while the head is read; position, age of the last look, and what cannot be evaluated."""
        follower, position = self._follower, self._index.position
        return {
            "ready": follower is not None and follower.fresh,
            "position": position.size,
            "floor_ms": position.floor,
            "silent_s": None if follower is None else round(follower.silent_s, 1),
            "unreadable_rules": len(self._index.unreadable),
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the ledger until the stop."""
        assert self._follower is not None
        await self._follower.run(stop)

    async def close(self) -> None:
        """Services first, then the database."""
        await self._stack.aclose()


def build(config: QueryConfig) -> QueryService:
    """The service from its configuration."""
    configure_logging(config.telemetry, service="query")
    return QueryService(config)
