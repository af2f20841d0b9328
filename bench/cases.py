"""``python -m bench.cases``: cases that are shown and watched while events flow through the ledger.

A thousand open transfer cases, fifty watch streams of their parties, and 2,000 events a second, one in twenty a step of
a case, each signed by itself. Ledger and query are processes as in production over a real Kafka and PostgreSQL; all
share the machine with their callers. A call is timed from the moment at which it was due, so that one that waits makes
those behind it late too. What counts besides: every watcher is told every step of its cases, and no change twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import uvloop
from rich.console import Console
from rich.table import Table

from bench.asking import at, channel
from bench.cases_world import CasesWorld, Step, parties
from bench.query_running import Server, free_port, query, write_config
from bench.running import Bench, cpu_seconds, until_published
from passerelle.api.transfer.v1 import transfer_pb2 as pb
from passerelle.api.transfer.v1 import transfer_pb2_grpc as stubs
from passerelle.client.identity import MemberIdentity
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.kafka import start_producer
from passerelle.runtime.rpc import metadata
from passerelle.testing.federation import seed_of, send

RESULTS: Final = Path(__file__).parent / "results"
TICK_S: Final = 0.02
WARM_S: Final = 3.0
CALL_S: Final = 30.0
PATIENCE_S: Final = 60.0
CONNECTIONS: Final = 8
"""Of the callers of Show; each watcher has its own."""
TOKEN_S: Final = 60.0
"""For how long a caller uses a token."""


class Callers:
    """Tokens of members, each used for a minute."""

    def __init__(self, world: CasesWorld) -> None:
        self._world = world
        self._made: dict[str, tuple[float, Any]] = {}

    def of(self, member: str) -> Any:
        """The metadata of a call as a member."""
        made, found = self._made.get(member, (0.0, None))
        if found is None or time.monotonic() - made > TOKEN_S:
            seed, network = seed_of(self._world.members[member].key_name), self._world.federation.network
            identity = MemberIdentity(seed, member=member, network=network, clock=SystemClock())
            found = metadata(identity.token())
            self._made[member] = (time.monotonic(), found)
        return found


@dataclass(slots=True)
class Watcher:
    """One watch stream: what it was told of each case, and faults in it."""

    member: str
    told: dict[str, int] = field(default_factory=dict)
    """Steps of each case that it knows."""
    changes: set[tuple[str, int]] = field(default_factory=set)
    repeated: int = 0
    behind: int = 0
    """Messages that knew fewer steps than one before."""
    steps: int = 0

    async def run(self, stub: Any, callers: Callers, sent: dict[tuple[str, int], float], took: list[float]) -> None:
        """Until cancelled."""
        async for response in stub.Watch(pb.WatchRequest(), metadata=callers.of(self.member)):
            case, now = response.case, time.perf_counter()
            known, change = self.told.get(case.id, 0), (case.id, case.changed_index)
            self.repeated += change in self.changes
            self.behind += len(case.steps) < known
            self.changes.add(change)
            for version in range(known + 1, len(case.steps) + 1):
                self.steps += 1
                if (case.id, version) in sent:
                    took.append(now - sent[case.id, version])
            self.told[case.id] = len(case.steps)

    def missing(self, world: CasesWorld) -> int:
        """Steps of its cases that it was not told."""
        own = (case for case in world.cases if self.member in {case.sender, case.receiver})
        return sum(case.version - self.told.get(case.id, 0) for case in own)


@dataclass(slots=True)
class Shown:
    """Show, called at a steady rate whatever the answers take."""

    rate: float
    took: list[float] = field(default_factory=list)

    async def run(self, asked: Sequence[Any], world: CasesWorld, callers: Callers, stop: asyncio.Event) -> None:
        """Until ``stop``, then until every call is answered."""
        random, start, number = Random(7), time.perf_counter(), 0
        calls: deque[asyncio.Task[None]] = deque()
        while not stop.is_set():
            due = start + number / self.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            calls.append(asyncio.create_task(self._call(asked[number % len(asked)], world, callers, random, due)))
            while calls and calls[0].done():
                await calls.popleft()
            number += 1
        await asyncio.gather(*calls)

    async def _call(self, stub: Any, world: CasesWorld, callers: Callers, random: Random, due: float) -> None:
        case = random.choice(world.cases)
        member = random.choice((case.sender, case.receiver))
        response = await stub.Show(pb.ShowRequest(case=case.id), metadata=callers.of(member), timeout=CALL_S)
        if response.case.id != case.id or not response.case.steps:
            raise RuntimeError("Show answered with another case, or with none of its steps")
        self.took.append(time.perf_counter() - due)


async def flow(bench: Bench, steps: Sequence[Step], rate: int, sent: dict[tuple[str, int], float]) -> float:
    """Send events at a steady rate; the events a second that were reached."""
    assert bench.config is not None
    producer = await start_producer(bench.config.kafka, client_id="bench")
    try:
        start, done = time.perf_counter(), 0
        while done < len(steps):
            await asyncio.sleep(TICK_S)
            due = min(len(steps), int((time.perf_counter() - start) * rate))
            now = time.perf_counter()
            for step in steps[done:due]:
                if step.case is not None:
                    sent[step.case.id, step.version] = now
            await send(producer, [step.event for step in steps[done:due]])
            done = due
        return len(steps) / (time.perf_counter() - start)
    finally:
        await producer.stop()


async def until(condition: Callable[[], bool]) -> bool:
    """Whether it came to hold within :data:`PATIENCE_S`."""
    end = time.perf_counter() + PATIENCE_S
    while not condition():
        if time.perf_counter() > end:
            return False
        await asyncio.sleep(TICK_S)
    return True


async def measured(
    chosen: argparse.Namespace, world: CasesWorld, bench: Bench, server: Server, ledger: int
) -> dict[str, Any]:
    """Cases shown and watched, first while nothing happens, then while events flow."""
    callers, sent, told = Callers(world), dict[tuple[str, int], float](), list[float]()
    names = parties()
    watchers = [Watcher(names[number % len(names)]) for number in range(chosen.watchers)]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        asked = [
            stubs.TransferServiceStub(await stack.enter_async_context(channel(server.address)))
            for _ in range(CONNECTIONS)
        ]
        watching = []
        for watcher in watchers:
            stub = stubs.TransferServiceStub(await stack.enter_async_context(channel(server.address)))
            watching.append(group.create_task(watcher.run(stub, callers, sent, told)))
        if not await until(lambda: not any(watcher.missing(world) for watcher in watchers)):
            raise RuntimeError("the watchers are not told what stands in the log")
        quiet = await _shown(chosen.shows, asked, world, callers, lambda: asyncio.sleep(chosen.quiet))
        steps, reached = world.flow(int(chosen.rate * (WARM_S + chosen.seconds))), 0.0
        spent, began = [cpu_seconds(pid) for pid in (server.pid, ledger)], time.perf_counter()

        async def go() -> None:
            nonlocal reached
            reached = await flow(bench, steps, chosen.rate, sent)

        busy = await _shown(chosen.shows, asked, world, callers, go, skip=int(WARM_S * chosen.shows))
        took = time.perf_counter() - began
        used = [(cpu_seconds(pid) - before) / took for pid, before in zip((server.pid, ledger), spent, strict=True)]
        complete = await until(lambda: not any(watcher.missing(world) for watcher in watchers))
        for task in watching:
            task.cancel()
    told.sort()
    return {
        "events_a_second": reached,
        "show_quiet": quiet,
        "show": busy,
        "watch": {
            "streams": len(watchers),
            "steps_told": sum(watcher.steps for watcher in watchers),
            "complete": complete,
            "missing": sum(watcher.missing(world) for watcher in watchers),
            "repeated": sum(watcher.repeated for watcher in watchers),
            "behind": sum(watcher.behind for watcher in watchers),
            "p50_ms": at(told, 0.5),
            "p99_ms": at(told, 0.99),
        },
        "processors_busy": {"query": used[0], "ledger": used[1]},
    }


async def _shown(
    rate: float,
    asked: Sequence[Any],
    world: CasesWorld,
    callers: Callers,
    meanwhile: Callable[[], Awaitable[None]],
    skip: int = 0,
) -> dict[str, float]:
    """Figures of Show while something goes on; the first ``skip`` answers do not count."""
    stop, shown = asyncio.Event(), Shown(rate)
    asking = asyncio.create_task(shown.run(asked, world, callers, stop))
    try:
        await meanwhile()
    finally:
        stop.set()
        await asking
    took = sorted(shown.took[skip:])
    figures = {"p50_ms": at(took, 0.5), "p99_ms": at(took, 0.99), "worst_ms": at(took, 1.0)}
    return {"calls": len(took), "a_second": rate, **figures}


async def run(chosen: argparse.Namespace, folder: Path, console: Console) -> dict[str, Any]:
    """Everything, on servers of this run."""
    world = CasesWorld(chosen.cases)
    async with (
        EmbeddedPostgres(folder / "postgres") as postgres,
        EmbeddedKafka(folder / "kafka") as kafka,
    ):
        bench = Bench(folder / "cases", kafka, postgres, world.federation, "bench_cases")
        await bench.open()
        async with bench.ledger() as ledger, bench.look() as look:
            size = 0
            for part in world.opening():
                await bench.produce(part)
                size += len(part)
                await until_published(look, size)
            held = await look.fetchval("SELECT count(*) FROM read.thing WHERE kind = 'transfer'")
            if held != chosen.cases:
                raise RuntimeError(f"the ledger holds {held} of {chosen.cases} cases")
            console.print(f"{held:,} open cases; now the watchers and the flow")
            write_config(folder, bench.dsn, free_port(), world.federation.root_public_key)
            async with query("query", folder) as server:
                found = await measured(chosen, world, bench, server, ledger)
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    return {"cases": chosen.cases, "seconds": chosen.seconds, **found, "machine": machine}


def show(found: dict[str, Any], console: Console) -> None:
    """The table."""
    table = Table("measure", "value", "goal", title=f"{found['cases']:,} open cases")
    table.add_row("events a second through the ledger", f"{found['events_a_second']:,.0f}", "2,000")
    for name, title, goal in (("show_quiet", "Show, nothing happens", ""), ("show", "Show, events flow", "p99 <= 50")):
        one = found[name]
        row = f"p50 {one['p50_ms']:.1f} ms, p99 {one['p99_ms']:.1f} ms ({one['calls']:,} calls)"
        table.add_row(title, row, goal)
    watch, busy = found["watch"], found["processors_busy"]
    table.add_row(
        f"{watch['streams']} watchers: steps told",
        f"{watch['steps_told']:,}, missing {watch['missing']}",
        "none missing",
    )
    table.add_row("changes told twice; told backwards", f"{watch['repeated']}; {watch['behind']}", "0; 0")
    table.add_row("step sent to step told", f"p50 {watch['p50_ms']:.0f} ms, p99 {watch['p99_ms']:.0f} ms", "")
    table.add_row("processors busy: query, ledger", f"{busy['query']:.2f}, {busy['ledger']:.2f}", "")
    console.print(table)


def main() -> None:
    """Measure, print, write ``bench/results/cases.json``. Ends with exit code 1 where a watcher missed something."""
    parser = argparse.ArgumentParser(prog="python -m bench.cases", description=__doc__)
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--rate", type=int, default=2_000, help="events a second")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the flow")
    parser.add_argument("--quiet", type=float, default=5.0, help="seconds before the flow")
    parser.add_argument("--shows", type=float, default=100.0, help="calls of Show a second")
    parser.add_argument("--out", type=Path, default=RESULTS / "cases.json")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = uvloop.run(run(chosen, Path(folder), console))
    show(found, console)
    chosen.out.parent.mkdir(exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=2) + "\n")
    watch = found["watch"]
    raise SystemExit(1 if watch["missing"] or watch["repeated"] or watch["behind"] else 0)


if __name__ == "__main__":
    main()
