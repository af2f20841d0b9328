"""``passerelle ledger``: run the ledger, check it, rebuild its read models, show its verifier key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle.cli.common import ConfigOption, JsonOption, ReadyOption, print_json, run_work

if TYPE_CHECKING:
    from passerelle.core.registry import Registry
    from passerelle.ledger.archive import Manifest
    from passerelle.ledger.check_run import Progress, Report
    from passerelle.ledger.config import LedgerConfig

app = typer.Typer(help="The ledger.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The ledger: one process decides, numbers and logs every event of the network."""


@app.command()
def run(
    config: ConfigOption,
    ready_file: ReadyOption = None,
    accept_missing_bodies: Annotated[
        bool,
        typer.Option(
            help="Give bodies up that a refill from the feed lacks: their entries stay, what they changed is lost."
        ),
    ] = False,
) -> None:
    """Run the ledger; where another is active, stand by and take over when its lease ends."""
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.main import build
    from passerelle.runtime.process import run_process

    settings = LedgerConfig.load(config)
    if accept_missing_bodies:
        settings = settings.model_copy(update={"accept_missing_bodies": True})
    raise typer.Exit(
        run_process(lambda: build(settings), ready_file=ready_file, loop_blocked_s=settings.loop_blocked_s)
    )


@app.command()
def check(
    config: ConfigOption,
    vkey: Annotated[
        list[str] | None,
        typer.Option("--vkey", help="The log's verifier key; without it the one that the operator's admission lists."),
    ] = None,
    any_wording: Annotated[
        bool, typer.Option("--any-wording", help="Texts of old refusals may be those of another release.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Verify everything again from the entries, and all that is derived from them. Exit code 1 on a fault."""
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
                registry = _registry(settings)
                return await run_check(store, registry, keys, SystemClock(), progress, any_wording=any_wording)

    report = run_work(work())
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
    from passerelle.runtime.clock import SystemClock

    settings = LedgerConfig.load(config)

    clock = SystemClock()
    started = clock.monotonic()

    async def work() -> tuple[int, dict[str, int]]:
        async with open_rebuild(settings.database) as store:
            with _progress("rebuilding") as progress:
                replay = await replay_all(store, _registry(settings), progress)
            return replay.size, await store.replace(replay)

    size, rows = run_work(work())
    seconds = clock.monotonic() - started
    if as_json:
        print_json({"size": size, "rows": rows, "seconds": round(seconds, 3)})
    else:
        print(f"rebuilt from {size} entries: " + ", ".join(f"{table} {count}" for table, count in rows.items()))
        print(f"in {seconds:.2f} s, {size / seconds:,.0f} entries/s")


ArchiveArgument = Annotated[Path, typer.Argument(help="The archive: one tar file.", dir_okay=False)]


@app.command("export")
def export_log(
    config: ConfigOption,
    archive: ArchiveArgument,
    with_party_bodies: Annotated[
        bool, typer.Option(help="Also what is about learners: keep the file as you keep the database.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the log up to its latest checkpoint into one new file. It may run beside an active ledger."""
    from passerelle.ledger.archive_run import export_archive
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.postgres.archive import open_export

    settings = LedgerConfig.load(config)

    async def work() -> Manifest:
        async with open_export(settings.database) as store:
            with _progress("exporting") as progress:
                return await export_archive(store, archive, private=with_party_bodies, progress=progress)

    if with_party_bodies:
        print("warning: the archive holds bodies about learners; guard and delete it as a backup", file=sys.stderr)
    found = run_work(work())
    if as_json:
        print_json({"size": found.size, "root": found.root, "private": found.private})
    else:
        print(f"exported {found.size} entries, root {found.root}")


@app.command("import")
def import_log(
    config: ConfigOption,
    archive: ArchiveArgument,
    verify: Annotated[bool, typer.Option("--verify", help="Only read and verify; no database is needed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Load an archive into an empty database, once everything in it was verified. No ledger may be active."""
    from passerelle.core.note import NoteSigner
    from passerelle.ledger.archive_run import import_archive, verify_archive
    from passerelle.ledger.config import LedgerConfig
    from passerelle.ledger.postgres import MIGRATIONS
    from passerelle.ledger.postgres.archive import open_import
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.keys import read_seed
    from passerelle.runtime.postgres import connect, migrate

    settings = LedgerConfig.load(config)
    keys = [NoteSigner(settings.network, read_seed(settings.log_key_file)).verifier]

    async def work() -> tuple[int, str]:
        with _progress("verifying" if verify else "importing") as progress:
            if verify:
                found = await verify_archive(archive, settings.network, keys, progress)
                return found.size, found.root
            pool = await connect(settings.database, name="passerelle-ledger-import")
            await migrate(pool, MIGRATIONS)
            await pool.close()
            async with open_import(settings.database) as store:
                registries = _registry(settings), _registry(settings)
                report = await import_archive(store, archive, registries, keys, SystemClock(), progress)
            return report.size, report.root.hex()

    size, root = run_work(work())
    if as_json:
        print_json({"size": size, "root": root, "imported": not verify})
    else:
        print(f"{'verified' if verify else 'imported'} {size} entries, root {root}")


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
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Entries a second, as soon as it is known."""

        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:,.0f} entries/s")

    with Bar(*Bar.get_default_columns(), Rate(), console=Console(stderr=True), transient=True) as bar:
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
