"""Running ``ledger check`` over one snapshot, and ``ledger rebuild`` over another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal, FormatError, Refused
from passerelle.core.note import VerifierKey
from passerelle.core.registry import Registry
from passerelle.core.statement import digest
from passerelle.events.codec import Event, parse_event
from passerelle.ledger.check import EntryChecker, Fault, Findings
from passerelle.ledger.check_letters import LetterChecker
from passerelle.ledger.check_ports import CheckStore, EntryRow, HeadRow, LetterStore, RestStore
from passerelle.ledger.check_rest import RestChecker
from passerelle.ledger.check_signatures import SignaturePool, Signed
from passerelle.ledger.check_tree import TreeChecker
from passerelle.ledger.replay import Logged, Replay
from passerelle.runtime.clock import Clock, as_date, as_datetime

AHEAD: Final = 4
"""Chunks whose signatures may be under way while later ones are checked."""

Progress = Callable[[int, int], None]
"""Called with the entries done and the size of the log."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked, how many, how long, and what was wrong. ``size`` is the log's size in the snapshot."""

    network: str
    size: int
    root: bytes
    seconds: float
    counts: Mapping[str, int]
    faults: Sequence[Fault]
    fault_count: int

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return self.fault_count == 0

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "network": self.network,
            "size": self.size,
            "root": self.root.hex(),
            "seconds": round(self.seconds, 3),
            "counts": dict(self.counts),
            "sound": self.sound,
            "fault_count": self.fault_count,
            "faults": [{"code": fault.code, "where": fault.where, "what": fault.what} for fault in self.faults],
        }


class Snapshot(CheckStore, LetterStore, RestStore, Protocol):
    """Everything that a check reads, in one snapshot."""


async def run_check(
    store: Snapshot,
    registry: Registry,
    keys: Sequence[VerifierKey],
    clock: Clock,
    progress: Progress | None = None,
    *,
    any_wording: bool = False,
) -> Report:
    """Check everything. ``registry`` is the empty one of the network; ``keys`` are the log's verifier keys.

    Without keys the one that the operator's own admission lists is taken. With ``any_wording`` the texts of refusals
    may be another release's. Raises ConfigError, Unavailable, and Fatal ``config-mismatch`` where the database is of
    another network.
    """
    started = clock.monotonic()
    findings = Findings()
    head = await _head(store, registry.network)
    entries = EntryChecker(registry, findings)
    with SignaturePool() as pool:
        tree = await _check_entries(store, entries, pool, keys, head, progress)
    await tree.finish(head)
    _check_head(head, entries.accepted_at, findings)
    await _check_bodies(store, entries, findings)
    await _check_models(store, entries.replay, findings)
    positions, now_ms = await store.published(), clock.now_ms()
    refilled, feed = positions.get("refilled", 0), positions.get("feed", 0)
    await LetterChecker(store, entries, findings, now_ms=now_ms, refilled=refilled, feed=feed).run()
    await RestChecker(store, entries, head, findings, now_ms=now_ms).run(positions, tree.largest)
    _check_wording(entries, findings, any_wording=any_wording)
    return Report(
        registry.network,
        tree.frontier.size,
        tree.frontier.root(),
        clock.monotonic() - started,
        findings.counts,
        findings.faults,
        findings.fault_count,
    )


async def _check_entries(
    store: Snapshot,
    entries: EntryChecker,
    pool: SignaturePool,
    keys: Sequence[VerifierKey],
    head: HeadRow,
    progress: Progress | None,
) -> TreeChecker:
    """Entries and tree, chunk by chunk; the signatures of one chunk are verified while the next is checked."""
    registry, findings = entries.replay.registry, entries.findings
    tree: TreeChecker | None = None
    under_way: deque[tuple[list[Signed], asyncio.Future[bytes]]] = deque()
    async for rows in store.entries():
        for row in rows:
            entries.take(row)
        pending, entries.pending = entries.pending, []
        under_way.append((pending, pool.start(pending)))
        tree = tree or TreeChecker(store, keys or _listed_keys(registry), registry.network, findings)
        await tree.take([row.entry for row in rows])
        if notices := entries.hand_over():
            await store.expect_notices(notices)
        while len(under_way) > AHEAD:
            await _settle(entries, *under_way.popleft())
        if progress is not None:
            progress(entries.replay.size, head.size)
    while under_way:
        await _settle(entries, *under_way.popleft())
    entries.tell_counts()
    return tree or TreeChecker(store, keys, registry.network, findings)


async def _settle(entries: EntryChecker, pending: list[Signed], work: asyncio.Future[bytes]) -> None:
    entries.settle(pending, await work)


def _check_wording(entries: EntryChecker, findings: Findings, *, any_wording: bool) -> None:
    """What no receipt bears out must be what this release would say."""
    for index in sorted(entries.reworded):
        if any_wording:
            findings.add("refusal texts of another release")
            continue
        what = "column refusal is not what this release tells (--any-wording takes those of another)"
        findings.fault("ledger-diverged", f"index {index}", what)


async def _head(store: CheckStore, network: str) -> HeadRow:
    head = await store.head()
    if head is None:
        raise Fatal("config-mismatch", "the database holds no ledger yet", where="ledger.head")
    if head.network != network:
        raise Fatal("config-mismatch", "the database is of another network than the configuration", where="ledger.head")
    return head


def _listed_keys(registry: Registry) -> list[VerifierKey]:
    """The log's key as the operator's own admission lists it."""
    own = registry.members.get(registry.operator)
    text = own.details.get("log_vkey") if own is not None else None
    return [VerifierKey.parse(text)] if isinstance(text, str) else []


def _check_head(head: HeadRow, accepted_at: int, findings: Findings) -> None:
    if head.accepted_at < accepted_at:
        findings.fault("ledger-diverged", "head", "accepted_at is before that of the last entry")
    if head.floor < head.accepted_at:
        findings.fault("ledger-diverged", "head", "the floor is below the last entry")


async def _check_bodies(store: CheckStore, entries: EntryChecker, findings: Findings) -> None:
    for place in await store.stray_bodies():
        findings.fault("ledger-diverged", place, "a body belongs to no entry")
    erased = entries.replay.erased
    for subject, index in entries.missing.items():
        if erased.get(subject, -1) < index:
            findings.fault("body-absent", f"index {index}", "a party body is gone though its subject was not erased")
    for index in await store.kept_bodies(erased):
        findings.fault("body-withdrawn", f"index {index}", "a body is still held though its subject was erased")


async def _check_models(store: CheckStore, replay: Replay, findings: Findings) -> None:
    findings.add("things", len(replay.state.things) - len(replay.state.ghosts))
    findings.add("dependencies", len(replay.state.edges()))
    findings.add("members", len(replay.members))
    findings.add("streams", len(replay.streams))
    if replay.state.ghosts:
        findings.add("things not compared, their bodies being withdrawn", len(replay.state.ghosts))
    for difference in await store.compare(replay):
        what = f"{difference.count} rows of the read model differ from the rebuild: {', '.join(difference.first)}"
        findings.fault("ledger-diverged", difference.table, what)


async def replay_all(store: CheckStore, registry: Registry, progress: Progress | None = None) -> Replay:
    """The read models from the recorded outcomes, nothing decided again. Raises Fatal where the log cannot be read."""
    head = await _head(store, registry.network)
    replay = Replay(registry)
    async for rows in store.entries():
        for row in rows:
            replay.take(logged_of(row, replay.size))
        if progress is not None:
            progress(replay.size, head.size)
    if replay.size != head.size:
        raise Fatal("ledger-diverged", f"the head says {head.size} and {replay.size} entries are held", where="head")
    return replay


def logged_of(row: EntryRow, expected: int) -> Logged:
    """The entry as a rebuild takes it. Raises Fatal ``ledger-diverged`` where it is another than ``expected``."""
    where = f"index {row.index}"
    if row.index != expected:
        raise Fatal("ledger-diverged", "an entry is missing", where=f"index {expected}")
    try:
        entry = parse_entry(row.entry)
        statement = entry.parsed()
    except FormatError as error:
        raise Fatal("ledger-diverged", f"the entry cannot be read: {error.what}", where=where) from None
    event: Event | None = None
    body = next((item.body for item in row.bodies if item.body is not None), None)
    if entry.accepted and body is not None:
        if digest(body) != statement.body_sha256:
            raise Fatal("ledger-diverged", "the body is not the one that was signed", where=where)
        try:
            event = parse_event(
                body,
                member=statement.member,
                family=statement.family,
                visibility=statement.visibility,
                now=as_datetime(entry.accepted_at),
            )
        except Refused as refused:
            raise Fatal("ledger-diverged", f"an accepted body cannot be read: {refused.what}", where=where) from None
    return Logged(
        row.index,
        entry,
        statement,
        digest(entry.statement),
        as_date(entry.accepted_at),
        row.type or "",
        row.subject or "",
        event,
    )
