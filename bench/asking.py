"""What the benchmark of equivalency asks, how often, and how long the answers take."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import grpc

from bench.echo import SERVICE as ECHO
from bench.rules_world import RECEIVERS, Generator
from bench.running import cpu_seconds
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs

LINES: Final = 40
TURNS: Final = 3
AGAIN: Final = 2_000
"""Questions that are asked again and again."""
DATES: Final = ("2024-12-15", "2023-12-15", "2022-12-15", "2024-04-30", "2023-04-30")
_OWN = (("grpc.use_local_subchannel_pool", 1),)
"""A connection of its own: channels to one address share one otherwise."""

One = Callable[[], Awaitable[None]]


def at(took: Sequence[float], share: float) -> float:
    """A quantile of ordered seconds, in milliseconds."""
    return 1000 * took[min(len(took) - 1, int(share * len(took)))] if took else 0.0


def channel(address: str) -> grpc.aio.Channel:
    """A connection that no other channel shares."""
    return grpc.aio.insecure_channel(address, options=_OWN)


def questions(generator: Generator) -> Iterator[pb.FindRequest]:
    """Look-ups that differ: course and receiver of a twentieth of the rules, one date after the other; then anew."""
    pairs = Random(7).sample(generator.pairs, len(generator.pairs))
    for day in itertools.cycle(DATES):
        for course, member in pairs:
            yield pb.FindRequest(achievement=course, receiver=member, valid_on=day)


async def calls(seconds: float, ones: Sequence[One]) -> tuple[float, list[float]]:
    """Calls a second of so many callers that each wait for their answer, and every call's seconds in order of size."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def worker(one: One) -> None:
        while (start := time.perf_counter()) < end:
            await one()
            took.append(time.perf_counter() - start)

    started = time.perf_counter()
    await asyncio.gather(*(worker(one) for one in ones))
    return len(took) / (time.perf_counter() - started), sorted(took)


@dataclass(slots=True)
class Turns:
    """What one method's turns gave: rates, seconds, and the server's processor seconds."""

    one: One
    pid: int
    rates: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    cpu_s: float = 0.0

    async def turn(self, seconds: float, concurrency: int) -> None:
        """Ask for so long."""
        before = cpu_seconds(self.pid)
        rate, took = await calls(seconds, [self.one] * concurrency)
        self.cpu_s += cpu_seconds(self.pid) - before
        self.rates.append(rate)
        self.took = sorted(self.took + took)

    def told(self) -> dict[str, float]:
        """The figures."""
        return {
            "a_second": sum(self.rates) / len(self.rates),
            "p50_ms": at(self.took, 0.5),
            "p99_ms": at(self.took, 0.99),
            "server_cpu_us": 1e6 * self.cpu_s / len(self.took),
        }


async def lookups(find: tuple[str, int], echo: tuple[str, int], generator: Generator, seconds: float) -> list[Any]:
    """P6: turns of echo, of look-ups that nobody asked before and of some that were; addresses with process ids."""
    async with channel(find[0]) as asked, channel(echo[0]) as echoed:
        stub = stubs.EquivalencyServiceStub(asked)
        back = echoed.unary_unary(
            f"/{ECHO}/Echo",
            request_serializer=pb.FindRequest.SerializeToString,
            response_deserializer=pb.FindRequest.FromString,
        )
        fresh = questions(generator)
        known = itertools.cycle(itertools.islice(fresh, AGAIN))
        sources = {
            "echo": (back, fresh, echo[1]),
            "new": (stub.Find, fresh, find[1]),
            "again": (stub.Find, known, find[1]),
        }

        def asking(method: Any, source: Iterator[pb.FindRequest]) -> One:
            async def one() -> None:
                await method(next(source))

            return one

        for _ in range(AGAIN):
            await asking(stub.Find, known)()
        await calls(1.0, [asking(back, fresh)])
        rows = []
        for concurrency in (1, 32):
            found = {name: Turns(asking(method, source), pid) for name, (method, source, pid) in sources.items()}
            for _ in range(TURNS):
                for turns in found.values():
                    await turns.turn(seconds / TURNS, concurrency)
            told = {name: turns.told() for name, turns in found.items()}
            rows.append({"concurrency": concurrency, **told} | {name: _over(told, name) for name in ("new", "again")})
        return rows


def _over(told: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    """A method's figures with their ratios to the echo's."""
    own, base = told[name], told["echo"]
    ratios = {f"{key.removesuffix('_ms')}_over_echo": own[key] / base[key] for key in ("a_second", "p50_ms", "p99_ms")}
    return own | ratios


async def transcripts(address: str, pid: int, generator: Generator, count: int) -> list[dict[str, Any]]:
    """P7: whole transcripts through the service, at one receiver and (a fifth as many) at all."""
    rows = []
    async with channel(address) as asked:
        evaluate = stubs.EquivalencyServiceStub(asked).Evaluate
        for receiver, times in ((RECEIVERS[0], count), ("", max(1, count // 5))):
            took, answers, before = [], 0, cpu_seconds(pid)
            for _ in range(times):
                lines = [pb.TranscriptLine(**line) for line in generator.transcript(LINES)]
                request = pb.EvaluateRequest(lines=lines, receiver=receiver, valid_on="2025-09-01")
                start = time.perf_counter()
                answers += sum([1 async for _ in evaluate(request)])
                took.append(time.perf_counter() - start)
            took.sort()
            rows.append(
                {
                    "receiver": "one" if receiver else "all",
                    "transcripts": times,
                    "responses": answers / times,
                    "p50_ms": at(took, 0.5),
                    "p99_ms": at(took, 0.99),
                    "server_cpu_ms": 1000 * (cpu_seconds(pid) - before) / times,
                }
            )
    return rows
