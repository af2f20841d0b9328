"""``passerelle ledger``: run the ledger, check it, rebuild its read models, show its verifier key."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle.cli.common import ConfigOption, JsonOption, ReadyOption, print_json

if TYPE_CHECKING:
    from passerelle.core.registry import Registry
    from passerelle.ledger.check_run import Progress, Report
    from passerelle.ledger.config import LedgerConfig

app = typer.Typer(help="The ledger.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The ledger: one process decides, numbers and logs every event of the network."""


@app.command()
def run(config: ConfigOption, ready_file: ReadyOption = None) -> None:
    """Run the ledger; where another is active, stand by and take over when its lease ends."""
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.main import build
    from passerelle.runtime.process import run_process

    settings = LedgerConfig.load(config)
    raise typer.Exit(run_process(lambda: build(settings), ready_file=ready_file))


@app.command()
def check(
    config: ConfigOption,
    vkey: Annotated[
        list[str] | None,
        typer.Option("--vkey", help="The log's verifier key; without it the one that the operator's admission lists."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Verify everything again from the entries, and the read models against a rebuild. Fails on the first fault."""
    from passerelle.core.note import VerifierKey
    from passerelle.ledger.check_run import run_check
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.postgres.check import open_snapshot
    from passerelle.runtime.clock import SystemClock

    settings = LedgerConfig.load(config)
    keys = [VerifierKey.parse(text) for text in vkey or ()]

    async def work() -> Report:
        async with open_snapshot(settings.database) as store:
            with _progress("checking") as progress:
                return await run_check(store, _registry(settings), keys, SystemClock(), progress)

    report = asyncio.run(work())
    if as_json:
        print_json(report.as_dict())
    else:
        _tell(report)
    raise typer.Exit(0 if report.sound else 1)


@app.command()
def rebuild(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Make the read models anew from the recorded outcomes. No ledger may be active."""
    from passerelle.ledger.check_run import replay_all
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.postgres.check import open_rebuild

    settings = LedgerConfig.load(config)

    async def work() -> tuple[int, dict[str, int]]:
        async with open_rebuild(settings.database) as store:
            with _progress("rebuilding") as progress:
                replay = await replay_all(store, _registry(settings), progress)
            return replay.size, await store.replace(replay)

    size, rows = asyncio.run(work())
    if as_json:
        print_json({"size": size, "rows": rows})
    else:
        print(f"rebuilt from {size} entries: " + ", ".join(f"{table} {count}" for table, count in rows.items()))


@app.command()
def vkey(
    config: ConfigOption,
    network: Annotated[str | None, typer.Option("--network", help="Another network than the configured one.")] = None,
) -> None:
    """Show the log's verifier key, which everyone who checks the log configures (C2SP signed-note)."""
    from passerelle.core.note import NoteSigner
    from passerelle.ledger.config import LedgerConfig
    from passerelle.runtime.keys import read_seed

    settings = LedgerConfig.load(config)
    print(NoteSigner(network or settings.network, read_seed(settings.log_key_file)).verifier)


def _registry(settings: LedgerConfig) -> Registry:
    from passerelle.core.registry import Registry

    return Registry(settings.network, settings.operator, settings.root_public_key())


@contextmanager
def _progress(what: str) -> Iterator[Progress | None]:
    """A bar on standard error while a person looks on; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, size: bar.update(task, completed=done, total=size)


def _tell(report: Report) -> None:
    print(f"{report.network}: {report.size} entries, root {report.root.hex()}")
    for what, count in report.counts.items():
        print(f"  {count:>12,}  {what}")
    print(f"checked in {report.seconds:.2f} s")
    if report.sound:
        print("sound: every entry, decision, tile, checkpoint and read model is as it must be")
        return
    print(f"{report.fault_count} faults, the first:", file=sys.stderr)
    for fault in report.faults:
        print(f"  {fault.code} at {fault.where}: {fault.what}", file=sys.stderr)
