"""kill -9 of every kind of process at drawn points while 20,000 events flow, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import orjson
import pytest
from tests.e2e.support.network import NETWORK, OPERATOR, Network
from tests.e2e.support.offices import ALWAYS, Registrar, retire_twice, write_awards, write_courses, write_rules
from tests.e2e.support.watch import Watch

from passerelle.core.catalogue import BY_NAME
from passerelle.core.statement import digest
from passerelle.embedded.child import tail
from passerelle.events.topics import inbox_topic
from passerelle.node.main import open_office
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.process import wait_for
from passerelle.testing.audit import Audit, audit_checkpoints, audit_feed, audit_log, read_topic
from passerelle.testing.faults import COMMITTED, PROMISED, Fault, Gauge, choose_seed, draw_faults

MEMBERS = ("humber", "york", "laval")
AWARDS, RULES, FILES = 6400, 270, 4
MEMBER_SIZE = ALWAYS + AWARDS + RULES
LOG_SIZE = len(MEMBERS) * MEMBER_SIZE + len(MEMBERS) + 1
FLOW_S = 240.0
LEDGERS = ("ledger", "ledger-2")
KINDS = (
    ("kill", "ledger"),
    ("kill", "relay"),
    ("kill", "broker"),
    ("kill", "database"),
    ("kill", "ledger"),
    ("freeze", "ledger"),
)


Started = tuple[Network, Watch, "asyncio.Future[Any]", "asyncio.Task[None]"]


@dataclass
class Run:
    """One run: the network, what was drawn, and what was seen on the way."""

    network: Network
    watch: Watch
    faults: list[Fault]
    say: Callable[[str], None]
    shown: dict[int, bytes] = field(default_factory=dict)
    """Checkpoints seen over HTTP while everything fell and rose."""
    forks: list[str] = field(default_factory=list)

    async def collect(self) -> None:
        """Read the log's checkpoint again and again, from whichever ledger is active."""
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while True:
                await wait_for(lambda: self._look(client), timeout_s=0.2, every_s=0.2)

    async def _look(self, client: httpx.AsyncClient) -> bool:
        url = self.network.log_url()
        if url is None:
            return False
        with suppress(httpx.HTTPError):
            response = await client.get(f"{url}/checkpoint")
            if response.status_code == 200:
                size = int(response.content.split(b"\n")[1])
                root = response.content.split(b"\n")[2]
                held = self.shown.setdefault(size, response.content)
                if held.split(b"\n")[2] != root:
                    self.forks.append(f"two roots were shown for size {size}")
        return False

    def tell(self) -> str:
        """How each process is doing, for a failure."""
        lines = []
        for name, one in self.network.keeper.kept.items():
            lines.append(f"{name}: running {one.running()}, starts {one.starts}, codes {one.codes}\n{tail(one.log, 6)}")
        return "\n".join(lines)

    async def active(self) -> str:
        """The name of the ledger process that holds the lease, as the database says, and serves."""
        found: list[str] = []

        async def holder_serves() -> bool:
            holder = await self.watch.value("", "SELECT holder FROM ledger.lease")
            for name in LEDGERS:
                kept = self.network.keeper.kept[name]
                if kept.addresses() is not None and holder is not None and holder.endswith(f"/{kept.pid}"):
                    found[:] = [name]
            return bool(found)

        assert await wait_for(holder_serves, timeout_s=FLOW_S, every_s=0.02), f"no ledger serves\n{self.tell()}"
        return found[0]

    async def inject(self, fault: Fault) -> None:
        """Let one fault happen, and bring back what does not come back by itself."""
        network, target = self.network, fault.target
        if target == "broker":
            await network.kafka.kill()
            await network.kafka.start()
        elif target == "database":
            await network.postgres.kill()
            await network.postgres.start()
        elif target == "relay":
            await network.keeper.kill(f"node-{fault.gauge.member or MEMBERS[fault.at % len(MEMBERS)]}")
        elif fault.kind == "freeze":
            await self._freeze()
        else:
            await network.keeper.kill(await self.active())

    async def _freeze(self) -> None:
        """The active ledger hangs until another has taken over and gone on; then it wakes up in the past."""
        name = await self.active()
        before = await self.watch.value("", "SELECT generation FROM ledger.lease")
        pid = self.network.keeper.freeze(name)

        async def taken_over() -> bool:
            found = await self.watch.value("", "SELECT generation FROM ledger.lease")
            return found is not None and before is not None and found > before

        try:
            assert await wait_for(taken_over, timeout_s=30, every_s=0.1), f"nobody took over\n{self.tell()}"
        finally:
            self.network.keeper.thaw(pid)


@asynccontextmanager
async def started(folder: Path, say: Callable[[str], None]) -> AsyncIterator[Started]:
    """Servers and processes, with the registrars at work."""
    network = Network(folder, {"PASSERELLE_RESEND_AFTER_S": "3"})
    try:
        await asyncio.gather(network.postgres.start(), network.kafka.start())
        await network.make_databases(MEMBERS)
        network.make_folders(dict.fromkeys(MEMBERS, ("issue", "recognise")))
        await network.found()
        await asyncio.gather(*(open_up(network, member) for member in MEMBERS))
        registrars = asyncio.gather(*(import_all(network, member) for member in MEMBERS))
        for name in LEDGERS:
            network.start_ledger(name)
        for member in (OPERATOR, *MEMBERS):
            network.start_node(member)
        watch = Watch({"": network.ledger_dsn, **{name: site.dsn for name, site in network.sites.items()}})
        keeping = asyncio.create_task(network.keeper.keep())
        try:
            yield network, watch, registrars, keeping
        finally:
            keeping.cancel()
            await asyncio.wait({keeping})
            await watch.close()
    finally:
        await network.close()


async def open_up(network: Network, member: str) -> None:
    """The first file of an office, and events that must be refused: these commands are not tried again."""
    site = network.sites[member]
    async with open_office(site.config()) as office:
        await office.importer().run(write_courses(site.folder))
        await retire_twice(office)


async def import_all(network: Network, member: str) -> None:
    """One office's whole work: awards and rules, file by file."""
    site = network.sites[member]
    others = [name for name in MEMBERS if name != member]
    files = []
    for number in range(FILES):
        awards, rules = AWARDS // FILES, RULES // FILES
        files.append(write_awards(site.folder, number, number * awards, awards))
        extra = RULES % FILES if number == FILES - 1 else 0
        files.append(write_rules(site.folder, number, number * rules, rules + extra, others))
    await Registrar(site).work(files)


@pytest.mark.timeout(900)
async def test_every_fault_leaves_every_promise_true(tmp_path: Path, say: Callable[[str], None]) -> None:
    seed = choose_seed()
    faults = draw_faults(seed, KINDS, log_size=LOG_SIZE, members=MEMBERS, member_size=MEMBER_SIZE)
    say(f"seed={seed}: " + "; ".join(map(str, faults)))
    async with started(tmp_path, say) as (network, watch, registrars, keeping):
        run = Run(network, watch, faults, say)
        collecting = asyncio.create_task(run.collect())
        for fault in faults:
            await watch.until(fault.gauge, fault.at, FLOW_S, run.tell)
            committed = await watch.read(Gauge(COMMITTED))
            open_rows = await unanswered(run)
            assert committed < LOG_SIZE or open_rows, f"{fault} comes after the flow"
            say(f"{fault}: {committed} committed, {open_rows} unanswered")
            await run.inject(fault)
        await asyncio.wait_for(registrars, FLOW_S)
        say("all imported")
        await watch.until(Gauge(PROMISED), LOG_SIZE, FLOW_S, run.tell)
        await until_answered(run)
        say("all answered")
        await ended(collecting)
        await verify(run)
        say("verified")
        await ended(keeping)
        codes = await network.keeper.stop()
        assert codes == dict.fromkeys(network.keeper.kept, 0), run.tell()


async def ended(task: asyncio.Task[None]) -> None:
    """End a task that runs until it is told; an error of its own is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def unanswered(run: Run) -> int:
    """Events of all nodes that have no receipt; one for a database that is away."""
    query = "SELECT (SELECT count(*) FROM node.outbox WHERE outcome IS NULL) + (SELECT count(*) FROM node.draft)"
    counts = [await run.watch.value(member, query) for member in (OPERATOR, *MEMBERS)]
    return sum(1 if count is None else int(count) for count in counts)


async def until_answered(run: Run) -> None:
    """Wait until no node has an event without its receipt."""

    async def answered() -> bool:
        return await unanswered(run) == 0

    assert await wait_for(answered, timeout_s=60, every_s=0.1), f"receipts are missing\n{run.tell()}"


async def verify(run: Run) -> None:
    """Everything that must be true."""
    network = run.network
    kafka = KafkaConfig(bootstrap=network.kafka.bootstrap)
    audit = Audit(NETWORK, network.root_key, network.vkey)
    entries = await audit_feed(audit, kafka)
    notes = await audit_checkpoints(audit, kafka)
    url = network.log_url()
    assert url is not None
    checkpoint = await audit_log(audit, url, entries)
    audit.check_roots(list(run.shown.values()))
    assert audit.faults == []
    assert run.forks == []
    assert audit.size == LOG_SIZE
    assert checkpoint is not None
    assert checkpoint.size == LOG_SIZE
    on_topic = {note.split(b"\n")[1] for note in notes}
    assert {note.split(b"\n")[1] for note in run.shown.values()} <= on_topic, "shown and never published"
    run.say(f"audited: {audit.size} entries, {len(notes)} checkpoints, {len(run.shown)} seen on the way")
    for member in (OPERATOR, *MEMBERS):
        await verify_member(run, audit, member)
        await verify_inbox(audit, kafka, member)
    ran = await network.run("ledger", "check", "--json", config=network.folder / "ledger.toml")
    assert (ran.code, ran.json()["sound"]) == (0, True), ran.out
    assert ran.json()["root"] == checkpoint.root.hex()


async def verify_member(run: Run, audit: Audit, member: str) -> None:
    """What a node sent is what the log holds, once, in order, with the answer that the node was given."""
    connection = await asyncpg.connect(run.network.sites[member].dsn)
    try:
        rows = await connection.fetch(
            "SELECT family, sequence, statement, index, outcome, code, type, subject FROM node.outbox"
            " ORDER BY family, sequence"
        )
    finally:
        await connection.close()
    sent = {(member, row["family"], row["sequence"]): row for row in rows}
    logged = {spent: found for spent, found in audit.logged.items() if spent[0] == member}
    assert sent.keys() == logged.keys()
    for spent, row in sent.items():
        found = logged[spent]
        outcome = "accepted" if row["outcome"] == "accepted" else f"refused {row['code']}"
        assert (found.index, found.outcome, found.digest) == (row["index"], outcome, digest(row["statement"])), spent
    if member == OPERATOR:
        return
    assert len(sent) == MEMBER_SIZE
    # Imported again after every fault, and yet each record was said once; only the old course was retired twice.
    assert len({(row["type"], row["subject"]) for row in rows}) == MEMBER_SIZE - 1
    assert [(row["code"], row["type"]) for row in rows if row["outcome"] == "refused"] == [
        ("step-illegal", BY_NAME["credential.achievement-retired"].full)
    ]


async def verify_inbox(audit: Audit, kafka: KafkaConfig, member: str) -> None:
    """The inbox topic has every number, and its receipts answer every event, never in two ways."""
    numbers: set[int] = set()
    told: dict[tuple[str, str, int], tuple[int, str]] = {}
    async for record in read_topic(kafka, inbox_topic(member)):
        number = int(record.headers["inbox-number"])
        assert number <= len(numbers) + 1, f"{member}: inbox number {len(numbers) + 1} is missing"
        numbers.add(number)
        if record.headers["kind"] != b"receipts":
            continue
        for stream in orjson.loads(record.value):
            for one in stream["outcomes"]:
                outcome = one["outcome"] if one["outcome"] == "accepted" else f"refused {one['code']}"
                spent = (member, stream["family"], one["sequence"])
                assert told.setdefault(spent, (one["index"], outcome)) == (one["index"], outcome), spent
    logged = {spent: (row.index, row.outcome) for spent, row in audit.logged.items() if spent[0] == member}
    assert told == logged
