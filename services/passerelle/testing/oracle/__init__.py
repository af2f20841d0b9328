"""A slow evaluator of equivalency rules, obviously right, and what holds the fast one against it."""
