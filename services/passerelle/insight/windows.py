"""The pure part: one commit's summary into hourly counts, and what may be shown of them.

A summary is ``{"from", "size", "accepted_at", "counts": [{member, jurisdiction, family, type, accepted, refused}],
"cases": [{sending, receiving, appeals: {outcome: number}, decided: {step: number}}]}``: the entries ``from`` to
``size - 1`` of one ledger commit (contracts/topics/passerelle.summary.v1.yaml).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from passerelle.core.durations import LAST_STEP
from passerelle.events.statistics import AppealOutcome

HOUR_MS: Final = 3_600_000
SUPPRESS_BELOW: Final = 10
"""Counts by type below this are not shown (privacy); totals by family are public in the log anyway."""

_OUTCOMES: Final = frozenset(get_args(AppealOutcome))


class SummaryInvalid(ValueError):
    """The record is not a summary: told to the log and counted, never silently skipped."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One commit: log indices ``start`` to ``size - 1``, accepted at one instant (Unix ms).

    ``cases`` is None where the ledger that wrote it did not count cases yet.
    """

    start: int
    size: int
    accepted_at: int
    counts: tuple[Mapping[str, Any], ...]
    cases: tuple[CaseRow, ...] | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What the cases of a commit came to for one pair of provinces (ISO 3166-2; empty where a member has none)."""

    sending: str
    receiving: str
    appeals: Mapping[str, int]
    """How an appeal ended -> how many."""
    decided: Mapping[str, int]
    """Step of the days to the first decision, in decimal -> how many."""


def read_summary(value: Mapping[str, Any]) -> Summary:
    """Check a summary record. Raises SummaryInvalid."""
    try:
        cases = tuple(_case_row(row) for row in value["cases"]) if "cases" in value else None
        start, size, accepted_at = (int(value[name]) for name in ("from", "size", "accepted_at"))
        summary = Summary(start, size, accepted_at, tuple(value["counts"]), cases)
        total = sum(int(row["accepted"]) + int(row["refused"]) for row in summary.counts)
        for row in summary.counts:
            row_key(row)
    except (KeyError, TypeError, ValueError) as error:
        raise SummaryInvalid(f"not a summary: {type(error).__name__}") from None
    if not 0 <= summary.start < summary.size or total != summary.size - summary.start:
        raise SummaryInvalid("the counts do not add up to the entries of the commit")
    return summary


def _case_row(row: Mapping[str, Any]) -> CaseRow:
    """Raises KeyError, TypeError, ValueError."""
    places = [str(row[name]) for name in ("sending", "receiving")]
    appeals, decided = ({key: int(n) for key, n in dict(row[name]).items()} for name in ("appeals", "decided"))
    if any("|" in place for place in places) or not set(appeals) <= _OUTCOMES:
        raise ValueError("not a pair of provinces, or no outcome of an appeal")
    if any(not 0 <= int(key) <= LAST_STEP for key in decided):
        raise ValueError("not a step of a duration")
    if any(number < 1 for number in (*appeals.values(), *decided.values())):
        raise ValueError("not a count")
    return CaseRow(places[0], places[1], appeals, {str(int(key)): number for key, number in decided.items()})


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
