"""Prometheus metrics of the ledger's loop."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from passerelle.ledger.model import CommitPlan
from passerelle.ledger.parking import Parking

ENTRIES = Counter("passerelle_ledger_entries", "Entries logged.", ["family", "outcome"])
UNVERIFIED = Counter("passerelle_ledger_unverified", "Records that verify under no key of the member they name.")
CONFLICTS = Counter("passerelle_ledger_conflicts", "Statements kept as evidence of a stream taken two ways.")
RELOADS = Counter("passerelle_ledger_reloads", "Times the loop began again from the database.")
COMMIT_SECONDS = Histogram(
    "passerelle_ledger_commit_seconds",
    "Duration of one transaction.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
COMMIT_ENTRIES = Gauge("passerelle_ledger_commit_entries", "Entries of the last commit.")
THINGS = Gauge("passerelle_ledger_things_cached", "Things that are kept in memory between commits.")
SIZE = Gauge("passerelle_ledger_size", "Entries in the log.")
WAITING = Gauge("passerelle_ledger_waiting", "Events that wait for an earlier number or a thing of another stream.")
WAITING_BYTES = Gauge("passerelle_ledger_waiting_bytes", "Bytes of the bodies of events that wait.")
STALLED = Gauge("passerelle_ledger_stalled", "Streams with a number missing for more than five minutes.")
CLOCK_BEHIND = Gauge("passerelle_ledger_clock_behind_seconds", "How far the clock is behind the last entry.")


def count(plan: CommitPlan, parking: Parking, things: int) -> None:
    """Take a commit into the metrics; ``things`` are those kept in memory."""
    COMMIT_ENTRIES.set(len(plan.entries))
    THINGS.set(things)
    for (_, family), (accepted, refused) in plan.volume.items():
        ENTRIES.labels(family, "accepted").inc(accepted)
        ENTRIES.labels(family, "refused").inc(refused)
    UNVERIFIED.inc(len(plan.unverified))
    CONFLICTS.inc(len(plan.conflicts))
    SIZE.set(plan.size)
    WAITING.set(parking.count)
    WAITING_BYTES.set(parking.bytes)
    STALLED.set(len(parking.stalled(plan.accepted_at)))
