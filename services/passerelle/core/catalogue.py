"""Every event type of the network: its family, visibility, the kind of thing it is about and who may publish it.

This table is the single source for what the ledger accepts; the models in :mod:`passerelle.events` hang the shape of
the data on it, and ``contracts/`` is generated from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "ca.passerelle."
SUFFIX: Final = ".v1"

Visibility = Literal["public", "party"]
SubjectForm = Literal["owned", "uuid", "member"]


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type.

    ``name`` is ``<family>.<event>``; ``kind`` names the lifecycle table of the subject; ``roles`` those of which
    the signer needs one; ``subject`` is the form of the subject's id.
    """

    name: str
    family: str
    event: str
    visibility: Visibility
    kind: str
    roles: frozenset[str]
    subject: SubjectForm

    @property
    def full(self) -> str:
        """The CloudEvents ``type``."""
        return f"{PREFIX}{self.name}{SUFFIX}"


_ISSUE = ("issue",)
_ENDORSE = ("endorse",)
_EVALUATE = ("recognise", "articulate")
_RULE = ("recognise", "articulate", "endorse")
_ANY = ("issue", "recognise", "articulate", "endorse", "operate")


def _row(name: str, visibility: Visibility, kind: str, roles: tuple[str, ...], subject: SubjectForm) -> EventType:
    family, event = name.split(".", 1)
    return EventType(name, family, event, visibility, kind, frozenset(roles), subject)


_ROWS: Final = (
    _row("credential.achievement-published", "public", "achievement", (*_ISSUE, "endorse"), "owned"),
    _row("credential.achievement-revised", "public", "achievement", (*_ISSUE, "endorse"), "owned"),
    _row("credential.achievement-retired", "public", "achievement", (*_ISSUE, "endorse"), "owned"),
    _row("credential.achievement-endorsed", "public", "achievement", _ENDORSE, "owned"),
    _row("credential.demand-stated", "public", "demand", _ENDORSE, "owned"),
    _row("credential.achievement-outcomes-reported", "public", "achievement", _ISSUE, "owned"),
    _row("credential.issued", "party", "credential", _ISSUE, "uuid"),
    _row("credential.co-awarded", "party", "credential", _ISSUE, "uuid"),
    _row("credential.amended", "party", "credential", _ISSUE, "uuid"),
    _row("credential.suspended", "party", "credential", _ISSUE, "uuid"),
    _row("credential.reinstated", "party", "credential", _ISSUE, "uuid"),
    _row("credential.revoked", "party", "credential", _ISSUE, "uuid"),
    _row("credential.erased", "party", "credential", _ISSUE, "uuid"),
    _row("credential.release-granted", "party", "release", _ISSUE, "uuid"),
    _row("credential.release-withdrawn", "party", "release", _ISSUE, "uuid"),
    _row("recognition.requested", "public", "articulation", (*_ISSUE, *_EVALUATE), "owned"),
    _row("recognition.returned", "public", "articulation", _EVALUATE, "owned"),
    _row("recognition.resubmitted", "public", "articulation", (*_ISSUE, *_EVALUATE), "owned"),
    _row("recognition.forwarded", "public", "articulation", _EVALUATE, "owned"),
    _row("recognition.declined", "public", "articulation", _EVALUATE, "owned"),
    _row("recognition.granted", "public", "recognition", _RULE, "owned"),
    _row("recognition.revised", "public", "recognition", _RULE, "owned"),
    _row("recognition.confirmed", "public", "recognition", _RULE, "owned"),
    _row("recognition.ended", "public", "recognition", _RULE, "owned"),
    _row("recognition.denied", "public", "recognition", _EVALUATE, "owned"),
    _row("recognition.assessed", "party", "assessment", _EVALUATE, "uuid"),
    _row("recognition.denied-individually", "party", "assessment", _EVALUATE, "uuid"),
    _row("transfer.requested", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.evidence-added", "party", "transfer", (*_ISSUE, "recognise"), "uuid"),
    _row("transfer.information-requested", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.decided", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.posted", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.adjusted", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.appealed", "party", "transfer", (*_ISSUE, "recognise"), "uuid"),
    _row("transfer.withdrawn", "party", "transfer", (*_ISSUE, "recognise"), "uuid"),
    _row("transfer.closed", "party", "transfer", ("recognise",), "uuid"),
    _row("transfer.permission-granted", "party", "permission", ("recognise",), "uuid"),
    _row("transfer.permission-amended", "party", "permission", ("recognise",), "uuid"),
    _row("transfer.permission-refused", "party", "permission", ("recognise",), "uuid"),
    _row("transfer.permission-withdrawn", "party", "permission", ("recognise",), "uuid"),
    _row("reference.framework-published", "public", "framework", _ANY, "owned"),
    _row("reference.scale-published", "public", "scale", _ANY, "owned"),
    _row("reference.policy-published", "public", "policy", _ANY, "owned"),
    _row("reference.organisation-listed", "public", "organisation", _ANY, "owned"),
    _row("reference.delegation-published", "public", "delegation", ("recognise",), "owned"),
    _row("member.admitted", "public", "member", ("operate",), "member"),
    _row("member.keys-changed", "public", "member", ("operate",), "member"),
    _row("member.roles-changed", "public", "member", ("operate",), "member"),
    _row("member.suspended", "public", "member", ("operate",), "member"),
    _row("member.removed", "public", "member", ("operate",), "member"),
)

EVENT_TYPES: Final[dict[str, EventType]] = {row.full: row for row in _ROWS}
"""By CloudEvents ``type``."""

BY_NAME: Final[dict[str, EventType]] = {row.name: row for row in _ROWS}
"""By ``<family>.<event>``."""
