"""Reading the text of a rule: its words with their places, what it names, and the bounds that it keeps.

A rule is an expression of the Common Expression Language (CEL, language definition 1.0) of type ``bool``. What may
stand in it is a small, total part of CEL: fields, literals, comparison, arithmetic, ``in``, ``!``, ``&&``, ``||``,
the functions of :data:`FUNCTIONS` and the macros of :data:`MACROS`, which do not nest. With the bounds on length,
words and depth, and with lists of at most :data:`~passerelle.core.policyfields.MAX_LIST` items, the steps of one
evaluation are bounded by ``MAX_WORDS * MAX_LIST``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from passerelle.core.errors import FormatError

MAX_TEXT: Final = 1_000
MAX_WORDS: Final = 200
MAX_DEPTH: Final = 16
FUNCTIONS: Final = frozenset({"size", "startsWith", "endsWith", "contains", "int", "double", "timestamp"})
MACROS: Final = frozenset({"exists", "all", "exists_one", "filter"})
_LITERALS: Final = frozenset({"true", "false"})
_OPEN: Final = {"(": ")", "[": "]"}
_WORD: Final = re.compile(
    r"""(?P<space>[ \t\n]+)
    |(?P<path>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<number>[0-9]+(?:\.[0-9]+)?)
    |(?P<text>"(?:[^"\\\x00-\x1f\ud800-\udfff]|\\["\\])*"|'(?:[^'\\\x00-\x1f\ud800-\udfff]|\\['\\])*')
    |(?P<sign>&&|\|\||==|!=|<=|>=|[<>!+\-*/%()\[\],.])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the text: ``kind`` is path, number, text or sign; ``start`` and ``end`` are offsets in the text."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A rule's words, and the fields that it names in the order in which they first stand there.

    ``bound`` are the names that macros bind.
    """

    text: str
    words: tuple[Word, ...]
    fields: tuple[str, ...]
    bound: frozenset[str]


def place_of(text: str, offset: int) -> str:
    """``line 1, column 5`` of an offset."""
    line = text.count("\n", 0, offset) + 1
    return f"line {line}, column {offset - (text.rfind(chr(10), 0, offset) + 1) + 1}"


def refuse(what: str, text: str, offset: int, fix: str = "") -> FormatError:
    """The error of a rule at an offset."""
    return FormatError("policy-invalid", what, where=place_of(text, offset), fix=fix)


def scan(text: str, declared: Mapping[str, str]) -> Scanned:
    """Read a rule over the declared fields (name to type).

    Raises FormatError ``policy-invalid`` with the line and column of what does not belong there.
    """
    if not text.strip():
        raise refuse("The rule is empty.", text, 0)
    if len(text) > MAX_TEXT:
        raise refuse(f"A rule has at most {MAX_TEXT} characters.", text, MAX_TEXT, "Split it into several clauses.")
    words = tuple(_words(text))
    if len(words) > MAX_WORDS:
        raise refuse(f"A rule has at most {MAX_WORDS} words.", text, words[MAX_WORDS].start, "Split it.")
    return _Reader(text, words, declared).read()


def _words(text: str) -> Iterator[Word]:
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise refuse("Rules do not use this character here.", text, at, "Use the part of CEL in docs/policy.md.")
        kind = str(found.lastgroup)
        if kind != "space":
            yield Word(kind, found[0], at, found.end())
        at = found.end()


class _Reader:
    """One pass over the words: names, calls, brackets."""

    def __init__(self, text: str, words: tuple[Word, ...], declared: Mapping[str, str]) -> None:
        self._text = text
        self._words = words
        self._declared = declared
        self._fields: dict[str, None] = {}
        self._bound: set[str] = set()
        self._open: list[tuple[str, str]] = []
        """Brackets that are open: what closes each, and the name that the macro binds inside it, if it is one's."""

    def read(self) -> Scanned:
        for number, word in enumerate(self._words):
            if word.kind == "path":
                self._path(number, word)
            elif word.text in _OPEN:
                self._enter(number, word)
            elif word.text in _OPEN.values() and (not self._open or self._open.pop()[0] != word.text):
                raise refuse("This bracket closes nothing.", self._text, word.start)
        if self._open:
            raise refuse("A bracket is not closed.", self._text, len(self._text))
        return Scanned(self._text, self._words, tuple(self._fields), frozenset(self._bound))

    def _enter(self, number: int, word: Word) -> None:
        name = ""
        before = self._words[number - 1] if number and word.text == "(" else None
        if before is not None and before.kind == "path" and before.text.rpartition(".")[2] in MACROS:
            name = self._binder(number, word)
        self._open.append((_OPEN[word.text], name))
        if len(self._open) > MAX_DEPTH:
            raise refuse(f"Brackets nest at most {MAX_DEPTH} deep.", self._text, word.start)

    def _binder(self, number: int, word: Word) -> str:
        if any(name for _, name in self._open):
            raise refuse("A macro does not stand inside another.", self._text, word.start, "Write two clauses.")
        inside = self._words[number + 1 : number + 3]
        if len(inside) < 2 or inside[0].kind != "path" or "." in inside[0].text or inside[1].text != ",":
            raise refuse("A macro binds a name: list.exists(x, ...).", self._text, word.start)
        if inside[0].text in _LITERALS or inside[0].text in self._declared or inside[0].text == "in":
            raise refuse("A macro binds a name of its own.", self._text, inside[0].start)
        self._bound.add(inside[0].text)
        return inside[0].text

    def _path(self, number: int, word: Word) -> None:
        before = self._words[number - 1].text if number else ""
        after = self._words[number + 1].text if number + 1 < len(self._words) else ""
        path = word.text
        if after == "(":
            path, _, call = path.rpartition(".")
            if call not in FUNCTIONS and call not in MACROS:
                fix = f"Use one of {', '.join(sorted(FUNCTIONS | MACROS))}."
                raise refuse(f"Rules do not call {call[:40]}.", self._text, word.start, fix)
            if call in MACROS and not path and before != ".":
                raise refuse(f"{call} is asked of a list: list.{call}(x, ...).", self._text, word.start)
        elif before == ".":
            raise refuse("Fields are named whole.", self._text, word.start)
        if not path or path in _LITERALS or path == "in":
            return
        if path in {name for _, name in self._open if name}:
            return
        if path not in self._declared:
            fix = "Declare it under fields with its type, or correct the name."
            raise refuse(f"The rule names a field that is not declared: {path[:80]}.", self._text, word.start, fix)
        self._fields[path] = None
