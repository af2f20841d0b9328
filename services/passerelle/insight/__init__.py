"""Insight: statistics over the public feed and the ledger's commit summaries. Its state can be built again."""
