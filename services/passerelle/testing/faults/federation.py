"""A federation whose every connection goes through a proxy of its own, and whose every process has a clock of its own.

Two ledgers, active and standing by; the operator's node and those of the members; a portal that follows the feed; one
broker, one database server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from passerelle.embedded.child import tail
from passerelle.embedded.ports import LOOPBACK, free_port
from passerelle.node.main import open_office
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.disk import MEBIBYTE, SmallDisk
from passerelle.testing.faults.launcher import write_offset
from passerelle.testing.faults.network import NETWORK, OPERATOR, Network
from passerelle.testing.faults.offices import retire_twice, write_courses
from passerelle.testing.faults.plan import BROKER, DATABASE, DISK_FULL, LEDGER, PORTAL
from passerelle.testing.faults.proxy import FaultProxy
from passerelle.testing.faults.watch import Watch

LEDGERS: Final = ("ledger", "ledger-2")
PATIENCE_S: Final = 90.0
DISK_BYTES: Final = 1024 * MEBIBYTE
RESEND_AFTER_S: Final = 3.0
MOST_STARTS: Final = 2000
"""Starts of one process in a whole run: each fault may cost some."""
_SETTINGS: Final = {"max_wal_size": "64MB", "min_wal_size": "32MB", "shared_buffers": "64MB"}
"""Of the database: little beside the data, so that a small file system holds it."""


class Wires:
    """The proxies: by (process, server), and by ledger for the gRPC of the nodes."""

    def __init__(self, processes: Sequence[str], seed: int) -> None:
        self.links = {
            (process, server): FaultProxy(0, seed=seed + place)
            for place, (process, server) in enumerate((p, s) for p in processes for s in (BROKER, DATABASE))
        }
        self.grpc = {name: FaultProxy(0, seed=seed) for name in LEDGERS}
        self.broker_ports: dict[int, int] = {}
        """Ports that the broker listens on, each with that of the proxy before it."""

    @property
    def all(self) -> tuple[FaultProxy, ...]:
        """Every proxy."""
        return (*self.links.values(), *self.grpc.values())

    async def start(self) -> None:
        """Listen everywhere; choose the broker's ports."""
        for proxy in self.all:
            await proxy.start()
        for (_, server), proxy in self.links.items():
            if server == BROKER:
                proxy.target = free_port(taken=set(self.broker_ports))
                self.broker_ports[proxy.target] = proxy.port

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(proxy.close() for proxy in self.all))


class Federation(Network):
    """See the module. ``clocks`` are the files that shift each process's clock."""

    def __init__(self, folder: Path, members: Sequence[str], wires: Wires, disk: SmallDisk, mutant: str) -> None:
        super().__init__(folder, links=wires.broker_ports, database_settings=_SETTINGS, most_starts=MOST_STARTS)
        self.members = tuple(members)
        self.wires = wires
        self.disk = disk
        self.portal_dsn = ""
        self._mutant = mutant
        self.clocks: dict[str, Path] = {}
        for name, port in zip(LEDGERS, self.grpc_ports, strict=True):
            wires.grpc[name].target = port

    @property
    def offices(self) -> tuple[str, ...]:
        """Every member that runs a node, the operator first."""
        return (OPERATOR, *self.members)

    def possible(self, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """The faults of these that are possible on this machine."""
        return tuple(pair for pair in pairs if pair[0] != DISK_FULL or not self.disk.refusal)

    def _keep(self, name: str, *argv: str) -> None:
        clock = self.clocks[name] = self.folder / "logs" / f"{name}.clock"
        write_offset(clock, 0)
        program = ("-m", "passerelle.testing.faults.launcher", str(clock), self._mutant)
        self.keeper.start(name, *argv, env=self._env_of(name), program=program)

    def _env_of(self, name: str) -> Mapping[str, str]:
        """Every address that the process is told is that of its own proxy."""
        ledger = name in LEDGERS
        own = {PORTAL: self.portal_dsn, **dict.fromkeys(LEDGERS, self.ledger_dsn)}
        dsn = own[name] if name in own else self.sites[name.removeprefix("node-")].dsn
        port = self.wires.links[name, DATABASE].port
        found = {
            "PASSERELLE_KAFKA__BOOTSTRAP": f"{LOOPBACK}:{self.wires.links[name, BROKER].port}",
            "PASSERELLE_DATABASE__URL": dsn.replace(f":{self.postgres.port}/", f":{port}/", 1),
        }
        if not ledger:
            found["PASSERELLE_QUERY"] = ",".join(f"{LOOPBACK}:{proxy.port}" for proxy in self.wires.grpc.values())
        if name.startswith("node-"):
            found["PASSERELLE_RESEND_AFTER_S"] = str(RESEND_AFTER_S)
        return found

    def proxies(self, process: str, server: str) -> list[FaultProxy]:
        """What stands between a process and a server; for ``ledger`` the gRPC of all nodes to both ledgers."""
        if server == LEDGER:
            return list(self.wires.grpc.values())
        return [self.wires.links[process, server]]

    async def found_all(self) -> None:
        """Servers, databases, keys, first files, processes."""
        await asyncio.gather(self.postgres.start(), self.kafka.start())
        for (_, server), proxy in self.wires.links.items():
            if server == DATABASE:
                proxy.target = self.postgres.port
        await self.make_databases(self.members)
        self.portal_dsn = await self.postgres.create_database(PORTAL)
        self.make_folders(dict.fromkeys(self.members, ("issue", "recognise")))
        await self.found()
        for member in self.members:
            async with open_office(self.sites[member].config()) as office:
                await office.importer().run(write_courses(self.sites[member].folder))
                await retire_twice(office)
        for name in LEDGERS:
            self.start_ledger(name)
        for member in self.offices:
            self.start_node(member)
        self.start_portal()

    def start_portal(self) -> None:
        """Start the portal; it asks the ledgers for what the feed lacks."""
        lines = [
            f"network = {json.dumps(NETWORK)}",
            f"root_public_key_file = {json.dumps(str(self.folder / OPERATOR / 'root.pub'))}",
            f"query = {json.dumps(self.query)}",
            f"[kafka]\nbootstrap = {json.dumps(self.kafka.bootstrap)}",
            f"[database]\nurl = {json.dumps(self.portal_dsn)}",
        ]
        path = self.folder / "portal.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._keep(PORTAL, "portal", "run", "--config", str(path))

    async def active(self, watch: Watch) -> str:
        """The name of the ledger process that holds the lease, as the database says, and serves.

        Raises AssertionError where there is none for long.
        """
        found: list[str] = []

        async def holder_serves() -> bool:
            holder = await watch.value("", "SELECT holder FROM ledger.lease")
            for name in LEDGERS:
                kept = self.keeper.kept[name]
                if kept.addresses() is not None and holder is not None and holder.endswith(f"/{kept.pid}"):
                    found[:] = [name]
            return bool(found)

        if not await wait_for(holder_serves, timeout_s=PATIENCE_S, every_s=0.05):
            raise AssertionError(f"no ledger serves\n{self.tell()}")
        return found[0]

    def tell(self) -> str:
        """How each process is doing, for a failure."""
        return "\n".join(
            f"{name}: running {one.running()}, starts {one.starts}, codes {one.codes[-5:]}\n{tail(one.log, 8)}"
            for name, one in self.keeper.kept.items()
        )


@asynccontextmanager
async def federation(
    folder: Path, members: Sequence[str], *, seed: int = 0, mutant: str = ""
) -> AsyncIterator[tuple[Federation, Watch]]:
    """A running federation in ``folder``, and gauges of it. Everything is stopped at the end.

    ``mutant`` names a fault of the code that every process runs with: for showing that the rounds find it.
    """
    disk = SmallDisk(folder / "postgres", DISK_BYTES)
    wires = Wires([*LEDGERS, *(f"node-{member}" for member in (OPERATOR, *members)), PORTAL], seed)
    async with AsyncExitStack() as stack:
        if disk.mount():
            stack.callback(disk.unmount)
        stack.push_async_callback(wires.close)
        await wires.start()
        network = Federation(folder, members, wires, disk, mutant)
        stack.push_async_callback(network.close)
        await network.found_all()
        dsns = {name: site.dsn for name, site in network.sites.items()}
        watch = Watch({"": network.ledger_dsn, PORTAL: network.portal_dsn, **dsns})
        stack.push_async_callback(watch.close)
        keeping = asyncio.create_task(network.keeper.keep())
        try:
            yield network, watch
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
