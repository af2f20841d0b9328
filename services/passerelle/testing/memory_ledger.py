"""A ledger without servers: the real preparation and sequencer over plain dictionaries, for tests and simulation."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from passerelle.core.batch import SignedStatement
from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.merkle import Frontier, leaf_hashes, root_from_leaves
from passerelle.core.registry import Registry, from_snapshot
from passerelle.core.streams import StreamHead
from passerelle.core.things import Dependency, Thing
from passerelle.ledger.model import (
    Batch,
    CommitPlan,
    Head,
    LedgerState,
    Limits,
    Loaded,
    Needs,
    Place,
    RawRecord,
    Spent,
    SpentId,
    StreamId,
    WaitingRow,
)
from passerelle.ledger.plan import decode_headers
from passerelle.ledger.prepare import Trees, prepare_all
from passerelle.ledger.sequencer import Sequencer
from passerelle.testing.federation import Federation, record

START_MS = 1_785_000_000_000


class MemoryTables:
    """The ledger's tables as dictionaries, with the rules by which PostgreSQL takes a plan."""

    def __init__(self, federation: Federation) -> None:
        self.head = Head(federation.network, 1, 0, 0, 0, ())
        self.snapshot: dict[str, Any] = Registry(
            federation.network, federation.operator.id, federation.root_public_key
        ).snapshot()
        self.entries: list[tuple[Any, ...]] = []
        self.things: dict[str, Thing] = {}
        self.edges: dict[tuple[str, str, str], Dependency] = {}
        self.streams: dict[StreamId, StreamHead] = {}
        self.spent: dict[SpentId, Spent] = {}
        self.waiting: dict[SpentId, WaitingRow] = {}
        self.inbox: dict[str, list[tuple[str, Any]]] = {}
        self.public: dict[int, bytes] = {}
        self.party: dict[int, tuple[str, list[str], bytes | None]] = {}
        self.refused: dict[int, bytes] = {}
        self.unverified: list[dict[str, Any]] = []
        self.conflicts: list[tuple[Any, ...]] = []
        self.summaries: list[dict[str, Any]] = []
        self.offsets: dict[Place, int] = {}

    def state(self) -> LedgerState:
        """As :meth:`passerelle.ledger.ports.Store.load`."""
        return LedgerState(
            dataclasses.replace(self.head),
            from_snapshot(self.snapshot),
            dict(self.streams),
            list(self.waiting.values()),
            {member: len(rows) for member, rows in self.inbox.items()},
            dict(self.offsets),
        )

    def answer(self, needs: Needs) -> Loaded:
        """As :meth:`passerelle.ledger.ports.Store.answer`."""
        loaded = Loaded()
        loaded.things = {key: self.things[key] for key in needs.things if key in self.things}
        for edge in self.edges.values():
            if edge.on in needs.edges:
                loaded.edges.setdefault(edge.on, []).append(edge)
        loaded.spent = {place: self.spent[place] for place in needs.spent if place in self.spent}
        return loaded

    def commit(self, plan: CommitPlan) -> None:
        """As :meth:`passerelle.ledger.ports.Store.commit`. AssertionError: a plan that PostgreSQL would refuse."""
        if plan.size_before != self.head.size:
            raise Fatal("lease-lost", "another ledger has moved the head")
        self._commit_log(plan)
        for thing in plan.things_new:
            assert thing.key not in self.things, "a new thing exists"
            self.things[thing.key] = thing
        for thing in plan.things_changed:
            assert thing.key in self.things, "a changed thing is absent"
            self.things[thing.key] = thing
        self.edges = {key: edge for key, edge in self.edges.items() if edge.dependent not in plan.undepend}
        self.edges.update(plan.dependencies)
        if plan.registry is not None:
            self.snapshot = orjson.loads(orjson.dumps(plan.registry))
        self.streams.update(plan.streams)
        for gone in plan.waiting_gone:
            del self.waiting[gone]
        for row in plan.waiting_new:
            place = (row[0], row[1], row[2])
            assert place not in self.waiting, "an event waits twice"
            headers = decode_headers(orjson.loads(row[8]))
            self.waiting[place] = WaitingRow(row[3], RawRecord(row[4], row[5], row[6], row[7], headers, row[9]))
        for member, number, kind, _size, index, value, _at in plan.inbox:
            rows = self.inbox.setdefault(member, [])
            assert number == len(rows) + 1, "an inbox has a hole"
            rows.append((kind, self._letter(index) if value is None else orjson.loads(value)))
        self.unverified += [orjson.loads(row[3]) for row in plan.unverified]
        self.conflicts += plan.conflicts
        self.offsets.update(plan.offsets)

    def _commit_log(self, plan: CommitPlan) -> None:
        for row in plan.entries:
            assert row[0] == len(self.entries), "the log has a hole"
            self.entries.append(row)
            refusal = None if row[7] is None else orjson.loads(row[7])
            self.spent[(row[2], row[3], row[4])] = Spent(row[10], row[0], row[6], refusal)
        frontier = Frontier(self.head.size, self.head.peaks)
        frontier.extend(leaf_hashes(row[11] for row in plan.entries))
        assert frontier.peaks == plan.peaks, "the frontier is not that of the entries"
        self.head.size, self.head.accepted_at, self.head.peaks = plan.size, plan.accepted_at, plan.peaks
        self.head.floor = max(self.head.floor, plan.accepted_at)
        self.public.update({index: body for index, _, body in plan.public_bodies})
        self.party.update({index: (subject, parties, body) for index, subject, parties, body in plan.party_bodies})
        self.refused.update({row[0]: row[4] for row in plan.refused_bodies})
        for subject, before in plan.erase:
            for index, (about, parties, _) in self.party.items():
                if about == subject and index < before:
                    self.party[index] = (about, parties, None)
        if plan.summary is not None:
            self.summaries.append(orjson.loads(plan.summary))

    def _letter(self, index: int) -> dict[str, Any]:
        row, (subject, _, body) = self.entries[index], self.party[index]
        text = None if body is None else base64.b64encode(body).decode()
        return {"index": index, "type": row[8], "member": row[2], "subject": subject, "body": text}


class MemoryStore:
    """:class:`passerelle.ledger.ports.Store` over tables in memory. ``failures`` are raised by commits, in order:
    a :class:`Lost` after the plan was applied, anything else before.
    """

    def __init__(self, tables: MemoryTables) -> None:
        self.tables = tables
        self.failures: list[Exception] = []

    async def load(self) -> LedgerState:
        """As the port."""
        return self.tables.state()

    async def answer(self, needs: Needs) -> Loaded:
        """As the port."""
        return self.tables.answer(needs)

    async def commit(self, plan: CommitPlan) -> None:
        """As the port, with the failures asked for."""
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and not isinstance(failure, Lost):
            raise failure
        self.tables.commit(plan)
        if failure is not None:
            raise failure

    async def raise_floor(self, size: int, floor: int) -> None:
        """As the port."""
        if size != self.tables.head.size:
            raise Fatal("lease-lost", "another ledger has moved the head")
        self.tables.head.floor = max(self.tables.head.floor, floor)

    async def root_at(self, size: int) -> bytes:
        """As the port."""
        return root_from_leaves(leaf_hashes(row[11] for row in self.tables.entries[:size]))

    async def close(self) -> None:
        """As the port."""


class Lost(Unavailable):
    """A commit that was applied and whose answer was lost."""

    def __init__(self) -> None:
        super().__init__("commit-unknown", "the connection ended during COMMIT")


class MemoryLedger(MemoryTables):
    """The real preparation and sequencer over tables in memory. ``restart`` forgets what was only in memory."""

    def __init__(self, federation: Federation, limits: Limits | None = None) -> None:
        super().__init__(federation)
        self.limits = limits or Limits()
        self.now = START_MS
        self._offset = 0
        self.restart()

    def restart(self) -> None:
        """Load everything again from what was committed."""
        self.sequencer = Sequencer(self.state(), self.limits)

    # Feeding

    def feed(self, *events: SignedStatement) -> CommitPlan:
        """One batch of these events, committed."""
        return self.feed_records(self.records(events))

    def records(self, events: Iterable[SignedStatement]) -> list[RawRecord]:
        """Events as records at the next offsets."""
        records = []
        for signed in events:
            records.append(record(signed, self._offset))
            self._offset += 1
        return records

    def feed_records(self, records: Sequence[RawRecord]) -> CommitPlan:
        """One batch of these records, committed."""
        items = prepare_all(records, self.sequencer.registry, Trees(), self.now)
        offsets = {(raw.topic, raw.partition): raw.offset + 1 for raw in records}
        return self.step(Batch(items, offsets))

    def step(self, batch: Batch | None = None) -> CommitPlan:
        """Plan and commit a batch, or what time alone brings about."""
        self.sequencer.begin(batch or Batch(), self.now)
        while (needs := self.sequencer.advance()) is not None:
            self.sequencer.take(needs, self.answer(needs))
        plan = self.sequencer.finish()
        self.commit(plan)
        return plan

    def pass_time(self, milliseconds: int) -> CommitPlan:
        """Let the clock go on, then look at what is due."""
        self.now += milliseconds
        return self.step()

    # Looking

    def outcome(self, index: int) -> str:
        """``accepted``, or the code of the refusal, of an entry."""
        code: str | None = self.entries[index][6]
        return code or "accepted"

    @property
    def outcomes(self) -> list[str]:
        """The outcome of every entry."""
        return [self.outcome(index) for index in range(len(self.entries))]

    def letters(self, member: str, kind: str) -> list[Any]:
        """What a member was told, of one kind, in order."""
        return [value for found, value in self.inbox.get(member, []) if found == kind]

    def receipts(self, member: str, family: str) -> list[tuple[int, str]]:
        """(sequence, outcome or code) of every receipt of a stream, in order."""
        return [
            (outcome["sequence"], outcome.get("code", outcome["outcome"]))
            for letter in self.letters(member, "receipts")
            for stream in letter
            if stream["family"] == family
            for outcome in stream["outcomes"]
        ]
