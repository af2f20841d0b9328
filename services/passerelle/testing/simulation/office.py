"""A node's PostgreSQL in memory, and the ports of relay, intake and witness over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import replace
from typing import Any, Final, TypeVar

from passerelle.core.batch import SignedStatement
from passerelle.core.errors import Fatal, code_info
from passerelle.core.signature import Signer
from passerelle.core.statement import FAMILIES, digest, parse_statement
from passerelle.core.streams import StreamHead
from passerelle.node.messages import (
    Answer,
    FeedEvent,
    InboxRecord,
    PartyBody,
    answers,
    heads_told,
    is_newer,
    other_statement,
    party_body,
)
from passerelle.node.outbox import Draft, release, sign_again
from passerelle.node.ports import ImportChunk, InboxEffects, OutboxRow, Situation
from passerelle.node.witness_ports import MAX_OPEN, Alarm, Cosigned
from passerelle.testing.simulation.world import Life, World

RELEASE_MAX: Final = 4096
_LISTENERS: Final = ("notify", "answered", "promised")
STOPS: Final = ("sequence-conflict", "stream-forked")
T = TypeVar("T")


class NodeDatabase:
    """All tables of one node. ``notify`` wakes whoever listens now; ``answered`` hears of every answer that is new."""

    def __init__(self) -> None:
        self.streams = dict.fromkeys(FAMILIES, StreamHead())
        self.drafts: list[Draft] = []
        self.outbox: dict[tuple[str, int], OutboxRow] = {}
        self.seen: dict[str, int | None] = {}
        self.members: dict[str, Mapping[str, Any]] = {}
        self.bodies: dict[int, PartyBody] = {}
        self.notices: dict[int, InboxRecord] = {}
        self.problems: list[dict[str, Any]] = []
        self.positions: dict[str, tuple[int, int | None]] = {}
        self.checkpoint: tuple[int, bytes, str] | None = None
        self.cosigned: Cosigned | None = None
        self.alarms: dict[str, Alarm] = {}
        self.sent = dict.fromkeys(FAMILIES, 0)
        # Places of streams that came back from the ledger, and those whose event was made a draft again.
        self.restored: set[tuple[str, int]] = set()
        self.set_aside: set[tuple[str, int]] = set()
        self.lost: dict[tuple[str, int], str] = {}
        self.notify: Callable[[], None] = lambda: None
        self.answered: Callable[[OutboxRow, Answer], None] = lambda _row, _answer: None
        self.promised: Callable[[Cosigned], None] = lambda _promise: None
        self._drafted = 0

    # Backups

    def backup(self) -> Mapping[str, Any]:
        """Everything in the tables now. Rows are never changed in place, but problems are."""
        tables = {name: copy(value) for name, value in vars(self).items() if name not in _LISTENERS}
        return {**tables, "problems": [dict(one) for one in self.problems]}

    def put_back(self, backup: Mapping[str, Any]) -> None:
        """The tables as they were; who listens stays."""
        for name, value in backup.items():
            setattr(self, name, copy(value))

    # Drafts

    def add_drafts(self, drafts: Sequence[Draft]) -> None:
        """Store drafts in order."""
        for draft in drafts:
            self._drafted += 1
            self.drafts.append(replace(draft, id=self._drafted))
        self.notify()

    def draft_again(self, rows: Sequence[OutboxRow]) -> None:
        """Numbered events are drafts again, before all others."""
        first = min([0, *(draft.id for draft in self.drafts)]) - len(rows)
        self.drafts[:0] = [replace(_draft(row), id=first + place) for place, row in enumerate(rows)]
        self.notify()

    def ready(self) -> list[Draft]:
        """The drafts that wait for nothing."""
        first: dict[str, int] = {}
        for draft in self.drafts:
            first.setdefault(draft.thing, draft.id)
        return [
            draft
            for draft in self.drafts
            if first[draft.thing] == draft.id and all(self._there(need, draft.family) for need in draft.needs)
        ][:RELEASE_MAX]

    def _there(self, need: str, family: str) -> bool:
        if need in self.seen or (need.startswith("member:") and need[7:] in self.members):
            return True
        return any(
            row.thing == need and row.family == family and row.outcome != "refused" for row in self.outbox.values()
        )

    def release(self, signer: Signer, network: str, member: str, now_ms: int) -> int:
        """One transaction of a release; how many drafts got a number."""
        drafts = self.ready()
        if not drafts:
            return 0
        released, after = release(drafts, self.streams, network=network, member=member, signer=signer)
        for row in released:
            draft = row.draft
            self.outbox[draft.family, row.sequence] = OutboxRow(
                draft.family, row.sequence, draft.type, draft.subject, draft.thing, row.signed, now_ms
            )
        self.streams |= after
        gone = {draft.id for draft in drafts}
        self.drafts = [draft for draft in self.drafts if draft.id not in gone]
        self.notify()
        return len(released)

    # Outbox

    def rows(self, family: str, after: int, limit: int, *, answered: bool) -> list[OutboxRow]:
        """Rows of a family above a sequence, in order: the answered ones, or those that are open."""
        found = [
            row
            for (of, sequence), row in self.outbox.items()
            if of == family and sequence > after and (row.outcome is not None) is answered
        ]
        return sorted(found, key=lambda row: row.sequence)[:limit]

    def oldest_open(self) -> dict[str, int]:
        """The lowest open sequence of each family that has one."""
        found: dict[str, int] = {}
        for (family, sequence), row in self.outbox.items():
            if row.outcome is None:
                found[family] = min(sequence, found.get(family, sequence))
        return {family: found[family] for family in FAMILIES if family in found}

    def stopping_problem(self) -> Mapping[str, Any] | None:
        """The newest open problem for which the relay stands still."""
        return next((one for one in reversed(self.problems) if one["open"] and one["code"] in STOPS), None)

    def sign_again(self, signer: Signer, network: str, member: str) -> int:
        """New signatures over the open rows of another key."""
        rows = [row for row in self.outbox.values() if row.outcome is None and row.signed.key_id != signer.key_id]
        rows.sort(key=lambda row: (row.family, row.sequence))
        written = [(row.signed.statement, row.signed.body) for row in rows]
        new: list[SignedStatement] = sign_again(written, network=network, member=member, signer=signer)
        for row, signed in zip(rows, new, strict=True):
            self.outbox[row.family, row.sequence] = replace(row, signed=signed)
        if rows:
            self.notify()
        return len(rows)

    # What comes in

    def move(self, name: str, number: int, next_offset: int | None) -> None:
        """Keep how far a topic was taken in."""
        held, offset = self.positions.get(name, (0, None))
        self.positions[name] = (max(held, number), offset if next_offset is None else next_offset)

    def see(self, things: Mapping[str, int | None]) -> None:
        """These things are in the ledger."""
        for key, version in things.items():
            held = self.seen.get(key)
            self.seen[key] = version if held is None else held if version is None else max(held, version)

    def take_inbox(self, records: Sequence[InboxRecord], next_offset: int | None) -> InboxEffects:
        """One transaction of the intake."""
        position = self.positions.get("inbox", (0, None))[0]
        resend: list[tuple[str, int]] = []
        key_refused = conflict = False
        records = [record for record in records if record.number > position]
        for record in records:
            # Before anything is changed: a transaction is whole or not at all.
            self._require_ours(record)
        for record in records:
            value = record.value
            if record.kind == "receipts":
                self._take_answers(answers(record))
            elif record.kind == "body" and (body := party_body(record)) is not None:
                self.bodies.setdefault(body.index, body)
                self.see({body.thing: None})
            elif record.kind == "notice":
                self.notices.setdefault(record.number, record)
            elif record.kind == "resend-from":
                resend.append((str(value["family"]), int(value["sequence"])))
            elif record.kind == "problem":
                key_refused = value["code"] == "key-not-valid" or key_refused
                conflict = value["code"] == "sequence-conflict" or conflict
                if value["code"] != "key-not-valid":
                    self.problems.append({**value, "open": True})
        if records or next_offset is not None:
            self.move("inbox", max((record.number for record in records), default=position), next_offset)
            self.notify()
        return InboxEffects(tuple(resend), key_refused, conflict)

    def _require_ours(self, record: InboxRecord) -> None:
        for family, sequence, told in heads_told(record) if record.kind == "receipts" else ():
            row = self.outbox.get((family, sequence))
            if sequence > self.streams[family].sequence or (row and digest(row.signed.statement) != told):
                raise other_statement(family, sequence)

    def _take_answers(self, given: Sequence[Answer]) -> None:
        for answer in given:
            row = self.outbox.get((answer.family, answer.sequence))
            if row is None or row.outcome is not None:
                continue
            outcome = "accepted" if answer.accepted else "refused"
            told = (answer.index, answer.code or None, answer.field or None, answer.what or None, answer.fix or None)
            index, code, field, what, fix = told
            self.outbox[row.family, row.sequence] = replace(
                row, outcome=outcome, index=index, code=code, field=field, what=what, fix=fix
            )
            if answer.accepted:
                self.see({row.thing: None})
            self.answered(row, answer)

    def put_checkpoint(self, size: int, root: bytes, note: str, next_offset: int) -> str | None:
        """Keep a checkpoint; the note held where its size has another root."""
        held = self.checkpoint
        if held is not None and held[0] == size and held[1] != root:
            return held[2]
        self.move("checkpoint", size, next_offset)
        if held is None or held[0] < size:
            self.checkpoint = (size, root, note)
        return None

    def add_problem(self, code: str, what: str, fix: str) -> None:
        """Open a problem unless one of this code is open."""
        if not any(problem["open"] and problem["code"] == code for problem in self.problems):
            self.problems.append({"code": code, "what": what, "fix": fix or code_info(code).fix, "open": True})

    # Witness

    def open_alarms(self) -> list[Alarm]:
        """Open alarms, newest first."""
        return [alarm for alarm in self.newest_alarms() if alarm.cleared_at is None]

    def newest_alarms(self) -> list[Alarm]:
        """All alarms, newest first."""
        return sorted(self.alarms.values(), key=lambda alarm: (-alarm.raised_at, alarm.name))[:100]

    def advance(self, before: Cosigned | None, after: Cosigned) -> bool:
        """The witness's compare-and-swap."""
        held = self.cosigned
        same = (held and (held.size, held.root)) == (before and (before.size, before.root))
        if self.open_alarms() or not same or (held is not None and after.size <= held.size):
            return False
        self.cosigned = replace(after, delivered=False)
        self.promised(after)
        return True

    def raise_alarm(self, alarm: Alarm) -> bool:
        """Keep a new alarm."""
        if alarm.name in self.alarms or len(self.open_alarms()) >= MAX_OPEN:
            return False
        self.alarms[alarm.name] = alarm
        return True


def _draft(row: OutboxRow) -> Draft:
    """A numbered event as a draft that waits for its turn only: what it names was there when it was numbered."""
    visibility = parse_statement(row.signed.statement).visibility
    return Draft(row.family, row.type, row.subject, row.thing, visibility, row.signed.body, ())


class NodeStore:
    """See ``DraftStore``, ``OutboxStore`` and ``InboxStore`` of :mod:`passerelle.node.ports`, and ``WitnessStore`` and
    ``AlarmStore`` of :mod:`passerelle.node.witness_ports`.
    """

    def __init__(self, world: World, life: Life, tables: NodeDatabase) -> None:
        self._world, self._life, self.tables = world, life, tables

    async def _at(self, point: str, action: Callable[[], T]) -> T:
        return await self._world.call(self._life, point, action)

    def import_chunk(self) -> AbstractAsyncContextManager[ImportChunk]:
        """Nothing is imported in a run. Raises Fatal."""
        raise Fatal("service-unavailable", "the simulation imports no files", where="node")

    async def add_drafts(self, drafts: Sequence[Draft], now_ms: int) -> None:
        """As the port."""
        await self._at("node.release", lambda: self.tables.add_drafts(drafts))

    async def release_ready(self, signer: Signer, *, network: str, member: str, now_ms: int) -> int:
        """As the port."""
        return await self._at("node.release", lambda: self.tables.release(signer, network, member, now_ms))

    async def open_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """As the port."""
        return await self._at("node.open-rows", lambda: self.tables.rows(family, after, limit, answered=False))

    async def answered_rows(self, family: str, after: int, limit: int) -> list[OutboxRow]:
        """As the port."""
        return await self._at("node.open-rows", lambda: self.tables.rows(family, after, limit, answered=True))

    async def note_sent(self, family: str, through: int, *, now_ms: int, again: bool) -> None:
        """As the port."""

        def note() -> None:
            self.tables.sent[family] = max(self.tables.sent[family], through)

        await self._at("node.note-sent", note)

    async def sign_again(self, signer: Signer, *, network: str, member: str) -> int:
        """As the port."""
        return await self._at("node.sign-again", lambda: self.tables.sign_again(signer, network, member))

    async def own_record(self, member: str) -> Mapping[str, Any] | None:
        """As the port."""
        return await self._at("node.open-rows", lambda: self.tables.members.get(member))

    async def stopping_problem(self) -> Mapping[str, Any] | None:
        """As the port."""
        return await self._at("node.open-rows", self.tables.stopping_problem)

    async def situation(self, member: str) -> Situation:
        """As the port."""

        def read() -> Situation:
            tables = self.tables
            record = tables.members.get(member)
            return Situation(tables.stopping_problem(), record, bool(tables.drafts), tables.oldest_open())

        return await self._at("node.open-rows", read)

    async def positions(self) -> dict[str, tuple[int, int | None]]:
        """As the port."""
        return await self._at("node.open-rows", lambda: dict(self.tables.positions))

    async def take_inbox(self, records: Sequence[InboxRecord], next_offset: int | None, now_ms: int) -> InboxEffects:
        """As the port."""
        return await self._at("node.take-inbox", lambda: self.tables.take_inbox(records, next_offset))

    async def take_feed(self, events: Sequence[FeedEvent], next_offset: int) -> None:
        """As the port."""

        def take() -> None:
            things = {event.thing: event.version for event in events if event.thing}
            self.tables.see(things)
            self.tables.move("feed", max(event.index for event in events) + 1, next_offset)
            if things:
                self.tables.notify()

        await self._at("node.take-feed", take)

    async def put_members(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """As the port."""

        def put() -> None:
            for name, record in records.items():
                if is_newer(record, self.tables.members.get(name)):
                    self.tables.members[name] = record
            self.tables.notify()

        await self._at("node.put-members", put)

    async def put_checkpoint(self, size: int, root: bytes, note: str, next_offset: int) -> str | None:
        """As the port."""
        return await self._at("node.put-checkpoint", lambda: self.tables.put_checkpoint(size, root, note, next_offset))

    async def add_problem(self, code: str, what: str, fix: str, now_ms: int) -> None:
        """As the port."""
        await self._at("node.put-checkpoint", lambda: self.tables.add_problem(code, what, fix))

    async def cosigned(self) -> Cosigned | None:
        """As the port."""
        return await self._at("node.open-rows", lambda: self.tables.cosigned)

    async def advance(self, before: Cosigned | None, after: Cosigned) -> bool:
        """As the port."""
        return await self._at("witness.advance", lambda: self.tables.advance(before, after))

    async def note_delivered(self, size: int) -> None:
        """As the port."""

        def note() -> None:
            if self.tables.cosigned is not None and self.tables.cosigned.size == size:
                self.tables.cosigned = replace(self.tables.cosigned, delivered=True)

        await self._at("witness.advance", note)

    async def save_witness_position(self, next_offset: int) -> None:
        """As the port."""
        await self._at("witness.advance", lambda: self.tables.move("witness", 0, next_offset))

    async def raise_alarm(self, alarm: Alarm) -> bool:
        """As the port."""
        return await self._at("witness.advance", lambda: self.tables.raise_alarm(alarm))

    async def alarms(self, *, open_only: bool) -> Sequence[Alarm]:
        """As the port."""
        tables = self.tables
        return await self._at("node.open-rows", lambda: tables.open_alarms() if open_only else tables.newest_alarms())

    async def clear_alarm(self, name: str, reason: str, now_ms: int) -> bool:
        """As the port."""

        def clear() -> bool:
            alarm = self.tables.alarms.get(name)
            if alarm is None or alarm.cleared_at is not None:
                return False
            self.tables.alarms[name] = replace(alarm, cleared_at=now_ms, reason=reason)
            if all(one.code != alarm.code for one in self.tables.open_alarms()):
                for problem in self.tables.problems:
                    problem["open"] = problem["open"] and problem["code"] != alarm.code
            return True

        return await self._at("witness.advance", clear)
