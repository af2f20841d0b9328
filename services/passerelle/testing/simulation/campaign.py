"""Many seeds, and what is told of one that failed: the smallest plan that still fails, and the end of its trace."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from passerelle.testing.simulation.faults import pairs
from passerelle.testing.simulation.run import Outcome, play

SHRINK_RUNS: Final = 60
"""Most runs that are spent on making a failure small."""
TRACE_TAIL: Final = 40
COLLECT_EVERY: Final = 10
"""Seeds between two searches for cycles of objects: each run leaves some, and memory that grows is slow memory."""


@dataclass(slots=True)
class Totals:
    """What a campaign did. ``covered`` counts the faults that struck, by (kind, point)."""

    seeds: int = 0
    entries: int = 0
    faults: int = 0
    covered: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.seeds += 1
        self.entries += outcome.size
        self.faults += len(outcome.struck)
        self.covered.update((fault.kind, fault.point) for fault in outcome.struck)
        if outcome.violation is not None:
            self.failed.append(outcome)

    @property
    def missing(self) -> list[tuple[str, str]]:
        """(kind, point) that never struck."""
        return [pair for pair in pairs() if pair not in self.covered]


def run(
    seeds: Iterable[int],
    *,
    mutant: str = "",
    most_failures: int = 1,
    told: Callable[[Totals], None] = lambda _totals: None,
) -> Totals:
    """Play seeds until so many have failed. ``told`` hears of every run."""
    totals = Totals()
    with _few_collections() as collect:
        for seed in seeds:
            totals.add(play(seed, mutant=mutant))
            told(totals)
            if len(totals.failed) >= most_failures:
                break
            if totals.seeds % COLLECT_EVERY == 0:
                collect()
    return totals


@contextmanager
def _few_collections() -> Iterator[Callable[[], int]]:
    was = gc.isenabled()
    gc.disable()
    # What is there already, modules above all, is not searched each time.
    gc.freeze()
    try:
        yield gc.collect
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


def shrink(failed: Outcome) -> Outcome:
    """The same violation with as few faults as can be found by leaving out one after the other."""
    assert failed.violation is not None
    invariant, smallest, left = failed.violation.invariant, failed, SHRINK_RUNS
    at = 0
    while at < len(smallest.plan) and left:
        left -= 1
        plan = smallest.plan[:at] + smallest.plan[at + 1 :]
        found = play(failed.seed, mutant=failed.mutant, plan=plan)
        if found.violation is not None and found.violation.invariant == invariant:
            smallest = found
        else:
            at += 1
    return smallest


def report(failed: Outcome, smallest: Outcome, *, whole: bool = False) -> Iterator[str]:
    """Lines for people: seed, invariant, the faults that it takes, and the end of the trace, or all of it."""
    assert smallest.violation is not None
    yield f"seed={failed.seed}" + (f" mutant={failed.mutant}" if failed.mutant else "")
    yield f"invariant {smallest.violation.invariant}: {smallest.violation.what}"
    yield f"faults that it takes ({len(smallest.plan)} of {len(failed.plan)}):"
    yield from (f"  {fault}" for fault in smallest.plan)
    trace = smallest.trace if whole else smallest.trace[-TRACE_TAIL:]
    yield f"trace ({len(trace)} of {len(smallest.trace)} steps; virtual seconds, process, call, error):"
    yield from lines(trace)


def lines(trace: Iterable[tuple[float, str, str, str]]) -> Iterator[str]:
    """A trace for people."""
    for at, who, what, outcome in trace:
        yield f"  {at:9.4f}  {who:16}  {what}" + (f"  {outcome}" if outcome else "")
