"""A node's store, one suite for the double of the simulation and for PostgreSQL: outbox and intake."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import orjson
import pytest

from passerelle.core.errors import Retryable
from passerelle.core.signature import SeedSigner, verify
from passerelle.core.statement import ZERO, digest, parse_statement
from passerelle.node.messages import FeedEvent, InboxRecord
from passerelle.node.outbox import Draft
from passerelle.node.ports import InboxEffects, Situation
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.runtime.config import DatabaseConfig
from passerelle.testing.federation import NETWORK, seed_of
from passerelle.testing.simulation.office import NodeDatabase, NodeStore
from passerelle.testing.simulation.world import Life, World

Store = NodeStore | PostgresStore
MEMBER = "humber"
OLD, NEW = SeedSigner(seed_of("old")), SeedSigner(seed_of("new"))
WHERE = {"network": NETWORK, "member": MEMBER}


@pytest.fixture
async def in_simulation() -> NodeStore:
    return NodeStore(World(calm=True), Life("node", 1), NodeDatabase())


@pytest.fixture
async def in_postgres(database: str) -> AsyncIterator[PostgresStore]:
    pool = await open_pool(DatabaseConfig(url=database), name="test")
    try:
        yield PostgresStore(pool)
    finally:
        await pool.close()


@pytest.fixture(params=["in_simulation", pytest.param("in_postgres", marks=pytest.mark.integration)])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def draft(thing: str, *needs: str, family: str = "credential", body: bytes = b"") -> Draft:
    subject = thing.partition(":")[2]
    kind = f"ca.passerelle.{family}.achievement-published.v1"
    return Draft(family, kind, subject, thing, "public", body or thing.encode(), needs)


async def released(store: Store, signer: SeedSigner = OLD) -> int:
    return await store.release_ready(signer, now_ms=7, **WHERE)


async def bodies(store: Store, family: str = "credential", after: int = 0, limit: int = 100) -> list[bytes]:
    return [row.signed.body for row in await store.open_rows(family, after, limit)]


def receipts(number: int, *outcomes: tuple[int, str]) -> InboxRecord:
    told = [
        {"sequence": at, "index": 10 + at, "outcome": "accepted"}
        if not code
        else {"sequence": at, "index": 10 + at, "outcome": "refused", "code": code, "what": "w", "fix": "f"}
        for at, code in outcomes
    ]
    return InboxRecord(number, "receipts", [{"family": "credential", "from": outcomes[0][0], "outcomes": told}])


def signed(record: InboxRecord, statement: bytes) -> InboxRecord:
    """The record as the ledger tells it: with the digest of the statement at its highest number."""
    return InboxRecord(record.number, record.kind, [{**record.value[0], "digest": digest(statement).hex()}])


async def test_events_are_numbered_and_linked_in_order_and_signed(store: Store) -> None:
    assert await released(store) == 0
    await store.add_drafts([draft("achievement:a"), draft("rule:r", family="recognition"), draft("achievement:b")], 1)
    assert await released(store) == 3
    assert await released(store) == 0
    rows = await store.open_rows("credential", 0, 100)
    statements = [parse_statement(row.signed.statement) for row in rows]
    assert [(row.sequence, row.thing, row.released_at) for row in rows] == [
        (1, "achievement:a", 7),
        (2, "achievement:b", 7),
    ]
    assert [one.prev for one in statements] == [ZERO, digest(rows[0].signed.statement)]
    assert {row.signed.key_id for row in rows} == {OLD.key_id}
    assert await bodies(store, after=1) == [b"achievement:b"]
    assert await bodies(store, limit=1) == [b"achievement:a"]
    assert await bodies(store, "recognition") == [b"rule:r"]
    assert await store.situation(MEMBER) == Situation(None, None, False, {"credential": 1, "recognition": 1})


async def test_a_draft_waits_for_what_it_names_and_for_earlier_ones_of_its_thing(store: Store) -> None:
    late = [
        draft("credential:x", "achievement:a"),
        draft("credential:x", body=b"second"),
        draft("rule:r", "achievement:a", family="recognition"),
        draft("rule:s", "member:york", family="recognition"),
    ]
    await store.add_drafts(late, 1)
    assert await released(store) == 0
    # Our own, released before: enough in the same family, not in another one.
    await store.add_drafts([draft("achievement:a")], 1)
    assert await released(store) == 1
    assert await released(store) == 1
    assert await released(store) == 1
    assert await bodies(store) == [b"achievement:a", b"credential:x", b"second"]
    await store.put_members({"york": {"member": "york"}})
    assert await released(store) == 1
    await store.take_feed([FeedEvent(0), FeedEvent(1, "achievement:a", 1)], 5)
    assert await released(store) == 1
    assert await bodies(store, "recognition") == [b"rule:s", b"rule:r"]
    assert (await store.positions())["feed"] == (2, 5)


async def test_an_answer_closes_a_row_once(store: Store) -> None:
    await store.add_drafts([draft(f"achievement:{name}") for name in "abc"], 1)
    await released(store)
    first = receipts(1, (1, ""), (2, "subject-exists"))
    assert await store.take_inbox([first], 40, 9) == InboxEffects()
    rows = await store.answered_rows("credential", 0, 100)
    assert [(row.outcome, row.index, row.code, row.fix) for row in rows] == [
        ("accepted", 11, None, None), ("refused", 12, "subject-exists", "f")
    ]  # fmt: skip
    assert (await store.situation(MEMBER)).oldest == {"credential": 3}
    # The same record again, and another story about the same numbers.
    await store.take_inbox([first, receipts(2, (1, "schema-invalid"), (3, ""))], 42, 9)
    rows = await store.answered_rows("credential", 0, 100)
    assert [row.outcome for row in rows] == ["accepted", "refused", "accepted"]
    assert await store.answered_rows("credential", 2, 100) == rows[2:]
    assert await store.open_rows("credential", 0, 100) == []
    assert (await store.positions())["inbox"] == (2, 42)


async def test_what_the_ledger_asks_for_and_complains_about(store: Store) -> None:
    assert await store.stopping_problem() is None
    effects = await store.take_inbox(
        [
            InboxRecord(1, "resend-from", {"family": "credential", "sequence": 4}),
            InboxRecord(2, "problem", {"code": "key-not-valid", "family": "credential", "sequence": 1}),
        ],
        None,
        9,
    )
    assert (effects.resend, effects.key_refused) == ((("credential", 4),), True)
    assert await store.stopping_problem() is None
    assert await store.situation(MEMBER) == Situation(None, None, False, {})
    conflict = {"code": "sequence-conflict", "family": "credential", "sequence": 3, "what": "w", "fix": "f"}
    await store.take_inbox([InboxRecord(3, "problem", conflict)], 3, 9)
    found = await store.stopping_problem()
    assert found is not None
    assert (found["code"], found["family"], found["sequence"]) == ("sequence-conflict", "credential", 3)
    await store.put_members({MEMBER: {"member": MEMBER}, "york": {"member": "york"}})
    await store.add_drafts([draft("achievement:a", "achievement:never")], 1)
    assert await store.situation(MEMBER) == Situation(found, {"member": MEMBER}, True, {})


async def test_a_party_body_tells_that_its_thing_is_in_the_ledger(store: Store) -> None:
    await store.add_drafts([draft("case:c", "credential:x", family="transfer")], 1)
    value = {
        "index": 3,
        "type": "ca.passerelle.credential.issued.v1",
        "member": "york",
        "subject": "x",
        "body": base64.b64encode(b"{}").decode(),
    }
    gone = {**value, "index": 4, "subject": "y", "body": None}
    assert await released(store) == 0
    await store.take_inbox([InboxRecord(1, "body", value), InboxRecord(2, "body", gone)], 2, 9)
    assert await released(store) == 1


async def test_open_rows_are_signed_again_and_say_the_same(store: Store) -> None:
    await store.add_drafts([draft(f"achievement:{name}") for name in "ab"], 1)
    await released(store)
    await store.take_inbox([receipts(1, (1, ""))], 1, 9)
    before = await store.open_rows("credential", 0, 100)
    assert await store.sign_again(NEW, **WHERE) == 1
    assert await store.sign_again(NEW, **WHERE) == 0
    after = await store.open_rows("credential", 0, 100)
    assert [row.signed.statement for row in after] == [row.signed.statement for row in before]
    assert {row.signed.key_id for row in after} == {NEW.key_id}
    assert after[0].signed.batch_signature != before[0].signed.batch_signature
    closed = (await store.answered_rows("credential", 0, 100))[0].signed
    assert closed.key_id == OLD.key_id
    assert not verify(NEW.public_key, closed.statement, closed.batch_signature)


async def test_the_latest_checkpoint_is_kept_and_another_root_is_told(store: Store) -> None:
    assert await store.put_checkpoint(5, b"r" * 32, "five", 8) is None
    assert await store.put_checkpoint(3, b"q" * 32, "three", 9) is None
    assert (await store.positions())["checkpoint"] == (5, 9)
    assert await store.put_checkpoint(5, b"x" * 32, "forked", 10) == "five"
    assert (await store.positions())["checkpoint"] == (5, 9)
    assert await store.put_checkpoint(5, b"r" * 32, "five", 11) is None


async def test_records_of_members(store: Store) -> None:
    assert await store.own_record(MEMBER) is None
    await store.put_members({MEMBER: {"member": MEMBER, "status": "active"}})
    await store.put_members({MEMBER: {"member": MEMBER, "status": "removed"}})
    for index, status in ((7, "suspended"), (3, "active")):
        await store.put_members({"york": {"member": "york", "status": status, "changed_index": index}})
    york = await store.own_record("york")
    assert york is not None
    assert york["status"] == "suspended", "an older record came late"
    assert orjson.loads(orjson.dumps(await store.own_record(MEMBER))) == {"member": MEMBER, "status": "removed"}


async def test_a_receipt_of_another_statement_changes_nothing(store: Store) -> None:
    await store.add_drafts([draft("achievement:a"), draft("achievement:b")], 1)
    await released(store)
    rows = await store.open_rows("credential", 0, 10)
    first, both = receipts(1, (1, "")), receipts(2, (1, ""), (2, ""))
    effects = await store.take_inbox([signed(first, rows[0].signed.statement)], 1, 9)
    assert not effects.conflict
    for other in (b"another statement", rows[0].signed.statement):
        with pytest.raises(Retryable) as found:
            await store.take_inbox([signed(both, other)], 2, 9)
        assert (found.value.code, found.value.where) == ("sequence-conflict", "credential 2")
    # A number that this node has not reached yet is of another life of its database.
    with pytest.raises(Retryable):
        await store.take_inbox([signed(receipts(2, (3, "")), rows[1].signed.statement)], 2, 9)
    assert (await store.positions())["inbox"] == (1, 1)
    assert [row.sequence for row in await store.open_rows("credential", 0, 10)] == [2]
    await store.take_inbox([signed(both, rows[1].signed.statement)], 2, 9)
    assert await store.open_rows("credential", 0, 10) == []
