"""The configuration files of the demo's processes: the same models as anywhere, with this machine's addresses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerelle.demo.folder import DemoFolder
from passerelle.demo.plan import NETWORK, OPERATOR, Member

LOOPBACK: Final = "127.0.0.1"
INFRASTRUCTURE: Final = ("ledger", "query", "portal", "insight")
Table = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of the services that others are told of; everything else takes what the system gives."""

    ledger: int
    log: int
    grpc: int
    portal: int
    insight: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where Kafka and the databases are. ``databases`` by process: URLs that name password files, never passwords."""

    kafka: str
    databases: Mapping[str, str]


def toml(table: Table) -> str:
    """TOML of plain values and one level of tables. JSON strings without control characters are TOML strings."""
    plain = [f"{name} = {json.dumps(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    lines = [*plain]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {_value(item)}" for key, item in value.items())]
    return "\n".join(lines) + "\n"


def _value(item: Any) -> str:
    if isinstance(item, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(value)}" for key, value in item.items()) + " }"
    return json.dumps(item)


def write(path: Path, table: Table) -> None:
    """Write one configuration, whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_text("# Written by passerelle demo at every start.\n" + toml(table), encoding="utf-8")
    scratch.replace(path)


def _common(folder: DemoFolder, places: Places) -> dict[str, Any]:
    return {
        "network": NETWORK,
        "operator": OPERATOR,
        "root_public_key_file": str(folder.service(OPERATOR) / "root.pub"),
        "kafka": {"bootstrap": places.kafka},
        "telemetry": {"log_level": "warning", "health": _server(0)},
    }


def _server(port: int) -> dict[str, Any]:
    return {"host": LOOPBACK, "port": port}


def write_services(folder: DemoFolder, places: Places, ports: Ports, policies: Path) -> None:
    """The configurations of ledger, query, portal and insight."""
    common, databases = _common(folder, places), places.databases
    tables: dict[str, dict[str, Any]] = {
        "ledger": {
            "log_key_file": str(folder.service(OPERATOR) / "log.key"),
            "database": {"url": databases["ledger"]},
            "grpc": _server(ports.ledger),
            "log": _server(ports.log),
        },
        "query": {
            "ledger": f"{LOOPBACK}:{ports.ledger}",
            "policies_folder": str(policies),
            "database": {"url": databases["query"]},
            "grpc": _server(ports.grpc),
        },
        "portal": {
            "query": f"{LOOPBACK}:{ports.grpc}",
            "log_url": f"http://{LOOPBACK}:{ports.log}",
            "database": {"url": databases["portal"]},
            "http": _server(ports.portal),
        },
        "insight": {
            "data_folder": str(folder.service("insight") / "data"),
            "http": _server(ports.insight),
            "publish_every_s": 1.0,
        },
    }
    for name, table in tables.items():
        write(folder.config(name), {**table, **common})


def write_node(folder: DemoFolder, member: Member, places: Places, ports: Ports) -> None:
    """The configuration of one member's node; its keys lie beside it."""
    own = {
        "member": member.id,
        "language": member.language,
        "query": f"{LOOPBACK}:{ports.grpc}",
        "key_file": "signing.key",
        "learner_key_file": "learners.key",
        "record_key_file": "records.key",
        # On a loaded machine a receipt may take long the first time: no flood of repeats.
        "resend_after_s": 30.0,
        "database": {"url": places.databases[member.id], "pool_size": 2},
    }
    write(folder.node(member.id), {**own, **_common(folder, places)})
