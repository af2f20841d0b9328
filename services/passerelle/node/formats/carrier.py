"""Our own columns inside a document of a standard format, so that what this node wrote it reads back exactly.

The standard's elements say what they can for every reader; the carrier holds the cells of the row as JSON, without the
learner's. It is read only where the document is the node's own member's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from passerelle.node.csv_forms import FORMS
from passerelle.node.formats.exchange import LEARNER, Unclear

PREFIX: Final = "passerelle:"
MAX_CARRIED: Final = 64 * 1024
"""Characters of the longest carrier."""
KINDS: Final = ("credentials", "results")


def carried(kind: str, cells: Mapping[str, str]) -> str:
    """The cells as JSON in ASCII, the learner's left out. Raises Unclear ``value-too-long``."""
    kept = {name: text for name, text in cells.items() if text and name not in LEARNER}
    found = json.dumps([kind, kept], separators=(",", ":"), sort_keys=True)
    if len(found) > MAX_CARRIED:
        raise Unclear("value-too-long", f"the row has more than {MAX_CARRIED} characters")
    return found


def unpacked(text: str) -> tuple[str, dict[str, str]]:
    """Kind and cells of a carrier. Raises Unclear ``field-malformed`` for one that no export wrote."""
    wrong = Unclear("field-malformed", "the columns that an export put into the document cannot be read")
    if len(text) > MAX_CARRIED:
        raise wrong
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(found, list) or len(found) != 2 or found[0] not in KINDS or not isinstance(found[1], dict):
        raise wrong
    kind, cells = found
    if not all(isinstance(value, str) for value in cells.values()):
        raise wrong
    if any(FORMS[kind].find(name) is None or name in LEARNER for name in cells):
        raise wrong
    return kind, cells


def chunks(text: str, size: int) -> list[str]:
    """A carrier as lines of at most ``size`` characters, the prefix included; none ends in a space."""
    step = size - len(PREFIX)
    found: list[str] = []
    while text:
        piece = text[:step]
        # A reader may strip the ends of a line.
        kept = piece.rstrip(" ") or piece
        found.append(PREFIX + kept)
        text = text[len(kept) :]
    return found


def joined(lines: Sequence[str]) -> str:
    """The carrier among some lines; empty where there is none."""
    return "".join(line.removeprefix(PREFIX) for line in lines if line.startswith(PREFIX))
