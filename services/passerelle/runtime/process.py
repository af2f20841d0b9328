"""Running one service as a process: the event loop, signals, the ready file, a bounded stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog
import uvloop

from passerelle.core.errors import PasserelleError

STOP_TIMEOUT_S = 10.0
_LOG = structlog.get_logger(__name__)


class Service(Protocol):
    """What ``run_process`` runs: opened, then running until told to stop, then closed."""

    async def start(self) -> Mapping[str, Any]:
        """Open everything and return the addresses for the ready file."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; return soon after, with the work in hand finished."""

    async def close(self) -> None:
        """Release what ``start`` opened; called also when ``start`` failed half way."""


def run_process(build: Callable[[], Service], *, ready_file: Path | None = None) -> int:
    """Run a service to its end; the exit code is 0 after a stop by signal, 1 after an error that was told."""
    try:
        return uvloop.run(_main(build, ready_file))
    except PasserelleError as error:
        _LOG.error("stopped", code=error.code, what=error.what, where=error.where, fix=error.fix)
        print(describe(error), file=sys.stderr)
        return 1


async def _main(build: Callable[[], Service], ready_file: Path | None) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    service = build()
    try:
        starting = asyncio.ensure_future(service.start())
        addresses = await first(starting, stop)
        if addresses is None:
            return 0
        if ready_file is not None:
            write_ready(ready_file, addresses)
        running = asyncio.ensure_future(service.run(stop))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        stopping.cancel()
        done, _ = await asyncio.wait({running}, timeout=STOP_TIMEOUT_S)
        if not done:
            running.cancel()
            await asyncio.wait({running}, timeout=1)
            _LOG.warning("stop took too long and was cut short")
            return 0
        running.result()
        return 0
    finally:
        await service.close()


async def first(work: asyncio.Future[Any], stop: asyncio.Event) -> Any | None:
    """The result of ``work``, or None where the stop came first (the work is then cancelled)."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.wait({work}, timeout=STOP_TIMEOUT_S)
        return None
    finally:
        waiting.cancel()


def write_ready(path: Path, addresses: Mapping[str, Any]) -> None:
    """Tell a supervisor that the service is up, and where: written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps({"pid": os.getpid(), **addresses}), encoding="utf-8")
    temporary.replace(path)


def describe(error: PasserelleError) -> str:
    """An error as people read it on a terminal."""
    place = f" ({error.where})" if error.where else ""
    mend = f"\n  to mend: {error.fix}" if error.fix else ""
    return f"{error.code}: {error.what}{place}{mend}"


async def run_together(stop: asyncio.Event, *parts: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the parts side by side until ``stop``; the first error stops the others and is raised."""
    tasks = [asyncio.create_task(part()) for part in parts]
    waiting = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting not in done:
            for task in done:
                task.result()
        stop.set()
        await asyncio.wait(tasks, timeout=STOP_TIMEOUT_S)
    finally:
        for task in (*tasks, waiting):
            task.cancel()
        results = await asyncio.gather(*tasks, waiting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def wait_for(condition: Callable[[], Awaitable[bool]], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Poll a condition until it holds or the time is over; says which."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not await condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(every_s)
    return True
