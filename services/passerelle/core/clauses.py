"""The named tests that policy packs are made of.

A test is a pure function of :class:`~passerelle.core.facts.Facts` and a *scope*: the jurisdictions that an involvement
must cover (empty: anywhere). It returns met, not met or unknown. The rule of all tests: what is absent is unknown, and
only what is stated as false, or stated and outside a limit, is not met. An endorsement more never worsens an answer.

A pack names a test as ``name`` or, where it takes arguments, as ``name:argument``: ``effort-hours:50:400``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.core.facts import NATIONAL, PROVINCES, Endorsement, Facts, Finding, covers
from passerelle.core.quantity import parse_quantity, show_quantity
from passerelle.core.reasons import Reason, reason

Scope = tuple[str, ...]
Test = Callable[[Facts, Scope], Finding]

MET_THROUGH_EXAMINATION: Final = "assessment.validated_common_examination"
_EMPLOYER_KINDS: Final = {
    "employer": frozenset({"employer"}),
    "body-for-employers": frozenset({"professional-association", "sector-council"}),
    "regulator": frozenset({"regulator", "apprenticeship-authority"}),
    "quality-agency": frozenset({"quality-agency"}),
}
"""Which kinds of member may speak in a capacity: what a member says it is does not make it so."""


def stated(facts: Facts, path: str) -> Any:
    """The value at a dotted path of the achievement's data, None where any step is absent."""
    value: Any = facts.achievement
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def flag(path: str, *, examined: bool = False) -> Test:
    """A yes-or-no field. ``examined``: a validated common examination also meets it where the field is absent."""

    def test(facts: Facts, scope: Scope) -> Finding:
        value = stated(facts, path)
        if value is True:
            return Finding("met", (facts.index,))
        if value is False:
            return Finding("not-met", (facts.index,), (reason("stated-no", field=path),))
        if examined and stated(facts, MET_THROUGH_EXAMINATION) is True:
            return Finding("met", (facts.index,), notes=(reason("through-common-examination"),))
        return Finding("unknown", missing=(reason("not-stated", field=path),))

    return test


def present(*paths: str, examined: bool = False) -> Test:
    """Some value, not empty, stands at one of the paths."""

    def test(facts: Facts, scope: Scope) -> Finding:
        if any(stated(facts, path) not in (None, "", [], ()) for path in paths):
            return Finding("met", (facts.index,))
        if examined and stated(facts, MET_THROUGH_EXAMINATION) is True:
            return Finding("met", (facts.index,), notes=(reason("through-common-examination"),))
        return Finding("unknown", missing=(reason("not-stated", field=paths[0]),))

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


def common_framework(facts: Facts, scope: Scope) -> Finding:
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


def endorsed_as(*kinds: str, by_demand: bool = False) -> Test:
    """An endorsement of one of the kinds is in force; ``by_demand``: or a statement of demand."""

    def test(facts: Facts, scope: Scope) -> Finding:
        counting, left_out = endorsements_in_force(
            facts, ("employer", "body-for-employers", "regulator", "quality-agency", "other")
        )
        evidence = [one.index for one in counting if set(kinds) & set(one.kinds)]
        missing: tuple[Reason, ...] = (reason("endorsement-kind-missing", kind=kinds[0]), *left_out)
        if by_demand:
            evidence += [
                one.index for one in facts.demands if one.valid_until is None or one.valid_until >= facts.asked_on
            ]
            missing = (*missing, reason("demand-missing"))
        if evidence:
            return Finding("met", tuple(sorted(set(evidence))))
        return Finding("unknown", missing=missing)

    return test


def issuing_body(facts: Facts, scope: Scope) -> Finding:
    """An awarding body is a member, admitted to the registry; of a listed organisation nothing is known."""
    if facts.awarding_kinds:
        return Finding("met", (facts.index,))
    return Finding("unknown", missing=(reason("not-stated", field="awarding_bodies"),))


def direct_assessment(facts: Facts, scope: Scope) -> Finding:
    """Competence is assessed directly, by performance, not by knowledge of it only."""
    value = stated(facts, "assessment.performance")
    if value is None:
        return Finding("unknown", missing=(reason("not-stated", field="assessment.performance"),))
    if value == "direct":
        return Finding("met", (facts.index,))
    return Finding("not-met", (facts.index,), (reason("stated-no", field="assessment.performance"),))


def connects_or_stands_alone(facts: Facts, scope: Scope) -> Finding:
    """How it stands to other credentials is stated; to stand alone is as good as to ladder."""
    design = stated(facts, "laddering.design")
    if design is None:
        return Finding("unknown", missing=(reason("not-stated", field="laddering.design"),))
    notes = (reason("stands-alone"),) if design == "stand-alone" else ()
    return Finding("met", (facts.index,), notes=notes)


def _quantity(facts: Facts, path: str) -> Fraction | None:
    value = stated(facts, path)
    return None if value is None else parse_quantity(value, where=path)


def short(facts: Facts, scope: Scope) -> Finding:
    """Short. The sources give no number, so only what is plainly short is met and the rest is unknown.

    Plainly short is under 12 weeks (Ontario's student-aid regulation) or at most 120 hours (the longest of the 36
    Ontario pilots of 2019 to 2021).
    """
    weeks, hours = _quantity(facts, "delivery.elapsed_weeks"), _quantity(facts, "delivery.effort_hours")
    if (weeks is not None and weeks < 12) or (hours is not None and hours <= 120):
        return Finding("met", (facts.index,))
    if weeks is None and hours is None:
        return Finding("unknown", missing=(reason("not-stated", field="delivery.effort_hours"),))
    return Finding("unknown", missing=(reason("not-testable"),))


def weeks_below(limit: Fraction) -> Test:
    """It lasts less than so many weeks."""
    path = "delivery.elapsed_weeks"

    def test(facts: Facts, scope: Scope) -> Finding:
        weeks = _quantity(facts, path)
        if weeks is None:
            return Finding("unknown", missing=(reason("not-stated", field=path),))
        if weeks < limit:
            return Finding("met", (facts.index,))
        return Finding("not-met", (facts.index,), (_above(path, weeks, limit),))

    return test


def hours_between(least: Fraction, most: Fraction) -> Test:
    """Its effort in hours lies between the two, both included."""
    path = "delivery.effort_hours"

    def test(facts: Facts, scope: Scope) -> Finding:
        hours = _quantity(facts, path)
        if hours is None:
            return Finding("unknown", missing=(reason("not-stated", field=path),))
        if hours < least:
            below = reason("value-below", field=path, value=show_quantity(hours), limit=show_quantity(least))
            return Finding("not-met", (facts.index,), (below,))
        if hours > most:
            return Finding("not-met", (facts.index,), (_above(path, hours, most),))
        return Finding("met", (facts.index,))

    return test


def _above(path: str, value: Fraction, limit: Fraction) -> Reason:
    return reason("value-above", field=path, value=show_quantity(value), limit=show_quantity(limit))


def _day(value: object) -> dt.date:
    return value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))


def review_current(facts: Facts, scope: Scope) -> Finding:
    """A next review is planned and not overdue."""
    due = stated(facts, "quality.next_review")
    if due is None:
        return Finding("unknown", missing=(reason("not-stated", field="quality.next_review"),))
    if _day(due) < facts.asked_on:
        return Finding("not-met", (facts.index,), (reason("review-lapsed", due=_day(due)),))
    return Finding("met", (facts.index,))


def reviewed_within(months: int) -> Test:
    """The last review is at most so many months before the date asked about."""

    def test(facts: Facts, scope: Scope) -> Finding:
        last = stated(facts, "quality.last_review")
        if last is None:
            return Finding("unknown", missing=(reason("not-stated", field="quality.last_review"),))
        day = _day(last)
        elapsed = (facts.asked_on.year - day.year) * 12 + facts.asked_on.month - day.month
        if elapsed < months or (elapsed == months and facts.asked_on.day <= day.day):
            return Finding("met", (facts.index,))
        return Finding("not-met", (facts.index,), (reason("review-too-old", last=day, months=months),))

    return test


def not_testable(facts: Facts, scope: Scope) -> Finding:
    """What the clause asks stands nowhere in the network's data: always unknown, so that nobody takes it for met."""
    return Finding("unknown", missing=(reason("not-testable"),))


PLAIN: Final[dict[str, Test]] = {
    "framework-recognised": framework_recognised,
    "common-framework": common_framework,
    "employers-involved": employers_involved,
    "task-analysis": flag("assessment.task_analysis", examined=True),
    "pass-standard": present("assessment.pass_standard", examined=True),
    "assessor-qualified": flag("assessment.assessor_qualified", examined=True),
    "identity-checked": flag("assessment.identity_checked", examined=True),
    "records-kept": flag("assessment.records_kept", examined=True),
    "appeal": flag("assessment.appeal", examined=True),
    "accommodation": flag("assessment.accommodation", examined=True),
    "direct-assessment": direct_assessment,
    "issuing-body": issuing_body,
    "competency-named": present("alignments", "outcomes"),
    "outcomes-stated": present("outcomes"),
    "assessed": present("assessment.methods"),
    "evidence-visible": flag("assessment.evidence_visible_to_employers"),
    "transcriptable": flag("transcriptable"),
    "demand-confirmed": endorsed_as("demand-confirmed", by_demand=True),
    "assessment-reflects-job": endorsed_as("assessment-reflects-job"),
    "employment-relevant": endorsed_as(
        "co-designed",
        "advisory",
        "demand-confirmed",
        "assessment-reflects-job",
        "sufficient-for-employment",
        by_demand=True,
    ),
    "connects-or-stands-alone": connects_or_stands_alone,
    "short": short,
    "approval-body": present("quality.approval_body"),
    "review-current": review_current,
    "delivery-stated": present("delivery.modes"),
    "time-stated": present("delivery.effort_hours", "delivery.elapsed_weeks"),
    "cost-stated": present("cost.amount_cad"),
    "not-testable": not_testable,
}
"""Tests without arguments, by name."""


def _count(text: str) -> int:
    value = parse_quantity(text)
    if value.denominator != 1 or value < 1:
        raise FormatError("fraction-malformed", "A whole number above zero is needed.")
    return int(value)


WITH_ARGUMENTS: Final[dict[str, tuple[int, Callable[..., Test]]]] = {
    "weeks-below": (1, lambda limit: weeks_below(parse_quantity(limit))),
    "effort-hours": (2, lambda least, most: hours_between(parse_quantity(least), parse_quantity(most))),
    "reviewed-within-months": (1, lambda months: reviewed_within(_count(months))),
}
"""Tests with arguments: how many, and what makes the test from them."""


def find_test(name: str) -> Test | None:
    """The test of a clause, None where the name is unknown or its arguments do not fit."""
    base, *arguments = name.split(":")
    if not arguments:
        return PLAIN.get(base)
    count, make = WITH_ARGUMENTS.get(base, (0, None))
    if make is None or len(arguments) != count:
        return None
    try:
        return make(*arguments)
    except FormatError:
        return None
