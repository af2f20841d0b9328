"""The demo's processes: services that stay, commands that end, all started by one nursery and stopped here."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import PasserelleError
from passerelle.embedded.child import send, tail
from passerelle.runtime.process import wait_for

READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 15.0
COMMAND_SECONDS: Final = 180.0
PARALLEL: Final = 2
"""Commands at once: the demo must run on two cores."""


@dataclass(slots=True)
class Process:
    """One started process; ``ended`` holds its exit code once it is gone."""

    name: str
    pid: int
    log: Path
    ended: asyncio.Future[int] = field(repr=False)
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command said."""

    code: int
    output: str
    errors: str


class Processes:
    """The nursery's client. Use it in the loop that it was opened in."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._nursery: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._started: dict[int, asyncio.Future[int]] = {}
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._last = 0
        self._turns = asyncio.Semaphore(PARALLEL)
        self._waves: list[list[Process]] = []

    async def open(self) -> None:
        """Start the nursery and wait until it has loaded the libraries. Raises PasserelleError ``child-failed``."""
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / "nursery.log"
        with log.open("ab") as errors:
            self._nursery = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "passerelle.demo.nursery",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C at the terminal reaches the demo alone, which stops the rest in order
            )
        assert self._nursery.stdout is not None
        if not await self._nursery.stdout.readline():
            raise PasserelleError("child-failed", f"The demo's processes cannot start.\n{tail(log)}", where=str(log))
        self._reader = asyncio.create_task(self._listen(self._nursery.stdout))

    async def _listen(self, answers: asyncio.StreamReader) -> None:
        while line := await answers.readline():
            answer = json.loads(line)
            futures = self._ended if "code" in answer else self._started
            future = futures.pop(answer["id"], None)
            if future is not None and not future.done():
                future.set_result(answer.get("code", answer.get("pid")))
        for future in (*self._started.values(), *self._ended.values()):
            if not future.done():
                future.set_exception(PasserelleError("child-failed", "The process that starts the others ended."))
                future.exception()  # seen here: nobody may be waiting for it

    async def _launch(self, name: str, argv: Sequence[str], output: Path, errors: Path) -> Process:
        nursery = self._nursery
        if nursery is None or nursery.stdin is None or nursery.returncode is not None:
            raise PasserelleError("child-failed", "The process that starts the others is gone.", where=name)
        loop = asyncio.get_running_loop()
        self._last += 1
        number = self._last
        started = self._started[number] = loop.create_future()
        ended = self._ended[number] = loop.create_future()
        request = {"id": number, "argv": list(argv), "stdout": str(output), "stderr": str(errors)}
        nursery.stdin.write(json.dumps(request).encode() + b"\n")
        await nursery.stdin.drain()
        try:
            return Process(name, await asyncio.shield(started), errors, ended)
        except asyncio.CancelledError:
            # It starts all the same, and nobody waits for it any more.
            started.add_done_callback(_stop_started)
            raise

    # Services

    async def start_all(self, wave: Sequence[tuple[str, Sequence[str], Path]]) -> list[dict[str, Any]]:
        """Start services together, each ``(name, argv, ready file)``, and wait until every one is ready.

        Returns their ready files in order. They are stopped together, later waves first. Raises PasserelleError
        ``child-failed`` with the end of the log for the first that ends or is late.
        """
        started: list[Process] = []
        self._waves.append(started)
        for name, argv, ready in wave:
            ready.unlink(missing_ok=True)
            log = self._logs / f"{name}.log"
            started.append(await self._launch(name, [*argv, "--ready-file", str(ready)], log, log))
        waits = [self._ready(process, ready) for process, (_, _, ready) in zip(started, wave, strict=True)]
        return list(await asyncio.gather(*waits))

    async def _ready(self, process: Process, ready: Path) -> dict[str, Any]:
        async def there() -> bool:
            return ready.exists() or process.ended.done()

        await wait_for(there, timeout_s=READY_SECONDS)
        if not ready.exists():
            raise _failure(process, "ended before it was ready" if process.ended.done() else "was not ready in time")
        found: dict[str, Any] = json.loads(ready.read_text(encoding="utf-8"))
        return found

    @property
    def _services(self) -> list[Process]:
        return [process for wave in self._waves for process in wave]

    async def watch(self) -> None:
        """Wait until a service ends without having been asked to, then raise its error."""
        running = {process.ended: process for process in self._services}
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        first = running[next(iter(done))]
        if not first.stopping:
            raise _failure(first, "ended by itself")

    # Commands

    async def run(self, *argv: str, ok: Sequence[int] = (0,)) -> Outcome:
        """Run one command to its end, at most two at a time. Raises PasserelleError ``child-failed``."""
        async with self._turns:
            with self._scratch() as (output, errors):
                process = await self._launch(" ".join(argv[:3]), argv, output, errors)
                try:
                    async with asyncio.timeout(COMMAND_SECONDS):
                        code = await asyncio.shield(process.ended)
                except BaseException:
                    send(process.pid, signal.SIGTERM)
                    raise
                told = Outcome(code, output.read_text("utf-8"), errors.read_text("utf-8"))
        if told.code not in ok:
            what = f"passerelle {' '.join(argv)} ended with {told.code}.\n{told.errors}"
            raise PasserelleError("child-failed", what, where=argv[0], fix="The cause stands above.")
        return told

    async def answer(self, *argv: str, ok: Sequence[int] = (0,)) -> Any:
        """Run one command with ``--json`` and read its answer."""
        return json.loads((await self.run(*argv, "--json", ok=ok)).output)

    @contextmanager
    def _scratch(self) -> Iterator[tuple[Path, Path]]:
        stem = self._logs / f"command-{os.getpid()}-{self._last + 1}"
        paths = (stem.with_suffix(".out"), stem.with_suffix(".err"))
        try:
            for path in paths:
                path.touch()
            yield paths
        finally:
            for path in paths:
                path.unlink(missing_ok=True)

    # The end

    async def close(self) -> None:
        """Stop every service, the last wave first: SIGTERM, a bounded wait, SIGKILL; then the nursery."""
        for wave in reversed(self._waves):
            running = [process for process in wave if not process.ended.done()]
            for process in running:
                process.stopping = True
                send(process.pid, signal.SIGTERM)
            if running:
                await asyncio.wait([process.ended for process in running], timeout=STOP_SECONDS)
            for process in running:
                if not process.ended.done():
                    send(process.pid, signal.SIGKILL)
        self._waves.clear()
        nursery = self._nursery
        if nursery is None:
            return
        if nursery.stdin is not None:
            nursery.stdin.close()
        try:
            async with asyncio.timeout(2 * STOP_SECONDS):
                await nursery.wait()
        except TimeoutError:
            nursery.kill()
            await nursery.wait()
        if self._reader is not None:
            await self._reader


def _stop_started(started: asyncio.Future[int]) -> None:
    if not started.cancelled() and started.exception() is None:
        send(started.result(), signal.SIGTERM)


def _failure(process: Process, what: str) -> PasserelleError:
    end = tail(process.log)
    text = f"{process.name} {what}.\n{end}\n" if end else f"{process.name} {what}."
    return PasserelleError("child-failed", text, where=str(process.log), fix="More may stand in the log named above.")
