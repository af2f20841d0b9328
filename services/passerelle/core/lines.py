"""Strict ASCII line documents: the ground of statement, batch and entry (contracts/formats.md, "Lines").

Every line ends in one LF, the last too. A number is decimal without sign or leading zeros. Hashes, keys and signatures
are lower-case hex. There is exactly one spelling of each value, so two parties that parse the same document hold the
same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from passerelle.core.errors import FormatError

MAX_NUMBER: Final = 2**63 - 1
"""Largest number in any document: it fits a signed 64-bit column."""

# The patterns are pieces for the documents' own expressions, so that one match checks a whole document.
DECIMAL: Final = rb"(?:0|[1-9][0-9]{0,18})"
POSITIVE: Final = rb"[1-9][0-9]{0,18}"
HASH: Final = rb"[0-9a-f]{64}"

_DECIMAL: Final = re.compile(DECIMAL)


def join_lines(*lines: str) -> bytes:
    """Lines as bytes, LF after each. Raises FormatError ``line-malformed`` for a non-ASCII or broken line."""
    text = "\n".join(lines) + "\n"
    if not text.isascii() or text.count("\n") != len(lines) or "\r" in text:
        raise FormatError("line-malformed", "A line holds a line break or a character outside ASCII.")
    return text.encode("ascii")


def split_lines(data: bytes, count: int, code: str = "line-malformed", where: str = "") -> list[bytes]:
    """The ``count`` lines of ``data`` without their LF. Raises FormatError ``code`` for any other number of lines."""
    lines = data.split(b"\n", count)
    if len(lines) != count + 1 or lines[count]:
        raise FormatError(code, f"The document is not exactly {count} lines that each end in LF.", where=where)
    if not data.isascii():
        raise FormatError(code, "The document holds a byte outside ASCII.", where=where)
    return lines[:count]


def parse_number(text: bytes, code: str = "line-malformed", where: str = "", maximum: int = MAX_NUMBER) -> int:
    """A decimal number of 0 to ``maximum``. Raises FormatError ``code`` for a sign, a leading zero or more."""
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > maximum:
        raise FormatError(code, f"Not a decimal number from 0 to {maximum} without leading zeros.", where=where)
    return number


def parse_hex(text: bytes, size: int, code: str = "line-malformed", where: str = "") -> bytes:
    """``size`` bytes from lower-case hex. Raises FormatError ``code`` for another length or case."""
    data = _unhex(text)
    # Writing it again and comparing is the quickest strict check: fromhex takes upper case and spaces.
    if data is None or len(data) != size or data.hex().encode() != text:
        raise FormatError(code, f"Not {2 * size} lower-case hex digits.", where=where)
    return data


def parse_hashes(text: bytes, maximum: int, code: str = "line-malformed", where: str = "") -> tuple[bytes, ...]:
    """At most ``maximum`` SHA-256 hashes joined by one space; an empty text is no hash. Raises FormatError ``code``."""
    if not text:
        return ()
    if len(text) > 65 * maximum - 1:
        raise FormatError(code, f"More than {maximum} hashes.", where=where)
    joined = _unhex(text)
    if joined is None or len(joined) % 32 or joined.hex(" ", 32).encode() != text:
        raise FormatError(code, "Not hashes of 64 lower-case hex digits, joined by one space.", where=where)
    return tuple([joined[start : start + 32] for start in range(0, len(joined), 32)])


def hashes_text(hashes: Iterable[bytes]) -> str:
    """Hashes of 32 bytes in lower-case hex, joined by one space; an empty string for none."""
    return b"".join(hashes).hex(" ", 32)


def _unhex(text: bytes) -> bytes | None:
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
