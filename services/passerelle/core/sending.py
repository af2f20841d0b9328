"""Sending expressions as typed trees, and the items that a learner holds.

The shape is the one of ``contracts/schemas`` (recognition events): leaves joined by ``all_of``, ``any_of``, ``n_of``
and ``credits_from``. Reading is strict and bounded, so that evaluation never meets a tree that it cannot walk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.core.grades import Grade, Level
from passerelle.core.quantity import Credits, parse_credits

MAX_DEPTH: Final = 16
"""Deepest nesting of an expression; a leaf alone has depth 1."""
MAX_NODES: Final = 4096
"""Most nodes of an expression, leaves included."""
MAX_HELD: Final = 4096
"""Most items that one question may name."""
BASES: Final = ("completed", "challenge", "plar", "transfer")

_LEAF_KEYS: Final = frozenset(
    {"achievement", "versions", "minimum_grade", "minimum_level", "within_years", "basis"},
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An achievement that must be held. ``last`` None is open; ``basis`` None allows every basis."""

    achievement: str
    first: int = 1
    last: int | None = None
    minimum_grade: Grade | None = None
    minimum_level: Level | None = None
    within_years: int | None = None
    basis: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """At least ``need`` of the parts; ``kind`` is ``all_of``, ``any_of`` or ``n_of``."""

    kind: str
    need: int
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """``credits_from``: the credits of the parts that are met reach ``need``."""

    need: Credits
    parts: tuple[Expression, ...]


Expression = Leaf | Gate | Pool


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that a learner holds: a credential or a line of a transcript.

    ``ref`` names it in the answer (a credential id or a line number) and is unique among the items of a question.
    ``basis`` is one of :data:`BASES`. What is None is not stated.
    """

    achievement: str
    version: int
    completed_on: dt.date
    ref: str
    grade: Grade | None = None
    credits: Credits | None = None
    basis: str = "completed"
    level: Level | None = None


def held_from_data(data: Mapping[str, Any], *, where: str = "") -> Held:
    """Read ``{"achievement", "version", "completed_on", "ref", "grade"?, "credits"?, "basis"?, "level"?}``.

    Raises :class:`FormatError` with the field named: ``field-missing``, ``date-impossible``, ``code-unknown`` and the
    errors of :func:`~passerelle.core.quantity.parse_credits`.
    """
    prefix = f"{where}." if where else ""
    for name in ("achievement", "completed_on", "ref"):
        if not isinstance(data.get(name), str | dt.date):
            raise FormatError("field-missing", f"An item needs {name}.", where=prefix + name)
    basis = data.get("basis") or "completed"
    if basis not in BASES:
        raise FormatError(
            "code-unknown", "The basis is not one of the four.", where=f"{prefix}basis", fix=f"Use {', '.join(BASES)}."
        )
    grade, level, amount = data.get("grade"), data.get("level"), data.get("credits")
    return Held(
        achievement=str(data["achievement"]),
        version=int(data.get("version") or 1),
        completed_on=parse_date(data["completed_on"], where=f"{prefix}completed_on"),
        ref=str(data["ref"]),
        grade=None if grade is None else Grade(str(grade["scheme"]), str(grade["grade"])),
        credits=None if amount is None else parse_credits(amount, where=f"{prefix}credits"),
        basis=str(basis),
        level=None if level is None else Level(str(level["framework"]), str(level["level"])),
    )


def parse_date(value: object, *, where: str = "") -> dt.date:
    """A calendar date from ``YYYY-MM-DD``. Raises :class:`FormatError` ``date-impossible``."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    try:
        if isinstance(value, str) and len(value) == 10:
            return dt.date.fromisoformat(value)
    except ValueError as error:
        raise FormatError("date-impossible", "The value is not a date of the calendar.", where=where) from error
    raise FormatError("date-impossible", "The value is not a date of the form YYYY-MM-DD.", where=where)


def parse_expression(data: object, *, where: str = "sending") -> Expression:
    """Read an expression from JSON values.

    Raises :class:`FormatError`: ``expression-invalid`` names the part that is not of the shape;
    ``expression-too-large`` where it nests deeper than :data:`MAX_DEPTH` or has more than :data:`MAX_NODES` nodes.
    """
    return _Reader().read(data, where, 1)


class _Reader:
    """Counts the nodes of one expression while reading it."""

    def __init__(self) -> None:
        self.nodes = 0

    def read(self, data: object, where: str, depth: int) -> Expression:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise FormatError(
                "expression-too-large",
                f"The expression nests deeper than {MAX_DEPTH} or has more than {MAX_NODES} nodes.",
                where=where,
            )
        if not isinstance(data, Mapping):
            raise _invalid("A part of an expression is an object.", where)
        if "achievement" in data:
            return _read_leaf(data, where)
        if len(data) != 1:
            raise _invalid("A part is a leaf, or exactly one of all_of, any_of, n_of, credits_from.", where)
        kind, body = next(iter(data.items()))
        inside = f"{where}.{kind}"
        if kind == "all_of":
            parts = self.parts(body, inside, depth)
            return Gate(kind, len(parts), parts)
        if kind == "any_of":
            return Gate(kind, 1, self.parts(body, inside, depth))
        if kind == "n_of":
            return self.choose(body, inside, depth)
        if kind == "credits_from":
            return self.pool(body, inside, depth)
        raise _invalid("The operator is none of all_of, any_of, n_of, credits_from.", where)

    def parts(self, data: object, where: str, depth: int) -> tuple[Expression, ...]:
        if not isinstance(data, list | tuple) or not data:
            raise _invalid("The parts are a list that is not empty.", where)
        return tuple(self.read(part, f"{where}[{place}]", depth + 1) for place, part in enumerate(data))

    def choose(self, body: object, where: str, depth: int) -> Gate:
        if not isinstance(body, Mapping) or body.keys() != {"n", "of"}:
            raise _invalid("n_of has the members n and of.", where)
        parts = self.parts(body["of"], f"{where}.of", depth)
        if not _is_count(body["n"]) or body["n"] > len(parts):
            raise _invalid("n is a whole number from 1 to the number of parts.", f"{where}.n")
        return Gate("n_of", body["n"], parts)

    def pool(self, body: object, where: str, depth: int) -> Pool:
        if (
            not isinstance(body, Mapping)
            or body.keys() != {"credits", "of"}
            or not isinstance(body["credits"], Mapping)
        ):
            raise _invalid("credits_from has the members credits and of.", where)
        need = parse_credits(body["credits"], where=f"{where}.credits")
        return Pool(need, self.parts(body["of"], f"{where}.of", depth))


def _read_leaf(data: Mapping[str, Any], where: str) -> Leaf:
    unknown = sorted(set(data) - _LEAF_KEYS)
    if unknown or not isinstance(data["achievement"], str) or not data["achievement"]:
        raise _invalid("A leaf names an achievement and known conditions only.", where)
    versions = data.get("versions") or {}
    first, last = versions.get("first", 1), versions.get("last")
    if not _is_count(first) or not (last is None or _is_count(last)):
        raise _invalid("The versions are a range of whole numbers, first to last.", f"{where}.versions")
    years = data.get("within_years")
    if years is not None and not _is_count(years):
        raise _invalid("within_years is a whole number of years.", f"{where}.within_years")
    basis = data.get("basis")
    if basis is not None and (not basis or not set(basis) <= set(BASES)):
        raise _invalid(f"The bases are some of {', '.join(BASES)}.", f"{where}.basis")
    grade = _pair(data.get("minimum_grade"), ("scheme", "grade"), f"{where}.minimum_grade")
    level = _pair(data.get("minimum_level"), ("framework", "level"), f"{where}.minimum_level")
    return Leaf(
        achievement=data["achievement"],
        first=first,
        last=last,
        minimum_grade=None if grade is None else Grade(*grade),
        minimum_level=None if level is None else Level(*level),
        within_years=years,
        basis=None if basis is None else tuple(base for base in BASES if base in basis),
    )


def _pair(data: object, names: tuple[str, str], where: str) -> tuple[str, str] | None:
    if data is None:
        return None
    if not isinstance(data, Mapping) or data.keys() != set(names):
        raise _invalid(f"The condition has the members {names[0]} and {names[1]}.", where)
    return str(data[names[0]]), str(data[names[1]])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _invalid(what: str, where: str) -> FormatError:
    return FormatError("expression-invalid", what, where=where)


def expression_to_data(expression: Expression) -> dict[str, Any]:
    """The JSON values of an expression; reading them gives the same tree."""
    if isinstance(expression, Leaf):
        return _leaf_to_data(expression)
    parts = [expression_to_data(part) for part in expression.parts]
    if isinstance(expression, Pool):
        return {"credits_from": {"credits": expression.need.as_data(), "of": parts}}
    return {"n_of": {"n": expression.need, "of": parts}} if expression.kind == "n_of" else {expression.kind: parts}


def _leaf_to_data(leaf: Leaf) -> dict[str, Any]:
    data: dict[str, Any] = {"achievement": leaf.achievement}
    if leaf.first != 1 or leaf.last is not None:
        data["versions"] = {"first": leaf.first} | ({} if leaf.last is None else {"last": leaf.last})
    if leaf.minimum_grade is not None:
        data["minimum_grade"] = leaf.minimum_grade._asdict()
    if leaf.minimum_level is not None:
        data["minimum_level"] = leaf.minimum_level._asdict()
    if leaf.within_years is not None:
        data["within_years"] = leaf.within_years
    if leaf.basis is not None:
        data["basis"] = list(leaf.basis)
    return data


def leaves_of(expression: Expression) -> Iterator[Leaf]:
    """The leaves from left to right."""
    if isinstance(expression, Leaf):
        yield expression
        return
    for part in expression.parts:
        yield from leaves_of(part)


def achievements_of(expression: Expression) -> tuple[str, ...]:
    """The achievements named, each once, in order of id."""
    return tuple(sorted({leaf.achievement for leaf in leaves_of(expression)}))
