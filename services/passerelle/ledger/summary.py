"""The summary of one commit, for insight: counts of entries, and what its transfer cases add, by provinces only.

The value of a record of ``passerelle.summary.v1`` (contracts/topics). ``cases`` holds no case and no member: provinces,
outcomes of appeals, and steps of :mod:`passerelle.core.durations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from passerelle.core.durations import days_step
from passerelle.core.registry import Registry
from passerelle.core.things import CaseCount


def place_of(registry: Registry, member: str) -> str:
    """The member's first jurisdiction; empty where it has none."""
    record = registry.members.get(member)
    return record.jurisdictions[0] if record is not None and record.jurisdictions else ""


def write_summary(
    start: int, size: int, accepted_at: int, counts: Sequence[dict[str, Any]], cases: Sequence[dict[str, Any]]
) -> bytes:
    """The record of the entries ``start`` to ``size - 1``, accepted at one instant (Unix ms)."""
    value = {"from": start, "size": size, "accepted_at": accepted_at, "counts": counts, "cases": cases}
    return orjson.dumps(value)


def case_rows(counted: Iterable[CaseCount], registry: Registry) -> list[dict[str, Any]]:
    """What the commit's cases add, one row a pair of provinces, in order; whoever counts again gets the same bytes."""
    pairs: dict[tuple[str, str], tuple[dict[str, int], dict[str, int]]] = {}
    for one in counted:
        pair = (place_of(registry, one.sender), place_of(registry, one.receiver))
        appeals, decided = pairs.setdefault(pair, ({}, {}))
        if one.appeal is not None:
            appeals[one.appeal] = appeals.get(one.appeal, 0) + 1
        if one.days is not None:
            step = str(days_step(one.days))
            decided[step] = decided.get(step, 0) + 1
    return [
        {
            "sending": sending,
            "receiving": receiving,
            "appeals": dict(sorted(appeals.items())),
            "decided": dict(sorted(decided.items())),
        }
        for (sending, receiving), (appeals, decided) in sorted(pairs.items())
    ]
