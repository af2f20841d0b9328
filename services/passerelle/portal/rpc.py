"""The query services over gRPC: public questions, without an identity, each with a deadline."""

from __future__ import annotations

from passerelle.api.common.v1 import common_pb2 as _common  # noqa: F401 - registers the messages that answers hold
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.api.portability.v1 import portability_pb2
from passerelle.client import Client, Equivalency, Ledger, Portability

PAGE = 200


class QueryClient:
    """A :class:`passerelle.portal.ports.Questions` over one client."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self._client = Client(address, timeout_s=timeout_s)

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._client.close()

    async def find(self, achievement: str, receiver: str, valid_on: str) -> equivalency_pb2.FindResponse:
        """What the achievement counts for."""
        request = equivalency_pb2.FindRequest(
            achievement=achievement, receiver=receiver, valid_on=valid_on, page_size=PAGE
        )
        return await self._client.call(Equivalency.FIND, request)

    async def reverse(self, achievement: str, sender: str, valid_on: str) -> equivalency_pb2.ReverseResponse:
        """What counts for the achievement."""
        request = equivalency_pb2.ReverseRequest(
            achievement=achievement, sender=sender, valid_on=valid_on, page_size=PAGE
        )
        return await self._client.call(Equivalency.REVERSE, request)

    async def assess(self, achievement: str) -> portability_pb2.AssessResponse:
        """Whether it is portable across provinces."""
        request = portability_pb2.AssessRequest(achievement=achievement)
        return await self._client.call(Portability.ASSESS, request)

    async def profile(self, achievement: str) -> portability_pb2.ProfileResponse:
        """What the definitions in force ask of it."""
        request = portability_pb2.ProfileRequest(achievement=achievement)
        return await self._client.call(Portability.PROFILE, request)

    async def head(self) -> ledger_pb2.GetHeadResponse:
        """The head of the log and its latest checkpoint."""
        return await self._client.call(Ledger.GET_HEAD, ledger_pb2.GetHeadRequest())

    async def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """One entry."""
        request = ledger_pb2.GetEntryRequest(index=index)
        return await self._client.call(Ledger.GET_ENTRY, request)

    async def proof(self, index: int) -> ledger_pb2.GetProofResponse:
        """One entry with its inclusion proof."""
        request = ledger_pb2.GetProofRequest(index=index)
        return await self._client.call(Ledger.GET_PROOF, request)
