"""The whole network on this machine: Kafka, PostgreSQL, operator, ledger, query, portal, insight, and every node."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import PasserelleError
from passerelle.demo import configs
from passerelle.demo.configs import LOOPBACK, Places, Ports
from passerelle.demo.folder import DemoFolder
from passerelle.demo.plan import NETWORK, OPERATOR, Member
from passerelle.demo.postgres import prepare_reader
from passerelle.demo.processes import Processes
from passerelle.embedded import EmbeddedKafka, EmbeddedPostgres
from passerelle.embedded.child import tail
from passerelle.embedded.ports import free_port
from passerelle.runtime.keys import read_seed

PREFERRED: Final = {"grpc": 7443, "log": 7480, "portal": 8080, "insight": 8081, "ledger": 7442}
PREFERRED_KAFKA: Final = 9092
PREFERRED_POSTGRES: Final = 54320
WATCH_SECONDS: Final = 0.5
QUICK_JAVA: Final = ("-XX:TieredStopAtLevel=1",)
"""The quick compiler only: a broker that lives for a minute does not earn back the time of the thorough one."""
_GIVEN: Final = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS")
"""Servers of others, which the demo leaves alone: it fills and empties its own."""
Progress = Callable[[str, int, int], None]
Stage = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where people find what runs."""

    kafka: str
    postgres: str
    grpc: str
    portal: str
    log: str

    def as_dict(self) -> dict[str, str]:
        """JSON-able, in this order."""
        return {name: getattr(self, name) for name in ("kafka", "postgres", "grpc", "portal", "log")}


class Network:
    """Starts and stops all of it. Use it from the main thread (children die with the thread that starts them)."""

    def __init__(
        self, folder: DemoFolder, members: Sequence[Member], policies: Path, *, stage: Stage, progress: Progress
    ) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in _GIVEN}
        self._folder = folder
        self._members = members
        self._policies = policies
        self._stage = stage
        self.postgres = EmbeddedPostgres(folder.root / "postgres", PREFERRED_POSTGRES, environ=environ)
        self.kafka = EmbeddedKafka(
            folder.root / "kafka", PREFERRED_KAFKA, environ=environ, progress=progress, java_options=QUICK_JAVA
        )
        self.processes = Processes(folder.root / "logs")
        self.addresses: Addresses | None = None

    async def start(self) -> Addresses:
        """Start everything; what an earlier run made is used again. Raises PasserelleError."""
        self._stage("Kafka, PostgreSQL, keys")
        ports = _choose_ports()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.kafka.start())
            made = group.create_task(self._make(ports))
        places = Places(self.kafka.bootstrap, made.result())
        configs.write_services(self._folder, places, ports, self._policies)
        for member in self._members:
            configs.write_node(self._folder, member, places, ports)
        self._stage("the ledger")
        await self._start("ledger")
        self._stage(f"queries, portal, insight, {len(self._members)} nodes")
        await self._start("query", "portal", "insight", *(member.id for member in self._members))
        self.addresses = Addresses(
            kafka=self.kafka.bootstrap,
            postgres=f"{LOOPBACK}:{self.postgres.port}",
            grpc=f"{LOOPBACK}:{ports.grpc}",
            portal=f"http://{LOOPBACK}:{ports.portal}/",
            log=f"http://{LOOPBACK}:{ports.log}/checkpoint",
        )
        return self.addresses

    async def stop(self) -> None:
        """Stop what was started, last first, and nothing else. Twice is allowed."""
        await self.processes.close()
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    async def watch(self) -> None:
        """Wait until something that must run ends by itself, then raise its error. Cancel it to stop watching."""
        watching = asyncio.ensure_future(self.processes.watch())
        try:
            while not watching.done():
                for name, server in (("PostgreSQL", self.postgres), ("Kafka", self.kafka)):
                    if server.pid is None:
                        what = f"{name} ended by itself.\n{tail(server.log)}\n"
                        raise PasserelleError("child-failed", what, where=str(server.log))
                await asyncio.wait([watching], timeout=WATCH_SECONDS)
            watching.result()
        finally:
            watching.cancel()

    def seeds(self) -> dict[str, bytes]:
        """The members' signing seeds: the demo asks for each of them, as its office would."""
        return {member.id: read_seed(self._folder.service(member.id) / "signing.key") for member in self._members}

    async def _make(self, ports: Ports) -> dict[str, str]:
        """Everything that needs no broker: databases (their addresses by process), the operator's and all keys."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.processes.open())
            databases = group.create_task(self._databases())
        # The broker's address is not known yet; the configurations are written again with it at every start.
        places = Places(f"{LOOPBACK}:{PREFERRED_KAFKA}", databases.result())
        await self._operator(places, ports)
        await asyncio.gather(*(self._node(member, places, ports) for member in self._members))
        return databases.result()

    async def _databases(self) -> dict[str, str]:
        """Start PostgreSQL and make each process its own database; addresses by process."""
        await self.postgres.start()
        found = {name: await self.postgres.create_database(name, owner=name) for name in ("ledger", "portal")}
        for member in self._members:
            found[member.id] = await self.postgres.create_database(_database(member.id), owner=_database(member.id))
        await self.postgres.create_role("query")
        await prepare_reader(self.postgres.dsn("postgres"), "query")
        found["query"] = self.postgres.dsn("ledger", "query")
        return found

    async def _operator(self, places: Places, ports: Ports) -> None:
        """Make the network's keys and the operator's own admission, once."""
        if self._folder.done("operator"):
            return
        place = self._folder.service(OPERATOR)
        if self._folder.begin("operator"):
            # Cut short in the middle: neither these keys nor what they signed was ever used.
            shutil.rmtree(place)
            await self.postgres.drop_database(_database(OPERATOR))
            await self.postgres.create_database(_database(OPERATOR), owner=_database(OPERATOR))
        member = next(one for one in self._members if one.id == OPERATOR)
        await self.processes.run(
            *("operator", "init", "--folder", str(place), "--network", NETWORK),
            *_admission_options(member, ("--jurisdiction",)),
            *_address_options(places, ports, OPERATOR),
        )
        self._folder.end("operator")

    async def _node(self, member: Member, places: Places, ports: Ports) -> None:
        """Make the keys and the admission of a member's node, once."""
        step, place = f"node:{member.id}", self._folder.service(member.id)
        if member.id == OPERATOR or self._folder.done(step):
            return
        if self._folder.begin(step):
            shutil.rmtree(place)
        await self.processes.run(
            *("node", "init", "--member", member.id, "--folder", str(place), "--network", NETWORK),
            *("--kind", member.admission["kind"], "--root-key", str(self._root_key)),
            *_admission_options(member, ("--jurisdiction", "--role")),
            *_address_options(places, ports, member.id),
        )
        _complete_admission(place / "admission.json", member)
        self._folder.end(step)

    @property
    def _root_key(self) -> Path:
        return self._folder.service(OPERATOR) / "root.pub"

    async def _start(self, *names: str) -> list[dict[str, Any]]:
        wave = []
        for name in names:
            service = name in configs.INFRASTRUCTURE
            config = self._folder.config(name) if service else self._folder.node(name)
            argv = (name if service else "node", "run", "--config", str(config))
            wave.append((name, argv, self._folder.ready(name)))
        return await self.processes.start_all(wave)


def _database(member: str) -> str:
    return f"node_{member.replace('-', '_')}"


def _choose_ports() -> Ports:
    """The preferred ports, or the next free ones above them."""
    taken: set[int] = set()
    chosen: dict[str, int] = {}
    for name, preferred in PREFERRED.items():
        chosen[name] = free_port(preferred, taken=taken)
        taken.add(chosen[name])
    return Ports(**chosen)


def _admission_options(member: Member, names: Sequence[str]) -> list[str]:
    """What the sample says of a member, as options of ``node init`` and ``operator init``."""
    facts = member.admission
    options = [item for language, name in facts["names"].items() for item in ("--name", f"{language}={name}")]
    values = {"--jurisdiction": facts["jurisdictions"], "--role": facts["roles"]}
    options += [item for option in names for value in values[option] for item in (option, value)]
    return [*options, *(["--sample"] if facts.get("sample") else [])]


def _address_options(places: Places, ports: Ports, member: str) -> list[str]:
    return [
        *("--database", places.databases[member], "--kafka", places.kafka),
        *("--query", f"{LOOPBACK}:{ports.grpc}"),
    ]


def _complete_admission(path: Path, member: Member) -> None:
    """Add what ``node init`` does not ask for (the authority to grant) to the admission that the node wrote."""
    written = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**member.admission, **written}, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
