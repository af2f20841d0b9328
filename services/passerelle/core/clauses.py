"""What log entries say about an achievement, judged: the ``evidence`` fields that the rules of policy packs read.

A test is a pure function of :class:`~passerelle.core.facts.Facts` and a *scope*: the jurisdictions that an involvement
must cover (empty: anywhere). It returns met, not met or unknown. The rule of all tests: what is absent is unknown, and
only what is stated as false is not met. An endorsement more never worsens an answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Final

from passerelle.core.facts import NATIONAL, PROVINCES, Demand, Endorsement, Facts, Finding, covers
from passerelle.core.reasons import Reason, reason

Scope = tuple[str, ...]
Test = Callable[[Facts, Scope], Finding]

MET_THROUGH_EXAMINATION: Final = "assessment.validated_common_examination"
SUBSTANTIAL: Final = frozenset({"level", "content", "hours", "assessment"})
"""Reasons of a refusal that state a difference of the achievement itself (Lisbon Recognition Convention, VI.1)."""
_EMPLOYER_KINDS: Final = {
    "employer": frozenset({"employer"}),
    "body-for-employers": frozenset({"professional-association", "sector-council"}),
    "regulator": frozenset({"regulator", "apprenticeship-authority"}),
    "quality-agency": frozenset({"quality-agency"}),
}
"""Which kinds of member may speak in a capacity: what a member says it is does not make it so."""
_ANY_CAPACITY: Final = ("employer", "body-for-employers", "regulator", "quality-agency", "other")


SCOPED: Final = frozenset({"evidence.employers_involved", "evidence.substantial_difference_stated"})
"""Fields that depend on the scope; all others are the same everywhere."""


def stated(facts: Facts, path: str) -> Any:
    """The value at a dotted path of the achievement's data, None where any step is absent."""
    value: Any = facts.achievement
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def as_day(value: object) -> dt.date:
    """A date of the achievement's data. Raises ValueError where it is none: the event's model lets none such in."""
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))


def examined(path: str) -> Test:
    """A yes-or-no field, or a text that is there; a validated common examination also meets it where it is absent."""

    def test(facts: Facts, scope: Scope) -> Finding:
        value = stated(facts, path)
        if value is True or (isinstance(value, str) and value):
            return Finding("met", (facts.index,))
        if value is False:
            return Finding("not-met", (facts.index,), (reason("stated-no", field=path),))
        if stated(facts, MET_THROUGH_EXAMINATION) is True:
            return Finding("met", (facts.index,), notes=(reason("through-common-examination"),))
        return Finding("unknown", missing=(reason("not-stated", field=path),))

    return test


def framework_recognised(facts: Facts, scope: Scope) -> Finding:
    """An alignment to a competency framework that its publisher states to be recognised."""
    evidence: list[int] = []
    refused: list[Reason] = []
    unknown: list[Reason] = []
    for name in dict.fromkeys(one["framework"] for one in stated(facts, "alignments") or ()):
        framework = facts.frameworks.get(name)
        if framework is None:
            unknown.append(reason("framework-unknown", framework=name))
        elif framework.kind != "competency":
            unknown.append(reason("framework-not-competency", framework=name))
        elif framework.recognised:
            evidence.append(framework.index)
        else:
            refused.append(reason("framework-not-recognised", framework=name))
    if evidence:
        return Finding("met", (facts.index, *sorted(evidence)))
    if refused and not unknown:
        return Finding("not-met", (facts.index,), tuple(refused))
    return Finding("unknown", missing=(*unknown, *refused) or (reason("framework-alignment-missing"),))


def framework_published(facts: Facts, scope: Scope) -> Finding:
    """An alignment to a skills or competency framework that is published on the network, recognised or not."""
    names = dict.fromkeys(one["framework"] for one in stated(facts, "alignments") or ())
    known = [facts.frameworks[name].index for name in names if name in facts.frameworks]
    if known:
        return Finding("met", (facts.index, *sorted(known)))
    missing = tuple(reason("framework-unknown", framework=name) for name in names)
    return Finding("unknown", missing=missing or (reason("framework-alignment-missing"),))


def endorsements_in_force(
    facts: Facts, capacities: tuple[str, ...] = ("employer", "body-for-employers")
) -> tuple[list[Endorsement], list[Reason]]:
    """The endorsements that count on the date asked about, in these capacities, and why others do not."""
    counting: list[Endorsement] = []
    left_out: list[Reason] = []
    version = facts.achievement.get("version")
    for one in sorted(facts.endorsements, key=lambda item: item.index):
        if one.capacity not in capacities:
            continue
        allowed = _EMPLOYER_KINDS.get(one.capacity)
        if allowed is not None and one.member_kind not in allowed:
            left_out.append(
                reason("endorsement-capacity", member=one.member, kind=one.member_kind, capacity=one.capacity)
            )
        elif one.valid_until is not None and one.valid_until < facts.asked_on:
            left_out.append(reason("endorsement-lapsed", member=one.member, valid_until=one.valid_until))
        elif one.version is not None and version is not None and one.version != version:
            left_out.append(reason("endorsement-version", member=one.member, version=one.version))
        else:
            counting.append(one)
    return counting, left_out


def employers_involved(facts: Facts, scope: Scope) -> Finding:
    """Employers, or the body that speaks for them, endorse the version, for every jurisdiction of the scope."""
    counting, left_out = endorsements_in_force(facts)
    here = [one for one in counting if not scope or any(covers(one.jurisdictions, place) for place in scope)]
    open_places = [place for place in scope if not any(covers(one.jurisdictions, place) for one in here)]
    evidence = tuple(one.index for one in here)
    if here and not open_places:
        return Finding("met", evidence)
    everywhere = len(open_places) == len(scope)
    missing = reason("endorsement-missing", jurisdictions=_places(scope if everywhere else tuple(open_places)))
    return Finding("unknown", evidence, (missing, *left_out))


def _places(scope: Scope) -> str:
    return NATIONAL if not scope or set(scope) == set(PROVINCES) else ", ".join(scope)


def endorsed_as(*kinds: str) -> Test:
    """An endorsement of one of the kinds is in force, in any capacity that its member has."""

    def test(facts: Facts, scope: Scope) -> Finding:
        counting, left_out = endorsements_in_force(facts, _ANY_CAPACITY)
        evidence = tuple(one.index for one in counting if set(kinds) & set(one.kinds))
        if evidence:
            return Finding("met", evidence)
        return Finding("unknown", missing=(reason("endorsement-kind-missing", kind=kinds[0]), *left_out))

    return test


def demand_stated(facts: Facts, scope: Scope) -> Finding:
    """A statement of demand for it, its skill or its occupation is in force."""
    evidence = tuple(one.index for one in facts.demands if _in_force(one, facts.asked_on))
    if evidence:
        return Finding("met", tuple(sorted(set(evidence))))
    return Finding("unknown", missing=(reason("demand-missing"),))


def _in_force(demand: Demand, day: dt.date) -> bool:
    return demand.valid_until is None or demand.valid_until >= day


def issuing_body(facts: Facts, scope: Scope) -> Finding:
    """An awarding body is a member, admitted to the registry; of a listed organisation nothing is known."""
    if facts.awarding_kinds:
        return Finding("met", (facts.index,))
    return Finding("unknown", missing=(reason("not-stated", field="awarding_bodies"),))


def relation_stated(facts: Facts, scope: Scope) -> Finding:
    """How it stands to other credentials is stated; to stand alone is as good as to ladder."""
    design = stated(facts, "laddering.design")
    if design is None:
        return Finding("unknown", missing=(reason("not-stated", field="laddering.design"),))
    notes = (reason("stands-alone"),) if design == "stand-alone" else ()
    return Finding("met", (facts.index,), notes=notes)


def substantial_difference(facts: Facts, scope: Scope) -> Finding:
    """A receiver of the scope states, in a published refusal, that level, content, hours or assessment differ.

    Source: Lisbon Recognition Convention, articles IV.1, V.1 and VI.1: recognised unless a substantial difference is
    shown. Here silence is an answer: what nobody has stated does not stand in the way.
    """
    found = [
        one
        for one in sorted(facts.differences, key=lambda item: item.index)
        if one.kind in SUBSTANTIAL and (not scope or any(covers(one.jurisdictions, place) for place in scope))
    ]
    if not found:
        return Finding("not-met", (facts.index,), notes=(reason("no-difference-stated"),))
    told = tuple(reason("difference-stated", member=one.member, kind=one.kind, rule=one.rule) for one in found)
    return Finding("met", tuple(one.index for one in found), told)


def not_recorded(facts: Facts, scope: Scope) -> Finding:
    """What the clause asks stands nowhere in the network's data: always unknown, so that nobody takes it for met."""
    return Finding("unknown", missing=(reason("not-testable"),))


def review_age(facts: Facts) -> int | None:
    """The smallest number of months within which the last review lies; None where it is not stated or lies ahead."""
    last = stated(facts, "quality.last_review")
    if last is None:
        return None
    day = as_day(last)
    if day > facts.asked_on:
        return None
    months = (facts.asked_on.year - day.year) * 12 + facts.asked_on.month - day.month
    return months + 1 if facts.asked_on.day > day.day else months


EVIDENCE: Final[dict[str, Test]] = {
    "evidence.awarded_by_member": issuing_body,
    "evidence.framework_recognised": framework_recognised,
    "evidence.framework_published": framework_published,
    "evidence.employers_involved": employers_involved,
    "evidence.endorsed.co_designed": endorsed_as("co-designed"),
    "evidence.endorsed.advisory": endorsed_as("advisory"),
    "evidence.endorsed.demand_confirmed": endorsed_as("demand-confirmed"),
    "evidence.endorsed.assessment_reflects_job": endorsed_as("assessment-reflects-job"),
    "evidence.endorsed.sufficient_for_employment": endorsed_as("sufficient-for-employment"),
    "evidence.demand_stated": demand_stated,
    "evidence.assessment.task_analysis": examined("assessment.task_analysis"),
    "evidence.assessment.pass_standard": examined("assessment.pass_standard"),
    "evidence.assessment.assessor_qualified": examined("assessment.assessor_qualified"),
    "evidence.assessment.identity_checked": examined("assessment.identity_checked"),
    "evidence.assessment.records_kept": examined("assessment.records_kept"),
    "evidence.assessment.appeal": examined("assessment.appeal"),
    "evidence.assessment.accommodation": examined("assessment.accommodation"),
    "evidence.relation_stated": relation_stated,
    "evidence.substantial_difference_stated": substantial_difference,
    "evidence.not_recorded": not_recorded,
}
"""The judged yes-or-no fields, by name."""
