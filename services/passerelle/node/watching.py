"""Watched folders: a file left there is imported once it is complete, and moved away with its report.

A file goes from the folder to ``taking``, and from there to ``done`` (imported, whole or in part) or ``failed``
(nothing of it was taken). What is in ``taking`` when the node starts is imported again, which sends nothing twice.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from passerelle.core.errors import FormatError, Retryable, Unavailable
from passerelle.node.config import WatchConfig
from passerelle.node.csv_report import write_report
from passerelle.node.jobs import Asked, ImportDesk, Job, JobStore, Later, Outcome, Stopped
from passerelle.runtime.backoff import Backoff, pause
from passerelle.runtime.clock import Clock, as_datetime
from passerelle.runtime.ids import Ids

_LOG = structlog.get_logger(__name__)
TAKING: Final = "taking"
DONE: Final = "done"
FAILED: Final = "failed"
MAX_SEEN: Final = 10_000
"""Entries of a folder that are looked at; the others' turn comes when these are gone."""
_UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")
"""How programs that copy name what is not complete."""
_ODD: Final = re.compile(r"[^\w.\- ]")

Stamp = tuple[int, int, int]
"""Size, time of change (ns) and inode: a file whose stamp stands still is complete."""


class Settling:
    """Which files have stood still for long enough; instants are seconds of a clock that never goes back."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def look(self, found: Mapping[str, Stamp], now: float) -> list[str]:
        """The names of those that have, in order; what is not found any more is forgotten."""
        held = self._seen
        self._seen = {
            name: held[name] if name in held and held[name][0] == stamp else (stamp, now)
            for name, stamp in found.items()
        }
        return sorted(name for name, (_, since) in self._seen.items() if now - since >= self._settle_s)


def listing(folder: Path) -> dict[str, Stamp]:
    """The files of a folder with their stamps; links count as files, so that they can be refused. Raises OSError."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in itertools.islice(entries, MAX_SEEN):
            name = entry.name
            if name.startswith(".") or name.lower().endswith(_UNFINISHED) or entry.is_dir(follow_symlinks=False):
                continue
            try:
                about = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found[name] = (about.st_size, about.st_mtime_ns, about.st_ino)
    return found


def check_file(path: Path, max_bytes: int) -> None:
    """Refuse what could lead out of the folder, and what is too large. Raises FormatError, OSError."""
    about = path.lstat()
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        what = "this is a link or no plain file: nothing outside of the folder is read"
        raise FormatError("file-unreadable", what, where=path.name, fix="Copy the file itself into the folder.")
    if about.st_size > max_bytes:
        raise FormatError("file-too-large", f"the file has more than {max_bytes} bytes", where=path.name)


def _own_folder(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir(mode=0o700, exist_ok=True)
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise FormatError("file-unreadable", f"{name} is not a folder of the node", where=name)
    return path


def folder_counts(folder: Path) -> dict[str, Any]:
    """How many files wait, are being taken, and failed; ``readable`` is false where the folder cannot be read."""
    counts: dict[str, Any] = {"folder": str(folder), "readable": True, "waiting": 0, "taking": 0, "failed": 0}
    for name, inner in (("waiting", folder), ("taking", folder / TAKING), ("failed", folder / FAILED)):
        try:
            names = listing(inner)
        except FileNotFoundError:
            counts["readable"] = counts["readable"] and inner != folder
            continue
        except OSError:
            counts["readable"] = False
            continue
        counts[name] = sum(not one.endswith((".report.json", ".errors.csv")) for one in names)
    return counts


@dataclass(slots=True)
class Watcher:
    """The use case for one folder. ``state`` is ``idle``, ``importing`` or ``waiting: <code>``."""

    config: WatchConfig
    store: JobStore
    desk: ImportDesk
    clock: Clock
    ids: Ids
    state: str = "idle"
    _settling: Settling = field(init=False)

    def __post_init__(self) -> None:
        self._settling = Settling(self.config.settle_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop``."""
        pauses = Backoff(f"watch {self.config.folder.name}", self.config.every_s, 60.0)
        while not stop.is_set():
            try:
                await self.look(stop)
                self.state = "idle"
                pauses.reset()
            except Stopped:
                return
            except (Later, Unavailable, Retryable) as error:
                self.state = f"waiting: {error.code}"
                await pauses.pause(stop)
                continue
            except (OSError, FormatError) as error:
                if not self.state.startswith("waiting"):
                    _LOG.warning("a watched folder cannot be used", kind=type(error).__name__)
                self.state = "waiting: file-unreadable"
                await pauses.pause(stop)
                continue
            await pause(stop, self.config.every_s)

    async def look(self, stop: asyncio.Event) -> int:
        """Take what was left in the middle, then what has settled; how many files. Raises Later, Stopped, OSError."""
        folder = self.config.folder
        taking = _own_folder(folder, TAKING)
        count = 0
        for name in sorted(listing(taking)):
            count += await self._finish(taking / name, stop)
        for name in self._settling.look(listing(folder), self.clock.monotonic()):
            if stop.is_set():
                break
            path = taking / self._stamped(name, taking)
            try:
                (folder / name).rename(path)
            except FileNotFoundError:
                # Whoever put it there took it away again.
                continue
            count += await self._finish(path, stop)
        return count

    def _stamped(self, name: str, taking: Path) -> str:
        """A name that stands in none of the folders: when the file was taken, and its own name."""
        plain = _ODD.sub("_", name)[-150:]
        at = as_datetime(self.clock.now_ms()).strftime("%Y%m%dT%H%M%SZ")
        folder = taking.parent
        names = (f"{at}-{plain}" if number == 1 else f"{at}-{number}-{plain}" for number in itertools.count(1))
        places = [folder / inner for inner in (TAKING, DONE, FAILED)]
        return next(name for name in names if not any(os.path.lexists(place / name) for place in places))

    async def _finish(self, path: Path, stop: asyncio.Event) -> bool:
        if stop.is_set():
            return False
        self.state = "importing"
        begun = self.clock.now_ms()
        asked = Asked(self.config.kind, self.config.format, self.config.mapping)
        try:
            check_file(path, self.config.max_bytes)
            outcome = await self.desk.run(path, asked)
        except FormatError as refused:
            outcome = Outcome(error=refused)
        error = outcome.error.as_dict() if outcome.error is not None else None
        if error is not None and error["where"] == str(path):
            error["where"] = path.name
        job = Job(
            self.ids.uuid7(), "folder", path.name, asked, outcome.state, begun, self.clock.now_ms(),
            outcome.stored(), error,
        )  # fmt: skip
        target = _own_folder(self.config.folder, DONE if outcome.error is None else FAILED)
        _write_reports(target / path.name, job, outcome)
        await self.store.end_job(job)
        path.rename(target / path.name)
        return True


def _write_reports(path: Path, job: Job, outcome: Outcome) -> None:
    """``<name>.report.json`` and ``<name>.errors.csv`` beside where the file goes."""
    value = {"file": path.name, "state": job.state, "began_at": job.made_at, "ended_at": job.ended_at}
    report = outcome.report.as_dict() if outcome.report is not None else None
    made = path.with_name(f"{path.name}.report.json.tmp")
    made.touch(mode=0o600)
    made.write_bytes(orjson.dumps({**value, "report": report, "error": job.error}, option=orjson.OPT_INDENT_2) + b"\n")
    made.replace(path.with_name(f"{path.name}.report.json"))
    write_report(path.with_name(f"{path.name}.errors.csv"), outcome.report.errors if outcome.report else ())
