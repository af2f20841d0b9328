"""Is an achievement portable across the country, and where, by whom and on what ground is it recognised?

Nationally portable is what is (a) based on a recognised competency framework, (b) endorsed by major employers or the
body that speaks for them, and (c) assessed in a legally defensible way. The criteria are the clauses of a policy pack
(``contracts/policies/portability-national.yaml``), so that another body's criteria are another pack. Three things are
kept apart: the criteria, the ground in law (a Red Seal trade is portable under chapter 7 of the Canadian Free Trade
Agreement whatever the criteria say), and who recognises the achievement in fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from passerelle.core.clauses import endorsements_in_force
from passerelle.core.facts import (
    PROVINCES,
    Demand,
    Endorsement,
    Facts,
    Finding,
    Framework,
    Outcome,
    Recognition,
    covers,
)
from passerelle.core.policy import ClauseResult, Pack, PackResult, evaluate_pack, joint, outcome_of
from passerelle.core.reasons import Reason, reason

__all__ = [
    "PROVINCES",
    "Criterion",
    "Demand",
    "Endorsement",
    "Facts",
    "Finding",
    "Framework",
    "Gap",
    "Ground",
    "PortabilityAnswer",
    "Province",
    "Recogniser",
    "Recognition",
    "assess",
]

Portability = Literal["portable", "not-portable", "unknown"]

_VERDICT: Final[dict[Outcome, Portability]] = {"met": "portable", "not-met": "not-portable", "unknown": "unknown"}
_APPRENTICESHIP: Final = frozenset({"apprenticeship-authority", "government"})
_PROFESSIONAL: Final = frozenset(
    {"regulator", "professional-association", "apprenticeship-authority", "sector-council"}
)
_GROUP_ORDER: Final = ("employers", "professional-bodies", "institutions")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion of the pack: its outcome by the ``must`` clauses, and every clause with its finding."""

    id: str
    outcome: Outcome
    clauses: tuple[ClauseResult, ...]

    @property
    def evidence(self) -> tuple[int, ...]:
        """The log indices that the criterion rests on, in order."""
        return tuple(sorted({index for result in self.clauses for index in result.finding.evidence}))


@dataclass(frozen=True, slots=True)
class Gap:
    """What is missing for one ``must`` clause; ``change`` where something stated would have to change."""

    clause: str
    missing: tuple[Reason, ...]
    change: bool


@dataclass(frozen=True, slots=True)
class Ground:
    """A ground apart from the criteria: ``kind`` ``law``; ``holds`` False where it is claimed without support."""

    kind: str
    holds: bool
    reason: Reason
    evidence: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Who recognises the achievement somewhere.

    ``group`` is ``employers``, ``professional-bodies`` or ``institutions``; ``ground`` is ``endorsement``,
    ``professional-standing`` or ``rule``; ``how`` lists the kinds of endorsement or the recognition's kind; ``rule``
    names the recognition.
    """

    member: str
    group: str
    ground: str
    how: tuple[str, ...]
    evidence: tuple[int, ...]
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Province:
    """The verdict for one province or territory and who recognises the achievement there, employers first."""

    jurisdiction: str
    verdict: Portability
    by_law: bool
    criteria: tuple[Criterion, ...]
    recognised_by: tuple[Recogniser, ...]
    missing: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class PortabilityAnswer:
    """The whole answer, with the pack and version that it rests on.

    ``verdict`` is portable where the criteria are met or a ground in law holds; ``criteria_verdict`` is the criteria
    alone. ``missing`` is the smallest evidence that would make every criterion met: one gap for each clause.
    """

    achievement: str
    policy: str
    policy_version: int
    verdict: Portability
    criteria_verdict: Portability
    criteria: tuple[Criterion, ...]
    grounds: tuple[Ground, ...]
    involvement: tuple[Endorsement, ...]
    provinces: tuple[Province, ...]
    missing: tuple[Gap, ...]


def assess(facts: Facts, pack: Pack, jurisdictions: tuple[str, ...] = PROVINCES) -> PortabilityAnswer:
    """Judge an achievement by a pack, for the whole country and for each jurisdiction.

    ``jurisdictions`` are the places asked about (ISO 3166-2). The national verdict asks for involvement that covers all
    thirteen provinces and territories, a place's verdict for involvement that covers the place.
    """
    national = evaluate_pack(pack, facts, PROVINCES)
    criteria = _criteria(national)
    grounds = _grounds(facts)
    by_law = any(ground.holds for ground in grounds)
    criteria_verdict = _VERDICT[joint(criterion.outcome for criterion in criteria)]
    return PortabilityAnswer(
        achievement=facts.id,
        policy=pack.id,
        policy_version=pack.version,
        verdict="portable" if by_law else criteria_verdict,
        criteria_verdict=criteria_verdict,
        criteria=criteria,
        grounds=grounds,
        involvement=tuple(endorsements_in_force(facts)[0]),
        provinces=tuple(_province(facts, national, place, by_law) for place in dict.fromkeys(jurisdictions)),
        missing=_gaps(national.clauses),
    )


def _criteria(result: PackResult) -> tuple[Criterion, ...]:
    found = []
    for name in result.pack.criteria:
        own = tuple(one for one in result.clauses if one.clause.criterion == name)
        found.append(Criterion(name, outcome_of(own), own))
    return tuple(found)


def _gaps(results: Iterable[ClauseResult]) -> tuple[Gap, ...]:
    """What each must clause lacks. The first reason is the one to mend; others say why what is there does not count."""
    return tuple(
        Gap(one.clause.id, one.finding.missing, one.finding.outcome == "not-met")
        for one in results
        if one.clause.force == "must" and one.finding.outcome != "met"
    )


def _grounds(facts: Facts) -> tuple[Ground, ...]:
    """Red Seal: accepted by law where an apprenticeship authority awards it, otherwise claimed without support.

    Source: Canadian Free Trade Agreement, chapter 7 (labour mobility), articles on certified workers.
    """
    if facts.achievement.get("legal_basis") != "red-seal":
        return ()
    if _APPRENTICESHIP.intersection(facts.awarding_kinds):
        return (Ground("law", True, reason("law-red-seal"), (facts.index,)),)
    return (Ground("law", False, reason("law-claim-unsupported"), (facts.index,)),)


def _province(facts: Facts, national: PackResult, place: str, by_law: bool) -> Province:
    local = evaluate_pack(national.pack, facts, (place,), elsewhere=national)
    criteria = _criteria(local)
    # The law of the agreement binds provinces and territories, not other countries.
    lawful = by_law and place in PROVINCES
    verdict = "portable" if lawful else _VERDICT[joint(one.outcome for one in criteria)]
    return Province(place, verdict, lawful, criteria, _recognisers(facts, place), _gaps(local.clauses))


def _recognisers(facts: Facts, place: str) -> tuple[Recogniser, ...]:
    capacities = ("employer", "body-for-employers", "regulator")
    found = [
        Recogniser(
            member=one.member,
            group=_group(one.member_kind),
            ground="endorsement",
            how=tuple(sorted(one.kinds)),
            evidence=(one.index,),
        )
        for one in endorsements_in_force(facts, capacities)[0]
        if covers(one.jurisdictions, place)
    ]
    for rule in facts.recognitions:
        if covers(rule.jurisdictions, place):
            standing = rule.kind == "professional" or "standing" in rule.outcome_types
            ground = "professional-standing" if standing else "rule"
            group = _group(rule.member_kind)
            found.append(Recogniser(rule.member, group, ground, (rule.kind,), (rule.index,), rule.rule))
    found.sort(key=lambda one: (_GROUP_ORDER.index(one.group), one.member, one.ground, one.evidence))
    return tuple(found)


def _group(member_kind: str) -> str:
    if member_kind == "employer":
        return "employers"
    return "professional-bodies" if member_kind in _PROFESSIONAL else "institutions"
