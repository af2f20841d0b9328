"""P1 and P3: verified ledger ingest, with feed and inboxes published, against its ceilings and a naive service.

The events lie in Kafka before the ledger starts, so what is measured is the ledger at its fullest. Broker, PostgreSQL
and ledger share the machine's processors; fsync and synchronous_commit are on, producers wait for all acknowledgements.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ceilings import copy_rate, merkle_us, verify_rate
from bench.debezium import Debezium, debezium_rates
from bench.events import MEMBERS, Load, generate
from bench.naive import batched_rate, naive_rate
from bench.running import Bench, cpu_seconds, until_published
from bench.tessera import Tessera, tessera_rates
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.events.topics import TOPICS, ingress_topic
from passerelle.runtime.kafka import end_offsets
from passerelle.testing.federation import Member

Say = Callable[[str], None]
TICK_S = 0.01
FAUST_S = 180.0
"""Patience with the Faust agent: its start alone takes some seconds."""


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
    naive_100: float
    over_naive_100: float
    faust: float
    over_faust: float
    tessera: Tessera | None
    """None where Go is not installed."""
    debezium: Debezium | None
    """None where it cannot be fetched."""
    merkle_share: float
    rebuild: float
    rebuild_over_ingest: float
    check: float


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
    await finish_opening(bench, load)
    topic = ingress_topic("credential")
    starts = await end_offsets(config.kafka, topic, range(TOPICS[topic].partitions), client_id="bench")
    say(f"{mode}: sending them to Kafka")
    await bench.produce(load.events)
    say(f"{mode}: the ledger takes them in")
    live = await ingest_rate(bench, count)
    rate = live.rate
    say(f"{mode}: ceilings and the naive service on the same rows")
    copied = await copy_rate(bench.dsn, count)
    verified = await asyncio.to_thread(verify_rate, load.events[: min(count, 40_000)], member_keys())
    ceiling = 1 / (1 / copied + 1 / verified)
    naive = await naive_rate(config.kafka, bench.dsn, member_keys(), starts, naive_count)
    hundred = await batched_rate(config.kafka, bench.dsn, member_keys(), starts, naive_count * 3)
    faust = await _faust_rate(bench, naive_count)
    tessera = await tessera_rates(bench.dsn, count)
    debezium = await debezium_rates(kafka.bootstrap, bench.dsn, count)
    merkle = await merkle_us(bench.dsn, count)
    rebuilt, checked = (
        await bench.command_rate("rebuild", live.size),
        await bench.command_rate("check", live.size),
    )
    return Ingest(
        mode, count, round(load.body_bytes), rate, live.cpu_us, copied, verified, ceiling, rate / ceiling,
        naive, rate / naive, hundred, rate / hundred, faust, rate / faust, tessera, debezium,
        merkle * rate / 1e6, rebuilt, rebuilt / rate, checked,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Live:
    """Events a second, the ledger's processor microseconds an event, and the log's size afterwards."""

    rate: float
    cpu_us: float
    size: int


async def ingest_rate(bench: Bench, count: int) -> Live:
    """Start a ledger on the ``count`` events that lie in Kafka, and wait until all are published."""
    async with bench.look() as look:
        before = await look.fetchval("SELECT size FROM ledger.head")
        async with bench.ledger() as pid:
            await _first_commit(look, before)
            start, cpu = time.perf_counter(), cpu_seconds(pid)
            base = await look.fetchval("SELECT size FROM ledger.head")
            await until_published(look, before + count)
            taken, used = time.perf_counter() - start, cpu_seconds(pid) - cpu
        refused = await look.fetchval(
            "SELECT count(*) FROM ledger.entry WHERE index >= $1 AND code IS NOT NULL", before
        )
    if refused:
        raise RuntimeError(f"{refused} of {count} events were refused")
    measured = before + count - base
    return Live(measured / taken, used / measured * 1e6, before + count)


async def _faust_rate(bench: Bench, count: int) -> float:
    """Events a second of a plain Faust agent that stores, in a process of its own."""
    folder = bench.folder / "faust"
    folder.mkdir()
    arguments = (bench.kafka.bootstrap, bench.dsn, str(folder), str(count))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.faust_peer", *arguments, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(FAUST_S):
            while not (folder / "rate").exists():
                await asyncio.sleep(0.1)
    finally:
        process.kill()
        await process.wait()
    return float((folder / "rate").read_text())


async def finish_opening(bench: Bench, load: Load) -> None:
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
