"""Imports that nobody waits for at a terminal: what came by a folder or over HTTP, one file after the other.

A file is imported by the same importer as ``node import``, in a thread with connections of its own: reading a large
file must not hold up the relay. A node that is stopped in the middle begins the file again, which sends nothing twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from passerelle.core.errors import Fatal, PasserelleError, Retryable, Unavailable
from passerelle.node.config import NodeConfig
from passerelle.node.csv_report import ImportReport
from passerelle.node.formats.opening import Options
from passerelle.node.mapping import MappingFolder
from passerelle.runtime.backoff import Backoff, pause
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
MAX_STORED_ERRORS: Final = 1_000
"""Row errors in a job's report; all are counted."""
LOOK_S: Final = 5.0
FIRST_PAUSE_S: Final = 1.0
LAST_PAUSE_S: Final = 60.0


class Stopped(Exception):
    """The node stops: the import was left between two chunks and is begun again at the next start."""


class Later(Exception):
    """Database, disk or outbox has no room or does not answer now: nothing was decided about the file."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Asked:
    """What an import is told; empty parts are found from the file."""

    kind: str = ""
    format: str = ""
    mapping: str = ""

    def as_dict(self) -> dict[str, str]:
        """JSON-able."""
        found = {"kind": self.kind, "format": self.format, "mapping": self.mapping}
        return {name: value for name, value in found.items() if value}

    def options(self, mappings: MappingFolder) -> Options:
        """As the importer takes it."""
        return Options(
            kind=self.kind or None, format=self.format or None, mapping=self.mapping or None, mappings=mappings
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One file. ``state``: ``waiting``, ``running``, ``done``, ``failed``; instants in Unix ms."""

    id: str
    source: str
    name: str
    asked: Asked
    state: str
    made_at: int
    ended_at: int | None = None
    report: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file: imported, whole or in part, or not at all, with the reason."""

    report: ImportReport | None = None
    error: PasserelleError | None = None

    @property
    def state(self) -> str:
        """``done`` or ``failed``."""
        return "done" if self.error is None else "failed"

    def stored(self) -> dict[str, Any] | None:
        """The report without the values of changed cells, and with a bounded number of row errors."""
        if self.report is None:
            return None
        # A report can hold 100,000 errors: only those that are kept are written out.
        kept = replace(self.report, errors=self.report.errors[:MAX_STORED_ERRORS], changes=[])
        value = {**kept.as_dict(), "errors_in_all": len(self.report.errors)}
        value.pop("changes")
        return value


class JobStore(Protocol):
    """Jobs in the node's database."""

    async def add_job(self, job: Job, most: int) -> bool:
        """Store a new job; False where ``most`` pushed ones wait or run already, and nothing was stored."""

    async def job(self, job: str) -> Job | None:
        """A job by its id."""

    async def begin_jobs(self) -> list[str]:
        """At the start: pushed jobs that ran when the node ended wait again. The ids of all that wait."""

    async def next_job(self) -> Job | None:
        """The oldest pushed job that waits; it is running from now on."""

    async def wait_again(self, job: str) -> None:
        """A running job waits again."""

    async def end_job(self, job: Job) -> None:
        """Store what became of a job, new or running; the oldest that ended go, beyond 1,000."""

    async def open_jobs(self) -> int:
        """How many pushed jobs wait or run."""


Take = Callable[[Path, Asked], Awaitable[ImportReport]]
"""Import one file. Raises PasserelleError, Stopped."""


class ImportDesk:
    """One file at a time, whoever brings it."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._turn = asyncio.Lock()

    async def run(self, path: Path, asked: Asked) -> Outcome:
        """Import a file. Raises Later, Stopped; everything else is an outcome."""
        async with self._turn:
            try:
                return Outcome(await self._take(path, asked))
            except (Unavailable, Retryable, Fatal) as error:
                _LOG.warning("an import waits", code=error.code)
                raise Later(error.code) from None
            except PasserelleError as error:
                return Outcome(error=error)
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - the boundary: one file must not end the node
                _LOG.error("an import failed", kind=type(error).__name__)
                return Outcome(error=PasserelleError("internal", "the import failed by a defect of this program"))


def threaded(config: NodeConfig, mappings: Path, stopping: threading.Event) -> Take:
    """An import in a thread of its own, which ends between two chunks once ``stopping`` is set."""

    def progress(_done: int, _total: int) -> None:
        if stopping.is_set():
            raise Stopped

    async def work(path: Path, asked: Asked) -> ImportReport:
        from passerelle.node.formats.told import settings_of
        from passerelle.node.main import open_office

        async with open_office(config) as office:
            options = replace(asked.options(MappingFolder(mappings)), settings=await settings_of(office))
            report = await office.importer().run(path, options=options, progress=progress)
            await office.release()
            return report

    async def take(path: Path, asked: Asked) -> ImportReport:
        return await asyncio.to_thread(lambda: asyncio.run(work(path, asked)))

    return take


@dataclass(slots=True)
class JobRunner:
    """Takes pushed files off the queue. ``state`` is ``idle``, ``importing`` or ``waiting: <code>``."""

    store: JobStore
    desk: ImportDesk
    spool: Path
    clock: Clock
    state: str = "idle"
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """A job was added."""
        self._woken.set()

    def file(self, job: str) -> Path:
        """Where a job's file lies until it was imported."""
        return self.spool / f"{job}.file"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``."""
        pauses = Backoff("jobs", FIRST_PAUSE_S, LAST_PAUSE_S)
        begun = False
        while not stop.is_set():
            self._woken.clear()
            try:
                if not begun:
                    self._sweep(await self.store.begin_jobs())
                    begun = True
                while not stop.is_set() and await self.step():
                    pauses.reset()
                self.state = "idle"
            except Stopped:
                return
            except (Later, Unavailable, Retryable) as error:
                self.state = f"waiting: {error.code}"
                await pauses.pause(stop)
                continue
            await _either(stop, self._woken)

    def _sweep(self, known: list[str]) -> None:
        """Files of nobody: their push was never answered, or their job has ended."""
        for path in self.spool.iterdir():
            if path.suffix in {".part", ".file"} and not (path.suffix == ".file" and path.stem in known):
                path.unlink(missing_ok=True)

    async def step(self) -> bool:
        """Import the oldest waiting file; False where none waits. Raises Later, Stopped, Unavailable."""
        job = await self.store.next_job()
        if job is None:
            return False
        self.state = "importing"
        try:
            outcome = await self.desk.run(self.file(job.id), job.asked)
        except Later:
            await self.store.wait_again(job.id)
            raise
        error = outcome.error.as_dict() if outcome.error is not None else None
        if error is not None and str(self.spool) in error["where"]:
            # Where the node keeps a pushed file is nobody's business.
            error["where"] = "body"
        await self.store.end_job(
            replace(
                job, state=outcome.state, ended_at=self.clock.now_ms(), report=outcome.stored(), error=error,
            )
        )  # fmt: skip
        self.file(job.id).unlink(missing_ok=True)
        return True


async def _either(stop: asyncio.Event, woken: asyncio.Event) -> None:
    """Until one of the two is set, or it is time to look."""
    waiting = asyncio.ensure_future(woken.wait())
    looking = asyncio.ensure_future(pause(stop, LOOK_S))
    try:
        await asyncio.wait({waiting, looking}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        looking.cancel()
