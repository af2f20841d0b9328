"""Alarms: the log contradicted itself. Loud, kept in the node's database, open until a person clears them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import prometheus_client
import structlog

from passerelle.core.checkpoint import OpenedCheckpoint
from passerelle.core.errors import code_info
from passerelle.core.evidence import (
    EQUIVOCATION,
    FILE_SUFFIX,
    INCONSISTENCY,
    Evidence,
    build_evidence,
    evidence_name,
    log_note,
)
from passerelle.core.merkle import Path as Hashes
from passerelle.node.witness_ports import Alarm, AlarmStore
from passerelle.runtime.clock import Clock

_LOG = structlog.get_logger(__name__)
FIX: Final = "Keep the evidence, tell every member, and see docs/log.md; then passerelle node witness clear."

_OPEN = prometheus_client.Gauge("passerelle_node_alarms", "Open alarms: the log contradicted itself")


class Alarms:
    """Raises alarms and says which are open. ``folder``: where evidence files go, None for the database only."""

    def __init__(self, store: AlarmStore, clock: Clock, folder: Path | None) -> None:
        self._store = store
        self._clock = clock
        self._folder = folder
        self._told: set[str] = set()
        self.code = ""
        """Code of the newest open alarm; empty while there is none."""

    async def raise_alarm(self, first: OpenedCheckpoint, second: OpenedCheckpoint, hashes: Hashes) -> None:
        """Keep the evidence of a contradiction and tell it; the same one again changes nothing.

        ``first`` is not larger than ``second``; ``hashes``: see :func:`passerelle.core.evidence.contradiction`.
        """
        one, two = log_note(first), log_note(second)
        size, equal = second.checkpoint.size, first.checkpoint.size == second.checkpoint.size
        if equal:
            # One order for two notes of one size, so that meeting them the other way round is the same evidence.
            one, two = sorted((one, two))
        evidence = build_evidence(Evidence(one, two, hashes))
        code = EQUIVOCATION if equal else INCONSISTENCY
        alarm = Alarm(evidence_name(evidence), code, size, evidence, self._clock.now_ms())
        if await self._store.raise_alarm(alarm):
            what = f"the log contradicted itself, up to size {size}: alarm {alarm.name}"
            await self._store.add_problem(code, what, FIX, alarm.raised_at)
        await self.refresh()

    async def refresh(self) -> bool:
        """Read the open alarms again, tell those not told since the start; whether there are any."""
        found = await self._store.alarms(open_only=True)
        _OPEN.set(len(found))
        self.code = found[0].code if found else ""
        for alarm in found:
            if alarm.name not in self._told:
                self._tell(alarm)
        self._told = {alarm.name for alarm in found}
        return bool(found)

    def _tell(self, alarm: Alarm) -> None:
        place = self._write(alarm)
        what = code_info(alarm.code).meaning
        _LOG.error("ALARM", code=alarm.code, what=what, size=alarm.size, alarm=alarm.name, evidence=place, fix=FIX)

    def _write(self, alarm: Alarm) -> str:
        """Write the evidence file unless it is there; where it lies."""
        if self._folder is None:
            return "database"
        path = self._folder / f"{alarm.name}{FILE_SUFFIX}"
        try:
            write_evidence(path, alarm.evidence)
        except OSError as error:
            # The evidence is safe in the database, and the alarm is told all the same.
            _LOG.error("the evidence file was not written", path=str(path), error=error.strerror)
            return "database"
        return str(path)


def write_evidence(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_bytes(data)
    scratch.replace(path)
