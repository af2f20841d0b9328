"""Release: number, link and sign. Pure; the store runs it inside one transaction under the streams' row locks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from passerelle.core.batch import SignedStatement, sign_batches
from passerelle.core.signature import Signer
from passerelle.core.statement import Statement, digest
from passerelle.core.streams import StreamHead


@dataclass(frozen=True, slots=True)
class Draft:
    """An event without a number. ``needs`` are keys of things that must be in the ledger before it goes out."""

    family: str
    type: str
    subject: str
    thing: str
    visibility: str
    body: bytes
    needs: tuple[str, ...] = ()
    marks: tuple[tuple[str, Mapping[str, object]], ...] = ()
    id: int = 0


@dataclass(frozen=True, slots=True)
class Released:
    """A draft with its number and its share of a batch signature."""

    draft: Draft
    sequence: int
    signed: SignedStatement


def release(
    drafts: Sequence[Draft], heads: Mapping[str, StreamHead], *, network: str, member: str, signer: Signer
) -> tuple[list[Released], dict[str, StreamHead]]:
    """Number ``drafts`` in order after the heads of their streams, link them, and sign them in batches of at most 256.

    Returns the rows for the outbox and the new heads of the streams touched.
    """
    after = dict(heads)
    statements: list[tuple[bytes, bytes]] = []
    sequences: list[int] = []
    for draft in drafts:
        head = after[draft.family]
        sequence = head.sequence + 1
        statement = Statement(
            network, member, draft.family, sequence, head.digest, draft.visibility, digest(draft.body)
        ).encode()
        after[draft.family] = StreamHead(sequence, digest(statement))
        statements.append((statement, draft.body))
        sequences.append(sequence)
    signed = sign_batches(network, member, statements, signer)
    rows = [Released(*row) for row in zip(drafts, sequences, signed, strict=True)]
    return rows, {family: after[family] for family in sorted({draft.family for draft in drafts})}


def sign_again(
    rows: Sequence[tuple[bytes, bytes]], *, network: str, member: str, signer: Signer
) -> list[SignedStatement]:
    """New batch signatures over the same statements, after the key changed; numbers and links stay."""
    return sign_batches(network, member, rows, signer)
