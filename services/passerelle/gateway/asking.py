"""From the parts of an HTTP request to the message of its method.

A ``GET`` takes the fields of the method's request as parameters: those in the path, and every other field that is
text, a number, a flag or a list of these. A ``POST`` takes the whole request as JSON. Answers are the messages of the
contract in the form of :mod:`passerelle.runtime.protojson`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from passerelle.client import Stream, Unary
from passerelle.core.errors import FormatError
from passerelle.runtime.protojson import is_map

BOOLEANS: Final = {"true": True, "false": False}
SPECIAL: Final = frozenset({"known_at", "fields"})
"""Message fields with a spelling of their own: a number of entries or an instant in Unix ms; paths by comma."""
SLASHED: Final = frozenset({"achievement", "request"})
"""Fields whose values are ids of the form ``member/name``. In a path the slash stands as it is, or encoded."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One address. ``path``: as OpenAPI writes it; ``needs``: parameters of a GET's query, fields of a POST's body
    that must be there; ``identity``: the caller must say who it is; ``under``: the field of the request, a message,
    that holds what stands in the path; empty: the request itself.
    """

    name: str
    verb: str
    path: str
    method: Unary[Any, Any] | Stream[Any, Any]
    summary: str
    needs: tuple[str, ...] = ()
    identity: bool = False
    under: str = ""

    @property
    def in_path(self) -> tuple[str, ...]:
        """Fields of the request that stand in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    @property
    def route(self) -> str:
        """The path as Starlette writes it."""
        route = self.path
        for name in SLASHED.intersection(self.in_path):
            route = route.replace(f"{{{name}}}", f"{{{name}:path}}")
        return route

    @property
    def area(self) -> str:
        """What it is about: the part of the path after the version."""
        return self.path.split("/")[2]


def parameters(operation: Operation) -> dict[str, Any]:
    """The fields of a GET's request that are given as parameters, by name, with their descriptors; none of a POST."""
    if operation.verb == "POST":
        return {}
    described = operation.method.request.DESCRIPTOR
    found: dict[str, Any] = {}
    if operation.under:
        inner = described.fields_by_name[operation.under].message_type
        found = {name: inner.fields_by_name[name] for name in operation.in_path}
    for field in described.fields:
        others = field.containing_oneof is not None and field.name not in operation.in_path
        plain = field.message_type is None and not is_map(field)
        if (plain and not others) or field.name in SPECIAL:
            found[field.name] = field
    return found


def asked(operation: Operation, path: Mapping[str, Any], query: Mapping[str, list[str]]) -> dict[str, Any]:
    """The parameters of a request as JSON values, for :func:`passerelle.runtime.protojson.from_json`. ``query``: what
    stands there for each name, in order.

    Raises FormatError ``field-unknown``, ``argument-conflict`` for what stands in path and query,
    ``argument-missing``, and as :func:`value_of`.
    """
    known = parameters(operation)
    value: dict[str, Any] = {}
    for name in dict.fromkeys([*path, *query]):
        if name not in known:
            raise FormatError("field-unknown", "There is no such parameter.", where=name[:200])
        if name in path:
            if name in query:
                raise FormatError("argument-conflict", "The parameter stands in the path too.", where=name)
            value[name] = value_of(known[name], [str(path[name])])
        else:
            value[name] = value_of(known[name], query[name])
    for name in operation.needs:
        if name in known and name not in value:
            raise FormatError("argument-missing", "The question needs this parameter.", where=name)
    if operation.under:
        value[operation.under] = {name: value.pop(name) for name in operation.in_path}
    return value


def value_of(field: Any, texts: list[str]) -> Any:
    """The JSON value of a parameter.

    Raises FormatError ``argument-invalid`` where a single parameter stands twice or has not its form.
    """
    if field.is_repeated:
        return [_one(field, text) for text in texts]
    if len(texts) != 1:
        raise FormatError("argument-invalid", "The parameter stands more than once.", where=field.name)
    if field.name == "fields":
        return {"paths": [path for path in texts[0].split(",") if path]}
    if field.name == "known_at":
        return _known_at(texts[0])
    return _one(field, texts[0])


def _one(field: Any, text: str) -> Any:
    if field.enum_type is not None or field.cpp_type == field.CPPTYPE_STRING:
        return text
    if field.cpp_type == field.CPPTYPE_BOOL:
        if text not in BOOLEANS:
            raise FormatError("argument-invalid", "It is neither true nor false.", where=field.name)
        return BOOLEANS[text]
    return _whole(text, field.name)


def _known_at(text: str) -> dict[str, int]:
    if text.startswith("ms:"):
        return {"instant_ms": _whole(text[3:], "known_at")}
    return {"size": _whole(text, "known_at")}


def _whole(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        raise FormatError("argument-invalid", "It is not a whole number.", where=where)
    return int(text)
