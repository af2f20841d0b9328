"""The query process: the index at the ledger's head, and four services on one address."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog

from passerelle.core.errors import FormatError
from passerelle.core.registry import Registry
from passerelle.query.config import QueryConfig
from passerelle.query.index import Index
from passerelle.query.keeping import Keeper, restored
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.postgres import PostgresLedger
from passerelle.query.postgres_cases import SESSION
from passerelle.query.rpc.server import open_services
from passerelle.query.source import Follower
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.postgres import close_pool, connect
from passerelle.runtime.process import run_together
from passerelle.runtime.rpc import RpcServer
from passerelle.runtime.telemetry import configure_logging, health_app, serve_http

_LOG = structlog.get_logger(__name__)


class QueryService:
    """Follower, index and gRPC server in one process."""

    def __init__(self, config: QueryConfig) -> None:
        self._config = config
        self._stack = AsyncExitStack()
        self._clock = SystemClock()
        self._index = self._empty()
        self._follower: Follower | None = None
        self._keeper: Keeper | None = None
        self._server: RpcServer | None = None

    async def start(self) -> Mapping[str, Any]:
        """Read the whole log, then open the services. Raises ConfigError, Unavailable, Fatal."""
        config = self._config
        packs = load_packs(config.policies_folder or default_folder())
        # First of all, so that a process that waits for the database says so.
        health = await self._stack.enter_async_context(serve_http(health_app(self.health), config.telemetry.health))
        pool = await connect(
            config.database, name="passerelle-query", retry_for=config.start_patience_s, session=SESSION
        )
        self._stack.push_async_callback(close_pool, pool)
        ledger = PostgresLedger(pool, page=config.page)
        await self._fill(ledger)
        self._server = server = await open_services(config, self._index, ledger, packs, self._clock, self._stack)
        return {
            "grpc": f"{config.grpc.host}:{server.port}",
            "health": f"{config.telemetry.health.host}:{health}",
        }

    async def _fill(self, ledger: PostgresLedger) -> None:
        """The index from its snapshot and what follows it, or from the whole log where the snapshot is of no use."""
        config, mark = self._config, None
        if config.snapshot_file is not None:
            self._index, mark = await restored(config.snapshot_file, config.network, self._empty)
        self._follower = self._following(ledger)
        try:
            await self._follower.start(config.start_patience_s, mark)
        except FormatError as error:
            _LOG.warning("the snapshot is not of this log; the index is read from the database", code=error.code)
            self._index = self._empty()
            self._follower = self._following(ledger)
            await self._follower.start(config.start_patience_s)
        if config.snapshot_file is not None:
            self._keeper = Keeper(config.snapshot_file, config.snapshot_every_s, self._index, self._follower)

    def _empty(self) -> Index:
        config = self._config
        return Index(Registry(config.network, config.operator, config.root_public_key()))

    def _following(self, ledger: PostgresLedger) -> Follower:
        config = self._config
        return Follower(ledger, self._index, self._clock, network=config.network, poll_s=config.poll_ms / 1000)

    def health(self) -> Mapping[str, Any]:
        """Ready while the head is read; position, age of the last look, and what cannot be evaluated."""
        follower, position = self._follower, self._index.position
        return {
            "ready": follower is not None and follower.fresh,
            "position": position.size,
            "floor_ms": position.floor,
            "silent_s": None if follower is None else round(follower.silent_s, 1),
            "unreadable_rules": len(self._index.unreadable),
            "snapshot_position": None if self._keeper is None else self._keeper.saved,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the ledger until the stop."""
        follower, config = self._follower, self._config
        guard = MemoryGuard(config.memory_max_mb, limit_s=config.memory_over_s)
        assert follower is not None
        parts = [lambda: follower.run(stop), lambda: guard.run(stop), lambda: self._end(stop)]
        keeper = self._keeper
        if keeper is not None:
            parts.append(lambda: keeper.run(stop))
        await run_together(stop, *parts)

    async def _end(self, stop: asyncio.Event) -> None:
        """At the stop, calls that run get a moment; new ones are refused."""
        await stop.wait()
        if self._server is not None:
            await self._server.stop()

    async def close(self) -> None:
        """Services first, then the database."""
        await self._stack.aclose()


def build(config: QueryConfig) -> QueryService:
    """The service from its configuration."""
    configure_logging(config.telemetry, service="query")
    return QueryService(config)
