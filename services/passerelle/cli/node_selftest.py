"""``passerelle node selftest``: proof, in a sandbox, that this installation does what a member's node must do."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle.cli import node_show
from passerelle.cli.common import JsonOption, print_json, run_work

if TYPE_CHECKING:
    from passerelle.embedded.child import Child
    from passerelle.node.selftest_report import Step
    from passerelle.testing.faults.network import Network

START_S = 120.0
_ROLES = ("issue", "recognise")


class ChildNode:
    """See :class:`passerelle.node.selftest.NodeProcess`: ``passerelle node run`` as a child of this process."""

    def __init__(self, config: Path, folder: Path) -> None:
        self._config = config
        self._log = folder / "node.log"
        self._ready = folder / "node.ready.json"
        self._child: Child | None = None

    async def start(self) -> None:
        from passerelle.embedded.child import Child

        self._ready.unlink(missing_ok=True)
        argv = ("-m", "passerelle", "node", "run", "--config", str(self._config), "--ready-file", str(self._ready))
        self._child = Child("node", (sys.executable, *argv), self._log)
        await self._child.wait_ready(self._serves, START_S)

    async def kill(self) -> None:
        if self._child is not None:
            await self._child.kill()
            self._child = None

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop()
            self._child = None

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    async def _serves(self) -> bool:
        return self._ready.exists()


def selftest(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", envvar="PASSERELLE_CONFIG", help="The node's configuration for the sandbox."),
    ] = None,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="In a sandbox of its own on this machine, with keys made for it.")
    ] = False,
    member: Annotated[str, typer.Option("--member", help="With --embedded and no --config: the member id.")] = "",
    wait: Annotated[
        float, typer.Option("--wait", min=1, max=3600, help="Seconds to wait for each of the ledger's answers.")
    ] = 60.0,
    out: Annotated[Path | None, typer.Option("--out", help="The report; default: MEMBER.selftest.jws here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Publish invented records in a sandbox, check every step, and write a signed report for the operator.

    The node must not run meanwhile: the selftest starts it, kills it, starts it again. Exit code 1 where a step failed.
    """
    from passerelle.core.errors import FormatError
    from passerelle.node.config import NodeConfig

    if config is None and not (embedded and member):
        fix = "Name the node's configuration with --config, or give --embedded and --member."
        raise FormatError("argument-missing", "no configuration is named", where="--config", fix=fix)
    if embedded or config is None:
        name = NodeConfig.load(config).member if config is not None and not member else member
        content, report = run_work(_in_sandbox(name, wait))
    else:
        content, report = run_work(_run(config, wait))
    path = out or Path(f"{content['member']}.selftest.jws")
    path.write_bytes(report)
    if as_json:
        print_json({**{key: value for key, value in content.items() if key != "entries"}, "file": str(path)})
    else:
        node_show.rows(content["steps"], ("name", "state", "ms", "code", "what", "fix"))
        print(
            f"{'Passed' if content['passed'] else 'FAILED'}: {content['network']}, {len(content['entries'])} entries."
        )
        print(f"{path}: the signed report{'; send it to the operator' if content['passed'] and not embedded else ''}.")
    if not content["passed"]:
        raise typer.Exit(1)


def _tell(step: Step) -> None:
    typer.echo(f"{step.state:8} {step.name} ({step.ms} ms)", err=True)


async def _run(config: Path, wait_s: float) -> tuple[dict[str, Any], bytes]:
    """One run on a node's configuration: the report's content and its bytes."""
    from passerelle.node.config import NodeConfig
    from passerelle.node.main import open_office
    from passerelle.node.selftest import Selftest
    from passerelle.node.selftest_report import sign_report

    with tempfile.TemporaryDirectory(prefix="passerelle-selftest-") as place:
        folder = Path(place)
        async with open_office(NodeConfig.load(config)) as office:
            process = ChildNode(config, folder)
            content = await Selftest(office, process, folder, wait_s=wait_s, told=_tell).run()
            return content, sign_report(office.signer, content)


async def _in_sandbox(member: str, wait_s: float) -> tuple[dict[str, Any], bytes]:
    with tempfile.TemporaryDirectory(prefix="passerelle-sandbox-") as place:
        async with _sandbox(member, Path(place)) as config:
            return await _run(config, wait_s)


@asynccontextmanager
async def _sandbox(member: str, folder: Path) -> AsyncIterator[Path]:
    """An operator and this member, of whom only the operator's node runs; the member's configuration."""
    from passerelle.core.statement import check_member_id
    from passerelle.testing.faults.network import OPERATOR, Network

    network = Network(folder, {"PASSERELLE_TELEMETRY__LOG_LEVEL": "warning"})
    check_member_id(member)
    typer.echo("starting a sandbox: Kafka, PostgreSQL, the ledger and an operator", err=True)
    try:
        await asyncio.gather(network.kafka.start(), network.postgres.start())
        await network.make_databases([member])
        network.make_folders({member: _ROLES})
        _make_witness(network, member)
        await network.found()
        network.start_ledger()
        network.start_node(OPERATOR)
        await network.keeper.until_ready("ledger")
        toml = network.sites[member].toml
        with toml.open("a", encoding="utf-8") as file:
            file.write(f'\n[witness]\nkey_file = "witness.key"\nlog_url = "{network.log_url()}"\n')
        yield toml
    finally:
        await network.close()


def _make_witness(network: Network, member: str) -> None:
    """A witness's key beside the member's others, and in what the operator admits it with."""
    import orjson

    from passerelle.node.setup import ADMISSION, create_witness_key, public_key_entry
    from passerelle.runtime.clock import SystemClock
    from passerelle.runtime.ids import SystemIds
    from passerelle.testing.faults.network import NETWORK

    folder = network.sites[member].folder
    create_witness_key(folder, NETWORK, member, SystemIds(SystemClock()))
    admission = orjson.loads((folder / ADMISSION).read_bytes())
    admission["keys"].append(public_key_entry(folder / "witness.pub", "witness"))
    (folder / ADMISSION).write_bytes(orjson.dumps(admission))
