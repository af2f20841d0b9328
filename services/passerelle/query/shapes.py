"""The shape of a rule's JSON, and which of its texts differ from rule to rule.

A *shape* is JSON with a hole for each text that is a value. Texts that name one thing of many (achievements, dates,
notes) are *free*; the others (codes, credits, schemes) are *fixed*, and a shape with its fixed texts is a *kind*: of
kinds there are few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

TEXT: Final = re.compile(rb'(?<=[:\[,])"((?:[^"\\]|\\.)*)"(?!:)')
"""A text that is a value: member names are followed by a colon."""
DATES: Final = frozenset({("valid_from",), ("valid_to",), ("supersedes", "from_date")})
"""Free texts that are dates."""
_FREE: Final = frozenset(
    {"achievement", "programme", "exclusions", "subject", "profession", "note", "source", "request", "recognition"}
)
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """The places of the fixed and of the free texts of a shape, and the members that each free text stands in."""

    fixed: tuple[int, ...]
    free: tuple[int, ...]
    paths: tuple[Path, ...]


def shape_of(pieces: Sequence[bytes]) -> Shape | None:
    """The shape with these pieces around its texts, quotes included; None where the texts cannot be told from it."""
    marks = [f"~{place}~" for place in range(len(pieces) - 1)]
    filled = b"".join(piece + mark.encode() for piece, mark in zip(pieces, [*marks, ""], strict=True))
    try:
        paths = dict(_paths(orjson.loads(filled), ()))
    except orjson.JSONDecodeError:
        return None
    if sorted(paths) != sorted(marks):
        return None
    found = [paths[mark] for mark in marks]
    free = tuple(place for place, path in enumerate(found) if _is_free(path))
    fixed = tuple(place for place, path in enumerate(found) if not _is_free(path))
    return Shape(fixed, free, tuple(found[place] for place in free))


def _is_free(path: Path) -> bool:
    return path[-1:] == ("receiver",) or path in DATES or not _FREE.isdisjoint(path[-1:])


def _paths(data: Any, path: Path) -> Iterator[tuple[str, Path]]:
    """Texts with the names of the members that they stand in (the depth of bodies is bounded)."""
    if isinstance(data, str):
        yield data, path
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from _paths(value, (*path, name))
    elif isinstance(data, list):
        for value in data:
            yield from _paths(value, path)
