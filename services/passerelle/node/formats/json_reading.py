"""Reads a JSON document of any origin, bounded in time and memory; its numbers keep their exact text.

Source: RFC 8259, with I-JSON's rule that no name stands twice in an object (RFC 7493, section 2.3).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.node.formats.xml_reading import Node

MAX_JSON: Final = 16 * 1024 * 1024
"""Bytes of the largest JSON document: it is held in memory."""
MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 40
_STRING: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")


class Decimal(float):
    """A JSON number with a point or an exponent: a float that still knows what was written."""

    text: str

    def __new__(cls, text: str) -> Decimal:
        found = super().__new__(cls, text)
        found.text = text
        return found


def read_bytes(path: Path, maximum: int = MAX_JSON) -> bytes:
    """A file's bytes. Raises FormatError ``file-unreadable``, ``file-too-large`` or ``file-empty``."""
    try:
        with path.open("rb") as stream:
            found = stream.read(maximum + 1)
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=path.name) from None
    if len(found) > maximum:
        raise FormatError("file-too-large", f"the file has more than {maximum} bytes", where=path.name)
    if not found.strip():
        raise FormatError("file-empty", "the file is empty", where=path.name)
    return found


def parse_json(content: bytes, where: str, *, repeats: bool = False) -> dict[str, Any]:
    """The object of a document. With ``repeats`` a name that stands several times is a list, as in JSON made of XML.

    Raises FormatError: ``encoding-invalid``, ``control-character``, ``body-too-deep``,
    ``body-not-json``, ``body-duplicate-key``, ``number-malformed``.
    """
    again = "Export the document again from the system that holds the records."
    if content.startswith(_WIDE):
        raise FormatError("encoding-invalid", "the file is UTF-16, not UTF-8", where=where)
    if b"\0" in content:
        raise FormatError("control-character", "the file holds a NUL byte", where=where)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("encoding-invalid", f"byte {error.start + 1} is not UTF-8", where=where) from None
    depth = 0
    for bracket in _BRACKET.finditer(_STRING.sub("", text)):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            what = f"the JSON nests deeper than {MAX_DEPTH}"
            raise FormatError("body-too-deep", what, where=where, fix=again)

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        if not repeats:
            raise FormatError("body-duplicate-key", "an object names a member twice", where=where, fix=again)
        lists: dict[str, Any] = {}
        for name, one in pairs:
            lists.setdefault(name, []).extend(one if isinstance(one, list) else [one])
        return lists

    def whole(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise FormatError("number-malformed", f"a number has more than {MAX_DIGITS} digits", where=where)
        return int(digits)

    def decimal(digits: str) -> Decimal:
        if len(digits) > MAX_DIGITS or not math.isfinite(found := Decimal(digits)):
            raise FormatError("number-malformed", "a number is too long or too large", where=where)
        return found

    def constant(_name: str) -> Any:
        raise FormatError("number-malformed", "NaN and Infinity are no JSON numbers", where=where)

    try:
        value = json.loads(
            text, object_pairs_hook=distinct, parse_int=whole, parse_float=decimal, parse_constant=constant
        )
    except json.JSONDecodeError as error:
        what = f"the file is not JSON at line {error.lineno}"
        raise FormatError("body-not-json", what, where=where, fix=again) from None
    if not isinstance(value, dict):
        raise FormatError("body-not-json", "the file is not a JSON object", where=where, fix=again)
    return value


def text_of(value: Any) -> str:
    """A scalar as text, a number as it was written; empty for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return value.text
    return str(value) if isinstance(value, str | int) else ""


def nodes_of(name: str, value: Any, line: int = 0) -> Iterator[Node]:
    """A JSON value as elements: an object's members are children, a list is the same element several times."""
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, Mapping):
            children = [child for key, inner in one.items() for child in nodes_of(str(key), inner, line)]
            yield Node(name, line, "", {}, children)
        elif one is not None:
            yield Node(name, line, text_of(one))
