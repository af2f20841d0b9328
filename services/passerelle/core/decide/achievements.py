"""Rules for achievements, endorsements and demand statements."""

from __future__ import annotations

from typing import Any

from passerelle.core.decide.context import MAX_STACK_DEPTH, Context, leaves, member_of, organisation_of
from passerelle.core.errors import Refused
from passerelle.core.things import Effects

MAX_STACK_SIZE = 256


def _facts(context: Context) -> dict[str, Any]:
    data = context.data
    facts: dict[str, Any] = {"version": data["version"], "awarding_bodies": list(data["awarding_bodies"])}
    components = data.get("components")
    if components is not None:
        facts["components"] = sorted(set(leaves(components)))
    return facts


def check_bodies(context: Context, where: str) -> None:
    """Every body is known, and the signer is one of them or answers for one that is listed."""
    answers = False
    for urn in context.data["awarding_bodies"]:
        member = member_of(urn)
        if member is not None:
            context.member(member, where)
            answers = answers or member == context.event.member
        else:
            organisation = context.reference("organisation", organisation_of(urn) or "", where)
            answers = answers or organisation.owner == context.event.member
    context.require(
        answers,
        "not-awarding-body",
        "the signer is neither an awarding body nor the member that answers for a listed one",
        where,
        "name yourself among the awarding bodies, or list the organisation that you answer for",
    )


def _check_not_circular(context: Context, components: list[str]) -> None:
    """Walk the components downwards: the achievement must not be reached again (bounded in depth and size)."""
    level, seen = set(components), set[str]()
    for _ in range(MAX_STACK_DEPTH):
        if context.event.subject in level:
            raise Refused(
                "stack-circular",
                "the components lead back to the achievement itself",
                where="data.components",
                fix="remove the component that contains this achievement",
            )
        fresh = sorted(level - seen)
        if not fresh:
            return
        seen.update(fresh)
        if len(seen) > MAX_STACK_SIZE:
            break
        level = set()
        for name in fresh:
            level.update(context.reference("achievement", name, "data.components").data.get("components", ()))
    raise Refused(
        "expression-too-large",
        f"the components nest deeper than {MAX_STACK_DEPTH} or reach more than {MAX_STACK_SIZE} achievements",
        where="data.components",
        fix="flatten the stack",
    )


def published(context: Context) -> Effects:
    """``achievement-published`` and ``achievement-revised``: the version grows by one each time."""
    context.owned_subject()
    before = context.view.thing(context.subject_key)
    if context.type.event == "achievement-revised":
        before = context.subject()
    state = context.step(before)
    expected = 1 if before is None else before.data["version"] + 1
    context.require(
        context.data["version"] == expected,
        "version-stale",
        f"the next version of this achievement is {expected}",
        "data.version",
        "read the latest version and state the next one",
    )
    check_bodies(context, "data.awarding_bodies")
    facts = _facts(context)
    if "components" in facts:
        _check_not_circular(context, facts["components"])
    if before is None:
        return Effects(things=(context.create(state, facts),))
    after = context.change(before, state, facts)
    return Effects(things=(after,), notices=context.notices(before, after))


def retired(context: Context) -> Effects:
    """``achievement-retired``: its rules and cases hear of it."""
    context.owned_subject()
    before = context.subject()
    after = context.change(before, context.step(before))
    return Effects(things=(after,), notices=context.notices(before, after))


def endorsed(context: Context) -> Effects:
    """``achievement-endorsed``: by another member than the one that offers it."""
    before = context.reference("achievement", context.event.subject, "subject")
    state = context.step(before)
    context.require(
        before.owner != context.event.member,
        "self-endorsement",
        "a member cannot endorse its own achievement",
        "subject",
        "let the employer or body that was involved publish the endorsement",
    )
    _check_version(context, before.data["version"])
    return Effects(things=(context.change(before, state),))


def outcomes_reported(context: Context) -> Effects:
    """``achievement-outcomes-reported``: aggregates by its owner."""
    context.owned_subject()
    before = context.subject()
    state = context.step(before)
    _check_version(context, before.data["version"])
    return Effects(things=(context.change(before, state),))


def _check_version(context: Context, latest: int) -> None:
    context.require(
        context.data["version"] <= latest,
        "reference-invalid",
        f"the latest version of this achievement is {latest}",
        "data.version",
        "name a version that was published",
    )


def demand_stated(context: Context) -> Effects:
    """``demand-stated``: about an achievement, an occupation or a skill."""
    context.owned_subject()
    before = context.view.thing(context.subject_key)
    state = context.step(before)
    named = context.data.get("achievement")
    if named is not None:
        context.reference("achievement", named, "data.achievement")
    return Effects(things=(context.create(state, {}) if before is None else context.change(before, state),))
