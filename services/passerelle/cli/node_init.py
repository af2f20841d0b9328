"""``passerelle node init``: a new node's folder, from options or by questions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer


def init(
    member: Annotated[str, typer.Option("--member", help="The member id, for example humber.")] = "",
    kind: Annotated[str, typer.Option("--kind", help="What the organisation is, for example college.")] = "",
    name: Annotated[list[str] | None, typer.Option("--name", help="en='Humber College'; once a language.")] = None,
    jurisdiction: Annotated[
        list[str] | None, typer.Option("--jurisdiction", help="CA-ON and the like; may come again.")
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option("--role", help="issue, recognise, articulate, endorse, read.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--folder", help="The new folder of the node.")] = None,
    database: Annotated[str, typer.Option("--database", help="URL of the node's own PostgreSQL database.")] = "",
    kafka: Annotated[str, typer.Option("--kafka", help="Brokers: host:port,host:port.")] = "",
    query: Annotated[str, typer.Option("--query", help="The query service: host:port.")] = "",
    root_key: Annotated[
        Path | None, typer.Option("--root-key", help="The network's root public key, 64 hex digits.")
    ] = None,
    network: Annotated[str, typer.Option("--network", help="The log's origin.")] = "",
    operator: Annotated[str, typer.Option("--operator")] = "operator",
    password_file: Annotated[str, typer.Option("--database-password-file", help="File with the password.")] = "",
    health_port: Annotated[int, typer.Option("--health-port")] = 0,
    sample: Annotated[bool, typer.Option("--sample", help="Mark the member as sample data.")] = False,
) -> None:
    """Make a node's folder: keys, one commented configuration, and admission.json for the operator.

    What is not given is asked for, where somebody sits at a terminal.
    """
    from passerelle.events.member import MemberKind, Role
    from passerelle.node.questions import complete
    from passerelle.node.setup import NewNode, create_node, known, parse_names
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds

    given: dict[str, Any] = {
        "member": member, "kind": kind, "name": name, "jurisdiction": jurisdiction, "role": role, "folder": folder,
        "database": database, "kafka": kafka, "query": query, "root_key": root_key, "network": network,
    }  # fmt: skip
    found = complete(given, _prompt if sys.stdin.isatty() else None, lambda text: typer.echo(text, err=True))
    known(found["kind"], get_args(MemberKind), "--kind")
    for one in found["role"]:
        known(one, get_args(Role), "--role")
    node = NewNode(
        found["member"], found["kind"], parse_names(found["name"]), found["jurisdiction"], found["role"],
        found["network"], found["database"], found["kafka"], found["query"], operator, password_file, health_port,
        sample,
    )  # fmt: skip
    made = Path(found["folder"])
    create_node(made, node, Path(found["root_key"]), SystemIds(SystemClock()))
    print(f"{made / 'node.toml'}: the node's configuration. Keep the *.key files secret, and a copy in a safe place.")
    print(f"{made / 'admission.json'}: send this to the operator, who admits the member with it.")


def _prompt(text: str, default: str) -> str:
    answer: str = typer.prompt(text, default=default, show_default=bool(default), err=True)
    return answer
