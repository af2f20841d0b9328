"""``python -m passerelle.testing.oracle [--cases N] [--first SEED]``: the fast evaluator against the slow one."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from passerelle.testing.oracle.holding import Tally, run

SHOWN = 10


def main() -> int:
    """Run and tell; exit code 1 where the two differ."""
    parser = argparse.ArgumentParser(prog="python -m passerelle.testing.oracle", description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="transcripts to compare (default 100,000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    chosen = parser.parse_args()
    console = Console(stderr=True)
    with console.status("comparing") as status:

        def told(tally: Tally) -> None:
            if tally.cases % 400 == 0:
                status.update(f"{tally.cases} of {chosen.cases} cases, {len(tally.differences)} differences")

        tally = run(chosen.first, chosen.cases, told)
    for difference in tally.differences[:SHOWN]:
        sys.stdout.write(difference + "\n")
    sys.stdout.write(
        f"{tally.cases} cases from seed {chosen.first}: {tally.verdicts} verdicts ({tally.matches} matches),"
        f" {tally.lookups} look-ups, {tally.contested} transcripts with competition:"
        f" {len(tally.differences)} differences\n"
    )
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
