"""What the gateway offers: one table, from which the routes and the OpenAPI document are both made.

A ``GET`` takes the fields of the method's request as parameters: those in the path, and every other field that is
text, a number, a flag or a list of these. A ``POST`` takes the whole request as JSON. Answers are the messages of the
contract in the form of :mod:`passerelle.runtime.protojson`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from passerelle.client import Equivalency, Ledger, Portability, Stream, Transfer, Unary
from passerelle.core.errors import FormatError
from passerelle.runtime.protojson import is_map

BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Operation:
    """One address. ``path``: as Starlette and OpenAPI write it; ``identity``: the caller must say who it is."""

    name: str
    verb: str
    path: str
    method: Unary[Any, Any] | Stream[Any, Any]
    summary: str
    identity: bool = False

    @property
    def in_path(self) -> tuple[str, ...]:
        """Fields of the request that stand in the path."""
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))


OPERATIONS: Final = (
    Operation("findEquivalency", "GET", "/v1/equivalency/find", Equivalency.FIND, "What an achievement counts for."),
    Operation(
        "reverseEquivalency", "GET", "/v1/equivalency/reverse", Equivalency.REVERSE, "What counts for an achievement."
    ),
    Operation(
        "evaluateTranscript",
        "POST",
        "/v1/equivalency/evaluate",
        Equivalency.EVALUATE,
        "A transcript, line by line, against the rules of one receiver or of all. It is not stored.",
    ),
    Operation(
        "assessPortability", "GET", "/v1/portability/assess", Portability.ASSESS, "Whether an achievement is portable."
    ),
    Operation(
        "profileAchievement",
        "GET",
        "/v1/portability/profile",
        Portability.PROFILE,
        "An achievement by every definition in force.",
    ),
    Operation(
        "showTransfer", "GET", "/v1/transfer/cases/{case}", Transfer.SHOW, "A transfer case, to its parties.", True
    ),
    Operation("getHead", "GET", "/v1/ledger/head", Ledger.GET_HEAD, "The head of the log and its latest checkpoint."),
    Operation("getEntry", "GET", "/v1/ledger/entries/{index}", Ledger.GET_ENTRY, "An entry of the log."),
    Operation(
        "getProof",
        "GET",
        "/v1/ledger/entries/{index}/proof",
        Ledger.GET_PROOF,
        "An entry with its inclusion proof (C2SP tlog-proof).",
    ),
)


def parameters(operation: Operation) -> dict[str, Any]:
    """The fields of a GET's request that are given as parameters, by name, with their descriptors."""
    found: dict[str, Any] = {}
    for field in operation.method.request.DESCRIPTOR.fields:
        others = field.containing_oneof is not None and field.name not in operation.in_path
        plain = field.message_type is None and not is_map(field)
        if (plain and not others) or field.name in SPECIAL:
            found[field.name] = field
    return found


SPECIAL: Final = frozenset({"known_at", "fields"})
"""Message fields with a spelling of their own: a number of entries or an instant in Unix ms; paths by comma."""


def value_of(field: Any, texts: list[str]) -> Any:
    """The JSON value of a parameter, for :func:`passerelle.runtime.protojson.from_json`.

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
