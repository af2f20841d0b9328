"""Faults of the code itself, each one that somebody could write: the simulation must find every one of them.

A mutant is a method put in the place of another one for the time of a run. Nothing in the code that runs knows of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from passerelle.core.errors import FormatError
from passerelle.core.registry import KeyVerdict, Registry
from passerelle.core.statement import parse_statement
from passerelle.core.streams import Place, Placement, StreamHead
from passerelle.events.topics import inbox_topic
from passerelle.ledger import sequencer
from passerelle.ledger.checkpoints import Checkpointer, Publish
from passerelle.ledger.model import CommitPlan, LedgerState
from passerelle.ledger.outgoing_ports import InboxRow
from passerelle.ledger.ports import Store
from passerelle.ledger.publisher import Publisher, inbox_record
from passerelle.ledger.refill import Refill
from passerelle.node import intake
from passerelle.node.outbox import Draft, release
from passerelle.node.ports import OutboxRow
from passerelle.node.witness_part import WitnessPart
from passerelle.testing.federation import NETWORK
from passerelle.testing.simulation import office
from passerelle.testing.simulation.database import LedgerDatabase, LedgerStore
from passerelle.testing.simulation.office import NodeDatabase, NodeStore
from passerelle.testing.simulation.script import signer_of

Patch = tuple[Any, str, Any]


def _generation_skipped() -> list[Patch]:
    """A ledger that was overtaken goes on writing while the size is the one that it knows."""
    return [(LedgerDatabase, "fence", lambda _self, _generation: None)]


def _offsets_early() -> list[Patch]:
    """The next offsets are saved in a transaction of their own, before the rows."""
    whole = LedgerStore.commit

    async def commit(self: LedgerStore, plan: CommitPlan) -> None:
        def offsets_only() -> None:
            before = {place: self.database.offsets.get(place, 0) for place in plan.offsets}
            self.database.fence(self.generation)
            self.database.offsets.update(plan.offsets)
            empty = CommitPlan(plan.size_before, plan.size_before, plan.accepted_at, offsets=plan.offsets)
            self.database.observer.committed(empty, before)

        await self.world.call(self.life, "ledger.commit", offsets_only)
        await whole(self, plan)

    return [(LedgerStore, "commit", commit)]


def _duplicates_logged() -> list[Patch]:
    """A statement that spent its number is taken for the next one."""
    original: Any = vars(sequencer)["place"]

    def place(*given: Any) -> Placement:
        found: Placement = original(*given)
        return found._replace(place=Place.NEXT) if found.place is Place.REPEAT else found

    return [(sequencer, "place", place)]


def _numbered_when_read() -> list[Patch]:
    """Events get numbers and links when they are read for sending, newest first, and nothing of it is stored."""
    original = NodeDatabase.rows

    def rows(self: NodeDatabase, family: str, after: int, limit: int, *, answered: bool) -> list[OutboxRow]:
        held = original(self, family, after, limit, answered=answered)
        if answered or len(held) < 2:
            return held
        first = parse_statement(held[0].signed.statement)
        drafts = [
            Draft(family, row.type, row.subject, row.thing, _visibility(row), row.signed.body) for row in reversed(held)
        ]
        heads = {family: StreamHead(first.sequence - 1, first.prev)}
        signer = signer_of(first.member)
        signed, _ = release(drafts, heads, network=NETWORK, member=first.member, signer=signer)
        return [replace(row, signed=new.signed) for row, new in zip(held, signed, strict=True)]

    return [(NodeDatabase, "rows", rows)]


def _visibility(row: OutboxRow) -> str:
    return parse_statement(row.signed.statement).visibility


def _head_before_tiles() -> list[Patch]:
    """The head is committed first, the tiles that it needs afterwards."""
    whole = LedgerStore.commit

    async def commit(self: LedgerStore, plan: CommitPlan) -> None:
        tiles, plan.tiles = plan.tiles, []
        await whole(self, plan)
        plan.tiles = tiles
        await self.world.call(self.life, "ledger.commit", lambda: self.database.grow_tiles(plan))

    return [(LedgerStore, "commit", commit)]


def _receipt_before_commit() -> list[Patch]:
    """What members are told goes out while its commit is on its way."""
    whole = LedgerStore.commit

    async def commit(self: LedgerStore, plan: CommitPlan) -> None:
        law: Any = self.database.observer
        for member, number, kind, _size, _index, value, _at in plan.inbox:
            if value is not None:
                record = inbox_record(InboxRow(member, number, kind, value))
                law.broker.append(inbox_topic(member), 0, record.key, record.value, record.headers)
        await whole(self, plan)

    return [(LedgerStore, "commit", commit)]


def _told_before_feed() -> list[Patch]:
    """Receipts do not wait for the feed."""
    original = Publisher._publish_inboxes

    async def publish(self: Publisher, _size: int) -> bool:
        return await original(self, 1 << 62)

    async def step(self: Publisher) -> bool:
        await self._opened()
        await self._publish_inboxes(0)
        return await whole(self)

    whole = Publisher.step
    return [(Publisher, "_publish_inboxes", publish), (Publisher, "step", step)]


def _position_before_send() -> list[Patch]:
    """The feed's position is saved, then the entries are sent."""
    original = Publisher._publish_feed

    async def publish(self: Publisher, start: int) -> bool:
        rows = await self._store.feed(start)
        if rows:
            await self._store.save_feed(rows[-1].index + 1)
        return await original(self, start)

    return [(Publisher, "_publish_feed", publish)]


def _waiting_dropped() -> list[Patch]:
    """A restart forgets the events that wait."""
    original = LedgerStore.load

    async def load(self: LedgerStore) -> LedgerState:
        state = await original(self)
        state.waiting.clear()
        return state

    return [(LedgerStore, "load", load)]


def _checkpoint_before_feed() -> list[Patch]:
    """What is committed is signed, whether the feed has it or not."""
    original = Checkpointer.step

    async def step(self: Checkpointer, _acked: int, publish: Publish) -> None:
        await original(self, await self._store.size(), publish)

    return [(Checkpointer, "step", step)]


def _acknowledged_is_answered() -> list[Patch]:
    """A row is closed as soon as Kafka has it."""

    async def note_sent(self: NodeStore, family: str, through: int, *, now_ms: int, again: bool) -> None:
        for place, row in self.tables.outbox.items():
            if place[0] == family and place[1] <= through and row.outcome is None:
                self.tables.outbox[place] = replace(row, outcome="accepted")

    return [(NodeStore, "note_sent", note_sent)]


def _revoked_key_holds() -> list[Patch]:
    """A key that was removed still signs."""
    original = Registry.key_valid

    def key_valid(self: Registry, *given: Any) -> KeyVerdict:
        found = original(self, *given)
        return KeyVerdict.VALID if found is KeyVerdict.NOT_VALID else found

    return [(Registry, "key_valid", key_valid)]


def _witness_place_unkept() -> list[Patch]:
    """A witness without a place of its own starts, each time, where its node's intake is by then."""

    async def start(self: WitnessPart) -> int | None:
        positions = await self._store.positions()
        return positions.get("witness", positions.get("checkpoint", (0, None)))[1]

    return [(WitnessPart, "_start", start)]


def _any_receipt_taken() -> list[Patch]:
    """A receipt is believed by its number alone, whatever statement it is of."""
    return [(office, "heads_told", lambda _record: [])]


def _older_record_taken() -> list[Patch]:
    """Of two registry records of a member the one that was written last counts, not the newer one."""
    return [(module, "is_newer", lambda _record, _held: True) for module in (intake, office)]


def _letters_need_entries() -> list[Patch]:
    """A ledger whose database came back looks for letters only where entries are missing."""
    whole = Refill.run

    async def run(self: Refill, store: Store) -> int:
        size = (await store.load()).head.size
        return await whole(self, store) if (await self._promise()).size > size else 0

    return [(Refill, "run", run)]


def _unfed_told() -> list[Patch]:
    """A node that asks is told of its events before the feed has them."""
    return [(LedgerDatabase, "acked", lambda self: self.head.size)]


MUTANTS: Final[Mapping[str, Callable[[], list[Patch]]]] = {
    "generation-skipped": _generation_skipped,
    "offsets-early": _offsets_early,
    "duplicates-logged": _duplicates_logged,
    "numbered-when-read": _numbered_when_read,
    "head-before-tiles": _head_before_tiles,
    "receipt-before-commit": _receipt_before_commit,
    "told-before-feed": _told_before_feed,
    "position-before-send": _position_before_send,
    "waiting-dropped": _waiting_dropped,
    "checkpoint-before-feed": _checkpoint_before_feed,
    "ack-is-answer": _acknowledged_is_answered,
    "revoked-key-holds": _revoked_key_holds,
    "witness-place-unkept": _witness_place_unkept,
    "older-record-taken": _older_record_taken,
    "any-receipt-taken": _any_receipt_taken,
    "letters-need-entries": _letters_need_entries,
    "unfed-told": _unfed_told,
}
"""Name -> what it puts in the place of what."""


def described(mutant: str) -> str:
    """What a mutant does wrong, in a sentence."""
    return (MUTANTS[mutant].__doc__ or "").strip()


@contextmanager
def applied(mutant: str) -> Iterator[None]:
    """Run with a mutant; an empty name is the code as it is. Raises FormatError ``argument-invalid``."""
    if mutant and mutant not in MUTANTS:
        fix = f"Use one of: {', '.join(MUTANTS)}."
        raise FormatError("argument-invalid", "there is no such mutant", where="--mutant", fix=fix)
    patches = MUTANTS[mutant]() if mutant else []
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    try:
        for owner, name, value in patches:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
