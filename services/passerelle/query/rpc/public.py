"""EquivalencyService and PortabilityService over gRPC: public, no identity is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

from passerelle.api.equivalency.v1 import equivalency_pb2, equivalency_pb2_grpc
from passerelle.api.portability.v1 import portability_pb2, portability_pb2_grpc
from passerelle.core.policy import Pack
from passerelle.query.equivalency import Equivalency
from passerelle.query.evaluation import Evaluation
from passerelle.query.index import Index
from passerelle.query.listing import Listing
from passerelle.query.pathways import Pathways
from passerelle.query.portability import Portability
from passerelle.query.rpc.calls import ServicerContext, wait_of
from passerelle.query.rpc.proofs import EntryProofs


class EquivalencyServicer(equivalency_pb2_grpc.EquivalencyServiceServicer):
    """The handlers; errors are turned into rich status by the server's interceptor."""

    def __init__(self, index: Index, packs: tuple[Pack, ...] = (), *, max_wait_s: float) -> None:
        self._equivalency = Equivalency(index)
        self._evaluation = Evaluation(index, packs)
        self._listing = Listing(index)
        self._pathways = Pathways(index)
        self._max_wait_s = max_wait_s

    async def Find(
        self, request: equivalency_pb2.FindRequest, context: ServicerContext
    ) -> equivalency_pb2.FindResponse:
        """What a sending achievement counts for."""
        return await self._equivalency.find(request, wait_of(context, self._max_wait_s))

    async def Reverse(
        self, request: equivalency_pb2.ReverseRequest, context: ServicerContext
    ) -> equivalency_pb2.ReverseResponse:
        """What counts for a receiving achievement."""
        return await self._equivalency.reverse(request, wait_of(context, self._max_wait_s))

    async def Evaluate(
        self, request: equivalency_pb2.EvaluateRequest, context: ServicerContext
    ) -> AsyncIterator[equivalency_pb2.EvaluateResponse]:
        """A whole transcript."""
        async for response in self._evaluation.evaluate(request, wait_of(context, self._max_wait_s)):
            yield response

    async def Search(
        self, request: equivalency_pb2.SearchRequest, context: ServicerContext
    ) -> equivalency_pb2.SearchResponse:
        """Achievements by words and facets."""
        return await self._equivalency.search(request, wait_of(context, self._max_wait_s))

    async def ListRules(
        self, request: equivalency_pb2.ListRulesRequest, context: ServicerContext
    ) -> equivalency_pb2.ListRulesResponse:
        """Rules between senders and receivers."""
        return await self._listing.list_rules(request, wait_of(context, self._max_wait_s))

    async def Pathways(
        self, request: equivalency_pb2.PathwaysRequest, context: ServicerContext
    ) -> equivalency_pb2.PathwaysResponse:
        """The best ways to a target."""
        return await self._pathways.pathways(request, wait_of(context, self._max_wait_s))

    async def GetAchievement(
        self, request: equivalency_pb2.GetAchievementRequest, context: ServicerContext
    ) -> equivalency_pb2.GetAchievementResponse:
        """One achievement."""
        return await self._equivalency.get_achievement(request, wait_of(context, self._max_wait_s))


class PortabilityServicer(portability_pb2_grpc.PortabilityServiceServicer):
    """The handlers."""

    def __init__(self, portability: Portability, proofs: EntryProofs, *, max_wait_s: float) -> None:
        self._portability = portability
        self._proofs = proofs
        self._max_wait_s = max_wait_s

    async def Assess(
        self, request: portability_pb2.AssessRequest, context: ServicerContext
    ) -> portability_pb2.AssessResponse:
        """Judge one achievement by a pack."""
        response = await self._portability.assess(request, wait_of(context, self._max_wait_s))
        if request.with_proofs:
            await self._proofs.add(response, wait_of(context, self._max_wait_s))
        return response

    async def ListPacks(
        self, request: portability_pb2.ListPacksRequest, context: ServicerContext
    ) -> portability_pb2.ListPacksResponse:
        """The packs that Assess knows."""
        return await self._portability.list_packs(request, wait_of(context, self._max_wait_s))

    async def Profile(
        self, request: portability_pb2.ProfileRequest, context: ServicerContext
    ) -> portability_pb2.ProfileResponse:
        """One achievement by every definition."""
        return await self._portability.profile(request, wait_of(context, self._max_wait_s))

    async def LeadsTo(
        self, request: portability_pb2.LeadsToRequest, context: ServicerContext
    ) -> portability_pb2.LeadsToResponse:
        """Achievements that lead to an occupation or a term."""
        return await self._portability.frameworks.leads_to(request, wait_of(context, self._max_wait_s))

    async def CompareLevel(
        self, request: portability_pb2.CompareLevelRequest, context: ServicerContext
    ) -> portability_pb2.CompareLevelResponse:
        """A level beside those of other frameworks."""
        return await self._portability.frameworks.compare_level(request, wait_of(context, self._max_wait_s))
