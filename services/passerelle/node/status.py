"""What the node says about itself: a table that a person reads in five seconds, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from passerelle.node.jobs import Job
from passerelle.node.messages import signing_keys
from passerelle.node.ports import CaseStore, OutboxStore, StatusStore
from passerelle.node.records import Record, RecordKeys
from passerelle.node.watching import folder_counts

MAX_HELD: Final = 100
MAX_JOBS: Final = 10


class StatusSource(StatusStore, OutboxStore, Protocol):
    """Counts, the registry's records, and files that came by a folder or over HTTP."""

    async def open_jobs(self) -> int:
        """How many pushed files wait or are being taken."""

    async def latest_jobs(self, limit: int) -> list[Job]:
        """The files that came last, newest first."""


async def node_status(
    store: StatusSource, *, member: str, key_id: str, now_ms: int, watched: Sequence[Path] = ()
) -> dict[str, Any]:
    """Streams with counts and lag (milliseconds), totals, what is held and why, problems, admission, checkpoint; of the
    ``watched`` folders how many files wait, are being taken and failed; the latest files that came by themselves.
    """
    streams = [_stream(row, now_ms) for row in await store.streams()]
    record = await store.own_record(member)
    stopping = await store.stopping_problem()
    return {
        "member": member,
        "admitted": record is not None,
        "standing": None if record is None else record.get("status"),
        "key_shown": key_id in signing_keys(record, now_ms),
        "relay": "stopped" if stopping is not None else "ready",
        "totals": {
            name: sum(row[name] for row in streams) for name in ("published", "accepted", "waiting", "held", "refused")
        },
        "streams": streams,
        "held": [_held(row) for row in await store.held(MAX_HELD)],
        "problems": [dict(row) for row in await store.problems()],
        "checkpoint": await store.checkpoint(),
        "watched": [folder_counts(folder) for folder in watched],
        "pushes_waiting": await store.open_jobs(),
        "imports": [_import(job) for job in await store.latest_jobs(MAX_JOBS)],
    }


def _import(job: Job) -> dict[str, Any]:
    report = job.report or {}
    counts = {name: report.get(name, 0) for name in ("rows", "new", "changed", "unchanged", "refused")}
    code = job.error["code"] if job.error is not None else None
    return {"id": job.id, "source": job.source, "file": job.name, "state": job.state, "code": code, **counts}


def _stream(row: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    released = row["oldest_released_at"]
    return {
        "family": row["family"],
        "published": row["sequence"],
        "accepted": row["accepted"],
        "waiting": row["waiting"],
        "held": row["held"],
        "refused": row["refused"],
        "lag_ms": None if released is None else max(0, now_ms - released),
        "resent": row["attempts"],
    }


def _held(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": row["type"], "subject": row["subject"], "waits_for": list(row["waits_for"])}


KINDS: Final = ("credential", "assessment", "achievements", "recognitions", "organisations", "frameworks", "result")


async def find_records(
    store: CaseStore, keys: RecordKeys, office_ids: Sequence[str], *, member: str
) -> list[dict[str, Any]]:
    """What became of these office record ids, of whatever kind; the node knows their keyed hashes only."""
    spellings = {full: one for one in office_ids for full in (one, f"{member}/{one}")}
    named = {keys.key(kind, full): one for full, one in spellings.items() for kind in KINDS}
    held = await store.records_by_key(list(named))
    return [
        {
            "record": named[key],
            "kind": record.kind,
            "thing": record.thing,
            "version": record.current.version if record.current else None,
            "status": record.current.status if record.current else "",
            "state": _state(record),
        }
        for key, record in sorted(held.items(), key=lambda item: (named[item[0]], item[1].kind))
    ]


def _state(record: Record) -> str:
    if record.current is None:
        return "refused"
    return "accepted" if record.current == record.accepted else "waiting"


def settled(status: Mapping[str, Any]) -> bool:
    """Whether everything sent was answered and nothing is held back."""
    totals = status["totals"]
    return bool(totals["waiting"] == 0 and totals["held"] == 0)
