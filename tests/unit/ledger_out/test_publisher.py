"""The publisher's order and its promise: at least once, nothing before the feed, nothing lost by an error."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.ledger_out.fakes import SIGNER, MemoryCheckpoints, MemoryStore, MemoryTopics, StepClock, indices

from passerelle.core.errors import Fatal, Unavailable
from passerelle.events.topics import CHECKPOINT, FEED, REFUSED, REGISTRY, SUMMARY, inbox_topic
from passerelle.ledger.checkpoints import CheckpointBoard, Checkpointer
from passerelle.ledger.outgoing_ports import InboxRow, SummaryRow, UnverifiedRow
from passerelle.ledger.publisher import ASIDE_EVERY_S, Publisher


class Bench:
    """A publisher with everything in memory."""

    def __init__(self, read_max: int = 4000) -> None:
        self.store = MemoryStore(read_max)
        self.topics = MemoryTopics()
        self.clock = StepClock()
        self.board = CheckpointBoard()
        self.checkpoints = MemoryCheckpoints(10_000)
        checkpointer = Checkpointer(self.checkpoints, SIGNER, self.board, self.clock)
        self.publisher = Publisher(self.store, self.topics, checkpointer, self.clock)

    async def drain(self) -> None:
        """Steps until nothing more waits."""
        self.publisher.wake(len(self.store.rows))
        self.clock.seconds += ASIDE_EVERY_S
        while await self.publisher.step():
            self.clock.seconds += ASIDE_EVERY_S


async def test_one_chain_in_order() -> None:
    bench = Bench()
    bench.store.log(3)
    bench.store.member_rows["york"] = 1
    bench.store.inbox.append((3, InboxRow("york", 1, "receipts", b"{}")))
    bench.store.summary_rows.append(SummaryRow(3, b"{}"))
    bench.store.unverified_rows.append(UnverifiedRow(7, "key-unknown", "t/0/1", b"{}"))
    await bench.drain()
    order = [FEED, inbox_topic("york"), REGISTRY, SUMMARY, REFUSED, CHECKPOINT]
    assert [step for step in bench.topics.steps if not step.startswith("ensure")] == order
    assert indices(bench.topics.topics[FEED]) == [0, 1, 2]
    assert bench.store.saved.feed == bench.store.saved.registry == 3
    assert (bench.store.published, bench.store.summary_rows, bench.store.unverified_rows) == ({"york": 1}, [], [])
    assert bench.board.size == 3


async def test_nothing_of_a_commit_is_told_before_the_feed_has_acked_it() -> None:
    bench = Bench(read_max=2)
    bench.store.log(4)
    bench.store.member_rows["york"] = 3
    bench.store.inbox.append((4, InboxRow("york", 1, "receipts", b"{}")))
    bench.store.summary_rows.append(SummaryRow(4, b"{}"))
    bench.publisher.wake(4)
    assert await bench.publisher.step(), "more waits behind a bounded read"
    assert indices(bench.topics.topics[FEED]) == [0, 1]
    for topic in (inbox_topic("york"), REGISTRY, SUMMARY):
        assert topic not in bench.topics.topics
    assert bench.board.size == 2
    await bench.drain()
    assert len(bench.topics.topics[inbox_topic("york")]) == len(bench.topics.topics[REGISTRY]) == 1


@pytest.mark.parametrize("written", [0, 1, 3])
async def test_after_a_failed_write_it_goes_on_from_the_saved_position(written: int) -> None:
    bench = Bench()
    bench.store.log(2)
    await bench.drain()
    bench.store.log(3)
    bench.topics.fail[FEED] = written
    with pytest.raises(Unavailable):
        await bench.publisher.step()
    assert bench.store.saved.feed == 2
    assert bench.board.size == 2
    await bench.drain()
    # At least once: what was written before the error is repeated, nothing is left out.
    assert indices(bench.topics.topics[FEED]) == [0, 1, *range(2, 2 + written), 2, 3, 4]


async def test_an_inbox_that_failed_is_published_again() -> None:
    bench = Bench()
    bench.store.log(1)
    bench.store.inbox += [(1, InboxRow("york", number, "receipts", b"{}")) for number in (1, 2)]
    bench.topics.fail[inbox_topic("york")] = 1
    with pytest.raises(Unavailable):
        await bench.drain()
    assert bench.store.published == {}
    await bench.drain()
    numbers = [dict(record.headers)["inbox-number"] for record in bench.topics.topics[inbox_topic("york")]]
    assert numbers == [b"1", b"1", b"2"]


async def test_a_new_members_inbox_is_made_before_its_record_is_told() -> None:
    bench = Bench()
    await bench.drain()
    bench.store.log(1)
    bench.store.member_rows["york"] = 0
    await bench.drain()
    assert bench.topics.steps.index("ensure york") < bench.topics.steps.index(REGISTRY)


async def test_who_begins_to_publish_tells_every_members_record_again() -> None:
    bench = Bench()
    bench.store.log(3)
    bench.store.member_rows = {"york": 1, "laval": 2}
    await bench.drain()
    told = [record.key for record in bench.topics.topics[REGISTRY]]
    assert told == [b"york", b"laval"]
    await bench.drain()
    assert len(bench.topics.topics[REGISTRY]) == 2, "once a start"
    # Another ledger takes over: a late write of the first one may stand behind a newer record of the same member.
    checkpointer = Checkpointer(bench.checkpoints, SIGNER, bench.board, bench.clock)
    bench.publisher = Publisher(bench.store, bench.topics, checkpointer, bench.clock)
    bench.topics.fail[REGISTRY] = 1
    with pytest.raises(Unavailable):
        await bench.drain()
    await bench.publisher._forget()
    await bench.drain()
    assert [record.key for record in bench.topics.topics[REGISTRY]] == [*told, b"york", *told]
    assert bench.store.saved.registry == 3


async def test_many_members_are_told_in_bounded_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("passerelle.ledger.publisher.MEMBERS_MAX", 4)
    bench = Bench()
    bench.store.members_max = 4
    bench.store.log(10)
    bench.store.member_rows = {f"member-{number}": number for number in range(10)}
    await bench.drain()
    told = [record.key for record in bench.topics.topics[REGISTRY]]
    assert told == [b"member-%d" % number for number in range(10)]
    assert bench.store.saved.registry == 10


async def test_what_is_kept_in_memory_can_be_given_up() -> None:
    bench = Bench()
    bench.store.log(2)
    bench.publisher.shed()
    await bench.drain()
    assert indices(bench.topics.topics[FEED]) == [0, 1]


async def test_a_backlog_is_read_ahead_and_comes_whole() -> None:
    bench = Bench(read_max=600)
    bench.store.log(2000)
    await bench.drain()
    assert indices(bench.topics.topics[FEED]) == list(range(2000))


async def test_what_was_read_ahead_is_forgotten_after_an_error() -> None:
    bench = Bench(read_max=600)
    bench.store.log(1300)
    bench.topics.fail[FEED] = 600
    assert await bench.publisher._try_step() > 0
    await bench.drain()
    assert indices(bench.topics.topics[FEED]) == [*range(600), *range(1300)]


async def test_tries_are_bounded_by_a_growing_rest() -> None:
    bench = Bench()
    bench.store.log(1)
    rests = []
    for _ in range(8):
        bench.topics.fail[FEED] = 0
        rests.append(await bench.publisher._try_step())
    for rest, whole in zip(rests, [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0], strict=True):
        assert whole / 2 <= rest <= whole
    assert bench.publisher.health()["failures"] == 8
    assert await bench.publisher._try_step() == pytest.approx(ASIDE_EVERY_S)
    assert bench.publisher.health()["failures"] == 0


async def test_it_runs_until_told_to_stop_and_wakes_at_once() -> None:
    bench = Bench()
    stop = asyncio.Event()
    running = asyncio.create_task(bench.publisher.run(stop))
    bench.store.log(1)
    bench.publisher.wake()
    async with asyncio.timeout(5):
        while bench.board.size < 1:
            await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert bench.topics.closed == 1


async def test_a_fatal_error_stops_it() -> None:
    bench = Bench()
    bench.store.log(1)
    await bench.drain()
    bench.checkpoints.forged[1] = bytes(32)
    bench.store.log(1)
    bench.clock.seconds += 5
    with pytest.raises(Fatal):
        await asyncio.wait_for(bench.publisher.run(asyncio.Event()), 5)


async def test_what_is_past_its_time_is_looked_for_now_and_then() -> None:
    bench = Bench()
    await bench.drain()
    assert bench.store.expired == []
    bench.clock.seconds += 601
    await bench.drain()
    now = bench.clock.now_ms()
    await bench.drain()
    assert len(bench.store.expired) == 1
    assert now - 1000 < bench.store.expired[0] <= now
