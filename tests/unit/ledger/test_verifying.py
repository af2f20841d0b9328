"""Checks in other processes: the same answers, and a process that ends is told of and replaced."""

from __future__ import annotations

import io
import os
import signal

import pytest

from passerelle.core.errors import Unavailable
from passerelle.core.signature import SignedMessage
from passerelle.ledger import verifying
from passerelle.ledger.verifying import FEW, FEW_BODIES, Answers, Claim, VerifyPool, Work, decode, encode, serve
from passerelle.testing.federation import Member, achievement

COUNT = FEW + 10
NOW_MS = 1_790_000_000_000


def messages(count: int) -> list[SignedMessage]:
    """Every third one is altered."""
    signer = Member("humber").signer
    made = []
    for number in range(count):
        message = b"m" * number
        signature = signer.sign(message)
        made.append(SignedMessage(signer.public_key, message + b"x" * (number % 3 == 0), signature))
    return made


def claims(count: int) -> list[Claim]:
    """Every fourth one is not what its statement says; every fifth is no event."""
    humber = Member("humber")
    good = humber.write("credential.achievement-published", "humber/welding", achievement("humber"))[1]
    return [
        Claim("humber", "credential", "party" if number % 4 == 0 else "public", b"{}" if number % 5 == 0 else good)
        for number in range(count)
    ]


def sound(count: int) -> list[bool]:
    return [number % 4 != 0 and number % 5 != 0 for number in range(count)]


def work(signatures: int, bodies: int) -> Work:
    return Work(messages(signatures), claims(bodies), NOW_MS)


def expected(count: int) -> list[bool]:
    return [number % 3 != 0 for number in range(count)]


def test_a_frame_is_read_as_written() -> None:
    part = work(7, 9)
    assert decode(encode(part)[4:]) == part


def test_frames_are_answered_until_the_input_ends() -> None:
    sink = io.BytesIO()
    serve(io.BytesIO(encode(work(3, 6)) + encode(work(5, 0)) + b"\0\0"), sink)
    assert list(map(bool, sink.getvalue())) == expected(3) + sound(6) + expected(5)


@pytest.mark.parametrize("processes", [1, 3])
async def test_many_are_checked_elsewhere_in_order(processes: int) -> None:
    pool = VerifyPool(processes)
    many = FEW_BODIES + 7
    try:
        for signatures, bodies in ((COUNT, 0), (0, many), (2, many), (COUNT * 5, 11)):
            found = await pool.check(work(signatures, bodies))
            assert found == Answers(expected(signatures), sound(bodies))
    finally:
        await pool.close()


async def test_of_a_few_the_ledger_reads_the_bodies_itself() -> None:
    pool = VerifyPool(1)
    assert await pool.check(work(FEW, FEW_BODIES)) == Answers(expected(FEW), [False] * FEW_BODIES)
    assert pool.running == []


async def test_bodies_beyond_a_frame_are_left_to_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    part = work(COUNT, 20)
    monkeypatch.setattr(verifying, "BODY_BYTES", sum(len(claim.body) for claim in part.claims[:9]))
    pool = VerifyPool(2)
    try:
        assert await pool.check(part) == Answers(expected(COUNT), sound(9) + [False] * 11)
    finally:
        await pool.close()


async def test_a_key_of_a_wrong_length_is_refused_like_anywhere_else() -> None:
    pool = VerifyPool(1)
    wrong = [item._replace(public_key=item.public_key[:31]) for item in messages(COUNT)]
    try:
        assert (await pool.check(Work(wrong, [], NOW_MS))).signatures == [False] * COUNT
    finally:
        await pool.close()


async def test_a_process_that_ends_is_told_of_and_replaced() -> None:
    pool = VerifyPool(2)
    try:
        await pool.check(work(COUNT, 0))
        first = [process.pid for process in pool.running]
        os.kill(first[0], signal.SIGKILL)
        await pool.running[0].wait()
        with pytest.raises(Unavailable) as caught:
            await pool.check(work(COUNT, 0))
        assert caught.value.code == "verifier-lost"
        assert (await pool.check(work(COUNT, 0))).signatures == expected(COUNT)
        assert not {process.pid for process in pool.running} & set(first)
    finally:
        await pool.close()
