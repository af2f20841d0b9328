"""Checkpoints: what is signed, when, in which order, and what a start refuses."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.ledger_out.fakes import NETWORK, SIGNER, MemoryCheckpoints, MemoryTails, StepClock

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import Fatal, Unavailable
from passerelle.core.note import NoteSigner
from passerelle.ledger.checkpoints import IDLE_S, CheckpointBoard, Checkpointer, load_board, verify_start
from passerelle.ledger.outgoing_ports import StoredCheckpoint


class Bench:
    """A checkpointer whose publications are kept, and fail while ``broken``."""

    def __init__(self, store: MemoryCheckpoints | None = None) -> None:
        self.store = store or MemoryCheckpoints(1000)
        self.clock = StepClock()
        self.board = CheckpointBoard()
        self.published: list[StoredCheckpoint] = []
        self.broken = False
        self.checkpointer = Checkpointer(self.store, SIGNER, self.board, self.clock)

    async def publish(self, checkpoint: StoredCheckpoint) -> None:
        assert checkpoint in self.store.stored, "published before it was stored"
        assert self.board.size < checkpoint.size, "shown before it was published"
        if self.broken:
            raise Unavailable("produce-failed", "as asked")
        self.published.append(checkpoint)

    async def step(self, acked: int) -> None:
        await self.checkpointer.step(acked, self.publish)


def note(size: int, root: bytes, signer: NoteSigner = SIGNER) -> bytes:
    return sign_checkpoint(Checkpoint(NETWORK, size, root), [signer])


async def test_a_checkpoint_is_the_tree_of_what_was_acked() -> None:
    bench = Bench()
    await bench.step(0)
    assert bench.published == []
    await bench.step(5)
    opened = open_checkpoint(bench.published[0].note.encode(), [SIGNER.verifier]).checkpoint
    assert (opened.origin, opened.size, opened.root) == (NETWORK, 5, bench.store.root(5))
    assert (bench.store.shown, bench.board.size) == ({5}, 5)


async def test_at_most_one_a_second_and_none_while_idle() -> None:
    bench = Bench()
    await bench.step(1)
    assert bench.checkpointer.due_in() is None
    await bench.step(2)
    assert bench.checkpointer.due_in() == pytest.approx(1.0)
    bench.clock.seconds += 0.5
    await bench.step(3)
    assert [item.size for item in bench.published] == [1]
    bench.clock.seconds += 0.5
    await bench.step(4)
    bench.clock.seconds += 60
    await bench.step(4)
    assert [item.size for item in bench.published] == [1, 4]


async def test_the_latest_is_told_again_while_idle_and_nothing_new_is_signed() -> None:
    bench = Bench()
    told: list[StoredCheckpoint] = []

    async def publish(checkpoint: StoredCheckpoint) -> None:
        if bench.broken:
            raise Unavailable("produce-failed", "as asked")
        told.append(checkpoint)

    bench.clock.seconds += IDLE_S
    await bench.checkpointer.step(0, publish)
    assert told == [], "an empty log has nothing to tell"
    await bench.checkpointer.step(3, publish)
    bench.clock.seconds += IDLE_S - 1
    await bench.checkpointer.step(3, publish)
    assert len(told) == 1
    bench.clock.seconds += 1
    bench.broken = True
    with pytest.raises(Unavailable):
        await bench.checkpointer.step(3, publish)
    bench.broken = False
    await bench.checkpointer.step(3, publish)
    await bench.checkpointer.step(3, publish)
    assert [item.note for item in told] == [told[0].note] * 2
    assert len(bench.store.stored) == 1


async def test_what_was_stored_and_not_told_is_told_again_and_never_signed_anew() -> None:
    bench = Bench()
    bench.broken = True
    with pytest.raises(Unavailable):
        await bench.step(5)
    assert ([item.size for item in bench.store.stored], bench.board.size) == ([5], 0)
    after = Bench(bench.store)
    await after.step(7)
    assert [item.size for item in after.published] == [5, 7]
    assert after.published[0] == bench.store.stored[0]


async def test_what_could_not_be_stored_is_not_told() -> None:
    bench = Bench()
    bench.store.away = True
    with pytest.raises(Unavailable):
        await bench.step(5)
    assert (bench.published, bench.store.stored) == ([], [])


async def test_nothing_is_signed_on_top_of_a_tree_that_changed() -> None:
    bench = Bench()
    await bench.step(5)
    bench.store.forged[5] = bytes(32)
    bench.clock.seconds += 2
    with pytest.raises(Fatal) as caught:
        await bench.step(9)
    assert caught.value.code == "ledger-diverged"
    assert [item.size for item in bench.store.stored] == [5]


async def test_another_signer_ahead_stops_this_one() -> None:
    bench = Bench()
    await bench.step(5)
    bench.store.stored.append(StoredCheckpoint(9, bytes(32), "another", 0))
    bench.clock.seconds += 2
    with pytest.raises(Fatal) as caught:
        await bench.step(7)
    assert caught.value.code == "checkpoint-shrunk"


async def test_the_board_waits_until_a_size_is_covered() -> None:
    bench = Bench()
    waiting = asyncio.create_task(bench.board.covering(6, 5))
    await bench.step(5)
    bench.clock.seconds += 2
    assert not waiting.done()
    await bench.step(8)
    assert (await waiting).size == 8
    with pytest.raises(Unavailable) as caught:
        await bench.board.covering(9, 0.01)
    assert caught.value.code == "checkpoint-not-ready"
    await bench.board.show(bench.store.stored[0])
    assert bench.board.size == 8


async def test_what_was_shown_before_a_restart_is_shown() -> None:
    bench = Bench()
    await bench.step(5)
    board = CheckpointBoard()
    await load_board(bench.store, board)
    assert board.latest == bench.store.stored[0]


async def test_a_start_on_equal_ground() -> None:
    store = MemoryCheckpoints(10)
    notes = [note(4, store.root(4)), note(10, store.root(10)), note(7, store.root(7))]
    await verify_start(store, MemoryTails(notes, [(8, b"entry 8"), (9, b"entry 9")]), SIGNER.verifier)
    await verify_start(store, MemoryTails(), SIGNER.verifier)
    assert store.stored == []


OTHER_KEY = NoteSigner(NETWORK, bytes(32))
STORE = MemoryCheckpoints(10)


@pytest.mark.parametrize(
    ("notes", "feed", "code"),
    [
        ([note(11, bytes(32))], [], "checkpoint-behind"),
        ([note(10, bytes(32))], [], "ledger-diverged"),
        ([note(3, bytes(32)), note(2, STORE.root(2))], [], "ledger-diverged"),
        ([note(10, STORE.root(10), OTHER_KEY)], [], "ledger-diverged"),
        ([b"no note"], [], "ledger-diverged"),
        ([], [(10, b"entry 10")], "checkpoint-behind"),
        ([], [(9, b"another")], "ledger-diverged"),
    ],
)
async def test_a_start_that_would_break_a_promise(notes: list[bytes], feed: list[tuple[int, bytes]], code: str) -> None:
    with pytest.raises(Fatal) as caught:
        await verify_start(MemoryCheckpoints(10), MemoryTails(notes, feed), SIGNER.verifier)
    assert caught.value.code == code
    assert caught.value.what


async def test_a_stored_checkpoint_binds_a_start_too() -> None:
    store = MemoryCheckpoints(10)
    store.stored.append(StoredCheckpoint(10, bytes(32), "x", 0))
    with pytest.raises(Fatal) as caught:
        await verify_start(store, MemoryTails(), SIGNER.verifier)
    assert caught.value.code == "ledger-diverged"
