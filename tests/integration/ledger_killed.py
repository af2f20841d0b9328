"""A ledger process that ends itself with SIGKILL at a named point of its n-th commit.

Arguments: folder, brokers, database, network, point (``before``, ``written``, ``committed`` or ``never``), n.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from passerelle.ledger.main import LedgerProcess
from passerelle.ledger.model import CommitPlan
from passerelle.ledger.ports import Parts
from passerelle.ledger.postgres import store as store_module
from passerelle.ledger.postgres.commit import write
from passerelle.runtime.process import run_process
from passerelle.testing.federation import Federation
from passerelle.testing.running_ledger import make_config

POINTS = ("before", "written", "committed")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, commits: int) -> None:
    """Replace the store and its writing so that the point is met."""
    left = [commits]

    async def write_and_die(session: Any, generation: int, plan: CommitPlan) -> None:
        left[0] -= 1
        if left[0] == 0 and point == "before":
            die()
        await write(session, generation, plan)
        if left[0] == 0 and point == "written":
            die()

    class Killed(store_module.PostgresStore):
        async def commit(self, plan: CommitPlan) -> None:
            await super().commit(plan)
            if left[0] == 0 and point == "committed":
                die()

    setattr(store_module, "write", write_and_die)  # noqa: B010 - a name that the module only imports
    setattr(sys.modules[LedgerProcess.__module__], "PostgresStore", Killed)  # noqa: B010 - likewise


def main() -> int:
    folder, brokers, database, network, point, commits = sys.argv[1:]
    config = make_config(Path(folder), brokers, database, Federation(network), batch_max=150)
    arm(point, int(commits))
    return run_process(lambda: LedgerProcess(config, make_parts=lambda _shared: Parts()))


if __name__ == "__main__":
    sys.exit(main())
