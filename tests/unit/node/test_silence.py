"""What a node says of a ledger that it does not hear."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from passerelle.node.service import Snapshot


def snapshot_of(intake: Any) -> Snapshot:
    quiet: Any = SimpleNamespace(state="relaying", code="", settled=True)
    return Snapshot("humber", quiet, intake, quiet, quiet, quiet, silence_s=900)


def test_silence_is_told_and_ends_with_the_next_checkpoint() -> None:
    intake = SimpleNamespace(state="reading", silent_s=899.0)
    snapshot = snapshot_of(intake)
    for silent_s, said in ((899.0, "heard"), (900.0, "silent"), (950.0, "silent"), (3.0, "heard")):
        intake.silent_s = silent_s
        snapshot._listen()
        assert snapshot.as_dict()["ledger"] == said
        # Silence stops nothing here: what is imported waits, as always.
        assert snapshot.as_dict()["ready"]
