"""The pure part: one commit's summary into hourly counts, and what may be shown of them.

A summary is ``{"from", "size", "accepted_at", "counts": [{member, jurisdiction, family, type, accepted,
refused}]}``: the entries ``from`` to ``size - 1`` of one ledger commit (contracts/topics/passerelle.summary.v1.yaml).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

HOUR_MS: Final = 3_600_000
SUPPRESS_BELOW: Final = 10
"""Counts by type below this are not shown (privacy); totals by family are public in the log anyway."""


class SummaryInvalid(ValueError):
    """The record is not a summary: told to the log and counted, never silently skipped."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One commit: log indices ``start`` to ``size - 1``, accepted at one instant (Unix ms)."""

    start: int
    size: int
    accepted_at: int
    counts: tuple[Mapping[str, Any], ...]


def read_summary(value: Mapping[str, Any]) -> Summary:
    """Check a summary record. Raises SummaryInvalid."""
    try:
        summary = Summary(int(value["from"]), int(value["size"]), int(value["accepted_at"]), tuple(value["counts"]))
        total = sum(int(row["accepted"]) + int(row["refused"]) for row in summary.counts)
        for row in summary.counts:
            row_key(row)
    except (KeyError, TypeError, ValueError) as error:
        raise SummaryInvalid(f"not a summary: {type(error).__name__}") from None
    if not 0 <= summary.start < summary.size or total != summary.size - summary.start:
        raise SummaryInvalid("the counts do not add up to the entries of the commit")
    return summary


def row_key(row: Mapping[str, Any]) -> str:
    """The table key of one count row."""
    return "|".join((row["member"], row["jurisdiction"], row["family"], row["type"]))


def shown(rows: Iterable[tuple[str, int, int, int]]) -> Iterator[dict[str, Any]]:
    """Rows (key, hour, accepted, refused) as they may be shown: small counts by type are suppressed."""
    for key, hour, accepted, refused in rows:
        member, jurisdiction, family, event_type = key.split("|")
        small = 0 < accepted < SUPPRESS_BELOW or 0 < refused < SUPPRESS_BELOW
        yield {
            "hour_ms": hour,
            "member": member,
            "jurisdiction": jurisdiction,
            "family": family,
            "type": event_type,
            "accepted": None if small else accepted,
            "refused": None if small else refused,
            "suppressed": small,
        }
