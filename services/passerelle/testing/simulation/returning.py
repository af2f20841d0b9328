"""A node that comes back from a backup: its database as its restorer sees it, the ledger that it asks, and the person
who decides where the two went different ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import orjson

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.core.statement import digest
from passerelle.core.streams import StreamHead
from passerelle.node.messages import Answer
from passerelle.node.ports import OutboxRow, Proved
from passerelle.node.recognise import OwnEvent
from passerelle.node.records import RecordKeys
from passerelle.node.restore import FORKED, RESTORED, Restorer
from passerelle.node.restore_ports import LocalRow, StreamEvent, StreamStanding, Tail, Taken
from passerelle.testing.simulation.database import LedgerDatabase
from passerelle.testing.simulation.office import NodeDatabase, NodeStore
from passerelle.testing.simulation.world import Life, World

RECORD_KEYS: Final = RecordKeys(b"simulated record keys".ljust(32, b"."))
PERSON_S: Final = 0.5
"""How often a person looks whether a stream has forked."""
T = TypeVar("T")


def tail_of(tables: NodeDatabase, family: str, after: int) -> Tail:
    """As the port."""
    above = [row for (of, sequence), row in tables.outbox.items() if of == family and sequence > after]
    answered = sum(row.outcome is not None for row in above)
    return Tail(len(above), answered, sum(row.sequence <= tables.sent[family] for row in above))


class RestoringStore(NodeStore):
    """See :class:`passerelle.node.restore_ports.RestoreStore`; records are not kept."""

    async def _read(self, action: Callable[[], T]) -> T:
        return await self._at("node.compare", action)

    async def standing(self, family: str) -> StreamStanding:
        """As the port."""
        tables = self.tables
        return await self._read(lambda: StreamStanding(tables.streams[family], tables.sent[family]))

    async def digest_at(self, family: str, sequence: int) -> bytes | None:
        """As the port."""

        def read() -> bytes | None:
            row = self.tables.outbox.get((family, sequence))
            return None if row is None else digest(row.signed.statement)

        return await self._read(read)

    async def tail(self, family: str, after: int) -> Tail:
        """As the port."""
        return await self._read(lambda: tail_of(self.tables, family, after))

    async def take_back(
        self, family: str, before: StreamHead, events: Sequence[OwnEvent], keys: RecordKeys, now_ms: int
    ) -> Taken | None:
        """As the port."""

        def take() -> Taken | None:
            tables = self.tables
            if tables.streams[family] != before:
                return None
            lost = tuple(event.sequence for event in events if self._put(self._drafted(event)).lost)
            last = events[-1]
            tables.streams[family] = StreamHead(last.sequence, last.digest)
            tables.sent[family] = max(tables.sent[family], last.sequence)
            tables.notify()
            return Taken(len(events), lost)

        return await self._at("node.take-back", take)

    def _drafted(self, event: OwnEvent) -> OwnEvent:
        """The event with the draft that it was, which goes; as it is where there is none."""
        tables = self.tables
        for draft in tables.drafts:
            if draft.family == event.family and digest(draft.body) == event.body_sha256:
                tables.drafts.remove(draft)
                signed = replace(event.signed, body=draft.body)
                return replace(event, signed=signed, type=draft.type, subject=draft.subject, lost="")
        return event

    def _put(self, event: OwnEvent) -> OwnEvent:
        tables = self.tables
        place = (event.family, event.sequence)
        code = event.code or None
        told = (event.field or None, event.what or None, event.fix or None)
        row = OutboxRow(
            *place, event.type, event.subject, event.thing, event.signed, event.released_at, event.outcome, event.index,
            code, *told,
        )  # fmt: skip
        tables.outbox[place] = row
        tables.restored.add(place)
        accepted = event.outcome == "accepted"
        if accepted and event.thing:
            version = event.data.get("version")
            tables.see({event.thing: version if isinstance(version, int) else None})
        tables.lost[place] = event.lost
        tables.answered(row, Answer(*place, event.index, accepted, event.code, event.field, event.what, event.fix))
        return event

    async def draft_again(self, family: str, common: StreamHead, *, sent_too: bool, now_ms: int) -> int | None:
        """As the port."""

        def draft() -> int | None:
            tables = self.tables
            tail = tail_of(tables, family, common.sequence)
            if tail.answered or (tail.sent and not sent_too):
                return None
            above = sorted(place for place in tables.outbox if place[0] == family and place[1] > common.sequence)
            tables.draft_again([tables.outbox.pop(place) for place in above])
            tables.set_aside.update(above)
            tables.streams[family] = common
            tables.sent[family] = min(tables.sent[family], common.sequence)
            return len(above)

        return await self._at("node.take-back", draft)

    async def mend(self, family: str, events: Sequence[OwnEvent], now_ms: int) -> None:
        """As the port."""

        def mend() -> None:
            for event in events:
                held = self.tables.outbox.get((family, event.sequence))
                if held is not None and digest(held.signed.body) == event.body_sha256:
                    event = replace(event, signed=replace(event.signed, body=held.signed.body), lost="")
                self._put(event)

        await self._at("node.take-back", mend)

    async def rows_after(self, family: str, after: int, limit: int) -> list[LocalRow]:
        """As the port."""

        def read() -> list[LocalRow]:
            places = sorted(place for place in self.tables.outbox if place[0] == family and place[1] > after)
            return [_local(self.tables.outbox[place], self.tables.lost.get(place, "")) for place in places[:limit]]

        return await self._read(read)

    async def records_without_event(self, limit: int) -> list[Mapping[str, Any]]:
        """No records are kept."""
        return []

    async def tell(self, code: str, family: str, sequence: int, what: str, now_ms: int) -> None:
        """As the port."""

        def tell() -> None:
            told = {"code": code, "family": family, "sequence": sequence}
            if not any(one["open"] and told.items() <= one.items() for one in self.tables.problems):
                self.tables.problems.append({**told, "what": what, "open": True})

        await self._at("node.take-back", tell)

    async def settle_conflicts(self, family: str) -> None:
        """As the port."""

        def settle() -> None:
            explained = self.tables.restored | self.tables.set_aside
            for one in self.tables.problems:
                if one["code"] == "sequence-conflict" and (one.get("family"), one.get("sequence")) in explained:
                    one["open"] = one["open"] and one["family"] != family

        await self._at("node.take-back", settle)

    async def close_problems(self, codes: Sequence[str], family: str) -> int:
        """As the port."""

        def close() -> int:
            found = [
                one
                for one in self.tables.problems
                if one["open"] and one["code"] in codes and one.get("family") == family
            ]
            for one in found:
                one["open"] = False
            return len(found)

        return await self._at("node.take-back", close)


def _local(row: OutboxRow, lost: str) -> LocalRow:
    statement = row.signed.statement
    return LocalRow(
        row.sequence, row.type, row.subject, statement, digest(row.signed.body), row.released_at, row.outcome,
        row.index, row.code or "", lost,
    )  # fmt: skip


class LedgerStreams:
    """See :class:`passerelle.node.restore_ports.OwnStreams`: the ledger's service, while one is active."""

    def __init__(
        self, world: World, life: Life, member: str, database: LedgerDatabase, answering: Callable[[], object]
    ) -> None:
        """``answering`` raises Unavailable while no ledger does."""
        self._world, self._life, self._member = world, life, member
        self._database, self._answering = database, answering

    async def _ask(self, action: Callable[[], T]) -> T:
        def ask() -> T:
            self._answering()
            return action()

        return await self._world.call(self._life, "node.ask-ledger", ask)

    async def stream_head(self, family: str) -> StreamHead:
        """As the port."""
        return await self._ask(lambda: self._database.streams.get((self._member, family), StreamHead()))

    async def stream_events(self, family: str, after: int, limit: int, *, bodies: bool) -> list[StreamEvent]:
        """As the port."""

        def read() -> list[StreamEvent]:
            mine = (self._member, family)
            fed = self._database.entries[: self._database.acked()]
            rows = [row for row in fed if (row[2], row[3]) == mine and row[4] > after][:limit]
            return [self._event(row, bodies=bodies) for row in rows]

        return await self._ask(read)

    def _event(self, row: tuple[Any, ...], *, bodies: bool) -> StreamEvent:
        database, index = self._database, row[0]
        held = database.public.get(index) or database.refused.get(index) or database.party.get(index, ("", [], b""))[2]
        told = orjson.loads(row[7]) if row[7] else {}
        where = (str(told.get(name, "")) for name in ("field", "what", "fix"))
        return StreamEvent(index, row[11], (held or b"") if bodies else b"", row[8] or "", row[9] or "", *where)

    async def proof(self, family: str, sequence: int) -> Proved:
        """Nobody asks for proofs in a run."""
        raise Unavailable("service-unavailable", "the simulation gives no proofs", where=f"{family}/{sequence}")


async def decide(restorer: Restorer, store: RestoringStore, stop: asyncio.Event) -> None:
    """What a person does (``passerelle node reconcile --fix``) where a stream forked after a backup came back."""
    while not stop.is_set():
        await asyncio.sleep(PERSON_S)
        tables = store.tables
        if not any(one["open"] and one["code"] == FORKED for one in tables.problems):
            continue
        try:
            outcome = await restorer.compare(sent_too=True)
            for family in tables.streams:
                if family not in outcome.forked:
                    await store.close_problems(("sequence-conflict", FORKED, RESTORED), family)
        except PasserelleError:
            # A server is away: the person tries again.
            continue
