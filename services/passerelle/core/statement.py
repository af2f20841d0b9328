"""The statement: eight ASCII lines that say which body stands at which place of a member's stream.

Source: contracts/formats.md, "Statement". The bytes are the truth: :func:`parse_statement` accepts exactly the bytes
that :meth:`Statement.encode` makes, and nothing else.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from passerelle.core.errors import FormatError
from passerelle.core.lines import HASH, MAX_NUMBER, POSITIVE

TITLE: Final = "passerelle.statement/v1"
FAMILIES: Final = ("credential", "recognition", "transfer", "reference", "member")
PUBLIC: Final = "public"
PARTY: Final = "party"
ZERO: Final = bytes(32)
"""``prev`` of a stream's first statement."""

MAX_NETWORK: Final = 255
"""Characters of a network's name."""
MAX_STATEMENT: Final = 490
"""Bytes of the longest statement that can be written: every part at its limit."""
MAX_BODY: Final = 64 * 1024
"""Bytes of the largest body that is accepted."""

MEMBER_PATTERN: Final = "[a-z][a-z0-9-]{1,39}"
# A C2SP log origin: no space and no plus; here also ASCII and bounded.
NETWORK_PATTERN: Final = "[!-*,-~]{1,255}"
URN_PREFIX: Final = "urn:passerelle:member:"

_MEMBER: Final = re.compile(MEMBER_PATTERN)
_NETWORK: Final = re.compile(NETWORK_PATTERN)
_STATEMENT: Final = re.compile(
    b"\n".join(
        (
            re.escape(TITLE.encode()),
            b"(" + NETWORK_PATTERN.encode() + b")",
            b"(" + MEMBER_PATTERN.encode() + b")",
            b"(" + "|".join(FAMILIES).encode() + b")",
            b"(" + POSITIVE + b")",
            b"(" + HASH + b")",
            b"(public|party)",
            b"(" + HASH + b")",
            b"",
        )
    )
)


class Statement(NamedTuple):
    """One place of one stream: ``prev`` and ``body_sha256`` are 32 bytes, ``sequence`` is 1 to 2^63 - 1."""

    network: str
    member: str
    family: str
    sequence: int
    prev: bytes
    visibility: str
    body_sha256: bytes

    def encode(self) -> bytes:
        """The eight lines. Raises FormatError ``statement-malformed`` when a part does not have its form."""
        text = (
            f"{TITLE}\n{self.network}\n{self.member}\n{self.family}\n{self.sequence}\n"
            f"{self.prev.hex()}\n{self.visibility}\n{self.body_sha256.hex()}\n"
        )
        if self.sequence > MAX_NUMBER or not text.isascii() or not _STATEMENT.fullmatch(data := text.encode("ascii")):
            raise FormatError("statement-malformed", "A part of the statement does not have its form.")
        return data


def parse_statement(data: bytes) -> Statement:
    """The statement of these bytes. Raises FormatError ``statement-malformed``, which names the first wrong line."""
    if _STATEMENT.fullmatch(data) is None:
        raise FormatError("statement-malformed", "The statement is not its eight lines.", where=_first_wrong(data))
    _, network, member, family, sequence, prev, visibility, body, _ = data.decode("ascii").split("\n")
    number = int(sequence)
    if number > MAX_NUMBER:
        raise FormatError("statement-malformed", "The sequence is beyond 2^63 - 1.", where="line 5")
    return Statement(network, member, family, number, bytes.fromhex(prev), visibility, bytes.fromhex(body))


def _first_wrong(data: bytes) -> str:
    """Name of the first line that does not fit, for the error text only."""
    patterns = _STATEMENT.pattern.split(b"\n")
    lines = data[: 2 * MAX_STATEMENT].split(b"\n")
    for number, (line, pattern) in enumerate(zip(lines, patterns, strict=False), start=1):
        if not re.fullmatch(pattern, line):
            return f"line {number}"
    return f"line {min(len(lines), len(patterns)) + 1}"


def digest(data: bytes) -> bytes:
    """SHA-256, 32 bytes: of a statement's exact bytes it is the next statement's ``prev``; of a body, line 8."""
    return hashlib.sha256(data).digest()


def check_member_id(member: str) -> str:
    """``member`` itself when it is a member id. Raises FormatError ``member-id-malformed``."""
    if not _MEMBER.fullmatch(member):
        raise FormatError("member-id-malformed", "The member id does not have its form.")
    return member


def check_network(network: str) -> str:
    """``network`` itself when it can name a log. Raises FormatError ``network-malformed``."""
    if not _NETWORK.fullmatch(network):
        raise FormatError("network-malformed", "The network's name does not have its form.")
    return network


def member_urn(member: str) -> str:
    """``urn:passerelle:member:<id>``. Raises FormatError ``member-id-malformed``."""
    return URN_PREFIX + check_member_id(member)


def member_of_urn(urn: str) -> str:
    """The id in a member's URN. Raises FormatError ``member-id-malformed``."""
    if not urn.startswith(URN_PREFIX):
        raise FormatError("member-id-malformed", f"The name does not start with {URN_PREFIX}")
    return check_member_id(urn[len(URN_PREFIX) :])
