"""The language that a reader asks for."""

from __future__ import annotations

import re
from typing import Final

LANGUAGES: Final = ("en", "fr")
_ACCEPT: Final = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]{1,20})?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")


def preferred(accept_language: str) -> str:
    """The language of an Accept-Language header (RFC 9110, section 12.5.4); English where neither is asked for."""
    best, weight = LANGUAGES[0], 0.0
    for part in accept_language[:500].split(","):
        match = _ACCEPT.fullmatch(part)
        if match and match[1].lower() in LANGUAGES:
            q = float(match[2]) if match[2] else 1.0
            if q > weight:
                best, weight = match[1].lower(), q
    return best
