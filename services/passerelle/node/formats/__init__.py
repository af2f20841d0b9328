"""The file formats that a node reads: each gives rows under the node's own column names (docs/csv.md)."""
