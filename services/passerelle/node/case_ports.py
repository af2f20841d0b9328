"""What the work on transfer cases needs of the node's database. Each docstring is the contract; postgres/case_work.py
keeps it. Every method may raise Unavailable: nothing was changed then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.node.outbox import Draft
from passerelle.node.people import Learner
from passerelle.node.ports import CaseRow, CaseStore, OutboxRow


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decision that is being prepared: for one version of the case, from rules as of ``position`` log entries."""

    case: str
    version: int
    position: int
    lines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document of a case; ``content`` is ciphertext under the learner's key, None where it was sealed here."""

    case: str
    sha256: str
    role: str
    media_type: str
    size: int
    learner: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """What a person at the office said of whose a case is.

    ``learner`` (None: unmatched) is stored where it is ``fresh``; ``details`` are the release's, under that learner's
    key; ``gone`` is the person of the file, whose key is destroyed where they are not that learner.
    """

    case: CaseRow
    learner: Learner | None
    fresh: bool
    details: bytes | None
    gone: str | None
    reason: str


class MatchStore(CaseStore, Protocol):
    """Cases and their people."""

    async def settle_match(self, match: Match, drafts: Sequence[Draft], now_ms: int) -> bool:
        """Keep what was said, with its events; False (nothing done) where the case does not wait to be matched."""


class WorkStore(CaseStore, Protocol):
    """Proposals, documents, reminders, earlier decisions."""

    async def save_proposal(self, proposal: Proposal, now_ms: int) -> None:
        """Keep a proposal in place of an earlier one of the case."""

    async def proposal(self, case: str) -> Proposal | None:
        """The proposal of a case."""

    async def save_document(self, document: DocumentRow, now_ms: int) -> bool:
        """Keep a document; False where the case has one of this hash, which stays."""

    async def documents(self, case: str) -> list[DocumentRow]:
        """The documents of a case, oldest first."""

    async def received_cases(self, after: str, limit: int) -> list[CaseRow]:
        """Cases that this node opened, in order of id, after one."""

    async def decisions(self, before: int | None, limit: int) -> list[OutboxRow]:
        """Our accepted ``decided`` events below a sequence, newest first."""

    async def remind(self, rows: Sequence[tuple[str, str, str]], now_ms: int) -> set[tuple[str, str, str]]:
        """Keep that the office was told of these (case, kind, date); those of which it was not told before."""

    async def notices_about(
        self, before: int | None, limit: int, *, index: int | None = None
    ) -> list[Mapping[str, Any]]:
        """Notices with what was changed, below an inbox number, newest first; of one entry where it is named."""
