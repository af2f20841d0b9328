"""SQL migrations of the node's own database."""
