"""The first pass over a sending expression: every part by itself, as if an item could count in several leaves.

It gives for each node whether it is met, which items it would use and the smallest set of missing leaves. The result is
final wherever no item was used twice; :mod:`passerelle.core.searching` settles the rest.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from passerelle.core.judging import FAR, Tables, Terms, judge_all
from passerelle.core.quantity import Credits, convert, show_quantity
from passerelle.core.reasons import Reason, reason
from passerelle.core.sending import Expression, Gate, Held, Leaf, Pool

MAX_FIX: Final = 64
"""Most missing leaves that the choice of the smallest fix of a pool weighs."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A leaf that would have to be met, or (``achievement`` None) an amount of credit that a pool lacks.

    ``place`` is the node's number in reading order, ``path`` its way from the root; ``reasons`` say what is wrong with
    what is held, ``credits`` what it would contribute where that is known.
    """

    place: int
    path: str
    achievement: str | None
    reasons: tuple[Reason, ...]
    credits: Credits | None = None

    @property
    def far(self) -> bool:
        """Nothing held comes near: it would have to be earned, not mended."""
        return any(one.code in FAR for one in self.reasons)


@dataclass(frozen=True, slots=True)
class Partial:
    """Items assigned to leaves (by their ``place``), and what is still missing."""

    uses: tuple[tuple[int, Held], ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the expression with its result; ``items`` meet a leaf, in the order in which they are tried."""

    place: int
    path: str
    expression: Expression
    parts: tuple[Node, ...]
    met: bool
    near: bool
    choice: Partial
    reasons: tuple[Reason, ...] = ()
    items: tuple[Held, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in reading order."""
        yield self
        for part in self.parts:
            yield from part.walk()


def value_of(item: Held, system: str, tables: Tables) -> Fraction:
    """The credits of an item in a system; 0 where they are not stated or cannot be converted."""
    amount = None if item.credits is None else convert(item.credits, system, tables.credit_conversions)
    return Fraction(0) if amount is None else amount


def used_value(partial: Partial, system: str, tables: Tables) -> Fraction:
    """The credits of the items used."""
    return sum((value_of(item, system, tables) for _, item in partial.uses), Fraction(0))


def hoped_value(partial: Partial, system: str, tables: Tables) -> Fraction | None:
    """The credits once what is missing is there too; None where an amount is not known."""
    total = used_value(partial, system, tables)
    for missing in partial.missing:
        amount = None if missing.credits is None else convert(missing.credits, system, tables.credit_conversions)
        if amount is None:
            return None
        total += amount
    return total


def joined(partials: Iterable[Partial]) -> Partial:
    """The partial results together."""
    uses: list[tuple[int, Held]] = []
    missing: list[Missing] = []
    for partial in partials:
        uses.extend(partial.uses)
        missing.extend(partial.missing)
    return Partial(tuple(uses), tuple(missing))


def solve(expression: Expression, held: Mapping[str, tuple[Held, ...]], terms: Terms) -> Node:
    """Solve every part of the expression; ``held`` by achievement."""
    return _Solver(held, terms).node(expression, "", None)


class _Solver:
    def __init__(self, held: Mapping[str, tuple[Held, ...]], terms: Terms) -> None:
        self.held = held
        self.terms = terms
        self.places = itertools.count()

    def node(self, expression: Expression, path: str, system: str | None) -> Node:
        """``system`` is the credit system of the innermost pool around the node."""
        place = next(self.places)
        if isinstance(expression, Leaf):
            return self.leaf(expression, place, path, system)
        kind = expression.kind if isinstance(expression, Gate) else "credits_from"
        inner = expression.need.system if isinstance(expression, Pool) else system
        prefix = f"{path}.{kind}" if path else kind
        parts = tuple(self.node(part, f"{prefix}[{number}]", inner) for number, part in enumerate(expression.parts))
        near = any(part.near for part in parts)
        if isinstance(expression, Gate):
            choice = self.gate(expression, parts, system)
            return Node(place, path, expression, parts, not choice.missing, near, choice)
        choice, reasons = self.pool(expression, parts, place, path)
        return Node(place, path, expression, parts, not choice.missing, near, choice, reasons)

    def leaf(self, leaf: Leaf, place: int, path: str, system: str | None) -> Node:
        judged = judge_all(leaf, self.held.get(leaf.achievement, ()), self.terms)
        items = judged.items
        tables = self.terms.tables
        if system is not None:
            items = tuple(sorted(items, key=lambda item: -value_of(item, system, tables)))
        if items:
            return Node(place, path, leaf, (), True, True, Partial(((place, items[0]),)), items=items)
        amount = judged.nearest.credits if judged.nearest is not None else None
        missing = Missing(
            place, path, leaf.achievement, judged.reasons, amount or tables.credit_values.get(leaf.achievement)
        )
        return Node(place, path, leaf, (), False, judged.near, Partial(missing=(missing,)), judged.reasons)

    def gate(self, gate: Gate, parts: tuple[Node, ...], system: str | None) -> Partial:
        """The parts that cost the fewest missing leaves; inside a pool, among equals, those with most credit."""

        def cost(part: Node) -> tuple[int, int, Fraction, int]:
            missing = part.choice.missing
            worth = Fraction(0) if system is None else used_value(part.choice, system, self.terms.tables)
            return len(missing), sum(one.far for one in missing), -worth, part.place

        chosen = sorted(parts, key=cost)[: gate.need]
        return joined(part.choice for part in sorted(chosen, key=lambda part: part.place))

    def pool(self, pool: Pool, parts: tuple[Node, ...], place: int, path: str) -> tuple[Partial, tuple[Reason, ...]]:
        """All parts that are met, and where they do not suffice the fewest missing leaves that would."""
        tables, system = self.terms.tables, pool.need.system
        met = joined(part.choice for part in parts if part.met)
        notes = tuple(note for _, item in met.uses for note in _uncounted(item, system, tables))
        gap = pool.need.value - used_value(met, system, tables)
        if gap <= 0:
            return met, notes
        short = short_of(gap, pool)
        fix = _smallest([part.choice for part in parts if not part.met], gap, system, tables)
        if fix is None:
            fix = Partial(missing=(Missing(place, path, None, (short,), Credits(gap, system)),))
        return joined((met, fix)), (*notes, short)


def short_of(gap: Fraction, pool: Pool) -> Reason:
    """The reason that a pool lacks ``gap`` credits."""
    return reason(
        "credits-short",
        missing=show_quantity(gap),
        needed=show_quantity(pool.need.value),
        system=pool.need.system,
    )


def _uncounted(item: Held, system: str, tables: Tables) -> Iterator[Reason]:
    if item.credits is None:
        yield reason("credits-missing", held=item.ref)
    elif convert(item.credits, system, tables.credit_conversions) is None:
        yield reason("credits-cannot-compare", held=item.ref, held_system=item.credits.system, system=system)


def _smallest(options: list[Partial], gap: Fraction, system: str, tables: Tables) -> Partial | None:
    """The options with the fewest missing leaves whose credits reach the gap; None where known credits do not."""
    # best[cost] is the greatest value that so many missing leaves can bring, with the options that bring it.
    best: dict[int, tuple[Fraction, tuple[int, ...]]] = {0: (Fraction(0), ())}
    for number, option in enumerate(options):
        value = hoped_value(option, system, tables)
        cost = len(option.missing)
        if value is None or value <= 0:
            continue
        for before in sorted(best, reverse=True):
            reached, chosen = best[before][0] + value, (*best[before][1], number)
            after = before + cost
            if after <= MAX_FIX and (after not in best or best[after][0] < reached):
                best[after] = (reached, chosen)
    enough = [cost for cost, (reached, _) in best.items() if reached >= gap]
    return joined(options[number] for number in best[min(enough)][1]) if enough else None
