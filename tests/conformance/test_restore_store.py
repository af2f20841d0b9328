"""The port of who compares with the ledger: one suite for the double of the unit tests and for PostgreSQL, and what
only the database keeps: records, drafts apart, things seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.node.office import SECRET
from tests.unit.node.restoring import KEY, MEMBER, NETWORK, RECORDS, SIGNER, Desk, Logged, MemoryRestore, released

from passerelle.core.statement import digest
from passerelle.core.streams import StreamHead
from passerelle.node.messages import InboxRecord, known_keys
from passerelle.node.outbox import Draft
from passerelle.node.plan import Wanted
from passerelle.node.ports import Writes
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.node.recognise import OwnEvent
from passerelle.node.records import Mark, Record, RecordKeys
from passerelle.node.restore import Verifier, verified
from passerelle.node.restore_ports import RestoreStore, Tail
from passerelle.runtime.config import DatabaseConfig
from passerelle.testing.simulation.office import NodeDatabase
from passerelle.testing.simulation.returning import RestoringStore
from passerelle.testing.simulation.world import Life, World

BOTH = ["in_memory", "in_simulation", pytest.param("in_postgres", marks=pytest.mark.integration)]
FAMILY = "credential"
KEYS = RecordKeys(SECRET)
NOW = 5


class Node:
    """A store with what a node does to it between restores."""

    def __init__(self, store: MemoryRestore | RestoringStore | PostgresStore) -> None:
        self.own = store
        self.store: RestoreStore = store
        self.desk = Desk()
        self.ledger = Logged(self.desk.clock)

    async def number(self, *drafts: Draft) -> None:
        """Number drafts."""
        if isinstance(self.own, MemoryRestore):
            await self.own.number(drafts)
        else:
            await self.own.add_drafts(drafts, NOW)
            assert await self.own.release_ready(SIGNER, network=NETWORK, member=MEMBER, now_ms=NOW) == len(drafts)

    async def hold(self, draft: Draft) -> None:
        """Keep a draft that waits."""
        if isinstance(self.own, MemoryRestore):
            self.own.drafts.append(draft)
        else:
            await self.own.add_drafts([draft], NOW)

    async def answer(self, sequence: int, index: int) -> None:
        """The ledger accepted a row."""
        if isinstance(self.own, MemoryRestore):
            await self.own.answer(FAMILY, sequence, index)
        else:
            value = [{"family": FAMILY, "outcomes": [{"sequence": sequence, "index": index, "outcome": "accepted"}]}]
            await self.own.take_inbox([InboxRecord(index + 1, "receipts", value)], None, NOW)

    async def drafts(self) -> list[bytes]:
        """Bodies of the drafts, in order."""
        if isinstance(self.own, MemoryRestore):
            return [draft.body for draft in self.own.drafts]
        if isinstance(self.own, RestoringStore):
            return [draft.body for draft in self.own.tables.drafts]
        rows = await self.own.held(100)
        return [row["body"] for row in await fetch(self.own, "SELECT body FROM node.draft ORDER BY id") if rows]

    def events(self, after: StreamHead) -> list[OwnEvent]:
        """What the ledger holds after a head, verified."""
        verifier = Verifier(NETWORK, MEMBER, known_keys(RECORDS[MEMBER]))
        return verified(self.ledger.streams[FAMILY][after.sequence :], FAMILY, after, verifier)[0]

    def live(self, drafts: Sequence[Draft], *, refused: Sequence[int] = ()) -> None:
        """Publish in a life that the node does not remember."""
        rows, _ = released(drafts, self.ledger.heads[FAMILY])
        self.ledger.log(rows, refused=refused)

    async def head(self) -> StreamHead:
        return (await self.store.standing(FAMILY)).head

    async def take_back(self) -> Any:
        head = await self.head()
        return await self.store.take_back(FAMILY, head, self.events(head), KEYS, NOW)


async def fetch(store: PostgresStore, query: str, *arguments: Any) -> list[Any]:
    async with store._pool.acquire() as connection:
        return list(await connection.fetch(query, *arguments))


@pytest.fixture
def dsn(request: pytest.FixtureRequest) -> str:
    """Of a fresh database, or the name of a double, which needs no server."""
    return str(request.getfixturevalue("database") if request.param == "in_postgres" else request.param)


@pytest.fixture
async def node(dsn: str) -> AsyncIterator[Node]:
    if dsn == "in_memory":
        yield Node(MemoryRestore())
        return
    if dsn == "in_simulation":
        simulated = RestoringStore(World(calm=True), Life("node", 1), NodeDatabase())
        await simulated.put_members(RECORDS)
        yield Node(simulated)
        return
    pool = await open_pool(DatabaseConfig(url=dsn), name="test")
    try:
        store = PostgresStore(pool)
        await store.put_members(RECORDS)
        yield Node(store)
    finally:
        await pool.close()


both = pytest.mark.parametrize("dsn", BOTH, indirect=True)
in_postgres = pytest.mark.parametrize("dsn", BOTH[2:], indirect=True)


@both
async def test_a_new_node_stands_at_the_beginning(node: Node) -> None:
    assert await node.head() == StreamHead()
    assert await node.store.digest_at(FAMILY, 1) is None
    assert await node.store.tail(FAMILY, 0) == Tail(0, 0, 0)
    assert await node.store.rows_after(FAMILY, 0, 10) == []
    assert (await node.store.own_record(MEMBER) or {})["keys"] == [KEY]


@both
async def test_the_tail_counts_what_was_answered_and_sent(node: Node) -> None:
    await node.number(*(node.desk.demand(number) for number in range(3)))
    await node.answer(1, 0)
    await node.own.note_sent(FAMILY, 2, now_ms=NOW, again=False)
    assert await node.store.tail(FAMILY, 0) == Tail(3, 1, 2)
    assert await node.store.tail(FAMILY, 1) == Tail(2, 0, 1)
    rows = await node.store.rows_after(FAMILY, 1, 1)
    assert [(row.sequence, row.outcome, row.subject) for row in rows] == [(2, None, f"{MEMBER}/demand-1")]
    assert await node.store.digest_at(FAMILY, 2) == digest(rows[0].statement)


@both
async def test_events_are_taken_back_after_the_head_only(node: Node) -> None:
    node.live([node.desk.demand(number) for number in range(4)], refused=[2])
    node.ledger.erase(FAMILY, 3)
    events = node.events(StreamHead())
    elsewhere = StreamHead(1, bytes(32))
    assert await node.store.take_back(FAMILY, elsewhere, events[1:], KEYS, NOW) is None
    assert await node.store.rows_after(FAMILY, 0, 10) == []
    taken = await node.store.take_back(FAMILY, StreamHead(), events, KEYS, NOW)
    assert (taken.events, taken.lost, taken.set_aside) == (4, (3,), ())  # type: ignore[union-attr]
    assert await node.head() == node.ledger.heads[FAMILY]
    assert (await node.store.standing(FAMILY)).sent == 4
    rows = await node.store.rows_after(FAMILY, 0, 10)
    assert [(row.outcome, row.code, row.index, row.lost) for row in rows] == [
        ("accepted", "", 0, ""),
        ("refused", "step-illegal", 1, ""),
        ("accepted", "", 2, "body-withdrawn"),
        ("accepted", "", 3, ""),
    ]
    assert [row.body_sha256 == event.body_sha256 for row, event in zip(rows, events, strict=True)] == [
        True, True, False, True,
    ]  # fmt: skip
    # What is numbered next follows.
    await node.number(node.desk.demand(9))
    assert (await node.head()).sequence == 5


@both
async def test_a_draft_that_was_released_before_is_gone(node: Node) -> None:
    sent, kept = node.desk.demand(1), replace(node.desk.demand(2), needs=("achievement:nobody/none",))
    await node.hold(sent)
    await node.hold(kept)
    node.live([sent])
    node.ledger.erase(FAMILY, 1)
    assert (await node.take_back()).lost == ()
    assert await node.drafts() == [kept.body]
    assert (await node.store.rows_after(FAMILY, 0, 1))[0].body_sha256 == digest(sent.body)


@both
@pytest.mark.parametrize("fate", ["unsent", "sent", "answered"])
async def test_rows_become_drafts_again_unless_they_went_out(node: Node, fate: str) -> None:
    await node.number(node.desk.demand(1))
    common = await node.head()
    rest = [node.desk.demand(2), node.desk.demand(3)]
    await node.number(*rest)
    later = replace(node.desk.demand(4), needs=("achievement:nobody/none",))
    await node.hold(later)
    if fate == "sent":
        await node.own.note_sent(FAMILY, 2, now_ms=NOW, again=False)
    elif fate == "answered":
        await node.answer(3, 0)
    done = await node.store.draft_again(FAMILY, common, sent_too=False, now_ms=NOW)
    assert done == (2 if fate == "unsent" else None)
    if fate == "sent":
        done = await node.store.draft_again(FAMILY, common, sent_too=True, now_ms=NOW)
    if fate == "answered":
        assert await node.store.draft_again(FAMILY, common, sent_too=True, now_ms=NOW) is None
        assert (await node.head()).sequence == 3
        return
    assert done == 2
    # In front of what was drafted after them.
    assert await node.drafts() == [rest[0].body, rest[1].body, later.body]
    standing = await node.store.standing(FAMILY)
    assert (standing.head, standing.sent <= 1) == (common, True)


@both
async def test_rows_are_mended_and_a_body_that_only_we_hold_stays(node: Node) -> None:
    drafts = [node.desk.demand(number) for number in range(2)]
    await node.number(*drafts)
    node.live(drafts)
    node.ledger.erase(FAMILY, 1)
    await node.store.mend(FAMILY, node.events(StreamHead()), NOW)
    rows = await node.store.rows_after(FAMILY, 0, 10)
    assert [(row.outcome, row.index, row.lost) for row in rows] == [("accepted", 0, ""), ("accepted", 1, "")]
    assert [row.body_sha256 for row in rows] == [digest(draft.body) for draft in drafts]


# What only the database keeps


@in_postgres
async def test_problems_are_told_once_settled_where_explained_and_closed_by_family(node: Node) -> None:
    store = node.own
    assert isinstance(store, PostgresStore)
    for _ in range(2):
        await store.tell("stream-forked", FAMILY, 4, "two stories", NOW)
    await store.tell("stream-forked", "transfer", 1, "two stories", NOW)
    for number, sequence in ((1, 2), (2, 9)):
        value = {"code": "sequence-conflict", "family": FAMILY, "sequence": sequence, "what": "", "fix": ""}
        effects = await store.take_inbox([InboxRecord(number, "problem", value)], None, NOW)
        assert effects.conflict
    node.live([node.desk.demand(number) for number in range(3)])
    await node.take_back()
    await store.settle_conflicts(FAMILY)
    left = sorted((one["code"], one["family"], one["sequence"]) for one in await store.problems())
    assert left == [
        ("sequence-conflict", FAMILY, 9),
        ("stream-forked", FAMILY, 4),
        ("stream-forked", "transfer", 1),
    ]
    assert (await store.stopping_problem() or {})["code"] in {"sequence-conflict", "stream-forked"}
    assert await store.close_problems(("stream-forked", "sequence-conflict"), FAMILY) == 2


def award(desk: Desk, credential: str, record: str, **data: Any) -> Draft:
    facts = {
        "achievement": "york/bba", "achievement_version": 1, "awarding_bodies": [f"urn:passerelle:member:{MEMBER}"],
        "registration": MEMBER, "conferred_on": "2026-04-30", "basis": "completed", "record": record, **data,
    }  # fmt: skip
    return desk.draft("credential.issued", credential, facts)


ONE, TWO = "01990000-0000-7000-8000-00000000000a", "01990000-0000-7000-8000-00000000000b"


@in_postgres
async def test_an_award_issued_anew_meanwhile_gives_way_to_the_one_that_came_back(node: Node) -> None:
    store = node.own
    assert isinstance(store, PostgresStore)
    key, again = KEYS.key("credential", "R1"), award(node.desk, TWO, KEYS.key("credential", "R1"))
    mark = Mark("c", "f", 1, "issued")
    again = replace(again, marks=((key, mark.as_dict()),))
    async with store.import_chunk() as chunk:
        await chunk.write(Writes([again], [Record(key, "credential", f"credential:{TWO}", mark, person="p")]), NOW)
    node.live([award(node.desk, ONE, key)])
    taken = await node.take_back()
    assert taken.set_aside == (f"credential:{TWO}",)
    assert await node.drafts() == []
    record = (await store.records_by_key([key]))[key]
    assert (record.thing, record.person, record.current == record.accepted) == (f"credential:{ONE}", "p", True)
    rows = await fetch(store, "SELECT thing, drafted FROM node.set_aside")
    assert [dict(row) for row in rows] == [{"thing": f"credential:{TWO}", "drafted": False}]


@in_postgres
async def test_an_amendment_after_the_backup_is_read_on_top_of_what_the_backup_has(node: Node) -> None:
    store = node.own
    assert isinstance(store, PostgresStore)
    key = KEYS.key("credential", "R1")
    first = award(node.desk, ONE, key, result={"scheme": "percentage-50", "grade": "70"})
    node.live([first])
    await node.take_back()
    facts = {"conferred_on": "2026-04-30", "result": {"scheme": "percentage-50", "grade": "80"}}
    node.live([node.desk.draft("credential.amended", ONE, {"reason": "clerical-error", **facts})])
    await node.take_back()
    record = (await store.records_by_key([key]))[key]
    content = {
        "achievement": "york/bba", "awarding_bodies": [f"urn:passerelle:member:{MEMBER}"], "registration": MEMBER,
        "basis": "completed", **facts,
    }  # fmt: skip
    assert record.current is not None
    assert record.current.holds(KEYS.content(content))
    assert (record.current.version, record.current == record.accepted) == (2, True)
    assert await store.records_without_event(10) == []
    async with store.import_chunk() as chunk:
        known = await chunk.load(Wanted(frozenset({key}), frozenset()))
        ((about, _),) = known.unclaimed
        assert about == f"credential:{ONE}"
        await chunk.write(Writes(claimed=[(FAMILY, 2)]), NOW)
    assert await fetch(store, "SELECT 1 FROM node.unclaimed") == []


@in_postgres
async def test_what_lost_its_body_is_neither_sent_again_nor_read(node: Node) -> None:
    store = node.own
    assert isinstance(store, PostgresStore)
    node.live([node.desk.demand(1), node.desk.demand(2)])
    node.ledger.erase(FAMILY, 1)
    await node.take_back()
    assert [row.sequence for row in await store.answered_rows(FAMILY, 0, 10)] == [2]
    assert await store.events_of(f"demand:{MEMBER}/demand-1") == []
