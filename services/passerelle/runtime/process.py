"""Running one service as a process: the event loop, signals, the ready file, a bounded stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import structlog
import uvloop

from passerelle.core.errors import PasserelleError
from passerelle.runtime.blocked import LoopGuard

STOP_TIMEOUT_S: Final = 10.0
"""Longest time from the signal to the end of the process."""
CLOSE_TIMEOUT_S: Final = 3.0
"""The part of it that is left for closing connections."""
PARTS_TIMEOUT_S: Final = STOP_TIMEOUT_S - CLOSE_TIMEOUT_S - 1.0
"""The part of it in which the work in hand is finished."""
CANCEL_TIMEOUT_S: Final = 1.0
"""How long cancelled work may take when the process was told to stop; after an error it is :data:`STOP_TIMEOUT_S`."""
_LOG = structlog.get_logger(__name__)


class Service(Protocol):
    """What ``run_process`` runs: opened, then running until told to stop, then closed."""

    async def start(self) -> Mapping[str, Any]:
        """Open everything and return the addresses for the ready file."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; return soon after, with the work in hand finished."""

    async def close(self) -> None:
        """Release what ``start`` opened; called also when ``start`` failed half way."""


def run_process(build: Callable[[], Service], *, ready_file: Path | None = None, loop_blocked_s: float = 0.0) -> int:
    """Run a service to its end; the exit code is 0 after a stop by signal, 1 after an error that was told.

    A stop takes :data:`STOP_TIMEOUT_S` at most: what hangs beyond it, a thread for example, is ended with the process.
    So is a loop that stands still for ``loop_blocked_s`` seconds, with exit code 1; 0: no bound.
    """
    try:
        return uvloop.run(_main(build, ready_file, loop_blocked_s))
    except PasserelleError as error:
        _LOG.error("stopped", code=error.code, what=error.what, where=error.where, fix=error.fix)
        print(describe(error), file=sys.stderr)
        return 1


async def _main(build: Callable[[], Service], ready_file: Path | None, loop_blocked_s: float) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _told_to_stop, stop)
    service = build()
    with LoopGuard(loop_blocked_s):
        try:
            starting = asyncio.ensure_future(service.start())
            addresses = await first(starting, stop)
            if addresses is None:
                return 0
            if ready_file is not None:
                write_ready(ready_file, addresses)
            await run_until(service, stop)
            return 0
        finally:
            await bounded(service.close(), CLOSE_TIMEOUT_S, "closing")


def _told_to_stop(stop: asyncio.Event) -> None:
    if not stop.is_set():
        stop.set()
        last = threading.Timer(STOP_TIMEOUT_S, os._exit, (0,))
        last.daemon = True
        last.start()


async def run_until(service: Service, stop: asyncio.Event) -> None:
    """Run an opened service until ``stop`` or its own end; then its work in hand has a bounded time to finish."""
    running = asyncio.ensure_future(service.run(stop))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        stopping.cancel()
    await bounded(running, PARTS_TIMEOUT_S + 0.5, "the work in hand")


async def bounded(work: Awaitable[Any], timeout_s: float, what: str) -> bool:
    """Wait for ``work``, then cancel it; whether it ended by itself. Raises what it raised."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=timeout_s)
    if done:
        task.result()
        return True
    task.cancel()
    await asyncio.wait({task}, timeout=0.5)
    _LOG.warning("the stop was cut short", what=what, after_s=timeout_s)
    return False


async def first(work: asyncio.Future[Any], stop: asyncio.Event) -> Any | None:
    """The result of ``work``, or None where the stop came first (the work is then cancelled)."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        work.cancel()
        await asyncio.wait({work}, timeout=PARTS_TIMEOUT_S)
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
    patience = STOP_TIMEOUT_S
    try:
        done, _ = await asyncio.wait({*tasks, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if waiting not in done:
            for task in done:
                task.result()
        patience = CANCEL_TIMEOUT_S
        stop.set()
        await asyncio.wait(tasks, timeout=PARTS_TIMEOUT_S)
    finally:
        every = (*tasks, waiting)
        for task in every:
            task.cancel()
        # Cancelled work may still see a commit to its end; a server that is cut off must not hold it for ever.
        ended, _ = await asyncio.wait(every, timeout=patience)
    for task in every:
        if task in ended and not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def wait_for(condition: Callable[[], Awaitable[bool]], *, timeout_s: float, every_s: float = 0.05) -> bool:
    """Poll a condition until it holds or the time is over; says which."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while not await condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(every_s)
    return True
