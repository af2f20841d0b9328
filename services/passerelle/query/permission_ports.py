"""What questions about letters of permission need of the ledger's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

REFUSED: Final = "refused"
"""The state of a permission of which the host hears nothing."""


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """A letter of permission as the ledger's read model has it; ``home`` is the member that granted or refused it."""

    id: str
    home: str
    state: str
    version: int
    changed: int
    data: dict[str, Any]

    @property
    def parties(self) -> frozenset[str]:
        """Who may read it: home and host; a refusal is the home institution's alone (ADR 0017)."""
        return frozenset({self.home} if self.state == REFUSED else {self.home, self.data["host"]})


@dataclass(frozen=True, slots=True)
class PermissionQuery:
    """Which permissions of a member: as ``role`` (``home``, ``host`` or either), in ``state`` (empty: all).

    ``before`` is the (changed, id) of the last permission of the previous page.
    """

    member: str
    role: str = ""
    state: str = ""
    before: tuple[int, str] | None = None
    limit: int = 100


class PermissionReader(Protocol):
    """Letters of permission read for one call; nothing of them is kept."""

    async def permission(self, permission: str) -> PermissionRow | None:
        """One permission, whoever asks."""

    async def permissions(self, query: PermissionQuery) -> Sequence[PermissionRow]:
        """The permissions that the member is a party of, latest change first."""
