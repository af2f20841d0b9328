"""Prometheus metrics of the publisher and the checkpoints."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

FEED = Gauge("passerelle_ledger_feed_position", "Entries acked on the feed.")
CHECKPOINT = Gauge("passerelle_ledger_checkpoint_size", "Entries that the latest shown checkpoint covers.")
WATCHERS = Gauge("passerelle_ledger_watchers", "Calls that watch the log now.")
RECENT = Gauge("passerelle_ledger_recent_entries", "Entries of the latest commits that are kept for the feed.")
FAILURES = Counter("passerelle_ledger_publish_failures", "Passes of the publisher that failed and were tried again.")
