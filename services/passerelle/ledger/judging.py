"""The decision on one event in its place, the same for the ledger and for its check."""

from __future__ import annotations

from passerelle.core.decide import Accepted, Rejected, Verdict, Waiting, decide
from passerelle.core.errors import Refused, code_info
from passerelle.core.registry import Registry, apply
from passerelle.core.things import Effects, Occurrence, View
from passerelle.events.codec import Event

_NOTHING = Accepted(Effects())


def rejected(refused: Refused) -> Rejected:
    """A refusal as a verdict."""
    return Rejected(refused.code, refused.what, refused.where, refused.fix)


def overdue(waiting: Waiting) -> Rejected:
    """The refusal of an event that waited in vain for the thing that it names."""
    kind, _, _ = waiting.key.partition(":")
    return Rejected(
        "reference-unknown",
        f"the event names a {kind} that did not come in time",
        waiting.where,
        "publish or correct the reference, see that it was accepted, then publish the event again",
    )


def refusal_told(verdict: Rejected) -> dict[str, str]:
    """What the sender of a refused event is told beside the code."""
    return {"field": verdict.where, "what": verdict.what, "fix": verdict.fix or code_info(verdict.code).fix}


def judge(event: Event, index: int, date: str, view: View, registry: Registry) -> Verdict:
    """Decide on a readable event that would stand at log ``index`` and be accepted on ``date`` (UTC, YYYY-MM-DD).

    An accepted member event changes ``registry`` in place; nothing else is changed. Exceptions of the view pass.
    """
    if event.type.family == "member":
        return _judge_member(event, index, registry)
    occurrence = Occurrence(event.member, event.type.full, event.subject, event.data, index, date)
    return decide(occurrence, view, registry)


def _judge_member(event: Event, index: int, registry: Registry) -> Verdict:
    try:
        if event.member != registry.operator:
            raise Refused("operator-only", "only the network's operator writes member events", where="source")
        if event.subject != event.data["member"]:
            raise Refused("subject-mismatch", "the subject is not the member that the data names", where="subject")
        apply(registry, index, event.type.full, event.data)
    except Refused as refused:
        return rejected(refused)
    return _NOTHING
