"""kill -9 of every kind of process at drawn points while 20,000 events flow, and what must be true afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from passerelle.core.catalogue import BY_NAME
from passerelle.embedded.child import tail
from passerelle.node.main import open_office
from passerelle.runtime.config import KafkaConfig
from passerelle.runtime.process import wait_for
from passerelle.testing.audit import Audit, audit_checkpoints, audit_feed, audit_log
from passerelle.testing.faults.gauges import COMMITTED, PROMISED, Fault, Gauge, choose_seed, draw_faults
from passerelle.testing.faults.judge import InboxAudit, OutboxAudit, Shown, ended
from passerelle.testing.faults.network import NETWORK, OPERATOR, Network
from passerelle.testing.faults.offices import ALWAYS, Registrar, retire_twice, write_awards, write_courses, write_rules
from passerelle.testing.faults.watch import Watch

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
    shown: Shown
    """Checkpoints seen over HTTP while everything fell and rose."""

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
        run = Run(network, watch, faults, say, Shown(network.log_url))
        collecting = asyncio.create_task(run.shown.collect())
        for fault in faults:
            await watch.until(fault.gauge, fault.at, FLOW_S, run.tell)
            committed = await watch.read(Gauge(COMMITTED))
            open_rows = await run.watch.unanswered((OPERATOR, *MEMBERS))
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


async def until_answered(run: Run) -> None:
    """Wait until no node has an event without its receipt."""

    async def answered() -> bool:
        return await run.watch.unanswered((OPERATOR, *MEMBERS)) == 0

    assert await wait_for(answered, timeout_s=60, every_s=0.1), f"receipts are missing\n{run.tell()}"


async def verify(run: Run) -> None:
    """Everything that must be true."""
    network, shown = run.network, run.shown
    kafka = KafkaConfig(bootstrap=network.kafka.bootstrap)
    audit = Audit(NETWORK, network.root_key, network.vkey)
    entries = await audit_feed(audit, kafka)
    notes = await audit_checkpoints(audit, kafka)
    url = network.log_url()
    assert url is not None
    checkpoint = await audit_log(audit, url, entries)
    audit.check_roots(list(shown.notes.values()))
    for member in (OPERATOR, *MEMBERS):
        await verify_member(run, audit, member)
    assert audit.faults == []
    assert shown.forks == []
    assert audit.size == LOG_SIZE
    assert checkpoint is not None
    assert checkpoint.size == LOG_SIZE
    on_topic = {note.split(b"\n")[1] for note in notes}
    assert {note.split(b"\n")[1] for note in shown.notes.values()} <= on_topic, "shown and never published"
    run.say(f"audited: {audit.size} entries, {len(notes)} checkpoints, {len(shown.notes)} seen on the way")
    ran = await network.run("ledger", "check", "--json", config=network.folder / "ledger.toml")
    assert (ran.code, ran.json()["sound"]) == (0, True), ran.out
    assert ran.json()["root"] == checkpoint.root.hex()


async def verify_member(run: Run, audit: Audit, member: str) -> None:
    """What a node sent is what the log holds, once, in order, with the answer that the node was given."""
    dsn, inbox, outbox = run.network.sites[member].dsn, InboxAudit(member, audit), OutboxAudit(member, audit)
    await inbox.read(KafkaConfig(bootstrap=run.network.kafka.bootstrap))
    inbox.check()
    await outbox.read(dsn)
    if member == OPERATOR:
        return
    assert outbox.rows == MEMBER_SIZE
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT type, subject, outcome, code FROM node.outbox")
    finally:
        await connection.close()
    # Imported again after every fault, and yet each record was said once; only the old course was retired twice.
    assert len({(row["type"], row["subject"]) for row in rows}) == MEMBER_SIZE - 1
    assert [(row["code"], row["type"]) for row in rows if row["outcome"] == "refused"] == [
        ("step-illegal", BY_NAME["credential.achievement-retired"].full)
    ]
