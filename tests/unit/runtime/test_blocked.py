"""The loop's guard: a loop that gives nothing back for the limit ends the process, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from passerelle.runtime.blocked import LAG, LoopGuard
from passerelle.runtime.process import wait_for
from passerelle.runtime.watchdog import ACTS, watchdogs

ROOT = Path(__file__).resolve().parents[3]
LIMIT_S = 1.0


class Ending:
    """Stands for the end of the process: says when, and with which code."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.asked = threading.Event()

    def __call__(self, code: int) -> None:
        self.codes.append(code)
        self.asked.set()


def block(seconds: float) -> None:
    """Hold the thread that calls, and the loop in it."""
    assert not threading.Event().wait(seconds)


async def until(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    assert await wait_for(holds, timeout_s=20)


def acts() -> float:
    return float(ACTS.labels("event-loop")._value.get())


async def test_a_loop_that_stands_still_for_the_limit_ends_the_process() -> None:
    ending, before = Ending(), acts()
    with structlog.testing.capture_logs() as said, LoopGuard(LIMIT_S, end=ending, backstop=False):
        # What a computation without an end does to the loop: the thread must act while it lasts.
        assert ending.asked.wait(10)
    assert ending.codes == [1]
    assert acts() == before + 1
    assert [(line["log_level"], line.get("code")) for line in said] == [("warning", None), ("error", "loop-stalled")]


async def test_a_loop_that_turns_is_left_alone_and_one_that_was_late_is_told() -> None:
    ending = Ending()
    with structlog.testing.capture_logs() as said, LoopGuard(LIMIT_S, end=ending, backstop=False) as guard:
        # Five beats a limit: it has turned for longer than that.
        await until(lambda: guard._beats > 6)
        block(LIMIT_S / 2)
        await until(lambda: any(line["seconds"] >= LIMIT_S / 4 for line in said))
        assert said[-1]["event"] == "the event loop stood still"
        assert watchdogs()["event-loop"]["limit_s"] == LIMIT_S
    assert ending.codes == []


async def test_without_a_bound_it_measures_and_ends_nothing() -> None:
    ending, threads, before = Ending(), threading.active_count(), LAG._sum.get()
    with LoopGuard(0, end=ending, beat_s=0.05):
        assert threading.active_count() == threads
        block(0.4)
        await until(lambda: LAG._sum.get() - before >= 0.2)
    assert ending.codes == []


PROCESS = """
import re, signal, sys, time
from passerelle.runtime.process import run_process

class Service:
    async def start(self):
        print("started", flush=True)
        return {}
    async def run(self, stop):
        if sys.argv[1] == "lock":
            # The interpreter's lock is held all the while: no thread of Python runs.
            re.match("(a+)+$", "a" * 60 + "b")
        elif sys.argv[1] == "loop":
            while True:
                pass
        await stop.wait()
    async def close(self):
        pass

sys.exit(run_process(Service, loop_blocked_s=float(sys.argv[2])))
"""


def start(what: str, limit_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, what, str(limit_s)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services")},
    )  # fmt: skip


@pytest.mark.parametrize(("what", "told"), [("loop", "loop-stalled"), ("lock", "Timeout (")])
def test_work_that_never_gives_the_loop_back_ends_the_process_and_shows_where(what: str, told: str) -> None:
    child = start(what, 0.6)
    try:
        said = "".join(child.communicate(timeout=30))
    finally:
        child.kill()
    assert child.returncode == 1, said
    assert told in said
    assert "in run" in said, "the stack of what stood still"


def test_a_process_that_was_frozen_is_not_ended_for_it() -> None:
    child = start("nothing", 1.0)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "started\n"
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        # Longer than the limit, shorter than the interpreter's own timer.
        block(1.3)
        child.send_signal(signal.SIGCONT)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.8)
        child.send_signal(signal.SIGTERM)
        said = "".join(child.communicate(timeout=10))
    finally:
        child.kill()
    assert child.returncode == 0, said
    assert "loop-stalled" not in said
