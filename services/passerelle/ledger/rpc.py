"""LedgerService over gRPC: heads, entries, proofs, inboxes, members, live entries, volume."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import grpc

from passerelle.api.common.v1 import common_pb2
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.core.errors import FormatError, NotFound, PasserelleError, Unavailable
from passerelle.core.merkle import fold_peaks, leaf_hash, verify_inclusion
from passerelle.core.registry import KeyRecord, MemberRecord
from passerelle.core.statement import FAMILIES
from passerelle.core.tiles import consistency_path_at, inclusion_path_at
from passerelle.core.tlogproof import TlogProof
from passerelle.ledger.access import Caller, Identity
from passerelle.ledger.checkpoints import CheckpointBoard
from passerelle.ledger.commits import Commits
from passerelle.ledger.log_ports import EntryView, LogStore
from passerelle.ledger.model import Head
from passerelle.ledger.outgoing_metrics import WATCHERS
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.ports import Live
from passerelle.ledger.witnesses import Cosigning
from passerelle.runtime.rpc import bearer

SERVICE: Final = "passerelle.api.ledger.v1.LedgerService"
HOUR_MS: Final = 3_600_000
PROOF_WAIT_S: Final = 4.0
"""Longest wait for a checkpoint: the merge delay is two seconds."""
POSITION_WAIT_S: Final = 10.0
WATCH_S: Final = 3600.0
WATCH_MAX: Final = 200
WATCH_CHUNK: Final = 500
POLL_S: Final = 0.25
INBOX_PAGE: Final = 100
INBOX_PAGE_MAX: Final = 500
STREAM_PAGE: Final = 100
STREAM_PAGE_MAX: Final = 1000
STREAM_BODIES_MAX: Final = 256
VOLUME_HOURS: Final = 48
VOLUME_HOURS_MAX: Final = 720

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class LedgerRpc(ledger_pb2_grpc.LedgerServiceServicer):
    """The servicer. Errors are typed and turned into rich status by the server's interceptor."""

    def __init__(
        self,
        live: Live,
        store: LogStore,
        board: CheckpointBoard,
        cosigning: Cosigning,
        identity: Identity,
        commits: Commits,
        *,
        watchers_max: int = WATCH_MAX,
    ) -> None:
        self._live = live
        self._store = store
        self._board = board
        self._cosigning = cosigning
        self._identity = identity
        self._commits = commits
        self._watchers = 0
        self._watchers_max = watchers_max

    def _caller(self, context: Context) -> Caller:
        return self._identity.caller(bearer(tuple(context.invocation_metadata() or ())))

    async def GetHead(self, request: ledger_pb2.GetHeadRequest, context: Context) -> ledger_pb2.GetHeadResponse:
        """The head and the latest shown checkpoint."""
        head, latest = self._live.head, self._board.latest
        return ledger_pb2.GetHeadResponse(
            position=position_of(head),
            root=fold_peaks(head.peaks),
            checkpoint=latest.note if latest is not None else "",
            network=head.network,
        )

    async def GetEntry(self, request: ledger_pb2.GetEntryRequest, context: Context) -> ledger_pb2.GetEntryResponse:
        """One entry, with its body where the caller may read it."""
        view = await self._entry(request, self._caller(context))
        return ledger_pb2.GetEntryResponse(
            index=view.index, entry=view.entry, body=view.body, type=view.type, subject=view.subject
        )

    async def _entry(
        self, request: ledger_pb2.GetEntryRequest | ledger_pb2.GetProofRequest, caller: Caller
    ) -> EntryView:
        by = request.WhichOneof("by")
        if by == "index":
            if request.index >= self._live.head.size:
                raise _absent(f"index {request.index}")
            view = await self._store.entry_at(request.index, caller)
            where = f"index {request.index}"
        elif by == "stream":
            place = request.stream
            _check_stream(place.member, place.family)
            where = f"{place.member}/{place.family}/{place.sequence}"
            if not 0 < place.sequence < 2**63:
                raise _absent(where)
            view = await self._store.entry_of(place.member, place.family, place.sequence, caller)
        elif by == "event_id":
            # An id stands in the body alone: no entry, and so no proof, says which event has it.
            raise PasserelleError(
                "argument-invalid",
                "an entry is named by its index, or by its member, family and sequence, and not by the event's id",
                where="event_id",
                fix="Take member, family and sequence from the receipt, and ask by stream.",
            )
        else:
            raise PasserelleError("argument-missing", "neither an index nor a stream is named", where="by")
        if view is None:
            raise _absent(where)
        return view

    async def GetProof(self, request: ledger_pb2.GetProofRequest, context: Context) -> ledger_pb2.GetProofResponse:
        """A tlog-proof of an entry under the latest shown checkpoint, or under the newest that enough members cosigned;
        waits a moment for one that covers it.
        """
        view = await self._entry(request, self._caller(context))
        wait_s = _within(context, PROOF_WAIT_S)
        if request.witnesses:
            shown = await self._cosigning.find(witnesses=request.witnesses, covering=view.index + 1, timeout_s=wait_s)
        else:
            shown = await self._board.covering(view.index + 1, wait_s)
        proof = await prove(self._store, view, shown)
        return ledger_pb2.GetProofResponse(index=view.index, entry=view.entry, proof=proof.decode(), body=view.body)

    async def GetCheckpoint(
        self, request: ledger_pb2.GetCheckpointRequest, context: Context
    ) -> ledger_pb2.GetCheckpointResponse:
        """A shown checkpoint with the cosignatures that came so far."""
        found = await self._cosigning.find(size=request.size, witnesses=request.witnesses)
        return ledger_pb2.GetCheckpointResponse(size=found.size, note=found.note)

    async def AddCosignature(
        self, request: ledger_pb2.AddCosignatureRequest, context: Context
    ) -> ledger_pb2.AddCosignatureResponse:
        """A member's cosignature joins its checkpoint."""
        size, count = await self._cosigning.add(request.note, self._caller(context))
        return ledger_pb2.AddCosignatureResponse(size=size, cosignatures=count)

    async def GetConsistency(
        self, request: ledger_pb2.GetConsistencyRequest, context: Context
    ) -> ledger_pb2.GetConsistencyResponse:
        """That the tree of one size is the beginning of that of another (RFC 9162, section 2.1.4)."""
        first, second, size = request.from_size, request.to_size, self._live.head.size
        if not first <= second <= size:
            raise PasserelleError(
                "position-outside",
                f"sizes rise and go up to {size}",
                where="from_size" if first > second else "to_size",
            )
        path = await self._store.walk(lambda read: consistency_path_at(first, second, read))
        return ledger_pb2.GetConsistencyResponse(path=path)

    async def GetStream(self, request: ledger_pb2.GetStreamRequest, context: Context) -> ledger_pb2.GetStreamResponse:
        """Where a member's stream stands."""
        _check_stream(request.member, request.family)
        self._known(request.member)
        view = await self._store.stream(request.member, request.family)
        return ledger_pb2.GetStreamResponse(sequence=view.sequence, digest=view.digest, waiting=view.waiting)

    async def ListStream(
        self, request: ledger_pb2.ListStreamRequest, context: Context
    ) -> ledger_pb2.ListStreamResponse:
        """Entries of a stream after a sequence, with their bodies where they are asked for and the caller may."""
        caller = self._caller(context)
        _check_stream(request.member, request.family)
        self._known(request.member)
        if request.after >= 2**63:
            raise PasserelleError("argument-invalid", "no entry has such a sequence", where="after")
        limit = min(request.page_size or STREAM_PAGE, STREAM_BODIES_MAX if request.bodies else STREAM_PAGE_MAX)
        found = await self._store.stream_entries(
            request.member, request.family, request.after, limit, caller, bodies=request.bodies
        )
        return ledger_pb2.ListStreamResponse(
            entries=[
                ledger_pb2.StreamEntry(
                    index=one.view.index,
                    entry=one.view.entry,
                    body=one.view.body,
                    type=one.view.type,
                    subject=one.view.subject,
                    field=one.field,
                    what=one.what,
                    fix=one.fix,
                )
                for one in found
            ]
        )

    def _known(self, member: str) -> None:
        if member not in self._live.registry.members:
            raise NotFound("member-unknown", "the registry has no such member", where="member")

    async def ListInbox(self, request: ledger_pb2.ListInboxRequest, context: Context) -> ledger_pb2.ListInboxResponse:
        """A member's inbox records after a number, to itself and the operator."""
        self._caller(context).require(request.member)
        self._known(request.member)
        if request.after >= 2**63:
            raise PasserelleError("argument-invalid", "no record has such a number", where="after")
        limit = min(request.page_size or INBOX_PAGE, INBOX_PAGE_MAX)
        rows = await self._store.inbox(request.member, request.after, limit)
        records = [ledger_pb2.InboxRecord(number=row.number, kind=row.kind, value=row.value) for row in rows]
        return ledger_pb2.ListInboxResponse(records=records)

    async def ListMembers(
        self, request: ledger_pb2.ListMembersRequest, context: Context
    ) -> ledger_pb2.ListMembersResponse:
        """The registry, once the log has reached the asked position."""
        await self._reached(request.min_position, _within(context, POSITION_WAIT_S))
        head, members = self._live.head, self._live.registry.members
        return ledger_pb2.ListMembersResponse(
            members=[member_of(members[name]) for name in sorted(members)], position=position_of(head)
        )

    async def _reached(self, size: int, timeout_s: float) -> None:
        if not await self._commits.beyond(lambda: self._live.head.size >= size, timeout_s):
            raise Unavailable("position-not-reached", f"the log holds {self._live.head.size} entries, not yet {size}")

    async def Watch(
        self, request: ledger_pb2.WatchRequest, context: Context
    ) -> AsyncIterator[ledger_pb2.WatchResponse]:
        """Entries from an index on, whole commits, as they come; ends after an hour."""
        caller = self._caller(context)
        if request.from_index > self._live.head.size:
            raise PasserelleError("position-outside", f"the log ends at {self._live.head.size}", where="from_index")
        if self._watchers >= self._watchers_max:
            raise PasserelleError("too-many-watchers", f"{self._watchers_max} readers are connected")
        self._watchers += 1
        WATCHERS.set(self._watchers)
        try:
            async for view in self._follow(request.from_index, caller):
                yield ledger_pb2.WatchResponse(index=view.index, entry=view.entry, type=view.type, subject=view.subject)
        finally:
            self._watchers -= 1
            WATCHERS.set(self._watchers)

    async def _follow(self, index: int, caller: Caller) -> AsyncIterator[EntryView]:
        loop = asyncio.get_running_loop()
        end = loop.time() + WATCH_S
        while (left := end - loop.time()) > 0:
            # The head moves by whole commits; what is below it never changes.
            size = self._live.head.size
            while index < size:
                for view in await self._store.views(index, min(size, index + WATCH_CHUNK), caller):
                    yield view
                index = min(size, index + WATCH_CHUNK)
            await self._commits.beyond(self._past(index), min(left, 60.0))

    def _past(self, index: int) -> Callable[[], bool]:
        return lambda: self._live.head.size > index

    async def GetVolume(self, request: ledger_pb2.GetVolumeRequest, context: Context) -> ledger_pb2.GetVolumeResponse:
        """Entries by hour and family, back from the floor."""
        hours = request.hours or VOLUME_HOURS
        if hours > VOLUME_HOURS_MAX:
            raise PasserelleError("argument-invalid", f"1 to {VOLUME_HOURS_MAX} hours can be asked for", where="hours")
        head = self._live.head
        rows = await self._store.volume(head.floor // HOUR_MS - hours + 1)
        return ledger_pb2.GetVolumeResponse(
            buckets=[
                ledger_pb2.GetVolumeResponse.Bucket(
                    hour_ms=row.hour * HOUR_MS, family=row.family, accepted=row.accepted, refused=row.refused
                )
                for row in rows
            ],
            position=position_of(head),
        )


async def prove(store: LogStore, view: EntryView, shown: StoredCheckpoint) -> bytes:
    """The tlog-proof of an entry under a checkpoint, checked before it is given away."""
    path = await store.walk(lambda read: inclusion_path_at(view.index, shown.size, read))
    # A proof that would not verify says that the store is damaged: better told here than found by a reader.
    verify_inclusion(leaf_hash(view.entry), view.index, shown.size, path, shown.root)
    return TlogProof(view.index, path, shown.note.encode()).serialise()


def position_of(head: Head) -> common_pb2.Position:
    """The position of an answer at the head."""
    return common_pb2.Position(size=head.size, accepted_at_ms=head.accepted_at, floor_ms=head.floor)


def member_of(record: MemberRecord) -> ledger_pb2.Member:
    """A member as the registry has it."""
    return ledger_pb2.Member(
        id=record.member,
        kind=record.kind,
        names=record.names,
        jurisdictions=record.jurisdictions,
        roles=sorted(record.roles),
        status=record.status.value,
        keys=[_key_of(key) for key in record.keys.values()],
        admitted_index=record.admitted_index,
    )


def _key_of(key: KeyRecord) -> ledger_pb2.Member.Key:
    return ledger_pb2.Member.Key(
        key_id=key.key_id, public_key=key.public_key, use=key.use, removed=key.removed_index is not None
    )


def _check_stream(member: str, family: str) -> None:
    if family not in FAMILIES:
        raise FormatError("family-unknown", "there is no such family", where="family")
    if not member:
        raise PasserelleError("argument-missing", "no member is named", where="member")


def _absent(where: str) -> NotFound:
    return NotFound("entry-absent", "the log has no entry there", where=where)


def _within(context: Context, longest_s: float) -> float:
    """Seconds that a call may wait: less than its own deadline, so that the reason still reaches the caller."""
    left = context.time_remaining()
    return longest_s if left is None else max(0.0, min(longest_s, left - 0.2))
