"""A whole network over servers of its own: operator, ledger, members' nodes, each a process with its own database."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerelle.core.catalogue import BY_NAME
from passerelle.core.note import VerifierKey
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres, free_port
from passerelle.ledger.config import LedgerConfig
from passerelle.node.config import NodeConfig
from passerelle.node.main import open_office
from passerelle.node.plan import NewEvent
from passerelle.node.setup import NewNode, Operator, create_node, create_operator
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import read_public_key
from passerelle.runtime.ids import SystemIds
from passerelle.runtime.process import wait_for
from passerelle.testing.faults import launcher
from passerelle.testing.faults.keeper import MOST_STARTS, Keeper

NETWORK = "e2e.test.example/1"
OPERATOR = "operator"
PATIENCE_S = 60.0
COMMAND_S = 120.0
_ONE_COMMAND = threading.Lock()
_SERVERS = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")
_EMBEDDED = {name: value for name, value in os.environ.items() if name not in _SERVERS}
"""The environment without servers of others: those that a test kills are its own."""


@dataclass(frozen=True)
class Ran:
    """What a command of the command line said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Site:
    """One member's node: where its files and its database are."""

    member: str
    folder: Path
    dsn: str

    @property
    def toml(self) -> Path:
        """Its configuration."""
        return self.folder / "node.toml"

    def config(self) -> NodeConfig:
        """Its configuration, read."""
        return NodeConfig.load(self.toml)


class Network:
    """Broker, database, and the processes over them. ``env`` is added to that of every process."""

    def __init__(
        self,
        folder: Path,
        env: Mapping[str, str] | None = None,
        *,
        with_query: bool = False,
        links: Mapping[int, int] | None = None,
        database_settings: Mapping[str, str] | None = None,
        most_starts: int = MOST_STARTS,
    ) -> None:
        """``links``: see :class:`EmbeddedKafka`; ``database_settings`` are added to the server's."""
        self.folder = folder
        self.kafka = EmbeddedKafka(folder / "kafka", environ=_EMBEDDED, links=links)
        self.postgres = EmbeddedPostgres(folder / "postgres", environ=_EMBEDDED, settings=database_settings)
        self.keeper = Keeper(folder / "logs", most_starts=most_starts)
        self.sites: dict[str, Site] = {}
        self.env = dict(env or {})
        self.ledger_dsn = ""
        self._ids = SystemIds(SystemClock())
        self._grpc = free_port()
        self._standby = free_port(taken={self._grpc})
        self.grpc_ports = (self._grpc, self._standby)
        self._query = free_port(taken={self._grpc, self._standby}) if with_query else None
        self._operator: Operator | None = None

    @property
    def query(self) -> str:
        """Where nodes ask: the query service, or LedgerService in whichever ledger is active where there is none."""
        return f"127.0.0.1:{self._query}" if self._query else f"127.0.0.1:{self._grpc},127.0.0.1:{self._standby}"

    @property
    def operator(self) -> Operator:
        """What founding the network made."""
        assert self._operator is not None
        return self._operator

    @property
    def root_key(self) -> bytes:
        """The network's root public key."""
        return read_public_key(self.folder / OPERATOR / "root.pub")

    @property
    def vkey(self) -> VerifierKey:
        """The log's verifier key."""
        return VerifierKey.parse(self.operator.log_vkey)

    # Making it

    async def make_databases(self, members: Sequence[str]) -> None:
        """Databases of the ledger and of the nodes; a DSN goes into files, so the servers keep their ports."""
        self.ledger_dsn = await self.postgres.create_database("ledger")
        for member in (OPERATOR, *members):
            dsn = await self.postgres.create_database(f"node_{member.replace('-', '_')}")
            self.sites[member] = Site(member, self.folder / member, dsn)

    def make_folders(self, members: Mapping[str, Sequence[str]]) -> None:
        """Folders of operator and members, by id with roles: keys and configurations, as ``node init`` makes them."""
        self._operator = create_operator(self.sites[OPERATOR].folder, self._new(OPERATOR, ["operate"]), self._ids)
        for member, roles in members.items():
            root = self.folder / OPERATOR / "root.pub"
            create_node(self.sites[member].folder, self._new(member, roles), root, self._ids)
        self._ledger_toml("ledger", self._grpc)

    def _new(self, member: str, roles: Sequence[str]) -> NewNode:
        return NewNode(
            member=member,
            kind=OPERATOR if member == OPERATOR else "university",
            names={"en": member.title()},
            jurisdictions=["CA"] if member == OPERATOR else ["CA-ON"],
            roles=list(roles),
            network=NETWORK,
            database=self.sites[member].dsn,
            kafka=self.kafka.bootstrap,
            query=self.query,
            sample=True,
        )

    def _ledger_toml(self, name: str, grpc: int) -> Path:
        operator = self.folder / OPERATOR
        lines = [
            f"network = {json.dumps(NETWORK)}",
            f"root_public_key_file = {json.dumps(str(operator / 'root.pub'))}",
            f"log_key_file = {json.dumps(str(operator / 'log.key'))}",
            # Small batches: more points at which a fault can come.
            "batch_max = 500",
            "lease_s = 2",
            f"[kafka]\nbootstrap = {json.dumps(self.kafka.bootstrap)}",
            f"[database]\nurl = {json.dumps(self.ledger_dsn)}",
            f'[grpc]\nhost = "127.0.0.1"\nport = {grpc}',
            '[telemetry]\nlog_level = "info"',
        ]
        path = self.folder / f"{name}.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    async def found(self) -> None:
        """The operator's own admission, signed by the root key, into its outbox; then those of the members."""
        made = self.operator
        async with open_office(self.sites[OPERATOR].config()) as office:
            draft = office.author.draft(NewEvent(BY_NAME["member.admitted"], OPERATOR, made.admission))
            await office.store.add_drafts([draft], office.clock.now_ms())
            await office.store.release_ready(made.root, network=NETWORK, member=OPERATOR, now_ms=office.clock.now_ms())
            admissions = [
                NewEvent(BY_NAME["member.admitted"], member, json.loads((site.folder / "admission.json").read_bytes()))
                for member, site in self.sites.items()
                if member != OPERATOR
            ]
            await office.publish(admissions)

    # Running it

    def start_ledger(self, name: str = "ledger") -> None:
        """Start a ledger process; a second one stands by."""
        toml = self.folder / f"{name}.toml"
        if not toml.exists():
            self._ledger_toml(name, self._standby)
        self._keep(name, "ledger", "run", "--config", str(toml))

    def start_node(self, member: str) -> None:
        """Start a member's node."""
        toml = self.sites[member].toml
        self._keep(f"node-{member}", "node", "run", "--config", str(toml))

    def start_query(self) -> None:
        """Start the query service."""
        operator = self.folder / OPERATOR
        lines = [
            f"network = {json.dumps(NETWORK)}",
            f"root_public_key_file = {json.dumps(str(operator / 'root.pub'))}",
            f'ledger = "127.0.0.1:{self._grpc}"',
            f"[kafka]\nbootstrap = {json.dumps(self.kafka.bootstrap)}",
            f"[database]\nurl = {json.dumps(self.ledger_dsn)}",
            f'[grpc]\nhost = "127.0.0.1"\nport = {self._query}',
        ]
        path = self.folder / "query.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._keep("query", "query", "run", "--config", str(path))

    def _keep(self, name: str, *argv: str) -> None:
        self.keeper.start(name, *argv, env=self.env)

    def log_url(self) -> str | None:
        """The log over HTTP at the ledger that is active; None while none is."""
        for name, kept in self.keeper.kept.items():
            if name.startswith("ledger") and (addresses := kept.addresses()) is not None:
                return str(addresses["log"])
        return None

    def ledger_config(self) -> LedgerConfig:
        """The ledger's configuration, read."""
        return LedgerConfig.load(self.folder / "ledger.toml")

    async def until_shown(self, members: Sequence[str]) -> None:
        """Wait until each member's relay was told by the registry that its key is known."""

        async def shown() -> bool:
            for member in members:
                async with open_office(self.sites[member].config()) as office:
                    if await office.store.own_record(member) is None:
                        return False
            return True

        if not await wait_for(shown, timeout_s=PATIENCE_S, every_s=0.2):
            raise AssertionError("the registry does not show the members")

    async def run(self, *argv: str, config: Path | None = None) -> Ran:
        """Run ``passerelle ...`` as a process to its end; its output also goes to the log folder."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "passerelle",
            *_words(argv, config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self.env},
        )
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_S)
        assert process.returncode is not None
        return self._noted(argv, Ran(process.returncode, out.decode(), err.decode()))

    async def command(self, *argv: str, config: Path | None = None) -> Ran:
        """The same command line inside this process: importing everything anew for each command would take long."""
        return self._noted(argv, await asyncio.to_thread(_run_here, _words(argv, config)))

    def _noted(self, argv: Sequence[str], ran: Ran) -> Ran:
        with (self.folder / "logs" / "commands.log").open("a", encoding="utf-8") as file:
            # Without the arguments: what an office types is its own, what the program says is looked at.
            file.write(f"$ {' '.join(argv[:2])}\n{ran.out}{ran.err}")
        return ran

    async def close(self) -> None:
        """Stop everything."""
        await self.keeper.stop()
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())


def _words(argv: Sequence[str], config: Path | None) -> list[str]:
    return [*argv, *(("--config", str(config)) if config is not None else ())]


def _run_here(words: Sequence[str]) -> Ran:
    """Run the command line in a thread: one at a time, because its output is the whole process's."""
    out, err = io.StringIO(), io.StringIO()
    with _ONE_COMMAND, redirect_stdout(out), redirect_stderr(err):
        before, sys.argv = sys.argv, ["passerelle", *words]
        try:
            launcher.run()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.argv = before
    return Ran(code, out.getvalue(), err.getvalue())
