"""A refill: what it writes is what the ledger itself had written; what does not verify is not written."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import orjson
import pytest
from tests.unit.ledger_out.fakes import NETWORK, SIGNER, MemoryTails, MemoryTopics, StepClock
from tests.unit.ledger_out.fakes import MemoryStore as MemoryOutgoing
from tests.unit.ledger_out.test_replay import Actors

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.entry import parse_entry
from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.merkle import leaf_hashes, root_from_leaves
from passerelle.core.statement import digest, parse_statement
from passerelle.ledger.model import LedgerState, Loaded, Needs, Place
from passerelle.ledger.outgoing_ports import InboxRow, StoredCheckpoint
from passerelle.ledger.refill import Keeping, Refill, Sources
from passerelle.ledger.refill_letters import Told
from passerelle.ledger.refill_plan import Offsets
from passerelle.ledger.refill_ports import Coordinates, FeedRecord, Letter, ToldRow
from passerelle.testing.memory_ledger import Lost, MemoryStore, MemoryTables


class Topics:
    """Feed, ingress and inboxes as lists; ``gone`` are records past retention, ``again`` bodies relayed again."""

    def __init__(self) -> None:
        self.feed: list[FeedRecord] = []
        self.bodies: dict[Coordinates, bytes] = {}
        self.gone: set[Coordinates] = set()
        self.again: list[tuple[bytes, bytes]] = []
        self.inbox: dict[str, list[Letter]] = {}

    async def records(self, start: int) -> AsyncIterator[Sequence[FeedRecord]]:
        for at in range(start, len(self.feed), 3):
            yield self.feed[at : at + 3]

    async def beginnings(self) -> Mapping[Place, int]:
        firsts: dict[Place, int] = {}
        for record in self.feed:
            topic, number, offset = record.coordinates
            firsts[(topic, number)] = min(offset, firsts.get((topic, number), offset))
        return firsts

    async def fetch(self, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
        return {place: self.bodies[place] for place in wanted if place not in self.gone}

    async def search(self, statements: Collection[bytes], starts: Mapping[Place, int]) -> Mapping[bytes, bytes]:
        return {digest(statement): body for statement, body in self.again if digest(statement) in statements}

    async def published(self, known: Mapping[str, int]) -> Mapping[str, int]:
        return {member: max((letter.number for letter in self.inbox.get(member, [])), default=0) for member in known}

    async def letters(self, member: str, after: int) -> AsyncIterator[Sequence[Letter]]:
        yield [letter for letter in self.inbox.get(member, []) if letter.number > after]


class Letters:
    """Inbox rows beside the tables of the memory ledger."""

    def __init__(self, tables: MemoryTables) -> None:
        self.tables = tables
        self.restored: list[Letter] = []
        self.settled: dict[str, int] = {}
        self.marked = 0

    async def numbers(self) -> Mapping[str, tuple[int, int]]:
        return {member: (len(rows), len(rows)) for member, rows in self.tables.inbox.items()}

    async def mark(self, size: int) -> None:
        self.marked = size

    async def restore(self, letters: Sequence[Letter], size: int) -> None:
        self.restored += letters
        for letter in letters:
            self.tables.inbox.setdefault(letter.member, []).append((letter.kind, orjson.loads(letter.value)))

    async def settle(self, member: str, number: int, size: int, now_ms: int) -> None:
        self.settled[member] = number

    async def told(self, size: int) -> AsyncIterator[Sequence[ToldRow]]:
        yield [_told(letter) for letter in self.restored]

    async def asked(self, member: str, value: bytes, since_ms: int) -> bool:
        return ("resend-from", orjson.loads(value)) in self.tables.inbox.get(member, [])


def _told(letter: Letter) -> ToldRow:
    if letter.kind == "body":
        return ToldRow(letter.member, "body", orjson.loads(letter.value)["index"], None, letter.written_at)
    return ToldRow(letter.member, letter.kind, None, letter.value, letter.written_at)


class Checkpoints:
    """Stored checkpoints and the entries that the database holds."""

    def __init__(self, tables: MemoryTables) -> None:
        self.tables = tables
        self.stored: list[StoredCheckpoint] = []
        self.shown: list[int] = []

    async def entry(self, index: int) -> bytes | None:
        return bytes(self.tables.entries[index][11])

    async def latest(self, *, shown: bool) -> StoredCheckpoint | None:
        return self.stored[-1] if self.stored else None

    async def add(self, checkpoint: StoredCheckpoint) -> None:
        self.stored.append(checkpoint)

    async def show(self, size: int) -> None:
        self.shown.append(size)


class World:
    """A ledger that wrote ``truth``, what its topics hold of it, and a backup of its tables at ``kept`` entries."""

    def __init__(self, steps: int, kept: int) -> None:
        self.actors = Actors()
        self.topics = Topics()
        events = self.events()
        self.backup = MemoryTables(self.actors.federation)
        for number in range(steps):
            if len(self.truth.entries) <= kept:
                self.backup = self.copied()
            self.feed(events[number % len(events)])
        self.publish()
        self.letters, self.checkpoints = Letters(self.backup), Checkpoints(self.backup)
        self.outgoing, self.told = MemoryOutgoing(), MemoryTopics()

    @property
    def truth(self) -> MemoryTables:
        return self.actors.ledger

    def events(self) -> list[Any]:
        actors = self.actors
        return [
            *[actors.step("issued", who) for who in ("ann", "bob", "joint")],
            actors.step("co-awarded", "joint"),
            actors.other("junk", "ann"),
            actors.other("grant", "ann"),
            actors.other("release", "ann"),
            actors.other("request", "ann"),
            actors.step("suspended", "ann"),
            actors.step("reinstated", "bob"),
            actors.other("decide", "ann"),
            actors.step("erased", "bob"),
            actors.other("suspend-member", "ann"),
            actors.other("publish", "ann"),
        ]

    def feed(self, event: Any) -> None:
        ledger = self.actors.ledger
        ledger.now += 10
        for raw in ledger.records([event]):
            # Each topic counts its own offsets.
            raw = raw._replace(offset=ledger.offsets.get((raw.topic, raw.partition), 0))
            self.topics.bodies[(raw.topic, raw.partition, raw.offset)] = raw.value or b""
            ledger.feed_records([raw])

    def copied(self) -> MemoryTables:
        tables = MemoryTables(self.actors.federation)
        vars(tables).update({name: copy.deepcopy(vars(self.truth)[name]) for name in vars(tables)})
        return tables

    def truth_statement(self, index: int) -> bytes:
        """The statement of an entry."""
        return parse_entry(self.truth.entries[index][11]).statement

    def publish(self) -> None:
        """The feed as the publisher writes it, and the checkpoint of all of it."""
        truth = self.truth
        for row in truth.entries:
            body = truth.public.get(row[0], b"") if row[6] is None else b""
            self.topics.feed.append(FeedRecord(row[0], row[11], row[12], body))
        leaves = leaf_hashes(row[11] for row in truth.entries)
        self.root = root_from_leaves(leaves)

    def note(self, size: int | None = None) -> bytes:
        entries = [record.entry for record in self.topics.feed][:size]
        root = self.root if size is None else root_from_leaves(leaf_hashes(entries))
        return sign_checkpoint(Checkpoint(NETWORK, len(entries), root), [SIGNER])

    async def refill(
        self,
        *,
        notes: Sequence[bytes] | None = None,
        lossy: bool = False,
        failures: Sequence[Exception] = (),
        store: MemoryStore | None = None,
    ) -> int:
        last = self.topics.feed[-1]
        tails = MemoryTails([self.note()] if notes is None else notes, [(last.index, last.entry)])
        work = Refill(
            Sources(self.topics, self.topics, self.topics, tails),
            Keeping(self.letters, self.outgoing, self.checkpoints),  # type: ignore[arg-type]
            self.told,
            SIGNER.verifier,
            StepClock(),
            lossy=lossy,
        )
        store = store or MemoryStore(self.backup)
        store.failures += failures
        return await work.run(store)


def models(tables: MemoryTables) -> dict[str, Any]:
    names = ("entries", "things", "edges", "streams", "snapshot", "public", "party", "refused", "waiting", "offsets")
    found = {name: getattr(tables, name) for name in names}
    return found | {"size": tables.head.size, "peaks": tables.head.peaks, "accepted_at": tables.head.accepted_at}


STEPS = 14


@pytest.mark.parametrize("kept", [0, 6, 9, 13, 18])
async def test_the_database_is_what_it_was(kept: int) -> None:
    world = World(STEPS, kept)
    missing = len(world.truth.entries) - len(world.backup.entries)
    assert missing > 0
    assert await world.refill() == missing
    assert models(world.backup) == models(world.truth)
    if kept:
        # The first commits of all share an instant: they are one commit now, and say the same.
        assert world.backup.inbox == world.truth.inbox
        assert world.backup.summaries == world.truth.summaries
    assert world.outgoing.saved.feed == len(world.topics.feed)
    assert world.checkpoints.shown == [len(world.topics.feed)]
    assert [item.root for item in world.checkpoints.stored] == [world.root]


async def test_a_database_that_holds_the_promise_is_left_alone() -> None:
    world = World(STEPS, 99)
    world.backup = world.copied()
    before = models(world.backup)
    assert await world.refill() == 0
    assert models(world.backup) == before
    assert [step for step in world.told.steps if not step.startswith("ensure")] == []
    assert (world.letters.restored, world.letters.settled, world.letters.marked) == ([], {}, 0)


def altered(record: FeedRecord, old: bytes, new: bytes) -> FeedRecord:
    assert old in record.entry
    return FeedRecord(record.index, record.entry.replace(old, new, 1), record.ingress, record.body)


async def test_a_feed_that_is_not_the_promised_tree_is_not_written() -> None:
    for at in (10, 13, 19):
        world = World(STEPS, 9)
        good = world.topics.feed[at]
        outcome = good.entry.split(b"\n")[2]
        promised = [world.note()]
        other = b"\naccepted\n" if outcome != b"accepted" else b"\nrefused not-owner\n"
        world.topics.feed[at] = altered(good, b"\n%b\n" % outcome, other)
        before = models(world.backup)
        with pytest.raises(Fatal) as caught:
            await world.refill(notes=promised)
        assert (caught.value.code, caught.value.where) == ("ledger-diverged", "checkpoint"), at
        assert models(world.backup) == before
        assert world.checkpoints.stored == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"\naccepted\n", b"\nrefused not-owner\n", "applied"),
        (b"\nhumber\n", b"\nyork\n", "follow"),
        (b"passerelle.entry/v1", b"passerelle.entry/v2", "cannot be read"),
    ],
)
async def test_what_no_checkpoint_covers_must_verify_too(old: bytes, new: bytes, what: str) -> None:
    world = World(STEPS, 9)
    at = next(record.index for record in world.topics.feed if record.index > 10 and b"\nhumber\n" in record.entry)
    world.topics.feed[at] = altered(world.topics.feed[at], old, new)
    with pytest.raises(Fatal, match=what) as caught:
        await world.refill(notes=[world.note(9)])
    assert caught.value.code == "ledger-diverged"


async def test_a_forged_signature_and_a_wrong_body_are_found() -> None:
    world = World(STEPS, 9)
    last = world.topics.feed[-1]
    signature = last.entry.split(b"\n")[7]
    world.topics.feed[-1] = altered(last, signature, b"00" * 64)
    with pytest.raises(Fatal, match="does not verify"):
        await world.refill(notes=[world.note(9)])
    assert len(world.backup.entries) == last.index
    world = World(STEPS, 9)
    public = next(record for record in world.topics.feed if record.index > 9 and record.body)
    world.topics.feed[public.index] = FeedRecord(public.index, public.entry, public.ingress, public.body + b" ")
    with pytest.raises(Fatal, match="not the one that was signed"):
        await world.refill()
    assert len(world.backup.entries) < public.index


async def test_a_short_feed_and_another_past_are_refused() -> None:
    world = World(STEPS, 9)
    promised = [world.note()]
    world.topics.feed.pop()
    with pytest.raises(Fatal, match="the feed ends at 19"):
        await world.refill(notes=promised)
    world = World(STEPS, 9)
    kept = len(world.backup.entries) - 1
    world.topics.feed[kept] = altered(world.topics.feed[kept], b"\naccepted\n", b"\nrefused not-owner\n")
    with pytest.raises(Fatal, match="not the one stored"):
        await world.refill(notes=[])


# What members were told


async def test_numbers_go_on_after_the_last_one_published_and_nothing_is_told_twice() -> None:
    world = World(STEPS, 9)
    member, rows = "humber", world.truth.inbox["humber"]
    held = len(world.backup.inbox["humber"])
    assert len(rows) >= held + 4
    published = held + 2
    world.topics.inbox[member] = [
        Letter(member, number, kind, orjson.dumps(value), 1) for number, (kind, value) in enumerate(rows, 1)
    ][:published]
    await world.refill()
    assert world.letters.settled == {"humber": published}
    assert [letter.number for letter in world.letters.restored] == [held + 1, held + 2]
    assert world.backup.inbox == world.truth.inbox


async def test_what_was_told_without_an_entry_comes_back_though_no_entry_is_missing() -> None:
    world = World(STEPS, 99)
    world.backup = world.copied()
    world.letters = Letters(world.backup)
    held = len(world.backup.inbox["humber"])
    asked = orjson.dumps({"family": "credential", "sequence": 9})
    world.topics.inbox["humber"] = [Letter("humber", held + 1, "resend-from", asked, 1)]
    assert await world.refill() == 0
    assert world.letters.settled == {"humber": held + 1}
    assert [(letter.number, letter.value) for letter in world.letters.restored] == [(held + 1, asked)]
    assert world.letters.marked == len(world.topics.feed)


async def test_a_ledger_that_was_overtaken_while_it_filled_does_not_call_it_another_past() -> None:
    world = World(STEPS, 9)
    whole = world.copied()

    class Overtaken(MemoryStore):
        """Another ledger takes over, and fills the database, once the first things were asked for."""

        async def load(self) -> LedgerState:
            if self.tables is whole:
                raise Fatal("lease-lost", "another ledger has moved the head")
            return await super().load()

        async def answer(self, needs: Needs) -> Loaded:
            self.tables = whole
            return await super().answer(needs)

    with pytest.raises(Fatal) as caught:
        await world.refill(store=Overtaken(world.backup))
    assert caught.value.code == "lease-lost"


def receipts(member: str, *indices: int) -> bytes:
    outcomes = [{"sequence": index, "index": index, "outcome": "accepted"} for index in indices]
    return orjson.dumps([{"family": "credential", "from": indices[0], "outcomes": outcomes}])


def test_a_letter_is_cut_to_what_was_not_told() -> None:
    told = Told()
    told.note(ToldRow("york", "receipts", None, receipts("york", 4, 5), 50))
    told.note(ToldRow("york", "receipts", None, receipts("york", 2), 50))
    told.note(ToldRow("york", "notice", None, orjson.dumps({"index": 7, "about": "credential:a"}), 50))
    told.note(ToldRow("york", "body", 9, None, 50))
    told.note(ToldRow("york", "problem", None, b"not looked at", 50))

    def rest(member: str, kind: str, index: int | None, value: bytes | None) -> Any:
        return told.rest([(member, 1, kind, 20, index, value, 0)])

    assert rest("york", "receipts", None, receipts("york", 4, 5)) == []
    cut = rest("york", "receipts", None, receipts("york", 5, 6))
    assert [(stream["from"], len(stream["outcomes"])) for stream in orjson.loads(cut[0][5])] == [(6, 1)]
    assert rest("york", "notice", None, orjson.dumps({"index": 7, "about": "credential:a"})) == []
    assert rest("york", "notice", None, orjson.dumps({"index": 7, "about": "credential:b"}))
    assert rest("york", "body", 9, None) == []
    assert rest("york", "body", 10, None)
    assert rest("laval", "body", 3, None)
    assert (told.latest("york"), told.latest("laval")) == (50, 0)
    with pytest.raises(Fatal):
        told.note(ToldRow("york", "notice", None, b"{}", 50))


# Bodies past retention


def party_index(world: World) -> int:
    return next(index for index in world.truth.party if index > 9)


async def test_a_body_past_retention_is_asked_of_its_sender_and_waited_for() -> None:
    world = World(STEPS, 9)
    index = party_index(world)
    record = world.topics.feed[index]
    world.topics.gone.add(record.coordinates)
    with pytest.raises(Unavailable) as caught:
        await world.refill()
    assert (caught.value.code, caught.value.where) == ("refill-waiting", f"feed index {index}")
    assert len(world.backup.entries) == index
    statement = parse_statement(world.truth_statement(index))
    asked = ("resend-from", {"family": statement.family, "sequence": statement.sequence})
    assert world.backup.inbox[statement.member][-1] == asked
    # Asked once, however often it starts.
    with pytest.raises(Unavailable):
        await world.refill()
    assert world.backup.inbox[statement.member].count(asked) == 1
    world.topics.again.append((world.truth_statement(index), world.topics.bodies[record.coordinates]))
    await world.refill()
    left = models(world.backup)
    assert left == models(world.truth)


async def test_a_lost_body_is_given_up_only_when_the_operator_says_so() -> None:
    world = World(STEPS, 9)
    index = party_index(world)
    world.topics.gone.add(world.topics.feed[index].coordinates)
    await world.refill(lossy=True)
    assert [row[11] for row in world.backup.entries] == [row[11] for row in world.truth.entries]
    assert world.backup.head.peaks == world.truth.head.peaks
    assert world.backup.party[index] == ("", [world.truth.entries[index][2]], None)
    assert set(world.backup.things) < set(world.truth.things)


async def test_the_body_of_a_refused_event_may_be_gone() -> None:
    world = World(STEPS, 9)
    index = next(index for index in world.truth.refused if index > 9)
    world.topics.gone.add(world.topics.feed[index].coordinates)
    await world.refill()
    assert index not in world.backup.refused
    assert world.backup.things == world.truth.things


def test_offsets_go_as_far_as_every_record_is_accounted_for() -> None:
    offsets = Offsets(5)
    seen = []
    for offset in (3, 5, 8, 7, 10, 6, 9, 12):
        offsets.add(offset)
        seen.append(offsets.next)
    assert seen == [5, 6, 6, 6, 6, 9, 11, 11]


async def test_letters_that_wait_are_sent_before_it_stops() -> None:
    world = World(STEPS, 9)
    world.topics.gone.add(world.topics.feed[party_index(world)].coordinates)
    world.outgoing.inbox.append((0, InboxRow("humber", 1, "resend-from", b"{}")))
    with pytest.raises(Unavailable):
        await world.refill()
    assert [record.value for record in world.told.topics["passerelle.inbox.humber.v1"]] == [b"{}"]
    assert world.told.closed == 1


@pytest.mark.parametrize("failure", [Unavailable("database-unavailable", "as asked"), Lost()])
async def test_a_refill_that_was_interrupted_goes_on_where_it_stopped(failure: Exception) -> None:
    world = World(STEPS, 9)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await world.refill(failures=[failure])
    await world.refill()
    assert models(world.backup) == models(world.truth)
    assert world.backup.inbox == world.truth.inbox
