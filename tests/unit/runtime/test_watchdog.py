"""The watchdog: what stands still for the limit is found, once a limit, and nothing else ever is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.errors import Fatal
from passerelle.runtime.config import TelemetryConfig
from passerelle.runtime.memory import MIB, MemoryGuard, resident_bytes
from passerelle.runtime.telemetry import health_app, serve_http
from passerelle.runtime.watchdog import ACTS, STILL, Watchdog, watch, watchdogs


def test_only_what_has_not_moved_for_the_limit_is_still() -> None:
    dog = Watchdog("test-limit", 10)
    assert dog.look({"a": 1, "b": 1}, 100) == ()
    assert dog.look({"a": 1, "b": 2}, 105) == ()
    assert dog.look({"a": 1, "b": 2}, 110) == ("a",)
    assert dog.look({"b": 2}, 115) == ("b",), "what owes nothing is not looked at"
    assert dog.look({"a": 1}, 116) == (), "who owes anew has the whole limit"


def test_an_act_is_said_and_gives_the_whole_limit_again() -> None:
    dog = Watchdog("test-act", 10)
    before = ACTS.labels("test-act")._value.get()
    dog.look({"a": 1}, 0)
    dog.look({"a": 1}, 6)
    assert dog.look({"a": 1}, 12) == ("a",)
    assert STILL.labels("test-act")._value.get() == 12
    assert watchdogs()["test-act"] == {"still_s": 12, "limit_s": 10, "acts": 0}
    dog.acted(["a"], "open it anew")
    assert (dog.acts, ACTS.labels("test-act")._value.get()) == (1, before + 1)
    assert watchdogs()["test-act"] == {"still_s": 0, "limit_s": 10, "acts": 1}
    assert dog.look({"a": 1}, 13) == ()
    assert dog.look({"a": 1}, 18) == ()
    assert dog.look({"a": 1}, 23) == ("a",)


def test_an_owner_that_did_not_ask_finds_nothing_still() -> None:
    dog = Watchdog("test-asked", 10)
    dog.look({"a": 1}, 0)
    assert dog.look({"a": 1}, 60) == ()
    assert dog.look({"a": 1}, 69) == ()
    assert dog.look({"a": 1}, 70) == ("a",)


@given(st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 3)), max_size=60))
def test_it_is_still_exactly_if_the_mark_stood_for_the_limit(steps: list[tuple[float, int]]) -> None:
    dog, now, last, since = Watchdog("test-exact", 10), 0.0, -1, 0.0
    for passed, mark in steps:
        now += passed
        if mark != last:
            last, since = mark, now
        assert bool(dog.look({"one": mark}, now)) == (now - since >= 10)


async def test_it_looks_until_the_stop_and_acts() -> None:
    stop, acts = asyncio.Event(), []
    dog = Watchdog("test-watch", 0.05)

    async def act(still: tuple[str, ...]) -> None:
        acts.append(still)
        dog.acted(still, "count")
        if len(acts) == 2:
            stop.set()

    await asyncio.wait_for(watch(dog, lambda: {"one": 1}, act, stop), 5)
    assert acts == [("one",), ("one",)]
    assert dog.health()["still_s"] == 0


async def test_it_is_said_in_readyz() -> None:
    import httpx

    dog = Watchdog("test-readyz", 10)
    app = health_app(lambda: {"ready": True})
    async with serve_http(app, TelemetryConfig().health) as port, httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"http://127.0.0.1:{port}/readyz")).json()
        metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert told["watchdogs"]["test-readyz"] == dog.health()
    assert "passerelle_watchdog_acts_total" in metrics


async def test_over_its_bound_a_process_gives_caches_up_and_goes_on() -> None:
    held, stop = [20 * MIB], asyncio.Event()

    def shed() -> None:
        held.append(5 * MIB)
        stop.set()

    await asyncio.wait_for(MemoryGuard(10, shed, read=lambda: held[-1], limit_s=0.05).run(stop), 5)
    assert len(held) == 2


async def test_a_process_that_stays_over_its_bound_ends() -> None:
    shed: list[int] = []
    guard = MemoryGuard(10, lambda: shed.append(1), read=lambda: 20 * MIB, limit_s=0.05)
    with pytest.raises(Fatal) as caught:
        await asyncio.wait_for(guard.run(asyncio.Event()), 5)
    assert caught.value.code == "memory-exceeded"
    assert shed == [1], "once for each time that the bound is passed"


@pytest.mark.parametrize("held", [None, 20 * MIB])
async def test_without_a_bound_or_without_a_measure_nothing_ends(held: int | None) -> None:
    stop, looks = asyncio.Event(), []

    def read() -> int | None:
        looks.append(1)
        if len(looks) > 20:
            stop.set()
        return held

    await asyncio.wait_for(MemoryGuard(10 if held is None else 0, read=read, limit_s=0.02).run(stop), 5)
    assert len(looks) > 20


def test_resident_memory_grows_with_what_is_held() -> None:
    before = resident_bytes()
    if before is None:
        pytest.skip("this system does not tell a process its resident memory")
    block = bytearray(b"x") * (64 * MIB)
    after = resident_bytes()
    assert after is not None
    assert after - before > 32 * MIB
    assert len(block) == 64 * MIB
