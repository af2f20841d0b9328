"""Portability answers: the facts that the index knows, judged by the core with policy packs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.core.facts import PROVINCES, Facts
from passerelle.core.policy import ClauseResult, Pack, evaluate_pack, joint
from passerelle.core.policyfields import CASE_FIELDS
from passerelle.core.portability import Criterion, Gap, Ground, Province, Recogniser, assess
from passerelle.core.reasons import Reason
from passerelle.query import messages
from passerelle.query.equivalency import must_achievement
from passerelle.query.findings import FINDINGS, Evidence, clause_messages, pack_message, used_message
from passerelle.query.frameworks import Frameworks
from passerelle.query.gathering import gather
from passerelle.query.index import Index
from passerelle.query.moments import Moment, date_or, resolve
from passerelle.query.packs import DEFAULT_PACK, Chosen, Shelf
from passerelle.query.records import AchievementHistory

MAX_JURISDICTIONS: Final = 64
MAX_PACKS: Final = 64
"""Packs of one profile."""
_JURISDICTION: Final = re.compile(r"CA(-[A-Z]{2})?|[A-Z]{2}")
VERDICTS: Final = {
    "portable": pb.PORTABILITY_VERDICT_PORTABLE,
    "not-portable": pb.PORTABILITY_VERDICT_NOT_PORTABLE,
    "unknown": pb.PORTABILITY_VERDICT_UNKNOWN,
}
GROUNDS: Final = {"professional-standing": "standing", "block-transfer": "block"}


class Portability:
    """Answers of PortabilityService."""

    def __init__(self, index: Index, packs: tuple[Pack, ...]) -> None:
        self._index = index
        self._shelf = Shelf(index, packs)
        self.frameworks = Frameworks(index)

    async def list_packs(self, request: pb.ListPacksRequest, wait_s: float) -> pb.ListPacksResponse:
        """The packs that Assess knows: for each name the version in force on the date."""
        moment = await self._moment(request, wait_s)
        asked_on = date_or(request.asked_on, moment.date, "asked_on")
        found = self._shelf.all(asked_on, moment.size)
        return pb.ListPacksResponse(packs=[pack_message(one) for one in found], position=moment.message())

    async def profile(self, request: pb.ProfileRequest, wait_s: float) -> pb.ProfileResponse:
        """One achievement by several packs. Raises the errors of the service's contract."""
        moment = await self._moment(request, wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        asked_on = date_or(request.asked_on, moment.date, "asked_on")
        if len(request.packs) > MAX_PACKS:
            raise FormatError("argument-invalid", f"At most {MAX_PACKS} packs are asked at once.", where="packs")
        if request.packs:
            chosen = [self._shelf.choose(name, asked_on, moment.size) for name in dict.fromkeys(request.packs)]
        else:
            # Packs about one case say nothing of an achievement without it.
            chosen = [one for one in self._shelf.all(asked_on, moment.size) if _about_achievements(one)][:MAX_PACKS]
        facts = gather(self._index, history, moment.size, asked_on)
        evidence = Evidence(self._index, history, facts, moment.size)
        return pb.ProfileResponse(
            achievement=history.id,
            title=facts.achievement["title"],
            packs=[_pack_finding(one, facts, evidence) for one in chosen],
            position=moment.message(),
        )

    async def assess(self, request: pb.AssessRequest, wait_s: float) -> pb.AssessResponse:
        """Judge one achievement. Raises the errors of the service's contract."""
        places = _places(request.jurisdictions)
        given = _given(request.given)
        moment = await self._moment(request, wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        asked_on = date_or(request.asked_on, moment.date, "asked_on")
        chosen = self._shelf.choose(request.pack or DEFAULT_PACK, asked_on, moment.size)
        pack = chosen.pack
        facts = gather(self._index, history, moment.size, asked_on, given)
        answer = assess(facts, pack, places)
        evidence = Evidence(self._index, history, facts, moment.size)
        teller = _Teller(self._index, history, facts, evidence)
        return pb.AssessResponse(
            achievement=history.id,
            title=facts.achievement["title"],
            verdict=VERDICTS[answer.verdict],
            criteria=[teller.criterion(one) for one in answer.criteria],
            jurisdictions=[teller.place(one) for one in answer.provinces],
            grounds_in_law=[teller.ground(one) for one in answer.grounds],
            missing=messages.reason_messages(_missing(answer.missing)),
            pack=chosen.name,
            pack_version=pack.version,
            position=moment.message(),
            pack_used=used_message(chosen),
            clauses=clause_messages(evaluate_pack(pack, facts, PROVINCES), facts, PROVINCES, evidence),
        )

    async def _moment(
        self, request: pb.AssessRequest | pb.ProfileRequest | pb.ListPacksRequest, wait_s: float
    ) -> Moment:
        known_at = request.known_at if request.HasField("known_at") else None
        return await resolve(self._index, known_at, request.min_position, wait_s=wait_s)


def _about_achievements(chosen: Chosen) -> bool:
    return not set(chosen.pack.fields) <= set(CASE_FIELDS)


def _pack_finding(chosen: Chosen, facts: Facts, evidence: Evidence) -> pb.PackFinding:
    result = evaluate_pack(chosen.pack, facts, PROVINCES)
    return pb.PackFinding(
        pack=pack_message(chosen),
        finding=FINDINGS[result.outcome],
        clauses=clause_messages(result, facts, PROVINCES, evidence),
    )


def _places(asked: Iterable[str]) -> tuple[str, ...]:
    places = tuple(dict.fromkeys(asked))
    for number, place in enumerate(places):
        if _JURISDICTION.fullmatch(place) is None or number >= MAX_JURISDICTIONS:
            raise FormatError(
                "argument-invalid",
                f"At most {MAX_JURISDICTIONS} jurisdictions, each an ISO 3166 code.",
                where=f"jurisdictions[{number}]",
                fix="Use CA-ON and the like, or a country's code.",
            )
    return places or PROVINCES


def _given(asked: Mapping[str, float]) -> dict[str, float]:
    """The facts of one case. Raises FormatError ``argument-invalid`` for another field or a value that is no number."""
    for name, value in asked.items():
        if name not in CASE_FIELDS or not math.isfinite(value):
            raise FormatError(
                "argument-invalid",
                "A fact of a case is a finite number of one of its fields.",
                where="given",
                fix=f"Use one of {', '.join(CASE_FIELDS)}.",
            )
    return dict(asked)


def _missing(gaps: Iterable[Gap]) -> Iterator[Reason]:
    for gap in gaps:
        yield from gap.missing


class _Teller:
    """From the core's answer to messages."""

    def __init__(self, index: Index, history: AchievementHistory, facts: Facts, evidence: Evidence) -> None:
        self._index = index
        self._history = history
        self._facts = facts
        self._evidence = evidence

    def criterion(self, criterion: Criterion) -> pb.Criterion:
        """A criterion by its must clauses; one of should clauses only, by those."""
        must = any(one.clause.force == "must" for one in criterion.clauses)
        outcome = criterion.outcome if must else joint(one.finding.outcome for one in criterion.clauses)
        reasons = [reason for one in criterion.clauses for reason in (*one.finding.missing, *one.finding.notes)]
        return pb.Criterion(
            id=criterion.id,
            force="must" if must else "should",
            finding=FINDINGS[outcome],
            reasons=messages.reason_messages(reasons),
            evidence=self._evidence.all(criterion.evidence),
            message=_said(criterion.clauses),
        )

    def place(self, province: Province) -> pb.JurisdictionVerdict:
        """One province or territory with who recognises the achievement there."""
        law = [self.law()] if province.by_law else []
        told: dict[tuple[str, str, str], pb.Recogniser] = {}
        for one in province.recognised_by:
            message = self.recogniser(one)
            told.setdefault((message.member, message.ground, message.subject), message)
        return pb.JurisdictionVerdict(
            jurisdiction=province.jurisdiction,
            verdict=VERDICTS[province.verdict],
            recognised_by=[*law, *told.values()],
            missing=messages.reason_messages(_missing(province.missing)),
        )

    def recogniser(self, one: Recogniser) -> pb.Recogniser:
        """Who recognises it, on which ground."""
        ground = GROUNDS.get(one.ground) or next((GROUNDS[how] for how in one.how if how in GROUNDS), one.ground)
        return pb.Recogniser(
            member=one.member,
            names=self._index.names(one.member),
            kind=self._index.kind(one.member),
            ground=ground,
            subject=one.rule or self._history.id,
            index=one.evidence[0],
        )

    def law(self) -> pb.Recogniser:
        """The awarding authority, whose certificate the agreement makes portable."""
        owner = self._history.owner
        return pb.Recogniser(
            member=owner,
            names=self._index.names(owner),
            kind=self._index.kind(owner),
            ground="law",
            subject=self._history.id,
            index=self._facts.index,
        )

    def ground(self, ground: Ground) -> pb.Ground:
        """A ground apart from the criteria."""
        sentences = {language: ground.reason.text(language) for language in messages.LANGUAGES}
        return pb.Ground(code=ground.reason.code, message=sentences, evidence=self._evidence.all(ground.evidence))


def _said(clauses: Iterable[ClauseResult]) -> dict[str, str]:
    """What the clauses of a criterion ask, by language."""
    rows = list(clauses)
    return {language: " ".join(one.clause.message[language] for one in rows) for language in messages.LANGUAGES}
