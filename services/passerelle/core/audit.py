"""The public log, verified from what it serves: entry bundles, tiles of hashes, bodies of member events. Pure.

Whoever reads the log hands its parts in, in order, and is told which further parts to fetch. What is kept is bounded by
members and streams, never by the length of the log. Nothing of the ledger is used here: only its formats.
Sources: contracts/formats.md; C2SP tlog-tiles and tlog-checkpoint; RFC 9162, section 2.1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from passerelle.core.batch import batch_message, batch_root
from passerelle.core.checkpoint import Checkpoint
from passerelle.core.entry import Entry, parse_entry
from passerelle.core.errors import FormatError, PasserelleError, Refused, SignatureInvalid
from passerelle.core.merkle import HASH_SIZE, Frontier, leaf_hashes
from passerelle.core.registry import ADMITTED, KeyVerdict, Registry, apply
from passerelle.core.signature import key_id, verify
from passerelle.core.statement import Statement, digest
from passerelle.core.streams import StreamHead, advance
from passerelle.core.tiles import WIDTH, BundleCoord, Tile, TileCoord, grow

FAULTS_TOLD: Final = 50
SIGNATURES_REMEMBERED: Final = 8192
MEMBER: Final = "member"
_START: Final = StreamHead()


@dataclass(frozen=True, slots=True)
class AuditFault:
    """One thing that is not as it must be: a code, the index or tile, what it is."""

    code: str
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry as read; ``body_sha256`` is set where its body must be handed in: accepted member events, all public."""

    data: bytes
    entry: Entry | None
    statement: Statement | None
    body_sha256: bytes | None


@dataclass(slots=True)
class AuditReport:
    """What was checked, how many, and the first faults. ``root_key`` in hex; ``root_key_given`` False where it is the
    one that the log itself begins with, on nobody's word but the log's.
    """

    checkpoint: Checkpoint
    root_key: str = ""
    root_key_given: bool = True
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[AuditFault] = field(default_factory=list)
    fault_count: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return self.fault_count == 0


def open_entry(data: bytes) -> Opened:
    """Read an entry as far as it can be; :meth:`LogAudit.take` says what is wrong with it."""
    try:
        entry = parse_entry(data)
        statement = entry.parsed()
    except FormatError:
        return Opened(data, None, None, None)
    wanted = statement.body_sha256 if entry.accepted and statement.family == MEMBER else None
    return Opened(data, entry, statement, wanted)


def bundles(size: int) -> list[BundleCoord]:
    """The entry bundles of a log of ``size`` entries, in order."""
    return [BundleCoord(start // WIDTH, min(WIDTH, size - start)) for start in range(0, size, WIDTH)]


class LogAudit:
    """Takes the entries of a log in order of index, up to a checkpoint whose signature the caller has verified.

    ``root_key``: the network's root public key (32 bytes). None: the key that signed the first entry and is listed in
    it, which must be the operator's own admission; that proves the log to agree with itself, and nothing of its
    founder. ``prefixes``: older checkpoints, of verified signatures too.
    """

    def __init__(self, checkpoint: Checkpoint, root_key: bytes | None, prefixes: Sequence[Checkpoint] = ()) -> None:
        self.report = AuditReport(checkpoint, root_key.hex() if root_key else "", root_key is not None)
        self._network = checkpoint.origin
        self._root_key = root_key
        self._registry: Registry | None = None
        self._frontier = Frontier()
        self._streams: dict[tuple[str, str], StreamHead] = {}
        self._good: dict[tuple[bytes, bytes, bytes], None] = {}
        self._accepted_at = 0
        self._open: dict[tuple[int, int], bytes] = {}
        self._whole: list[Tile] = []
        self._prefixes = sorted(prefixes, key=lambda item: item.size)
        self._leaves: list[bytes] = []

    @property
    def size(self) -> int:
        """Entries taken."""
        return self._frontier.size + len(self._leaves)

    def take(self, opened: Opened, body: bytes | None) -> None:
        """The next entry, with the body that it asks for; None where the log did not serve it."""
        where = f"index {self.size}"
        self._leaves.append(opened.data)
        if opened.entry is None or opened.statement is None:
            self._explain(opened.data, where)
        else:
            self._check(opened.entry, opened.statement, opened.body_sha256, body, where)
        if len(self._leaves) >= WIDTH or self._at_prefix() or self.size == self.report.checkpoint.size:
            self._grow()

    def _fault(self, code: str, where: str, what: str, *, always: bool = False) -> None:
        self.report.fault_count += 1
        if always or len(self.report.faults) < FAULTS_TOLD:
            self.report.faults.append(AuditFault(code, where, what))

    def _count(self, what: str) -> None:
        self.report.counts[what] = self.report.counts.get(what, 0) + 1

    def _explain(self, data: bytes, where: str) -> None:
        try:
            parse_entry(data).parsed()
        except FormatError as error:
            self._fault(error.code, where, error.what)

    def _check(self, entry: Entry, statement: Statement, wanted: bytes | None, body: bytes | None, where: str) -> None:
        self._count("entries")
        if statement.network != self._network:
            self._fault("network-mismatch", where, "the statement is of another network")
        if entry.accepted_at < self._accepted_at:
            self._fault("ledger-diverged", where, "accepted_at is earlier than that of the entry before")
        self._accepted_at = max(self._accepted_at, entry.accepted_at)
        if wanted is not None and (body is None or digest(body) != wanted):
            code, what = ("body-absent", "is not served") if body is None else ("body-hash-mismatch", "is another one")
            self._fault(code, where, f"the body of a member event {what}: keys cannot be judged from here on")
            body = None
        if self._registry is None:
            self._found(entry, statement, body, where)
        self._check_signature(entry, statement, where)
        self._check_stream(entry, statement, where)
        if wanted is not None and body is not None:
            self._change_member(body, where)

    def _found(self, entry: Entry, statement: Statement, body: bytes | None, where: str) -> None:
        """The first entry names the operator; without a root key given, its signer's key is looked up in it."""
        root = self._root_key
        if root is None and body is not None:
            root = _listed_key(body, entry.key_id)
        if root is None:
            self._fault("key-unknown", where, "the first entry does not list the key that signed it: name the root key")
            root = bytes(32)
        self.report.root_key = root.hex()
        self._registry = Registry(self._network, statement.member, root)

    def _check_signature(self, entry: Entry, statement: Statement, where: str) -> None:
        registry = self._registry
        assert registry is not None
        verdict = registry.key_valid(
            statement.member, entry.key_id, entry.accepted_at, statement.family, statement.sequence
        )
        found = registry.key_for(entry.key_id)
        if verdict is not KeyVerdict.VALID or found is None:
            self._fault("key-not-valid", where, f"the key of the entry was {verdict.value} for its member here")
            return
        try:
            root = batch_root(entry.statement, entry.batch_index, entry.batch_size, entry.batch_path)
        except SignatureInvalid as error:
            self._fault(error.code, where, error.what)
            return
        message = batch_message(statement.network, statement.member, entry.batch_size, root)
        known = (found[1].public_key, message, entry.batch_signature)
        self._count("signatures")
        if known in self._good:
            return
        if not verify(*known):
            self._fault("signature-invalid", where, "the signature does not verify under the key")
            return
        while len(self._good) >= SIGNATURES_REMEMBERED:
            del self._good[next(iter(self._good))]
        self._good[known] = None

    def _check_stream(self, entry: Entry, statement: Statement, where: str) -> None:
        stream = (statement.member, statement.family)
        head = self._streams.get(stream, _START)
        if statement.sequence != head.sequence + 1:
            what = f"{statement.member}/{statement.family}: number {statement.sequence} follows {head.sequence}"
            self._fault("sequence-gap", where, what)
        elif statement.prev != head.digest:
            self._fault("sequence-conflict", where, "the link is not the stream's previous statement")
        self._streams[stream] = advance(statement, digest(entry.statement))
        self.report.counts["streams"] = len(self._streams)

    def _change_member(self, body: bytes, where: str) -> None:
        assert self._registry is not None
        index = self.size - 1
        try:
            value = json.loads(body)
            apply(self._registry, index, value["type"], value["data"])
        except (ValueError, KeyError, TypeError, RecursionError):
            self._fault("schema-invalid", where, "the body of an accepted member event cannot be read")
        except (Refused, PasserelleError) as error:
            self._fault("ledger-diverged", where, f"an accepted member event cannot be applied: {error.what}")
        else:
            self._count("member events")

    # The tree

    def _at_prefix(self) -> bool:
        return bool(self._prefixes) and self.size >= self._prefixes[0].size

    def _grow(self) -> None:
        for growth in grow(self._frontier, leaf_hashes(self._leaves)):
            place = (growth.level, growth.index)
            hashes = self._open.pop(place, b"") + growth.hashes
            if len(hashes) == WIDTH * HASH_SIZE:
                self._whole.append(Tile(TileCoord(*place), hashes))
            else:
                self._open[place] = hashes
        self._leaves.clear()
        while self._prefixes and self._prefixes[0].size <= self._frontier.size:
            older = self._prefixes.pop(0)
            self._count("older checkpoints")
            if older.size != self._frontier.size or older.root != self._frontier.root():
                self._fault("checkpoint-forked", f"checkpoint {older.size}", "it is not a prefix of the log: keep both")

    def tiles(self) -> list[Tile]:
        """The tiles that became whole since the last call: what the log serves must be these."""
        whole, self._whole = self._whole, []
        return whole

    def finish(self) -> list[Tile]:
        """Hold the root against the checkpoint's, after the last entry; returns the partial tiles of the tree."""
        self._grow()
        checkpoint = self.report.checkpoint
        if self._frontier.size != checkpoint.size:
            what = f"{self._frontier.size} entries were read and the checkpoint covers {checkpoint.size}"
            self._fault("checkpoint-behind", f"checkpoint {checkpoint.size}", what, always=True)
        elif self._frontier.root() != checkpoint.root:
            what = "the entries do not give its root"
            self._fault("proof-root-mismatch", f"checkpoint {checkpoint.size}", what, always=True)
        for older in self._prefixes:
            self._fault("checkpoint-shrunk", f"checkpoint {older.size}", "it covers more than the log now shows")
        return [Tile(TileCoord(*place, len(data) // HASH_SIZE), data) for place, data in sorted(self._open.items())]

    def compare(self, tile: Tile, served: bytes) -> None:
        """A tile as served must be that of the entries."""
        self._count("tiles")
        if served != tile.hashes:
            self._fault("tile-hash-mismatch", tile.coord.path, "the tile served is not that of the entries")


def _listed_key(body: bytes, wanted: str) -> bytes | None:
    """The public key of this id in an admission; None where there is none."""
    try:
        value = json.loads(body)
        texts = [key["public_key"] for key in value["data"]["keys"] if value["type"] == ADMITTED]
        keys = [bytes.fromhex(text) for text in texts]
        return next((key for key in keys if len(key) == HASH_SIZE and key_id(key) == wanted), None)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
