"""TransferService over gRPC: each call reads the ledger's database anew, for the calling party only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from passerelle.api.common.v1 import common_pb2
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
    check_party,
)
from passerelle.query.index import Index
from passerelle.query.moments import wait_for_size
from passerelle.query.pages import invalid_token, open_page
from passerelle.query.ports import CaseQuery, CaseReader, CaseRow, CaseStore, Head
from passerelle.query.rpc.calls import Callers, ServicerContext, wait_of
from passerelle.query.rpc.watches import IDLE_S, CaseWakes, first_of

WATCH_S: Final = 3_600.0
MAX_WATCHES: Final = 256
_WATCH_PAGE: Final = 200


def _position(head: Head) -> common_pb2.Position:
    return common_pb2.Position(size=head.size, accepted_at_ms=head.accepted_at, floor_ms=head.floor)


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
        self._wakes = CaseWakes(index, store)

    async def Show(self, request: pb.ShowRequest, context: ServicerContext) -> pb.ShowResponse:
        """One case with its lines and steps."""
        caller = self._callers.member(context)
        if not request.case:
            raise FormatError("argument-missing", "Name a case.", where="case", fix="Give its id, a UUID.")
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        async with self._store.reading() as reader:
            row = check_party(await reader.case(request.case), caller, self._operator)
            steps = await reader.steps([row.id], self._reads_as(caller))
            uses = await reader.uses(row.id, row.data["credentials"], MAX_USES)
            case = case_message(self._index, row, steps[row.id], uses)
            return pb.ShowResponse(case=case, position=_position(reader.head))

    async def List(self, request: pb.ListRequest, context: ServicerContext) -> pb.ListResponse:
        """The caller's cases, newest change first."""
        caller = self._callers.member(context)
        page = open_page(request, caller)
        role = check_among(request.role, ROLES, "role")
        state = check_among(request.state, STATES, "state")
        before = None
        if not page.first:
            if len(page.state) != 2 or not isinstance(page.state[0], int) or not isinstance(page.state[1], str):
                raise invalid_token()
            before = (page.state[0], page.state[1])
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        async with self._store.reading() as reader:
            rows = await reader.cases(CaseQuery(caller, role, state, before, page.size + 1))
            shown = rows[: page.size]
            more = len(rows) > len(shown)
            return pb.ListResponse(
                cases=await self._told(reader, shown, caller),
                next_page_token=page.token(shown[-1].changed, shown[-1].id) if more else "",
                position=_position(reader.head),
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
        async with self._wakes.watching():
            while loop.time() < end:
                changed = self._wakes.next(caller)
                async with self._wakes.reading() as reader:
                    rows = await reader.changed(caller, first, _WATCH_PAGE)
                    told = [
                        pb.WatchResponse(case=case, position=_position(reader.head))
                        for case in await self._told(reader, rows, caller)
                    ]
                for response in told:
                    yield response
                if rows:
                    first = rows[-1].changed + 1
                if len(rows) < _WATCH_PAGE:
                    await first_of(changed, max(0.0, min(IDLE_S, end - loop.time())))

    async def Dependents(self, request: pb.DependentsRequest, context: ServicerContext) -> pb.DependentsResponse:
        """Which of the caller's cases, stacks and assessments rest on a thing; at most 1,000."""
        caller = self._callers.member(context)
        key = check_key(request.on)
        async with self._store.reading() as reader:
            rows = await reader.dependents(key, caller, MAX_DEPENDENTS)
            return pb.DependentsResponse(
                dependents=[pb.Dependent(key=row.key, member=row.member, state=row.state) for row in rows],
                position=_position(reader.head),
            )

    async def _told(self, reader: CaseReader, rows: list[CaseRow], caller: str) -> list[pb.Case]:
        if not rows:
            return []
        steps = await reader.steps([row.id for row in rows], self._reads_as(caller))
        return [case_message(self._index, row, steps[row.id]) for row in rows]

    def _reads_as(self, caller: str) -> str | None:
        """The operator reads every party body: docs/privacy.md says so."""
        return None if caller == self._operator else caller
