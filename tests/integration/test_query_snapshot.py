"""The query service on a real ledger: a start from a snapshot reads only what follows, where the tree fits."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.integration.query_running import running
from tests.integration.test_query_with_ledger import Both, both

from passerelle.api.equivalency.v1 import equivalency_pb2 as eq
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as eq_grpc
from passerelle.query import snapshot
from passerelle.query.ports import PublicEvent
from passerelle.query.postgres import _Snapshot

__all__ = ["both"]


async def ask(channel: Any, size: int) -> bytes:
    stub: Any = eq_grpc.EquivalencyServiceStub(channel)
    request = eq.FindRequest(achievement="humber/energy", min_position=size, valid_on="2026-06-30")
    answer = await stub.Find(request, timeout=20)
    answer.ClearField("position")
    return bytes(answer.SerializeToString(deterministic=True))


async def test_a_start_from_a_snapshot_reads_what_follows_and_answers_the_same(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, size = tmp_path / "index", len(both.sample.events)
    await ask(both.live.channel, size)
    config = both.live.config.model_copy(update={"snapshot_file": path})
    async with running(config):
        pass
    mark = snapshot.read(path, config.network).mark
    assert mark.position.size >= size
    granted = both.sample.laval.granted("r", "humber/energy", "laval/energy-3")
    await both.ledger.send(both.sample.laval.achievement("energy-3"), granted)
    expected = await ask(both.live.channel, size + 2)
    starts: list[int] = []
    read = _Snapshot.events

    async def events(self: _Snapshot, first: int) -> AsyncIterator[Sequence[PublicEvent]]:
        starts.append(first)
        async for page in read(self, first):
            yield page

    monkeypatch.setattr(_Snapshot, "events", events)
    async with running(config) as again:
        assert await ask(again.channel, size + 2) == expected
    assert min(starts) >= mark.position.size
    assert snapshot.read(path, config.network).mark.position.size >= size + 2
