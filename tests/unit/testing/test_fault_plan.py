"""What a round's faults are drawn as, and the clock of a process that is launched for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from passerelle.testing.faults.launcher import OFFSET, write_offset
from passerelle.testing.faults.plan import DEFAULT, LINKS, MEANINGS, PAIRS, Shape, draw

SEEDS = st.integers(min_value=0, max_value=1 << 32)


@given(SEEDS)
def test_a_seed_is_always_the_same_round(seed: int) -> None:
    strikes = draw(seed)
    assert strikes == draw(seed)
    assert 1 <= len(strikes) <= 3
    assert [one.at_s for one in strikes] == sorted(one.at_s for one in strikes)
    for one in strikes:
        assert one.pair in PAIRS
        assert 0 <= one.at_s <= DEFAULT.spread_s
        assert DEFAULT.hold_s[0] <= one.for_s <= DEFAULT.hold_s[1]


@given(st.integers(min_value=0, max_value=10_000))
def test_as_many_seeds_in_a_row_as_there_are_pairs_strike_each(first: int) -> None:
    struck = {one.pair for seed in range(first, first + len(PAIRS)) for one in draw(seed)}
    assert struck == set(PAIRS)


@given(SEEDS)
def test_only_what_is_possible_is_drawn(seed: int) -> None:
    possible = PAIRS[:5]
    strikes = draw(seed, Shape(pairs=possible, further=(0,), spread_s=0.5, hold_s=(0.1, 0.2)))
    assert {one.pair for one in strikes} <= set(possible)
    assert len(strikes) == 1
    assert strikes[0].at_s <= 0.5
    assert 0.1 <= strikes[0].for_s <= 0.2


def test_every_fault_is_explained_and_hits_something() -> None:
    assert {kind for kind, _ in PAIRS} == set(MEANINGS)
    assert set(LINKS) <= {target for _, target in PAIRS}
    assert len(set(PAIRS)) == len(PAIRS)


def test_the_clock_of_a_launched_process_follows_its_file(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    write_offset(clock, 0)
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from passerelle.testing.faults.launcher import shift, write_offset\n"
        "from passerelle.runtime.clock import SystemClock\n"
        "path = Path(sys.argv[1])\nright = SystemClock().now_ms\nbefore = right()\nshift(path)\nclock = SystemClock()\n"
        "differences = []\n"
        "for offset in (0, 600_000, -600_000, 0):\n"
        "    write_offset(path, offset)\n"
        "    differences.append(round((clock.now_ms() - before) / 100_000))\n"
        "print(differences)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(clock)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.strip() == "[0, 6, -6, 0]", ran.stderr
    assert clock.read_bytes() == OFFSET.pack(0)
