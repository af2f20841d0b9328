"""A witness: proves, stores, cosigns, in this order; and what it does when the log contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.unit.ledger_out.fakes import StepClock
from tests.unit.node.witnessing import LOG, NETWORK, Ledgerish, MemoryWitnessStore

from passerelle.core.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from passerelle.core.errors import PasserelleError
from passerelle.core.evidence import EQUIVOCATION, INCONSISTENCY, Verdict, judge, parse_evidence
from passerelle.core.note import CosignatureSigner, NoteSigner
from passerelle.core.witness import WitnessQuorum, witness_name
from passerelle.node.alarms import Alarms
from passerelle.node.witness import MAX_UNSETTLED, Witness
from passerelle.node.witness_ports import Cosigned

SIGNER = CosignatureSigner(witness_name(NETWORK, "york"), b"w" * 32)
KEYS = [LOG.verifier]


class Bench:
    """A witness over a log and a store; the store and the folder outlive it."""

    def __init__(self, folder: Path, store: MemoryWitnessStore | None = None, log: Ledgerish | None = None) -> None:
        self.store = store or MemoryWitnessStore()
        self.log = log or Ledgerish()
        self.clock = StepClock()
        self.folder = folder
        self.alarms = Alarms(self.store, self.clock, folder)
        self.witness = Witness(self.store, self.alarms, self.log, self.log, SIGNER, self.clock, network=NETWORK)
        self.offset = self.store.offset or 0

    def again(self) -> Bench:
        """After a restart."""
        return Bench(self.folder, self.store, self.log)

    def take(self, *notes: bytes) -> list[PasserelleError]:
        records = [(note, self.offset + number) for number, note in enumerate(notes)]
        self.offset += len(notes)
        return self.witness.take(records, KEYS)

    async def see(self, *notes: bytes) -> None:
        assert self.take(*notes) == []
        await self.witness.settle(KEYS)

    async def grow(self, size: int) -> None:
        """The log grows and its checkpoint is seen."""
        self.log.size = size
        await self.see(self.log.note(size))

    async def hindered(self) -> str:
        with pytest.raises(PasserelleError) as caught:
            await self.witness.settle(KEYS)
        return caught.value.code

    @property
    def sizes(self) -> list[int]:
        """What was cosigned, in order; each cosignature is verified."""
        policy = WitnessQuorum(1, (SIGNER.verifier,))
        return [open_checkpoint(note, KEYS, witnesses=policy).checkpoint.size for note in self.log.cosigned]

    def verdicts(self) -> Sequence[Verdict]:
        """What the evidence files prove."""
        return [
            judge(parse_evidence(path.read_bytes()), KEYS, NETWORK)
            for path in sorted(self.folder.glob("*.evidence.json"))
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "evidence")


def forged(size: int, fill: int = 9) -> bytes:
    """A checkpoint by the log's key of a tree that nobody has."""
    return sign_checkpoint(Checkpoint(NETWORK, size, bytes([fill]) * 32), [LOG])


async def test_what_extends_the_promise_is_cosigned(bench: Bench) -> None:
    for size in (1, 2, 300, 301, 70_000):
        await bench.grow(size)
    assert bench.sizes == [1, 2, 300, 301, 70_000]
    assert bench.store.promise is not None
    assert (bench.store.promise.size, bench.store.promise.delivered) == (70_000, True)
    assert not bench.witness.waiting
    assert bench.store.offset == 5


async def test_of_a_backlog_only_the_newest_is_cosigned_and_tiles_are_fetched_once(bench: Bench) -> None:
    bench.log.size = 700
    await bench.see(*(bench.log.note(size) for size in range(690, 701)))
    assert bench.sizes == [700]
    assert len(bench.log.fetched) == len(set(bench.log.fetched))


async def test_the_promise_is_stored_before_anything_is_cosigned(bench: Bench) -> None:
    await bench.grow(5)
    bench.store.losing = 1
    bench.log.size = 6
    bench.take(bench.log.note(6))
    assert await bench.hindered() == "witness-conflict"
    assert bench.sizes == [5]
    await bench.witness.settle(KEYS)
    assert (bench.sizes, bench.store.history[-1][0]) == ([5, 6], 6)


async def test_a_stored_promise_is_cosigned_after_a_restart_and_no_smaller_one_ever(bench: Bench) -> None:
    bench.log.refusing = "service-unavailable"
    bench.log.size = 5
    bench.take(bench.log.note(5))
    assert await bench.hindered() == "service-unavailable"
    after = bench.again()
    after.log.refusing = ""
    await after.see(after.log.note(3))
    assert after.sizes == [5]
    assert [size for size, _ in after.store.history] == [5]


async def test_another_process_that_went_further_is_not_undone(bench: Bench) -> None:
    await bench.grow(5)
    bench.log.size = 9
    root = open_checkpoint(bench.log.note(9), KEYS).checkpoint.root
    bench.store.promise = Cosigned(9, root, bench.log.note(9).decode(), delivered=True)
    await bench.see(bench.log.note(7))
    assert (bench.sizes, bench.store.promise.size) == ([5], 9)


async def test_tiles_that_are_not_there_yet_are_waited_for(bench: Bench) -> None:
    await bench.grow(5)
    bench.take(bench.log.note(8))
    assert await bench.hindered() == "tile-absent"
    assert bench.witness.waiting
    assert bench.store.offset == 1, "what is not settled is read again after a restart"
    bench.log.away = True
    assert await bench.hindered() == "service-unavailable"
    bench.log.away, bench.log.size = False, 8
    await bench.witness.settle(KEYS)
    assert (bench.sizes, bench.store.offset) == ([5, 8], 2)


async def test_two_roots_of_one_size_raise_a_lasting_alarm(bench: Bench) -> None:
    await bench.grow(5)
    await bench.see(forged(5))
    (verdict,) = bench.verdicts()
    assert (verdict.code, verdict.first.size) == (EQUIVOCATION, 5)
    assert bench.alarms.code == EQUIVOCATION
    assert bench.store.problems == [EQUIVOCATION]
    after = bench.again()
    await after.grow(6)
    assert (after.sizes, after.alarms.code) == ([5], EQUIVOCATION)
    (alarm,) = await after.store.alarms(open_only=True)
    assert await after.store.clear_alarm(alarm.name, "judged", 1)
    await after.see(forged(5))
    assert after.alarms.code == "", "the same evidence was cleared"
    await after.witness.settle(KEYS)
    assert (after.sizes, after.alarms.code) == ([5, 6], "")


async def test_two_roots_of_one_size_that_nobody_cosigned_yet_stop_the_cosigning(bench: Bench) -> None:
    bench.log.size = 7
    await bench.see(bench.log.note(7), forged(7))
    assert (bench.sizes, bench.store.promise, bench.log.fetched) == ([], None, [])
    assert [verdict.code for verdict in bench.verdicts()] == [EQUIVOCATION]


@pytest.mark.parametrize(("before", "after"), [(5, 6), (4, 9), (256, 300), (300, 301)])
async def test_a_rewritten_past_raises_an_alarm_with_its_proof(bench: Bench, before: int, after: int) -> None:
    await bench.grow(before)
    bench.log.changed = before - 1
    await bench.grow(after)
    (verdict,) = bench.verdicts()
    assert (verdict.code, verdict.first.size, verdict.second.size) == (INCONSISTENCY, before, after)
    assert (bench.sizes, bench.alarms.code) == ([before], INCONSISTENCY)


async def test_a_forged_checkpoint_of_an_earlier_size_is_found(bench: Bench) -> None:
    await bench.grow(9)
    await bench.see(forged(6))
    (verdict,) = bench.verdicts()
    assert (verdict.code, verdict.first.size, verdict.second.size) == (INCONSISTENCY, 6, 9)
    assert verdict.first.root == b"\x09" * 32


async def test_a_forged_checkpoint_of_a_later_size_is_found_once_the_log_can_be_held_against_it(bench: Bench) -> None:
    await bench.grow(5)
    bench.take(forged(8))
    assert await bench.hindered() == "tile-absent"
    bench.log.size = 8
    assert await bench.hindered() == "tile-hash-mismatch"
    assert bench.alarms.code == ""
    await bench.witness.settle(KEYS)
    (verdict,) = bench.verdicts()
    assert (verdict.code, verdict.first.size) == (EQUIVOCATION, 8)
    assert bench.sizes == [5]


async def test_a_log_that_serves_another_branch_than_it_publishes_is_found(bench: Bench) -> None:
    await bench.grow(5)
    bench.log.changed = 7
    published = bench.log.note(9)
    bench.log.changed, bench.log.size = None, 12
    bench.take(published)
    assert await bench.hindered() == "tile-hash-mismatch"
    await bench.witness.settle(KEYS)
    (verdict,) = bench.verdicts()
    assert (verdict.code, verdict.first.size, verdict.second.size) == (INCONSISTENCY, 9, 12)


async def test_the_ledgers_word_that_it_signed_another_root_is_followed_up(bench: Bench) -> None:
    bench.log.refusing = "checkpoint-forked"
    bench.log.size = 5
    bench.take(bench.log.note(5))
    assert await bench.hindered() == "checkpoint-forked"
    bench.log.changed = 2
    bench.log.size = 8
    assert await bench.hindered() == "checkpoint-forked"
    await bench.witness.settle(KEYS)
    assert [verdict.code for verdict in bench.verdicts()] == [INCONSISTENCY]


async def test_a_late_cosignature_is_given_up_and_others_are_tried_again(bench: Bench) -> None:
    bench.log.refusing = "cosignature-late"
    await bench.grow(5)
    assert bench.sizes == []
    assert not bench.witness.waiting
    bench.log.refusing = "witness-key-unknown"
    bench.log.size = 6
    bench.take(bench.log.note(6))
    assert await bench.hindered() == "witness-key-unknown"
    bench.log.refusing = ""
    await bench.witness.settle(KEYS)
    assert bench.sizes == [6]


async def test_what_the_log_did_not_sign_is_left_out(bench: Bench) -> None:
    stranger = NoteSigner(NETWORK, b"s" * 32)
    bench.log.size = 5
    wrong = bench.take(sign_checkpoint(Checkpoint(NETWORK, 5, bytes(32)), [stranger]), b"", b"\xff", bench.log.note(5))
    assert [error.code for error in wrong] == ["note-key-unknown", "note-malformed", "note-malformed"]
    await bench.witness.settle(KEYS)
    assert (bench.sizes, bench.alarms.code) == ([5], "")


async def test_no_more_is_taken_than_can_be_settled(bench: Bench) -> None:
    await bench.grow(5)
    for size in range(100, 100 + MAX_UNSETTLED):
        assert not bench.witness.full
        bench.take(forged(size))
    assert bench.witness.full
    bench.log.size = 7
    assert await bench.hindered() == "tile-absent"
    await bench.hindered()
    assert bench.sizes == [5, 7], "what the log itself serves goes on being cosigned"
    for size in range(8, 12):
        bench.log.size = size
        await bench.hindered()
    assert len(bench.witness._unsettled) <= MAX_UNSETTLED + 1


async def test_evidence_that_cannot_be_written_stays_in_the_database(bench: Bench, tmp_path: Path) -> None:
    bench.folder.write_text("a file where the folder should be")
    await bench.grow(5)
    await bench.see(forged(5))
    (alarm,) = await bench.store.alarms(open_only=True)
    assert judge(parse_evidence(alarm.evidence), KEYS, NETWORK).code == EQUIVOCATION
    bench.folder.unlink()
    after = bench.again()
    assert await after.alarms.refresh()
    assert len(after.verdicts()) == 1, "a restart writes it again"
