"""``python -m bench.equivalency [--rules N]``: P6 and P7, memory a rule, start, freshness, processes, many clients.

The rules are put into an index directly and written as its snapshot; the service itself, a process as it is run in
production, starts from that snapshot over a real PostgreSQL. The echo is a bare server in a process of its own, asked
by the same client in turns. Ratios are what counts: client and servers share the machine.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.asking import LINES, lookups, transcripts
from bench.going import build as build_program
from bench.living import freshness, load, prepared, rates
from bench.query_running import Log, edge_of, free_port, process, query, resident, write_config
from bench.rules_world import NETWORK, Generator, empty, take_in
from bench.running import cpu_seconds
from passerelle.embedded import EmbeddedPostgres
from passerelle.query import snapshot
from passerelle.query.histories import Position
from passerelle.query.index import Index

RESULTS = Path(__file__).parent / "results"


def build(generator: Generator) -> tuple[Index, dict[str, Any]]:
    """The index, with the bytes that its rules take and the rate at which it was filled."""
    index = empty()
    take_in(index, generator.members())
    take_in(index, generator.achievements())
    before, started = resident(os.getpid()), time.perf_counter()
    count = take_in(index, generator.granted())
    seconds = time.perf_counter() - started
    held = sum(len(part) for part in index.rules.dump())
    return index, {
        "rules": count,
        "achievements": len(index.achievements),
        "rss_bytes_a_rule": (resident(os.getpid()) - before) / count,
        "data_bytes_a_rule": held / count,
        "rules_a_second": count / seconds,
        "real_catalogues": generator.real,
    }


def keep(index: Index, path: Path) -> dict[str, float]:
    """Write the index's snapshot."""
    mark = snapshot.Mark(NETWORK, index.position, edge_of(index.position.size))
    started = time.perf_counter()
    snapshot.write(path, snapshot.freeze(index, mark)())
    return {"write_s": time.perf_counter() - started, "bytes": path.stat().st_size}


async def measure(chosen: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything, in one run."""
    generator = Generator(chosen.rules)
    index, built = build(generator)
    console.print(f"{built['rules']:,} rules: {built['rss_bytes_a_rule']:.0f} resident bytes a rule; now the snapshot")
    folder = Path(tempfile.mkdtemp(prefix="passerelle-bench-"))
    try:
        kept, at = keep(index, folder / "index"), index.position
        del index
        gc.collect()
        gc.freeze()
        async with EmbeddedPostgres(folder / "postgres") as postgres:
            found = await asked(chosen, generator, folder, await postgres.create_database("bench_query"), at, console)
    finally:
        shutil.rmtree(folder)
    return {
        "index": built,
        "snapshot": kept | found.pop("start"),
        **found,
        "machine": {"processors": os.cpu_count(), "python": platform.python_version()},
    }


async def asked(
    chosen: argparse.Namespace, generator: Generator, folder: Path, dsn: str, at: Position, console: Console
) -> dict[str, Any]:
    """The measurements on the running service: alone first, then beside a second process on the same port."""
    asker = await build_program("asker", folder)
    log = await Log.create(dsn, at)
    write_config(folder, dsn, free_port())
    try:
        async with query("first", folder) as first:
            spent = cpu_seconds(first.pid)
            start = {"start_s": first.start_s, "start_cpu_s": spent, "server_rss": resident(first.pid)}
            async with process("echo", folder, "bench.echo") as echo:
                console.print(f"started in {first.start_s:.1f} s; look-ups")
                found = await lookups((first.address, first.pid), (echo.address, echo.pid), generator, chosen.seconds)
            console.print("whole transcripts")
            whole = await transcripts(first.address, first.pid, generator, chosen.transcripts)
            console.print("freshness")
            fresh = await freshness(first, log, generator, chosen.freshness)
            console.print("processes")
            source = prepared(generator)
            one = await rates([first], source, chosen.processes, asker)
            async with query("second", folder) as second:
                both = [first, second]
                two = await rates(both, source, chosen.processes, asker)
                console.print(f"many clients, {chosen.load:.0f} s")
                loaded = await load(both, generator, chosen.load)
    finally:
        await log.close()
    ratio = {name: two[name]["a_second"] / one[name]["a_second"] for name in one}
    kept = {name: two[name]["a_cpu_second"] / one[name]["a_cpu_second"] for name in one}
    processes = {"one": one, "two": two, "two_over_one": ratio, "two_over_one_a_cpu_second": kept}
    parts = {"lookups": found, "transcripts": whole, "freshness": fresh, "processes": processes, "load": loaded}
    return {"start": start, **parts}


def show(found: dict[str, Any], console: Console) -> None:
    """The tables."""
    built, kept = found["index"], found["snapshot"]
    table = Table("measure", "value", "goal", title=f"{built['rules']:,} rules")
    table.add_row("resident bytes a rule", f"{built['rss_bytes_a_rule']:.0f}", "<= 256")
    table.add_row("of that stored data", f"{built['data_bytes_a_rule']:.0f}", "")
    table.add_row("rules taken in a second", f"{built['rules_a_second']:,.0f}", "")
    table.add_row("snapshot written, s", f"{kept['write_s']:.1f}", "")
    started = f"{kept['start_s']:.1f}, CPU {kept['start_cpu_s']:.1f}"
    table.add_row("process ready from the snapshot, s", started, "<= 10 (1 M)")
    for row in found["lookups"]:
        for kind in ("new", "again"):
            name, one = f"look-up ({kind}), c = {row['concurrency']}", row[kind]
            rate = f"{one['a_second_over_echo']:.2f} ({one['a_second']:,.0f})"
            table.add_row(f"{name}: calls/s over echo", rate, ">= 0.85")
            table.add_row(f"{name}: p50 over echo", f"{one['p50_over_echo']:.2f} ({one['p50_ms']:.2f} ms)", "<= 1.2")
            table.add_row(f"{name}: p99 over echo", f"{one['p99_over_echo']:.2f} ({one['p99_ms']:.2f} ms)", "<= 1.5")
            cpu = f"{one['server_cpu_us']:.0f}, echo {row['echo']['server_cpu_us']:.0f}"
            table.add_row(f"{name}: server CPU a call, us", cpu, "")
    for row in found["transcripts"]:
        name = f"transcript of {LINES} at {row['receiver']} ({row['responses']:.0f} answers)"
        took = f"p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms; server CPU {row['server_cpu_ms']:.1f} ms"
        table.add_row(name, took, "p99 <= 25" if row["receiver"] == "one" else "")
    fresh, ratio, loaded = found["freshness"], found["processes"]["two_over_one"], found["load"]
    table.add_row("commit to answer", f"p50 {fresh['p50_ms']:.0f} ms, p99 {fresh['p99_ms']:.0f} ms", "p99 <= 1000")
    for name, value in ratio.items():
        table.add_row(f"two processes over one, {name}", f"{value:.2f}", ">= 1.6")
    for name, value in found["processes"]["two_over_one_a_cpu_second"].items():
        table.add_row(f"the same, {name} a CPU second of the servers", f"{value:.2f}", "")
    growth = ", ".join(f"{100 * one:+.1f} %" for one in loaded["growth"])
    name = f"{loaded['clients']} clients, {loaded['seconds']:.0f} s"
    table.add_row(f"{name}: calls, errors", f"{loaded['calls']:,}, {sum(loaded['errors'].values())}", "no error")
    table.add_row(f"{name}: memory of each process", growth, "flat")
    console.print(table)


def main() -> None:
    """Measure, print, write ``bench/results/equivalency.json``."""
    parser = argparse.ArgumentParser(prog="python -m bench.equivalency", description=__doc__)
    parser.add_argument("--rules", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=9.0, help="of each kind of look-up at each concurrency")
    parser.add_argument("--transcripts", type=int, default=200)
    parser.add_argument("--freshness", type=float, default=20.0, help="seconds of commits")
    parser.add_argument("--processes", type=float, default=8.0, help="seconds of each turn with one and two processes")
    parser.add_argument("--load", type=float, default=120.0, help="seconds of 200 clients")
    parser.add_argument("--out", type=Path, default=RESULTS / "equivalency.json")
    chosen = parser.parse_args()
    console = Console()
    found = uvloop.run(measure(chosen, console))
    show(found, console)
    chosen.out.parent.mkdir(exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
