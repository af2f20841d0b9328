"""Insight: hourly windows over the ledger's commit summaries. Its state can be thrown away and built again."""
