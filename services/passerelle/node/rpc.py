"""The node as a caller of the query service: its inbox, proofs of its own entries, the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.client import Client, Equivalency, Ledger, MemberIdentity
from passerelle.core.errors import PasserelleError
from passerelle.core.streams import StreamHead
from passerelle.node.messages import InboxRecord, inbox_record
from passerelle.node.ports import Proved
from passerelle.node.restore_ports import StreamEvent
from passerelle.node.rules_asked import Elsewhere, Ruled, elsewhere, ruled, transcript_line
from passerelle.runtime.clock import Clock

CALL_S: Final = 10.0
PAGE: Final = 500


class GrpcLedger:
    """See :class:`passerelle.node.ports.Ledger`."""

    def __init__(
        self, address: str, *, member: str, network: str, seed: bytes, clock: Clock, witnesses: int = 0
    ) -> None:
        """``witnesses``: how many members' cosignatures proofs are asked for with."""
        identity = MemberIdentity(seed, member=member, network=network, clock=clock)
        self._client = Client(address, identity=identity, timeout_s=CALL_S)
        self._member = member
        self._witnesses = witnesses

    async def list_inbox(self, after: int) -> list[InboxRecord]:
        """See :class:`passerelle.node.ports.Ledger`."""
        request = ledger_pb2.ListInboxRequest(member=self._member, after=after, page_size=PAGE)
        response = await self._client.call(Ledger.LIST_INBOX, request)
        return [inbox_record(record.number, record.kind, record.value) for record in response.records]

    async def stream_head(self, family: str) -> StreamHead:
        """See :class:`passerelle.node.restore_ports.OwnStreams`."""
        request = ledger_pb2.GetStreamRequest(member=self._member, family=family)
        try:
            found = await self._client.call(Ledger.GET_STREAM, request)
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
        response = await self._client.call(Ledger.LIST_STREAM, request)
        return [
            StreamEvent(one.index, one.entry, one.body, one.type, one.subject, one.field, one.what, one.fix)
            for one in response.entries
        ]

    async def proof(self, family: str, sequence: int) -> Proved:
        """See :class:`passerelle.node.ports.Ledger`."""
        stream = ledger_pb2.StreamPosition(member=self._member, family=family, sequence=sequence)
        request = ledger_pb2.GetProofRequest(stream=stream, witnesses=self._witnesses)
        response = await self._client.call(Ledger.GET_PROOF, request)
        return Proved(response.index, response.entry, response.proof.encode())

    async def head(self) -> int:
        """See :class:`passerelle.node.ports.Ledger`."""
        response = await self._client.call(Ledger.GET_HEAD, ledger_pb2.GetHeadRequest())
        return int(response.position.size)

    async def floor_ms(self) -> int:
        """The instant up to which the ledger is settled (Unix ms), about a second before its clock; 0 at its start."""
        response = await self._client.call(Ledger.GET_HEAD, ledger_pb2.GetHeadRequest())
        return int(response.position.floor_ms)

    async def evaluate(
        self, lines: Sequence[Mapping[str, Any]], receiver: str, *, known_at: int | None = None
    ) -> list[Ruled]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        request = equivalency_pb2.EvaluateRequest(lines=[transcript_line(line) for line in lines], receiver=receiver)
        if known_at is not None:
            request.known_at.size = known_at
        # The server ends the stream after the lines that were asked for, at most 500, and their totals.
        return [ruled(one) async for one in self._client.stream(Equivalency.EVALUATE, request) if one.line]

    async def elsewhere(self, achievement: str, limit: int) -> list[Elsewhere]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        request = equivalency_pb2.FindRequest(achievement=achievement, page_size=limit)
        response = await self._client.call(Equivalency.FIND, request)
        return [elsewhere(answer) for answer in response.answers]

    async def titles(self, achievements: Sequence[str]) -> dict[str, Mapping[str, str]]:
        """See :class:`passerelle.node.rules_asked.Rules`."""
        found: dict[str, Mapping[str, str]] = {}
        for name in dict.fromkeys(achievements):
            request = equivalency_pb2.GetAchievementRequest(achievement=name)
            try:
                one = (await self._client.call(Equivalency.GET_ACHIEVEMENT, request)).achievement
            except PasserelleError as error:
                if error.code != "not-found":
                    raise
                continue
            found[name] = {**one.translations, one.language: one.title, "": one.title}
        return found

    async def add_cosignature(self, note: bytes) -> None:
        """See :class:`passerelle.node.witness_ports.CosignatureDesk`."""
        await self._client.call(Ledger.ADD_COSIGNATURE, ledger_pb2.AddCosignatureRequest(note=note))

    async def close(self) -> None:
        """See :class:`passerelle.node.ports.Ledger`."""
        await self._client.close()
