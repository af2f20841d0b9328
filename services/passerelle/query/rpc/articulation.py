"""ArticulationService over gRPC: public and read-only, no identity is asked for."""

from __future__ import annotations

from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.api.equivalency.v1 import articulation_pb2_grpc as stubs
from passerelle.query.articulation_gaps import Gaps
from passerelle.query.articulation_requests import EventReader, Requests
from passerelle.query.articulation_whatif import WhatIf
from passerelle.query.index import Index
from passerelle.query.rpc.calls import ServicerContext, wait_of


class ArticulationServicer(stubs.ArticulationServiceServicer):
    """The handlers; errors are turned into rich status by the server's interceptor."""

    def __init__(self, index: Index, events: EventReader, *, max_wait_s: float) -> None:
        self._requests = Requests(index, events)
        self._gaps = Gaps(index)
        self._what_if = WhatIf(index)
        self._max_wait_s = max_wait_s

    def _wait(self, context: ServicerContext) -> float:
        return wait_of(context, self._max_wait_s)

    async def ListRequests(self, request: pb.ListRequestsRequest, context: ServicerContext) -> pb.ListRequestsResponse:
        """Articulation requests that match."""
        return await self._requests.queue(request, self._wait(context))

    async def GetRequest(self, request: pb.GetRequestRequest, context: ServicerContext) -> pb.GetRequestResponse:
        """One request with all its steps."""
        return await self._requests.get(request, self._wait(context))

    async def SummariseRequests(
        self, request: pb.SummariseRequestsRequest, context: ServicerContext
    ) -> pb.SummariseRequestsResponse:
        """Counts and the median time to decision."""
        return await self._requests.summarise(request, self._wait(context))

    async def ListPrecedents(
        self, request: pb.ListPrecedentsRequest, context: ServicerContext
    ) -> pb.ListPrecedentsResponse:
        """How others decided."""
        return await self._gaps.precedents(request, self._wait(context))

    async def ListContradictions(
        self, request: pb.ListContradictionsRequest, context: ServicerContext
    ) -> pb.ListContradictionsResponse:
        """Rules that do not agree."""
        return await self._gaps.contradictions(request, self._wait(context))

    async def ListNonReciprocal(
        self, request: pb.ListNonReciprocalRequest, context: ServicerContext
    ) -> pb.ListNonReciprocalResponse:
        """Rules without their return."""
        return await self._gaps.non_reciprocal(request, self._wait(context))

    async def ListOrphans(self, request: pb.ListOrphansRequest, context: ServicerContext) -> pb.ListOrphansResponse:
        """Rules whose course changed."""
        return await self._gaps.orphans(request, self._wait(context))

    async def ListEnding(self, request: pb.ListEndingRequest, context: ServicerContext) -> pb.ListEndingResponse:
        """Rules near their end."""
        return await self._gaps.ending(request, self._wait(context))

    async def GetCoverage(self, request: pb.GetCoverageRequest, context: ServicerContext) -> pb.GetCoverageResponse:
        """What of a sender was answered."""
        return await self._gaps.coverage(request, self._wait(context))

    async def WhatIf(self, request: pb.WhatIfRequest, context: ServicerContext) -> pb.WhatIfResponse:
        """A draft against transcripts."""
        return await self._what_if.what_if(request, self._wait(context))
