"""Rules for letters of permission: what the home institution promises to a learner who studies elsewhere for a term.

A promise may be amended or withdrawn until its term begins. It serves one transfer case of the home institution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from passerelle.core.decide.context import MEMBER_URN, Context
from passerelle.core.things import Dependency, Effects, Thing


def _parties(thing: Thing) -> tuple[str, ...]:
    return tuple(sorted({thing.owner, thing.data["host"]}))


def granted(context: Context) -> Effects:
    """``permission-granted``: by the home institution, for courses of the host, by rules that stand in the log."""
    state = context.step(context.view.thing(context.subject_key))
    permission = context.create(state, _facts(context))
    return Effects(things=(permission,), dependencies=_edges(context, permission), parties=_parties(permission))


def amended(context: Context) -> Effects:
    """``permission-amended``: the whole of it anew, with the same host."""
    before, state = _open_permission(context)
    context.require(
        context.data["host"] == before.data["host"],
        "permission-invalid",
        "the permission is for another host",
        "data.host",
        "withdraw the permission, and grant one for the other host",
    )
    permission = context.change(before, state, _facts(context))
    edges = _edges(context, permission)
    return Effects(things=(permission,), undepend=(permission.key,), dependencies=edges, parties=_parties(permission))


def withdrawn(context: Context) -> Effects:
    """``permission-withdrawn``: nothing is promised any more."""
    before, state = _open_permission(context)
    return Effects(things=(context.change(before, state),), undepend=(before.key,), parties=_parties(before))


def refused(context: Context) -> Effects:
    """``permission-refused``: told to nobody but the home institution itself, whose word it is."""
    state = context.step(context.view.thing(context.subject_key))
    _check_host(context)
    for number, course in enumerate(context.data["courses"]):
        context.reference("achievement", course["achievement"], f"data.courses[{number}].achievement")
    thing = context.create(state, {"host": context.data["host"]})
    return Effects(things=(thing,), parties=(context.event.member,))


def _check_host(context: Context) -> None:
    host = context.data["host"]
    context.require(
        host != context.event.member,
        "permission-invalid",
        "the host is the home institution itself",
        "data.host",
        "name the institution where the courses are taken",
    )
    context.member(host, "data.host")


def _facts(context: Context) -> dict[str, Any]:
    """What later decisions need of a permission, once everything in it was found right."""
    data, member = context.data, context.event.member
    _check_host(context)
    if data.get("programme") is not None:
        context.reference("achievement", data["programme"], "data.programme")
    context.require(
        data["position"] <= context.event.index,
        "reference-invalid",
        f"the log had {context.event.index} entries before this one",
        "data.position",
        "name the position at which the rules were asked",
    )
    context.require(
        str(data["expires_on"]) >= context.event.date,
        "permission-expired",
        "the permission ends before it begins",
        "data.expires_on",
        "state a last day that is not past",
    )
    for number, course in enumerate(data["courses"]):
        _check_course(context, course, f"data.courses[{number}]")
    for number, named in enumerate(data.get("policies", ())):
        where = f"data.policies[{number}]"
        policy = context.reference("policy", named["policy"], where)
        context.require(
            policy.owner == member and named["version"] <= policy.data["version"],
            "reference-invalid",
            "the policy is another member's, or has no such version",
            where,
            "name a published version of your own policy",
        )
    return {
        "host": data["host"],
        "starts_on": str(data["term"]["starts_on"]),
        "expires_on": str(data["expires_on"]),
        "case": None,
    }


def _check_course(context: Context, course: Any, where: str) -> None:
    achievement = context.reference("achievement", course["achievement"], f"{where}.achievement")
    host = context.data["host"]
    context.require(
        achievement.owner == host or f"{MEMBER_URN}{host}" in achievement.data["awarding_bodies"],
        "permission-invalid",
        "the course is not one of the host's",
        f"{where}.achievement",
        "name courses that the host awards",
    )
    if course.get("recognition") is not None:
        rule = context.reference("recognition", course["recognition"], f"{where}.recognition")
        check_rule(context, rule, context.event.member, course.get("recognition_index"), where)


def check_rule(context: Context, rule: Thing, receiver: str, index: int | None, where: str) -> None:
    """The rule that a line names is the receiver's own, and the entry is one of the rule's."""
    context.require(
        rule.data["receiver"] == receiver,
        "reference-invalid",
        "the rule is another receiver's",
        f"{where}.recognition",
        "name a rule of the receiver, or state an individual_reason",
    )
    context.require(
        index is None or rule.created <= index <= rule.changed,
        "reference-invalid",
        f"the entries of the rule stand at index {rule.created} to {rule.changed}",
        f"{where}.recognition_index",
        "name the log index of the version of the rule that was applied",
    )


def _edges(context: Context, permission: Thing) -> tuple[Dependency, ...]:
    """Both parties hear when a course or a rule of the permission changes."""
    keys: set[str] = set()
    for course in context.data["courses"]:
        keys.add(f"achievement:{course['achievement']}")
        if course.get("recognition") is not None:
            keys.add(f"recognition:{course['recognition']}")
    edges: list[Dependency] = []
    for member in _parties(permission):
        edges += context.rests_on(permission.key, member, sorted(keys))
    return tuple(edges)


def _open_permission(context: Context) -> tuple[Thing, str]:
    """The signer's own permission, the step legal, the term not begun, the version the latest."""
    permission = context.subject()
    context.require(
        permission.owner == context.event.member,
        "not-owner",
        "only the home institution changes its permission",
        "subject",
        "let the institution that granted it publish this",
    )
    state = context.step(permission)
    context.require(
        permission.data["case"] is None and context.event.date < permission.data["starts_on"],
        "permission-begun",
        f"the term began on {permission.data['starts_on']}, or the permission was used",
        "type",
        "honour it; what has changed is settled in the transfer case of the return",
    )
    context.require(
        context.data["expected_version"] == permission.version,
        "version-stale",
        f"the permission is at version {permission.version}",
        "data.expected_version",
        "read the permission again and decide on its latest version",
    )
    return permission, state


def used(context: Context, host: str) -> Sequence[Thing]:
    """What the opening of a case makes of the permission that it names; nothing where it names none.

    ``host``: the sender of the case. A case that was withdrawn gives the permission back.
    """
    name = context.data.get("permission")
    if name is None:
        return ()
    where = "data.permission"
    permission = context.reference("permission", name, where)
    fits = permission.owner == context.event.member and permission.data["host"] == host
    context.require(
        permission.state == "granted" and fits,
        "permission-invalid",
        f"the permission is in state {permission.state}, or not one of the signer's for this sender",
        where,
        "name a permission in force that the signer granted for studies at the sender",
    )
    context.require(
        permission.data["starts_on"] <= context.event.date <= permission.data["expires_on"],
        "permission-expired",
        f"the permission serves from {permission.data['starts_on']} to {permission.data['expires_on']}",
        where,
        "open the case without it: it is decided by the rules of today",
    )
    earlier = permission.data["case"]
    case = None if earlier is None else context.view.thing(f"transfer:{earlier}")
    context.require(
        case is None or case.state == "withdrawn",
        "permission-used",
        "the permission serves another case already",
        where,
        "decide in that case, or withdraw it first",
    )
    return (context.change(permission, None, {**permission.data, "case": context.event.subject}),)
