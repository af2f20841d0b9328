"""The signatures of a check, verified in processes of their own where there are many.

Threads would not do: each verification would have to win the interpreter back from the check itself.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Final, NamedTuple, Self

from passerelle.core.errors import Unavailable
from passerelle.core.signature import verify

MANY: Final = 3_000
"""Signatures that are verified at once before processes are started: these cost some 0.3 s."""
PROCESSES_MAX: Final = 4


class Signed(NamedTuple):
    """A signature (64 bytes) of a message under a raw public key (32 bytes); ``where`` it stands."""

    public_key: bytes
    message: bytes
    signature: bytes
    where: str


def good(signed: Sequence[Signed]) -> bytes:
    """One byte for each: 1 where the signature verifies, else 0."""
    return bytes(verify(one.public_key, one.message, one.signature) for one in signed)


class SignaturePool:
    """Verifies what a check gathers: at once while it is little, then in processes, one for each further processor."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def start(self, signed: Sequence[Signed]) -> asyncio.Future[bytes]:
        """The outcome of :func:`good`, which may already be there. It raises Unavailable ``service-unavailable``."""
        loop = asyncio.get_running_loop()
        self._seen += len(signed)
        others = (os.cpu_count() or 1) - 1
        if self._pool is None and self._seen > MANY and others > 0:
            # A fresh interpreter: this one has an event loop and a connection that no copy may touch.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(min(others, PROCESSES_MAX), mp_context=context)
        if self._pool is not None and signed:
            return asyncio.ensure_future(self._elsewhere(loop.run_in_executor(self._pool, good, signed)))
        done: asyncio.Future[bytes] = loop.create_future()
        done.set_result(good(signed))
        return done

    @staticmethod
    async def _elsewhere(work: asyncio.Future[bytes]) -> bytes:
        try:
            return await work
        except BrokenProcessPool:
            what = "a process that checks signatures ended before it answered"
            raise Unavailable("service-unavailable", what, where="ledger check", fix="Run the check again.") from None
