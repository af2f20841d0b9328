"""What a refill reads and keeps, in memory: see :mod:`passerelle.ledger.refill_ports`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import orjson

from passerelle.core.statement import digest, parse_statement
from passerelle.events.topics import FEED, INGRESS, inbox_topic
from passerelle.ledger.model import Place
from passerelle.ledger.refill_letters import as_row
from passerelle.ledger.refill_ports import Coordinates, FeedRecord, Letter, ToldRow
from passerelle.testing.memory_ledger import START_MS
from passerelle.testing.simulation.broker import TAIL, Broker, Kept, Partition
from passerelle.testing.simulation.database import InboxLine, LedgerDatabase
from passerelle.testing.simulation.world import Life, World


class RefillTopics:
    """Feed, ingress and inboxes, read from their beginning or by place."""

    def __init__(self, world: World, life: Life, broker: Broker) -> None:
        self._world, self._life, self._broker = world, life, broker

    def _partition(self, topic: str, number: int = 0) -> Partition:
        held = self._broker.topics.get(topic)
        return held[number] if held else Partition()

    async def records(self, start: int) -> AsyncIterator[Sequence[FeedRecord]]:
        """As the port."""
        kept = await self._world.call(self._life, "refill.read", lambda: list(self._partition(FEED).records))
        found: list[FeedRecord] = []
        for record in kept:
            headers = dict(record.headers)
            index = int(headers["index"])
            if index == start + len(found):
                found.append(FeedRecord(index, headers["entry"], headers["ingress"].decode(), record.value or b""))
        if found:
            yield found

    async def beginnings(self) -> Mapping[Place, int]:
        """As the port."""

        def read() -> dict[Place, int]:
            topics = self._broker.topics
            return {(topic, number): held.first for topic in INGRESS for number, held in enumerate(topics[topic])}

        return await self._world.call(self._life, "refill.read", read)

    async def fetch(self, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
        """As the port."""

        def read() -> dict[Coordinates, bytes]:
            found = {}
            for topic, number, offset in wanted:
                held = self._partition(topic, number)
                if held.first <= offset < held.end:
                    found[topic, number, offset] = held.records[offset].value or b""
            return found

        return await self._world.call(self._life, "refill.read", read)

    async def search(self, statements: Collection[bytes], starts: Mapping[Place, int]) -> Mapping[bytes, bytes]:
        """As the port."""

        def read() -> dict[bytes, bytes]:
            found = {}
            for topic in INGRESS:
                for number, held in enumerate(self._broker.topics[topic]):
                    for record in held.records[max(held.first, starts.get((topic, number), 0)) :]:
                        found.update(_body_of(record, statements))
            return found

        return await self._world.call(self._life, "refill.read", read)

    async def published(self, known: Mapping[str, int]) -> Mapping[str, int]:
        """As the port."""

        def read() -> dict[str, int]:
            tails = {member: _tail(self._partition(inbox_topic(member))) for member in known}
            return {
                member: max(_number(one) for one in tail)
                for member, tail in tails.items()
                if tail and tail[-1].offset >= known[member]
            }

        return await self._world.call(self._life, "refill.read", read)

    async def letters(self, member: str, after: int) -> AsyncIterator[Sequence[Letter]]:
        """As the port."""
        held = await self._world.call(self._life, "refill.read", lambda: self._partition(inbox_topic(member)))
        found: list[Letter] = []
        for record in held.records[held.first :]:
            if _number(record) > after:
                after = _number(record)
                kind = dict(record.headers)["kind"].decode()
                found.append(Letter(member, after, kind, record.value or b"", START_MS))
        if found:
            yield found


def _tail(held: Partition) -> Sequence[Kept]:
    return held.records[max(held.first, held.end - TAIL) :]


def _number(record: Kept) -> int:
    return int(dict(record.headers)["inbox-number"])


def _body_of(record: Kept, statements: Collection[bytes]) -> dict[bytes, bytes]:
    statement, body = dict(record.headers).get("statement") or b"", record.value or b""
    if digest(statement) in statements and parse_statement(statement).body_sha256 == digest(body):
        return {digest(statement): body}
    return {}


class RefillLetters:
    """Inbox rows in the ledger's tables."""

    def __init__(self, world: World, life: Life, database: LedgerDatabase) -> None:
        self._world, self._life, self._database = world, life, database

    async def numbers(self) -> Mapping[str, tuple[int, int]]:
        """As the port."""
        database = self._database

        def read() -> dict[str, tuple[int, int]]:
            return {name: (len(lines), database.published.get(name, 0)) for name, lines in database.letters.items()}

        return await self._world.call(self._life, "refill.read", read)

    async def mark(self, size: int) -> None:
        """As the port. Nothing in a run asks for the mark."""
        await self._world.call(self._life, "refill.write", lambda: None)

    async def restore(self, letters: Sequence[Letter], size: int) -> None:
        """As the port."""

        def write() -> None:
            for letter in letters:
                member, number, kind, _size, index, value, _at = as_row(letter, size)
                if number > len(self._database.letters.get(member, ())):
                    line = InboxLine(number, kind, size, index, value)
                    self._database.beyond.setdefault(member, {}).setdefault(number, line)

        await self._world.call(self._life, "refill.write", write)

    def _keep(self, member: str, line: InboxLine) -> None:
        self._database.letters.setdefault(member, []).append(line)
        value = {"index": line.entry} if line.value is None else orjson.loads(line.value)
        self._database.inbox.setdefault(member, []).append((line.kind, value))

    async def settle(self, member: str, number: int, size: int, now_ms: int) -> None:
        """As the port."""

        def write() -> None:
            beyond = self._database.beyond.get(member, {})
            for missing in range(len(self._database.letters.get(member, ())) + 1, number + 1):
                empty = InboxLine(missing, "receipts", size, None, b"[]")
                self._keep(member, beyond.pop(missing, empty))
            self._database.published[member] = max(number, self._database.published.get(member, 0))

        await self._world.call(self._life, "refill.write", write)

    async def told(self, size: int) -> AsyncIterator[Sequence[ToldRow]]:
        """As the port."""

        def read() -> list[ToldRow]:
            return [
                ToldRow(member, line.kind, line.entry, line.value, START_MS)
                for member, lines in sorted(self._database.letters.items())
                for line in lines[: self._database.published.get(member, 0)]
                if line.size > size
            ]

        rows = await self._world.call(self._life, "refill.read", read)
        if rows:
            yield rows

    async def asked(self, member: str, value: bytes, since_ms: int) -> bool:
        """As the port."""

        def read() -> bool:
            lines = self._database.letters.get(member, ())
            return since_ms <= START_MS and any((line.kind, line.value) == ("resend-from", value) for line in lines)

        return await self._world.call(self._life, "refill.read", read)
