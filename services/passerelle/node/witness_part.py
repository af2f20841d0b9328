"""The witness beside relay and intake: reads the checkpoint topic on its own, settles, and tries again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog

from passerelle.core.errors import ConfigError, PasserelleError
from passerelle.core.note import CosignatureSigner, VerifierKey
from passerelle.core.witness import witness_name
from passerelle.events.topics import CHECKPOINT
from passerelle.node.alarms import Alarms
from passerelle.node.config import NodeConfig
from passerelle.node.log_reader import HttpLog
from passerelle.node.ports import Arrived, Source
from passerelle.node.stream import KafkaSource
from passerelle.node.witness import Witness
from passerelle.node.witness_ports import CosignatureDesk, WitnessStore
from passerelle.runtime.clock import Clock
from passerelle.runtime.keys import read_seed

_LOG = structlog.get_logger(__name__)
LOOK_S: Final = 5.0
RETRY_S: Final = 0.5
RETRY_MAX_S: Final = 30.0


class WitnessPart:
    """Runs a witness. ``log_vkey``: the log's key where it is configured; else the registry's record says it."""

    def __init__(
        self,
        witness: Witness,
        store: WitnessStore,
        alarms: Alarms,
        source: Source,
        *,
        operator: str,
        log_vkey: VerifierKey | None,
    ) -> None:
        self._witness = witness
        self._store = store
        self._alarms = alarms
        self._source = source
        self._operator = operator
        self._log_vkey = log_vkey
        self._pause = RETRY_S
        self.state = "starting"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``; whatever is away is tried again with growing pauses."""
        while not stop.is_set():
            try:
                await self._read(stop)
            except PasserelleError as error:
                self._hindered(error)
                try:
                    await asyncio.wait_for(stop.wait(), self._pause)
                except TimeoutError:
                    continue

    def _hindered(self, error: PasserelleError) -> None:
        state = f"waiting: {error.code}"
        # Told once, not at every try for as long as it lasts.
        if state != self.state:
            _LOG.warning("the witness waits", code=error.code, what=error.what, where=error.where)
        self.state = state
        self._pause = min(2 * self._pause, RETRY_MAX_S)

    async def _read(self, stop: asyncio.Event) -> None:
        batches = self._source.batches({CHECKPOINT: await self._start()})
        stopping = asyncio.ensure_future(stop.wait())
        following: asyncio.Future[Arrived] | None = None
        try:
            while not stop.is_set():
                keys = await self._keys()
                # Nothing more is read before what is here can be settled.
                if following is None and keys and not self._witness.full and not self._alarms.code:
                    following = asyncio.ensure_future(anext(batches))
                awaited: set[asyncio.Future[Any]] = {stopping} if following is None else {stopping, following}
                await asyncio.wait(awaited, timeout=self._pause if self._witness.waiting else LOOK_S,
                                   return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                if following is not None and following.done():
                    arrived, following = following.result(), None
                    await self._take(arrived, keys)
                if keys and not stop.is_set():
                    await self._settle(keys)
        finally:
            stopping.cancel()
            if following is not None:
                following.cancel()
                await asyncio.wait({following})
            await batches.aclose()

    async def _start(self) -> int | None:
        """Where to read from: the first time at the last checkpoint that the node's own intake took in, since a promise
        begins when it begins, and the log may not grow again for a long time.

        That place is kept at once: the intake goes on, and a restart must not pass over what was not settled.
        """
        positions = await self._store.positions()
        if "witness" in positions:
            return positions["witness"][1]
        following = positions.get("checkpoint", (0, None))[1]
        start = None if following is None else max(0, following - 1)
        await self._store.save_witness_position(start or 0)
        return start

    async def _keys(self) -> list[VerifierKey]:
        if self._log_vkey is not None:
            return [self._log_vkey]
        operator = await self._store.own_record(self._operator)
        vkey = (operator or {}).get("details", {}).get("log_vkey")
        return [VerifierKey.parse(str(vkey))] if vkey else []

    async def _take(self, arrived: Arrived, keys: list[VerifierKey]) -> None:
        wrong = self._witness.take([(value or b"", offset) for _, value, offset, _ in arrived.records], keys)
        if wrong:
            _LOG.error("a checkpoint was not taken", code=wrong[0].code, what=wrong[0].what, records=len(wrong))

    async def _settle(self, keys: list[VerifierKey]) -> None:
        try:
            await self._witness.settle(keys)
        except PasserelleError as error:
            self._hindered(error)
            return
        self._pause = RETRY_S
        self.state = f"stopped: {self._alarms.code}" if self._alarms.code else "cosigning"


async def open_witness(
    stack: AsyncExitStack,
    config: NodeConfig,
    store: WitnessStore,
    desk: CosignatureDesk,
    alarms: Alarms,
    clock: Clock,
) -> WitnessPart | None:
    """The witness of a configuration, None where it has none. Raises ConfigError, FormatError."""
    if (settings := config.witness) is None:
        return None
    seed = read_seed(settings.key_file)
    others = (config.key_file, config.learner_key_file, config.record_key_file)
    if any(path is not None and read_seed(path) == seed for path in others):
        what = "the witness's key is another key of this node"
        fix = "Make a key for this alone: passerelle node witness init."
        raise ConfigError("config-mismatch", what, where="witness.key_file", fix=fix)
    log = HttpLog(settings.log_url)
    stack.push_async_callback(log.close)
    signer = CosignatureSigner(witness_name(config.network, config.member), seed)
    return WitnessPart(
        Witness(store, alarms, log, desk, signer, clock, network=config.network),
        store,
        alarms,
        KafkaSource(config.kafka, config.member, "witness"),
        operator=config.operator,
        log_vkey=VerifierKey.parse(settings.log_vkey) if settings.log_vkey else None,
    )
