"""Lets a round's faults happen in a running federation, each healed again before it returns."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from passerelle.embedded.child import descendants, send
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.federation import LEDGERS, PATIENCE_S, Federation
from passerelle.testing.faults.launcher import write_offset
from passerelle.testing.faults.plan import (
    ACTIVE,
    AHEAD,
    BEHIND,
    BROKER,
    DATABASE,
    DISK_FULL,
    FREEZE,
    KILL,
    NODE,
    PORTAL,
    RESTART,
    STANDBY,
    TAKE_OVER,
    Strike,
)
from passerelle.testing.faults.proxy import Mode
from passerelle.testing.faults.watch import Watch

FREEZE_MORE_S: Final = 2.5
"""Added to the length of a freeze: longer than the lease of 2 s, and mostly than the broker's session of 3 s."""
WRONG_MS: Final = 600_000
_GENERATION: Final = "SELECT generation FROM ledger.lease"


class Striker:
    """Injects strikes. Two that hit the same thing come one after the other."""

    def __init__(self, network: Federation, watch: Watch) -> None:
        self._network = network
        self._watch = watch
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def play(self, strikes: list[Strike]) -> None:
        """Let all of them happen, each at its time. Raises AssertionError where one cannot."""
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                group.create_task(self._at_its_time(strike))

    async def take_over(self) -> None:
        """Let the standby take over now. Raises AssertionError where it does not."""
        await self._take_over(await self._network.active(self._watch))

    async def _at_its_time(self, strike: Strike) -> None:
        await asyncio.sleep(strike.at_s)
        if ">" in strike.target:
            process, _, server = strike.target.partition(">")
            name = await self._name(process, strike.choice)
            async with self._turns[f"{name}>{server}"]:
                await self._spoil(name, server, strike)
        elif strike.target in (BROKER, DATABASE):
            async with self._turns[strike.target]:
                await self._strike_server(strike)
        else:
            name = await self._name(strike.target, strike.choice)
            async with self._turns[name]:
                await self._strike_process(name, strike)

    async def _name(self, target: str, choice: int) -> str:
        """The process behind a target."""
        if target == NODE:
            offices = self._network.offices
            return f"node-{offices[choice % len(offices)]}"
        if target == PORTAL:
            return PORTAL
        active = await self._network.active(self._watch)
        if target == ACTIVE:
            return active
        assert target == STANDBY
        return next(name for name in LEDGERS if name != active)

    # Connections

    async def _spoil(self, name: str, server: str, strike: Strike) -> None:
        proxies = self._network.proxies(name, server)
        mode = Mode(strike.kind)
        try:
            for proxy in proxies:
                await proxy.switch(mode)
            if mode is not Mode.CUT:
                await asyncio.sleep(strike.for_s)
        finally:
            for proxy in proxies:
                await proxy.switch(Mode.OPEN)

    # Processes

    async def _strike_process(self, name: str, strike: Strike) -> None:
        keeper = self._network.keeper
        if strike.kind in (KILL, RESTART):
            await self._until_running(name)
            await (keeper.kill(name) if strike.kind == KILL else keeper.terminate(name))
        elif strike.kind == FREEZE:
            await self._until_running(name)
            with _stopped([keeper.kept[name].pid]):
                await asyncio.sleep(FREEZE_MORE_S + strike.for_s)
        elif strike.kind == TAKE_OVER:
            await self._take_over(name)
        else:
            assert strike.kind in (AHEAD, BEHIND)
            clock = self._network.clocks[name]
            try:
                write_offset(clock, WRONG_MS if strike.kind == AHEAD else -WRONG_MS)
                await asyncio.sleep(strike.for_s)
            finally:
                write_offset(clock, 0)

    async def _until_running(self, name: str) -> None:
        """It may have been struck, or have ended by itself, a moment ago."""

        async def running() -> bool:
            return self._network.keeper.kept[name].running()

        if not await wait_for(running, timeout_s=PATIENCE_S):
            raise AssertionError(f"{name} does not run\n{self._network.tell()}")

    async def _take_over(self, name: str) -> None:
        """The active ledger hangs until the other has the lease; then it wakes up in the past."""
        before = await self._watch.value("", _GENERATION)

        async def taken() -> bool:
            now = await self._watch.value("", _GENERATION)
            return before is not None and now is not None and now > before

        await self._until_running(name)
        with _stopped([self._network.keeper.kept[name].pid]):
            if not await wait_for(taken, timeout_s=PATIENCE_S, every_s=0.1):
                raise AssertionError(f"nobody took over from {name}\n{self._network.tell()}")

    # Servers

    async def _strike_server(self, strike: Strike) -> None:
        server = self._network.kafka if strike.target == BROKER else self._network.postgres
        if strike.kind == KILL:
            await server.kill()
            await server.start()
        elif strike.kind == RESTART:
            await server.restart()
        elif strike.kind == FREEZE:
            assert server.pid is not None
            with _stopped([server.pid, *descendants(server.pid)]):
                await asyncio.sleep(FREEZE_MORE_S + strike.for_s)
        else:
            assert strike.kind == DISK_FULL
            await self._fill(strike.for_s)

    async def _fill(self, seconds: float) -> None:
        disk, postgres = self._network.disk, self._network.postgres
        disk.fill()
        try:
            await asyncio.sleep(seconds)
        finally:
            disk.make_room()
        if postgres.pid is None:
            # A server that cannot write its log ends: it is started again where there is room, as an operator would.
            await postgres.kill()
            await postgres.start()


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    """SIGSTOP to all of these for the length of the block, then SIGCONT."""
    for pid in pids:
        send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            send(pid, signal.SIGCONT)
