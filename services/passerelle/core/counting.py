"""Choosing which rules count where they compete: each line, each receiving course and each rule once.

An *option* is one way to apply one rule. Two options exclude each other where they share a line, a receiving course or
the rule, or where one bars what the other touches (no credit together with X). Of all sets of options that can stand
together the one with the greatest worth is chosen. Options that nothing joins are decided apart.

Bounds: a part is settled exactly by dynamic programming with up to :data:`MAX_STATES` states. Beyond it the best choice
found stands, with ``exact`` False and ``bound`` saying what no choice can exceed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_STATES: Final = 20_000
"""Most states of one part's exact solution."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to apply one rule.

    ``takes`` are names that only one chosen option may have (lines, receiving courses); ``touches`` names that another
    option may bar, ``bars`` the names that it bars. ``worth`` is a whole number from 0; more is better.
    """

    rule: str
    takes: frozenset[str]
    worth: int
    touches: frozenset[str] = frozenset()
    bars: frozenset[str] = frozenset()

    @property
    def order(self) -> tuple[int, str, tuple[str, ...]]:
        """Best first, then by name: the choice does not depend on the order of the options given."""
        return -self.worth, self.rule, tuple(sorted(self.takes))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options chosen, in order of rule; ``worth`` is their sum, ``bound`` what no choice exceeds."""

    options: tuple[Option, ...]
    worth: int
    bound: int
    exact: bool


class _Exhausted(Exception):
    """The states of a part are used up."""


def choose(options: Iterable[Option]) -> Chosen:
    """The set of options with the greatest worth; among equals always the same one."""
    chosen: list[Option] = []
    bound, exact = 0, True
    for part in _parts(sorted(options, key=lambda one: one.order)):
        found = _settle(part)
        chosen.extend(found.options)
        bound += found.bound
        exact = exact and found.exact
    chosen.sort(key=lambda one: one.rule)
    return Chosen(tuple(chosen), sum(one.worth for one in chosen), bound, exact)


def _resources(option: Option) -> Iterable[str]:
    yield f"rule {option.rule}"
    yield from (f"takes {name}" for name in option.takes)
    yield from (f"name {name}" for name in option.touches | option.bars)


def _parts(options: Sequence[Option]) -> list[list[Option]]:
    """The options in groups that share nothing; within a group neighbours stand near each other."""
    users: dict[str, list[int]] = {}
    for number, option in enumerate(options):
        for name in _resources(option):
            users.setdefault(name, []).append(number)
    parts: list[list[Option]] = []
    seen: set[int] = set()
    for start in range(len(options)):
        if start in seen:
            continue
        seen.add(start)
        reached = [start]
        for number in reached:
            for name in _resources(options[number]):
                # Once walked, a name leads nowhere new.
                for other in users.pop(name, ()):
                    if other not in seen:
                        seen.add(other)
                        reached.append(other)
        parts.append([options[number] for number in reached])
    return parts


def _settle(part: list[Option]) -> Chosen:
    rules: dict[str, list[Option]] = {}
    for option in part:
        rules.setdefault(option.rule, []).append(option)
    bound = _bound(rules)
    greedy = _greedy(part)
    worth = sum(one.worth for one in greedy)
    if worth == bound:
        return Chosen(tuple(greedy), worth, bound, True)
    try:
        found = _Exact(rules).solve()
    except _Exhausted:
        return Chosen(tuple(greedy), worth, bound, False)
    worth = sum(one.worth for one in found)
    return Chosen(found, worth, worth, True)


def _bound(rules: Mapping[str, list[Option]]) -> int:
    """No choice is worth more than the best option of every rule, nor than what the taken names can carry."""
    by_rule = sum(max(option.worth for option in options) for options in rules.values())
    # Each option's worth is shared out evenly over what it takes; a name carries at most its greatest share.
    shares: dict[str, int] = {}
    for options in rules.values():
        for option in options:
            for name in option.takes:
                share = -(-option.worth // len(option.takes))
                shares[name] = max(shares.get(name, 0), share)
    takers = all(option.takes for options in rules.values() for option in options)
    return min(by_rule, sum(shares.values())) if takers else by_rule


def _greedy(part: Iterable[Option]) -> list[Option]:
    chosen: list[Option] = []
    for option in sorted(part, key=lambda one: one.order):
        if option.worth > 0 and all(_together(option, other) for other in chosen):
            chosen.append(option)
    return chosen


def _together(left: Option, right: Option) -> bool:
    return (
        left.rule != right.rule
        and left.takes.isdisjoint(right.takes)
        and left.bars.isdisjoint(right.touches)
        and right.bars.isdisjoint(left.touches)
    )


@dataclass(frozen=True, slots=True)
class _Mask:
    """An option with its names as bits."""

    option: Option
    takes: int
    touches: int
    bars: int


class _Exact:
    """Dynamic programming over the rules of a part; a state is what the rules still to come can see of the choice."""

    def __init__(self, rules: Mapping[str, list[Option]]) -> None:
        bits: dict[str, int] = {}

        def mask(kind: str, names: Iterable[str]) -> int:
            return sum(1 << bits.setdefault(f"{kind} {name}", len(bits)) for name in names)

        self.rules = [
            [
                _Mask(one, mask("takes", one.takes), mask("name", one.touches), mask("name", one.bars))
                for one in sorted(options, key=lambda option: option.order)
                if one.worth > 0
            ]
            for options in rules.values()
        ]
        # What a rule to come takes, touches and bars: nothing else of a state can matter to it.
        self.seen: list[tuple[int, int, int]] = [(0, 0, 0)]
        for options in reversed(self.rules):
            takes, touches, bars = self.seen[-1]
            for one in options:
                takes, touches, bars = takes | one.takes, touches | one.touches, bars | one.bars
            self.seen.append((takes, touches, bars))
        self.seen.reverse()

    def solve(self) -> tuple[Option, ...]:
        """The best choice. Raises :class:`_Exhausted`."""
        # State: (taken, touched, barred) -> best worth, with the choice as a linked list.
        states: dict[tuple[int, int, int], tuple[int, tuple[Option, object] | None]] = {(0, 0, 0): (0, None)}
        for number, options in enumerate(self.rules):
            takes, touches, bars = self.seen[number + 1]
            after: dict[tuple[int, int, int], tuple[int, tuple[Option, object] | None]] = {}
            for (taken, touched, barred), (worth, chain) in states.items():
                _keep(after, (taken & takes, touched & bars, barred & touches), worth, chain)
                for one in options:
                    if one.takes & taken or one.touches & barred or one.bars & touched:
                        continue
                    state = ((taken | one.takes) & takes, (touched | one.touches) & bars, (barred | one.bars) & touches)
                    _keep(after, state, worth + one.option.worth, (one.option, chain))
            if len(after) > MAX_STATES:
                raise _Exhausted
            states = after
        _, last = max(states.values(), key=lambda found: found[0])
        chosen: list[Option] = []
        link: object = last
        while isinstance(link, tuple):
            chosen.append(link[0])
            link = link[1]
        return tuple(chosen)


def _keep(
    states: dict[tuple[int, int, int], tuple[int, tuple[Option, object] | None]],
    state: tuple[int, int, int],
    worth: int,
    chain: tuple[Option, object] | None,
) -> None:
    known = states.get(state)
    if known is None or known[0] < worth:
        states[state] = (worth, chain)
