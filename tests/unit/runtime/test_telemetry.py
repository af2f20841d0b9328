"""Logs: a library that repeats itself is heard sparingly, our own lines always."""

from __future__ import annotations

import logging

from passerelle.runtime.telemetry import MOST_IN_WINDOW, WINDOW_S, SparingFilter


def record(name: str, at: float) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, "connection to %s failed", ("broker",), None)
    made.created = at
    return made


def test_a_noisy_library_is_heard_sparingly_and_what_was_left_out_is_told() -> None:
    sparing = SparingFilter()
    heard = [sparing.filter(record("aiokafka.conn", 100 + number / 100)) for number in range(200)]
    assert heard.count(True) == MOST_IN_WINDOW
    later = record("aiokafka.conn", 100 + WINDOW_S)
    assert sparing.filter(later)
    assert f"({200 - MOST_IN_WINDOW} earlier lines of aiokafka were left out)" in later.getMessage()
    assert sparing.filter(record("aiokafka.client", 100 + WINDOW_S))


def test_our_own_lines_are_never_left_out() -> None:
    sparing = SparingFilter()
    assert all(sparing.filter(record("passerelle.node.relay", 100)) for _ in range(10 * MOST_IN_WINDOW))
