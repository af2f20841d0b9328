"""Dispatch of one event to its rule, and the three outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from passerelle.core.catalogue import EVENT_TYPES
from passerelle.core.decide import achievements, credentials, permissions, recognitions, references, transfers
from passerelle.core.decide.context import ORGANISATION_URN, Context, Missing, leaves
from passerelle.core.decide.recognitions import outcome_achievements
from passerelle.core.errors import Refused
from passerelle.core.registry import Registry
from passerelle.core.things import Effects, Occurrence, View


class Accepted(NamedTuple):
    """The event takes effect."""

    effects: Effects


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused with a stable code; logged, its number spent, and it changes nothing."""

    code: str
    what: str
    where: str
    fix: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The event names ``key``, which the ledger does not hold yet; ``where`` is the field that names it."""

    key: str
    where: str


Verdict = Accepted | Rejected | Waiting
Rule = Callable[[Context], Effects]
_Keys = Callable[[Any], Iterable[str]]

RULES: Final[dict[str, Rule]] = {
    "credential.achievement-published": achievements.published,
    "credential.achievement-revised": achievements.published,
    "credential.achievement-retired": achievements.retired,
    "credential.achievement-endorsed": achievements.endorsed,
    "credential.achievement-outcomes-reported": achievements.outcomes_reported,
    "credential.demand-stated": achievements.demand_stated,
    "credential.issued": credentials.issued,
    "credential.co-awarded": credentials.co_awarded,
    "credential.amended": credentials.changed,
    "credential.suspended": credentials.changed,
    "credential.reinstated": credentials.changed,
    "credential.revoked": credentials.revoked,
    "credential.erased": credentials.erased,
    "credential.release-granted": credentials.release_granted,
    "credential.release-withdrawn": credentials.release_withdrawn,
    "recognition.requested": recognitions.requested,
    "recognition.returned": recognitions.evaluated_step,
    "recognition.forwarded": recognitions.evaluated_step,
    "recognition.declined": recognitions.evaluated_step,
    "recognition.resubmitted": recognitions.resubmitted,
    "recognition.granted": recognitions.ruled,
    "recognition.revised": recognitions.ruled,
    "recognition.denied": recognitions.ruled,
    "recognition.confirmed": recognitions.reviewed,
    "recognition.ended": recognitions.reviewed,
    "recognition.assessed": recognitions.assessed,
    "recognition.denied-individually": recognitions.assessed,
    "transfer.requested": transfers.requested,
    "transfer.evidence-added": transfers.stepped,
    "transfer.information-requested": transfers.stepped,
    "transfer.appealed": transfers.stepped,
    "transfer.withdrawn": transfers.stepped,
    "transfer.closed": transfers.stepped,
    "transfer.decided": transfers.decided,
    "transfer.posted": transfers.posted,
    "transfer.adjusted": transfers.adjusted,
    "transfer.permission-granted": permissions.granted,
    "transfer.permission-amended": permissions.amended,
    "transfer.permission-refused": permissions.refused,
    "transfer.permission-withdrawn": permissions.withdrawn,
    "reference.framework-published": references.published,
    "reference.scale-published": references.published,
    "reference.policy-published": references.published,
    "reference.organisation-listed": references.published,
    "reference.delegation-published": references.published,
}


def decide(event: Occurrence, view: View, registry: Registry) -> Verdict:
    """Decide on a schema-valid event of any family but ``member`` (those: :mod:`passerelle.core.registry`).

    The signer's membership, role and key are judged here and by the caller at the same ledger position. Exceptions of
    the view (a key that was not loaded) pass through.
    """
    context = Context(event, view, registry)
    try:
        _check_signer(context)
        return Accepted(RULES[context.type.name](context))
    except Refused as refused:
        return Rejected(refused.code, refused.what, refused.where, refused.fix)
    except Missing as missing:
        return Waiting(missing.key, missing.where)


def apply(event: Occurrence, view: View, registry: Registry) -> Effects:
    """The effects of an event that was accepted before: used when read models are rebuilt.

    Raises ``Refused`` where the recorded outcome and the state disagree; that is a fault of the ledger, never an input.
    """
    context = Context(event, view, registry)
    return RULES[context.type.name](context)


def erased(event: Occurrence, view: View, registry: Registry) -> Effects:
    """The effects of an ``erased`` event on a state from which the subject's bodies are already gone."""
    context = Context(event, view, registry)
    thing = credentials.erased_thing(context)
    return Effects(things=(thing,), undepend=(thing.key,), erase=(event.subject,))


def _check_signer(context: Context) -> None:
    member = context.registry.require_active(context.event.member)
    if not member.roles & context.type.roles:
        raise Refused(
            "role-missing",
            f"this event needs one of the roles {', '.join(sorted(context.type.roles))}",
            where="source",
            fix="ask the operator for the role",
        )


def first_needs(event_type: str, subject: str, data: Mapping[str, Any]) -> set[str]:
    """Keys of the things that the rule will surely read, so that a whole batch is loaded by one query.

    What a rule reads beyond these (a component's components) the view reports as not loaded, and the event is decided
    again after loading it.
    """
    keys = {f"{EVENT_TYPES[event_type].kind}:{subject}"}
    for name, value in data.items():
        found = _REFERENCES.get(name)
        if found is not None:
            keys.update(found(value))
    return keys


def _one(kind: str) -> _Keys:
    """The field names one thing; a field of this name that holds no text is another type's and names none."""
    return lambda value: (f"{kind}:{value}",) if isinstance(value, str) else ()


def _each(kind: str) -> _Keys:
    return lambda value: [f"{kind}:{one}" for one in value if isinstance(one, str)]


def _components(value: Any) -> Iterable[str]:
    """A credential's components are credentials; an achievement's are an expression."""
    return _expression(value) if isinstance(value, Mapping) else _each("credential")(value)


def _expression(value: Any) -> Iterable[str]:
    return [f"achievement:{name}" for name in leaves(value)] if isinstance(value, Mapping) else ()


def _outcome(value: Any) -> Iterable[str]:
    return [f"achievement:{name}" for name in outcome_achievements(value)] if isinstance(value, Mapping) else ()


def _organisations(value: Any) -> Iterable[str]:
    return [f"organisation:{urn[len(ORGANISATION_URN) :]}" for urn in value if urn.startswith(ORGANISATION_URN)]


def _lines(value: Any) -> Iterable[str]:
    """The lines of a decision; those of a request name no recognition."""
    rows = (line for line in value if isinstance(line, Mapping))
    return [f"recognition:{line['recognition']}" for line in rows if line.get("recognition") is not None]


def _courses(value: Any) -> Iterable[str]:
    """The courses of a permission, with the rules that promise their credit; a refusal names the courses alone."""
    for course in value if isinstance(value, list | tuple) else ():
        if isinstance(course, Mapping):
            yield f"achievement:{course['achievement']}"
            if course.get("recognition") is not None:
                yield f"recognition:{course['recognition']}"


def _policies(value: Any) -> Iterable[str]:
    return [f"policy:{one['policy']}" for one in value if isinstance(one, Mapping) and "policy" in one]


def _superseded(value: Any) -> Iterable[str]:
    return (f"recognition:{value['recognition']}",) if isinstance(value, Mapping) else ()


_REFERENCES: Final[dict[str, _Keys]] = {
    "achievement": _one("achievement"),
    "release": _one("release"),
    "request": _one("articulation"),
    "delegation": _one("delegation"),
    "credential": _one("credential"),
    "programme": _one("achievement"),
    "replaces": _one("achievement"),
    "credentials": _each("credential"),
    "releases": _each("release"),
    "components": _components,
    "awarding_bodies": _organisations,
    "sending": _expression,
    "outcome": _outcome,
    "lines": _lines,
    "permission": _one("permission"),
    "courses": _courses,
    "policies": _policies,
    "supersedes": _superseded,
}
"""Which things a field of ``data`` names, by the field's name."""
