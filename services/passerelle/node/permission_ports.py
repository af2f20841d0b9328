"""What the work on letters of permission needs of the node's database. Each docstring is the contract;
postgres/permissions.py keeps it. Every method may raise Unavailable: nothing was changed then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from passerelle.node.ports import CaseStore, OutboxStore


@dataclass(frozen=True, slots=True)
class AskedPermission:
    """What a learner of this office asked for, and what the rules as of ``position`` log entries say of it.

    ``term``: ``{starts_on, ends_on, name?}``. A line: ``{line, achievement, match, rule, outcome, reasons,
    smallest_fix}`` (:class:`passerelle.node.rules_asked.Ruled`).
    """

    id: str
    learner: str
    host: str
    programme: str
    term: Mapping[str, str]
    position: int
    lines: tuple[Mapping[str, Any], ...]


class PermissionStore(CaseStore, OutboxStore, Protocol):
    """Permissions that were asked for, and the events about them."""

    async def save_permission(self, asked: AskedPermission, now_ms: int) -> None:
        """Keep what was asked."""

    async def permission(self, permission: str) -> AskedPermission | None:
        """What was asked here under this id."""

    async def permission_ids(self, after: str, limit: int) -> list[str]:
        """Ids of permissions that were asked, decided here, or granted by others to study here; in order, after one."""

    async def policy_versions(self, limit: int) -> dict[str, int]:
        """Every policy seen on the feed with its latest version."""
