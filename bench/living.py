"""How soon a committed rule is in the answers, what a second process brings, and two minutes of 200 clients."""

from __future__ import annotations

import asyncio
import itertools
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc

from bench.asking import One, at, calls, channel, questions
from bench.query_running import Log, Server, resident
from bench.rules_world import RECEIVERS, Generator
from bench.running import cpu_seconds
from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs
from passerelle.query.rpc.quick import FIND

CLIENTS: Final = 200
COMMITS_A_SECOND: Final = 20
RULES_A_COMMIT: Final = 5
ASKERS: Final = 2
"""Callers beside the writer, so that the service has other work too."""
CALL_S: Final = 30.0
SPREAD: Final = 16
"""Connections of the measurement of processes."""
AT_ONCE: Final = 4
"""Look-ups under way on each of them."""
MOST_A_SECOND: Final = 12_000
"""Look-ups that are made ready for each second: more than are answered."""
SAMPLES: Final = 8


# Freshness


async def freshness(server: Server, log: Log, generator: Generator, seconds: float) -> dict[str, Any]:
    """From the return of a commit to the answer that shows its rule; and that the position before does not show it."""
    took: list[float] = []
    numbers = itertools.count()
    async with channel(server.address) as asked, channel(server.address) as busy:
        stub, others = stubs.EquivalencyServiceStub(asked), stubs.EquivalencyServiceStub(busy)

        async def shown(subject: str, course: str, before: int, size: int, committed: float) -> None:
            request = pb.FindRequest(achievement=course, receiver=subject.partition("/")[0], valid_on="2024-12-15")
            request.min_position = size
            answer = await stub.Find(request, timeout=CALL_S)
            took.append(time.perf_counter() - committed)
            _must(subject, answer, there=True)
            for known_at, there in ((before, False), (size, True)):
                request.known_at.CopyFrom(common_pb2.KnownAt(size=known_at))
                _must(subject, await stub.Find(request, timeout=CALL_S), there=there)

        async def commit() -> asyncio.Task[None]:
            rows, course = [], ""
            for _ in range(RULES_A_COMMIT):
                course = generator.random.choice(generator.courses)
                subject = f"{generator.random.choice(RECEIVERS)}/fresh-{next(numbers)}"
                rows.append(generator.rule(subject, {"achievement": course}))
            before = log.size
            committed = await log.commit(rows)
            return asyncio.create_task(shown(rows[-1][1], course, before, log.size, committed))

        asking = [asyncio.create_task(_ask_on(others, questions(generator))) for _ in range(ASKERS)]
        told: list[asyncio.Task[None]] = []
        start = time.perf_counter()
        try:
            for number in range(int(seconds * COMMITS_A_SECOND)):
                await asyncio.sleep(max(0.0, start + number / COMMITS_A_SECOND - time.perf_counter()))
                told.append(await commit())
            await asyncio.gather(*told)
        finally:
            for task in asking:
                task.cancel()
    took.sort()
    figures = {"p50_ms": at(took, 0.5), "p99_ms": at(took, 0.99), "worst_ms": at(took, 1.0)}
    return {"commits": len(took), "rules_a_commit": RULES_A_COMMIT, "commits_a_second": COMMITS_A_SECOND, **figures}


async def _ask_on(stub: Any, source: Iterator[pb.FindRequest]) -> None:
    for request in source:
        await stub.Find(request, timeout=CALL_S)


def _must(subject: str, answer: pb.FindResponse, *, there: bool) -> None:
    if (subject in {one.rule.id for one in answer.answers}) is not there:
        raise RuntimeError(f"{subject} is {'not ' if there else ''}in the answer at position {answer.position.size}")


# Several processes, many clients


@asynccontextmanager
async def connections(address: str, count: int) -> AsyncIterator[Sequence[grpc.aio.Channel]]:
    """So many connections: the system spreads them over the processes that share the port."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(channel(address)) for _ in range(count)]


def searches(channels: Sequence[grpc.aio.Channel]) -> list[One]:
    """Questions that cost the server much and the caller nothing: every achievement is tested, one is given back."""
    stubs_of = [stubs.EquivalencyServiceStub(one) for one in channels]
    senders = itertools.cycle(f"sender-{number:02}" for number in range(20))

    def asking(stub: Any) -> One:
        async def one() -> None:
            await stub.Search(pb.SearchRequest(member=next(senders), page_size=1), timeout=CALL_S)

        return one

    return [asking(stub) for stub in stubs_of]


def finds(channels: Sequence[grpc.aio.Channel], generator: Generator) -> list[One]:
    """Look-ups that were not asked before."""
    source = questions(generator)

    def asking(stub: Any) -> One:
        async def one() -> None:
            await stub.Find(next(source), timeout=CALL_S)

        return one

    return [asking(stubs.EquivalencyServiceStub(one)) for one in channels]


def prepared(generator: Generator) -> Iterator[bytes]:
    """Look-ups that differ, in the bytes that are sent."""
    return (request.SerializeToString() for request in questions(generator))


async def light_finds(asker: Path, address: str, source: Iterator[bytes], seconds: float) -> tuple[float, int]:
    """Look-ups asked by a program that takes little of the processors: calls a second, and how many."""
    asked = b"".join(
        struct.pack(">I", len(body)) + body for body in itertools.islice(source, int(MOST_A_SECOND * seconds))
    )
    numbers = {"connections": SPREAD, "at-once": AT_ONCE, "seconds": seconds}
    running = await asyncio.create_subprocess_exec(
        str(asker), "-target", address, "-method", FIND, *(f"-{name}={value}" for name, value in numbers.items()),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await running.communicate(asked)
    found = json.loads(said)
    if found["errors"]:
        raise RuntimeError(f"{found['errors']} look-ups failed")
    return found["calls"] / found["seconds"], found["calls"]


async def rates(
    servers: Sequence[Server], source: Iterator[bytes], seconds: float, asker: Path | None
) -> dict[str, Any]:
    """Calls a second of the processes on the port together, and what they cost; look-ups where there is an asker.

    ``busy`` says how busy each was (1: one processor), ``a_cpu_second`` how many calls a second of their processors
    together gave: that does not depend on what is left to them by the caller, which shares the machine.
    """
    address = servers[0].address

    async def search() -> tuple[float, int]:
        async with connections(address, SPREAD) as channels:
            ones = searches(channels)
            await asyncio.gather(*(one() for one in ones))
            rate, took = await calls(seconds, ones)
            return rate, len(took)

    kinds: dict[str, Callable[[], Awaitable[tuple[float, int]]]] = {"searches": search}
    if asker is not None:
        kinds["lookups"] = lambda: light_finds(asker, address, source, seconds)
    found: dict[str, Any] = {}
    for name, measured in kinds.items():
        before, start = [cpu_seconds(one.pid) for one in servers], time.perf_counter()
        rate, count = await measured()
        spent = time.perf_counter() - start
        used = [cpu_seconds(one.pid) - first for one, first in zip(servers, before, strict=True)]
        found[name] = {
            "a_second": rate, "a_cpu_second": count / sum(used), "busy": [one / spent for one in used]
        }  # fmt: skip
    return found


async def load(servers: Sequence[Server], generator: Generator, seconds: float) -> dict[str, Any]:
    """So many clients for so long, each with its own connection: errors by code, and the memory of each process."""
    errors: dict[str, int] = {}
    async with connections(servers[0].address, CLIENTS) as channels:
        plain = finds(channels, generator)

        def counted(inner: One) -> One:
            async def one() -> None:
                try:
                    await inner()
                except grpc.aio.AioRpcError as error:
                    errors[error.code().name] = errors.get(error.code().name, 0) + 1

            return one

        asking = asyncio.create_task(calls(seconds, [counted(one) for one in plain]))
        samples = [[resident(one.pid) for one in servers]]
        for _ in range(SAMPLES):
            await asyncio.wait({asking}, timeout=seconds / SAMPLES)
            samples.append([resident(one.pid) for one in servers])
        rate, took = await asking
    return {
        "clients": CLIENTS,
        "seconds": seconds,
        "calls": len(took),
        "a_second": rate,
        "p50_ms": at(took, 0.5),
        "p99_ms": at(took, 0.99),
        "errors": errors,
        "resident": samples,
        # The first half opens the connections and fills the bounded caches.
        "growth": [last / half - 1 for half, last in zip(samples[SAMPLES // 2], samples[-1], strict=True)],
    }
