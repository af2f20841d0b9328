"""Look-ups in bytes: those that were asked before from memory, new plain ones put together, the others the long way.

An answer at the head rests on the public events below it and on nothing else. So it holds until the next public event
is applied, whatever else the ledger commits; only its position moves, which is the answer's last field and is written
anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.query.histories import Position
from passerelle.query.index import Index
from passerelle.query.moments import head_moment
from passerelle.query.plain import PlainFind
from passerelle.query.rpc.calls import ServicerContext

MAX_BYTES: Final = 32 * 1024 * 1024
"""Bytes of questions and answers that are kept."""
OVERHEAD: Final = 256
"""What an entry takes beside its bytes, about."""
MAX_ENTRY: Final = 16 * 1024
"""Larger answers are made anew each time: they are few, and would take the room of many."""
SERVICE: Final = pb.DESCRIPTOR.services_by_name["EquivalencyService"].full_name
FIND: Final = f"/{SERVICE}/Find"

Find = Callable[[pb.FindRequest, ServicerContext], Awaitable[pb.FindResponse]]


# An answer without its position; the ordinal of the day that it stands for where the question named none, or 0; and
# whether it states its position. Tuples of this form are nothing to the garbage collector.
Kept = tuple[bytes, int, bool]


class Remembered:
    """Answers by question, both as bytes, while nothing changes that they rest on; the longest unasked go first."""

    def __init__(self, index: Index, *, max_bytes: int = MAX_BYTES) -> None:
        self._index = index
        self._most = max_bytes
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._changes = index.changes
        self._at: Position | None = None
        self._day = 0
        self._position = b""
        self.held = 0
        """Bytes that are kept."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, question: bytes) -> bytes | None:
        """The whole answer as of now, None where it must be made."""
        self._follow()
        kept = self._kept.get(question)
        if kept is None:
            return None
        answer, day, with_position = kept
        if day and day != self._day:
            del self._kept[question]
            self.held -= _size(question, kept)
            return None
        self._kept.move_to_end(question)
        return answer + self._position if with_position else answer

    def put(self, question: bytes, request: pb.FindRequest, response: pb.FindResponse) -> bytes:
        """Keep an answer that was made at the head as it is now, if it is one that lasts; returns its bytes."""
        if request.signed or request.page_token or request.HasField("known_at"):
            return response.SerializeToString()
        with_position = response.HasField("position")
        response.ClearField("position")
        return self.keep(question, request, response.SerializeToString(), with_position=with_position)

    def keep(self, question: bytes, request: pb.FindRequest, answer: bytes, *, with_position: bool = True) -> bytes:
        """As :meth:`put`, with the bytes of an answer that lasts, without its position."""
        self._follow()
        kept = (answer, 0 if request.valid_on else self._day, with_position)
        size = _size(question, kept)
        if size <= MAX_ENTRY:
            before = self._kept.pop(question, None)
            self.held += size - (0 if before is None else _size(question, before))
            self._kept[question] = kept
            while self.held > self._most:
                self.held -= _size(*self._kept.popitem(last=False))
        return answer + self._position if with_position else answer

    def _follow(self) -> None:
        """Forget what may have changed, and take the position that the index has now."""
        index = self._index
        if index.changes != self._changes:
            self._changes = index.changes
            self._kept.clear()
            self.held = 0
        if index.position is not self._at:
            moment = head_moment(index)
            self._at, self._day = index.position, moment.date.toordinal()
            # A message's serialized form may be put together of those of its fields (protobuf's encoding, "Last one
            # wins"); the position is the last field of an answer that is not signed.
            self._position = pb.FindResponse(position=moment.message()).SerializeToString()


def _size(question: bytes, kept: Kept) -> int:
    return len(question) + len(kept[0]) + OVERHEAD


class QuickFind:
    """``Find`` on bytes: ``plain`` puts answers together; ``find`` goes the long way and signs what is to be signed."""

    def __init__(self, index: Index, find: Find, *, plain: PlainFind | None = None, max_bytes: int = MAX_BYTES) -> None:
        self._index = index
        self._find = find
        self._plain = plain
        self.remembered = Remembered(index, max_bytes=max_bytes)

    def add_to(self, server: grpc.aio.Server) -> None:
        """Take the place of the servicer's own method, which stands for it in the service."""
        # Without serializers a handler gets and gives bytes.
        handler: Any = grpc.unary_unary_rpc_method_handler(self.call)
        server.add_registered_method_handlers(SERVICE, {"Find": handler})

    async def call(self, question: bytes, context: ServicerContext) -> bytes:
        """The answer. Raises FormatError ``argument-invalid`` for what is no request, and the errors of ``Find``."""
        known = self.remembered.get(question)
        if known is not None:
            return known
        try:
            request = pb.FindRequest.FromString(question)
        except DecodeError:
            raise FormatError("argument-invalid", "The bytes are no FindRequest.", where="request") from None
        answer = None if self._plain is None else self._plain.answer(request)
        if answer is not None:
            return self.remembered.keep(question, request, answer)
        at, changes = self._index.position, self._index.changes
        response = await self._find(request, context)
        # A call that waited for a position, or for a signature, may have seen another state of the index.
        if self._index.position is at and self._index.changes == changes:
            return self.remembered.put(question, request, response)
        return response.SerializeToString()
