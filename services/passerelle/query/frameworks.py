"""Published frameworks: which achievements lead to a term of one, and which level stands beside which.

A framework is a versioned record of the member that publishes it (``reference.framework-published``). A bare name
(``noc-2021``, ``esco``, ``eqf``) and the operator's record of that name are one framework.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.clauses import endorsements_in_force
from passerelle.core.errors import FormatError
from passerelle.core.reasons import reason
from passerelle.core.sending import parse_date
from passerelle.query import messages
from passerelle.query.gathering import gather
from passerelle.query.index import Index
from passerelle.query.moments import Moment, moment_at, resolve, wait_for_size
from passerelle.query.pages import Page, invalid_token, numbers, open_page
from passerelle.query.records import AchievementHistory, AchievementVersion, Said
from passerelle.query.searching import AT_ONCE

NOC: Final = "noc-2021"
"""The framework of the field ``occupations``: National Occupational Classification 2021, unit groups."""
MAX_TERM: Final = 80
MAX_DEMAND: Final = 100
_STRENGTHS: Final = ("exact", "close", "broad", "narrow", "related", "")
_CAPACITIES: Final = ("employer", "body-for-employers", "regulator", "quality-agency", "other")


@dataclass(frozen=True, slots=True)
class Ground:
    """Why an achievement leads to a term; ``index`` is the entry that says so."""

    how: str
    code: str
    strength: str
    level: str
    through: str
    index: int

    @property
    def rank(self) -> int:
        """Stated alignments by their strength, then an occupation as an indication, then what only ladders there."""
        if self.how == "alignment":
            return _STRENGTHS.index(self.strength)
        return len(_STRENGTHS) + (self.how == "ladders")


class Frameworks:
    """Answers about frameworks."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def same(self, name: str) -> frozenset[str]:
        """The names by which a framework goes."""
        own = f"{self._index.registry.operator}/"
        bare = name.removeprefix(own)
        return frozenset({name}) if "/" in bare else frozenset({bare, own + bare})

    def record(self, name: str, size: int) -> tuple[int, str, Said] | None:
        """Index, id and event of a framework's latest version."""
        for one in sorted(self.same(name)):
            found = self._index.reference("framework", one, size)
            if found is not None:
                return found[0], one, found[1]
        return None

    async def leads_to(self, request: pb.LeadsToRequest, wait_s: float) -> pb.LeadsToResponse:
        """Achievements that lead to a term, nearest first, then by id. Raises the errors of the service's contract."""
        _must(request.framework, "framework")
        _must(request.code, "code")
        page = open_page(request)
        moment, start = await self._pinned(page, request, wait_s)
        size = moment.size
        title, codes = self._term(request.framework, request.code, size)
        if len(self._index.achievements) <= AT_ONCE:
            found = self._found(request, codes, size)
        else:
            # Nothing below the position changes, so that many can be tested beside the loop that answers other calls.
            found = await asyncio.to_thread(self._found, request, codes, size)
        names = sorted(found, key=lambda name: (min(one.rank for one in found[name]), name))
        shown = names[start : start + page.size]
        end = start + len(shown)
        return pb.LeadsToResponse(
            title=title,
            leads=[self._lead(name, found[name], size, moment.date) for name in shown],
            demand=list(self._demand(request, size, moment.date)) if page.first else [],
            position=moment.message(),
            next_page_token=page.token(size, end) if end < len(names) else "",
        )

    async def _pinned(self, page: Page, request: pb.LeadsToRequest, wait_s: float) -> tuple[Moment, int]:
        """The state of the first page, and where this one starts."""
        if page.first:
            known_at = request.known_at if request.HasField("known_at") else None
            return await resolve(self._index, known_at, request.min_position, wait_s=wait_s), 0
        size, start = numbers(page, 2)
        await wait_for_size(self._index, request.min_position, wait_s)
        if size > self._index.position.size:
            raise invalid_token()
        return moment_at(self._index, size), start

    def _term(self, framework: str, code: str, size: int) -> tuple[str, dict[str, bool]]:
        """The term's title, and the codes that stand for it: its own, and True for narrower ones."""
        codes = {code: False}
        record = self.record(framework, size)
        terms = record[2].data.get("terms") or () if record is not None else ()
        grown = True
        while grown:
            narrower = {one["code"]: True for one in terms if one.get("broader") in codes and one["code"] not in codes}
            codes.update(narrower)
            grown = bool(narrower)
        return next((str(one["title"]) for one in terms if one["code"] == code), ""), codes

    def _found(self, request: pb.LeadsToRequest, codes: Mapping[str, bool], size: int) -> dict[str, list[Ground]]:
        names = self.same(request.framework)
        found: dict[str, list[Ground]] = {}
        versions: dict[str, tuple[int, AchievementVersion]] = {}
        for history in list(self._index.achievements.values()):
            at = history.versions.at(size)
            if at is None or history.retired.at(size) is not None or not self._here(history, request.jurisdiction):
                continue
            versions[history.id] = at
            grounds = list(_direct(at, names, codes))
            if grounds:
                found[history.id] = grounds
        direct = frozenset(found)
        for name, (index, version) in versions.items():
            for into in sorted(version.into & direct):
                found.setdefault(name, []).append(Ground("ladders", request.code, "", "", into, index))
        return found

    def _here(self, history: AchievementHistory, jurisdiction: str) -> bool:
        return not jurisdiction or jurisdiction in self._index.jurisdictions(history.owner)

    def _lead(self, name: str, grounds: list[Ground], size: int, day: dt.date) -> pb.Lead:
        history = self._index.achievements[name]
        facts = gather(self._index, history, size, day)
        counting, _ = endorsements_in_force(facts, _CAPACITIES)
        return pb.Lead(
            achievement=name,
            title=facts.achievement["title"],
            member=history.owner,
            names=self._index.names(history.owner),
            kind=facts.achievement["kind"],
            grounds=[self._ground(history, one, size) for one in sorted(grounds, key=lambda one: one.rank)],
            sufficient_for=sorted({one.member for one in counting if "sufficient-for-employment" in one.kinds}),
        )

    def _ground(self, history: AchievementHistory, ground: Ground, size: int) -> pb.LeadGround:
        found = history.versions.at(size)
        assert found is not None, "a lead is known at the size that it was found at"
        return pb.LeadGround(
            how=ground.how,
            code=ground.code,
            strength=ground.strength,
            level=ground.level,
            through=ground.through,
            evidence=messages.evidence_message(ground.index, found[1].said, history.id),
        )

    def _demand(self, request: pb.LeadsToRequest, size: int, day: dt.date) -> Iterator[pb.StatedDemand]:
        """Statements of demand for an occupation that are in force, at most :data:`MAX_DEMAND`."""
        if NOC not in self.same(request.framework):
            return
        told = 0
        for name in self._index.demand_for.get(request.code, {}):
            found = self._index.reference("demand", name, size)
            data = None if found is None else found[1].data
            if found is None or data is None or data.get("occupation") != request.code:
                continue
            if data.get("valid_until") is not None and parse_date(data["valid_until"]) < day:
                continue
            evidence = messages.evidence_message(found[0], found[1], name)
            yield pb.StatedDemand(
                region=data["region"],
                size=data["size"],
                source=data["source"],
                stated_on=data["stated_on"],
                evidence=evidence,
            )
            told += 1
            if told == MAX_DEMAND:
                return

    async def compare_level(self, request: pb.CompareLevelRequest, wait_s: float) -> pb.CompareLevelResponse:
        """What was published to stand beside a level, in either direction. Nothing is inferred through a third."""
        _must(request.framework, "framework")
        _must(request.level, "level")
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        levels = list(self._levels(request.framework, request.level, moment.size))
        levels.sort(key=lambda one: (one.framework, one.level, one.evidence.index))
        unknown = reason("level-reference-unknown", framework=request.framework, level=request.level)
        return pb.CompareLevelResponse(
            levels=levels,
            reasons=[] if levels else messages.reason_messages([unknown]),
            position=moment.message(),
        )

    def _levels(self, framework: str, level: str, size: int) -> Iterator[pb.ComparedLevel]:
        names = self.same(framework)
        for name, line in self._index.references["framework"].items():
            found = line.at(size)
            data: Mapping[str, Any] = {} if found is None else found[1].data
            for one in data.get("references") or ():
                if found is None:
                    continue
                evidence = messages.evidence_message(found[0], found[1], name)
                told = {"source": one["source"], "confidence": one["confidence"], "evidence": evidence}
                if name in names and one["level"] == level:
                    yield pb.ComparedLevel(framework=one["framework"], level=one["to_level"], **told)
                elif one["framework"] in names and one["to_level"] == level:
                    yield pb.ComparedLevel(framework=name, level=one["level"], **told)


def _must(value: str, where: str) -> None:
    if not value:
        raise FormatError("argument-missing", "The question needs this.", where=where)
    if len(value) > MAX_TERM:
        raise FormatError("argument-invalid", f"At most {MAX_TERM} characters.", where=where)


def _direct(at: tuple[int, AchievementVersion], names: frozenset[str], codes: Mapping[str, bool]) -> Iterator[Ground]:
    index, version = at
    if NOC in names:
        for code in sorted(version.occupations & codes.keys()):
            yield Ground("occupation", code, "", "", "", index)
    if version.frameworks & names:
        for tag in version.data.get("alignments") or ():
            if tag["framework"] in names and tag["code"] in codes:
                strength = tag.get("strength") or ""
                yield Ground("alignment", tag["code"], strength, tag.get("level") or "", "", index)
