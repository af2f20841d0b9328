"""The sending cell of an agreement: courses joined by ``&`` and ``or``, as transfer guides write them.

    UFV RLST 201 & 202                       every one
    UFV HIST 101 or HIST 103                 any one
    UFV HIST 101 & (102 or 104) (min C+)     groups; a minimum grade in the sending institution's scheme
    2 of (UFV HIST 101, 102, 103)            at least so many
    6 units from (UFV HIST 101, 102, 103)    courses that together carry the credit
    ufv/HIST-101A                            the id itself, where it is not subject and number

``&`` binds more than ``or``. Institution and subject are those of the course before where they are left out. Credits
behind a sending course, as in ``RLST 201 (3)``, are read and not kept: the sending institution states them. A cell that
starts with ``{`` is the expression as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from passerelle.core.errors import FormatError
from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.core.sending import MAX_DEPTH
from passerelle.events.base import LOCAL_PATTERN, MEMBER_PATTERN
from passerelle.events.values import MAX_ITEMS
from passerelle.node.agreements.book import Book, Institution, course_id
from passerelle.node.agreements.tokens import Token, Tokens
from passerelle.node.csv_cells import JSON, CellError

NUMBER: Final = re.compile(r"[0-9][0-9A-Za-z]{0,7}")
QUANTITY: Final = re.compile(r"(0|[1-9][0-9]{0,5})(\.[0-9]{1,4}|/[1-9][0-9]{0,4})?")
AND: Final = ("&", "and", "et")
OR: Final = ("or", "ou")
MAX_JSON_DEPTH: Final = 40
"""As in an event's body (contracts/formats.md, Body)."""
_MIN: Final = ("min", "min.")
_ID: Final = re.compile(rf"{MEMBER_PATTERN}/{LOCAL_PATTERN}")
_FIX: Final = "Write for example: UFV RLST 201 & 202."


def json_cell(value: Any) -> str:
    """JSON values in one spelling."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def json_object(text: str) -> dict[str, Any]:
    """The JSON object of a cell. Raises CellError ``field-malformed``, ``expression-too-large``."""
    found = dict(JSON.parse(text, ""))
    level: list[Any] = [found]
    for _ in range(MAX_JSON_DEPTH):
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)
                 if isinstance(part, (dict, list))]  # fmt: skip
        if not level:
            return found
    raise CellError("expression-too-large", f"the JSON nests deeper than {MAX_JSON_DEPTH}")


def parse_sending(text: str, book: Book, institution: Institution | None = None) -> dict[str, Any]:
    """The sending expression of a cell. Raises CellError with the place of what is wrong."""
    if text.startswith("{"):
        return json_object(text)
    tokens = Tokens(text, book, institution, "expression-invalid")
    expression = _any(tokens, 0)
    tokens.finish()
    return expression


def _any(tokens: Tokens, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise CellError("expression-too-large", f"the expression nests deeper than {MAX_DEPTH}")
    parts = [_all(tokens, depth)]
    while tokens.take_if(*OR):
        parts.append(_all(tokens, depth))
    return _joined("any_of", parts)


def _all(tokens: Tokens, depth: int) -> dict[str, Any]:
    parts = [_atom(tokens, depth)]
    while tokens.take_if(*AND):
        parts.append(_atom(tokens, depth))
    return _joined("all_of", parts)


def _joined(kind: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    if len(parts) > MAX_ITEMS:
        raise CellError("expression-too-large", f"the expression joins more than {MAX_ITEMS} parts")
    return parts[0] if len(parts) == 1 else {kind: parts}


def _atom(tokens: Tokens, depth: int) -> dict[str, Any]:
    token = tokens.peek()
    if not token.text:
        raise tokens.wrong(token, "a course must stand here", _FIX)
    if tokens.take_if("("):
        inner = _any(tokens, depth + 1)
        tokens.expect(")")
        return inner
    if token.text.isdecimal() and tokens.peek(1).low == "of":
        tokens.next += 2
        return {"n_of": {"n": int(token.text[:6]), "of": _members(tokens, depth)}}
    if QUANTITY.fullmatch(token.text) and tokens.peek(2).low == "from":
        return _pool(tokens, depth)
    return _course(tokens)


def _pool(tokens: Tokens, depth: int) -> dict[str, Any]:
    amount, system = tokens.take(), tokens.take()
    if system.low not in CREDIT_SYSTEMS:
        raise tokens.wrong(system, "this is no credit system", f"Use one of: {', '.join(CREDIT_SYSTEMS)}.")
    tokens.take()
    credits = {"value": amount.text, "system": system.low}
    return {"credits_from": {"credits": credits, "of": _members(tokens, depth)}}


def _members(tokens: Tokens, depth: int) -> list[dict[str, Any]]:
    tokens.expect("(")
    parts = [_any(tokens, depth + 1)]
    while tokens.take_if(","):
        parts.append(_any(tokens, depth + 1))
    tokens.expect(")")
    if len(parts) > MAX_ITEMS:
        raise CellError("expression-too-large", f"the expression joins more than {MAX_ITEMS} parts")
    return parts


def _course(tokens: Tokens) -> dict[str, Any]:
    token = tokens.peek()
    if "/" in token.text:
        if not _ID.fullmatch(token.text):
            raise tokens.wrong(token, "this is not an id of the form member/local", _FIX)
        achievement = tokens.take().text
        institution = tokens.book.of_member(achievement.partition("/")[0])
    else:
        institution, subject, number = tokens.named(NUMBER, _FIX)
        achievement = course_id(institution, subject, number.text)
    leaf: dict[str, Any] = {"achievement": achievement}
    while tokens.peek().text == "(":
        _behind(tokens, leaf, institution)
    return leaf


def _behind(tokens: Tokens, leaf: dict[str, Any], institution: Institution) -> None:
    """What stands in brackets behind a course: credits, or a minimum grade."""
    tokens.take()
    token = tokens.take()
    if token.low in _MIN:
        grade: Token = tokens.take()
        if not grade.text or grade.text in "(),&;":
            raise tokens.wrong(grade, "a minimum grade must stand here", "Write for example (min C+).")
        leaf["minimum_grade"] = {"scheme": institution.grade_scheme, "grade": grade.text}
    elif not QUANTITY.fullmatch(token.text):
        raise tokens.wrong(token, "neither credits nor a minimum grade", "Write for example (3) or (min C+).")
    tokens.expect(")")


# Writing


def write_sending(expression: Mapping[str, Any], book: Book) -> str:
    """The cell of an expression: as a guide writes it where that says all of it, else as JSON."""
    text = _Writer(book).expression(expression, top=True)
    try:
        if text and parse_sending(text, book) == expression:
            return text
    except (CellError, FormatError):
        # The plain form cannot say it: the JSON form can.
        return json_cell(expression)
    return json_cell(expression)


class _Writer:
    """Writes from left to right, leaving out institution and subject where they repeat."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.before = ("", "")

    def expression(self, value: Mapping[str, Any], *, top: bool = False) -> str:
        for kind, sign in (("any_of", " or "), ("all_of", " & ")):
            if kind in value:
                joined = sign.join(self.expression(part) for part in value[kind])
                return joined if top else f"({joined})"
        for kind in ("n_of", "credits_from"):
            if kind in value:
                body = value[kind]
                credits = body.get("credits")
                start = f"{body['n']} of" if credits is None else f"{credits['value']} {credits['system']} from"
                return f"{start} ({', '.join(self.expression(part, top=True) for part in body['of'])})"
        return self.leaf(value)

    def leaf(self, value: Mapping[str, Any]) -> str:
        grade = value.get("minimum_grade")
        behind = f" (min {grade['grade']})" if grade else ""
        return self.course(value["achievement"]) + behind

    def course(self, achievement: str) -> str:
        named = self.book.course(achievement)
        if named is None:
            return achievement
        code, subject, number = named
        given, self.before = self.before, (code, subject)
        if given == (code, subject):
            return number
        return f"{subject} {number}" if given[0] == code else f"{code} {subject} {number}"
