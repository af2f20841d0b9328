"""The second pass: each held item counts for one leaf only.

It is needed only where leaves compete for an item, that is where an achievement is named more than once, or where pools
of different credit systems nest. Parts in which nothing competes keep the first pass's result, so that the search
branches over the contested leaves alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from passerelle.core.judging import Terms
from passerelle.core.quantity import Credits, convert
from passerelle.core.reasons import reason
from passerelle.core.sending import Gate, Held, Leaf, Pool, leaves_of
from passerelle.core.solving import Missing, Node, Partial, joined, short_of, used_value, value_of

__all__ = ["MAX_STEPS", "SEARCH_NODES", "Missing", "Partial", "search"]

SEARCH_NODES: Final = 128
"""Largest tree in which all combinations are tried."""
MAX_STEPS: Final = 20_000
"""Most steps of one search."""

Taken = frozenset[str]


class _Exhausted(Exception):
    """The search used up its steps."""


def search(root: Node, terms: Terms) -> tuple[Partial | None, bool]:
    """The smallest solution in which no item counts twice, and whether that is certain.

    None where the bounds were reached first.
    """
    choice = root.choice
    refs = [item.ref for _, item in choice.uses]
    mixed = _is_mixed(root, None)
    if len(refs) == len(set(refs)) and (root.met or not mixed):
        return choice, True
    if root.met:
        greedy = _greedy(root, set())
        if greedy is not None:
            return greedy, True
    found = _exact(root, terms, mixed)
    if found is None and len(refs) == len(set(refs)):
        return choice, False
    return found, found is not None


def _is_mixed(node: Node, system: str | None) -> bool:
    """A pool stands inside a pool of another credit system."""
    if isinstance(node.expression, Pool):
        own = node.expression.need.system
        if system is not None and own != system:
            return True
        system = own
    return any(_is_mixed(part, system) for part in node.parts)


def _greedy(node: Node, taken: set[str]) -> Partial | None:
    """The first solution from left to right, if there is one without going back; ``taken`` grows by what it uses."""
    if not node.met:
        return None
    if isinstance(node.expression, Leaf):
        for item in node.items:
            if item.ref not in taken:
                taken.add(item.ref)
                return Partial(((node.place, item),))
        return None
    if isinstance(node.expression, Pool):
        # A pool's parts were counted with items that may be taken now: the exact search adds up again.
        return node.choice if _claim(node.choice, taken) else None
    found: list[Partial] = []
    for part in node.parts:
        before = set(taken)
        partial = _greedy(part, taken)
        if partial is None:
            taken.intersection_update(before)
            continue
        found.append(partial)
        if len(found) == node.expression.need:
            return joined(found)
    return None


def _claim(choice: Partial, taken: set[str]) -> bool:
    refs = [item.ref for _, item in choice.uses]
    if len(refs) != len(set(refs)) or taken.intersection(refs):
        return False
    taken.update(refs)
    return True


def _exact(root: Node, terms: Terms, mixed: bool) -> Partial | None:
    nodes = list(root.walk())
    if len(nodes) > SEARCH_NODES:
        return None
    engine = _Search(root, terms, mixed)
    leaves = sum(not node.parts for node in nodes)
    pools = any(isinstance(node.expression, Pool) for node in nodes)
    # Without pools the first pass never asks for more than is needed, so that smaller fixes need no trying.
    least = 0 if pools else len(root.choice.missing)
    try:
        for engine.in_credits in (False, True) if pools else (False,):
            for spare in range(least, leaves + 1):
                for partial, _ in engine.solutions(root, frozenset(), spare):
                    return partial
    except _Exhausted:
        return None
    return None


Solution = tuple[Partial, Taken]


class _Search:
    """Tries the ways to meet a node with the items not yet taken and at most ``spare`` missing leaves."""

    def __init__(self, root: Node, terms: Terms, mixed: bool) -> None:
        self.tables = terms.tables
        self.steps = 0
        # A missing amount of credit, of no named leaf, is a fix only where no leaves with known credits are one.
        self.in_credits = False
        names = Counter(leaf.achievement for leaf in leaves_of(root.expression))
        self.clean: dict[int, bool] = {}
        self._mark(root, {name for name, count in names.items() if count > 1}, mixed)

    def _mark(self, node: Node, contested: set[str], mixed: bool) -> bool:
        # Every part is marked, also after one that is not clean.
        marks = [self._mark(part, contested, mixed) for part in node.parts]
        clean = all(marks) and not mixed
        if isinstance(node.expression, Leaf):
            clean = clean and node.expression.achievement not in contested
        self.clean[node.place] = clean
        return clean

    def solutions(self, node: Node, taken: Taken, spare: int) -> Iterator[Solution]:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Exhausted
        if self.clean[node.place]:
            if len(node.choice.missing) <= spare:
                yield node.choice, taken
        elif isinstance(node.expression, Leaf):
            yield from self.leaf(node, node.expression, taken, spare)
        elif isinstance(node.expression, Gate):
            clean_first = tuple(sorted(node.parts, key=lambda part: not self.clean[part.place]))
            yield from self.gate(clean_first, node.expression.need, taken, spare)
        else:
            yield from self.pool(node, node.expression, taken, spare)

    def leaf(self, node: Node, leaf: Leaf, taken: Taken, spare: int) -> Iterator[Solution]:
        for item in node.items:
            if item.ref not in taken:
                yield Partial(((node.place, item),)), taken | {item.ref}
        if not spare:
            return
        if node.met:
            known = self.tables.credit_values.get(leaf.achievement) or node.items[0].credits
            reasons = (reason("used-elsewhere", achievement=leaf.achievement),)
            yield Partial(missing=(Missing(node.place, node.path, leaf.achievement, reasons, known),)), taken
        else:
            yield node.choice, taken

    def gate(self, parts: tuple[Node, ...], need: int, taken: Taken, spare: int) -> Iterator[Solution]:
        if need == 0:
            yield Partial(), taken
            return
        if len(parts) < need:
            return
        for first, after in self.solutions(parts[0], taken, spare):
            for rest, last in self.gate(parts[1:], need - 1, after, spare - len(first.missing)):
                yield joined((first, rest)), last
        yield from self.gate(parts[1:], need, taken, spare)

    def pool(self, node: Node, pool: Pool, taken: Taken, spare: int) -> Iterator[Solution]:
        yield from self.fill(node, pool, node.parts, Partial(), taken, spare)

    def fill(
        self, node: Node, pool: Pool, parts: tuple[Node, ...], so_far: Partial, taken: Taken, spare: int
    ) -> Iterator[Solution]:
        """Include or leave out each part; the credits of those included must reach what the pool needs."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _Exhausted
        system = pool.need.system
        value = used_value(so_far, system, self.tables) + self._hoped(so_far, system)
        gap = pool.need.value - value
        if not parts:
            if gap <= 0:
                yield so_far, taken
            elif spare and self.in_credits:
                short = Missing(node.place, node.path, None, (short_of(gap, pool),), Credits(gap, system))
                yield joined((so_far, Partial(missing=(short,)))), taken
            return
        if not spare and gap > sum((self._most(part, system) for part in parts), Fraction(0)):
            return
        for first, after in self.solutions(parts[0], taken, spare):
            both = joined((so_far, first))
            yield from self.fill(node, pool, parts[1:], both, after, spare - len(first.missing))
        # A part that is met and competes with nothing only adds credit: leaving it out cannot help.
        if not (self.clean[parts[0].place] and parts[0].met):
            yield from self.fill(node, pool, parts[1:], so_far, taken, spare)

    def _hoped(self, partial: Partial, system: str) -> Fraction:
        """The known credits of what is missing; what is not known counts as nothing."""
        amounts = [one.credits for one in partial.missing if one.credits is not None]
        converted = [convert(amount, system, self.tables.credit_conversions) for amount in amounts]
        return sum((amount for amount in converted if amount is not None), Fraction(0))

    def _most(self, node: Node, system: str) -> Fraction:
        """No solution without missing leaves brings more than this."""
        best = [self._best(one.items, system) for one in node.walk() if isinstance(one.expression, Leaf)]
        return sum(best, Fraction(0))

    def _best(self, items: tuple[Held, ...], system: str) -> Fraction:
        return max((value_of(item, system, self.tables) for item in items), default=Fraction(0))
