"""Mappings that come with the node, as starting points."""
