"""Pathways: from what is held to an achievement or a programme, by rules, by components, and by what is still to earn.

The search goes backwards from the target: what gives it, and what does that ask for. A part that is not held may be
reached by a rule in its turn, or earned. The best pathways lose the least of the credit held, then take the least
time, then cost the least; what is not stated counts as more than anything stated.

Bounds: :data:`MAX_DEPTH` steps behind one another, :data:`MAX_ENTRIES` rules looked at; beyond them the answer says
that there may be others. A pathway never needs what it leads to, so that a stack that names itself leads nowhere.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Protocol

from passerelle.core.applying import Aim, Award, Matched, apply_together, choices_of, sums
from passerelle.core.expressions import HeldIndex, evaluate_indexed, index_held
from passerelle.core.judging import Tables, Terms
from passerelle.core.quantity import CREDIT_SYSTEMS, Credits, parse_credits
from passerelle.core.rules import Rule, Window, terms_of
from passerelle.core.sending import Expression, Held
from passerelle.core.solving import solve
from passerelle.core.ways import ways

MAX_DEPTH: Final = 4
MAX_ENTRIES: Final = 400


@dataclass(frozen=True, slots=True)
class Offer:
    """What it takes to earn an achievement: exact hours of effort and dollars, None where not stated."""

    hours: Fraction | None
    cost: Fraction | None


class Catalogue(Protocol):
    """What the search reads; everything as known at one position."""

    def windows_to(self, achievement: str) -> Sequence[Window]:
        """The rules whose outcome names an achievement, with the dates that supersession leaves them."""

    def components(self, achievement: str) -> Expression | None:
        """What an achievement is made of, where it is published."""

    def offer(self, achievement: str) -> Offer | None:
        """What it takes to earn it; None for what is unknown or retired."""


@dataclass(frozen=True, slots=True)
class Step:
    """``rule``: a rule is applied; ``stack``: components make the achievement; ``earn``: it is still to be earned."""

    kind: str
    achievement: str
    rule: Rule | None = None
    uses: tuple[str, ...] = ()
    credits: tuple[Credits, ...] = ()

    @property
    def name(self) -> tuple[str, str, str]:
        """What makes it this step."""
        return self.kind, self.achievement, "" if self.rule is None else self.rule.id


@dataclass(frozen=True, slots=True)
class Pathway:
    """The steps in the order in which they are taken; ``lost`` by system; sums of what is to be earned."""

    steps: tuple[Step, ...]
    lost: tuple[Credits, ...] = ()
    hours: Fraction | None = Fraction(0)
    cost: Fraction | None = Fraction(0)

    @property
    def order(self) -> tuple[object, ...]:
        """The best first."""
        lost = {amount.system: amount.value for amount in self.lost}
        names = tuple(step.name for step in self.steps)
        return (
            tuple(lost.get(system, Fraction(0)) for system in CREDIT_SYSTEMS),
            (self.hours is None, self.hours or 0),
            (self.cost is None, self.cost or 0),
            len(self.steps),
            names,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The best pathways; ``complete`` False where a bound was reached."""

    pathways: tuple[Pathway, ...]
    complete: bool


def find_pathways(
    held: Sequence[Held], target: str, count: int, asked_on: dt.date, catalogue: Catalogue, tables: Tables
) -> Found:
    """The ``count`` best pathways to a target, each different in its steps; none where nothing leads there.

    Raises the errors of :func:`~passerelle.core.expressions.index_held`.
    """
    search = _Search(held, asked_on, catalogue, tables)
    found = [search.together(target), *search.ways_to(target, MAX_DEPTH, frozenset())]
    kept = [search.with_loss(path, target) for path in found if path is not None]
    pathways = {frozenset(step.name for step in path.steps): path for path in reversed(kept)}
    best = sorted(pathways.values(), key=lambda path: path.order)
    return Found(tuple(best[:count]), search.complete)


class _Search:
    def __init__(self, held: Sequence[Held], asked_on: dt.date, catalogue: Catalogue, tables: Tables) -> None:
        self.held: HeldIndex = index_held(held)
        self.by_ref = {item.ref: item for item in held}
        self.all_credits = sums(item.credits for item in held if item.credits is not None)
        self.asked_on = asked_on
        self.catalogue = catalogue
        self.tables = tables
        self.entries = 0
        self.complete = True

    def together(self, target: str) -> Pathway | None:
        """All rules that lead to the target from what is held, as the receiver would apply them together."""
        matched = []
        for window in self.catalogue.windows_to(target):
            terms = terms_of(window, self.asked_on, self.tables)
            if evaluate_indexed(window.rule.sending, self.held, terms).verdict == "match":
                root = solve(window.rule.sending, self.held, terms)
                matched.append(Matched(window.rule, *ways(root, self.tables)))
        receivers = {one.rule.receiver for one in matched}
        if len(receivers) != 1:
            return None
        applied = apply_together(receivers.pop(), matched, self.by_ref, self.tables, Aim(target))
        self.complete = self.complete and applied.exact
        return Pathway(tuple(self.applied(award, target) for award in applied.awards)) if applied.awards else None

    def applied(self, award: Award, target: str) -> Step:
        uses = tuple(sorted({self.by_ref[ref].achievement for ref in award.uses}))
        return Step("rule", target, award.rule, uses, award.credits)

    def ways_to(self, target: str, depth: int, above: frozenset[str]) -> list[Pathway]:
        """One pathway a rule, and one by components."""
        if depth == 0:
            self.complete = False
            return []
        found: list[Pathway] = []
        inside = above | {target}
        for window in self.catalogue.windows_to(target):
            terms = terms_of(window, self.asked_on, self.tables)
            # What is earned from now on is completed later: the rule must still count it.
            open_now = window.holds_on(self.asked_on)
            step = Step("rule", target, window.rule, (), _credits(window.rule))
            found.extend(self.by_expression(window.rule.sending, terms, step, depth, inside, open_now))
        components = self.catalogue.components(target)
        if components is not None:
            terms = Terms(self.asked_on, tables=self.tables)
            found.extend(self.by_expression(components, terms, Step("stack", target), depth, inside, True))
        return found

    def by_expression(
        self, expression: Expression, terms: Terms, step: Step, depth: int, above: frozenset[str], earning: bool
    ) -> Iterable[Pathway]:
        """The pathway that meets an expression with what is held and the smallest fix."""
        self.entries += 1
        if self.entries > MAX_ENTRIES:
            self.complete = False
            return
        result = evaluate_indexed(expression, self.held, terms)
        if result.fix and not earning:
            return
        paths = []
        for missing in result.fix:
            path = None if missing.achievement is None else self.best_to(missing.achievement, depth - 1, above)
            if path is None:
                return
            paths.append(path)
        if result.verdict != "match" and not result.fix:
            self.complete = False
            return
        names = {self.by_ref[ref].achievement for ref in result.used}
        names |= {missing.achievement for missing in result.fix if missing.achievement is not None}
        yield _joined([*paths, Pathway((replace(step, uses=tuple(sorted(names))),))])

    def best_to(self, achievement: str, depth: int, above: frozenset[str]) -> Pathway | None:
        """The best way to hold a part that is missing."""
        if achievement in above:
            return None
        offer = self.catalogue.offer(achievement)
        options = [] if offer is None else [Pathway((Step("earn", achievement),), (), offer.hours, offer.cost)]
        if depth:
            options += self.ways_to(achievement, depth, above)
        return min((self.with_loss(path, achievement) for path in options), key=lambda path: path.order, default=None)

    def with_loss(self, path: Pathway, target: str) -> Pathway:
        """With the credit held that the rules which lead to the target do not give."""
        own = (one for step in path.steps if step.achievement == target for one in step.credits)
        given = {amount.system: amount.value for amount in sums(own)}
        lost = tuple(
            Credits(amount.value - given.get(amount.system, Fraction(0)), amount.system)
            for amount in self.all_credits
            if amount.value > given.get(amount.system, Fraction(0))
        )
        return replace(path, lost=lost)


def _credits(rule: Rule) -> tuple[Credits, ...]:
    """The credit that a rule surely gives: of a choice only where its parts agree."""
    found, _ = choices_of(rule.outcome)
    amounts = {sums(parse_credits(one["credits"]) for one in given if "credits" in one) for given in found}
    return amounts.pop() if len(amounts) == 1 else ()


def _joined(paths: Sequence[Pathway]) -> Pathway:
    """The steps one after the other, what is needed twice once."""
    steps = {step.name: step for path in paths for step in path.steps}
    return Pathway(tuple(steps.values()), (), _sum(path.hours for path in paths), _sum(path.cost for path in paths))


def _sum(values: Iterable[Fraction | None]) -> Fraction | None:
    total = Fraction(0)
    for value in values:
        if value is None:
            return None
        total += value
    return total
