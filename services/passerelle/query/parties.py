"""Who may read what is about one learner: the parties of it and, as docs/privacy.md says, the operator."""

from __future__ import annotations

from typing import TypeVar

from passerelle.core.errors import NotFound, PasserelleError
from passerelle.query.permission_ports import PermissionRow
from passerelle.query.ports import CaseRow

R = TypeVar("R", CaseRow, PermissionRow)


def check_reader(row: R | None, caller: str, operator: str, kind: str) -> R:
    """What was asked for, if the caller may read it. ``kind``: the field of the request, ``case`` or ``permission``.

    Raises NotFound ``not-found``, PasserelleError ``not-a-party``.
    """
    if row is None:
        raise NotFound("not-found", f"The ledger holds no such {kind}.", where=kind)
    if caller not in row.parties | {operator}:
        raise PasserelleError("not-a-party", f"The caller is not a party of this {kind}.", where=kind)
    return row
