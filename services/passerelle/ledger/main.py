"""The ledger process: the loop, the lease, and the parts that run beside it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog

from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.registry import Registry
from passerelle.events.topics import TOPICS
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.model import Head
from passerelle.ledger.ports import MakeParts, Part, Parts, Shared
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.lease import Lease
from passerelle.ledger.postgres.store import PostgresStore
from passerelle.ledger.service import LedgerService
from passerelle.ledger.stream import IngressStream, KafkaInboxes
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.clock import Clock, SystemClock
from passerelle.runtime.kafka import ensure_topics
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.postgres import close_pool, connect, migrate
from passerelle.runtime.process import run_together
from passerelle.runtime.telemetry import configure_logging, health_app, serve_http
from passerelle.runtime.watchdog import Watchdog, watch

START_FIRST_S = 0.5
START_LAST_S = 10.0
# The loop's own connections: one writes, one keeps the lease, one reads for the next batch.
WRITER_POOL = 4
GC_THRESHOLDS = (300_000, 50, 100)
_LOG = structlog.get_logger(__name__)


def default_parts(shared: Shared) -> Parts:
    """Everything that a ledger of the network runs beside its loop."""
    from passerelle.ledger.outgoing import build_parts

    return build_parts(shared)


class LedgerProcess:
    """A ledger as a process: stands by until the lease is its own, then loads, checks, and runs loop and parts."""

    def __init__(
        self, config: LedgerConfig, *, make_parts: MakeParts = default_parts, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._make_parts = make_parts
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        # What one try to start has opened: given up whole before the next try.
        self._opened = AsyncExitStack()
        self._lease: Lease | None = None
        self._waits_for = ""
        self._away_since: float | None = None
        self._service: LedgerService | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._parts = Parts()
        self._addresses: dict[str, Any] = {}

    @property
    def head(self) -> Head:
        """The committed head."""
        return self._running.head

    @property
    def registry(self) -> Registry:
        """The registry as committed."""
        return self._running.registry

    @property
    def _running(self) -> LedgerService:
        if self._service is None:
            raise Fatal("service-stopping", "the ledger has not been loaded yet")
        return self._service

    def health(self) -> Mapping[str, Any]:
        """A snapshot for probes; a standby is alive and not ready, and says what it waits for."""
        if self._waits_for:
            return {"ready": False, "state": "waiting", "waits_for": self._waits_for}
        if self._service is None:
            return {"ready": False, "state": "standby"}
        publishing = {} if self._parts.outgoing is None else {"publishing": self._parts.outgoing.health()}
        return {**self._service.health(), **publishing}

    async def start(self) -> Mapping[str, Any]:
        """Stand by for the lease, then load and start the parts.

        Servers that are away are waited for, ``start_patience_s`` at most. Raises PasserelleError.
        """
        telemetry = self._config.telemetry
        port = await self._stack.enter_async_context(serve_http(health_app(self.health), telemetry.health))
        self._addresses["health"] = f"{telemetry.health.host}:{port}"
        pauses = Backoff("ledger-start", START_FIRST_S, START_LAST_S)
        while True:
            try:
                await self._open()
            except Unavailable as error:
                await self._give_up_opened()
                self._service = None
                if error.code == "refill-waiting" or self._out_of_patience():
                    # Bodies come when their senders send them: that is no server that is away.
                    raise
                self._waits_for = error.code
                pause = pauses.next_s()
                _LOG.warning("waits for a server", code=error.code, what=error.what, again_in_s=round(pause, 1))
                await asyncio.sleep(pause)
            else:
                self._waits_for = ""
                return self._addresses

    def _out_of_patience(self) -> bool:
        """Whether servers have been away for too long."""
        now = asyncio.get_running_loop().time()
        self._away_since = now if self._away_since is None else self._away_since
        return now - self._away_since >= self._config.start_patience_s

    def _standing_by(self) -> None:
        self._waits_for, self._away_since = "", None

    async def _open(self) -> None:
        """One try to open everything, inside ``_opened``. Raises PasserelleError."""
        config, opened = self._config, self._opened
        pool = await connect(config.database, name="passerelle-ledger")
        opened.push_async_callback(close_pool, pool)
        await migrate(pool, MIGRATIONS)
        writers = config.database.model_copy(update={"pool_size": WRITER_POOL})
        writer_pool = await connect(writers, name="passerelle-ledger-writer")
        opened.push_async_callback(close_pool, writer_pool)
        await ensure_topics(config.kafka, TOPICS.values(), replication=config.replication)
        store = PostgresStore(writer_pool, config)
        self._lease = lease = Lease(writer_pool, config.lease_s)
        opened.push_async_callback(lease.release)
        store.generation = await lease.acquire(self._standing_by)
        # Kept from now on: loading a large state may take longer than the lease, and a standby would take it meanwhile.
        self._keeping = asyncio.create_task(lease.keep(asyncio.Event()))
        opened.push_async_callback(_end, self._keeping)
        service = LedgerService(
            config, store, IngressStream(config.kafka), KafkaInboxes(config.kafka, config.replication), self._clock
        )
        opened.push_async_callback(service.close)
        self._parts = self._make_parts(Shared(config, self._clock, pool, self))
        outgoing = self._parts.outgoing
        if outgoing is not None:
            await outgoing.refill(store)
        # The state is loaded and held against the public promise before anything can read or add to it.
        await service.start(checkpoints=outgoing, wake=outgoing.wake if outgoing is not None else None)
        self._service = service
        for part in self._parts.all:
            opened.push_async_callback(part.close)
            self._addresses.update(await part.start())

    async def run(self, stop: asyncio.Event) -> None:
        """Run loop, lease and parts side by side; the first error stops them all and is raised."""
        service = self._running
        guard = MemoryGuard(self._config.memory_max_mb, self._shed, limit_s=self._config.memory_over_s)
        dog = Watchdog("ledger-loop", self._config.loop_stalled_s)

        def of(part: Part) -> Any:
            return lambda: part.run(stop)

        async def stalled(still: tuple[str, ...]) -> None:
            dog.acted(still, "end the process")
            raise Fatal("loop-stalled", "a batch was neither decided nor committed", where="ledger")

        await run_together(
            stop,
            lambda: service.run(stop),
            lambda: self._hold(stop),
            lambda: guard.run(stop),
            lambda: watch(dog, service.progress, stalled, stop),
            *(of(part) for part in self._parts.all),
        )
        # Nothing is written any more: a standby need not wait until the rest is closed.
        assert self._lease is not None
        assert self._keeping is not None
        await _end(self._keeping)
        await self._lease.release()

    def _shed(self) -> None:
        self._running.shed()
        if self._parts.outgoing is not None:
            self._parts.outgoing.shed()

    async def _hold(self, stop: asyncio.Event) -> None:
        """End with the error of the lease's keeper, or at ``stop``; the lease itself is kept until the close."""
        assert self._keeping is not None
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({self._keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._keeping.done():
            self._keeping.result()

    async def close(self) -> None:
        """Stop parts, loop and connections; the lease is given back so that a standby takes over at once."""
        await self._give_up_opened()
        await self._stack.aclose()

    async def _give_up_opened(self) -> None:
        opened, self._opened = self._opened, AsyncExitStack()
        await opened.aclose()


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end; its error was told where it was awaited."""
    task.cancel()
    await asyncio.wait({task})


def build(config: LedgerConfig) -> LedgerProcess:
    """The ledger of a configuration, as ``run_process`` runs it."""
    configure_logging(config.telemetry, service="ledger")
    # A batch is tens of thousands of objects that all go together: looking for cycles among them again and again
    # costs a sixth of the time and finds none.
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    return LedgerProcess(config)


__all__ = ["LedgerProcess", "build", "default_parts"]
