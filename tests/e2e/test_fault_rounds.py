"""A dozen rounds of faults in one federation on real servers; ``make faults`` plays as many as one wants."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle.testing.faults.plan import DISK_FULL, Shape, Strike
from passerelle.testing.faults.proxy import Mode
from passerelle.testing.faults.rounds import Load, Round, Totals, play_all

SEEDS = range(12)
LOAD = Load(batch=30, singles=4, rules=2, pause_s=0.1)
QUICK = (
    ("kill", "node"),
    ("kill", "active"),
    ("restart", "active"),
    ("restart", "database"),
    ("take-over", "active"),
    ("clock-ahead", "active"),
    ("clock-behind", "node"),
    (Mode.CUT, "active>broker"),
    (Mode.HOLD_BACK, "active>database"),
    (Mode.REFUSE, "node>broker"),
    (Mode.SPLIT, "active>broker"),
    (DISK_FULL, "database"),
)
"""One fault of each family, without those that are over only after a time-out of half a minute."""
SHORT = Shape(spread_s=0.6, hold_s=(0.4, 1.2), further=(0,), pairs=QUICK)


@pytest.mark.timeout(300)
async def test_a_dozen_rounds_leave_every_promise_true(tmp_path: Path, say: Callable[[str], None]) -> None:
    totals = await play_all(tmp_path, SEEDS, say, load=LOAD, shape=SHORT)
    assert [one.faults for one in totals.failed] == []
    assert len(totals.rounds) == len(SEEDS)
    assert {one.events for one in totals.rounds} == {2 * LOAD.events}
    possible = {pair for pair in QUICK if pair[0] != DISK_FULL or not totals.left_out}
    assert possible <= set(totals.struck), "as many seeds in a row as there are faults strike each"


def test_what_is_told_of_a_run_names_every_fault_and_every_end() -> None:
    strikes = (Strike("kill", "node", 0.5, 1.0, 0), Strike("slow", "node>broker", 1.0, 2.0, 0))
    good, bad = (
        Round(1, strikes, 10, 2.5),
        Round(2, strikes[:1], 10, 3.5, ("a hole",), (("ledger", 1, "lease-lost"),) * 2),
    )
    totals = Totals([good, bad], 7.0)
    assert totals.failed == [bad]
    told = totals.as_dict()
    assert told["struck"] == [
        {"fault": "kill", "target": "node", "count": 2},
        {"fault": "slow", "target": "node>broker", "count": 1},
    ]
    assert told["ended_unasked"] == [{"process": "ledger", "code": 1, "error": "lease-lost", "count": 2}]
    assert (told["rounds"], told["events"], told["failed"]) == (2, 20, [2])
    assert "kill node at 0.5 s; slow node>broker at 1.0 s for 2.0 s" in good.line
    assert "BROKEN: a hole (ledger ended with 1 lease-lost, 2 times)" in bad.line
