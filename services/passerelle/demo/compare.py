"""Is an answer the one that was written by hand? Equality, with the places where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

_ABSENT: Final = "(absent)"
PARTS: Final = ("question", "answer", "reasons")


def differences(expected: Any, got: Any) -> list[str]:
    """Where two documents ``{question, answer, reasons}`` differ, in words; empty where they are equal.

    Reasons are compared without their order. A key that is missing, or one too many, is a difference.
    """
    found: list[str] = []
    for part in PARTS:
        left, right = expected.get(part, _ABSENT), got.get(part, _ABSENT)
        if part == "reasons" and isinstance(left, list) and isinstance(right, list):
            left, right = sorted(left, key=_order), sorted(right, key=_order)
        found.extend(_walk(left, right, part))
    extra = sorted(set(expected) - set(PARTS)) + sorted(set(got) - set(PARTS))
    found.extend(f"{name}: not a part of an answer" for name in extra)
    return found


def _order(reason: Any) -> str:
    return repr(sorted(reason.items())) if isinstance(reason, dict) else repr(reason)


def _walk(expected: Any, got: Any, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in dict.fromkeys((*expected, *got)):
            yield from _walk(expected.get(name, _ABSENT), got.get(name, _ABSENT), f"{place}.{name}")
    elif isinstance(expected, list) and isinstance(got, list):
        for number in range(max(len(expected), len(got))):
            left = expected[number] if number < len(expected) else _ABSENT
            right = got[number] if number < len(got) else _ABSENT
            yield from _walk(left, right, f"{place}[{number}]")
    elif type(expected) is not type(got) or expected != got:
        yield f"{place}: expected {expected!r}, answered {got!r}"
