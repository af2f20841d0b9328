"""Portability answers: the facts that the index knows, judged by the core with a policy pack."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from passerelle.api.common.v1 import common_pb2
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.decide.context import member_of
from passerelle.core.errors import FormatError
from passerelle.core.expressions import achievements_of
from passerelle.core.policy import ClauseResult, Pack, choose_pack, joint
from passerelle.core.portability import (
    PROVINCES,
    Criterion,
    Demand,
    Endorsement,
    Facts,
    Framework,
    Ground,
    PortabilityAnswer,
    Province,
    Recogniser,
    Recognition,
    assess,
)
from passerelle.core.reasons import Reason
from passerelle.core.rules import windows
from passerelle.core.sending import parse_date
from passerelle.query import messages
from passerelle.query.equivalency import must_achievement
from passerelle.query.index import Index
from passerelle.query.moments import date_or, resolve
from passerelle.query.packs import DEFAULT_PACK
from passerelle.query.records import AchievementHistory, Said

MAX_JURISDICTIONS: Final = 64
_JURISDICTION: Final = re.compile(r"CA(-[A-Z]{2})?|[A-Z]{2}")
VERDICTS: Final = {
    "portable": pb.PORTABILITY_VERDICT_PORTABLE,
    "not-portable": pb.PORTABILITY_VERDICT_NOT_PORTABLE,
    "unknown": pb.PORTABILITY_VERDICT_UNKNOWN,
}
FINDINGS: Final = {"met": pb.FINDING_MET, "not-met": pb.FINDING_NOT_MET, "unknown": pb.FINDING_UNKNOWN}
GROUNDS: Final = {"professional-standing": "standing", "block-transfer": "block"}


class Portability:
    """Answers of PortabilityService."""

    def __init__(self, index: Index, packs: tuple[Pack, ...]) -> None:
        self._index = index
        self._packs = packs

    def list_packs(self) -> pb.ListPacksResponse:
        """The packs that Assess knows, every version."""
        return pb.ListPacksResponse(
            packs=[
                pb.Pack(id=pack.id, version=pack.version, title=pack.title, source=pack.source) for pack in self._packs
            ]
        )

    async def assess(self, request: pb.AssessRequest, wait_s: float) -> pb.AssessResponse:
        """Judge one achievement. Raises the errors of the service's contract."""
        places = _places(request.jurisdictions)
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        asked_on = date_or(request.asked_on, moment.date, "asked_on")
        pack = choose_pack(self._packs, request.pack or DEFAULT_PACK, asked_on)
        facts = gather(self._index, history, moment.size, asked_on)
        answer = assess(facts, pack, places)
        teller = _Teller(self._index, history, facts, moment.size)
        return pb.AssessResponse(
            achievement=history.id,
            title=facts.achievement["title"],
            verdict=VERDICTS[answer.verdict],
            criteria=[teller.criterion(one) for one in answer.criteria],
            jurisdictions=[teller.place(one) for one in answer.provinces],
            grounds_in_law=[teller.ground(one) for one in answer.grounds],
            missing=messages.reason_messages(_missing(answer)),
            pack=pack.id,
            pack_version=pack.version,
            position=moment.message(),
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


def _missing(answer: PortabilityAnswer) -> Iterator[Reason]:
    for gap in answer.missing:
        yield from gap.missing


def gather(index: Index, history: AchievementHistory, size: int, asked_on: dt.date) -> Facts:
    """What a log of ``size`` entries says about the achievement."""
    found = history.versions.at(size)
    if found is None:
        raise ValueError("the achievement is not in a log of this size")
    at, version = found
    data = version.data
    kinds = [index.kind(member) for urn in version.bodies if (member := member_of(urn)) is not None]
    return Facts(
        id=history.id,
        achievement=data,
        index=at,
        asked_on=asked_on,
        awarding_kinds=tuple(kind for kind in kinds if kind),
        endorsements=tuple(_endorsement(index, where, said) for where, said in history.endorsements.upto(size)),
        demands=tuple(_demands(index, history, data, size)),
        frameworks=_frameworks(index, version.frameworks, size),
        recognitions=tuple(_recognitions(index, history.id, size, asked_on)),
    )


def _endorsement(index: Index, at: int, said: Said) -> Endorsement:
    data = said.data
    return Endorsement(
        member=said.member,
        member_kind=index.kind(said.member),
        capacity=data["capacity"],
        kinds=tuple(data["kinds"]),
        jurisdictions=tuple(data["jurisdictions"]),
        index=at,
        valid_until=_date(data.get("valid_until")),
        version=data["version"],
    )


def _date(value: object) -> dt.date | None:
    return None if value is None else parse_date(value)


def _demands(index: Index, history: AchievementHistory, data: Mapping[str, Any], size: int) -> Iterator[Demand]:
    """Statements that name the achievement or one of its occupations, as they stand at the size."""
    names = dict.fromkeys(name for _, name in history.demand.upto(size))
    occupations = data.get("occupations") or ()
    for occupation in occupations:
        names.update(index.demand_for.get(occupation, {}))
    for name in names:
        found = index.reference("demand", name, size)
        stated = None if found is None else found[1].data
        if found is None or stated is None:
            continue
        about = stated.get("achievement")
        if about == history.id or (about is None and stated.get("occupation") in occupations):
            yield Demand(
                member=found[1].member,
                region=stated["region"],
                index=found[0],
                stated_on=parse_date(stated["stated_on"]),
                valid_until=_date(stated.get("valid_until")),
                size=stated["size"],
            )


def _frameworks(index: Index, names: Iterable[str], size: int) -> dict[str, Framework]:
    frameworks: dict[str, Framework] = {}
    for name in sorted(names):
        found = index.reference("framework", name, size)
        if found is not None:
            data = found[1].data
            frameworks[name] = Framework(name, bool(data["recognised"]), found[0], data["kind"])
    return frameworks


def _recognitions(index: Index, achievement: str, size: int, asked_on: dt.date) -> Iterator[Recognition]:
    """Rules that give something for the achievement to who completes it on the day."""
    named = set(index.by_leaf.get(achievement, ()))
    for window in windows(index.with_superseding(named), size - 1):
        rule = window.rule
        if rule.id not in named or rule.outcome is None or not window.holds_on(asked_on):
            continue
        if achievement not in achievements_of(rule.sending):
            continue
        yield Recognition(
            rule=rule.id,
            member=rule.receiver,
            member_kind=index.kind(rule.receiver),
            kind=rule.kind,
            jurisdictions=rule.jurisdictions or index.jurisdictions(rule.receiver),
            index=rule.from_index,
            outcome_types=tuple(dict.fromkeys(_types(rule.outcome))),
        )


def _types(outcome: Mapping[str, Any]) -> Iterator[str]:
    yield outcome["type"]
    for part in outcome.get("of") or ():
        yield from _types(part)


class _Teller:
    """From the core's answer to messages."""

    def __init__(self, index: Index, history: AchievementHistory, facts: Facts, size: int) -> None:
        self._index = index
        self._history = history
        self._facts = facts
        self._entries = {at: messages.evidence_message(at, said, name) for at, said, name in self._behind(size)}

    def _behind(self, size: int) -> Iterator[tuple[int, Said, str]]:
        """Every entry that the core may name as evidence, with what it is about."""
        for at, version in self._history.versions.upto(size):
            yield at, version.said, self._history.id
        for at, said in self._history.endorsements.upto(size):
            yield at, said, self._history.id
        named = [("framework", name) for name in self._facts.frameworks]
        demand = {name for _, name in self._history.demand.upto(size)}
        for occupation in self._facts.achievement.get("occupations") or ():
            demand.update(self._index.demand_for.get(occupation, {}))
        for kind, name in (*named, *(("demand", name) for name in demand)):
            found = self._index.reference(kind, name, size)
            if found is not None:
                yield found[0], found[1], name

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
            evidence=[self.evidence(index) for index in criterion.evidence],
            message=_said(criterion.clauses),
        )

    def evidence(self, index: int) -> common_pb2.Evidence:
        """The entry at an index."""
        return self._entries.get(index) or common_pb2.Evidence(index=index)

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
        evidence = [self.evidence(index) for index in ground.evidence]
        return pb.Ground(code=ground.reason.code, message=sentences, evidence=evidence)


def _said(clauses: Iterable[ClauseResult]) -> dict[str, str]:
    """What the clauses of a criterion ask, by language."""
    rows = list(clauses)
    return {language: " ".join(one.clause.message[language] for one in rows) for language in messages.LANGUAGES}
