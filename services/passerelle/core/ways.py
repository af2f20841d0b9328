"""The ways to meet a sending expression: the smallest sets of held items that do.

Where rules compete for items, one way is not enough: the choice between rules needs to know which items a rule could
do with. Bounded by :data:`MAX_WAYS` and :data:`MAX_STEPS`; beyond them the list is cut and says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from passerelle.core.judging import Tables
from passerelle.core.sending import Gate, Leaf, Pool
from passerelle.core.solving import Node, value_of

MAX_WAYS: Final = 64
"""Most ways that are told of one expression."""
MAX_STEPS: Final = 4_000
"""Most steps of looking for them."""

Way = frozenset[str]


def ways(root: Node, tables: Tables) -> tuple[tuple[Way, ...], bool]:
    """The smallest sets of refs that meet a solved expression, smaller ones first; and whether these are all.

    None of the sets contains another. ``root`` comes from :func:`~passerelle.core.solving.solve`.
    """
    finder = _Finder(tables)
    found: dict[Way, None] = {}
    complete = True
    for way, _ in finder.of(root, frozenset()):
        found[way] = None
        if len(found) >= MAX_WAYS or finder.steps > MAX_STEPS:
            complete = False
            break
    complete = complete and finder.steps <= MAX_STEPS
    smallest: list[Way] = []
    for way in sorted(found, key=lambda one: (len(one), sorted(one))):
        if not any(other < way for other in smallest):
            smallest.append(way)
    return tuple(smallest), complete


class _Finder:
    """Walks the solved tree; each solution is the set of refs used and their credit in the pool's system."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.steps = 0

    def of(self, node: Node, taken: Way, system: str | None = None) -> Iterator[tuple[Way, Fraction]]:
        """The ways to meet a node without the items taken: all refs taken with it, and the credit it adds."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            return
        if isinstance(node.expression, Leaf):
            for item in node.items:
                if item.ref not in taken:
                    worth = Fraction(0) if system is None else value_of(item, system, self.tables)
                    yield taken | {item.ref}, worth
        elif isinstance(node.expression, Gate):
            yield from self.gate(node.parts, node.expression.need, taken, system)
        else:
            yield from self.pool(node, node.expression, taken, system)

    def gate(
        self, parts: tuple[Node, ...], need: int, taken: Way, system: str | None
    ) -> Iterator[tuple[Way, Fraction]]:
        if need == 0:
            yield taken, Fraction(0)
            return
        if len(parts) < need:
            return
        for way, worth in self.of(parts[0], taken, system):
            for whole, rest in self.gate(parts[1:], need - 1, way, system):
                yield whole, worth + rest
        yield from self.gate(parts[1:], need, taken, system)

    def pool(self, node: Node, pool: Pool, taken: Way, system: str | None) -> Iterator[tuple[Way, Fraction]]:
        """Ways whose credit reaches the pool's need; in an outer pool of another system they are worth their items."""
        inner, nested = pool.need.system, system is not None
        for way, own in self.fill(node.parts, pool.need.value, taken, inner, nested):
            if system is None or system == inner:
                yield way, own
            else:
                yield way, self.worth(node, way - taken, system)

    def fill(
        self, parts: tuple[Node, ...], gap: Fraction, taken: Way, system: str, nested: bool
    ) -> Iterator[tuple[Way, Fraction]]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            return
        if gap <= 0:
            yield taken, Fraction(0)
        # Beyond the need more credit is of use to an outer pool only.
        if not parts or (gap <= 0 and not nested):
            return
        for way, worth in self.of(parts[0], taken, system):
            if worth or nested:
                for whole, rest in self.fill(parts[1:], gap - worth, way, system, nested):
                    yield whole, worth + rest
        yield from self.fill(parts[1:], gap, taken, system, nested)

    def worth(self, node: Node, refs: Way, system: str) -> Fraction:
        items = {item.ref: item for one in node.walk() for item in one.items if item.ref in refs}
        return sum((value_of(item, system, self.tables) for item in items.values()), Fraction(0))
