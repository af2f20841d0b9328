"""A verifier of the public log that shares nothing with the ledger: feed, tiles and checkpoints, read from outside.

It trusts the network's root public key and the log's verifier key, uses the core alone to judge what it reads, and says
all that is wrong in ``faults``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from passerelle.core.batch import batch_message, batch_root
from passerelle.core.checkpoint import Checkpoint, open_checkpoint
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import PasserelleError
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.note import VerifierKey
from passerelle.core.registry import KeyVerdict, Registry
from passerelle.core.registry import apply as apply_member
from passerelle.core.signature import verify
from passerelle.core.statement import PUBLIC, Statement, digest
from passerelle.core.streams import Place, StreamHead, advance, place
from passerelle.core.tiles import WIDTH, BundleCoord, TileCoord, decode_bundle, root_at, width_at
from passerelle.events.topics import CHECKPOINT, FEED
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.kafka import TopicPartition, end_offsets, start_consumer, stop_consumer

FAULTS_KEPT: Final = 20
TIMEOUT_S: Final = 20.0
_OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of partition 0 of a topic."""

    offset: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Logged:
    """What the log says of one statement: its index, ``accepted`` or ``refused <code>``, the statement's SHA-256."""

    index: int
    outcome: str
    digest: bytes


@dataclass(slots=True)
class Audit:
    """The log judged entry by entry. :meth:`take` them in index order, then :meth:`check_roots`."""

    network: str
    root_key: bytes
    vkey: VerifierKey
    operator: str = _OPERATOR
    faults: list[str] = field(default_factory=list)
    logged: dict[tuple[str, str, int], Logged] = field(default_factory=dict)
    """By member, family and sequence."""
    leaves: list[bytes] = field(default_factory=list)
    _registry: Registry = field(init=False)
    _heads: dict[tuple[str, str], StreamHead] = field(default_factory=dict)
    _signed: set[tuple[bytes, bytes, bytes]] = field(default_factory=set)
    _accepted_at: int = 0

    def __post_init__(self) -> None:
        self._registry = Registry(self.network, self.operator, self.root_key)

    def fault(self, where: str, what: str) -> None:
        """Note a fault; the first ones are kept."""
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"{where}: {what}")

    @property
    def size(self) -> int:
        """Entries taken."""
        return len(self.leaves)

    def take(self, data: bytes, body: bytes) -> None:
        """The next entry, with its body where it is public."""
        index, where = self.size, f"index {self.size}"
        self.leaves.extend(leaf_hashes([data]))
        try:
            entry = parse_entry(data)
            statement = entry.parsed()
            self._check_signature(index, entry, statement)
        except PasserelleError as error:
            self.fault(where, f"{error.code}: {error.what}")
            return
        if entry.accepted_at < self._accepted_at:
            self.fault(where, "accepted_at goes back")
        self._accepted_at = entry.accepted_at
        self._check_stream(index, entry, statement)
        self._check_body(entry, statement, body, where)
        if statement.family == "member" and entry.accepted and body:
            value: dict[str, Any] = json.loads(body)
            apply_member(self._registry, index, value["type"], value["data"])

    def _check_signature(self, index: int, entry: Entry, statement: Statement) -> None:
        where = f"index {index}"
        if statement.network != self.network:
            self.fault(where, "an entry of another network")
        verdict = self._registry.key_valid(
            statement.member, entry.key_id, entry.accepted_at, statement.family, statement.sequence
        )
        found = self._registry.key_for(entry.key_id)
        if verdict is not KeyVerdict.VALID or found is None:
            self.fault(where, f"the key is {verdict} for {statement.member} here")
            return
        root = batch_root(entry.statement, entry.batch_index, entry.batch_size, entry.batch_path)
        message = batch_message(statement.network, statement.member, entry.batch_size, root)
        seen = (found[1].public_key, message, entry.batch_signature)
        # One signature serves a batch: it is checked once.
        if seen in self._signed:
            return
        if not verify(found[1].public_key, message, entry.batch_signature):
            self.fault(where, "the signature does not verify")
            return
        self._signed.add(seen)

    def _check_stream(self, index: int, entry: Entry, statement: Statement) -> None:
        stream, sent = (statement.member, statement.family), digest(entry.statement)
        found = place(self._heads.get(stream, StreamHead()), statement, sent)
        if found.place is not Place.NEXT:
            self.fault(f"index {index}", f"{stream} {statement.sequence} is {found.place}, not the next of its stream")
        self._heads[stream] = advance(statement, sent)
        spent = (*stream, statement.sequence)
        if spent in self.logged:
            self.fault(f"index {index}", f"{spent} was logged before, at {self.logged[spent].index}")
        self.logged[spent] = Logged(index, entry.outcome, sent)

    def _check_body(self, entry: Entry, statement: Statement, body: bytes, where: str) -> None:
        public = entry.accepted and statement.visibility == PUBLIC
        if body and not public:
            self.fault(where, "a body that is not public")
        elif public and digest(body) != statement.body_sha256:
            self.fault(where, "the body is not the one that was signed")

    # The tree

    def roots(self, sizes: Iterable[int]) -> dict[int, bytes]:
        """Roots of the trees of the first entries, by size; a size beyond the log is left out."""
        frontier, found = Frontier(), {}
        for size in sorted({size for size in sizes if size <= self.size}):
            frontier.extend(self.leaves[frontier.size : size])
            found[size] = frontier.root()
        return found

    def open(self, note: bytes) -> Checkpoint | None:
        """A checkpoint that the log signed; None, with a fault, where it did not."""
        try:
            return open_checkpoint(note, [self.vkey], origin=self.network).checkpoint
        except PasserelleError as error:
            self.fault("checkpoint", f"{error.code}: {error.what}")
            return None

    def check_roots(self, notes: Sequence[bytes]) -> int:
        """Hold checkpoints against the entries: each a prefix. Returns how many there were."""
        found = [checkpoint for note in notes if (checkpoint := self.open(note)) is not None]
        roots = self.roots(checkpoint.size for checkpoint in found)
        for checkpoint in found:
            if checkpoint.size not in roots:
                self.fault(f"checkpoint {checkpoint.size}", f"promises more than {self.size} entries")
            elif checkpoint.root != roots[checkpoint.size]:
                self.fault(f"checkpoint {checkpoint.size}", "its root is not that of the first entries")
        return len(found)


async def read_topic(kafka: KafkaConfig, topic: str, partition: int = 0, *, start: int = 0) -> AsyncIterator[Record]:
    """Every record of a partition, up to its present end; from offset ``start`` on where one is named."""
    end = (await end_offsets(kafka, topic, [partition], client_id="audit"))[partition]
    place = TopicPartition(topic, partition)
    consumer = await start_consumer(kafka, client_id="audit", positions={place: start})
    try:
        if not start:
            await consumer.seek_to_beginning(place)
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(place, timeout_ms=500, max_records=5000)).values():
                for one in records:
                    yield Record(one.offset, bytes(one.key or b""), bytes(one.value or b""), dict(one.headers))
    finally:
        await stop_consumer(consumer)


@dataclass(slots=True)
class FeedAudit:
    """The feed taken into an audit: every index once, in order, repeats dropped. ``offset`` is the next one to read."""

    audit: Audit
    entries: list[bytes] = field(default_factory=list)
    offset: int = 0

    def take(self, record: Record) -> None:
        """The next record of the topic."""
        index, entry, where = int(record.headers["index"]), record.headers["entry"], f"feed offset {record.offset}"
        self.offset = record.offset + 1
        if index > len(self.entries):
            self.audit.fault(where, f"indices {len(self.entries)} to {index - 1} are missing")
        elif index < len(self.entries):
            if self.entries[index] != entry:
                self.audit.fault(where, f"another entry at index {index}")
        else:
            self.entries.append(entry)
            self.audit.take(entry, record.value)

    async def read(self, kafka: KafkaConfig) -> None:
        """Take what is new."""
        async for record in read_topic(kafka, FEED, start=self.offset):
            self.take(record)


async def audit_feed(audit: Audit, kafka: KafkaConfig) -> list[bytes]:
    """Take the whole feed, see :class:`FeedAudit`. Returns the entries."""
    feed = FeedAudit(audit)
    await feed.read(kafka)
    return feed.entries


async def audit_checkpoints(audit: Audit, kafka: KafkaConfig) -> list[bytes]:
    """Check every checkpoint on its topic against the entries taken. Returns the notes."""
    notes = [record.value async for record in read_topic(kafka, CHECKPOINT)]
    audit.check_roots(notes)
    return notes


class LogReader:
    """The log over HTTP (C2SP tlog-tiles)."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str) -> bytes:
        """The bytes at a path. Raises httpx.HTTPError."""
        response = await self._client.get(path)
        response.raise_for_status()
        return response.content

    async def entries(self, size: int) -> list[bytes]:
        """The first ``size`` entries, from their bundles."""
        found: list[bytes] = []
        for index in range((size + WIDTH - 1) // WIDTH):
            width = min(WIDTH, size - index * WIDTH)
            found += decode_bundle(await self.get(f"/{BundleCoord(index, width).path}"), width)
        return found

    async def root(self, size: int) -> bytes:
        """Root of the tree of ``size``, from its tiles of hashes alone."""
        tiles: dict[tuple[int, int], bytes] = {}
        level = 0
        while size >> (8 * level):
            for index in range(((size >> (8 * level)) + WIDTH - 1) // WIDTH):
                coord = TileCoord(level, index, width_at(level, index, size))
                tiles[level, index] = await self.get(f"/{coord.path}")
            level += 1
        return root_at(size, lambda level, index: tiles[level, index])


@asynccontextmanager
async def open_log(url: str) -> AsyncIterator[LogReader]:
    """Read a log over HTTP."""
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=False) as client:
        yield LogReader(client)


async def audit_log(audit: Audit, url: str, entries: Sequence[bytes]) -> Checkpoint | None:
    """Hold the log over HTTP against the entries of the feed: its checkpoint, every bundle, every tile of hashes."""
    async with open_log(url) as log:
        note = await log.get("/checkpoint")
        if (checkpoint := audit.open(note)) is None:
            return None
        audit.check_roots([note])
        if await log.entries(checkpoint.size) != list(entries[: checkpoint.size]):
            audit.fault("tiles", "the entry bundles are not the feed's entries")
        if await log.root(checkpoint.size) != checkpoint.root:
            audit.fault("tiles", "the tiles do not give the checkpoint's root")
        return checkpoint
