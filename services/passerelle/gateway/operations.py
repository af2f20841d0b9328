"""What the gateway offers: one table, from which the routes and the OpenAPI document are both made."""

from __future__ import annotations

from typing import Any, Final

from passerelle.client import Articulation, Equivalency, Ledger, Portability, Stream, Transfer, Unary
from passerelle.gateway.asking import Operation

_Method = Unary[Any, Any] | Stream[Any, Any]
_STREAM: Final = "/v1/ledger/members/{member}/streams/{family}"


def _get(name: str, path: str, method: _Method, summary: str, *needs: str, under: str = "") -> Operation:
    return Operation(name, "GET", path, method, summary, needs, under=under)


def _post(name: str, path: str, method: _Method, summary: str, *needs: str) -> Operation:
    return Operation(name, "POST", path, method, summary, needs)


def _own(name: str, path: str, method: _Method, summary: str, *needs: str) -> Operation:
    """A GET to which the caller must say who it is."""
    return Operation(name, "GET", path, method, summary, needs, identity=True)


_EQUIVALENCY: Final = (
    _get("findEquivalency", "/v1/equivalency/find", Equivalency.FIND, "What an achievement counts for.", "achievement"),
    _get(
        "reverseEquivalency",
        "/v1/equivalency/reverse",
        Equivalency.REVERSE,
        "What counts for an achievement.",
        "achievement",
    ),
    _post(
        "evaluateTranscript",
        "/v1/equivalency/evaluate",
        Equivalency.EVALUATE,
        "A transcript, line by line, against the rules of one receiver or of all. It is not stored.",
        "lines",
    ),
    _get(
        "searchAchievements",
        "/v1/equivalency/achievements",
        Equivalency.SEARCH,
        "Achievements by words, code, member, kind, place, delivery, framework or occupation.",
    ),
    _get(
        "getAchievement",
        "/v1/equivalency/achievements/{achievement}",
        Equivalency.GET_ACHIEVEMENT,
        "One achievement with everything published about it.",
    ),
    _get(
        "listRules",
        "/v1/equivalency/rules",
        Equivalency.LIST_RULES,
        "Rules between senders and receivers, or between jurisdictions.",
    ),
    _post(
        "findPathways",
        "/v1/equivalency/pathways",
        Equivalency.PATHWAYS,
        "The best ways from what is held to an achievement or a programme. Nothing is stored.",
        "target",
    ),
)
_PORTABILITY: Final = (
    _get(
        "assessPortability",
        "/v1/portability/assess",
        Portability.ASSESS,
        "Whether an achievement is portable.",
        "achievement",
    ),
    _post(
        "assessCase",
        "/v1/portability/assess",
        Portability.ASSESS,
        "Whether an achievement is portable, with facts of one case that no entry proves.",
        "achievement",
    ),
    _get(
        "profileAchievement",
        "/v1/portability/profile",
        Portability.PROFILE,
        "An achievement by every definition in force.",
        "achievement",
    ),
    _get("listPacks", "/v1/portability/packs", Portability.LIST_PACKS, "The policy packs in force."),
    _get(
        "listLeads",
        "/v1/portability/leads",
        Portability.LEADS_TO,
        "Achievements that lead to an occupation or to a term of another framework.",
        "framework",
        "code",
    ),
    _get(
        "compareLevel",
        "/v1/portability/levels",
        Portability.COMPARE_LEVEL,
        "A level of a qualifications framework beside the levels of others.",
        "framework",
        "level",
    ),
)
_ARTICULATION: Final = (
    _get(
        "listArticulationRequests",
        "/v1/articulation/requests",
        Articulation.LIST_REQUESTS,
        "Articulation requests, the oldest first; open ones, unless a state is named.",
    ),
    _get(
        "getArticulationRequest",
        "/v1/articulation/requests/{request}",
        Articulation.GET_REQUEST,
        "An articulation request with all its steps.",
    ),
    _get(
        "summariseArticulationRequests",
        "/v1/articulation/summaries",
        Articulation.SUMMARISE_REQUESTS,
        "Counts and the median time to decision, receiver by receiver.",
    ),
    _get(
        "listPrecedents",
        "/v1/articulation/precedents",
        Articulation.LIST_PRECEDENTS,
        "How others decided on an achievement. Precedents bind nobody.",
        "achievement",
    ),
    _get(
        "listContradictions",
        "/v1/articulation/contradictions",
        Articulation.LIST_CONTRADICTIONS,
        "Rules of one receiver that send the same, hold at the same time, and do not agree.",
        "receiver",
    ),
    _get(
        "listNonReciprocalRules",
        "/v1/articulation/non-reciprocal-rules",
        Articulation.LIST_NON_RECIPROCAL,
        "Rules of one course for one course without a rule back.",
        "receiver",
    ),
    _get(
        "listOrphans",
        "/v1/articulation/orphans",
        Articulation.LIST_ORPHANS,
        "Rules whose course was revised, retired or renumbered since they were stated.",
        "receiver",
    ),
    _get(
        "listEndingRules",
        "/v1/articulation/ending-rules",
        Articulation.LIST_ENDING,
        "Rules that count completions for so many days more.",
        "receiver",
    ),
    _get(
        "getCoverage",
        "/v1/articulation/coverage",
        Articulation.GET_COVERAGE,
        "Which achievements of a sender the receiver has answered, and which nobody has evaluated.",
        "sender",
        "receiver",
    ),
    _post(
        "askWhatIf",
        "/v1/articulation/what-if",
        Articulation.WHAT_IF,
        "Transcripts against the rules as they are and against a draft. Nothing is stored or published.",
        "receiver",
        "transcripts",
        "rules",
    ),
)
_TRANSFER: Final = (
    _own("listTransfers", "/v1/transfer/cases", Transfer.LIST, "The caller's transfer cases, newest change first."),
    _own("showTransfer", "/v1/transfer/cases/{case}", Transfer.SHOW, "A transfer case, to its parties."),
    _own(
        "listDependents",
        "/v1/transfer/dependents",
        Transfer.DEPENDENTS,
        "Which of the caller's cases and stacks rest on a credential or a recognition.",
        "on",
    ),
    _own(
        "showPermission",
        "/v1/transfer/permissions/{permission}",
        Transfer.SHOW_PERMISSION,
        "A letter of permission, to its parties.",
    ),
    _own(
        "listPermissions",
        "/v1/transfer/permissions",
        Transfer.LIST_PERMISSIONS,
        "The caller's letters of permission, newest change first.",
    ),
)
_LEDGER: Final = (
    _get("getHead", "/v1/ledger/head", Ledger.GET_HEAD, "The head of the log and its latest checkpoint."),
    _get(
        "getCheckpoint",
        "/v1/ledger/checkpoint",
        Ledger.GET_CHECKPOINT,
        "The latest checkpoint, or that of a size, with the cosignatures that witnesses gave so far.",
    ),
    _get(
        "getConsistency",
        "/v1/ledger/consistency",
        Ledger.GET_CONSISTENCY,
        "That the log of one size is the beginning of the log of another (RFC 9162).",
        "from_size",
        "to_size",
    ),
    _get("getVolume", "/v1/ledger/volume", Ledger.GET_VOLUME, "Accepted and refused entries by hour and family."),
    _get("getEntry", "/v1/ledger/entries/{index}", Ledger.GET_ENTRY, "An entry of the log."),
    _get(
        "getProof",
        "/v1/ledger/entries/{index}/proof",
        Ledger.GET_PROOF,
        "An entry with its inclusion proof (C2SP tlog-proof).",
    ),
    _get("listMembers", "/v1/ledger/members", Ledger.LIST_MEMBERS, "Members as the registry has them."),
    _own(
        "listInbox",
        "/v1/ledger/members/{member}/inbox",
        Ledger.LIST_INBOX,
        "A member's inbox records after a number, to that member.",
    ),
    _get("getStream", _STREAM, Ledger.GET_STREAM, "The head of a member's stream of one family."),
    _get("listStream", f"{_STREAM}/entries", Ledger.LIST_STREAM, "A stream's entries after a sequence, in order."),
    _get(
        "getStreamEntry",
        f"{_STREAM}/entries/{{sequence}}",
        Ledger.GET_ENTRY,
        "An entry by its stream, as a receipt names it.",
        under="stream",
    ),
    _get(
        "getStreamProof",
        f"{_STREAM}/entries/{{sequence}}/proof",
        Ledger.GET_PROOF,
        "An entry by its stream, with its inclusion proof (C2SP tlog-proof).",
        under="stream",
    ),
)
OPERATIONS: Final = (*_EQUIVALENCY, *_PORTABILITY, *_ARTICULATION, *_TRANSFER, *_LEDGER)

LEFT_OUT: Final = {
    Transfer.WATCH.path: "It goes on for an hour; a JSON answer ends.",
    Ledger.WATCH.path: "It goes on for an hour; a JSON answer ends. The portal has server-sent events.",
    Ledger.ADD_COSIGNATURE.path: "It is the one call that writes. A witness speaks gRPC.",
}
"""Methods that the gateway does not offer, by their gRPC path, and why."""
