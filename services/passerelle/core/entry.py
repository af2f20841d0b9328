"""The entry: sixteen lines, the leaf of the log. It names the body by hash and never holds it.

Source: contracts/formats.md, "Entry". The parser accepts exactly the bytes that the encoder makes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from passerelle.core.batch import MAX_BATCH, SignedStatement, parse_path, parse_place, path_length, verify_place
from passerelle.core.errors import FormatError, SignatureInvalid
from passerelle.core.lines import hashes_text, parse_hex, parse_number
from passerelle.core.signature import SIGNATURE_SIZE, key_id
from passerelle.core.statement import MAX_STATEMENT, Statement, parse_statement

ENTRY_TITLE: Final = "passerelle.entry/v1"
_TITLE: Final = ENTRY_TITLE.encode()
ACCEPTED: Final = "accepted"
REFUSED_PREFIX: Final = "refused "
MAX_TIME: Final = 10**15 - 1
"""Largest accepted_at in milliseconds since 1970-01-01T00:00:00Z."""
MAX_ENTRY: Final = 1249
"""Bytes of the longest entry that can be written; the format promises less than 1,536."""

_HEAD_LINES: Final = 8
_OUTCOME: Final = re.compile(r"accepted|refused [a-z][a-z0-9-]{1,39}")
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}")


def refused(code: str) -> str:
    """The outcome of a refusal: ``refused <code>``."""
    return REFUSED_PREFIX + code


@dataclass(frozen=True, slots=True)
class Entry:
    """One decided event. ``accepted_at``: Unix ms; ``outcome``: ``accepted`` or ``refused <code>``; the rest as signed.

    ``statement`` is the exact bytes; :meth:`parsed` reads them.
    """

    accepted_at: int
    outcome: str
    key_id: str
    batch_size: int
    batch_index: int
    batch_path: tuple[bytes, ...]
    batch_signature: bytes
    statement: bytes

    @staticmethod
    def of(accepted_at: int, outcome: str, signed: SignedStatement) -> Entry:
        """The entry of a signed event decided at ``accepted_at``."""
        return Entry(
            accepted_at,
            outcome,
            signed.key_id,
            signed.batch_size,
            signed.batch_index,
            signed.batch_path,
            signed.batch_signature,
            signed.statement,
        )

    @property
    def accepted(self) -> bool:
        """Whether the event took effect."""
        return self.outcome == ACCEPTED

    @property
    def refusal(self) -> str:
        """The code of a refusal, or ``""``."""
        return self.outcome.removeprefix(REFUSED_PREFIX) if self.outcome != ACCEPTED else ""

    def parsed(self) -> Statement:
        """The statement. Raises FormatError ``statement-malformed``."""
        return parse_statement(self.statement)

    def encode(self) -> bytes:
        """The sixteen lines. Raises FormatError ``entry-malformed`` when a part does not have its form.

        The statement is taken as it is: whoever decided the event has parsed it.
        """
        path = hashes_text(self.batch_path)
        if not (
            0 <= self.accepted_at <= MAX_TIME
            and (self.outcome == ACCEPTED or _OUTCOME.fullmatch(self.outcome))
            and _KEY_ID.fullmatch(self.key_id)
            and 0 <= self.batch_index < self.batch_size <= MAX_BATCH
            and len(self.batch_path) == path_length(self.batch_index, self.batch_size)
            and len(path) == max(0, 65 * len(self.batch_path) - 1)
            and len(self.batch_signature) == SIGNATURE_SIZE
            and 0 < len(self.statement) <= MAX_STATEMENT
        ):
            raise FormatError("entry-malformed", "A part of the entry does not have its form.")
        head = (
            f"{ENTRY_TITLE}\n{self.accepted_at}\n{self.outcome}\n{self.key_id}\n{self.batch_size}\n{self.batch_index}\n"
            f"{path}\n{self.batch_signature.hex()}\n"
        )
        return head.encode("ascii") + self.statement


def entry_bytes(accepted_at: int, outcome: str, proof: bytes, statement: bytes) -> bytes:
    """The sixteen lines from parts that were checked; ``proof`` as in :class:`passerelle.core.batch.Arrived`.

    The same bytes as :meth:`Entry.encode` gives. Raises FormatError ``entry-malformed`` for the time or the outcome.
    """
    if not 0 <= accepted_at <= MAX_TIME or (outcome != ACCEPTED and not _OUTCOME.fullmatch(outcome)):
        raise FormatError("entry-malformed", "The time or the outcome does not have its form.")
    return b"%b\n%d\n%b\n%b%b" % (_TITLE, accepted_at, outcome.encode("ascii"), proof, statement)


def parse_entry(data: bytes) -> Entry:
    """The entry of these bytes. Raises FormatError ``entry-malformed``, ``path-invalid`` or ``statement-malformed``."""
    lines = data.split(b"\n", _HEAD_LINES)
    if len(lines) != _HEAD_LINES + 1 or lines[0] != ENTRY_TITLE.encode() or not data.isascii():
        raise FormatError("entry-malformed", f"Not ASCII lines that begin with {ENTRY_TITLE}.")
    _, accepted_at, outcome_line, key_line, size, index, path, signature, statement = lines
    outcome, key = outcome_line.decode("ascii"), key_line.decode("ascii")
    if not _OUTCOME.fullmatch(outcome):
        raise FormatError("entry-malformed", "Neither accepted nor refused with a code.", where="outcome")
    if not _KEY_ID.fullmatch(key):
        raise FormatError("entry-malformed", "A key id is 16 lower-case hex digits.", where="key id")
    batch_size, batch_index = parse_place(size, index, code="entry-malformed")
    batch_path = parse_path(batch_index, batch_size, path, code="entry-malformed")
    parse_statement(statement)
    return Entry(
        parse_number(accepted_at, "entry-malformed", "accepted_at", MAX_TIME),
        outcome,
        key,
        batch_size,
        batch_index,
        batch_path,
        parse_hex(signature, SIGNATURE_SIZE, "entry-malformed", "signature"),
        statement,
    )


def verify_entry(entry: Entry, public_key: bytes) -> None:
    """Check that the owner of ``public_key`` (raw, 32 bytes) signed the entry's statement in its batch.

    Whether that key was the member's at this index is the registry's to say. Returns nothing; raises SignatureInvalid
    ``key-unknown`` (another key than the one named), ``path-invalid`` or ``signature-invalid``, or FormatError.
    """
    if key_id(public_key) != entry.key_id:
        raise SignatureInvalid("key-unknown", "The key given is not the one that the entry names.")
    verify_place(
        entry.statement,
        entry.parsed(),
        entry.batch_size,
        entry.batch_index,
        entry.batch_path,
        entry.batch_signature,
        public_key,
    )
