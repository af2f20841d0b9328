"""``passerelle feed``: check the public feed against the log that it claims to be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle.cli.common import JsonOption, print_json, run_work

if TYPE_CHECKING:
    from passerelle.ledger.feed_check import FeedReport

app = typer.Typer(help="The public feed.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The feed: every entry of the log once, in index order."""


@app.command()
def verify(
    kafka: Annotated[str, typer.Option("--kafka", help="host:port of a broker.")],
    log: Annotated[str, typer.Option("--log", help="Address of the log over HTTP.")],
    vkey: Annotated[str, typer.Option("--vkey", help="The log's verifier key, or a file that holds it.")],
    as_json: JsonOption = False,
) -> None:
    """Read the whole feed: no index missing, and its entries give the root of the log's latest checkpoint."""
    from passerelle.core.note import VerifierKey
    from passerelle.ledger.feed_check import verify_feed
    from passerelle.runtime.config import KafkaConfig

    text = Path(vkey).read_text(encoding="utf-8").strip() if len(vkey) < 256 and Path(vkey).is_file() else vkey
    key = VerifierKey.parse(text)
    report = run_work(verify_feed(KafkaConfig(bootstrap=kafka), log, key))
    if as_json:
        print_json(report.as_dict())
    else:
        _tell(report)
    raise typer.Exit(0 if report.sound else 1)


def _tell(report: FeedReport) -> None:
    print(f"feed: {report.records} records, indices 0 to {report.entries - 1}, {report.repeats} repeats")
    print(f"checkpoint: {report.size} entries, root {report.root.hex()}")
    if report.sound:
        print("sound: nothing is missing, and the entries give the checkpoint's root")
        return
    for fault in report.faults:
        print(f"  {fault}", file=sys.stderr)
