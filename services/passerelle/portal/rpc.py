"""The query services over gRPC: public questions, without an identity, each with a deadline."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

import grpc

from passerelle.api.common.v1 import common_pb2 as _common  # noqa: F401 - registers the messages that answers hold
from passerelle.api.equivalency.v1 import equivalency_pb2, equivalency_pb2_grpc
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.portability.v1 import portability_pb2, portability_pb2_grpc
from passerelle.runtime.rpc import from_rpc_error, open_channel

T = TypeVar("T")
PAGE = 200


class QueryClient:
    """A :class:`passerelle.portal.ports.Questions` over one channel."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self._channel = open_channel(address)
        self._timeout = timeout_s
        self._equivalency = equivalency_pb2_grpc.EquivalencyServiceStub(self._channel)
        self._portability = portability_pb2_grpc.PortabilityServiceStub(self._channel)
        self._ledger = ledger_pb2_grpc.LedgerServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self._channel.close()

    async def _ask(self, call: Awaitable[T]) -> T:
        try:
            return await call
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def find(self, achievement: str, receiver: str, valid_on: str) -> equivalency_pb2.FindResponse:
        """What the achievement counts for."""
        request = equivalency_pb2.FindRequest(
            achievement=achievement, receiver=receiver, valid_on=valid_on, page_size=PAGE
        )
        return await self._ask(self._equivalency.Find(request, timeout=self._timeout))

    async def reverse(self, achievement: str, sender: str, valid_on: str) -> equivalency_pb2.ReverseResponse:
        """What counts for the achievement."""
        request = equivalency_pb2.ReverseRequest(
            achievement=achievement, sender=sender, valid_on=valid_on, page_size=PAGE
        )
        return await self._ask(self._equivalency.Reverse(request, timeout=self._timeout))

    async def assess(self, achievement: str) -> portability_pb2.AssessResponse:
        """Whether it is portable across provinces."""
        request = portability_pb2.AssessRequest(achievement=achievement)
        return await self._ask(self._portability.Assess(request, timeout=self._timeout))

    async def profile(self, achievement: str) -> portability_pb2.ProfileResponse:
        """What the definitions in force ask of it."""
        request = portability_pb2.ProfileRequest(achievement=achievement)
        return await self._ask(self._portability.Profile(request, timeout=self._timeout))

    async def head(self) -> ledger_pb2.GetHeadResponse:
        """The head of the log and its latest checkpoint."""
        return await self._ask(self._ledger.GetHead(ledger_pb2.GetHeadRequest(), timeout=self._timeout))

    async def entry(self, index: int) -> ledger_pb2.GetEntryResponse:
        """One entry."""
        request = ledger_pb2.GetEntryRequest(index=index)
        return await self._ask(self._ledger.GetEntry(request, timeout=self._timeout))

    async def proof(self, index: int) -> ledger_pb2.GetProofResponse:
        """One entry with its inclusion proof."""
        request = ledger_pb2.GetProofRequest(index=index)
        return await self._ask(self._ledger.GetProof(request, timeout=self._timeout))
