"""The ledger's loop: take a batch, decide, commit, tell; and begin again from the database after any failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.registry import Registry, from_snapshot
from passerelle.ledger import metrics
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.intake import Intake
from passerelle.ledger.model import Batch, CommitPlan, Head, Limits
from passerelle.ledger.ports import Checkpoints, Inboxes, Ingress, Store
from passerelle.ledger.prepare import Preparer
from passerelle.ledger.sequencer import Sequencer
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.clock import Clock

TICK_S: Final = 0.5
"""How often time-outs are looked at and the floor is raised while no event comes."""
CLOCK_ALARM_MS: Final = 5_000
BACK_OFF_FIRST_S: Final = 0.2
BACK_OFF_LAST_S: Final = 5.0
"""Waits before beginning again after a server was away grow from the first to the last."""
MIB: Final = 1024 * 1024
SLICE: Final = 50
"""Events decided between two looks at the event loop: some 2 ms."""
Wake = Callable[[int, CommitPlan | None], None]
"""Told the log's size after each commit, and the plan that was committed (None after a load)."""
_LOG = structlog.get_logger(__name__)


class LedgerService:
    """The one writer. Everything in memory is thrown away and loaded again when a commit or a server fails."""

    def __init__(self, config: LedgerConfig, store: Store, ingress: Ingress, inboxes: Inboxes, clock: Clock) -> None:
        self._config = config
        self._store = store
        self._ingress = ingress
        self._inboxes = inboxes
        self._clock = clock
        self._preparer = Preparer(config.verify_processes)
        self._limits = Limits(
            park_max=config.park_max,
            park_bytes=config.park_max_mb * MIB,
            reference_wait_ms=int(config.reference_wait_s * 1000),
        )
        self._sequencer: Sequencer | None = None
        self._head: Head | None = None
        self._registry: Registry | None = None
        self._wake: Wake = lambda _size, _plan: None
        self._committing: asyncio.Task[None] | None = None
        self._loaded = False
        self._behind = False
        self._pauses = Backoff("ledger", BACK_OFF_FIRST_S, BACK_OFF_LAST_S)
        self._turns = 0
        self._deciding = False
        self._shedding = False

    @property
    def head(self) -> Head:
        """The committed head. Raises Fatal before :meth:`start`."""
        if self._head is None:
            raise Fatal("service-stopping", "the ledger has not been loaded yet")
        return self._head

    @property
    def registry(self) -> Registry:
        """The registry as committed; not to be changed."""
        if self._registry is None:
            raise Fatal("service-stopping", "the ledger has not been loaded yet")
        return self._registry

    def health(self) -> Mapping[str, Any]:
        """For probes: ready while loaded and reading."""
        if self._head is None or self._sequencer is None:
            return {"ready": False, "state": "loading"}
        parking = self._sequencer.parking
        return {
            "ready": self._loaded,
            "state": "active" if self._loaded else "reloading",
            "size": self._head.size,
            "generation": self._head.generation,
            "waiting": parking.count,
            "stalled": len(parking.stalled(self._sequencer.accepted_at)),
            "clock_behind": self._behind,
        }

    def progress(self) -> Mapping[str, int]:
        """For the loop's watchdog: a batch that is decided or committed owes progress, which its turns are."""
        return {"batch": self._turns} if self._deciding or self._committing is not None else {}

    def shed(self) -> None:
        """Give up, before the next batch, the things that are kept between commits."""
        self._shedding = True

    async def start(self, *, checkpoints: Checkpoints | None = None, wake: Wake | None = None) -> None:
        """Load, and hold the log against its newest public checkpoint. ``wake`` is called after each commit.

        Raises Fatal ``checkpoint-behind`` (the database lacks entries that were promised) or ``ledger-diverged`` (it
        has others), Unavailable.
        """
        self._wake = wake or self._wake
        await self._load()
        promised = await checkpoints.latest() if checkpoints is not None else None
        if promised is None:
            return
        if promised.size > self.head.size:
            # Another ledger may have taken over since, and promised more: that is no fault of the database.
            await self._store.load()
            raise Fatal(
                "checkpoint-behind",
                f"the database holds {self.head.size} entries, a published checkpoint promises {promised.size}",
                where="database",
                fix="start the ledger again: it fills its database from the feed, and signs nothing before",
            )
        if await self._store.root_at(promised.size) != promised.root:
            raise Fatal(
                "ledger-diverged",
                f"the database's tree differs from the published checkpoint of size {promised.size}",
                where="database",
            )

    async def _load(self) -> None:
        self._loaded = False
        state = await self._store.load()
        self._sequencer = Sequencer(
            state, self._limits, trees=self._preparer.trees, things_cached=self._config.things_cached
        )
        self._head = state.head
        self._registry = from_snapshot(state.registry.snapshot())
        # A crash between the creation of the first topics and now is made good here.
        await self._inboxes.ensure(list(state.registry.members))
        await self._ingress.open(state.offsets)
        self._loaded = True
        metrics.SIZE.set(state.head.size)
        self._wake(state.head.size, None)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``. Servers that are away are waited for; raises Fatal for what must not go on."""
        while not stop.is_set():
            try:
                if not self._loaded:
                    await self._load()
                await self._pump(stop)
            except Unavailable as error:
                self._loaded = False
                _LOG.warning("begins again from the database", code=error.code, what=error.what, where=error.where)
                metrics.RELOADS.inc()
                await self._pauses.pause(stop)

    async def _pump(self, stop: asyncio.Event) -> None:
        """Collect, decide and commit until ``stop`` or an error."""
        intake = Intake(
            self._ingress,
            self._preparer,
            self._clock,
            maximum=self._config.batch_max,
            linger_s=self._config.linger_ms / 1000,
            bytes_max=self._config.batch_max_mb * MIB,
        )
        sequencer = self._sequencer
        assert sequencer is not None
        filling = asyncio.create_task(intake.fill(lambda: sequencer.registry))
        stopping = asyncio.create_task(stop.wait())
        taking: asyncio.Task[Batch] | None = None
        try:
            while not stop.is_set():
                taking = taking or asyncio.create_task(intake.take(TICK_S, self._committing))
                waits = {taking, filling, stopping} | ({self._committing} if self._committing else set())
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                if filling.done():
                    filling.result()
                if self._committing is not None and self._committing.done():
                    await self._settle()
                if taking.done():
                    batch, taking = taking.result(), None
                    await self._step(sequencer, batch)
            await self._settle()
        finally:
            tasks = {filling, stopping} | ({taking} if taking else set())
            for task in tasks:
                task.cancel()
            # A commit on its way is seen to its end: what is loaded next must not be older than it.
            await asyncio.wait(tasks | ({self._committing} if self._committing else set()))
            self._committing = None

    async def _settle(self) -> None:
        """Wait for the commit on its way. Raises what it raised."""
        task, self._committing = self._committing, None
        if task is not None:
            await task

    async def _step(self, sequencer: Sequencer, batch: Batch) -> None:
        """Decide while the batch before is committed, then begin this one's commit; or at least raise the floor."""
        now = self._clock.now_ms()
        self._watch_clock(sequencer.accepted_at - now)
        if self._shedding:
            sequencer.shed()
            self._shedding = False
        self._turns += 1
        self._deciding = True
        try:
            plan = await self._decide(sequencer, batch, now)
            await self._settle()
        finally:
            self._deciding = False
        if plan.empty:
            sequencer.accepted_at = max(sequencer.accepted_at, now)
            if sequencer.accepted_at > self.head.floor:
                await self._store.raise_floor(sequencer.size, sequencer.accepted_at)
                self.head.floor = sequencer.accepted_at
            return
        self._committing = asyncio.create_task(self._commit(plan))

    async def _commit(self, plan: CommitPlan) -> None:
        if plan.admitted:
            # Before the commit: whoever is in the registry has an inbox to be told in.
            await self._inboxes.ensure(plan.admitted)
        with metrics.COMMIT_SECONDS.time():
            await self._store.commit(plan)
        self._committed(plan)

    async def _decide(self, sequencer: Sequencer, batch: Batch, now: int) -> CommitPlan:
        sequencer.begin(batch, now)
        while not sequencer.done:
            needs = sequencer.advance(SLICE)
            if needs is None:
                await asyncio.sleep(0)
                continue
            if needs.edges or needs.spent:
                # The commit on its way may change them; things it changes are in the sequencer's memory.
                await self._settle()
            sequencer.take(needs, await self._store.answer(needs))
        return sequencer.finish()

    def _committed(self, plan: CommitPlan) -> None:
        head = self.head
        head.size, head.accepted_at, head.peaks = plan.size, plan.accepted_at, plan.peaks
        head.floor = max(head.floor, plan.accepted_at)
        if plan.registry is not None:
            self._registry = from_snapshot(plan.registry)
        self._pauses.reset()
        self._turns += 1
        assert self._sequencer is not None
        metrics.count(plan, self._sequencer.parking, self._sequencer.cached)
        self._wake(plan.size, plan)

    def _watch_clock(self, behind_ms: int) -> None:
        """A clock behind the log is an alarm and no stop: instants stand still until it has caught up."""
        behind = behind_ms > CLOCK_ALARM_MS
        metrics.CLOCK_BEHIND.set(max(behind_ms, 0) / 1000)
        if behind and not self._behind:
            _LOG.error("the clock is behind the log", code="clock-behind", seconds=behind_ms / 1000)
        self._behind = behind

    async def close(self) -> None:
        """Release threads and connections; may be called twice."""
        self._loaded = False
        await self._preparer.close()
        await self._ingress.close()
        try:
            await self._store.close()
        except Unavailable as error:
            _LOG.warning("the database connection did not close cleanly", code=error.code)
