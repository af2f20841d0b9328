"""Rules for articulation requests, recognitions and individual assessments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from passerelle.core.decide.context import Context, leaves
from passerelle.core.things import Effects, Thing


def outcome_achievements(outcome: Mapping[str, Any]) -> Iterator[str]:
    """The receiver's achievements that an outcome names (courses and programmes)."""
    for part in outcome.get("of", ()):
        yield from outcome_achievements(part)
    for name in ("achievement", "programme"):
        if name in outcome:
            yield outcome[name]


def _acts_for(context: Context, receiver: str) -> None:
    """The signer is the receiver, or an agency named in the receiver's published delegation that is in force."""
    member = context.event.member
    if member == receiver:
        return
    named = context.data.get("delegation")
    context.require(
        named is not None,
        "not-receiver",
        "the signer is not the receiver and names no delegation",
        "data.receiver",
        "let the receiver publish it, or name the receiver's delegation to you",
    )
    delegation = context.reference("delegation", str(named), "data.delegation")
    facts = delegation.data
    in_force = facts["valid_from"] <= context.event.date and (
        facts["valid_to"] is None or context.event.date <= facts["valid_to"]
    )
    context.require(
        delegation.owner == receiver and facts["delegate"] == member and in_force,
        "not-delegated",
        "the delegation is another member's, to another agency, or not in force",
        "data.delegation",
        "name the receiver's delegation to you that is in force today",
    )


def requested(context: Context) -> Effects:
    """``requested``: by the sender, the receiver or an agency."""
    context.owned_subject()
    state = context.step(context.view.thing(context.subject_key))
    achievement = context.reference("achievement", context.data["achievement"], "data.achievement")
    receiver = context.data["receiver"]
    context.member(receiver, "data.receiver")
    asks = context.event.member in {achievement.owner, receiver}
    context.require(
        asks or "articulate" in context.registry.members[context.event.member].roles,
        "not-owner",
        "only the sending member, the receiver or an agency may ask for an evaluation",
        "data.achievement",
        "ask for your own achievement, or let the agency ask",
    )
    replaced = context.data.get("replaces")
    if replaced is not None:
        older = context.reference("achievement", replaced, "data.replaces")
        context.require(
            older.owner == achievement.owner and older.id != achievement.id,
            "reference-invalid",
            "the course that is replaced is another member's, or the very same",
            "data.replaces",
            "name the sender's older course",
        )
    facts = {"evaluator": receiver, "receiver": receiver, "achievement": context.data["achievement"]}
    return Effects(things=(context.create(state, facts),))


def _request_of_other(context: Context) -> Thing:
    return context.reference("articulation", context.event.subject, "subject")


def evaluated_step(context: Context) -> Effects:
    """``returned``, ``forwarded``, ``declined``: by the evaluator of the open request, or an agency delegated by it."""
    before = _request_of_other(context)
    state = context.step(before)
    evaluator = before.data["evaluator"]
    context.require(
        evaluator == context.event.member or "delegation" in context.data,
        "not-receiver",
        "the request is with another evaluator",
        "subject",
        "only its present evaluator may answer it, or an agency that names the evaluator's delegation",
    )
    _acts_for(context, evaluator)
    facts = dict(before.data)
    if context.type.event == "forwarded":
        context.member(context.data["evaluator"], "data.evaluator")
        facts["evaluator"] = context.data["evaluator"]
    return Effects(things=(context.change(before, state, facts),))


def resubmitted(context: Context) -> Effects:
    """``resubmitted``: by the member that asked."""
    context.owned_subject()
    before = context.subject()
    return Effects(things=(context.change(before, context.step(before)),))


def _answer(context: Context, receiver: str) -> tuple[Thing, ...]:
    """The articulation request that the rule answers, closed."""
    named = context.data.get("request")
    if named is None:
        return ()
    request = context.reference("articulation", named, "data.request")
    context.require(
        request.data["receiver"] == receiver and request.state == "requested",
        "reference-invalid",
        f"the request is to another receiver or not open: its state is {request.state}",
        "data.request",
        "name an open request to this receiver",
    )
    return (context.change(request, "answered"),)


def ruled(context: Context) -> Effects:
    """``granted``, ``revised``, ``denied``: by the receiver, a delegated agency, or a recognising body for itself."""
    context.owned_subject()
    data = context.data
    event = context.type.event
    before = context.subject() if event == "revised" else context.view.thing(context.subject_key)
    state = context.step(before)
    receiver = data["receiver"]
    context.member(receiver, "data.receiver")
    _acts_for(context, receiver)
    expected = 1 if before is None else before.data["version"] + 1
    context.require(
        event == "denied" or data.get("version", 1) == expected,
        "version-stale",
        f"the next version of this rule is {expected}",
        "data.version",
        "read the latest version and state the next one",
    )
    rests = []
    for name in sorted(set(leaves(data["sending"]))):
        rests.append(context.reference("achievement", name, "data.sending").key)
    for name in sorted(set(outcome_achievements(data.get("outcome", {})))):
        rests.append(context.reference("achievement", name, "data.outcome").key)
    superseded = data.get("supersedes")
    if superseded is not None:
        old = context.reference("recognition", superseded["recognition"], "data.supersedes")
        context.require(
            old.data["receiver"] == receiver,
            "not-owner",
            "the superseded rule is another receiver's",
            "data.supersedes",
            "supersede your own rules only",
        )
    answered = _answer(context, receiver)
    facts = {"receiver": receiver, "version": expected}
    thing = context.create(state, facts) if before is None else context.change(before, state, facts)
    notices = () if before is None else context.notices(before, thing)
    edges = context.rests_on(thing.key, receiver, rests)
    return Effects(things=(thing, *answered), dependencies=edges, notices=notices)


def reviewed(context: Context) -> Effects:
    """``confirmed`` and ``ended``: by the member that published the rule."""
    context.owned_subject()
    before = context.subject()
    state = context.step(before)
    answered: tuple[Thing, ...] = ()
    if context.type.event == "confirmed":
        answered = _answer(context, before.data["receiver"])
    after = context.change(before, state)
    notices = context.notices(before, after) if context.type.event == "ended" else ()
    return Effects(things=(after, *answered), notices=notices)


def assessed(context: Context) -> Effects:
    """``assessed`` and ``denied-individually``: one learner's outcome, by the receiver."""
    data, member = context.data, context.event.member
    state = context.step(context.view.thing(context.subject_key))
    context.require(
        data["receiver"] == member,
        "not-receiver",
        "only the receiver decides on a learner",
        "data.receiver",
        "let the receiver publish it",
    )
    named = list(data.get("credentials", ()))
    if "credential" in data:
        named.append(data["credential"])
    for credential in named:
        context.reference("credential", credential, "data.credentials")
    if "achievement" in data:
        context.reference("achievement", data["achievement"], "data.achievement")
    for party in data.get("parties", ()):
        context.member(party, "data.parties")
    parties = tuple(sorted({member, *data.get("parties", ())}))
    thing = context.create(state, {"parties": list(parties)})
    edges = context.rests_on(thing.key, member, [f"credential:{credential}" for credential in named])
    return Effects(things=(thing,), dependencies=edges, parties=parties)
