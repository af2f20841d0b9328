"""Fairness: what a flood by one member costs the others, and what poison costs everybody.

``python -m bench.fairness``: quiet members send at a steady pace, singly signed, straight to Kafka; measured is the
time from Kafka's acknowledgement to the entry on the public feed. Then one member floods. Then the throughput of a
backlog is measured without and with records that verify under no key between its events.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.events import SMALL, Load, generate
from bench.ingest import finish_opening, ingest_rate
from bench.running import Bench, until_published
from passerelle.core.batch import SignedStatement
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.events.topics import FEED, TOPICS, ingress_topic
from passerelle.node.stream import partition_of
from passerelle.runtime.kafka import TopicPartition, end_offsets, start_consumer, start_producer
from passerelle.testing.federation import send

RESULTS = Path(__file__).parent / "results"
COLLEGES = 6
FLOODER = "college-0"
TIMES = 10
"""The flood, as a multiple of the flooder's share."""
TICK_S = 0.02
WARM_S = 3.0
TURNS = 3
"""Backlogs of each kind, in turns; the middle one counts."""
POISONED = 10
"""Every so manieth record of a poisoned backlog is poison."""
_TAIL = 65
"""The last line of a statement, the body's hash: an entry ends with the statement, so both end alike."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Milliseconds from Kafka to the feed, of the quiet members; ``shared``: those in the flooder's partition."""

    name: str
    events: int
    p50: float
    p99: float
    shared_p50: float | None
    shared_p99: float | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """All figures of a run; rates in events a second."""

    rate_a_member: int
    phases: list[Phase]
    flood_over_quiet_p50: float
    flood_over_quiet_p99: float
    clean: float
    poisoned: float
    poisoned_over_clean: float


class Members:
    """The generated events by member, each taken in order."""

    def __init__(self, load: Load) -> None:
        self._queues: dict[str, list[SignedStatement]] = {}
        for event in load.events:
            self._queues.setdefault(member_of(event), []).append(event)
        self._taken = dict.fromkeys(self._queues, 0)
        self.quiet = sorted(set(self._queues) - {FLOODER})

    def take(self, member: str, count: int) -> list[SignedStatement]:
        """The next events of a member."""
        start = self._taken[member]
        self._taken[member] += count
        found = self._queues[member][start : start + count]
        if len(found) < count:
            raise RuntimeError(f"too few events were made for {member}")
        return found


def member_of(event: SignedStatement) -> str:
    """The member that an event's statement names."""
    return event.statement.split(b"\n", 3)[2].decode()


Sent = dict[bytes, tuple[str, float]]
"""The last line of each quiet event's statement: its member, and when Kafka had acknowledged it."""


async def steady(bench: Bench, members: Members, rate: int, seconds: float, flood: int) -> Sent:
    """Quiet members at ``rate`` events a second each, the flooder at ``flood``."""
    assert bench.config is not None
    quiet = await start_producer(bench.config.kafka, client_id="bench-quiet", linger_ms=0)
    loud = await start_producer(bench.config.kafka, client_id="bench-loud")
    sent: Sent = {}
    counts = {**dict.fromkeys(members.quiet, 0), FLOODER: 0}
    try:
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            await asyncio.sleep(TICK_S)
            due = {member: int(passed * (flood if member == FLOODER else rate)) - counts[member] for member in counts}
            calm = [members.take(member, due[member]) for member in members.quiet]
            events = list(itertools.chain.from_iterable(calm))
            await asyncio.gather(send(quiet, events), send(loud, members.take(FLOODER, due[FLOODER])))
            now = time.perf_counter()
            sent.update({event.statement[-_TAIL:]: (member_of(event), now) for event in events})
            for member, more in due.items():
                counts[member] += more
    finally:
        await quiet.stop()
        await loud.stop()
    return sent


async def follow(bench: Bench, position: int, found: dict[bytes, float], stop: asyncio.Event) -> None:
    """Note when each entry comes on the feed, until ``stop``."""
    assert bench.config is not None
    place = TopicPartition(FEED, 0)
    consumer = await start_consumer(bench.config.kafka, client_id="bench-feed", positions={place: position})
    try:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=100)).values():
                now = time.perf_counter()
                found.update({dict(record.headers)["entry"][-_TAIL:]: now for record in records})
    finally:
        await consumer.stop()


async def phase(
    name: str, bench: Bench, members: Members, rate: int, seconds: float, flood: int, backlog: int
) -> Phase:
    """One phase; ``backlog`` events of the flooder are written at once before it."""
    assert bench.config is not None
    end = (await end_offsets(bench.config.kafka, FEED, [0], client_id="bench"))[0]
    stop = asyncio.Event()
    found: dict[bytes, float] = {}
    reading = asyncio.create_task(follow(bench, end, found, stop))
    try:
        if backlog:
            await bench.produce(members.take(FLOODER, backlog))
        begun = time.perf_counter()
        sent = await steady(bench, members, rate, seconds, flood)
        async with asyncio.timeout(120):
            while not sent.keys() <= found.keys():
                await asyncio.sleep(TICK_S)
    finally:
        stop.set()
        await asyncio.wait({reading})
    warm = begun + (0 if backlog else WARM_S)
    partitions = TOPICS[ingress_topic("credential")].partitions
    crowded = partition_of(FLOODER, partitions)
    apart: list[float] = []
    beside: list[float] = []
    for key, (member, at) in sent.items():
        if at >= warm:
            (beside if partition_of(member, partitions) == crowded else apart).append((found[key] - at) * 1000)
    shared = percentiles(beside) if beside else (None, None)
    return Phase(name, len(apart) + len(beside), *percentiles(apart or beside), *shared)


def percentiles(times: Iterable[float]) -> tuple[float, float]:
    """The middle and the 99th of a hundred."""
    ordered = sorted(times)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def poison(events: Sequence[SignedStatement]) -> list[SignedStatement]:
    """The events, and between them copies whose signature is another's: they verify under no key."""
    wrong = bytes(32) + events[0].batch_signature[32:]
    found: list[SignedStatement] = []
    for number, event in enumerate(events):
        found.append(event)
        if number % (POISONED - 1) == 0:
            found.append(replace(event, batch_signature=wrong))
    return found


async def throughput(
    name: str, turn: int, count: int, folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres
) -> float:
    """Good events a second of a backlog; ``poisoned``: every tenth of its records is poison."""
    load = generate(count, batched=False)
    bench = Bench(folder / f"{name}-{turn}", kafka, postgres, load.federation, f"bench_{name}_{turn}")
    await bench.open()
    await finish_opening(bench, load)
    await bench.produce(poison(load.events) if name == "poisoned" else load.events)
    return (await ingest_rate(bench, count)).rate


async def measure(folder: Path, rate: int, seconds: float, backlog: int, events: int, console: Console) -> Fairness:
    """The whole run on servers of its own: a log belongs to its broker."""
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        async with EmbeddedKafka(folder / "kafka") as kafka:
            each = -(-int(rate * (seconds + 1) * 3) // SMALL) * SMALL
            more = int(rate * (seconds + 1) * TIMES) + backlog
            load = generate(each * COLLEGES, batched=False, colleges=COLLEGES, more=more)
            bench = Bench(folder / "flood", kafka, postgres, load.federation, "bench_flood")
            await bench.open()
            await finish_opening(bench, load)
            members, phases = Members(load), []
            async with bench.ledger(), bench.look() as look:
                for name, flood, at_once in (
                    ("all quiet", rate, 0),
                    (f"one floods at {TIMES} x its share", rate * TIMES, 0),
                    (f"one writes {backlog:,} at once", rate, backlog),
                ):
                    console.print(name)
                    phases.append(await phase(name, bench, members, rate, seconds, flood, at_once))
                    await until_published(look, await look.fetchval("SELECT size FROM ledger.head"))
        rates: dict[str, list[float]] = {"clean": [], "poisoned": []}
        for turn in range(TURNS):
            for name, found in rates.items():
                console.print(f"a backlog, {name}, {turn + 1} of {TURNS}")
                async with EmbeddedKafka(folder / f"kafka-{name}-{turn}") as kafka:
                    found.append(await throughput(name, turn, events, folder, kafka, postgres))
    quiet, flooded = phases[0], phases[1]
    clean, poisoned = median(rates["clean"]), median(rates["poisoned"])
    return Fairness(rate, phases, flooded.p50 / quiet.p50, flooded.p99 / quiet.p99, clean, poisoned, poisoned / clean)


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description="Floods and poison.")
    parser.add_argument("--rate", type=int, default=50, help="events a second of each quiet member (default 50)")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase (default 10)")
    parser.add_argument("--backlog", type=int, default=10_000, help="events that the flooder writes at once")
    parser.add_argument("--events", type=int, default=30_000, help="events of the backlogs with and without poison")
    chosen = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as folder:
        found = asyncio.run(measure(Path(folder), chosen.rate, chosen.seconds, chosen.backlog, chosen.events, console))
    table = Table(title=f"Kafka to feed, {COLLEGES - 1} quiet members at {found.rate_a_member}/s each (ms)")
    for title in ("", "p50", "p99", "same partition: p50", "p99"):
        table.add_column(title, justify="right" if title else "left")
    for one in found.phases:
        cells = (one.p50, one.p99, one.shared_p50, one.shared_p99)
        table.add_row(one.name, *("-" if cell is None else f"{cell:.0f}" for cell in cells))
    console.print(table)
    console.print(
        f"flood over quiet (goal 2): p50 {found.flood_over_quiet_p50:.2f}, p99 {found.flood_over_quiet_p99:.2f};"
        f" a tenth poison: {found.poisoned:,.0f} of {found.clean:,.0f} events/s = {found.poisoned_over_clean:.2f}"
        " (goal 0.80)"
    )
    machine = {"processors": os.cpu_count(), "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "fairness.json").write_text(json.dumps(asdict(found) | {"machine": machine}, indent=2) + "\n")


if __name__ == "__main__":
    main()
