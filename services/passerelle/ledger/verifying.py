"""Signatures and bodies checked in processes of their own.

A signature is 60 to 100 microseconds of arithmetic, a body 15 to 20 of reading. In threads of the ledger's process each
would have to win the interpreter back from the code that runs meanwhile, up to 5 ms a time; in a process of its own it
costs the ledger a write and a read a chunk. ``python -m passerelle.ledger.verifying`` is such a process: frames in, one
byte a signature and one a body out; it ends when its input does, so none outlives the ledger.

A body is not judged here: a process says only that nothing is wrong with it. What is wrong with another one the ledger
finds for itself, in the same code, so that a refusal has one source.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final, NamedTuple, TypeVar

from passerelle.core.errors import Refused, Unavailable
from passerelle.core.signature import PUBLIC_KEY_SIZE, SIGNATURE_SIZE, SignedMessage, verify
from passerelle.events.codec import parse_event
from passerelle.runtime.clock import as_datetime

FEW: Final = 24
"""Up to this many signatures are checked at once: some 2 ms."""
FEW_BODIES: Final = 100
"""Up to this many bodies the ledger reads by itself: some 2 ms."""
BODY_BYTES: Final = 8 * 1024 * 1024
"""Bodies that one frame carries, in bytes; those beyond the ledger reads by itself."""
TIMEOUT_S: Final = 30.0
_LENGTH: Final = struct.Struct(">I")
_HEAD: Final = struct.Struct(">qII")
_CLAIM: Final = struct.Struct(">HI")
_FIXED: Final = PUBLIC_KEY_SIZE + SIGNATURE_SIZE + _LENGTH.size

_T = TypeVar("_T")


class Claim(NamedTuple):
    """A body, and what its statement says of it."""

    member: str
    family: str
    visibility: str
    body: bytes


class Work(NamedTuple):
    """What one process is asked: signatures, and bodies as of an instant (Unix milliseconds)."""

    messages: Sequence[SignedMessage]
    claims: Sequence[Claim]
    now_ms: int


class Answers(NamedTuple):
    """Whether each signature is good; whether each body is known to be: False says nothing of it. In order."""

    signatures: list[bool]
    bodies: list[bool]


def encode(work: Work) -> bytes:
    """A frame: its length and head; then key, signature, length, message of each; then lengths, names, body of each."""
    pieces = [b"", _HEAD.pack(work.now_ms, len(work.messages), len(work.claims))]
    for key, message, signature in work.messages:
        pieces += (key, signature, _LENGTH.pack(len(message)), message)
    for member, family, visibility, body in work.claims:
        names = f"{member} {family} {visibility}".encode()
        pieces += (_CLAIM.pack(len(names), len(body)), names, body)
    pieces[0] = _LENGTH.pack(sum(map(len, pieces)))
    return b"".join(pieces)


def decode(frame: bytes) -> Work:
    """What :func:`encode` wrote, without its length."""
    now_ms, signatures, bodies = _HEAD.unpack_from(frame)
    at = _HEAD.size
    messages: list[SignedMessage] = []
    for _ in range(signatures):
        key, signature = frame[at : at + PUBLIC_KEY_SIZE], frame[at + PUBLIC_KEY_SIZE : at + _FIXED - _LENGTH.size]
        start = at + _FIXED
        at = start + _LENGTH.unpack_from(frame, start - _LENGTH.size)[0]
        messages.append(SignedMessage(key, frame[start:at], signature))
    return Work(messages, list(_claims(frame, at, bodies)), now_ms)


def _claims(frame: bytes, at: int, count: int) -> Iterator[Claim]:
    for _ in range(count):
        names, body = _CLAIM.unpack_from(frame, at)
        start = at + _CLAIM.size + names
        member, family, visibility = frame[at + _CLAIM.size : start].decode().split(" ")
        at = start + body
        yield Claim(member, family, visibility, frame[start:at])


def answer(work: Work) -> bytes:
    """One byte a signature, then one a body: 1 where it is good."""
    now = as_datetime(work.now_ms)

    def sound(claim: Claim) -> bool:
        try:
            parse_event(claim.body, member=claim.member, family=claim.family, visibility=claim.visibility, now=now)
        except Refused:
            return False
        return True

    return bytes([verify(*message) for message in work.messages] + [sound(claim) for claim in work.claims])


class VerifyPool:
    """Processes that are started when there is work for them. One caller at a time."""

    def __init__(self, processes: int) -> None:
        self._maximum = processes
        self.running: list[asyncio.subprocess.Process] = []

    async def check(self, work: Work) -> Answers:
        """What the processes say, and where there is little to do the signatures' answers without them.

        Raises Unavailable ``verifier-lost``.
        """
        messages, claims = work.messages, _at_most(work.claims, BODY_BYTES)
        sound = all(
            len(item.public_key) == PUBLIC_KEY_SIZE and len(item.signature) == SIGNATURE_SIZE for item in messages
        )
        if not sound or (len(messages) <= FEW and len(claims) <= FEW_BODIES):
            return Answers([verify(*item) for item in messages], [False] * len(work.claims))
        while len(self.running) < self._maximum:
            self.running.append(await self._start())
        parts = [
            Work(*pair, work.now_ms)
            for pair in zip(_shares(messages, self._maximum), _shares(claims, self._maximum), strict=True)
        ]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await asyncio.gather(*map(_ask, self.running, parts))
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise Unavailable(
                "verifier-lost", f"a process that checks events ended: {type(error).__name__}", where="ledger"
            ) from None
        except asyncio.CancelledError:
            # An answer may still be under way: it must not be taken for the next one.
            await self.close()
            raise
        signatures = [bool(one) for part in found for one in part[0]]
        bodies = [bool(one) for part in found for one in part[1]]
        return Answers(signatures, bodies + [False] * (len(work.claims) - len(claims)))

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def close(self) -> None:
        """End the processes and wait for their end."""
        running, self.running = self.running, []
        for process in running:
            if process.returncode is None:
                process.kill()
        for process in running:
            await process.wait()


def _at_most(claims: Sequence[Claim], size: int) -> Sequence[Claim]:
    """The first claims, whose bodies have at most ``size`` bytes together."""
    total = 0
    for place, claim in enumerate(claims):
        total += len(claim.body)
        if total > size:
            return claims[:place]
    return claims


def _shares(items: Sequence[_T], count: int) -> list[Sequence[_T]]:
    """``items`` in ``count`` runs of about the same length, in order."""
    return [items[len(items) * at // count : len(items) * (at + 1) // count] for at in range(count)]


async def _ask(process: asyncio.subprocess.Process, work: Work) -> tuple[bytes, bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(work))
    await process.stdin.drain()
    found = await process.stdout.readexactly(len(work.messages) + len(work.claims))
    return found[: len(work.messages)], found[len(work.messages) :]


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends."""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        sink.write(answer(decode(source.read(_LENGTH.unpack(head)[0]))))
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
