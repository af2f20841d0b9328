"""Proofs of the entries that an answer names: asked of the ledger, so that whoever holds the answer need not ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import grpc

from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import Unavailable
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.rpc import from_rpc_error

MAX_PROOFS: Final = 64
"""Entries that one answer proves: of 3 kB on average, and at most some 90 kB, each."""
MAX_BYTES: Final = 1_000_000
"""All of them together: hexadecimal in the signed form, they and the answer stay within its limit."""
AT_ONCE: Final = 8
_MARGIN: Final = 0.1
"""Share of the time left that is kept for the refusal itself."""

_LATER: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})


def named(response: pb.AssessResponse) -> list[int]:
    """Log indices of the entries that an answer names, each once, those that its verdict rests on first."""
    return list(dict.fromkeys(_named(response)))


def _named(response: pb.AssessResponse) -> Iterator[int]:
    for part in (response.criteria, response.grounds_in_law, response.clauses):
        for one in part:
            yield from (row.index for row in one.evidence)
    if response.pack_used.HasField("evidence"):
        yield response.pack_used.evidence.index
    for place in response.jurisdictions:
        yield from (one.index for one in place.recognised_by)


class EntryProofs:
    """Adds proofs to answers. ``channel`` leads to the ledger."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ledger_pb2_grpc.LedgerServiceStub(channel)

    async def add(self, response: pb.AssessResponse, wait_s: float) -> None:
        """Prove the entries that the answer names, :data:`MAX_PROOFS` and :data:`MAX_BYTES` at most.

        Waits until checkpoints cover them. Raises Unavailable ``checkpoint-not-ready``, and what the ledger refuses.
        """
        indices = named(response)
        deadline = asyncio.get_running_loop().time() + wait_s * (1 - _MARGIN)
        turns, size = asyncio.Semaphore(AT_ONCE), 0

        async def prove(index: int) -> pb.EntryProof:
            async with turns:
                return await self._proof(index, deadline)

        tasks = [asyncio.create_task(prove(index)) for index in indices[:MAX_PROOFS]]
        try:
            proofs = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        for proof in proofs:
            size += proof.ByteSize()
            if size > MAX_BYTES:
                break
            response.proofs.append(proof)
        response.proofs_left_out = len(indices) - len(response.proofs)

    async def _proof(self, index: int, deadline: float) -> pb.EntryProof:
        """One entry's, under the latest checkpoint; the log may have to sign one first."""
        loop, pauses = asyncio.get_running_loop(), Backoff(f"proof {index}", 0.02, 0.5)
        call: Any = self._stub.GetProof
        while True:
            try:
                left = max(0.0, deadline - loop.time())
                found = await call(ledger_pb2.GetProofRequest(index=index), timeout=left)
                return pb.EntryProof(index=index, entry=found.entry, proof=found.proof, body=found.body)
            except grpc.aio.AioRpcError as error:
                told, pause = from_rpc_error(error), pauses.next_s()
                if error.code() not in _LATER:
                    raise told from None
                if loop.time() + pause > deadline:
                    raise Unavailable("checkpoint-not-ready", told.what, where="ledger") from None
            await asyncio.sleep(pause)
