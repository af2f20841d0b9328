"""TransferService over gRPC: each call reads the ledger's database anew, for the calling party only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.api.transfer.v1 import transfer_pb2_grpc
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.query.cases import (
    MAX_DEPENDENTS,
    MAX_USES,
    ROLES,
    STATES,
    case_message,
    check_among,
    check_key,
)
from passerelle.query.index import Index
from passerelle.query.moments import wait_for_size
from passerelle.query.pages import change_before, open_page
from passerelle.query.parties import check_reader
from passerelle.query.ports import CaseQuery, CaseReader, CaseRow, CaseStore
from passerelle.query.rpc.calls import Callers, ServicerContext, position_message, wait_of
from passerelle.query.rpc.watches import IDLE_S, CaseWatches, News

WATCH_S: Final = 3_600.0
MAX_WATCHES: Final = 256


class TransferServicer(transfer_pb2_grpc.TransferServiceServicer):
    """The handlers. ``max_watches`` bounds the streams open at once."""

    def __init__(
        self,
        index: Index,
        store: CaseStore,
        callers: Callers,
        *,
        operator: str,
        max_wait_s: float,
        max_watches: int = MAX_WATCHES,
        watch_s: float = WATCH_S,
    ) -> None:
        self._index = index
        self._store = store
        self._callers = callers
        self._operator = operator
        self._max_wait_s = max_wait_s
        self._free_watches = max_watches
        self._watch_s = watch_s
        self._watches = CaseWatches(index, store, operator=operator)

    async def Show(self, request: pb.ShowRequest, context: ServicerContext) -> pb.ShowResponse:
        """One case with its lines and steps."""
        caller = self._callers.member(context)
        if not request.case:
            raise FormatError("argument-missing", "Name a case.", where="case", fix="Give its id, a UUID.")
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        read = await self._store.case(request.case, self._reads_as(caller), MAX_USES)
        row = check_reader(next((one.row for one in read.cases), None), caller, self._operator, "case")
        case = case_message(self._index, row, read.cases[0].steps, read.cases[0].uses)
        return pb.ShowResponse(case=case, position=position_message(read.head))

    async def List(self, request: pb.ListRequest, context: ServicerContext) -> pb.ListResponse:
        """The caller's cases, newest change first."""
        caller = self._callers.member(context)
        page = open_page(request, caller)
        role = check_among(request.role, ROLES, "role")
        state = check_among(request.state, STATES, "state")
        before = change_before(page)
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        async with self._store.reading() as reader:
            rows = await reader.cases(CaseQuery(caller, role, state, before, page.size + 1))
            shown = rows[: page.size]
            more = len(rows) > len(shown)
            return pb.ListResponse(
                cases=await self._told(reader, shown, caller),
                next_page_token=page.token(shown[-1].changed, shown[-1].id) if more else "",
                position=position_message(reader.head),
            )

    async def Watch(self, request: pb.WatchRequest, context: ServicerContext) -> AsyncIterator[pb.WatchResponse]:
        """The caller's cases changed at a position and after, each as it is when it is told, then as changes come."""
        caller = self._callers.member(context)
        if self._free_watches <= 0:
            raise PasserelleError("too-many-watchers", "No more watches are taken now.", where="Watch")
        self._free_watches -= 1
        try:
            async for response in self._changes(caller, request.from_index):
                yield response
        finally:
            self._free_watches += 1

    async def _changes(self, caller: str, first: int) -> AsyncIterator[pb.WatchResponse]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._watch_s
        news: News | None = None
        async with self._watches.watching(caller):
            while loop.time() < end:
                coming = self._watches.coming(caller)
                if news is None or news.since > first:
                    news = await self._watches.read(caller, first)
                for response in news.told:
                    if response.case.changed_index >= first:
                        yield response
                first, own, more = max(first, news.end), news.own, news.more
                # What was told is not held while the stream waits.
                del news
                # Where what comes begins later, for the client took its time, the stream reads for itself first.
                if not more and (own or coming.since <= first):
                    await asyncio.wait({coming.news}, timeout=max(0.0, min(IDLE_S, end - loop.time())))
                news = coming.news.result() if coming.news.done() else None

    async def Dependents(self, request: pb.DependentsRequest, context: ServicerContext) -> pb.DependentsResponse:
        """Which of the caller's cases, stacks and assessments rest on a thing; at most 1,000."""
        caller = self._callers.member(context)
        key = check_key(request.on)
        async with self._store.reading() as reader:
            rows = await reader.dependents(key, caller, MAX_DEPENDENTS)
            return pb.DependentsResponse(
                dependents=[pb.Dependent(key=row.key, member=row.member, state=row.state) for row in rows],
                position=position_message(reader.head),
            )

    async def _told(self, reader: CaseReader, rows: list[CaseRow], caller: str) -> list[pb.Case]:
        if not rows:
            return []
        steps = await reader.steps([row.id for row in rows], self._reads_as(caller))
        return [case_message(self._index, row, steps[row.id]) for row in rows]

    def _reads_as(self, caller: str) -> str | None:
        """The operator reads every party body: docs/privacy.md says so."""
        return None if caller == self._operator else caller
