"""Passerelle's processes under a keeper that starts again what ended, as a supervisor of a machine would."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from passerelle.embedded.child import Child, tail
from passerelle.runtime.process import wait_for

LOOK_S = 0.1
START_S = 120.0
STOP_S = 20.0
_TOLD = re.compile(r"([a-z]+(?:-[a-z]+)+): ")
MOST_STARTS = 40
"""Starts of one process in one run; a process that needs more does not come up at all."""


@dataclass
class Kept:
    """One process: what it runs, where its output goes, and how often it was started."""

    name: str
    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "passerelle")
    most_starts: int = MOST_STARTS
    child: Child | None = None
    starts: int = 0
    asked: bool = False
    """Whether its present end was asked for."""
    codes: list[int] = field(default_factory=list)
    """Exit codes of those that ended, in order; negative: a signal."""

    @property
    def log(self) -> Path:
        """Standard output and error of every start."""
        return self.folder / f"{self.name}.log"

    @property
    def ready(self) -> Path:
        """Written by the process once it serves."""
        return self.folder / f"{self.name}.ready.json"

    @property
    def pid(self) -> int:
        """The process id. Only while it runs."""
        assert self.child is not None
        return self.child.pid

    def running(self) -> bool:
        """Whether it runs now."""
        return self.child is not None and self.child.running()

    def start(self) -> None:
        """Start it."""
        if self.starts >= self.most_starts:
            raise AssertionError(f"{self.name} was started {self.starts} times in vain:\n{tail(self.log, 40)}")
        self.starts += 1
        self.ready.unlink(missing_ok=True)
        argv = (sys.executable, *self.program, *self.argv, "--ready-file", str(self.ready))
        self.child = Child(self.name, argv, self.log, env=self.env)

    def finish(self) -> int:
        """Collect an ended process."""
        assert self.child is not None
        self.codes.append(self.child.finish())
        self.child = None
        return self.codes[-1]

    def addresses(self) -> dict[str, Any] | None:
        """What the ready file of the present process says; None before it is ready."""
        try:
            found: dict[str, Any] = json.loads(self.ready.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found if self.running() and found["pid"] == self.pid else None


class Keeper:
    """Starts processes, and starts again those that end, at once: the processes wait for their servers themselves."""

    def __init__(self, folder: Path, *, most_starts: int = MOST_STARTS) -> None:
        self._folder = folder
        self._most_starts = most_starts
        folder.mkdir(parents=True, exist_ok=True)
        self.kept: dict[str, Kept] = {}
        self.ended: Counter[tuple[str, int, str]] = Counter()
        """Ends that nobody asked for, by process, exit code and the error code that it told last."""

    def start(
        self, name: str, *argv: str, env: Mapping[str, str] | None = None, program: Sequence[str] = ("-m", "passerelle")
    ) -> Kept:
        """Start a process and keep it running; ``program`` is what Python runs before ``argv``."""
        made = Kept(name, argv, self._folder, dict(env or {}), tuple(program), self._most_starts)
        found = self.kept[name] = made
        found.start()
        return found

    def look(self) -> None:
        """Start again what ended since the last look."""
        for one in self.kept.values():
            if not one.running():
                if one.child is not None:
                    self._collect(one)
                one.start()

    def _collect(self, one: Kept) -> None:
        code = one.finish()
        if not one.asked:
            told = [found[1] for line in tail(one.log, 8).splitlines() if (found := _TOLD.match(line))]
            self.ended[one.name, code, told[-1] if told else ""] += 1
        one.asked = False

    async def keep(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            # Nothing tells of the end of a process, so it is looked at again and again.
            await wait_for(self._ended, timeout_s=LOOK_S, every_s=LOOK_S)

    async def _ended(self) -> bool:
        return not all(one.running() for one in self.kept.values())

    async def kill(self, name: str) -> int:
        """SIGKILL to a process; the keeper starts it again. Returns the process id that is gone."""
        child = self._ending(name)
        assert await child.kill() == -signal.SIGKILL
        return child.pid

    async def terminate(self, name: str) -> int:
        """SIGTERM to a process, which the keeper starts again. Its exit code, negative where it had to be killed."""
        return await self._ending(name).stop(STOP_S)

    def _ending(self, name: str) -> Child:
        one = self.kept[name]
        assert one.child is not None
        one.asked = True
        return one.child

    def freeze(self, name: str) -> int:
        """SIGSTOP: the process hangs with everything it holds. Returns its process id, for :meth:`thaw`."""
        pid = self.kept[name].pid
        os.kill(pid, signal.SIGSTOP)
        return pid

    @staticmethod
    def thaw(pid: int) -> None:
        """SIGCONT."""
        os.kill(pid, signal.SIGCONT)

    async def until_ready(self, name: str) -> dict[str, Any]:
        """Wait until a process serves; its addresses."""
        found = self.kept[name]

        async def ready() -> bool:
            self.look()
            return found.addresses() is not None

        if not await wait_for(ready, timeout_s=START_S, every_s=LOOK_S):
            raise AssertionError(f"{name} is not ready after {START_S:g} s:\n{tail(found.log, 40)}")
        return found.addresses() or {}

    async def stop(self) -> dict[str, int]:
        """End everything that was started, in order; exit codes by name."""
        running = {name: one.child for name, one in self.kept.items() if one.child is not None}
        for child in running.values():
            with suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGCONT)
        codes = await asyncio.gather(*(child.stop(STOP_S) for child in running.values()))
        return dict(zip(running, codes, strict=True))
