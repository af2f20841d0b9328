"""The ledger's PostgreSQL in memory: one set of tables, and the ports of loop, lease, publisher and checkpoints.

A call is one transaction: whole or not at all, at one instant. The order of calls is that in which the server would
have let them through its row locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Final, NamedTuple

import orjson

from passerelle.core.errors import Fatal, FormatError
from passerelle.core.merkle import EMPTY_ROOT
from passerelle.core.tiles import root_at
from passerelle.ledger.inbox_values import body_value
from passerelle.ledger.model import CommitPlan, Head, LedgerState, Loaded, Needs
from passerelle.ledger.outgoing_ports import (
    READ_MAX,
    FeedRow,
    InboxRow,
    MemberRow,
    Positions,
    StoredCheckpoint,
    SummaryRow,
    UnverifiedRow,
)
from passerelle.ledger.postgres.errors import translated
from passerelle.ledger.postgres.lease import Lease
from passerelle.testing.federation import Federation
from passerelle.testing.memory_ledger import MemoryTables
from passerelle.testing.simulation.world import Life, World

INBOX_MAX: Final = 500
NEVER: Final = float("-inf")
_OUTSIDE: Final = ("lock", "observer")


class InboxLine(NamedTuple):
    """A row of the table of inbox records; ``value`` is None for kind ``body``."""

    number: int
    kind: str
    size: int
    entry: int | None
    value: bytes | None


class Observer:
    """Hears what is applied to the tables; the law of the simulation is one."""

    def writing(self, generation: int) -> None:
        """The holder of this generation of the lease is about to write."""

    def committed(self, plan: CommitPlan, before: Mapping[tuple[str, int], int]) -> None:
        """A plan was applied; ``before`` are the offsets that stood until then."""

    def saved(self, positions: Positions) -> None:
        """The publisher's positions were saved."""

    def inboxes_saved(self, published: Mapping[str, int]) -> None:
        """Inbox records up to these numbers are said to be published."""

    def signed(self, checkpoint: StoredCheckpoint) -> None:
        """A checkpoint was stored."""

    def shown(self, size: int) -> None:
        """A checkpoint is said to be on its topic."""


class LedgerDatabase(MemoryTables):
    """All tables of the ledger. ``generation`` is the lease's; the head carries that of the writer let in last."""

    def __init__(self, federation: Federation) -> None:
        super().__init__(federation)
        self.head.generation = 0
        self.generation = 0
        self.expires_at = NEVER
        self.lock: Life | None = None
        self.tiles: dict[tuple[int, int], bytes] = {}
        self.letters: dict[str, list[InboxLine]] = {}
        # Rows of a refill above the last number given, until it is settled.
        self.beyond: dict[str, dict[int, InboxLine]] = {}
        self.published: dict[str, int] = {}
        self.changed: dict[str, tuple[int, bytes]] = {}
        self.summary_rows: dict[int, bytes] = {}
        self.unverified_rows: list[UnverifiedRow] = []
        self.unverified_made = 0
        self.positions = Positions()
        self.checkpoints: dict[int, StoredCheckpoint] = {}
        self.shown: set[int] = set()
        self.observer = Observer()

    def backup(self) -> Mapping[str, Any]:
        """Everything in the tables now. Rows are never changed in place."""
        return {name: _copied(value) for name, value in vars(self).items() if name not in _OUTSIDE}

    def put_back(self, backup: Mapping[str, Any]) -> None:
        """The tables as they were; who watches stays, and nobody is connected."""
        for name, value in backup.items():
            setattr(self, name, _copied(value))
        self.lock, self.expires_at = None, NEVER

    def fence(self, generation: int) -> None:
        """Only the newest generation writes. Raises Fatal ``lease-lost``."""
        if generation != self.head.generation:
            raise Fatal("lease-lost", "another ledger has moved the head", where=f"generation {generation}")

    def commit(self, plan: CommitPlan) -> None:
        """As the base, and the rows that the publisher reads."""
        before = {place: self.offsets.get(place, 0) for place in plan.offsets}
        super().commit(plan)
        for member, number, kind, size, index, value, _at in plan.inbox:
            self.letters.setdefault(member, []).append(InboxLine(number, kind, size, index, value))
        for member, index, record in plan.members:
            self.changed[member] = (index, orjson.dumps(record))
        if plan.summary is not None:
            self.summary_rows[plan.size] = plan.summary
        for _at, ingress, code, value in plan.unverified:
            self.unverified_made += 1
            self.unverified_rows.append(UnverifiedRow(self.unverified_made, code, ingress, value))
        self.grow_tiles(plan)
        self.observer.committed(plan, before)

    def grow_tiles(self, plan: CommitPlan) -> None:
        """The hashes that the plan's entries add to the tiles."""
        for tile in plan.tiles:
            held = self.tiles.get((tile.level, tile.index), b"") if tile.start else b""
            self.tiles[tile.level, tile.index] = held[: 32 * tile.start] + tile.hashes

    def root(self, size: int) -> bytes:
        """The root from the tiles. Raises Fatal ``ledger-diverged`` where one is missing."""
        try:
            return root_at(size, lambda level, n: self.tiles.get((level, n), b"")) if size else EMPTY_ROOT
        except FormatError as error:
            raise Fatal("ledger-diverged", f"the tiles do not hold the tree: {error.what}", where=f"{size}") from None

    def acked(self) -> int:
        """Entries that the feed is known to hold: what is asked for is told of these."""
        return self.positions.feed

    def inbox_row(self, member: str, line: InboxLine) -> InboxRow:
        """An inbox record as it is published now."""
        value = line.value
        if value is None:
            assert line.entry is not None
            entry, (subject, parties, body) = self.entries[line.entry], self.party[line.entry]
            value = body_value(line.entry, entry[8], entry[2], subject, body if member in parties else None)
        return InboxRow(member, line.number, line.kind, value)


def _copied(value: Any) -> Any:
    if isinstance(value, Head):
        return replace(value)
    if isinstance(value, dict):
        return {key: copy(held) if isinstance(held, dict | list) else held for key, held in value.items()}
    return copy(value)


class LedgerStore:
    """See :class:`passerelle.ledger.ports.Store`."""

    def __init__(self, world: World, life: Life, database: LedgerDatabase) -> None:
        self.world, self.life, self.database = world, life, database
        self.generation = 0

    async def load(self) -> LedgerState:
        """As the port."""

        def load() -> LedgerState:
            self.database.fence(self.generation)
            return self.database.state()

        return await self.world.call(self.life, "ledger.load", load)

    async def answer(self, needs: Needs) -> Loaded:
        """As the port."""
        return await self.world.call(self.life, "ledger.answer", lambda: self.database.answer(needs))

    async def commit(self, plan: CommitPlan) -> None:
        """As the port."""

        def commit() -> None:
            self.database.fence(self.generation)
            self.database.observer.writing(self.generation)
            self.database.commit(plan)

        await self.world.call(self.life, "ledger.commit", commit)

    async def raise_floor(self, size: int, floor: int) -> None:
        """As the port."""

        def rise() -> None:
            self.database.fence(self.generation)
            if size != self.database.head.size:
                raise Fatal("lease-lost", "another ledger has moved the head")
            self.database.head.floor = max(self.database.head.floor, floor)

        await self.world.call(self.life, "ledger.floor", rise)

    async def root_at(self, size: int) -> bytes:
        """As the port."""
        return await self.world.call(self.life, "checkpoints.roots", lambda: self.database.root(size))

    async def close(self) -> None:
        """As the port."""


class LedgerLease(Lease):
    """The lease with its real loops over the row in memory. The lock ends with its process."""

    def __init__(self, world: World, life: Life, database: LedgerDatabase, seconds: float) -> None:
        self._world, self._life, self._database, self._term = world, life, database, seconds
        self._seconds = seconds
        self.generation = 0
        life.at_end.append(self._unlock)

    def _unlock(self) -> None:
        if self._database.lock is self._life:
            self._database.lock = None

    async def _try(self) -> int | None:
        return await self._world.call(self._life, "lease.take", self._take)

    def _take(self) -> int | None:
        database = self._database
        locked = database.lock is None or database.lock is self._life
        if locked:
            database.lock = self._life
        if database.expires_at >= self._world.now and not locked:
            return None
        database.generation += 1
        database.expires_at = self._world.now + self._term
        database.head.generation = database.generation
        return database.generation

    async def renew(self) -> None:
        """As the base."""

        def renew() -> None:
            if self._database.generation != self.generation:
                raise Fatal("lease-lost", "another ledger has taken the lease", where=f"generation {self.generation}")
            self._database.expires_at = self._world.now + self._term
            if self._database.lock is None:
                self._database.lock = self._life

        with translated("lease"):
            async with asyncio.timeout(self._term):
                await self._world.call(self._life, "lease.renew", renew)

    async def release(self) -> None:
        """As the base."""
        if self._life.alive and self._database.generation == self.generation:
            self._database.expires_at = NEVER
        self._unlock()


class MemoryOutgoing:
    """See :class:`passerelle.ledger.outgoing_ports.OutgoingStore`. ``read_max`` bounds a read of the feed."""

    def __init__(self, world: World, life: Life, database: LedgerDatabase, read_max: int = READ_MAX) -> None:
        self._world, self._life, self._database, self._read_max = world, life, database, read_max

    async def positions(self) -> Positions:
        """As the port."""
        return await self._world.call(self._life, "out.positions", lambda: self._database.positions)

    async def feed(self, start: int) -> Sequence[FeedRow]:
        """As the port."""

        def read() -> list[FeedRow]:
            public = self._database.public
            return [
                FeedRow(row[0], row[2], row[11], row[12], b"" if row[6] else public.get(row[0], b""))
                for row in self._database.entries[start : start + self._read_max]
            ]

        return await self._world.call(self._life, "out.feed", read)

    async def save_feed(self, position: int) -> None:
        """As the port."""
        await self._world.call(self._life, "out.save-feed", lambda: self._save(Positions(position, 0)))

    async def save_registry(self, position: int) -> None:
        """As the port."""
        await self._world.call(self._life, "out.save-registry", lambda: self._save(Positions(0, position)))

    def _save(self, new: Positions) -> None:
        old = self._database.positions
        saved = Positions(max(old.feed, new.feed), max(old.registry, new.registry))
        self._database.positions = saved
        self._database.observer.saved(saved)

    async def inboxes(self, size: int) -> Sequence[InboxRow]:
        """As the port."""

        def read() -> list[InboxRow]:
            database, found = self._database, []
            for member in sorted(database.letters):
                start = database.published.get(member, 0)
                lines = database.letters[member][start : start + INBOX_MAX]
                found += [database.inbox_row(member, line) for line in lines if line.size <= size]
            return found

        return await self._world.call(self._life, "out.inboxes", read)

    async def save_inboxes(self, published: Mapping[str, int]) -> None:
        """As the port."""

        def save() -> None:
            held = self._database.published
            for member, number in published.items():
                held[member] = max(number, held.get(member, 0))
            self._database.observer.inboxes_saved(published)

        await self._world.call(self._life, "out.save-inboxes", save)

    async def members(self, start: int, size: int) -> Sequence[MemberRow]:
        """As the port."""

        def read() -> list[MemberRow]:
            changed = self._database.changed.items()
            rows = [MemberRow(name, index, record) for name, (index, record) in changed if start <= index < size]
            return sorted(rows, key=lambda row: (row.changed, row.member))

        return await self._world.call(self._life, "out.members", read)

    async def member_ids(self) -> Sequence[str]:
        """As the port."""
        return await self._world.call(self._life, "out.positions", lambda: sorted(self._database.changed))

    async def summaries(self, size: int) -> Sequence[SummaryRow]:
        """As the port."""

        def read() -> list[SummaryRow]:
            rows = self._database.summary_rows
            return [SummaryRow(at, rows[at]) for at in sorted(rows) if at <= size][:INBOX_MAX]

        return await self._world.call(self._life, "out.summaries", read)

    async def drop_summaries(self, size: int) -> None:
        """As the port."""

        def drop() -> None:
            rows = self._database.summary_rows
            for at in [at for at in rows if at <= size]:
                del rows[at]

        await self._world.call(self._life, "out.drop-summaries", drop)

    async def unverified(self) -> Sequence[UnverifiedRow]:
        """As the port."""
        return await self._world.call(self._life, "out.unverified", lambda: self._database.unverified_rows[:1000])

    async def drop_unverified(self, number: int) -> None:
        """As the port."""

        def drop() -> None:
            rows = self._database.unverified_rows
            self._database.unverified_rows = [row for row in rows if row.number > number]

        await self._world.call(self._life, "out.drop-unverified", drop)

    async def expire(self, now_ms: int) -> int:
        """Nothing is old enough within a run."""
        return 0

    async def close(self) -> None:
        """As the port."""


class MemoryCheckpoints:
    """See :class:`passerelle.ledger.outgoing_ports.CheckpointStore`."""

    def __init__(self, world: World, life: Life, database: LedgerDatabase) -> None:
        self._world, self._life, self._database = world, life, database

    async def _call(self, point: str, action: Any) -> Any:
        return await self._world.call(self._life, point, action)

    async def size(self) -> int:
        """As the port."""
        return int(await self._call("checkpoints.roots", lambda: self._database.head.size))

    async def roots(self, sizes: Sequence[int]) -> dict[int, bytes]:
        """As the port."""

        def read() -> dict[int, bytes]:
            return {size: self._database.root(size) for size in sizes}

        return await self._world.call(self._life, "checkpoints.roots", read)

    async def entry(self, index: int) -> bytes | None:
        """As the port."""

        def read() -> bytes | None:
            entries = self._database.entries
            return entries[index][11] if index < len(entries) else None

        return await self._world.call(self._life, "checkpoints.roots", read)

    async def latest(self, *, shown: bool) -> StoredCheckpoint | None:
        """As the port."""

        def read() -> StoredCheckpoint | None:
            database = self._database
            size = max(database.shown if shown else database.checkpoints, default=0)
            return database.checkpoints.get(size)

        return await self._world.call(self._life, "checkpoints.roots", read)

    async def add(self, checkpoint: StoredCheckpoint) -> None:
        """As the port."""
        await self._call("checkpoints.add", lambda: self._add(checkpoint))

    def _add(self, checkpoint: StoredCheckpoint) -> None:
        held = self._database.checkpoints
        largest, where = max(held, default=0), f"size {checkpoint.size}"
        if largest > checkpoint.size:
            raise Fatal("checkpoint-shrunk", "a larger checkpoint is stored: another process signs", where=where)
        if largest == checkpoint.size:
            same = held[largest]
            if (same.root, same.note) != (checkpoint.root, checkpoint.note):
                raise Fatal("checkpoint-forked", "another checkpoint of this size is stored", where=where)
            return
        held[checkpoint.size] = checkpoint
        self._database.observer.signed(checkpoint)

    async def show(self, size: int) -> None:
        """As the port."""

        def show() -> None:
            self._database.shown.add(size)
            self._database.observer.shown(size)

        await self._call("checkpoints.show", show)
