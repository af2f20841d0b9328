"""From the index to the facts on which an achievement is judged, each with the log index behind it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from passerelle.core.decide.context import member_of
from passerelle.core.expressions import achievements_of
from passerelle.core.facts import Demand, Difference, Endorsement, Facts, Framework, Recognition
from passerelle.core.rules import Rule, windows
from passerelle.core.sending import parse_date
from passerelle.query.index import Index
from passerelle.query.records import AchievementHistory, Said


def gather(
    index: Index,
    history: AchievementHistory,
    size: int,
    asked_on: dt.date,
    given: Mapping[str, float] | None = None,
) -> Facts:
    """What a log of ``size`` entries says about the achievement; ``given`` are facts of one case, by field."""
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
        differences=tuple(_differences(index, history.id, size, asked_on)),
        given=given or {},
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


def _rules(index: Index, achievement: str, size: int, asked_on: dt.date) -> Iterator[Rule]:
    """Rules and refusals that hold for who completes the achievement on the day."""
    named = set(index.by_leaf.get(achievement, ()))
    for window in windows(index.with_superseding(named), size - 1):
        rule = window.rule
        if rule.id in named and window.holds_on(asked_on) and achievement in achievements_of(rule.sending):
            yield rule


def _recognitions(index: Index, achievement: str, size: int, asked_on: dt.date) -> Iterator[Recognition]:
    """Rules that give something for the achievement."""
    for rule in _rules(index, achievement, size, asked_on):
        if rule.outcome is not None:
            yield Recognition(
                rule=rule.id,
                member=rule.receiver,
                member_kind=index.kind(rule.receiver),
                kind=rule.kind,
                jurisdictions=rule.jurisdictions or index.jurisdictions(rule.receiver),
                index=rule.from_index,
                outcome_types=tuple(dict.fromkeys(_types(rule.outcome))),
            )


def _differences(index: Index, achievement: str, size: int, asked_on: dt.date) -> Iterator[Difference]:
    """Refusals of the achievement by itself, with the reason that they state."""
    for rule in _rules(index, achievement, size, asked_on):
        alone = achievements_of(rule.sending) == (achievement,)
        if rule.outcome is None and rule.reason is not None and alone:
            places = rule.jurisdictions or index.jurisdictions(rule.receiver)
            yield Difference(rule.id, rule.receiver, rule.reason, places, rule.from_index)


def _types(outcome: Mapping[str, Any]) -> Iterator[str]:
    yield outcome["type"]
    for part in outcome.get("of") or ():
        yield from _types(part)
