"""``passerelle node doctor``: what is wrong with this node, and how to mend it."""

from __future__ import annotations

import typer

from passerelle.cli import node_show
from passerelle.cli.common import ConfigOption, JsonOption, print_json, run_work


def doctor(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Check keys, database, Kafka, query service, registry, clock, disk room. Exit code 1 where something is wrong."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.doctor import examine
    from passerelle.runtime.clock import SystemClock

    findings = run_work(examine(NodeConfig.load(config), SystemClock()))
    if as_json:
        print_json([finding.as_dict() for finding in findings])
    else:
        node_show.rows([finding.as_dict() for finding in findings], ("check", "ok", "code", "what", "fix"))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
