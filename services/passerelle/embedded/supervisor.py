"""Starts a set of processes, reports the first that fails, and stops what it started and nothing else."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from passerelle.core.errors import PasserelleError
from passerelle.embedded.child import POLL_SECONDS, Child, Ready


@dataclass(frozen=True)
class ChildSpec:
    """What to start: a unique `name`, `argv`, the file its output goes to, and the condition that says it serves."""

    name: str
    argv: Sequence[str]
    log: Path
    ready: Ready | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready_seconds: float = 60.0
    stop_seconds: float = 10.0


class Supervisor:
    """Children in waves: those of one `start_all` start together, and are stopped together, later waves first.

    Nothing is restarted by itself. Every child has its own session (Ctrl-C reaches only this process) and, on Linux,
    dies with this process even when that is killed. Use it from the main thread.
    """

    def __init__(self) -> None:
        self._waves: list[list[str]] = []
        self._specs: dict[str, ChildSpec] = {}
        self._children: dict[str, Child] = {}
        self._expected_gone: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, spec: ChildSpec) -> Child:
        """Start one child as a wave of its own and wait until it is ready."""
        return (await self.start_all([spec]))[0]

    async def start_all(self, specs: Sequence[ChildSpec]) -> list[Child]:
        """Start the children together and wait until each is ready.

        Raises `child-failed`, with the log's tail, for the first that ends or is late; the others stay for `stop`.
        """
        names = [spec.name for spec in specs]
        known = sorted(set(names) & self._specs.keys())
        if known or len(set(names)) != len(names):
            raise ValueError(f"children need unique names: {known or names}")
        self._waves.append(names)
        self._specs.update({spec.name: spec for spec in specs})
        for spec in specs:
            self._children[spec.name] = self._spawn(spec)
        waits = [asyncio.ensure_future(self._wait_ready(spec)) for spec in specs]
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()
        return [self._children[name] for name in names]

    def child(self, name: str) -> Child:
        """Return the child of that name; KeyError when it was never started."""
        return self._children[name]

    async def stop_child(self, name: str) -> int:
        """Stop one child for a while; return its exit code. `restart_child` brings it back."""
        self._expected_gone.add(name)
        return await self._children[name].stop(self._specs[name].stop_seconds)

    async def kill_child(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill one child, for fault tests; return its exit code."""
        self._expected_gone.add(name)
        self._children[name].send(number)
        return await self._children[name].kill()

    async def restart_child(self, name: str) -> Child:
        """Start a child again with what it was started with first, ending the old process if it still runs."""
        spec = self._specs[name]
        await self.stop_child(name)
        self._children[name] = self._spawn(spec)
        self._expected_gone.discard(name)
        await self._wait_ready(spec)
        return self._children[name]

    def failed(self) -> PasserelleError | None:
        """Return the error of a child that ended without having been asked to, or None."""
        for name, child in self._children.items():
            if name not in self._expected_gone and not child.running():
                return child.failure(f"{name} ended by itself with exit code {child.finish()}.")
        return None

    async def watch(self) -> None:
        """Wait until a child ends by itself, then raise its error. Cancel it to stop watching."""
        while (error := self.failed()) is None:  # noqa: ASYNC110 - the end of a process sets no event
            await asyncio.sleep(POLL_SECONDS * 4)
        raise error

    async def stop(self) -> dict[str, int]:
        """Stop every child, the last wave first: SIGTERM, a bounded wait, SIGKILL. Return exit codes by name.

        Calling it twice is allowed, and it finishes even when the caller is cancelled meanwhile.
        """
        stopping = asyncio.ensure_future(self._stop_all())
        try:
            return await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping
            raise

    async def _stop_all(self) -> dict[str, int]:
        codes: dict[str, int] = {}
        for names in reversed(self._waves):
            started = [name for name in names if name in self._children]
            for name, code in zip(started, await asyncio.gather(*map(self.stop_child, started)), strict=True):
                codes[name] = code
        self._waves.clear()
        self._specs.clear()
        self._children.clear()
        self._expected_gone.clear()
        return codes

    def _spawn(self, spec: ChildSpec) -> Child:
        return Child(spec.name, spec.argv, spec.log, env=spec.env, cwd=spec.cwd)

    async def _wait_ready(self, spec: ChildSpec) -> None:
        if spec.ready is not None:
            await self._children[spec.name].wait_ready(spec.ready, spec.ready_seconds)
