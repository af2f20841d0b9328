"""What the watch streams of cases are told: one reading after commits for all of them together.

A stream that read for itself at every commit would cost the database as many statements a commit as there are streams,
and the calls beside them would wait. So a stream reads for itself only what stood in the log before it came. Then it
takes what is read for all, where that goes on from its own place; where it does not, because its client took its time,
it reads for itself again. Nothing is held for a stream but one reading that it has not taken yet.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.core.errors import Unavailable
from passerelle.query.cases import case_message
from passerelle.query.index import Index
from passerelle.query.ports import CasesRead, CaseStore, WholeCase
from passerelle.query.rpc.calls import position_message
from passerelle.runtime.backoff import pause

_LOG = structlog.get_logger(__name__)
IDLE_S: Final = 5.0
"""A stream reads again for itself after so long even where nothing came, and so does what reads for all."""
EVERY_S: Final = 0.2
"""Least time between two readings for all: at full load commits come many a second, and each wakes many streams.
Where readings are rare, all streams are told much at once, and the calls beside them wait for that."""
MAX_READING: Final = 2
"""Readings for streams at once: what is left of the connections is for the calls."""
PAGE: Final = 200
"""Cases of one reading."""
LAST: Final = 2**63 - 1
"""The largest log index of the database."""


@dataclass(frozen=True, slots=True)
class News:
    """What is told of a member's cases changed in [``since``, ``end``), each as it is at its last change there."""

    since: int
    end: int
    told: Sequence[pb.WatchResponse]
    own: bool = False
    """Read for one stream alone; ``more`` can then be read at once."""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Coming:
    """What a member's streams wait for: the next :class:`News` of it, since ``since``."""

    since: int
    news: asyncio.Future[News]


_Made = dict[tuple[str, tuple[int, ...]], pb.WatchResponse]
"""Messages by the case and the indices of the events that they tell."""


class CaseWatches:
    """Reads for the streams of all members while somebody watches."""

    def __init__(self, index: Index, store: CaseStore, *, operator: str) -> None:
        self._index = index
        self._store = store
        self._operator = operator
        self._turns = asyncio.Semaphore(MAX_READING)
        self._streams: Counter[str] = Counter()
        self._waiting: dict[str, Coming] = {}
        self._size = 0
        """Where the next reading for all begins."""
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, member: str) -> AsyncIterator[None]:
        """While the block runs, :meth:`coming` comes. What a stream reads for itself inside is never older."""
        if self._task is None or self._task.done():
            self._size = self._index.position.size
            self._task = asyncio.create_task(self._run())
        self._streams[member] += 1
        try:
            yield
        finally:
            self._streams[member] -= 1
            if self._streams[member] == 0:
                del self._streams[member]
                self._waiting.pop(member, None)
            if not self._streams and self._task is not None:
                self._task.cancel()
                self._task = None

    def coming(self, member: str) -> Coming:
        """The next change of a case of the member. Taken before reading, no change is lost between."""
        if member not in self._waiting:
            self._waiting[member] = Coming(self._size, asyncio.get_running_loop().create_future())
        return self._waiting[member]

    async def read(self, member: str, first: int) -> News:
        """What stands in the log of the member's cases from index ``first`` on, one page. Raises Unavailable."""
        read = await self._changed([member], min(first, LAST))
        made: _Made = {}
        told = [await self._response(read, case, member, made) for case in read.cases]
        return News(first, max(first, _end(read)), told, own=True, more=len(read.cases) == PAGE)

    async def _changed(self, members: Sequence[str], first: int) -> CasesRead:
        readers = None if self._operator in members else members
        async with self._turns:
            return await self._store.changed(members, readers, first, PAGE)

    async def _run(self) -> None:
        try:
            await self._follow()
        except Exception as error:  # noqa: BLE001 - logged whole, and raised by the streams
            _LOG.exception("changes of cases are not read any more", kind=type(error).__name__)
            for member, coming in list(self._waiting.items()):
                self._settle(member, coming, error)

    async def _follow(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            moved, begun = self._index.moved, clock()
            try:
                if await self._look():
                    continue
            except Unavailable as error:
                # The streams read for themselves, and tell their callers; what is missed here is read next time.
                _LOG.warning("changes of cases were not read", code=error.code, what=error.what)
            await pause(moved, IDLE_S)
            await asyncio.sleep(max(0.0, begun + EVERY_S - clock()))

    async def _look(self) -> bool:
        """One reading for all who wait now; whether another one can begin at once."""
        asked = dict(self._waiting)
        read = await self._changed(sorted(asked), self._size)
        self._size = end = max(self._size, _end(read))
        for member, coming in list(self._waiting.items()):
            if asked.get(member) is not coming:
                # Who came meanwhile was not asked about: where it knows less, it reads for itself.
                self._settle(member, coming, News(end, end, ()))
        await self._tell(read, asked, end)
        return len(read.cases) == PAGE

    async def _tell(self, read: CasesRead, asked: Mapping[str, Coming], end: int) -> None:
        """Wake the members whose cases changed, one after the other: in between, the calls have their turn."""
        cases: dict[str, list[WholeCase]] = {}
        for case in read.cases:
            for member in case.row.parties & asked.keys():
                cases.setdefault(member, []).append(case)
        made: _Made = {}
        for member, changed in cases.items():
            coming = asked[member]
            try:
                told = [await self._response(read, case, member, made) for case in changed]
            except Exception as error:  # noqa: BLE001 - the member's streams raise it; the others are told
                self._settle(member, coming, error)
            else:
                self._settle(member, coming, News(coming.since, end, told))
            await asyncio.sleep(0)

    def _settle(self, member: str, coming: Coming, found: News | Exception) -> None:
        if self._waiting.get(member) is coming:
            del self._waiting[member]
        if isinstance(found, Exception):
            coming.news.set_exception(found)
        else:
            coming.news.set_result(found)

    async def _response(self, read: CasesRead, case: WholeCase, member: str, made: _Made) -> pb.WatchResponse:
        """Parties who may read the same of a case are told by the same message."""
        steps = tuple(step for step in case.steps if member == self._operator or member in step.parties)
        key = case.row.id, tuple(step.index for step in steps)
        if key not in made:
            message = case_message(self._index, case.row, steps)
            made[key] = pb.WatchResponse(case=message, position=position_message(read.head))
            await asyncio.sleep(0)
        return made[key]


def _end(read: CasesRead) -> int:
    """The index up to which all is read."""
    return read.cases[-1].row.changed + 1 if len(read.cases) == PAGE else read.head.size
