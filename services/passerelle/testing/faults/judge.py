"""Holds a running federation against its promises: what is new after each round, everything at the end.

The log is read from outside by :mod:`passerelle.testing.audit`; read models and the rest of the database are compared
with a rebuild by ``passerelle ledger check``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson

from passerelle.core.statement import digest
from passerelle.events.topics import CHECKPOINT, inbox_topic
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.process import wait_for
from passerelle.testing.audit import Audit, FeedAudit, Record, audit_log, read_topic
from passerelle.testing.faults.network import NETWORK, Network, Ran

_ROWS = "SELECT family, sequence, statement, index, outcome, code FROM node.outbox WHERE index >= $1 ORDER BY index"
_TOTALS = "SELECT count(*), count(*) FILTER (WHERE outcome IS NULL), (SELECT count(*) FROM node.draft) FROM node.outbox"


@dataclass
class Shown:
    """Checkpoints that a log showed over HTTP while everything fell and rose, by size; and what contradicted them."""

    url: Callable[[], str | None]
    notes: dict[int, bytes] = field(default_factory=dict)
    forks: list[str] = field(default_factory=list)

    async def collect(self) -> None:
        """Read the log's checkpoint again and again, from whichever ledger is active, until cancelled."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while True:
                await wait_for(lambda: self._look(client), timeout_s=0.2, every_s=0.2)

    async def _look(self, client: httpx.AsyncClient) -> bool:
        if (url := self.url()) is None:
            return False
        with suppress(httpx.HTTPError):
            response = await client.get(f"{url}/checkpoint")
            if response.status_code == 200:
                self.take(response.content)
        return False

    def take(self, note: bytes) -> None:
        """One checkpoint as it was shown."""
        lines = note.split(b"\n")
        held = self.notes.setdefault(int(lines[1]), note)
        if held.split(b"\n")[2] != lines[2]:
            self.forks.append(f"two roots were shown for size {int(lines[1])}")


@dataclass
class InboxAudit:
    """One member's inbox: every number, and receipts that answer every event, never in two ways."""

    member: str
    audit: Audit
    number: int = 0
    offset: int = 0
    told: dict[tuple[str, str, int], tuple[int, str]] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """The next record of the topic; numbers may repeat, and have no hole."""
        number, where = int(record.headers["inbox-number"]), f"inbox of {self.member}"
        self.offset = record.offset + 1
        if number > self.number + 1:
            self.audit.fault(where, f"number {self.number + 1} is missing")
        self.number = max(self.number, number)
        if record.headers["kind"] != b"receipts":
            return
        for stream in orjson.loads(record.value):
            for one in stream["outcomes"]:
                outcome = one["outcome"] if one["outcome"] == "accepted" else f"refused {one['code']}"
                spent, answer = (self.member, stream["family"], one["sequence"]), (one["index"], outcome)
                if self.told.setdefault(spent, answer) != answer:
                    self.audit.fault(where, f"{spent} was answered in two ways")

    async def read(self, kafka: KafkaConfig) -> None:
        """Take what is new."""
        async for record in read_topic(kafka, inbox_topic(self.member), start=self.offset):
            self.take(record)

    def check(self) -> None:
        """The answers are those of the log, to every event of the member and to nothing else."""
        logged = {
            spent: (row.index, row.outcome) for spent, row in self.audit.logged.items() if spent[0] == self.member
        }
        for spent in self.told.keys() | logged.keys():
            if self.told.get(spent) != logged.get(spent):
                what = f"{spent} was told as {self.told.get(spent)} and logged as {logged.get(spent)}"
                self.audit.fault(f"inbox of {self.member}", what)


@dataclass
class OutboxAudit:
    """What a node sent is what the log holds, once, in order, with the answer that the node was given."""

    member: str
    audit: Audit
    rows: int = 0
    following: int = 0
    """Rows of indices below this one were checked."""

    def take(self, row: Any) -> None:
        """The next answered row, by index."""
        spent = (self.member, row["family"], row["sequence"])
        outcome = "accepted" if row["outcome"] == "accepted" else f"refused {row['code']}"
        found = self.audit.logged.get(spent)
        if found is None or (found.index, found.outcome, found.digest) != (
            row["index"],
            outcome,
            digest(row["statement"]),
        ):
            self.audit.fault(f"outbox of {self.member}", f"{spent} is not what the log holds")
        self.rows += 1
        self.following = row["index"] + 1

    def check(self, total: int, unanswered: int, drafts: int) -> None:
        """Every row has its answer, and the log holds no event of the member that the node does not know."""
        where = f"outbox of {self.member}"
        logged = sum(1 for spent in self.audit.logged if spent[0] == self.member)
        if unanswered or drafts:
            self.audit.fault(where, f"{unanswered} events have no answer, {drafts} were never sent")
        if not total == logged == self.rows:
            self.audit.fault(where, f"{total} events, {self.rows} of them answered, and {logged} in the log")

    async def read(self, dsn: str) -> None:
        """Check what is new, and the totals."""
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for row in await connection.fetch(_ROWS, self.following):
                self.take(row)
            total, unanswered, drafts = (await connection.fetch(_TOTALS))[0]
            self.check(total, unanswered, drafts)
        finally:
            await connection.close()


@dataclass
class PortalAudit:
    """What a portal holds is the log, index by index, and the root that it computed is the log's."""

    audit: Audit
    feed: FeedAudit
    root: bytes = b""
    held: int = 0

    def take(self, index: int, entry: bytes, root: bytes) -> None:
        """The next row of its feed, by index."""
        if index != self.held or index >= len(self.feed.entries) or self.feed.entries[index] != entry:
            self.audit.fault("portal", f"row {self.held} is of index {index}, or another entry than the log's")
        self.held, self.root = index + 1, root

    def check(self) -> None:
        """It holds the whole log and no more."""
        if self.held != self.audit.size:
            self.audit.fault("portal", f"it holds {self.held} of {self.audit.size} entries")
        elif self.held and self.root != self.audit.roots([self.held])[self.held]:
            self.audit.fault("portal", f"its root at size {self.held} is not the log's")

    async def read(self, dsn: str) -> None:
        """Check what is new."""
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            for row in await connection.fetch(
                "SELECT index, entry, root FROM feed WHERE index >= $1 ORDER BY index", self.held
            ):
                self.take(row["index"], row["entry"], row["root"])
        finally:
            await connection.close()
        self.check()


class Judge:
    """The promises, held against a federation whose events are all answered. ``faults`` says what is broken."""

    def __init__(self, network: Network, members: Sequence[str], shown: Shown, portal_dsn: str) -> None:
        self._network = network
        self._kafka = KafkaConfig(bootstrap=network.kafka.bootstrap)
        self._shown = shown
        self.audit = Audit(NETWORK, network.root_key, network.vkey)
        self.feed = FeedAudit(self.audit)
        self._portal = PortalAudit(self.audit, self.feed)
        self._portal_dsn = portal_dsn
        self._inboxes = [InboxAudit(member, self.audit) for member in members]
        self._outboxes = [OutboxAudit(member, self.audit) for member in members]
        self._notes: dict[bytes, bytes] = {}
        self._next_note = 0
        self._checked: set[int] = set()

    @property
    def faults(self) -> list[str]:
        """All that is wrong so far."""
        return [*self.audit.faults, *self._shown.forks]

    async def look(self, expected: Mapping[str, int]) -> None:
        """What is new since the last look, of everybody's. ``expected``: how many events each member has said."""
        await self.feed.read(self._kafka)
        fresh: list[bytes] = []
        async for record in read_topic(self._kafka, CHECKPOINT, start=self._next_note):
            self._next_note = record.offset + 1
            self._notes[record.value.split(b"\n")[1]] = record.value
            fresh.append(record.value)
        seen = {size: note for size, note in self._shown.notes.items() if size not in self._checked}
        self._checked |= seen.keys()
        self.audit.check_roots([*fresh, *seen.values()])
        for size in seen:
            if b"%d" % size not in self._notes:
                self.audit.fault(f"checkpoint {size}", "it was shown and never published")
        await self._portal.read(self._portal_dsn)
        for inbox in self._inboxes:
            await inbox.read(self._kafka)
            inbox.check()
        for outbox in self._outboxes:
            await outbox.read(self._network.sites[outbox.member].dsn)
            if outbox.rows != expected[outbox.member]:
                what = f"{outbox.rows} events instead of {expected[outbox.member]}"
                self.audit.fault(f"outbox of {outbox.member}", what)

    async def whole(self, config: Path, url: str) -> None:
        """Everything: the log at ``url``, its bundles and tiles, ``proof audit``; the database by ``ledger check``."""
        checkpoint = await audit_log(self.audit, url, self.feed.entries)
        if checkpoint is not None and checkpoint.size != self.audit.size:
            self.audit.fault("log", f"its checkpoint covers {checkpoint.size} of {self.audit.size} entries")
        root_key = str(self._network.folder / "operator" / "root.pub")
        vkey = str(self._network.vkey)
        runs: Iterable[tuple[str, Awaitable[Ran]]] = (
            ("ledger check", self._network.run("ledger", "check", "--json", config=config)),
            (
                "proof audit",
                self._network.run("proof", "audit", "--log", url, "--vkey", vkey, "--root-key", root_key, "--json"),
            ),
        )
        for name, run in runs:
            ran = await run
            if ran.code != 0:
                self.audit.fault(name, f"exit code {ran.code}: {(ran.out + ran.err)[-2000:]}")
            elif checkpoint is not None and name == "ledger check" and ran.json()["root"] != checkpoint.root.hex():
                self.audit.fault(name, "its root is not that of the checkpoint")


async def ended(task: asyncio.Task[None]) -> None:
    """End a task that runs until it is told; an error of its own is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
