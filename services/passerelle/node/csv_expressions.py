"""Sending expressions as registrars write them in a cell, for ``sending`` and ``components``.

    ubc/STAT200                                       one achievement
    ubc/STAT200[grade>=percentage-50 65, years<=5]    with conditions
    all(ubc/STAT200, ubc/STAT203)                     every one
    any(sfu/STAT270, ubc/STAT200)                     any one
    2 of (rru/A, rru/B, rru/C)                        at least so many
    9 credit-hours from (athabasca/LMD1, athabasca/LMD2)

They nest. Conditions: ``grade>=SCHEME GRADE``, ``level>=FRAMEWORK LEVEL``, ``years<=N``, ``versions=FIRST-LAST``,
``basis=completed|challenge|plar|transfer``. A cell that starts with ``{`` is the expression as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.events.values import MAX_ITEMS
from passerelle.node.csv_cells import JSON, Cell, CellError, owned

MAX_NESTING: Final = 16
"""Joins within joins in a cell; more belongs in several rules."""
_TOKEN: Final = re.compile(r"\s*(\(|\)|,|\[[^\]]*\]|[^\s(),\[\]]+)")
_BASES: Final = ("completed", "challenge", "plar", "transfer")
_FIX: Final = "Write for example: all(ubc/STAT200, 2 of (sfu/A, sfu/B, sfu/C))."


def _tokens(value: str) -> list[str]:
    found, place = [], 0
    while value[place:].strip():
        match = _TOKEN.match(value, place)
        if match is None:
            raise CellError("expression-invalid", "the expression has a bracket that does not close", _FIX)
        found.append(match[1])
        place = match.end()
    return found


class _Reader:
    """A recursive descent over the tokens, bounded in depth."""

    def __init__(self, tokens: list[str], home: str) -> None:
        self.tokens = tokens
        self.home = home
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.place += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise CellError("expression-invalid", f"the expression lacks a '{token}' where one must stand", _FIX)

    def expression(self, depth: int = 0) -> dict[str, Any]:
        if depth > MAX_NESTING:
            raise CellError("expression-too-large", f"the expression nests deeper than {MAX_NESTING}")
        word = self.take()
        if word in {"all", "any"} and self.peek() == "(":
            return {f"{word}_of": self.members(depth)}
        if word.isdigit() and self.peek() == "of":
            self.take()
            return {"n_of": {"n": int(word[:6]), "of": self.members(depth)}}
        if self.peek().lower() in CREDIT_SYSTEMS and word[:1].isdigit():
            system = self.take().lower()
            self.expect("from")
            return {"credits_from": {"credits": {"value": word, "system": system}, "of": self.members(depth)}}
        if not word or word in "(),":
            raise CellError("expression-invalid", "the expression lacks an achievement", _FIX)
        return self.leaf(word)

    def members(self, depth: int) -> list[dict[str, Any]]:
        self.expect("(")
        found = [self.expression(depth + 1)]
        while self.peek() == ",":
            self.take()
            found.append(self.expression(depth + 1))
        self.expect(")")
        if len(found) > MAX_ITEMS:
            raise CellError("expression-too-large", f"a list of the expression has more than {MAX_ITEMS} parts")
        return found

    def leaf(self, word: str) -> dict[str, Any]:
        leaf: dict[str, Any] = {"achievement": owned(word, self.home)}
        if self.peek().startswith("["):
            for condition in self.take()[1:-1].split(","):
                leaf.update(_condition(condition.strip()))
        return leaf


def _condition(text: str) -> dict[str, Any]:
    for start, read in _CONDITIONS.items():
        if text.startswith(start):
            return read(text.removeprefix(start).strip())
    raise CellError(
        "expression-invalid", "a condition in the brackets is not known", f"Use one of: {', '.join(_CONDITIONS)}."
    )


def _pair(text: str, what: str) -> tuple[str, str]:
    first, _, second = text.partition(" ")
    if not second.strip():
        fix = "Write for example grade>=gpa-4.0 2.7."
        raise CellError("expression-invalid", f"{what} needs two words, separated by a space", fix)
    return first, second.strip()


def _grade(text: str) -> dict[str, Any]:
    scheme, grade = _pair(text, "a minimum grade")
    return {"minimum_grade": {"scheme": scheme, "grade": grade}}


def _level(text: str) -> dict[str, Any]:
    framework, level = _pair(text, "a minimum level")
    return {"minimum_level": {"framework": framework, "level": level}}


def _number(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise CellError("expression-invalid", "a condition lacks its whole number", _FIX)
    return int(text)


def _versions(text: str) -> dict[str, Any]:
    first, _, last = text.partition("-")
    found = {"first": _number(first)} if first else {}
    return {"versions": found | ({"last": _number(last)} if last else {})}


def _basis(text: str) -> dict[str, Any]:
    found = text.split("|")
    if not set(found) <= set(_BASES):
        raise CellError("expression-invalid", "a basis is not known", f"Use one of: {', '.join(_BASES)}.")
    return {"basis": found}


_CONDITIONS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "grade>=": _grade,
    "level>=": _level,
    "years<=": lambda text: {"within_years": _number(text)},
    "versions=": _versions,
    "basis=": _basis,
}


def parse_expression(value: str, home: str) -> dict[str, Any]:
    """The sending expression that a cell states, as JSON values. Raises CellError ``expression-*``."""
    if value.startswith("{"):
        found = JSON.parse(value, home)
        return dict(found)
    reader = _Reader(_tokens(value), home)
    expression = reader.expression()
    if reader.peek():
        raise CellError("expression-invalid", "something stands after the end of the expression", _FIX)
    return expression


EXPRESSION: Final = Cell("sending expression, see above", parse_expression)
