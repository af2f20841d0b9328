"""Agreements in and out of a node: files close to those of transfer guides, as rows of the kind ``recognitions``."""
