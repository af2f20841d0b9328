"""What comes in, on a real PostgreSQL: once, in order, what is missing fetched, what cannot be read told."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.integration.node_desk import ACHIEVEMENTS, NETWORK, Desk, desk

from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.errors import Unavailable
from passerelle.core.evidence import judge, parse_evidence
from passerelle.core.note import NoteSigner
from passerelle.events.topics import CHECKPOINT, FEED, REGISTRY, inbox_topic
from passerelle.node.alarms import Alarms
from passerelle.node.intake import Intake
from passerelle.node.messages import InboxRecord
from passerelle.node.ports import Arrived, InboxEffects, Proved

ISSUED = "ca.passerelle.credential.issued.v1"
LOG = NoteSigner(NETWORK, bytes(32))


@dataclass
class Shelf:
    """The ledger's side of an inbox, by number."""

    records: dict[int, InboxRecord] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    async def list_inbox(self, after: int) -> list[InboxRecord]:
        self.asked.append(after)
        return [self.records[number] for number in sorted(self.records) if number > after][:2]

    async def proof(self, family: str, sequence: int) -> Proved:
        raise Unavailable("service-unavailable", f"no proofs here: {family} {sequence}")

    async def head(self) -> int:
        return 0

    async def close(self) -> None:
        self.asked.clear()


@dataclass
class Bench:
    """An intake over a real store, and what it told the relay."""

    node: Desk
    shelf: Shelf
    effects: list[InboxEffects]
    intake: Intake

    async def inbox(self, *records: InboxRecord) -> None:
        """Records of the inbox topic, offset = number."""
        topic = inbox_topic(self.node.office.config.member)
        await self.intake.take(Arrived(topic, tuple(kafka_record(record) for record in records)))

    async def position(self, name: str) -> tuple[int, int | None]:
        return (await self.node.office.store.positions())[name]


class Script:
    """Topics that give what a test puts in, and remember how they were asked for."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[Arrived] = asyncio.Queue(1)
        self.asked: list[set[str]] = []

    async def batches(self, offsets: Mapping[str, int | None]) -> AsyncGenerator[Arrived, None]:
        self.asked.append(set(offsets))
        while True:
            yield await self.arrived.get()

    async def until(self, times: int) -> None:
        """Wait until the topics were asked for so often."""
        while len(self.asked) < times:
            await asyncio.sleep(0)


def kafka_record(record: InboxRecord) -> tuple[list[tuple[str, bytes]], bytes | None, int, bytes | None]:
    headers = [("inbox-number", str(record.number).encode()), ("kind", record.kind.encode())]
    return headers, orjson.dumps(record.value), record.number, None


@pytest.fixture
async def bench(database: str, tmp_path: Path) -> AsyncIterator[Bench]:
    async with desk(tmp_path, database) as node:
        await node.take(ACHIEVEMENTS)
        yield make_bench(node)


def make_bench(node: Desk) -> Bench:
    shelf, effects = Shelf(), list[InboxEffects]()
    store = node.office.store
    intake = Intake(
        store,
        None,  # type: ignore[arg-type]  # these tests hand batches in themselves
        shelf,
        node.office.clock,
        network=NETWORK,
        operator="operator",
        effects=effects.append,
        registry_changed=lambda: None,
        alarms=Alarms(store, node.office.clock, node.folder / "evidence"),
    )
    return Bench(node, shelf, effects, intake)


def receipt(number: int, sequence: int, **outcome: Any) -> InboxRecord:
    item = {"sequence": sequence, "index": 10 + sequence, "outcome": "accepted", **outcome}
    return InboxRecord(number, "receipts", [{"family": "credential", "from": sequence, "outcomes": [item]}])


def body(number: int, index: int, **changes: Any) -> InboxRecord:
    value = {"index": index, "type": ISSUED, "member": "sfu", "subject": f"c{index}"}
    return InboxRecord(number, "body", value | {"body": base64.b64encode(b"{}").decode()} | changes)


async def test_receipts_close_rows_once_and_repeats_are_dropped(bench: Bench) -> None:
    await bench.inbox(receipt(1, 1))
    await bench.inbox(
        receipt(1, 1, outcome="refused"), InboxRecord(2, "resend-from", {"family": "member", "sequence": 1})
    )
    streams = {row["family"]: row for row in await bench.node.office.store.streams()}
    assert (streams["credential"]["accepted"], streams["credential"]["refused"]) == (1, 0)
    assert await bench.position("inbox") == (2, 3)
    assert bench.effects[-1].resend == (("member", 1),)


async def test_missing_numbers_are_fetched_from_the_ledger_before_going_on(bench: Bench) -> None:
    bench.shelf.records = {number: body(number, number) for number in (1, 2, 3, 4)}
    await bench.inbox(body(5, 5))
    rows = await bench.node.rows("SELECT index FROM node.party_body ORDER BY index")
    assert [row["index"] for row in rows] == [1, 2, 3, 4, 5]
    assert await bench.position("inbox") == (5, 6)
    assert bench.shelf.asked[0] == 0


async def test_a_hole_that_the_ledger_cannot_fill_is_waited_for(bench: Bench) -> None:
    bench.shelf.records = {}
    with pytest.raises(Unavailable):
        await bench.inbox(body(3, 3))
    assert "inbox" not in await bench.node.office.store.positions()


async def test_records_past_retention_are_named_and_passed(bench: Bench) -> None:
    bench.shelf.records = {number: body(number, number) for number in (4, 5, 6)}
    await bench.inbox(body(6, 6))
    assert await bench.position("inbox") == (6, 7)
    rows = await bench.node.rows("SELECT index FROM node.party_body ORDER BY index")
    assert [row["index"] for row in rows] == [4, 5, 6]
    (problem,) = await bench.node.office.store.problems()
    assert problem["code"] == "inbox-lost"
    assert "1 to 3" in problem["what"]
    # All of them gone: the first that the ledger has is the one that we hold, or one after it.
    bench.shelf.records = {20: body(20, 20)}
    await bench.inbox(body(15, 15))
    assert await bench.position("inbox") == (15, 16)


async def test_the_inbox_stays_shut_until_the_streams_were_compared(bench: Bench) -> None:
    is_open = False
    intake = Intake(
        bench.node.office.store,
        source := Script(),
        bench.shelf,
        bench.node.office.clock,
        network=NETWORK,
        operator="operator",
        effects=bench.effects.append,
        registry_changed=lambda: None,
        alarms=Alarms(bench.node.office.store, bench.node.office.clock, None),
        inbox_open=lambda: is_open,
    )
    stop = asyncio.Event()
    inbox = inbox_topic("humber")
    task = asyncio.create_task(intake.run(stop, (REGISTRY, inbox, FEED, CHECKPOINT)))
    async with asyncio.timeout(20):
        await source.until(1)
        assert source.asked == [{REGISTRY, FEED, CHECKPOINT}]
        is_open = True
        intake.wake()
        await source.until(2)
        assert source.asked[1] == {REGISTRY, inbox, FEED, CHECKPOINT}
        # What arrives after it was shut again is left for later.
        is_open = False
        source.arrived.put_nowait(Arrived(inbox, (kafka_record(body(1, 1)),)))
        await source.until(3)
    assert source.asked[2] == {REGISTRY, FEED, CHECKPOINT}
    assert "inbox" not in await bench.node.office.store.positions()
    stop.set()
    await task


async def test_a_record_that_cannot_be_read_is_told_and_the_next_is_taken(bench: Bench) -> None:
    await bench.inbox(InboxRecord(1, "letter", {}), body(2, 2))
    assert await bench.position("inbox") == (2, 3)
    assert [problem["code"] for problem in await bench.node.office.store.problems()] == ["line-malformed"]
    assert await bench.node.rows("SELECT index FROM node.party_body") == [{"index": 2}]


async def test_bodies_erased_meanwhile_leave_nothing(bench: Bench) -> None:
    await bench.inbox(body(1, 1, body=None))
    assert await bench.node.rows("SELECT 1 FROM node.party_body") == []


async def test_notices_are_kept_and_a_conflict_stops_the_release_of_drafts(bench: Bench) -> None:
    notice = {"about": "credential:c", "event": ISSUED, "index": 4, "member": "sfu", "affects": ["transfer:t"]}
    problem = {"code": "sequence-conflict", "family": "credential", "sequence": 2, "what": "w", "fix": "f", "head": {}}
    await bench.inbox(InboxRecord(1, "notice", notice), InboxRecord(2, "problem", problem))
    assert [row["affects"] for row in await bench.node.office.store.notices(9)] == [["transfer:t"]]
    await bench.node.take(ACHIEVEMENTS.replace("revit", "more"))
    assert [row["held"] for row in await bench.node.office.store.streams() if row["family"] == "credential"] == [1]


async def test_the_feed_is_followed_by_index_and_a_gap_is_told(bench: Bench) -> None:
    def record(index: int) -> tuple[list[tuple[str, bytes]], bytes | None, int, bytes | None]:
        return [("index", str(index).encode())], b"", 100 + index, None

    await bench.intake.take(Arrived(FEED, (record(0), record(1), record(1), record(0), record(2))))
    assert await bench.position("feed") == (3, 103)
    assert await bench.node.office.store.problems() == []
    await bench.intake.take(Arrived(FEED, (record(5),)))
    assert await bench.position("feed") == (6, 106)
    assert [problem["code"] for problem in await bench.node.office.store.problems()] == ["feed-gap"]


async def show_log_key(bench: Bench) -> None:
    record = {"member": "operator", "details": {"log_vkey": str(LOG.verifier)}}
    await bench.intake.take(Arrived(REGISTRY, (([], orjson.dumps(record), 0, b"operator"),)))


def note(size: int, root: bytes, signer: NoteSigner = LOG) -> Arrived:
    text = sign_checkpoint(Checkpoint(NETWORK, size, root), [signer])
    return Arrived(CHECKPOINT, (([], text, size, None),))


async def test_checkpoints_are_verified_and_two_roots_of_one_size_are_told(bench: Bench) -> None:
    await bench.intake.take(note(3, b"\1" * 32))
    assert await bench.node.office.store.checkpoint() is None, "the log's key is not known yet"
    await show_log_key(bench)
    await bench.intake.take(note(3, b"\1" * 32))
    await bench.intake.take(note(2, b"\2" * 32))
    assert await bench.node.office.store.checkpoint() == {"size": 3, "root": "01" * 32}
    await bench.intake.take(note(3, b"\3" * 32))
    await bench.intake.take(note(4, b"\4" * 32, NoteSigner(NETWORK, b"\5" * 32)))
    codes = {problem["code"] for problem in await bench.node.office.store.problems()}
    assert codes == {"checkpoint-forked", "note-key-unknown"}
    assert await bench.node.office.store.checkpoint() == {"size": 3, "root": "01" * 32}
    (alarm,) = await bench.node.office.store.alarms(open_only=True)
    (file,) = (bench.node.folder / "evidence").iterdir()
    assert file.read_bytes() == alarm.evidence
    verdict = judge(parse_evidence(alarm.evidence), [LOG.verifier], NETWORK)
    assert {verdict.first.root, verdict.second.root} == {b"\1" * 32, b"\3" * 32}


async def test_two_roots_of_one_size_in_one_batch_are_told_too(bench: Bench) -> None:
    await show_log_key(bench)
    notes = [note(size, bytes([fill]) * 32).records[0] for size, fill in ((5, 1), (4, 2), (4, 3))]
    await bench.intake.take(Arrived(CHECKPOINT, tuple(notes)))
    assert await bench.node.office.store.checkpoint() == {"size": 5, "root": "01" * 32}
    (alarm,) = await bench.node.office.store.alarms(open_only=True)
    assert (alarm.code, alarm.size) == ("checkpoint-forked", 4)


async def test_a_registry_record_that_is_not_json_is_told(bench: Bench) -> None:
    await bench.intake.take(Arrived(REGISTRY, (([], b"{", 0, b"sfu"), ([], b'{"member":"york"}', 1, b"york"))))
    assert await bench.node.office.store.own_record("york") == {"member": "york"}
    assert [problem["code"] for problem in await bench.node.office.store.problems()] == ["line-malformed"]
