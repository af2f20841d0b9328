"""Whether one held item meets one leaf of a sending expression, and why not.

Reasons fall in two groups. *Near* ones can be mended or decided by a person: a grade that is too low or cannot be
compared. *Far* ones say that the item is not what the leaf asks for: another version, or completed outside the dates.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from passerelle.core.grades import (
    WELL_KNOWN_LEVELS,
    Compared,
    Comparison,
    Grade,
    Level,
    Scale,
    compare_grades,
    compare_levels,
    scale_on,
    well_known_scales,
)
from passerelle.core.grades import Conversions as GradeConversions
from passerelle.core.quantity import Conversions, Credits
from passerelle.core.reasons import Reason, reason
from passerelle.core.sending import Held, Leaf

FAR: Final = frozenset({"not-held", "version-outside", "outside-validity"})
_WELL_KNOWN_SCALES: Final = well_known_scales()
OPEN_DATE: Final = "…"
"""Shown where a period has no start or no end."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything that comparing rests on, all stated by somebody: nothing here is computed.

    ``scales`` by scheme; ``scale_versions`` by scheme where a period counts: of those the version in force when a grade
    was earned is read, and ``scales`` is not; ``grade_conversions`` and ``level_referencing`` by (from, to);
    ``level_orders`` by framework, lowest first; ``credit_conversions`` ratios by (from, to); ``credit_values`` the
    published credits of achievements, used to say what would close a gap, never to count what is held.
    """

    scales: Mapping[str, Scale] = field(default_factory=lambda: _WELL_KNOWN_SCALES)
    scale_versions: Mapping[str, tuple[Scale, ...]] = field(default_factory=dict)
    grade_conversions: GradeConversions = field(default_factory=dict)
    credit_conversions: Conversions = field(default_factory=dict)
    level_orders: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: WELL_KNOWN_LEVELS)
    level_referencing: GradeConversions = field(default_factory=dict)
    credit_values: Mapping[str, Credits] = field(default_factory=dict)

    def scale(self, scheme: str, day: dt.date) -> Scale | None:
        """The scale of a scheme as it was on a day."""
        versions = self.scale_versions.get(scheme)
        return self.scales.get(scheme) if versions is None else scale_on(versions, day)

    def compare(self, held: Grade, minimum: Grade, day: dt.date) -> Compared:
        """A grade earned on a day against a minimum."""
        found = {scheme: self.scale(scheme, day) for scheme in (held.scheme, minimum.scheme)}
        scales = {scheme: scale for scheme, scale in found.items() if scale is not None}
        return compare_grades(held, minimum, scales, self.grade_conversions)


@dataclass(frozen=True, slots=True)
class Terms:
    """The dates and tables of one question.

    ``asked_on`` is the date that stale-dating counts back from; ``valid_from`` and ``valid_to`` (both included, None is
    open) are the dates inside which an item must have been completed.
    """

    asked_on: dt.date
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    tables: Tables = field(default_factory=Tables)


def years_before(day: dt.date, years: int) -> dt.date:
    """The same calendar day so many years earlier; 29 February becomes 28 where there is none."""
    year = max(day.year - years, dt.MINYEAR)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def judge(leaf: Leaf, item: Held, terms: Terms) -> tuple[Reason, ...]:
    """Why ``item`` (of the leaf's achievement) does not meet ``leaf``; empty where it does. The order is fixed."""
    found = [
        _version(leaf, item),
        _validity(leaf, item, terms),
        _age(leaf, item, terms),
        _basis(leaf, item),
        _grade(leaf.minimum_grade, item, terms.tables),
        _level(leaf.minimum_level, item.level, terms.tables),
    ]
    return tuple(one for one in found if one is not None)


def compared(leaf: Leaf, item: Held, terms: Terms) -> tuple[Reason, ...]:
    """What was compared with what where ``item`` meets ``leaf``, in the order of :func:`judge`; dates always."""
    found: list[Reason] = []
    if leaf.first > 1 or leaf.last is not None:
        bounds = {"first": leaf.first, "last": OPEN_DATE if leaf.last is None else leaf.last}
        found.append(reason("version-inside", achievement=leaf.achievement, version=item.version, **bounds))
    dates = {"valid_from": terms.valid_from or OPEN_DATE, "valid_to": terms.valid_to or OPEN_DATE}
    found.append(reason("inside-validity", achievement=leaf.achievement, completed_on=item.completed_on, **dates))
    if leaf.within_years is not None:
        earliest = years_before(terms.asked_on, leaf.within_years)
        found.append(
            reason("recent-enough", completed_on=item.completed_on, earliest=earliest, years=leaf.within_years)
        )
    if leaf.basis is not None:
        found.append(reason("basis-allowed", basis=item.basis, allowed=", ".join(leaf.basis)))
    if (least := leaf.minimum_grade) is not None and (grade := item.grade) is not None:
        minimum = {"minimum": least.grade, "scheme": least.scheme}
        found.append(reason("grade-reached", held=grade.grade, held_scheme=grade.scheme, **minimum))
    if (lowest := leaf.minimum_level) is not None and (level := item.level) is not None:
        minimum = {"minimum": lowest.level, "framework": lowest.framework}
        found.append(reason("level-reached", held=level.level, held_framework=level.framework, **minimum))
    return tuple(found)


def _version(leaf: Leaf, item: Held) -> Reason | None:
    if item.version >= leaf.first and (leaf.last is None or item.version <= leaf.last):
        return None
    last = OPEN_DATE if leaf.last is None else leaf.last
    return reason("version-outside", achievement=leaf.achievement, version=item.version, first=leaf.first, last=last)


def _validity(leaf: Leaf, item: Held, terms: Terms) -> Reason | None:
    early = terms.valid_from is not None and item.completed_on < terms.valid_from
    late = terms.valid_to is not None and item.completed_on > terms.valid_to
    if not early and not late:
        return None
    return reason(
        "outside-validity",
        achievement=leaf.achievement,
        completed_on=item.completed_on,
        valid_from=terms.valid_from or OPEN_DATE,
        valid_to=terms.valid_to or OPEN_DATE,
    )


def _age(leaf: Leaf, item: Held, terms: Terms) -> Reason | None:
    if leaf.within_years is None:
        return None
    earliest = years_before(terms.asked_on, leaf.within_years)
    if item.completed_on >= earliest:
        return None
    return reason("too-old", completed_on=item.completed_on, earliest=earliest, years=leaf.within_years)


def _basis(leaf: Leaf, item: Held) -> Reason | None:
    if leaf.basis is None or item.basis in leaf.basis:
        return None
    return reason("basis-not-allowed", basis=item.basis, allowed=", ".join(leaf.basis))


def judge_grade(minimum: Grade, item: Held, tables: Tables) -> tuple[Comparison, Reason | None]:
    """Whether an item's grade reaches a minimum, with the reason where not; no grade cannot be compared."""
    held = item.grade
    if held is None:
        return "cannot-compare", reason("grade-missing", minimum=minimum.grade, scheme=minimum.scheme)
    outcome = tables.compare(held, minimum, item.completed_on).outcome
    if outcome == "met":
        return outcome, None
    code = "grade-too-low" if outcome == "not-met" else "grade-cannot-compare"
    return outcome, reason(code, held=held.grade, held_scheme=held.scheme, minimum=minimum.grade, scheme=minimum.scheme)


def _grade(minimum: Grade | None, item: Held, tables: Tables) -> Reason | None:
    return None if minimum is None else judge_grade(minimum, item, tables)[1]


def _level(minimum: Level | None, held: Level | None, tables: Tables) -> Reason | None:
    if minimum is None:
        return None
    if held is None:
        return reason("level-missing", minimum=minimum.level, framework=minimum.framework)
    outcome = compare_levels(held, minimum, tables.level_orders, tables.level_referencing)
    if outcome == "met":
        return None
    return reason(
        "level-too-low" if outcome == "not-met" else "level-cannot-compare",
        held=held.level,
        held_framework=held.framework,
        minimum=minimum.level,
        framework=minimum.framework,
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """A leaf against all that is held of its achievement.

    ``items`` meet it, latest completion first. Where there is none, ``nearest`` is the item that comes closest and
    ``reasons`` say what it lacks; ``near`` where nothing far stands against it.
    """

    items: tuple[Held, ...]
    nearest: Held | None
    reasons: tuple[Reason, ...]
    near: bool


def judge_all(leaf: Leaf, held: tuple[Held, ...], terms: Terms) -> Judged:
    """Judge every held item of the leaf's achievement; the result does not depend on their order."""
    met: list[Held] = []
    failed: list[tuple[tuple[int, int, int, str], Held, tuple[Reason, ...]]] = []
    for item in held:
        reasons = judge(leaf, item, terms)
        if reasons:
            far = sum(one.code in FAR for one in reasons)
            failed.append(((far, len(reasons), -item.completed_on.toordinal(), item.ref), item, reasons))
        else:
            met.append(item)
    if met:
        met.sort(key=lambda item: (-item.completed_on.toordinal(), item.ref))
        return Judged(tuple(met), None, (), near=True)
    if not failed:
        return Judged((), None, (reason("not-held", achievement=leaf.achievement),), near=False)
    key, nearest, reasons = min(failed, key=lambda row: row[0])
    return Judged((), nearest, reasons, near=key[0] == 0)
