"""The witness beside the node: where it begins to read, what it waits for, how it ends; and its reader of the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.ledger_out.fakes import StepClock
from tests.unit.node.witnessing import LOG, NETWORK, Ledgerish, MemoryWitnessStore

from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.core.note import CosignatureSigner
from passerelle.core.tiles import TileCoord
from passerelle.core.witness import witness_name
from passerelle.events.topics import CHECKPOINT
from passerelle.node.alarms import Alarms
from passerelle.node.config import NodeConfig
from passerelle.node.log_reader import HttpLog
from passerelle.node.ports import Arrived
from passerelle.node.witness import Witness
from passerelle.node.witness_part import WitnessPart, open_witness
from passerelle.runtime.keys import create_seed
from passerelle.runtime.process import wait_for

SIGNER = CosignatureSigner(witness_name(NETWORK, "york"), b"w" * 32)


class Topic:
    """The checkpoint topic: what is put comes; ``broken`` ends the next reading."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.more = asyncio.Event()
        self.begun: list[int | None] = []
        self.broken = False

    def put(self, note: bytes) -> None:
        self.records.append(note)
        self.more.set()

    async def batches(self, offsets: Mapping[str, int | None]) -> AsyncGenerator[Arrived, None]:
        at = offsets[CHECKPOINT] or 0
        self.begun.append(offsets[CHECKPOINT])
        while True:
            if self.broken:
                self.broken = False
                raise Unavailable("broker-unavailable", "as asked")
            if at < len(self.records):
                note, at = self.records[at], at + 1
                yield Arrived(CHECKPOINT, (([], note, at - 1, None),))
                continue
            self.more.clear()
            await self.more.wait()


class Bench:
    def __init__(self, folder: Path) -> None:
        self.store, self.log, self.topic = MemoryWitnessStore(), Ledgerish(), Topic()
        self.alarms = Alarms(self.store, StepClock(), folder)
        self.part = self.make()

    def make(self) -> WitnessPart:
        witness = Witness(self.store, self.alarms, self.log, self.log, SIGNER, StepClock(), network=NETWORK)
        return WitnessPart(witness, self.store, self.alarms, self.topic, operator="operator", log_vkey=None)

    def grow(self, size: int) -> None:
        self.log.size = size
        self.topic.put(self.log.note(size))

    async def until(self, holds: Callable[[], bool]) -> bool:
        async def look() -> bool:
            return holds()

        return await wait_for(look, timeout_s=20, every_s=0.01)

    async def running(self, story: Callable[[], Awaitable[None]]) -> None:
        """The part runs while the story is told, and ends when it is asked to."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.part.run(stop))
        try:
            await story()
        finally:
            stop.set()
            await asyncio.wait_for(task, 5)


async def test_checkpoints_are_cosigned_as_they_come_and_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def story() -> None:
        bench.grow(3)
        assert await bench.until(lambda: len(bench.log.cosigned) == 1)
        bench.grow(4)
        assert await bench.until(lambda: bench.store.offset == 2)
        assert bench.part.state == "cosigning"

    await bench.running(story)
    bench.part = bench.make()
    await bench.running(lambda: until_true(bench, lambda: bench.topic.begun == [None, 2]))


async def until_true(bench: Bench, holds: Callable[[], bool]) -> None:
    assert await bench.until(holds)


async def test_what_is_away_is_waited_for(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def story() -> None:
        bench.log.away = True
        bench.grow(3)
        assert await bench.until(lambda: bench.part.state == "waiting: service-unavailable")
        bench.log.away = False
        assert await bench.until(lambda: len(bench.log.cosigned) == 1)
        bench.topic.broken = True
        bench.grow(5)
        assert await bench.until(lambda: len(bench.log.cosigned) == 2)

    await bench.running(story)


async def test_nothing_is_read_while_an_alarm_is_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    async def story() -> None:
        bench.grow(3)
        assert await bench.until(lambda: len(bench.log.cosigned) == 1)
        bench.log.changed = 1
        bench.grow(5)
        assert await bench.until(lambda: bench.part.state == "stopped: checkpoint-inconsistent")
        assert len(bench.log.cosigned) == 1

    await bench.running(story)
    assert len(list(tmp_path.glob("*.evidence.json"))) == 1


def config(folder: Path, **witness: Any) -> NodeConfig:
    for name in ("signing", "learners", "records", "witness"):
        if not (folder / f"{name}.key").exists():
            create_seed(folder / f"{name}.key", name.encode().ljust(32, b"."))
    (folder / "root.pub").write_text("00" * 32)
    toml = folder / "node.toml"
    lines = [f'network = "{NETWORK}"', 'root_public_key_file = "root.pub"', 'member = "york"']
    lines += [f'{name}_file = "{file}.key"' for name, file in
              (("key", "signing"), ("learner_key", "learners"), ("record_key", "records"))]  # fmt: skip
    lines += ['evidence_folder = "evidence"', '[database]\nurl = "postgresql://127.0.0.1/none"']
    if witness:
        lines += ["[witness]", *(f'{name} = "{value}"' for name, value in witness.items())]
    toml.write_text("\n".join(lines))
    return NodeConfig.load(toml)


async def opened(settings: NodeConfig) -> WitnessPart | None:
    store = MemoryWitnessStore()
    async with AsyncExitStack() as stack:
        alarms = Alarms(store, StepClock(), settings.evidence_folder)
        return await open_witness(stack, settings, store, Ledgerish(), alarms, StepClock())


async def test_a_node_is_a_witness_only_where_its_configuration_says_so(tmp_path: Path) -> None:
    assert await opened(config(tmp_path)) is None
    settings = config(tmp_path, key_file="witness.key", log_url="http://127.0.0.1:7002", log_vkey=str(LOG.verifier))
    assert settings.evidence_folder == tmp_path / "evidence"
    assert await opened(settings) is not None
    for wrong, code in (
        ({"key_file": "signing.key", "log_url": "http://127.0.0.1:7002"}, "config-mismatch"),
        ({"key_file": "witness.key", "log_url": "127.0.0.1:7002"}, "config-invalid"),
        ({"key_file": "nothing.key", "log_url": "http://127.0.0.1:7002"}, "key-file-unusable"),
        ({"key_file": "witness.key"}, "config-invalid"),
    ):
        with pytest.raises(PasserelleError) as caught:
            await opened(config(tmp_path, **wrong))
        assert caught.value.code == code


async def page(pages: Mapping[str, httpx.Response | bytes], ask: Callable[[HttpLog], Awaitable[bytes]]) -> bytes | str:
    """What a question to a log of these pages gives, or the code of its error."""

    def answer(request: httpx.Request) -> httpx.Response:
        found = pages.get(request.url.path, httpx.Response(404))
        return httpx.Response(200, content=found) if isinstance(found, bytes) else found

    log = HttpLog("http://log.example/a/", transport=httpx.MockTransport(answer))
    try:
        return await ask(log)
    except PasserelleError as error:
        return error.code
    finally:
        await log.close()


async def test_the_log_is_read_with_bounds() -> None:
    def ask(log: HttpLog) -> Awaitable[bytes]:
        return log.tile(TileCoord(0, 1, 3))

    partial, whole = "/a/tile/0/001.p/3", "/a/tile/0/001"
    assert await page({partial: b"h" * 96}, ask) == b"h" * 96
    assert await page({whole: b"h" * 8192}, ask) == b"h" * 8192
    assert await page({}, ask) == "tile-absent"
    assert await page({partial: b"h" * 97}, ask) == "tile-malformed"
    assert await page({partial: b"h" * 64}, ask) == "tile-malformed"
    assert await page({partial: httpx.Response(503)}, ask) == "service-unavailable"
    assert await page({partial: httpx.Response(302, headers={"location": "/b"})}, ask) == "service-unavailable"
    assert await page({"/a/checkpoint": b"note"}, HttpLog.checkpoint) == b"note"
    assert await page({"/a/checkpoint": b"n" * 70_000}, HttpLog.checkpoint) == "tile-malformed"
