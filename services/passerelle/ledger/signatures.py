"""The batch signature of a stored entry, checked once a batch."""

from __future__ import annotations

from typing import Final

from passerelle.core.batch import batch_message, batch_root
from passerelle.core.entry import Entry
from passerelle.core.errors import SignatureInvalid
from passerelle.core.signature import verify
from passerelle.core.statement import Statement

REMEMBERED: Final = 8192
"""Good signatures held: at most some 3 MB."""


class EntrySignatures:
    """Checks entries one after the other; what one batch signature said is remembered for its other entries."""

    __slots__ = ("_good",)

    def __init__(self) -> None:
        self._good: dict[tuple[bytes, bytes, bytes], None] = {}

    def check(self, entry: Entry, statement: Statement, public_key: bytes) -> None:
        """Raises SignatureInvalid ``path-invalid`` or ``signature-invalid``."""
        root = batch_root(entry.statement, entry.batch_index, entry.batch_size, entry.batch_path)
        message = batch_message(statement.network, statement.member, entry.batch_size, root)
        known = (public_key, entry.batch_signature, message)
        if known in self._good:
            return
        if not verify(public_key, message, entry.batch_signature):
            raise SignatureInvalid("signature-invalid", "the signature does not verify under the key")
        while len(self._good) >= REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[known] = None
