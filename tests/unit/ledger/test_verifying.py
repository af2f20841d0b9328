"""Signature checks in other processes: the same answers, and a process that ends is told of and replaced."""

from __future__ import annotations

import io
import os
import signal

import pytest

from passerelle.core.errors import Unavailable
from passerelle.core.signature import SignedMessage
from passerelle.ledger.verifying import FEW, VerifyPool, decode, encode, serve
from passerelle.testing.federation import Member

COUNT = FEW + 10


def messages(count: int) -> list[SignedMessage]:
    """Every third one is altered."""
    signer = Member("humber").signer
    made = []
    for number in range(count):
        message = b"m" * number
        signature = signer.sign(message)
        made.append(SignedMessage(signer.public_key, message + b"x" * (number % 3 == 0), signature))
    return made


def expected(count: int) -> list[bool]:
    return [number % 3 != 0 for number in range(count)]


def test_a_frame_is_read_as_written() -> None:
    part = messages(7)
    assert list(decode(encode(part)[4:])) == part


def test_frames_are_answered_until_the_input_ends() -> None:
    sink = io.BytesIO()
    serve(io.BytesIO(encode(messages(3)) + encode(messages(5)) + b"\0\0"), sink)
    assert list(map(bool, sink.getvalue())) == expected(3) + expected(5)


@pytest.mark.parametrize("processes", [1, 3])
async def test_many_are_checked_elsewhere_in_order(processes: int) -> None:
    pool = VerifyPool(processes)
    try:
        for count in (2, COUNT, COUNT * 5):
            assert await pool.check(messages(count)) == expected(count)
    finally:
        await pool.close()


async def test_a_key_of_a_wrong_length_is_refused_like_anywhere_else() -> None:
    pool = VerifyPool(1)
    wrong = [item._replace(public_key=item.public_key[:31]) for item in messages(COUNT)]
    try:
        assert await pool.check(wrong) == [False] * COUNT
    finally:
        await pool.close()


async def test_a_process_that_ends_is_told_of_and_replaced() -> None:
    pool = VerifyPool(2)
    try:
        await pool.check(messages(COUNT))
        first = [process.pid for process in pool.running]
        os.kill(first[0], signal.SIGKILL)
        await pool.running[0].wait()
        with pytest.raises(Unavailable) as caught:
            await pool.check(messages(COUNT))
        assert caught.value.code == "verifier-lost"
        assert await pool.check(messages(COUNT)) == expected(COUNT)
        assert not {process.pid for process in pool.running} & set(first)
    finally:
        await pool.close()
