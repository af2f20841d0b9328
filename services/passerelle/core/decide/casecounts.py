"""What a step of a transfer case adds to the anonymous counts: the days to its first decision, the end of an appeal.

The words are those of the lifecycle. An appeal ends by the next ``decided`` (``changed`` or ``kept``, as adjusted lines
are) or by ``withdrawn``; what the receiver asks for meanwhile leaves it open.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from passerelle.core.things import CaseCount, Thing

UNDECIDED: Final = frozenset({"requested", "information-requested"})
APPEALED: Final = "appealed"
_SAYS_NOTHING: Final[Collection[Any]] = ("any", [])
"""Values that an outcome may state or leave out."""


def decision_counted(case: Thing, lines: Iterable[Mapping[str, Any]], date: str) -> CaseCount | None:
    """What ``decided`` adds on ``date`` (UTC, YYYY-MM-DD): ``case`` is the state before, ``lines`` the facts after.

    None where it only settles lines that waited, and where the facts were made before they were kept.
    """
    if case.state == APPEALED:
        if any("outcome" not in line and line["status"] in ("credited", "conditional") for line in case.data["lines"]):
            return None
        return _count(case, appeal="kept" if _stands(case.data["lines"], lines) else "changed")
    asked = case.data.get("requested_on")
    if case.state not in UNDECIDED or asked is None:
        return None
    return _count(case, days=(dt.date.fromisoformat(date) - dt.date.fromisoformat(asked)).days)


def withdrawal_counted(case: Thing) -> CaseCount | None:
    """What ``withdrawn`` adds."""
    return _count(case, appeal="withdrawn") if case.state == APPEALED else None


def credit_digest(outcome: Mapping[str, Any]) -> str:
    """Tells whether an outcome gives the same as another: notes and spelled-out defaults make no difference.

    First 16 hex digits of SHA-256 over JSON with sorted keys: the ledger's state keeps no whole outcome.
    """
    text = json.dumps(_bare(outcome), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _bare(part) for k, part in value.items() if k != "note" and part not in _SAYS_NOTHING}
    return [_bare(part) for part in value] if isinstance(value, list | tuple) else value


def _count(case: Thing, *, appeal: str | None = None, days: int | None = None) -> CaseCount:
    return CaseCount(case.data["sender"], case.data["receiver"], appeal, days)


def _stands(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the lines give the same credit; one without credit gives what an absent one gives: none."""
    return _given(before) == _given(after)


def _given(lines: Iterable[Mapping[str, Any]]) -> dict[int, tuple[str, str, str | None]]:
    return {
        line["line"]: (line["credential"], line["status"], line.get("outcome"))
        for line in lines
        if line["status"] not in ("no-credit", "removed")
    }
