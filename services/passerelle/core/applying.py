"""Rules that match a transcript, applied together: each line's credit once, and as much of it as can be had.

Credit is what competes: an exemption, an admission or a standing takes nothing from another rule. Amounts in different
credit systems are never added. The order of what is maximised: credit towards the programme named, then all credit, in
each case the programme's own system first and the others in the order of
:data:`~passerelle.core.quantity.CREDIT_SYSTEMS`; then fewer lines; then later attempts.

Credit counts *towards a programme* when it is block credit of that programme, or assigned for a course that the
programme's published components name; where none are published, every assigned and unassigned credit counts. A minimum
grade for use in a programme must then be met too.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any, Final

from passerelle.core.counting import Option, choose
from passerelle.core.grades import Grade
from passerelle.core.judging import Tables, judge_grade
from passerelle.core.quantity import CREDIT_SYSTEMS, Credits, parse_credits
from passerelle.core.rules import Rule
from passerelle.core.sending import Held
from passerelle.core.ways import Way

MAX_CHOICES: Final = 32
"""Most combinations of an outcome's choices that are weighed."""
Given = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Aim:
    """The programme that credit shall count towards: its id, the courses that it names, its published size."""

    programme: str
    courses: frozenset[str] = frozenset()
    size: Credits | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule that matches, with the ways to do so; ``complete`` False where there may be more of them."""

    rule: Rule
    ways: tuple[Way, ...]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Award:
    """One rule as it is applied: the lines that it uses, what it gives, and the credit towards the programme."""

    rule: Rule
    uses: tuple[str, ...]
    given: Given
    credits: tuple[Credits, ...]
    towards: tuple[Credits, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """The rules that one receiver would apply together, in order of rule.

    ``total`` and ``towards`` are sums by system. ``exact`` False: more may be possible, and ``at_most`` says how much
    at most of the first thing maximised.
    """

    receiver: str
    awards: tuple[Award, ...]
    total: tuple[Credits, ...]
    towards: tuple[Credits, ...]
    exact: bool
    at_most: Credits | None = None


def apply_together(
    receiver: str, matched: Iterable[Matched], held: Mapping[str, Held], tables: Tables, aim: Aim | None
) -> Applied:
    """Choose among the matching rules of one receiver; ``held`` by ref."""
    awards: list[Award] = []
    complete = True
    for one in matched:
        outcomes, whole = choices_of(one.rule.outcome)
        complete = complete and whole and one.complete
        for given in outcomes:
            awards.extend(
                _award(one.rule, way, given, held, tables, aim) for way in one.ways if _usable(given, way, held, tables)
            )
    free = {award.rule.id: award for award in reversed(awards) if not award.credits}
    paying = [award for award in awards if award.credits]
    scale = _Scale(paying, held, aim)
    options = {(_option(award, held, scale.worth(award))): award for award in reversed(paying)}
    found = choose(options)
    chosen = [options[option] for option in found.options]
    counted = {award.rule.id for award in chosen}
    every = sorted([*chosen, *(free[name] for name in free if name not in counted)], key=lambda one: one.rule.id)
    exact = found.exact and complete
    return Applied(
        receiver,
        tuple(every),
        sums(amount for award in chosen for amount in award.credits),
        sums(amount for award in chosen for amount in award.towards),
        exact,
        # A list of ways that was cut leaves the bound open.
        None if exact or not complete else scale.first(found.bound),
    )


def choices_of(outcome: Mapping[str, Any] | None) -> tuple[list[Given], bool]:
    """What an outcome can give, one entry a combination of its choices; and whether these are all."""
    if outcome is None:
        return [], True
    if outcome["type"] not in {"choice", "sum"}:
        return [(outcome,)], True
    parts = [choices_of(part) for part in outcome["of"]]
    whole = all(complete for _, complete in parts)
    if outcome["type"] == "choice":
        every: Iterator[Given] = (given for found, _ in parts for given in found)
    else:
        every = (tuple(itertools.chain(*some)) for some in itertools.product(*(found for found, _ in parts)))
    found = list(itertools.islice(every, MAX_CHOICES + 1))
    return found[:MAX_CHOICES], whole and len(found) <= MAX_CHOICES


def sums(amounts: Iterable[Credits]) -> tuple[Credits, ...]:
    """The totals by system, in the order of the systems."""
    totals: dict[str, Fraction] = {}
    for amount in amounts:
        totals[amount.system] = totals.get(amount.system, Fraction(0)) + amount.value
    return tuple(Credits(totals[system], system) for system in CREDIT_SYSTEMS if system in totals)


def _usable(given: Given, way: Way, held: Mapping[str, Held], tables: Tables) -> bool:
    return _conditions_met(given, "credit", way, held, tables)


def _conditions_met(given: Given, use: str, way: Way, held: Mapping[str, Held], tables: Tables) -> bool:
    minimums = [
        Grade(condition["minimum_grade"]["scheme"], condition["minimum_grade"]["grade"])
        for terms in given
        for condition in terms.get("conditions") or ()
        if condition["use"] == use
    ]
    return all(judge_grade(minimum, held[ref], tables)[0] == "met" for minimum in minimums for ref in way)


def _award(rule: Rule, way: Way, given: Given, held: Mapping[str, Held], tables: Tables, aim: Aim | None) -> Award:
    credits = tuple(parse_credits(terms["credits"]) for terms in given if "credits" in terms)
    towards: tuple[Credits, ...] = ()
    if aim is not None:
        towards = tuple(
            parse_credits(terms["credits"])
            for terms in given
            if "credits" in terms
            and _counts_towards(terms, aim)
            and _conditions_met((terms,), "programme", way, held, tables)
        )
    return Award(rule, tuple(sorted(way)), given, credits, towards)


def _counts_towards(terms: Mapping[str, Any], aim: Aim) -> bool:
    if terms["type"] == "block":
        return bool(terms["programme"] == aim.programme)
    return not aim.courses or terms.get("achievement") in aim.courses


def _option(award: Award, held: Mapping[str, Held], worth: int) -> Option:
    courses = {str(terms["achievement"]) for terms in award.given if "achievement" in terms}
    granted = courses | {str(terms["programme"]) for terms in award.given if "programme" in terms}
    return Option(
        rule=award.rule.id,
        takes=frozenset((*(f"line {ref}" for ref in award.uses), *(f"course {name}" for name in courses))),
        worth=worth,
        touches=frozenset(granted | {held[ref].achievement for ref in award.uses}),
        bars=frozenset(name for terms in award.given for name in terms.get("exclusions") or ()),
    )


class _Scale:
    """Folds amounts in their order of importance into one whole number, exactly."""

    def __init__(self, awards: Sequence[Award], held: Mapping[str, Held], aim: Aim | None) -> None:
        self.systems = _systems(awards, aim)
        self.aimed = aim is not None
        days = {ref: held[ref].completed_on.toordinal() for award in awards for ref in award.uses}
        first = min(days.values(), default=0)
        self.later = {ref: day - first for ref, day in days.items()}
        self.most = 1 + max((len(award.uses) for award in awards), default=0)
        rows = [self.parts(award) for award in awards]
        self.factors = [lcm(*(row[place].denominator for row in rows)) for place in range(len(rows[0]))] if rows else []
        self.weights: list[int] = []
        weight = 1
        for place in reversed(range(len(self.factors))):
            self.weights.insert(0, weight)
            weight *= 1 + sum(int(row[place] * self.factors[place]) for row in rows)

    def parts(self, award: Award) -> list[Fraction]:
        """The amounts to compare, the most important first."""
        rows = [award.towards, award.credits] if self.aimed else [award.credits]
        amounts = [
            sum((one.value for one in row if one.system == system), Fraction(0))
            for row in rows
            for system in self.systems
        ]
        later = sum(self.later[ref] for ref in award.uses)
        return [*amounts, Fraction(self.most - len(award.uses)), Fraction(later)]

    def worth(self, award: Award) -> int:
        """The one number."""
        return sum(
            int(part * factor) * weight
            for part, factor, weight in zip(self.parts(award), self.factors, self.weights, strict=True)
        )

    def first(self, worth: int) -> Credits | None:
        """What the most important amount is at most, for a worth."""
        if not self.weights:
            return None
        return Credits(Fraction(worth // self.weights[0], self.factors[0]), self.systems[0])


def _systems(awards: Iterable[Award], aim: Aim | None) -> list[str]:
    counts = Counter(amount.system for award in awards for amount in award.credits)
    own = aim.size.system if aim is not None and aim.size is not None else None
    return sorted(counts, key=lambda system: (system != own, CREDIT_SYSTEMS.index(system)))
