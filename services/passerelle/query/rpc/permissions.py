"""Letters of permission over gRPC: each call reads the ledger's database anew, for the calling party only."""

from __future__ import annotations

from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.query.cases import check_among
from passerelle.query.moments import wait_for_size
from passerelle.query.pages import change_before, open_page
from passerelle.query.parties import check_reader
from passerelle.query.permission_ports import PermissionQuery
from passerelle.query.permissions import ROLES, STATES, permission_message
from passerelle.query.rpc.calls import ServicerContext, position_message, wait_of
from passerelle.query.rpc.transfer import TransferServicer


class WholeTransferServicer(TransferServicer):
    """TransferService whole: the handlers of cases, and those of letters of permission."""

    async def ShowPermission(
        self, request: pb.ShowPermissionRequest, context: ServicerContext
    ) -> pb.ShowPermissionResponse:
        """One permission with its courses and steps."""
        caller = self._callers.member(context)
        if not request.permission:
            fix = "Give its id, a UUID: the reference on the letter."
            raise FormatError("argument-missing", "Name a permission.", where="permission", fix=fix)
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        async with self._store.reading() as reader:
            found = await reader.permission(request.permission)
            row = check_reader(found, caller, self._operator, "permission")
            steps = await reader.steps([row.id], self._reads_as(caller))
            permission = permission_message(self._index, row, steps[row.id])
            return pb.ShowPermissionResponse(permission=permission, position=position_message(reader.head))

    async def ListPermissions(
        self, request: pb.ListPermissionsRequest, context: ServicerContext
    ) -> pb.ListPermissionsResponse:
        """The caller's permissions, newest change first."""
        caller = self._callers.member(context)
        page = open_page(request, caller)
        role = check_among(request.role, ROLES, "role")
        state = check_among(request.state, STATES, "state")
        before = change_before(page)
        await wait_for_size(self._index, request.min_position, wait_of(context, self._max_wait_s))
        async with self._store.reading() as reader:
            rows = await reader.permissions(PermissionQuery(caller, role, state, before, page.size + 1))
            shown = rows[: page.size]
            steps = await reader.steps([row.id for row in shown], self._reads_as(caller)) if shown else {}
            return pb.ListPermissionsResponse(
                permissions=[permission_message(self._index, row, steps[row.id]) for row in shown],
                next_page_token=page.token(shown[-1].changed, shown[-1].id) if len(rows) > len(shown) else "",
                position=position_message(reader.head),
            )
