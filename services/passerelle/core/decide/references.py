"""Rules for reference events: frameworks, scales, policies, organisations, delegations."""

from __future__ import annotations

from typing import Any

from passerelle.core.decide.context import Context
from passerelle.core.things import Effects

_NAMED_BY = {"framework": "framework", "scale": "scheme"}
_VERSIONED = frozenset({"framework", "scale", "policy"})


def published(context: Context) -> Effects:
    """A reference record in the signer's namespace; a versioned one grows by one."""
    context.owned_subject()
    data, kind = context.data, context.type.kind
    before = context.view.thing(context.subject_key)
    state = context.step(before)
    name = _NAMED_BY.get(kind)
    if name is not None:
        context.require(
            data[name] == context.event.subject,
            "subject-mismatch",
            "the subject is not the record's own id",
            "subject",
            f"use data.{name} as the subject",
        )
    facts: dict[str, Any] = {}
    if kind in _VERSIONED:
        expected = 1 if before is None else before.data["version"] + 1
        context.require(
            data["version"] == expected,
            "version-stale",
            f"the next version of this record is {expected}",
            "data.version",
            "read the latest version and state the next one",
        )
        facts["version"] = expected
    if kind == "organisation":
        context.require(
            data["answered_for_by"] == context.event.member,
            "not-owner",
            "only the member that answers for the organisation lists it",
            "data.answered_for_by",
            "name yourself, or let the member that answers for it list it",
        )
    if kind == "delegation":
        context.member(data["delegate"], "data.delegate")
        facts.update(delegate=data["delegate"], valid_from=data["valid_from"], valid_to=data.get("valid_to"))
    thing = context.create(state, facts) if before is None else context.change(before, state, facts)
    return Effects(things=(thing,), notices=() if before is None else context.notices(before, thing))
