"""``python -m bench.equivalency [--rules N]``: P6 and P7, memory a rule, and start from a snapshot.

The server is a process of its own, started from the snapshot that the run wrote; beside EquivalencyService it has an
echo of the same request, and both are asked by the same client in turns. Ratios are what counts: the machine is shared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from bench.rules_world import NETWORK, RECEIVERS, Generator, empty, take_in
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2_grpc as stubs
from passerelle.query import snapshot
from passerelle.query.index import Index
from passerelle.query.rpc.public import EquivalencyServicer

RESULTS = Path(__file__).parent / "results"
ECHO = "bench.Echo"
WARM_UP = 300
LINES = 40


def resident() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The server


async def serve(path: Path, ready: Path) -> None:
    """Answer until the parent ends the process."""
    started = time.perf_counter()
    frozen = snapshot.read(path, NETWORK)
    index = empty()
    snapshot.thaw(index, frozen)
    del frozen
    seconds = time.perf_counter() - started
    server = grpc.aio.server()
    servicer = EquivalencyServicer(index, max_wait_s=10)
    stubs.add_EquivalencyServiceServicer_to_server(servicer, server)

    async def echo(request: pb.FindRequest, context: Any) -> pb.FindRequest:
        return request

    handler = grpc.unary_unary_rpc_method_handler(echo, pb.FindRequest.FromString, pb.FindRequest.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(ECHO, {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready.write_text(json.dumps({"port": port, "start_s": seconds, "rss": resident()}))
    await server.wait_for_termination()


# The measurements


def build(generator: Generator) -> tuple[Index, dict[str, float]]:
    """The index, with the bytes that its rules take and the rate at which it was filled."""
    index = empty()
    take_in(index, generator.members())
    take_in(index, generator.achievements())
    before, started = resident(), time.perf_counter()
    count = take_in(index, generator.granted())
    seconds = time.perf_counter() - started
    held = sum(len(part) for part in index.rules.dump())
    return index, {
        "rules": count,
        "achievements": len(index.achievements),
        "rss_bytes_a_rule": (resident() - before) / count,
        "data_bytes_a_rule": held / count,
        "rules_a_second": count / seconds,
    }


async def calls(seconds: float, concurrency: int, one: Callable[[], Awaitable[None]]) -> tuple[float, list[float]]:
    """Calls a second, and every call's seconds in order of size."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while (start := time.perf_counter()) < end:
            await one()
            took.append(time.perf_counter() - start)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return len(took) / (time.perf_counter() - started), sorted(took)


def at(took: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    return 1000 * took[min(len(took) - 1, int(share * len(took)))]


async def lookups(port: int, generator: Generator, seconds: float) -> list[dict[str, float]]:
    """P6: turns of echo and look-up, each with the same requests."""
    random = Random(7)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        find = stubs.EquivalencyServiceStub(channel).Find
        echo = channel.unary_unary(
            f"/{ECHO}/Echo",
            request_serializer=pb.FindRequest.SerializeToString,
            response_deserializer=pb.FindRequest.FromString,
        )

        def asking(method: Any) -> Callable[[], Awaitable[None]]:
            async def one() -> None:
                course, receiver = random.choice(generator.pairs)
                await method(pb.FindRequest(achievement=course, receiver=receiver, valid_on="2024-12-15"))

            return one

        for _ in range(WARM_UP):
            await asking(find)()
            await asking(echo)()
        rows = []
        for concurrency in (1, 32):
            total: dict[str, tuple[float, list[float]]] = {"echo": (0.0, []), "find": (0.0, [])}
            for _ in range(3):
                for name, method in (("echo", echo), ("find", find)):
                    rate, took = await calls(seconds / 3, concurrency, asking(method))
                    total[name] = (total[name][0] + rate / 3, total[name][1] + took)
            (echo_rate, echo_took), (rate, took) = total["echo"], total["find"]
            echo_took.sort()
            took.sort()
            rows.append(
                {
                    "concurrency": concurrency,
                    "echo_a_second": echo_rate,
                    "find_a_second": rate,
                    "rate_over_echo": rate / echo_rate,
                    "p50_over_echo": at(took, 0.5) / at(echo_took, 0.5),
                    "p99_over_echo": at(took, 0.99) / at(echo_took, 0.99),
                    "p50_ms": at(took, 0.5),
                    "p99_ms": at(took, 0.99),
                }
            )
        return rows


async def transcripts(port: int, generator: Generator, count: int) -> list[dict[str, Any]]:
    """P7: whole transcripts through the service, at one receiver and at all."""
    rows = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        evaluate = stubs.EquivalencyServiceStub(channel).Evaluate
        for receiver in (RECEIVERS[0], ""):
            took, answers = [], 0
            for number in range(count):
                lines = [pb.TranscriptLine(**line) for line in generator.transcript(LINES)]
                request = pb.EvaluateRequest(lines=lines, receiver=receiver, valid_on="2025-09-01")
                start = time.perf_counter()
                answers += sum([1 async for _ in evaluate(request)])
                if number >= count // 10:
                    took.append(time.perf_counter() - start)
            took.sort()
            rows.append(
                {
                    "receiver": "one" if receiver else "all",
                    "responses": answers / count,
                    "p50_ms": at(took, 0.5),
                    "p99_ms": at(took, 0.99),
                }
            )
    return rows


@contextmanager
def running(folder: Path) -> Iterator[dict[str, Any]]:
    """The server process; yields its port, seconds of start and memory."""
    import subprocess

    ready = folder / "ready.json"
    command = [sys.executable, "-m", "bench.equivalency", "--serve", str(folder / "index"), "--ready", str(ready)]
    process = subprocess.Popen(command)
    try:
        while not ready.exists() or not ready.read_text():
            if process.poll() is not None:
                raise RuntimeError("the server ended")
            time.sleep(0.05)
        yield json.loads(ready.read_text())
    finally:
        process.terminate()
        process.wait(10)


def measure(rules: int, seconds: float, count: int, console: Console) -> dict[str, Any]:
    """Everything, in one run."""
    generator = Generator(rules)
    index, built = build(generator)
    console.print(f"{built['rules']:,} rules: {built['rss_bytes_a_rule']:.0f} resident bytes a rule; now the snapshot")
    with tempfile.TemporaryDirectory(prefix="passerelle-bench-") as name:
        folder = Path(name)
        mark = snapshot.Mark(NETWORK, index.position, ())
        started = time.perf_counter()
        frozen = snapshot.freeze(index, mark)()
        snapshot.write(folder / "index", frozen)
        wrote = time.perf_counter() - started
        size = (folder / "index").stat().st_size
        del frozen, index
        with running(folder) as server:
            found = asyncio.run(lookups(server["port"], generator, seconds))
            whole = asyncio.run(transcripts(server["port"], generator, count))
    return {
        "index": built | {"real_catalogues": generator.real},
        "snapshot": {"write_s": wrote, "bytes": size, "start_s": server["start_s"], "server_rss": server["rss"]},
        "lookups": found,
        "transcripts": whole,
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
    }


def show(found: dict[str, Any], console: Console) -> None:
    """The tables."""
    built, kept = found["index"], found["snapshot"]
    table = Table("measure", "value", "goal", title=f"{built['rules']:,} rules in one process")
    table.add_row("resident bytes a rule", f"{built['rss_bytes_a_rule']:.0f}", "<= 256")
    table.add_row("of that stored data", f"{built['data_bytes_a_rule']:.0f}", "")
    table.add_row("rules taken in a second", f"{built['rules_a_second']:,.0f}", "")
    table.add_row("snapshot written, s", f"{kept['write_s']:.1f}", "")
    table.add_row("start from the snapshot, s", f"{kept['start_s']:.1f}", "<= 10 (1 M)")
    for row in found["lookups"]:
        name = f"look-up, c = {row['concurrency']}"
        table.add_row(f"{name}: calls/s over echo", f"{row['rate_over_echo']:.2f}", ">= 0.85")
        table.add_row(f"{name}: p50 over echo", f"{row['p50_over_echo']:.2f} ({row['p50_ms']:.2f} ms)", "<= 1.2")
        table.add_row(f"{name}: p99 over echo", f"{row['p99_over_echo']:.2f} ({row['p99_ms']:.2f} ms)", "<= 1.5")
    for row in found["transcripts"]:
        name = f"transcript of {LINES} at {row['receiver']} ({row['responses']:.0f} answers)"
        table.add_row(name, f"p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms", "p99 <= 25")
    console.print(table)


def main() -> None:
    """Measure, print, write ``bench/results/equivalency.json``."""
    parser = argparse.ArgumentParser(prog="python -m bench.equivalency", description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=9.0, help="of each of the four turns of look-ups")
    parser.add_argument("--transcripts", type=int, default=200)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ready", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        uvloop.run(serve(chosen.serve, chosen.ready))
        return
    console = Console()
    found = measure(chosen.rules, chosen.seconds, chosen.transcripts, console)
    show(found, console)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "equivalency.json").write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
