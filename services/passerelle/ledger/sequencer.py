"""The sequencer: which event is next in its stream, what becomes of it, and the plan of one commit.

Synchronous and pure: no clock, no IO, no chance. The caller passes in the batch and the instant, loads what
:meth:`Sequencer.advance` asks for, and commits the plan that :meth:`Sequencer.finish` returns. The state in memory runs
ahead of the database by the plan in hand, and by the one before while its commit is on its way: when a commit fails,
this object is thrown away and made again. What is loaded for a plan while the one before is on its way may be things
only; edges and spent numbers are loaded when it has arrived.
"""

from __future__ import annotations

from collections import deque

from passerelle.core.decide import Accepted, Rejected, Waiting
from passerelle.core.errors import Fatal
from passerelle.core.merkle import Frontier
from passerelle.core.registry import ADMITTED, KeyVerdict
from passerelle.core.streams import Place, StreamHead, advance, place
from passerelle.core.things import Thing
from passerelle.ledger.judging import judge, overdue, rejected
from passerelle.ledger.model import (
    Batch,
    CommitPlan,
    LedgerState,
    Limits,
    Loaded,
    Needs,
    Prepared,
    Spent,
    SpentId,
    StreamId,
    Unverified,
)
from passerelle.ledger.parking import Parking
from passerelle.ledger.plan import PlanBuilder
from passerelle.ledger.prepare import Trees, check_late, read_body, restore
from passerelle.ledger.view import NotLoaded, PlanView, ThingCache
from passerelle.runtime.clock import as_date

_START = StreamHead()


class Sequencer:
    """Stream heads, waiting events, registry and Merkle frontier of the one writer."""

    def __init__(
        self, state: LedgerState, limits: Limits, *, trees: Trees | None = None, things_cached: int = 100_000
    ) -> None:
        """Take over a loaded state. Raises Fatal ``ledger-diverged`` where a stored waiting event is malformed."""
        self.registry = state.registry
        self.size = state.head.size
        self.accepted_at = max(state.head.accepted_at, state.head.floor)
        self.frontier = Frontier(state.head.size, state.head.peaks)
        self.parking = Parking(limits)
        self._heads = state.streams
        self._inbox_numbers = state.inbox_numbers
        self._trees = trees or Trees()
        self._cache = ThingCache(things_cached)
        self._flying: dict[str, Thing] = {}
        self._restored: deque[StreamId] = deque()
        for row in sorted(state.waiting, key=lambda row: row.arrived_at):
            item = restore(row.raw)
            self.parking.add(item, row.arrived_at, first=True)
            if item.stream not in self._restored:
                self._restored.append(item.stream)

    def head_of(self, stream: StreamId) -> StreamHead:
        """Where a stream stands, the plan in hand included."""
        return self._heads.get(stream, _START)

    @property
    def cached(self) -> int:
        """Things that are kept for later plans."""
        return len(self._cache)

    def shed(self) -> None:
        """Give up the things that are kept for later plans. Between two plans only."""
        self._cache.clear()

    # One plan: begin, advance until it needs nothing, finish

    def begin(self, batch: Batch, now_ms: int) -> None:
        """Start a plan at ``now_ms``; its instant is never before an earlier plan's."""
        self.accepted_at = max(self.accepted_at, now_ms)
        self._date = as_date(self.accepted_at)
        self._items = batch.items
        self._at = 0
        self._view = PlanView(self._cache, self._flying)
        self._spent: dict[SpentId, Spent | None] = {}
        self._ready: deque[StreamId] = self._restored
        self._restored = deque()
        self._build = PlanBuilder(self.size, self.accepted_at, self.registry, self._inbox_numbers)
        self._build.plan.offsets = batch.offsets
        self._needs = self._first_needs(batch)
        self._ready.extend(self.parking.overdue(self._next_numbers(), self.accepted_at))

    def _next_numbers(self) -> dict[StreamId, int]:
        return {stream: self.head_of(stream).sequence + 1 for stream in self.parking.lanes}

    def _first_needs(self, batch: Batch) -> Needs:
        """What the batch will surely read, so that one query serves it."""
        needs = Needs()
        keys: set[str] = set()
        for item in batch.items:
            if isinstance(item, Prepared):
                keys |= item.needs
                statement = item.statement
                if statement.sequence <= self.head_of(item.stream).sequence:
                    needs.spent.add((statement.member, statement.family, statement.sequence))
        needs.things = self._view.missing(keys)
        return needs

    def take(self, needs: Needs, loaded: Loaded) -> None:
        """The answer to what :meth:`advance` asked for."""
        self._view.take(needs, loaded)
        for spent in needs.spent:
            self._spent.setdefault(spent, loaded.spent.get(spent))

    @property
    def done(self) -> bool:
        """Whether everything in hand is decided: :meth:`finish` may be called."""
        return not (self._ready or self._needs or self._at < len(self._items))

    def advance(self, most: int | None = None) -> Needs | None:
        """Decide as far as possible; what must be loaded before going on, or None at the end of the batch.

        None also after ``most`` items, so that the caller may look at other things: see :attr:`done`.
        """
        if self._needs:
            needs, self._needs = self._needs, Needs()
            return needs
        end = len(self._items) if most is None else min(len(self._items), self._at + most)
        try:
            while True:
                # Events that wait go first: they came first.
                while self._ready:
                    self._drain(self._ready[0])
                    self._ready.popleft()
                if self._at >= end:
                    return None
                item = self._items[self._at]
                if isinstance(item, Unverified):
                    self._build.unverified(item)
                else:
                    self._place(item)
                self._at += 1
        except NotLoaded as absent:
            return absent.needs

    def finish(self) -> CommitPlan:
        """The plan of what was decided. The memory is ahead of the database until it is committed."""
        for stream in [stream for stream, lane in self.parking.lanes.items() if not lane.events]:
            if self.parking.lanes.pop(stream).dropped:
                self._build.resend_from(stream, self.head_of(stream).sequence + 1)
        for stream, missing in self.parking.asks(self._next_numbers(), self.accepted_at):
            self._build.resend_from(stream, missing)
        plan = self._build.finish(self._view, self.frontier)
        self._cache.put(self._view.held())
        self._flying = self._view.changed
        if plan.members:
            plan.registry = self.registry.snapshot()
        self.size = plan.size
        return plan

    # One item

    def _place(self, item: Prepared) -> None:
        if not item.checked:
            # The key was unknown when the record was prepared; a member event before it may have listed it.
            wrong = check_late(item, self.registry, self._trees)
            if wrong is not None:
                self._build.unverified(wrong)
                return
            read_body(item, self.accepted_at)
        statement, stream = item.statement, item.stream
        head = self.head_of(stream)
        found = place(head, statement, item.digest, lambda spent: self._spent_at(stream, spent).digest)
        if found.place is Place.REPEAT:
            self._build.receipt(*stream, statement.sequence, self._spent_at(stream, statement.sequence))
            return
        if not self._key_holds(item, head):
            return
        if found.place is Place.CONFLICT:
            self._conflict(item, head)
            return
        lane = self.parking.lanes.get(stream)
        parked = lane.events.get(statement.sequence) if lane is not None else None
        if parked is not None:
            # The number waits already: the same statement again changes nothing, another one cannot stand beside it.
            if parked.item.digest != item.digest:
                self._conflict(item, head)
        elif found.place is Place.NEXT:
            if self._decide(item, self.accepted_at) and lane is not None:
                self._ready.append(stream)
        else:
            self._park(item)

    def _spent_at(self, stream: StreamId, sequence: int) -> Spent:
        place_of = (*stream, sequence)
        if place_of not in self._spent:
            raise NotLoaded(Needs(spent={place_of}))
        spent = self._spent[place_of]
        if spent is None:
            raise Fatal(
                "ledger-diverged", "a spent number of a stream has no entry", where="/".join(map(str, place_of))
            )
        return spent

    def _key_holds(self, item: Prepared, head: StreamHead) -> bool:
        """Whether the key is the member's and valid at this position; else the record is nobody's."""
        statement = item.statement
        verdict = self.registry.key_valid(
            statement.member, item.arrived.key_id, self.accepted_at, statement.family, statement.sequence
        )
        if verdict is KeyVerdict.VALID:
            return True
        if verdict is KeyVerdict.UNKNOWN:
            self._build.unverified(Unverified(item.raw, "key-unknown", statement.member))
            return False
        self._build.unverified(Unverified(item.raw, "key-not-valid", statement.member))
        self._build.problem(item.stream, "key-not-valid", statement.sequence, head)
        return False

    def _conflict(self, item: Prepared, head: StreamHead) -> None:
        self._build.conflict(item)
        self._build.problem(item.stream, "sequence-conflict", item.statement.sequence, head)

    def _park(self, item: Prepared) -> None:
        """Let an event wait behind a gap; beyond the bound it is dropped and asked for once."""
        if self.parking.add(item, self.accepted_at, first=False):
            self._build.park(item, self.accepted_at)
            return
        lane = self.parking.lanes[item.stream]
        if not lane.dropped:
            lane.dropped = True
            self._build.resend_from(item.stream, item.statement.sequence)

    # Deciding

    def _decide(self, item: Prepared, arrived_at: int) -> bool:
        """Decide on the next event of its stream; False where it waits (it is then parked). Raises NotLoaded."""
        refusal = item.refusal
        if refusal is not None and refusal.code == "time-ahead" and item.judged_at != self.accepted_at:
            # Only this refusal can change with the instant, which was not known when the body was read.
            read_body(item, self.accepted_at)
            refusal = item.refusal
        verdict: Accepted | Rejected
        if refusal is not None:
            verdict = rejected(refusal)
        else:
            assert item.event is not None
            try:
                found = judge(item.event, self._build.plan.size, self._date, self._view, self.registry)
            except NotLoaded as absent:
                absent.needs.things |= self._view.missing(item.needs)
                raise
            if isinstance(found, Waiting):
                if arrived_at + self.parking.limits.reference_wait_ms > self.accepted_at:
                    self._wait(item, arrived_at, found)
                    return False
                found = overdue(found)
            verdict = found
        self._log(item, verdict)
        return True

    def _wait(self, item: Prepared, arrived_at: int, waiting: Waiting) -> None:
        lane = self.parking.lanes.get(item.stream)
        if lane is None or item.statement.sequence not in lane.events:
            self.parking.add(item, arrived_at, first=True)
            self._build.park(item, arrived_at)
        self.parking.block(item.stream, waiting.key, waiting.where)

    def _log(self, item: Prepared, verdict: Accepted | Rejected) -> None:
        stream, statement = item.stream, item.statement
        spent = self._build.log(item, verdict)
        self._spent[(*stream, statement.sequence)] = spent
        head = self._heads[stream] = advance(statement, item.digest)
        self._build.plan.streams[stream] = head
        if isinstance(verdict, Accepted):
            self._take_effect(item, verdict, spent.index)

    def _take_effect(self, item: Prepared, verdict: Accepted, index: int) -> None:
        event, effects = item.event, verdict.effects
        assert event is not None
        if event.type.family == "member":
            self._member_changed(event.subject, event.type.full, index)
            return
        self._view.apply(effects)
        self._build.effects(item, effects, index)
        for thing in effects.things:
            self._wake(thing.key)

    def _member_changed(self, member: str, kind: str, index: int) -> None:
        plan = self._build.plan
        plan.members = [row for row in plan.members if row[0] != member]
        plan.members.append((member, index, self.registry.member(member).as_dict()))
        if kind == ADMITTED:
            plan.admitted.append(member)
        self._wake(f"member:{member}")

    def _wake(self, key: str) -> None:
        for stream in self.parking.woken(key):
            self.parking.unblock(stream)
            self._ready.append(stream)

    def _drain(self, stream: StreamId) -> None:
        """Decide on the waiting events of a stream as far as they go. May be left by NotLoaded and entered again."""
        lane = self.parking.lanes.get(stream)
        while lane is not None:
            head = self.head_of(stream)
            parked = lane.events.get(head.sequence + 1)
            if parked is None:
                if lane.blocked_on:
                    self.parking.unblock(stream)
                return
            item = parked.item
            if item.statement.prev != head.digest:
                self._unpark(stream, item)
                self._conflict(item, head)
                continue
            if not self._key_holds(item, head):
                self._unpark(stream, item)
                continue
            if item.event is None and item.refusal is None:
                read_body(item, self.accepted_at)
            if not self._decide(item, parked.arrived_at):
                return
            self._unpark(stream, item)

    def _unpark(self, stream: StreamId, item: Prepared) -> None:
        if self.parking.lanes[stream].blocked_on:
            self.parking.unblock(stream)
        self.parking.remove(stream, item.statement.sequence)
        self._build.unpark(item)
