"""Keeping a snapshot of the index on disk, and starting from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from passerelle.core.errors import FormatError
from passerelle.query import snapshot
from passerelle.query.index import Index
from passerelle.query.snapshot import Mark
from passerelle.query.source import Follower

_LOG = structlog.get_logger(__name__)


async def restored(path: Path, network: str, make: Callable[[], Index]) -> tuple[Index, Mark | None]:
    """An index filled from a file with its mark, or an empty one where the file is absent or not to be used."""
    index = make()
    try:
        frozen = await asyncio.to_thread(snapshot.read, path, network)
        await asyncio.to_thread(snapshot.thaw, index, frozen)
    except FileNotFoundError:
        return make(), None
    except FormatError as error:
        _LOG.warning("the snapshot is not used; the index is read from the database", code=error.code, what=error.what)
        return make(), None
    return index, frozen.mark


class Keeper:
    """Writes a snapshot every ``every_s`` seconds in which the log grew, and at the end."""

    def __init__(self, path: Path, every_s: float, index: Index, follower: Follower) -> None:
        self._path = path
        self._every_s = every_s
        self._index = index
        self._follower = follower
        self.saved = -1
        """Position of the snapshot written last; -1 for none."""

    async def run(self, stop: asyncio.Event) -> None:
        """Save until the stop, and once more then."""
        while not stop.is_set():
            await self.save()
            try:
                await asyncio.wait_for(stop.wait(), self._every_s)
            except TimeoutError:
                continue
        await self.save()

    async def save(self) -> bool:
        """Write one if there is something new. A disk that refuses is told, and tried again the next time."""
        mark = self._follower.mark
        if mark is None or mark.position.size == self.saved or self._index.applied != mark.position.size:
            return False
        rest = snapshot.freeze(self._index, mark)
        try:
            done = await asyncio.to_thread(lambda: snapshot.write(self._path, rest()))
        except OSError as error:
            _LOG.warning("the snapshot cannot be written", kind=type(error).__name__, errno=error.errno)
            return False
        if done:
            self.saved = mark.position.size
        return done
