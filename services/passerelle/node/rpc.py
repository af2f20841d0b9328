"""The node as a caller of the query service: its inbox, proofs of its own entries, the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc

from passerelle.api.equivalency.v1 import equivalency_pb2, equivalency_pb2_grpc
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.core.errors import PasserelleError
from passerelle.core.streams import StreamHead
from passerelle.node.messages import InboxRecord, inbox_record
from passerelle.node.ports import Proved
from passerelle.node.restore_ports import StreamEvent
from passerelle.node.rules_asked import Elsewhere, Ruled, elsewhere, ruled, transcript_line
from passerelle.runtime.clock import Clock
from passerelle.runtime.identity import make_token
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel

CALL_S: Final = 10.0
PAGE: Final = 500


class GrpcLedger:
    """See :class:`passerelle.node.ports.Ledger`."""

    def __init__(
        self, address: str, *, member: str, network: str, seed: bytes, clock: Clock, witnesses: int = 0
    ) -> None:
        """``witnesses``: how many members' cosignatures proofs are asked for with."""
        self._channel = open_channel(address)
        self._stub = ledger_pb2_grpc.LedgerServiceStub(self._channel)
        self._rules = equivalency_pb2_grpc.EquivalencyServiceStub(self._channel)
        self._member = member
        self._network = network
        self._seed = seed
        self._clock = clock
        self._witnesses = witnesses

    async def _call(self, method: Any, request: Any) -> Any:
        token = make_token(self._seed, member=self._member, network=self._network, now_s=self._clock.now_ms() // 1000)
        try:
            return await method(request, timeout=CALL_S, metadata=metadata(token))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def list_inbox(self, after: int) -> list[InboxRecord]:
        """See :class:`passerelle.node.ports.Ledger`."""
        request = ledger_pb2.ListInboxRequest(member=self._member, after=after, page_size=PAGE)
        response = await self._call(self._stub.ListInbox, request)
        return [inbox_record(record.number, record.kind, record.value) for record in response.records]

    async def stream_head(self, family: str) -> StreamHead:
        """See :class:`passerelle.node.restore_ports.OwnStreams`."""
        request = ledger_pb2.GetStreamRequest(member=self._member, family=family)
        try:
            found = await self._call(self._stub.GetStream, request)
        except PasserelleError as error:
            if error.code != "member-unknown":
                raise
            return StreamHead()
        return StreamHead(int(found.sequence), bytes(found.digest))

    async def stream_events(self, family: str, after: int, limit: int, *, bodies: bool) -> list[StreamEvent]:
        """See :class:`passerelle.node.restore_ports.OwnStreams`."""
        request = ledger_pb2.ListStreamRequest(
            member=self._member, family=family, after=after, page_size=limit, bodies=bodies
        )
        response = await self._call(self._stub.ListStream, request)
        return [
            StreamEvent(one.index, one.entry, one.body, one.type, one.subject, one.field, one.what, one.fix)
            for one in response.entries
        ]

    async def proof(self, family: str, sequence: int) -> Proved:
        """See :class:`passerelle.node.ports.Ledger`."""
        stream = ledger_pb2.StreamPosition(member=self._member, family=family, sequence=sequence)
        request = ledger_pb2.GetProofRequest(stream=stream, witnesses=self._witnesses)
        response = await self._call(self._stub.GetProof, request)
        return Proved(response.index, response.entry, response.proof.encode())

    async def head(self) -> int:
        """See :class:`passerelle.node.ports.Ledger`."""
        response = await self._call(self._stub.GetHead, ledger_pb2.GetHeadRequest())
        return int(response.position.size)

    async def evaluate(self, lines: Sequence[Mapping[str, Any]], receiver: str) -> list[Ruled]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        request = equivalency_pb2.EvaluateRequest(lines=[transcript_line(line) for line in lines], receiver=receiver)
        try:
            # The server ends the stream after the lines that were asked for, at most 500, and their totals.
            return [ruled(one) async for one in self._rules.Evaluate(request, timeout=CALL_S) if one.line]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def elsewhere(self, achievement: str, limit: int) -> list[Elsewhere]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        request = equivalency_pb2.FindRequest(achievement=achievement, page_size=limit)
        response = await self._call(self._rules.Find, request)
        return [elsewhere(answer) for answer in response.answers]

    async def titles(self, achievements: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        found: dict[str, Mapping[str, str]] = {}
        for name in dict.fromkeys(achievements):
            request = equivalency_pb2.GetAchievementRequest(achievement=name)
            try:
                one = (await self._call(self._rules.GetAchievement, request)).achievement
            except PasserelleError as error:
                if error.code != "not-found":
                    raise
                continue
            found[name] = {**one.translations, one.language: one.title, "": one.title}
        return found

    async def add_cosignature(self, note: bytes) -> None:
        """See :class:`passerelle.node.witness_ports.CosignatureDesk`."""
        await self._call(self._stub.AddCosignature, ledger_pb2.AddCosignatureRequest(note=note))

    async def close(self) -> None:
        """See :class:`passerelle.node.ports.Ledger`."""
        await self._channel.close()
