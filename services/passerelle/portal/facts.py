"""What a public event changes in the portal's tables (pure): one small value for each kind of change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from passerelle.core.catalogue import BY_NAME
from passerelle.core.quantity import parse_quantity
from passerelle.portal.record import Checked

_REMARKS: Final = {
    BY_NAME["credential.achievement-endorsed"].full: "endorsed",
    BY_NAME["credential.achievement-outcomes-reported"].full: "outcomes",
    BY_NAME["credential.achievement-retired"].full: "retired",
    BY_NAME["credential.demand-stated"].full: "demand",
}
_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class AchievementFact:
    """A published or revised achievement, with the columns that search needs. Numbers are decimal text or None."""

    id: str
    member: str
    index: int
    data: Mapping[str, Any]
    modes: tuple[str, ...]
    hours: str | None
    cost: str | None
    frameworks: tuple[str, ...]
    competencies: tuple[str, ...]
    names: str
    skills: str
    text: str


@dataclass(frozen=True, slots=True)
class RemarkFact:
    """Something published about an achievement."""

    index: int
    achievement: str
    member: str
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A member event; ``event`` is admitted, keys-changed, roles-changed, suspended or removed."""

    index: int
    member: str
    event: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OrganisationFact:
    """A listed organisation."""

    index: int
    id: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FrameworkFact:
    """A published framework."""

    index: int
    data: Mapping[str, Any]


Fact = AchievementFact | RemarkFact | MemberFact | OrganisationFact | FrameworkFact


def facts(checked: Checked) -> Iterator[Fact]:
    """The changes that an entry brings; none for a party event, a refusal, or a type that the portal does not show."""
    event = checked.event
    if event is None:
        return
    kind, data = event.type, event.data
    if kind.name in ("credential.achievement-published", "credential.achievement-revised"):
        yield _achievement(event.subject, checked.statement.member, checked.index, data)
    elif kind.full in _REMARKS:
        subject = data.get("achievement", "") if kind.name == "credential.demand-stated" else event.subject
        if subject:
            yield RemarkFact(checked.index, subject, checked.statement.member, _REMARKS[kind.full], data)
    elif kind.family == "member":
        yield MemberFact(checked.index, event.subject, kind.event, data)
    elif kind.name == "reference.organisation-listed":
        yield OrganisationFact(checked.index, event.subject, data)
    elif kind.name == "reference.framework-published":
        yield FrameworkFact(checked.index, data)


def _achievement(identifier: str, member: str, index: int, data: Mapping[str, Any]) -> AchievementFact:
    delivery = data.get("delivery") or {}
    alignments = data.get("alignments") or []
    names = [data["title"], *data.get("translations", {}).values(), data.get("code", ""), identifier.split("/", 1)[1]]
    skills = [part for tag in alignments for part in (tag.get("name", ""), tag["code"])]
    return AchievementFact(
        id=identifier,
        member=member,
        index=index,
        data=data,
        modes=tuple(delivery.get("modes", ())),
        hours=decimal(delivery.get("effort_hours")),
        cost=decimal((data.get("cost") or {}).get("amount_cad")),
        frameworks=tuple(sorted({tag["framework"] for tag in alignments})),
        competencies=tuple(sorted({tag.get("name") or tag["code"] for tag in alignments})),
        names=" ".join(part for part in names if part),
        skills=" ".join([*(part for part in skills if part), *data.get("outcomes", ())]),
        text=data.get("description", ""),
    )


def decimal(quantity: str | None) -> str | None:
    """An exact quantity as decimal text with four places, for comparing in SQL; None stays None."""
    if quantity is None:
        return None
    scaled = round(parse_quantity(quantity) * Fraction(10**_DECIMALS))
    return f"{scaled // 10**_DECIMALS}.{scaled % 10**_DECIMALS:0{_DECIMALS}d}"
