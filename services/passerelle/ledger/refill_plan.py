"""The plans of a refill: entries of the feed with their recorded outcomes, as the very commits that they once were.

Pure as the sequencer: the caller gives the entries of one instant, loads what :meth:`Refiller.advance` asks for and
commits what :meth:`Refiller.finish` returns. Every entry is verified; nothing is decided again: the outcome that the
log holds is applied, and the entry that comes of it must be the feed's, byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn, cast

import structlog

from passerelle.core.batch import SignedStatement
from passerelle.core.decide import Accepted, Rejected, Waiting
from passerelle.core.decide.context import Missing
from passerelle.core.decide.engine import apply as apply_event
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import Fatal, FormatError, Refused, SignatureInvalid, code_info
from passerelle.core.merkle import Frontier
from passerelle.core.registry import ADMITTED, KeyVerdict, from_snapshot
from passerelle.core.registry import apply as apply_member
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.core.streams import StreamHead, advance
from passerelle.core.things import Effects, Occurrence
from passerelle.ledger.judging import judge, overdue, rejected
from passerelle.ledger.model import CommitPlan, LedgerState, Loaded, Needs, Place, Prepared, RawRecord
from passerelle.ledger.plan import PlanBuilder
from passerelle.ledger.prepare import read_body, restore
from passerelle.ledger.refill_letters import InboxRow, Told
from passerelle.ledger.refill_ports import Coordinates, FeedRecord
from passerelle.ledger.signatures import EntrySignatures
from passerelle.ledger.view import NotLoaded, PlanView, ThingCache
from passerelle.runtime.clock import as_date

_START: Final = StreamHead()
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry of the feed as read; ``body`` is None while it is not held."""

    index: int
    data: bytes
    entry: Entry
    statement: Statement
    place: Coordinates
    body: bytes | None

    @property
    def needs_body(self) -> bool:
        """Whether the entry cannot be applied without its body: that of a refused event is kept for 30 days only."""
        return self.body is None and self.entry.accepted


def recorded(record: FeedRecord) -> Recorded:
    """Read a feed record; its body, where it has one, is held against the statement. Raises Fatal."""
    try:
        entry = parse_entry(record.entry)
        statement, place = entry.parsed(), record.coordinates
    except (FormatError, ValueError) as error:
        _diverged(f"an entry on the feed cannot be read: {type(error).__name__}", record.index)
    body = record.body or None
    if body is not None and digest(body) != statement.body_sha256:
        _diverged("the body on the feed is not the one that was signed", record.index)
    return Recorded(record.index, record.entry, entry, statement, place, body)


class Offsets:
    """Which records of one ingress partition are accounted for: all below ``next``, and runs beyond it."""

    __slots__ = ("_ends", "_starts", "next")

    def __init__(self, following: int) -> None:
        self.next = following
        # Each run beyond ``next`` by its start and by its end; neighbouring runs are joined.
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}

    def add(self, offset: int) -> None:
        """The record at ``offset`` stands in the log."""
        if offset < self.next:
            return
        start = self._starts.pop(offset, offset)
        end = self._ends.pop(offset + 1, offset + 1)
        if start <= self.next:
            self.next = end
            self._starts.pop(end, None)
            return
        self._ends[start], self._starts[end] = end, start


class _Builder(PlanBuilder):
    """A plan builder that also takes an accepted event whose body is gone for good."""

    def _keep_body(self, item: Prepared, index: int, effects: Effects) -> None:
        if item.body or item.event is not None:
            super()._keep_body(item, index, effects)
        elif item.statement.visibility == PUBLIC:
            self.plan.public_bodies.append(cast(Any, (index, item.statement.body_sha256, None)))
        else:
            self.plan.party_bodies.append(cast(Any, (index, "", [item.statement.member], None)))


class Refiller:
    """Stream heads, registry, things and tree while the log is written again."""

    def __init__(
        self,
        state: LedgerState,
        told: Told,
        beginnings: Mapping[Place, int],
        *,
        goal: int,
        things_cached: int,
        lossy: bool = False,
    ) -> None:
        """``state`` is what the database holds; ``beginnings`` the first offset still there of each ingress partition;
        ``goal`` the log's size when all is filled: no letter goes out before that.

        With ``lossy`` an accepted entry may lack its body: its effects are left out, and those of what rests on it.
        """
        self.registry = state.registry
        self.size = state.head.size
        self.frontier = Frontier(state.head.size, state.head.peaks)
        self.lost = 0
        self._goal = goal
        self._lossy = lossy
        self._told = told
        self._accepted_at = state.head.accepted_at
        self._heads = state.streams
        self._numbers = state.inbox_numbers
        self._waiting = {_place_of(row.raw) for row in state.waiting}
        self._cache = ThingCache(things_cached)
        self._signatures = EntrySignatures()
        self._offsets = {place: Offsets(max(state.offsets.get(place, 0), first)) for place, first in beginnings.items()}
        self._offsets_before = dict(state.offsets)

    # One plan: begin, advance until it needs nothing, finish

    def begin(self, entries: Sequence[Recorded]) -> None:
        """Start a plan of these entries, which follow the log and share one ``accepted_at``."""
        accepted_at = entries[0].entry.accepted_at
        if accepted_at < self._accepted_at:
            _diverged("accepted_at is earlier than that of the entry before", entries[0].index)
        self._accepted_at = accepted_at
        self._date = as_date(accepted_at)
        self._entries = entries
        self._at = 0
        self._items = [_item_of(found) for found in entries]
        self._view = PlanView(self._cache, {})
        # All that the entries will surely read, so that one query serves them.
        self._needs = Needs(things=self._view.missing({key for item in self._items for key in item.needs}))
        self._letters: dict[str, int] = {}
        self._build = _Builder(self.size, accepted_at, self.registry, self._letters)

    def take(self, needs: Needs, loaded: Loaded) -> None:
        """The answer to what :meth:`advance` asked for."""
        self._view.take(needs, loaded)

    def advance(self) -> Needs | None:
        """Apply as far as possible; what must be loaded before going on, or None at the end.

        Raises Fatal ``ledger-diverged`` for what does not verify or cannot be applied.
        """
        if self._needs:
            needs, self._needs = self._needs, Needs()
            return needs
        try:
            while self._at < len(self._entries):
                self._apply(self._entries[self._at], self._items[self._at])
                self._at += 1
        except NotLoaded as absent:
            return absent.needs
        return None

    def finish(self) -> CommitPlan:
        """The plan; its letters are those that nobody was told yet, numbered after the last ones told."""
        plan = self._build.finish(self._view, self.frontier)
        self._cache.put(self._view.held())
        if plan.members:
            plan.registry = self.registry.snapshot()
        plan.refused_bodies = [row for row in plan.refused_bodies if row[4]]
        rows = self._told.rest(cast(list[InboxRow], plan.inbox))
        plan.inbox, plan.inbox_heads = [], {}
        for member, _, kind, _, index, value, at in rows:
            number = self._numbers.get(member, 0) + 1
            self._numbers[member] = plan.inbox_heads[member] = number
            # Behind letters that were told already, in number, in size and in time.
            at = max(at, self._told.latest(member))
            plan.inbox.append((member, number, kind, self._goal, index, value, at))
        plan.offsets = {
            place: offsets.next
            for place, offsets in self._offsets.items()
            if offsets.next != self._offsets_before.get(place, 0)
        }
        self._offsets_before.update(plan.offsets)
        self.size = plan.size
        return plan

    # One entry

    def _apply(self, found: Recorded, item: Prepared) -> None:
        self._check(found, item)
        if found.entry.accepted:
            verdict: Accepted | Rejected = Accepted(self._effects(found, item))
        else:
            verdict = self._refusal(found, item)
        self._log(found, item, verdict)

    def _check(self, found: Recorded, item: Prepared) -> None:
        """Order, link, key and signature, and that what must be held is held."""
        index, entry, statement = found.index, found.entry, found.statement
        if index != self._build.plan.size:
            _diverged("the entries do not follow the log", index)
        if statement.network != self.registry.network:
            _diverged("the statement is of another network", index)
        head = self._heads.get(item.stream, _START)
        if (statement.sequence, statement.prev) != (head.sequence + 1, head.digest):
            _diverged("the statement does not follow its stream", index)
        key = self.registry.key_for(entry.key_id)
        verdict = self.registry.key_valid(
            statement.member, entry.key_id, entry.accepted_at, statement.family, statement.sequence
        )
        if key is None or verdict is not KeyVerdict.VALID:
            _diverged(f"the key of the entry was {verdict.value} for its member here", index)
        try:
            self._signatures.check(entry, statement, key[1].public_key)
        except SignatureInvalid as error:
            _diverged(f"the entry does not verify: {error.what}", index)
        if entry.accepted and item.refusal is not None:
            _diverged(f"an accepted body cannot be read: {item.refusal.what}", index)
        if found.needs_body and not self._lossy:
            raise Fatal("body-absent", "the body of an accepted entry is not held", where=f"feed index {index}")

    def _effects(self, found: Recorded, item: Prepared) -> Effects:
        """What the accepted event changes; raises NotLoaded. A member event changes the registry."""
        event = item.event
        if event is None:
            self._lose(found.index, "its body is gone")
            return Effects()
        try:
            if event.type.family == "member":
                apply_member(self.registry, found.index, event.type.full, event.data)
                return Effects()
            occurrence = Occurrence(event.member, event.type.full, event.subject, event.data, found.index, self._date)
            return apply_event(occurrence, self._view, self.registry)
        except (Refused, Missing) as error:
            if not self._lossy or event.type.family == "member":
                _diverged(f"the recorded acceptance cannot be applied: {error}", found.index)
            self._lose(found.index, "it rests on facts that are gone")
            return Effects(parties=(event.member,))

    def _lose(self, index: int, why: str) -> None:
        self.lost += 1
        _LOG.warning("an entry is kept without its effects", index=index, why=why)

    def _refusal(self, found: Recorded, item: Prepared) -> Rejected:
        """What the sender was told: found by deciding again, where that gives the recorded code; raises NotLoaded."""
        code = found.entry.refusal
        verdict: Accepted | Rejected | Waiting | None = None
        if item.refusal is not None:
            verdict = rejected(item.refusal)
        elif item.event is not None:
            # On a copy: only what was recorded may change the registry.
            member = item.event.type.family == "member"
            registry = from_snapshot(self.registry.snapshot()) if member else self.registry
            verdict = judge(item.event, found.index, self._date, self._view, registry)
        if isinstance(verdict, Waiting):
            verdict = overdue(verdict)
        if isinstance(verdict, Rejected) and verdict.code == code:
            return verdict
        return Rejected(code, code_info(code).meaning, "", "")

    def _log(self, found: Recorded, item: Prepared, verdict: Accepted | Rejected) -> None:
        build, event, stream = self._build, item.event, item.stream
        spent = build.log(item, verdict)
        if build.plan.entries[-1][11] != found.data:
            _diverged("the entry on the feed is not the one that its parts make", found.index)
        head = self._heads[stream] = advance(found.statement, item.digest)
        build.plan.streams[stream] = head
        place = (*stream, head.sequence)
        if place in self._waiting:
            self._waiting.discard(place)
            build.plan.waiting_gone.append(place)
        topic, partition, offset = found.place
        offsets = self._offsets.get((topic, partition))
        if offsets is not None:
            offsets.add(offset)
        if not isinstance(verdict, Accepted) or event is None:
            return
        if event.type.family == "member":
            self._member_changed(event.subject, event.type.full, spent.index)
            return
        self._view.apply(verdict.effects)
        build.effects(item, verdict.effects, spent.index)

    def _member_changed(self, member: str, kind: str, index: int) -> None:
        plan = self._build.plan
        plan.members = [row for row in plan.members if row[0] != member]
        plan.members.append((member, index, self.registry.member(member).as_dict()))
        if kind == ADMITTED:
            plan.admitted.append(member)


def _item_of(found: Recorded) -> Prepared:
    """The entry as the event that it was made from: the same headers, and the body where it is held."""
    entry = found.entry
    signed = SignedStatement(
        entry.statement,
        b"",
        entry.batch_size,
        entry.batch_index,
        entry.batch_path,
        entry.batch_signature,
        entry.key_id,
    )
    headers: Sequence[tuple[str, bytes | None]] = [*signed.headers()]
    item = restore(RawRecord(*found.place, found.statement.member.encode("ascii"), headers, found.body))
    if found.body is not None:
        read_body(item, entry.accepted_at)
    return item


def _place_of(raw: RawRecord) -> tuple[str, str, int]:
    """The place in its stream of a stored waiting event."""
    item = restore(raw)
    return (*item.stream, item.statement.sequence)


def _diverged(what: str, index: int) -> NoReturn:
    raise Fatal(
        "ledger-diverged",
        what,
        where=f"feed index {index}",
        fix="Stop for good: keep the database, the feed and the checkpoints; nothing was signed.",
    )
