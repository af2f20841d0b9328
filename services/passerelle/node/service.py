"""The node as a process: intake, relay and comparison side by side, and what it says about itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import prometheus_client
import structlog

from passerelle.core.errors import Unavailable
from passerelle.node.alarms import Alarms
from passerelle.node.imports_part import ImportsPart
from passerelle.node.intake import Intake
from passerelle.node.ports import StatusStore
from passerelle.node.relay import Relay
from passerelle.node.restore import Restorer
from passerelle.node.witness_part import WitnessPart
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.process import run_together

_LOG = structlog.get_logger(__name__)
LOOK_S: Final = 5.0
SILENCE_S: Final = 900.0

_SENT = prometheus_client.Gauge("passerelle_node_sent_events", "Events handed to Kafka since the start")
_WAITING = prometheus_client.Gauge("passerelle_node_waiting_events", "Events without an answer", ["family"])
_HELD = prometheus_client.Gauge("passerelle_node_held_drafts", "Drafts that wait for a thing of another", ["family"])
_REFUSED = prometheus_client.Gauge("passerelle_node_refused_events", "Events refused by the ledger", ["family"])
_SILENT = prometheus_client.Gauge("passerelle_node_silent_seconds", "Since a checkpoint of the ledger came")


class Snapshot:
    """What health and metrics show: counts are looked up every few seconds, states are live."""

    def __init__(
        self,
        member: str,
        relay: Relay,
        intake: Intake,
        status: StatusStore,
        alarms: Alarms,
        restorer: Restorer,
        witness: WitnessPart | None = None,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._member = member
        self._relay = relay
        self._intake = intake
        self._status = status
        self._alarms = alarms
        self.restorer = restorer
        self.witness = witness
        self.imports: ImportsPart | None = None
        self._silence_s = silence_s
        self._silent = False
        self._problems: list[str] = []

    def as_dict(self) -> Mapping[str, Any]:
        """``ready`` is false while an alarm is open, the streams are not compared, or a problem stops the relay."""
        parts = (self._relay, self._intake, self.restorer)
        waits = any(part.state.startswith(("starting", "stopped")) for part in parts)
        return {
            # Nobody has admitted a new member yet: it is ready to be.
            "ready": not waits and not self._alarms.code and self.restorer.settled,
            "member": self._member,
            "relay": self._relay.state,
            "intake": self._intake.state,
            "streams": self.restorer.state,
            "problems": self._problems,
            "alarm": self._alarms.code,
            "ledger": "silent" if self._silent else "heard",
            "witness": self.witness.state if self.witness is not None else "off",
            "imports": dict(self.imports.states) if self.imports is not None else {},
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Look the counts up until ``stop``."""
        while not stop.is_set():
            self._listen()
            try:
                await self._look()
            except Unavailable as error:
                _LOG.warning("the counts cannot be read", code=error.code)
            try:
                await asyncio.wait_for(stop.wait(), LOOK_S)
            except TimeoutError:
                continue

    def _listen(self) -> None:
        """The ledger tells its checkpoint again while it idles: silence is a standstill, there or on the way here."""
        silent_s = self._intake.silent_s
        _SILENT.set(silent_s)
        silent = silent_s >= self._silence_s
        if silent and not self._silent:
            _LOG.warning("the ledger is silent", seconds=round(silent_s))
        self._silent = silent

    async def _look(self) -> None:
        await self._alarms.refresh()
        self._problems = [str(problem["code"]) for problem in await self._status.problems()]
        _SENT.set(self._relay.sent)
        for row in await self._status.streams():
            _WAITING.labels(row["family"]).set(row["waiting"])
            _HELD.labels(row["family"]).set(row["held"])
            _REFUSED.labels(row["family"]).set(row["refused"])


Opened = tuple[Relay, Intake, Snapshot, tuple[str, ...], Mapping[str, Any]]


class NodeService:
    """See :class:`passerelle.runtime.process.Service`. ``open_node`` opens everything inside the given stack."""

    def __init__(self, open_node: Callable[[AsyncExitStack], Awaitable[Opened]], guard: MemoryGuard) -> None:
        self._open = open_node
        self._guard = guard
        self._stack = AsyncExitStack()
        self._opened: Opened | None = None

    async def start(self) -> Mapping[str, Any]:
        """Open database, Kafka and health; the addresses for the ready file."""
        self._opened = await self._open(self._stack)
        return self._opened[4]

    async def run(self, stop: asyncio.Event) -> None:
        """Take in and relay until ``stop``."""
        if self._opened is None:
            raise Unavailable("service-unavailable", "the node was not started")
        relay, intake, snapshot, topics, _ = self._opened
        parts = [lambda: relay.run(stop), lambda: intake.run(stop, topics), lambda: snapshot.run(stop)]
        parts += [lambda: snapshot.restorer.run(stop), lambda: self._guard.run(stop)]
        if (witness := snapshot.witness) is not None:
            parts.append(lambda: witness.run(stop))
        if (imports := snapshot.imports) is not None:
            parts.append(lambda: imports.run(stop))
        await run_together(stop, *parts)

    async def close(self) -> None:
        """Release what was opened, last first."""
        await self._stack.aclose()


@asynccontextmanager
async def closing(thing: Any) -> AsyncIterator[Any]:
    """Close something with an awaitable ``close`` at the end of the block."""
    try:
        yield thing
    finally:
        await thing.close()
