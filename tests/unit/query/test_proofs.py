"""Proofs for answers, asked of a ledger that is slow, full of entries, or refuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from passerelle.api.common.v1.common_pb2 import Evidence
from passerelle.api.ledger.v1 import ledger_pb2, ledger_pb2_grpc
from passerelle.api.portability.v1 import portability_pb2 as pb
from passerelle.core.errors import NotFound, PasserelleError, Unavailable
from passerelle.query.rpc import proofs
from passerelle.query.rpc.proofs import EntryProofs, named
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.rpc import open_channel, start_server


class Ledger(ledger_pb2_grpc.LedgerServiceServicer):
    """Answers GetProof, after some refusals."""

    def __init__(self) -> None:
        self.not_ready = 0
        self.absent = False
        self.body = b"body"
        self.at_once = self.most = 0

    async def GetProof(self, request: Any, context: Any) -> Any:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
            if self.absent:
                raise NotFound("entry-absent", "The log has no such entry.")
            if self.not_ready:
                self.not_ready -= 1
                raise Unavailable("checkpoint-not-ready", "No checkpoint covers it.")
            entry = b"entry %d" % request.index
            return ledger_pb2.GetProofResponse(index=request.index, entry=entry, proof="proof", body=self.body)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def served(ledger: Ledger) -> AsyncIterator[EntryProofs]:
    def add(server: grpc.aio.Server) -> None:
        ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server)

    server = await start_server(ServerConfig(), add, ())
    channel = open_channel(f"127.0.0.1:{server.port}")
    try:
        yield EntryProofs(channel)
    finally:
        await channel.close()
        await server.stop()


def answer(*indices: int) -> pb.AssessResponse:
    return pb.AssessResponse(criteria=[pb.Criterion(id="c", evidence=[Evidence(index=index) for index in indices])])


def test_each_named_entry_is_named_once_and_criteria_come_first() -> None:
    response = answer(5, 3)
    response.clauses.add(id="c", evidence=[Evidence(index=3), Evidence(index=8)])
    response.grounds_in_law.add(code="g", evidence=[Evidence(index=1)])
    assert named(response) == [5, 3, 1, 8]
    response.pack_used.evidence.index = 0
    response.jurisdictions.add(jurisdiction="CA-ON", recognised_by=[pb.Recogniser(index=8), pb.Recogniser(index=2)])
    assert named(response) == [5, 3, 1, 8, 0, 2]


async def test_entries_are_proved_in_order_once_a_checkpoint_covers_them() -> None:
    ledger = Ledger()
    ledger.not_ready = 3
    async with served(ledger) as asked:
        response = answer(5, 3, 9)
        await asked.add(response, 10.0)
    assert [(one.index, one.entry, one.proof, one.body) for one in response.proofs] == [
        (5, b"entry 5", "proof", b"body"),
        (3, b"entry 3", "proof", b"body"),
        (9, b"entry 9", "proof", b"body"),
    ]
    assert response.proofs_left_out == 0


async def test_what_is_over_a_bound_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger()
    async with served(ledger) as asked:
        response = answer(*range(proofs.MAX_PROOFS + 6))
        await asked.add(response, 10.0)
        assert (len(response.proofs), response.proofs_left_out) == (proofs.MAX_PROOFS, 6)
        assert ledger.most <= proofs.AT_ONCE
        ledger.body = b"x" * 400
        monkeypatch.setattr(proofs, "MAX_BYTES", 1_000)
        response = answer(1, 2, 3, 4)
        await asked.add(response, 10.0)
    assert (len(response.proofs), response.proofs_left_out) == (2, 2)


async def test_what_the_ledger_refuses_is_told_and_the_wait_is_bounded() -> None:
    ledger = Ledger()
    async with served(ledger) as asked:
        ledger.not_ready = 1_000_000
        began = time.monotonic()
        with pytest.raises(Unavailable) as late:
            await asked.add(answer(1), 0.3)
        assert late.value.code == "checkpoint-not-ready"
        assert time.monotonic() - began < 5
        ledger.absent = True
        with pytest.raises(PasserelleError) as absent:
            await asked.add(answer(1, 2), 10.0)
    assert absent.value.code == "entry-absent"
