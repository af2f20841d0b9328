"""Signature checks in processes of their own.

A signature is 60 to 100 microseconds of arithmetic. In threads of the ledger's process each check would have to win the
interpreter back from the code that runs meanwhile, up to 5 ms a time; in a process of its own it costs the ledger a
write and a read a chunk. ``python -m passerelle.ledger.verifying`` is such a process: frames in, one byte a signature
out; it ends when its input does, so none outlives the ledger.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from passerelle.core.errors import Unavailable
from passerelle.core.signature import PUBLIC_KEY_SIZE, SIGNATURE_SIZE, SignedMessage, verify

FEW: Final = 24
"""Up to this many are checked at once: some 2 ms."""
TIMEOUT_S: Final = 30.0
_LENGTH: Final = struct.Struct(">I")
_FIXED: Final = PUBLIC_KEY_SIZE + SIGNATURE_SIZE + _LENGTH.size


def encode(part: Sequence[SignedMessage]) -> bytes:
    """A frame: its length, then of each key, signature, length of the message, message."""
    pieces = [b""]
    for key, message, signature in part:
        pieces += (key, signature, _LENGTH.pack(len(message)), message)
    body = b"".join(pieces)
    return _LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Iterator[SignedMessage]:
    """The signed messages of a frame's body."""
    at = 0
    while at < len(body):
        key, signature = body[at : at + PUBLIC_KEY_SIZE], body[at + PUBLIC_KEY_SIZE : at + _FIXED - _LENGTH.size]
        start = at + _FIXED
        at = start + _LENGTH.unpack_from(body, start - _LENGTH.size)[0]
        yield SignedMessage(key, body[start:at], signature)


class VerifyPool:
    """Processes that are started when there is work for them. One caller at a time."""

    def __init__(self, processes: int) -> None:
        self._maximum = processes
        self.running: list[asyncio.subprocess.Process] = []

    async def check(self, messages: Sequence[SignedMessage]) -> list[bool]:
        """Whether each signature is good, in order. Raises Unavailable ``verifier-lost``."""
        sound = all(
            len(item.public_key) == PUBLIC_KEY_SIZE and len(item.signature) == SIGNATURE_SIZE for item in messages
        )
        if len(messages) <= FEW or not sound:
            return [verify(*item) for item in messages]
        while len(self.running) < self._maximum:
            self.running.append(await self._start())
        step = -(-len(messages) // self._maximum)
        parts = [messages[start : start + step] for start in range(0, len(messages), step)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await asyncio.gather(*map(_ask, self.running, parts))
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise Unavailable(
                "verifier-lost", f"a process that checks signatures ended: {type(error).__name__}", where="ledger"
            ) from None
        except asyncio.CancelledError:
            # An answer may still be under way: it must not be taken for the next one.
            await self.close()
            raise
        return [bool(one) for part in found for one in part]

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


async def _ask(process: asyncio.subprocess.Process, part: Sequence[SignedMessage]) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(encode(part))
    await process.stdin.drain()
    return await process.stdout.readexactly(len(part))


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer frames until the input ends."""
    while len(head := source.read(_LENGTH.size)) == _LENGTH.size:
        body = source.read(_LENGTH.unpack(head)[0])
        sink.write(bytes(verify(*item) for item in decode(body)))
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
