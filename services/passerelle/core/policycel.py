"""The engine of rules: expressions of the Common Expression Language, compiled and type-checked by ``cel-expr-python``.

The only module that imports it. The engine is used as a pure function: no clock, no network, no functions but those
of the language; regular expressions are kept out by :mod:`passerelle.core.policyscan`. A field without a value is not
bound, so that what needs it is an error to CEL, and an error that nothing absorbs is *unknown* here, never false.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from cel_expr_python import cel

from passerelle.core.errors import FormatError
from passerelle.core.policyfields import Value
from passerelle.core.policyscan import Scanned, Word, place_of, refuse

_TYPES: Final = {
    "bool": cel.Type.BOOL,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "string": cel.Type.STRING,
    "timestamp": cel.Type.TIMESTAMP,
    "list(string)": cel.Type.List(cel.Type.STRING),
}
_COMPLAINT: Final = re.compile(r"<input>:(\d+):(\d+): ([^\n|]+)")
_MAX_ENVIRONMENTS: Final = 128


class Program(Protocol):
    """A compiled expression of type bool."""

    def run(self, values: Mapping[str, Value]) -> bool | None:
        """True, False, or None where the values that are there do not decide it."""


class _Compiled(NamedTuple):
    """A :class:`Program` of the engine."""

    expression: cel.Expression

    def run(self, values: Mapping[str, Value]) -> bool | None:
        """See :class:`Program`."""
        bound = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        found = self.expression.eval(data=bound)
        return bool(found.value()) if found.type() == cel.Type.BOOL else None


@lru_cache(maxsize=_MAX_ENVIRONMENTS)
def _environment(fields: tuple[tuple[str, str], ...]) -> cel.Env:
    return cel.NewEnv(variables={name: _TYPES[kind] for name, kind in fields})


def compile_expression(scanned: Scanned, words: tuple[Word, ...], declared: Mapping[str, str]) -> Program:
    """Compile the part of a rule that the words cover, over declared fields (name to type).

    Raises FormatError ``policy-invalid`` where the part is not an expression of type bool.
    """
    if not words:
        raise refuse("A part of the rule is empty.", scanned.text, len(scanned.text))
    start, end = words[0].start, words[-1].end
    environment = _environment(tuple(sorted(declared.items())))
    try:
        compiled = environment.compile(scanned.text[start:end])
    except RuntimeError as error:
        raise _complaint(str(error), scanned.text, start) from None
    if compiled.return_type() != cel.Type.BOOL:
        what = f"The rule is of type {compiled.return_type().name()}, not bool."
        raise refuse(what, scanned.text, start, "Compare it with something.")
    return _Compiled(compiled)


def _complaint(told: str, text: str, start: int) -> FormatError:
    """The engine's first complaint, with its place in the whole rule."""
    found = _COMPLAINT.search(told)
    if "recursion depth" in told:
        return refuse("The rule nests deeper than the engine reads.", text, start, "Write several clauses.")
    if found is None:
        return refuse("The rule does not compile.", text, start)
    line, column, what = int(found[1]), int(found[2]), found[3].strip()
    lines = text[start:].split("\n")
    offset = start + sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
    fix = (
        'Compare like with like: a double with 12.0, an int with 12, a string with "12".' if "overload" in what else ""
    )
    return FormatError("policy-invalid", what[:200], where=place_of(text, min(offset, len(text))), fix=fix)
