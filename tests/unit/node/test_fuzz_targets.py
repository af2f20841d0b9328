"""The parsers that ``make fuzz`` fuzzes by coverage, here with some examples each: rows, or a typed error."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.targets import TARGETS, seeds, told

SEEDS = seeds()
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Some bytes replaced, doubled, cut or put in."""
    edits = st.lists(
        st.tuples(st.integers(0, len(content)), st.integers(0, 12), st.binary(max_size=12)), min_size=1, max_size=4
    )

    def applied(found: list[tuple[int, int, bytes]]) -> bytes:
        spoilt = content
        for place, length, new in found:
            spoilt = spoilt[:place] + new + spoilt[place + length :]
        return spoilt

    return edits.map(applied)


def test_every_target_has_inputs_to_begin_from() -> None:
    assert SEEDS.keys() == TARGETS.keys()
    assert all(SEEDS.values())


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in {"pesc-answer", "open-badges-2", "cells"}])
def test_what_a_target_begins_from_is_taken(tmp_path: Path, name: str) -> None:
    assert not [data for data in SEEDS[name] if told(name, data, tmp_path / "input")]


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_input_ends_in_rows_or_in_a_typed_error(tmp_path: Path, name: str) -> None:
    @FEW
    @given(st.one_of(st.binary(max_size=120), st.text(max_size=60).map(str.encode), *map(damaged, SEEDS[name])))
    def run(data: bytes) -> None:
        assert told(name, data, tmp_path / "input") in {True, False}

    run()
