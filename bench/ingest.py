"""P1 and P3: verified ledger ingest, with feed and inboxes published, against its ceilings and a naive service.

The events lie in Kafka before the ledger starts, so what is measured is the ledger at its fullest. Broker, PostgreSQL
and ledger share the machine's processors; fsync and synchronous_commit are on, producers wait for all acknowledgements.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.ceilings import copy_rate, verify_rate
from bench.events import MEMBERS, Load, generate
from bench.naive import naive_rate
from bench.running import Bench, cpu_seconds, until_published
from passerelle.core.batch import SignedStatement
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.runtime.kafka import end_offsets
from passerelle.testing.federation import Member

Say = Callable[[str], None]
PACED_RATE = 2000
PACED_S = 10
WARM_S = 5
"""Seconds before: a broker that has just started is busy compiling itself."""
TICK_S = 0.01


@dataclass(frozen=True, slots=True)
class Ingest:
    """One mode's figures: rates in events or rows a second, times in milliseconds."""

    mode: str
    events: int
    body_bytes: float
    ingest: float
    cpu_us_an_event: float
    copy: float
    verify: float
    ceiling: float
    over_ceiling: float
    naive: float
    over_naive: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From the send of an event to its entry on the feed, at a paced rate; milliseconds."""

    rate: int
    events: int
    p50: float
    p99: float
    worst: float


def member_keys() -> dict[str, bytes]:
    """Key id to public key of the generated members."""
    signers = [Member(f"college-{number}").signer for number in range(MEMBERS)]
    return {signer.key_id: signer.public_key for signer in signers}


async def measure(
    mode: str, count: int, folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, naive_count: int, say: Say
) -> Ingest:
    """One mode: the ledger, then its ceilings and the naive peer on the same rows."""
    say(f"{mode}: making {count} events")
    load = generate(count, batched=mode == "batched")
    bench = Bench(folder / mode, kafka, postgres, load.federation, f"bench_{mode}")
    config = await bench.open()
    await _opened(bench, load)
    topic = ingress_topic("credential")
    starts = await end_offsets(config.kafka, topic, range(TOPICS[topic].partitions), client_id="bench")
    say(f"{mode}: sending them to Kafka")
    await bench.produce(load.events)
    say(f"{mode}: the ledger takes them in")
    async with bench.look() as look:
        before = await look.fetchval("SELECT size FROM ledger.head")
        async with bench.ledger() as pid:
            await _first_commit(look, before)
            start, cpu = time.perf_counter(), cpu_seconds(pid)
            base = await look.fetchval("SELECT size FROM ledger.head")
            await until_published(look, before + count)
            taken, used = time.perf_counter() - start, cpu_seconds(pid) - cpu
        accepted = await look.fetchval("SELECT count(*) FROM ledger.entry WHERE code IS NULL")
    if accepted != before + count:
        raise RuntimeError(f"only {accepted} of {before + count} events were accepted")
    measured = before + count - base
    say(f"{mode}: ceilings and the naive service on the same rows")
    copied = await copy_rate(bench.dsn, count)
    verified = await asyncio.to_thread(verify_rate, load.events[: min(count, 40_000)], member_keys())
    ceiling = 1 / (1 / copied + 1 / verified)
    naive = await naive_rate(config.kafka, bench.dsn, member_keys(), starts, naive_count)
    rate = measured / taken
    return Ingest(
        mode, count, round(load.body_bytes), rate, used / measured * 1e6, copied, verified, ceiling, rate / ceiling,
        naive, rate / naive,
    )  # fmt: skip


async def _opened(bench: Bench, load: Load) -> None:
    """Members and achievements first, in a ledger that is then stopped: the measured part holds credentials only."""
    async with bench.ledger(), bench.look() as look:
        await _open(bench, load, look)


async def _open(bench: Bench, load: Load, look: Any) -> None:
    """A record under a key that the ledger has not seen is nobody's: members come first."""
    await bench.produce(load.admissions)
    await until_published(look, len(load.admissions))
    await bench.produce(load.achievements)
    await until_published(look, len(load.admissions) + len(load.achievements))


async def _first_commit(look: Any, before: int) -> None:
    """Start-up is not ingest: time runs from the first commit on."""
    deadline = time.perf_counter() + 60
    while await look.fetchval("SELECT size FROM ledger.head") == before:
        if time.perf_counter() > deadline:
            raise TimeoutError("the ledger commits nothing")
        await asyncio.sleep(TICK_S)


async def measure_latency(folder: Path, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, say: Say) -> Latency:
    """Paced singly signed events: send each tick's share, read the feed beside it."""
    count = PACED_RATE * (WARM_S + PACED_S)
    say(f"latency: {PACED_RATE} events/s for {PACED_S} s")
    load = generate(count, batched=False)
    bench = Bench(folder / "latency", kafka, postgres, load.federation, "bench_latency")
    await bench.open()
    async with bench.ledger():
        async with bench.look() as look:
            await _open(bench, load, look)
        times = (await _paced(bench, load.events))[PACED_RATE * WARM_S :]
    times.sort()
    count = len(times)
    return Latency(
        PACED_RATE, count, times[count // 2] * 1000, times[count * 99 // 100] * 1000, times[-1] * 1000
    )  # fmt: skip


async def _paced(bench: Bench, events: Sequence[SignedStatement]) -> list[float]:
    from aiokafka import TopicPartition

    from passerelle.events.topics import FEED
    from passerelle.runtime.kafka import start_consumer, start_producer

    assert bench.config is not None
    kafka = bench.config.kafka
    end = await end_offsets(kafka, FEED, [0], client_id="bench")
    consumer = await start_consumer(kafka, client_id="bench-feed", positions={TopicPartition(FEED, 0): end[0]})
    producer = await start_producer(kafka, client_id="bench-paced")
    sent: dict[bytes, float] = {}
    times: list[float] = []

    async def read() -> None:
        while len(times) < len(events):
            for messages in (await consumer.getmany(timeout_ms=500)).values():
                now = time.perf_counter()
                for message in messages:
                    entry = dict(message.headers)["entry"]
                    begun = sent.pop(entry[-_STATEMENT_TAIL:], None)
                    if begun is not None:
                        times.append(now - begun)

    reading = asyncio.create_task(read())
    try:
        start = time.perf_counter()
        for place, event in enumerate(events):
            while place / PACED_RATE > time.perf_counter() - start:
                await asyncio.sleep(TICK_S / 4)
            lines = event.statement.split(b"\n", 4)
            sent[event.statement[-_STATEMENT_TAIL:]] = time.perf_counter()
            await producer.send(ingress_topic(lines[3].decode()), event.body, key=lines[2], headers=event.headers())
        await asyncio.wait_for(reading, 120)
    finally:
        reading.cancel()
        await producer.stop()
        await consumer.stop()
    return times


_STATEMENT_TAIL = 65
"""The last line of a statement, the body's hash: an entry ends with the statement, so both end alike."""


def as_json(ingests: Sequence[Ingest], latency: Latency) -> dict[str, Any]:
    """The result file's content."""
    return {"ingest": [asdict(ingest) for ingest in ingests], "latency": asdict(latency)}
