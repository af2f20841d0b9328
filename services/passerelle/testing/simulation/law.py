"""What must hold after every step, and at the end: checked as things happen, so that the first wrong step is named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import orjson

from passerelle.core.batch import from_kafka
from passerelle.core.checkpoint import parse_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal, PasserelleError, Retryable, Unavailable
from passerelle.core.merkle import EMPTY_ROOT, Frontier, leaf_hash
from passerelle.core.note import parse_note
from passerelle.core.statement import ZERO, digest
from passerelle.events.topics import CHECKPOINT, FEED, INGRESS, REGISTRY, inbox_topic
from passerelle.ledger.model import CommitPlan, Place
from passerelle.ledger.outgoing_ports import Positions, StoredCheckpoint
from passerelle.node.messages import Answer, is_newer
from passerelle.node.ports import OutboxRow
from passerelle.node.restore import RESTORED
from passerelle.node.witness_ports import Cosigned
from passerelle.testing.simulation.broker import Broker, Kept
from passerelle.testing.simulation.database import LedgerDatabase, Observer
from passerelle.testing.simulation.office import NodeDatabase
from passerelle.testing.simulation.rebuilding import difference
from passerelle.testing.simulation.script import (
    HONEST,
    ISSUER,
    MARKER,
    READER,
    ROGUE,
    Parcel,
    script,
    signer_of,
)
from passerelle.testing.simulation.world import Life, Violation, World

OVERTAKEN: Final = frozenset({"lease-lost", "checkpoint-shrunk", "checkpoint-behind"})
"""With these a ledger ends that another one has overtaken: what it loaded is older than what it finds."""
OLD_KEY: Final = signer_of(ISSUER).key_id
REVOCATION: Final = digest(script().revocation.draft.body)
EARLY_MS: Final = 200_000
"""A checkpoint so far ahead of true time is signed by a wrong clock, and is cosigned when its time has come."""
Stream = tuple[str, str]


class Evidence(NamedTuple):
    """Statements that contradict others, records that were nobody's, and what waits: its place and its digest."""

    conflicts: frozenset[bytes]
    nobody: frozenset[str]
    waiting: Mapping[tuple[str, str, int], bytes]


class Law(Observer):
    """Watches tables, topics and nodes. Every finding ends the run."""

    def __init__(
        self, world: World, broker: Broker, database: LedgerDatabase, nodes: Mapping[str, NodeDatabase]
    ) -> None:
        self.world, self.broker, self.database, self.nodes = world, broker, database, nodes
        self.conflicts: set[bytes] = set()
        self.nobody: set[str] = set()
        self.fed: list[bytes] = []
        self.inboxes: dict[str, int] = {}
        self.noted: dict[int, bytes] = {}
        self.answers: dict[tuple[str, str, int], Answer] = {}
        self.overtaken = 0
        self.restored: set[str] = set()
        self._waiting: dict[tuple[str, str, int], bytes] = {}
        self.roots: list[bytes] = [EMPTY_ROOT]
        self.logged: dict[bytes, int] = {}
        self.heads: dict[Stream, tuple[int, bytes]] = {}
        self.revoked = False
        self._frontier = Frontier()
        self._accepted_at = 0
        self._inbox_of = {inbox_topic(member): member for member in (*HONEST, ROGUE)}
        database.observer = self
        broker.told = self.appended
        for member, node in nodes.items():
            node.answered = self._hear(member)
            node.promised = self._promise

    @property
    def feed(self) -> int:
        """Entries on the feed."""
        return len(self.fed)

    def broken(self, invariant: str, what: str) -> Violation:
        """An invariant does not hold."""
        return self.world.violate(invariant, what)

    # The ledger's tables

    def writing(self, generation: int) -> None:
        """Only the newest holder of the lease writes."""
        if generation != self.database.generation:
            raise self.broken("one-writer", f"generation {generation} wrote, {self.database.generation} is the newest")

    def committed(self, plan: CommitPlan, before: Mapping[Place, int]) -> None:
        """The log, its streams and its tree; what was read is logged, waits, is evidence, or was nobody's."""
        for row in plan.entries:
            self._logged(row[0], row[11])
        self._check_tiles(plan.size)
        self.conflicts.update(row[4] for row in plan.conflicts)
        if any(row[1] in HONEST and row[1] not in self.restored for row in plan.conflicts):
            raise self.broken("honest-conflict", "a member that keeps the rules is said to tell two stories")
        self.nobody.update(row[1] for row in plan.unverified)
        for gone in plan.waiting_gone:
            self._settled(self._waiting.pop(gone), "/".join(map(str, gone)))
        for row in plan.waiting_new:
            self._waiting[row[0], row[1], row[2]] = digest(dict(self._headers(row[4], row[5], row[6]))["statement"])
        self._check_waiting()
        for place, start in before.items():
            self._check_offsets(place, start, self.database.offsets[place])

    def _check_tiles(self, size: int) -> None:
        try:
            root = self.database.root(size)
        except Fatal:
            root = b""
        if size >= len(self.roots) or root != self.roots[size]:
            raise self.broken("tree", f"the tiles at {size} entries are not the tree of the entries")

    def _logged(self, index: int, data: bytes) -> None:
        if index < self.feed and self.fed[index] != data:
            raise self.broken("rewritten", f"index {index} is not what the feed has there")
        entry = parse_entry(data)
        statement, mark = entry.parsed(), digest(entry.statement)
        stream, where = (statement.member, statement.family), f"index {index}"
        sequence, head = self.heads.get(stream, (0, ZERO))
        if mark in self.logged:
            raise self.broken("counted-twice", f"{where}: the statement stands at index {self.logged[mark]} too")
        if statement.sequence != sequence + 1 or statement.prev != head:
            raise self.broken("stream-order", f"{where}: number {statement.sequence} follows {sequence}")
        if entry.accepted_at < self._accepted_at:
            raise self.broken("time-goes-back", where)
        if self.revoked and entry.key_id == OLD_KEY:
            raise self.broken("revoked-key", f"{where} is signed by a key that was removed before")
        self.revoked = self.revoked or (entry.accepted and statement.body_sha256 == REVOCATION)
        self.logged[mark] = index
        self.heads[stream] = (statement.sequence, mark)
        self._accepted_at = entry.accepted_at
        self._frontier.append(leaf_hash(data))
        self.roots.append(self._frontier.root())

    def _settled(self, mark: bytes, what: str) -> None:
        """What waited does not vanish."""
        if mark not in self.logged and mark not in self.conflicts and mark not in self._nobodys():
            raise self.broken("forgotten", f"the event {what} waited and is nowhere now")

    def _nobodys(self) -> set[bytes]:
        found = set()
        for ingress in self.nobody:
            topic, partition, offset = ingress.rsplit("/", 2)
            headers = dict(self._headers(topic, int(partition), int(offset)))
            found.add(digest(headers.get("statement", b"")))
        return found

    def _headers(self, topic: str, partition: int, offset: int) -> Iterable[tuple[str, bytes]]:
        return self.broker.topics[topic][partition].records[offset].headers

    def _check_waiting(self) -> None:
        for member, family, sequence in self._waiting:
            if sequence <= self.heads.get((member, family), (0, ZERO))[0]:
                raise self.broken("forgotten", f"{member}/{family}/{sequence} waits though its number is spent")

    def _check_offsets(self, place: Place, start: int, end: int) -> None:
        topic, number = place
        held = self.broker.topics[topic][number]
        if not start <= end <= held.end:
            raise self.broken("offsets", f"{topic}/{number}: from {start} to {end} of {held.end}")
        waiting = set(self._waiting.values())
        for record in held.records[start:end]:
            if f"{topic}/{number}/{record.offset}" in self.nobody:
                continue
            try:
                mark = digest(from_kafka(record.headers, record.value).statement)
            except PasserelleError:
                mark = b""
            if not (mark in self.logged or mark in waiting or mark in self.conflicts):
                raise self.broken("lost", f"{topic}/{number}/{record.offset} was passed and is nowhere")

    # The publisher's positions and the checkpoints

    def saved(self, positions: Positions) -> None:
        """No position is ahead of its topic."""
        if positions.feed > self.feed:
            raise self.broken("position-ahead", f"{positions.feed} entries are said to be on the feed of {self.feed}")
        if positions.registry > positions.feed:
            raise self.broken("position-ahead", "the registry is said to be ahead of the feed")

    def inboxes_saved(self, published: Mapping[str, int]) -> None:
        """No inbox is said to hold more than it holds."""
        for member, number in published.items():
            if number > self.inboxes.get(member, 0):
                raise self.broken("position-ahead", f"inbox record {number} of {member} is said to be published")

    def signed(self, checkpoint: StoredCheckpoint) -> None:
        """A checkpoint is of what the feed holds, and of this tree."""
        self._check_root(checkpoint.size, checkpoint.root)

    def _check_root(self, size: int, root: bytes) -> None:
        if size > self.feed:
            raise self.broken("checkpoint-ahead", f"a checkpoint of {size} entries, {self.feed} are on the feed")
        if self._root_of(size) != root or self.noted.setdefault(size, root) != root:
            raise self.broken("two-roots", f"another root of {size} entries was signed")

    def _root_of(self, size: int) -> bytes:
        return self.roots[size] if size < len(self.roots) else b""

    def shown(self, size: int) -> None:
        """A checkpoint is shown once it is on its topic."""
        topic = self.broker.topics[CHECKPOINT][0]
        if not any(record.key == b"%d" % size for record in topic.records):
            raise self.broken("shown-early", f"the checkpoint of {size} entries is not on its topic")

    # Topics

    def appended(self, topic: str, _partition: int, record: Kept) -> None:
        """A record was written to a topic."""
        if topic in INGRESS:
            return
        if MARKER in (record.value or b"") or any(MARKER in value for _, value in record.headers):
            raise self.broken("personal-data", f"a person's data are on {topic}")
        if topic == FEED:
            self._fed(record)
        elif topic == CHECKPOINT:
            checkpoint = parse_checkpoint(parse_note(record.value or b"").text)
            self._check_root(checkpoint.size, checkpoint.root)
        elif topic in self._inbox_of:
            self._posted(self._inbox_of[topic], record)
        elif topic == REGISTRY and (record.key or b"").decode() not in self.database.changed:
            raise self.broken("registry", "a member is told of that the ledger does not know")

    def _fed(self, record: Kept) -> None:
        headers = dict(record.headers)
        index = int(headers["index"])
        if index > self.feed:
            raise self.broken("feed-gap", f"index {index} follows {self.feed - 1} on the feed")
        entries = self.database.entries
        if index < self.feed:
            if self.fed[index] != headers["entry"]:
                raise self.broken("feed-differs", f"index {index} stands on the feed twice and not the same")
            return
        if index >= len(entries) or entries[index][11] != headers["entry"]:
            raise self.broken("feed-differs", f"index {index} of the feed is not the log's")
        self.fed.append(headers["entry"])

    def _posted(self, member: str, record: Kept) -> None:
        headers = dict(record.headers)
        number, high = int(headers["inbox-number"]), self.inboxes.get(member, 0)
        lines = self.database.letters.get(member, ())
        if number > len(lines):
            raise self.broken("told-early", f"inbox record {number} of {member} is told before it is committed")
        line = lines[number - 1]
        if number > high + 1:
            raise self.broken("inbox-gap", f"{number} follows {high} in the inbox of {member}")
        if headers["kind"] != line.kind.encode() or (line.value is not None and line.value != record.value):
            raise self.broken("inbox-differs", f"record {number} of {member} is not the committed one")
        if line.size > self.feed:
            raise self.broken("told-early", f"inbox record {number} of {member} is told before the feed has its entry")
        self.inboxes[member] = max(high, number)

    # Nodes and processes

    def _hear(self, member: str) -> Callable[[OutboxRow, Answer], None]:
        def hear(row: OutboxRow, answer: Answer) -> None:
            where = (member, answer.family, answer.sequence)
            if where in self.answers:
                raise self.broken("answered-twice", "/".join(map(str, where)))
            self.answers[where] = answer
            if answer.index >= self.feed:
                raise self.broken("told-early", f"{'/'.join(map(str, where))} is answered before the feed has it")
            self._same(row.signed.statement, answer.index, answer.accepted, "/".join(map(str, where)))

        return hear

    def _same(self, statement: bytes, index: int, accepted: bool, where: str) -> None:
        entry = parse_entry(self.fed[index])
        if entry.statement != statement or entry.accepted != accepted:
            raise self.broken("wrong-answer", f"{where} is not what the log says")

    def came_back(self, member: str) -> None:
        """A node's database is as it was some time before: what it was told since, it is told again."""
        self.restored.add(member)
        self.answers = {where: answer for where, answer in self.answers.items() if where[0] != member}

    def evidence(self) -> Evidence:
        """What the ledger's tables hold beside the log."""
        return Evidence(frozenset(self.conflicts), frozenset(self.nobody), dict(self._waiting))

    def ledger_came_back(self, evidence: Evidence) -> None:
        """The ledger's tables are as they were some time before. What is on the feed must come back as it was."""
        self.conflicts, self.nobody = set(evidence.conflicts), set(evidence.nobody)
        self._waiting = dict(evidence.waiting)
        self.roots, self.logged, self.heads = [EMPTY_ROOT], {}, {}
        self.revoked, self._frontier, self._accepted_at = False, Frontier(), 0
        for row in self.database.entries:
            self._logged(row[0], row[11])

    def _promise(self, promise: Cosigned) -> None:
        """A witness promises only what the log signed."""
        if self.noted.get(promise.size) != promise.root:
            raise self.broken("witness", f"a tree of {promise.size} entries was promised that the log never signed")

    def ended(self, life: Life, error: PasserelleError, *, overtaken: bool = False) -> None:
        """A process may end because a server is away, or because another ledger has taken over."""
        if isinstance(error, Unavailable | Retryable):
            return
        if overtaken and error.code in OVERTAKEN:
            self.overtaken += 1
            return
        raise self.broken("process-stopped", f"{life}: {error.code}: {error.what} ({error.where})")

    def logs(self, event: Mapping[str, object]) -> None:
        """A line of some process's log."""
        if MARKER.decode() in repr(event):
            raise self.broken("personal-data", "a person's data are in a log")

    # The end

    def unfinished(self) -> str:
        """What is left to do once nothing goes wrong any more; empty when all is done."""
        return self._unread() or self._untold() or self._unanswered()

    def _unread(self) -> str:
        for topic in INGRESS:
            for number, partition in enumerate(self.broker.topics.get(topic, ())):
                if self.database.offsets.get((topic, number), 0) != partition.end:
                    return f"{topic}/{number} is not read to its end"
        for member, family, sequence in self._waiting:
            head = self.heads.get((member, family), (0, ZERO))[0]
            # While the clock was ahead instants stand still, and so does the time that an event may wait.
            may_wait = self.database.head.floor > self.world.clock("law").now_ms() + 1000
            if member in HONEST or (sequence == head + 1 and not may_wait):
                return f"{member}/{family}/{sequence} waits"
        return ""

    def _untold(self) -> str:
        database, size = self.database, self.database.head.size
        if not self.feed == database.positions.feed == size:
            return f"the feed has {self.feed} of {size} entries, {database.positions.feed} are known to be there"
        if any(database.published.get(member, 0) != len(lines) for member, lines in database.letters.items()):
            return "inbox records are not published"
        if database.unverified_rows or database.summary_rows:
            return "refused records or summaries are not published"
        if max(database.shown, default=0) != size:
            return f"no checkpoint of {size} entries is shown"
        return ""

    def _unanswered(self) -> str:
        present = self._present()
        for member, node in self.nodes.items():
            if node.drafts:
                return f"{len(node.drafts)} drafts of {member} are not released"
            opened = [row for row in node.outbox.values() if row.outcome is None]
            if opened:
                return f"{member}/{opened[0].family}/{opened[0].sequence} has no answer"
            if node.positions.get("feed", (0, None))[0] != self.database.head.size:
                return f"{member} has not read the feed"
            if node.positions.get("inbox", (0, None))[0] != len(self.database.letters.get(member, ())):
                return f"{member} has not read its inbox"
            if any(record != node.members.get(name) for name, record in present.items()):
                return f"{member} does not know the present record of every member"
            if node.checkpoint is None or node.checkpoint[0] != self.database.head.size:
                return f"{member} has not read the last checkpoint"
        promise = self.nodes[READER].cosigned
        if promise is None or promise.size != self.database.head.size:
            return "the witness has not cosigned the last checkpoint"
        early = self.database.checkpoints[promise.size].signed_at - self.world.clock("law").now_ms()
        if not promise.delivered and early < EARLY_MS:
            return "the witness has not handed over its cosignature"
        return ""

    def _present(self) -> dict[str, Any]:
        return {member: orjson.loads(record) for member, (_index, record) in self.database.changed.items()}

    def finish(self, said: Iterable[Parcel]) -> None:
        """Everything that was said once stands once, with the outcome that it must have; no alarm, no problem."""
        for member, node in self.nodes.items():
            problems = [one for one in node.problems if member not in self.restored or _is_wrong(one)]
            if node.alarms or problems:
                codes = [*(alarm.code for alarm in node.alarms.values()), *(one["code"] for one in problems)]
                raise self.broken("false-alarm", f"{member}: {', '.join(map(str, codes))}")
        rows = {digest(row.signed.body): row for node in self.nodes.values() for row in node.outbox.values()}
        for parcel in said:
            row = rows.get(digest(parcel.draft.body))
            if row is None:
                raise self.broken("lost", f"{parcel.draft.type} of {parcel.member} was never numbered")
            if (row.code or "") != parcel.code:
                raise self.broken("outcome", f"{parcel.draft.type} of {parcel.member} became {row.code or 'accepted'}")
        for row in rows.values():
            assert row.index is not None
            where = f"{row.family}/{row.sequence} at index {row.index}"
            self._same(row.signed.statement, row.index, row.outcome == "accepted", where)
        for size, root in self.noted.items():
            if self._root_of(size) != root:
                raise self.broken("two-roots", f"{size} entries have another root than was signed")
        self._finish_registry()
        if found := difference(self.database, script().federation):
            raise self.broken("read-models", f"a rebuild from the entries says otherwise: {found}")

    def _finish_registry(self) -> None:
        told: dict[str, Any] = {}
        for record in self.broker.topics[REGISTRY][0].records:
            name, value = (record.key or b"").decode(), orjson.loads(record.value or b"")
            if is_newer(value, told.get(name)):
                told[name] = value
        for member, present in self._present().items():
            if told.get(member) != present:
                raise self.broken(
                    "registry", f"the last record of {member} on the registry topic is not the present one"
                )


def _is_wrong(problem: Mapping[str, Any]) -> bool:
    """Whether a problem of a node that came back from a backup should not be open."""
    return bool(problem["open"]) and problem["code"] != RESTORED
