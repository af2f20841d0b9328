"""What the agreements' use cases need of the node's database. postgres/agreements.py keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class PublishedRule:
    """A rule of this member as it was last stated: ``data`` of its ``granted``, ``revised`` or ``denied`` event.

    ``ended_on`` is the date of its ``ended`` event, empty where it was not ended.
    """

    subject: str
    data: Mapping[str, Any]
    ended_on: str = ""


class AgreementStore(Protocol):
    """The member's own rules, released or held back, and the notes that stay at home. May raise Unavailable."""

    async def rules_of(self, subjects: Sequence[str]) -> dict[str, PublishedRule]:
        """The rules of these ids, by id."""

    async def rule_ids(self, after: str, limit: int) -> list[str]:
        """Ids of rules above an id, in order of the database."""

    async def achievements_of(self, member: str, limit: int) -> list[str]:
        """Ids of achievements of a member that were seen in the ledger."""

    async def private_notes(self, subjects: Sequence[str]) -> dict[str, str]:
        """The private notes of these rules."""

    async def put_private_notes(self, notes: Mapping[str, str]) -> None:
        """Keep notes; an empty one is removed."""
