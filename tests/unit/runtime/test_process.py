"""The life of a process: the batch in hand is finished, and whatever hangs, the end comes in time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from passerelle.core.errors import Unavailable
from passerelle.runtime import process
from passerelle.runtime.process import (
    CLOSE_TIMEOUT_S,
    PARTS_TIMEOUT_S,
    STOP_TIMEOUT_S,
    bounded,
    run_together,
    run_until,
)

ROOT = Path(__file__).resolve().parents[3]
HANGING = """
import asyncio, sys, time
from passerelle.runtime.process import run_process

class Hanging:
    async def start(self):
        print("started", flush=True)
        return {}
    async def run(self, stop):
        await stop.wait()
        print("stopping", flush=True)
        if sys.argv[1] == "thread":
            await asyncio.to_thread(time.sleep, 600)
        elif sys.argv[1] == "loop":
            time.sleep(600)
        elif sys.argv[1] == "batch":
            await asyncio.sleep(0.3)
            print("batch finished", flush=True)
    async def close(self):
        print("closing", flush=True)
        if sys.argv[1] == "close":
            await asyncio.Event().wait()

sys.exit(run_process(Hanging))
"""


class Batch:
    """A service that finishes what it has in hand when it is told to stop, or takes for ever."""

    def __init__(self, *, for_ever: bool = False) -> None:
        self.for_ever = for_ever
        self.finished = False
        self.running = asyncio.Event()

    async def start(self) -> Mapping[str, Any]:
        return {}

    async def run(self, stop: asyncio.Event) -> None:
        self.running.set()
        await stop.wait()
        await (asyncio.Event().wait() if self.for_ever else asyncio.sleep(0))
        self.finished = True

    async def close(self) -> None:
        return


async def test_the_batch_in_hand_is_finished() -> None:
    service, stop = Batch(), asyncio.Event()
    running = asyncio.create_task(run_until(service, stop))
    await service.running.wait()
    stop.set()
    await asyncio.wait_for(running, 5)
    assert service.finished


async def test_work_that_never_ends_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PARTS_TIMEOUT_S", 0.1)
    service, stop = Batch(for_ever=True), asyncio.Event()
    stop.set()
    await asyncio.wait_for(run_until(service, stop), 5)
    assert not service.finished


async def test_a_bounded_wait_says_how_it_ended() -> None:
    async def fails() -> None:
        raise Unavailable("broker-unavailable", "as asked")

    assert await bounded(asyncio.sleep(0), 5, "nothing")
    assert not await bounded(asyncio.Event().wait(), 0.01, "a wait")
    with pytest.raises(Unavailable):
        await bounded(fails(), 5, "a failure")


async def test_a_part_that_cannot_be_cancelled_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PARTS_TIMEOUT_S", 0.05)
    monkeypatch.setattr(process, "CANCEL_TIMEOUT_S", 0.05)
    release, stop = asyncio.Event(), asyncio.Event()
    stop.set()

    async def stubborn() -> None:
        # As a commit on its way to a server that is cut off: it is seen to its end.
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    await asyncio.wait_for(run_together(stop, stubborn), 5)
    release.set()


def test_the_parts_of_a_stop_fit_into_the_whole() -> None:
    assert PARTS_TIMEOUT_S + CLOSE_TIMEOUT_S < STOP_TIMEOUT_S <= 10


@pytest.mark.parametrize(("hangs", "within_s"), [("batch", 3.0), ("close", 6.0)])
def test_a_signal_ends_the_process(hangs: str, within_s: float) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HANGING, hangs],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services")},
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "started\n"
        begun = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(STOP_TIMEOUT_S + 5) == 0
        assert time.monotonic() - begun < within_s + 2
        said = child.stdout.read()
        assert "closing" in said
        assert hangs != "batch" or "batch finished" in said
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def test_what_blocks_the_whole_process_is_ended_with_it() -> None:
    short = "import passerelle.runtime.process as p; p.STOP_TIMEOUT_S = 1.0\n" + HANGING
    child = subprocess.Popen(
        [sys.executable, "-c", short, "loop"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services")},
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "started\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 0
        assert "closing" not in child.stdout.read()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
