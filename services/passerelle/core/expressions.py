"""Evaluating a sending expression against what a learner holds: match, maybe or miss, and the smallest fix.

- *match*: the expression is met; each held item counts for one leaf only.
- *maybe*: something of it is held, and the answer says what is missing, with coded reasons and the smallest fix: the
  fewest leaves that would complete it.
- *miss*: nothing that the expression asks for is held.

The result depends neither on the order of the items nor on anything outside the arguments.

Bounds: trees as in :mod:`passerelle.core.sending`; at most :data:`MAX_SAME` items of one achievement. Where several
leaves name one achievement and compete for its items, all combinations are tried in trees of up to
:data:`~passerelle.core.searching.SEARCH_NODES` nodes and up to a number of steps; beyond it a greedy assignment may
still show a match, and otherwise the verdict is *maybe* with the reason ``too-many-combinations``: never a false match.
A fix inside ``credits_from`` counts the published credits of what is missing; where they are not known the fix is the
missing amount of credit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from passerelle.core.errors import FormatError
from passerelle.core.judging import Tables, Terms
from passerelle.core.reasons import Reason, reason
from passerelle.core.searching import Missing, search
from passerelle.core.sending import (
    MAX_DEPTH,
    MAX_HELD,
    MAX_NODES,
    Expression,
    Gate,
    Held,
    Leaf,
    Pool,
    achievements_of,
    expression_to_data,
    held_from_data,
    leaves_of,
    parse_expression,
)
from passerelle.core.solving import Node, solve

__all__ = [
    "MAX_DEPTH",
    "MAX_HELD",
    "MAX_NODES",
    "MAX_SAME",
    "Evaluation",
    "Expression",
    "Gate",
    "Held",
    "HeldIndex",
    "Leaf",
    "Missing",
    "Part",
    "Pool",
    "Tables",
    "Terms",
    "Verdict",
    "achievements_of",
    "evaluate",
    "evaluate_indexed",
    "expression_to_data",
    "held_from_data",
    "index_held",
    "leaves_of",
    "parse_expression",
]

Verdict = Literal["match", "maybe", "miss"]
HeldIndex = Mapping[str, tuple[Held, ...]]
MAX_SAME: Final = 64
"""Most held items of one achievement: attempts of one course."""


@dataclass(frozen=True, slots=True)
class Part:
    """One node of the result.

    ``path`` leads from the root, for example ``all_of[1].any_of[0]``; ``kind`` is ``leaf``, ``all_of``, ``any_of``,
    ``n_of`` or ``credits_from``; ``achievement`` stands on leaves. ``met`` says whether it is met by itself; ``used``
    are the refs of the items that count in it.
    """

    path: str
    kind: str
    achievement: str | None
    met: bool
    used: tuple[str, ...]
    reasons: tuple[Reason, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer.

    ``used`` are the refs of the items that count, from the left of the expression to the right (in a *maybe*: those
    that would count once the fix is made). ``fix`` is the smallest set of missing parts, empty for a match.
    ``complete`` is False where a bound was reached, so that the fix may be missing or larger than needed.
    """

    verdict: Verdict
    used: tuple[str, ...]
    fix: tuple[Missing, ...]
    reasons: tuple[Reason, ...]
    root: Part
    complete: bool = True


def evaluate(expression: Expression, held: Iterable[Held], terms: Terms) -> Evaluation:
    """Evaluate; see the module for the meaning.

    Raises the errors of :func:`index_held`.
    """
    return evaluate_indexed(expression, index_held(held), terms)


def evaluate_indexed(expression: Expression, held: HeldIndex, terms: Terms) -> Evaluation:
    """As :func:`evaluate`, for many expressions over the same items; ``held`` comes from :func:`index_held`."""
    root = solve(expression, held, terms)
    solution, complete = search(root, terms)
    if solution is None:
        stuck = (reason("too-many-combinations"),)
        return Evaluation("maybe", (), (), stuck, _part(root, {}), complete=False)
    if not solution.missing:
        verdict: Verdict = "match"
    else:
        verdict = "maybe" if root.near else "miss"
    assigned = dict(solution.uses)
    refs = tuple(assigned[place].ref for place in sorted(assigned))
    fix = tuple(sorted(solution.missing, key=lambda one: one.place))
    reasons = tuple(dict.fromkeys(one for missing in fix for one in missing.reasons))
    return Evaluation(verdict, refs, fix, reasons, _part(root, assigned), complete)


def index_held(held: Iterable[Held]) -> HeldIndex:
    """Held items by achievement, in order of ref.

    Raises :class:`FormatError` ``too-many-items`` beyond :data:`MAX_HELD` items or :data:`MAX_SAME` of one
    achievement, and ``argument-invalid`` where two items share a ``ref``.
    """
    by_ref: dict[str, Held] = {}
    for item in held:
        if item.ref in by_ref:
            raise FormatError("argument-invalid", "Two held items have the same reference.", where="held")
        by_ref[item.ref] = item
        if len(by_ref) > MAX_HELD:
            raise FormatError("too-many-items", f"More than {MAX_HELD} items are held.", where="held")
    by_achievement: dict[str, list[Held]] = {}
    for ref in sorted(by_ref):
        same = by_achievement.setdefault(by_ref[ref].achievement, [])
        same.append(by_ref[ref])
        if len(same) > MAX_SAME:
            raise FormatError("too-many-items", f"More than {MAX_SAME} items are of one achievement.", where="held")
    return {name: tuple(items) for name, items in by_achievement.items()}


def _part(node: Node, assigned: dict[int, Held]) -> Part:
    parts = tuple(_part(part, assigned) for part in node.parts)
    if isinstance(node.expression, Leaf):
        item = assigned.get(node.place)
        used: tuple[str, ...] = () if item is None else (item.ref,)
        return Part(node.path, "leaf", node.expression.achievement, node.met, used, node.reasons, ())
    kind = node.expression.kind if isinstance(node.expression, Gate) else "credits_from"
    used = tuple(ref for part in parts for ref in part.used)
    return Part(node.path, kind, None, node.met, used, node.reasons, parts)
