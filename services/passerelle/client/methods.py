"""Every method of the network's services, each declared once with the types of its messages.

The client, the command line and the gateway name methods by these. The contract of each, with its errors, stands in
protos/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from passerelle.api.equivalency.v1 import articulation_pb2 as articulation
from passerelle.api.equivalency.v1 import equivalency_pb2 as equivalency
from passerelle.api.ledger.v1 import ledger_pb2 as ledger
from passerelle.api.portability.v1 import portability_pb2 as portability
from passerelle.api.transfer.v1 import transfer_pb2 as transfer

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True, slots=True)
class Unary(Generic[Q, R]):
    """A method with one answer. ``idempotent``: asking twice does no harm, so a failed try may be repeated."""

    service: Any
    name: str
    request: type[Q]
    response: type[R]
    idempotent: bool = True

    @property
    def path(self) -> str:
        """``/package.Service/Method``."""
        return f"/{self.service.full_name}/{self.name}"


@dataclass(frozen=True, slots=True)
class Stream(Generic[Q, R]):
    """A method with any number of answers; repeated only while none has come."""

    service: Any
    name: str
    request: type[Q]
    response: type[R]

    @property
    def path(self) -> str:
        """``/package.Service/Method``."""
        return f"/{self.service.full_name}/{self.name}"


class Equivalency:
    """What counts for what. Public."""

    SERVICE: Final = equivalency.DESCRIPTOR.services_by_name["EquivalencyService"]
    FIND: Final = Unary(SERVICE, "Find", equivalency.FindRequest, equivalency.FindResponse)
    REVERSE: Final = Unary(SERVICE, "Reverse", equivalency.ReverseRequest, equivalency.ReverseResponse)
    EVALUATE: Final = Stream(SERVICE, "Evaluate", equivalency.EvaluateRequest, equivalency.EvaluateResponse)
    SEARCH: Final = Unary(SERVICE, "Search", equivalency.SearchRequest, equivalency.SearchResponse)
    GET_ACHIEVEMENT: Final = Unary(
        SERVICE, "GetAchievement", equivalency.GetAchievementRequest, equivalency.GetAchievementResponse
    )
    LIST_RULES: Final = Unary(SERVICE, "ListRules", equivalency.ListRulesRequest, equivalency.ListRulesResponse)
    PATHWAYS: Final = Unary(SERVICE, "Pathways", equivalency.PathwaysRequest, equivalency.PathwaysResponse)


class Articulation:
    """Articulation requests, and what agencies ask. Public."""

    SERVICE: Final = articulation.DESCRIPTOR.services_by_name["ArticulationService"]
    LIST_REQUESTS: Final = Unary(
        SERVICE, "ListRequests", articulation.ListRequestsRequest, articulation.ListRequestsResponse
    )
    GET_REQUEST: Final = Unary(SERVICE, "GetRequest", articulation.GetRequestRequest, articulation.GetRequestResponse)
    SUMMARISE_REQUESTS: Final = Unary(
        SERVICE, "SummariseRequests", articulation.SummariseRequestsRequest, articulation.SummariseRequestsResponse
    )
    LIST_PRECEDENTS: Final = Unary(
        SERVICE, "ListPrecedents", articulation.ListPrecedentsRequest, articulation.ListPrecedentsResponse
    )
    LIST_CONTRADICTIONS: Final = Unary(
        SERVICE, "ListContradictions", articulation.ListContradictionsRequest, articulation.ListContradictionsResponse
    )
    LIST_NON_RECIPROCAL: Final = Unary(
        SERVICE, "ListNonReciprocal", articulation.ListNonReciprocalRequest, articulation.ListNonReciprocalResponse
    )
    LIST_ORPHANS: Final = Unary(
        SERVICE, "ListOrphans", articulation.ListOrphansRequest, articulation.ListOrphansResponse
    )
    LIST_ENDING: Final = Unary(SERVICE, "ListEnding", articulation.ListEndingRequest, articulation.ListEndingResponse)
    GET_COVERAGE: Final = Unary(
        SERVICE, "GetCoverage", articulation.GetCoverageRequest, articulation.GetCoverageResponse
    )
    WHAT_IF: Final = Unary(SERVICE, "WhatIf", articulation.WhatIfRequest, articulation.WhatIfResponse)


class Portability:
    """Whether an achievement is portable. Public."""

    SERVICE: Final = portability.DESCRIPTOR.services_by_name["PortabilityService"]
    ASSESS: Final = Unary(SERVICE, "Assess", portability.AssessRequest, portability.AssessResponse)
    LIST_PACKS: Final = Unary(SERVICE, "ListPacks", portability.ListPacksRequest, portability.ListPacksResponse)
    PROFILE: Final = Unary(SERVICE, "Profile", portability.ProfileRequest, portability.ProfileResponse)
    LEADS_TO: Final = Unary(SERVICE, "LeadsTo", portability.LeadsToRequest, portability.LeadsToResponse)
    COMPARE_LEVEL: Final = Unary(
        SERVICE, "CompareLevel", portability.CompareLevelRequest, portability.CompareLevelResponse
    )


class Transfer:
    """Transfer cases and letters of permission, to their parties only: the client needs an identity."""

    SERVICE: Final = transfer.DESCRIPTOR.services_by_name["TransferService"]
    SHOW: Final = Unary(SERVICE, "Show", transfer.ShowRequest, transfer.ShowResponse)
    LIST: Final = Unary(SERVICE, "List", transfer.ListRequest, transfer.ListResponse)
    WATCH: Final = Stream(SERVICE, "Watch", transfer.WatchRequest, transfer.WatchResponse)
    DEPENDENTS: Final = Unary(SERVICE, "Dependents", transfer.DependentsRequest, transfer.DependentsResponse)
    SHOW_PERMISSION: Final = Unary(
        SERVICE, "ShowPermission", transfer.ShowPermissionRequest, transfer.ShowPermissionResponse
    )
    LIST_PERMISSIONS: Final = Unary(
        SERVICE, "ListPermissions", transfer.ListPermissionsRequest, transfer.ListPermissionsResponse
    )


class Ledger:
    """The ledger itself. Inboxes and party bodies need an identity."""

    SERVICE: Final = ledger.DESCRIPTOR.services_by_name["LedgerService"]
    GET_HEAD: Final = Unary(SERVICE, "GetHead", ledger.GetHeadRequest, ledger.GetHeadResponse)
    GET_ENTRY: Final = Unary(SERVICE, "GetEntry", ledger.GetEntryRequest, ledger.GetEntryResponse)
    GET_PROOF: Final = Unary(SERVICE, "GetProof", ledger.GetProofRequest, ledger.GetProofResponse)
    GET_CONSISTENCY: Final = Unary(
        SERVICE, "GetConsistency", ledger.GetConsistencyRequest, ledger.GetConsistencyResponse
    )
    GET_STREAM: Final = Unary(SERVICE, "GetStream", ledger.GetStreamRequest, ledger.GetStreamResponse)
    LIST_STREAM: Final = Unary(SERVICE, "ListStream", ledger.ListStreamRequest, ledger.ListStreamResponse)
    LIST_INBOX: Final = Unary(SERVICE, "ListInbox", ledger.ListInboxRequest, ledger.ListInboxResponse)
    LIST_MEMBERS: Final = Unary(SERVICE, "ListMembers", ledger.ListMembersRequest, ledger.ListMembersResponse)
    WATCH: Final = Stream(SERVICE, "Watch", ledger.WatchRequest, ledger.WatchResponse)
    GET_VOLUME: Final = Unary(SERVICE, "GetVolume", ledger.GetVolumeRequest, ledger.GetVolumeResponse)
    GET_CHECKPOINT: Final = Unary(SERVICE, "GetCheckpoint", ledger.GetCheckpointRequest, ledger.GetCheckpointResponse)
    ADD_COSIGNATURE: Final = Unary(
        SERVICE, "AddCosignature", ledger.AddCosignatureRequest, ledger.AddCosignatureResponse
    )
