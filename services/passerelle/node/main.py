"""Wiring: from a configuration to a running node, or to the use cases of one command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from passerelle.core.catalogue import PREFIX, SUFFIX
from passerelle.core.signature import SeedSigner, key_id
from passerelle.node.alarms import Alarms
from passerelle.node.author import Author
from passerelle.node.casework import Casework, casework
from passerelle.node.config import NodeConfig
from passerelle.node.importer import Importer
from passerelle.node.imports_part import open_imports
from passerelle.node.intake import Intake
from passerelle.node.key_encryption import open_key
from passerelle.node.laddering import Laddering
from passerelle.node.outbox import Draft
from passerelle.node.people import Vault
from passerelle.node.plan import NewEvent
from passerelle.node.ports import InboxEffects, OutboxRow
from passerelle.node.postgres import PostgresStore, open_pool
from passerelle.node.postgres.session import WORK
from passerelle.node.reconcile import Finding, Reconciler
from passerelle.node.records import RecordKeys
from passerelle.node.relay import Relay
from passerelle.node.releases import Releases
from passerelle.node.restore import Restorer
from passerelle.node.rpc import GrpcLedger
from passerelle.node.sealed import OwnSeal
from passerelle.node.service import NodeService, Opened, Snapshot, closing
from passerelle.node.stream import KafkaPublisher, KafkaSource, topics_of
from passerelle.node.transfers import Transfers
from passerelle.node.witness_part import open_witness
from passerelle.runtime.clock import Clock, SystemClock
from passerelle.runtime.ids import Ids, SystemIds
from passerelle.runtime.keys import load_signer, read_seed
from passerelle.runtime.memory import MemoryGuard
from passerelle.runtime.postgres import close_pool, listening
from passerelle.runtime.process import wait_for
from passerelle.runtime.telemetry import configure_logging, health_app, serve_http


@dataclass(frozen=True, slots=True)
class Office:
    """What the commands of one node work with."""

    config: NodeConfig
    store: PostgresStore
    author: Author
    vault: Vault
    keys: RecordKeys
    signer: SeedSigner
    ledger: GrpcLedger
    clock: Clock
    ids: Ids

    def importer(self) -> Importer:
        """The import of files."""
        return Importer(
            self.store, self.author, self.vault, self.keys, self.clock, self.ids, self.config.member,
            self.config.import_missing_percent,
        )  # fmt: skip

    def releases(self) -> Releases:
        """Releases granted and taken in."""
        return Releases(
            self.store,
            self.author,
            self.vault,
            self.keys,
            self.ledger,
            self.clock,
            self.ids,
            self.config.member,
            self.config.network,
            self.config.operator,
            self.config.witnesses_required,
            own_seal(self.config),
        )

    def reconciler(self, found: Callable[[Finding], None]) -> Reconciler:
        """The comparison with the ledger; ``found`` hears each finding."""
        network, member, operator = self.config.network, self.config.member, self.config.operator
        restorer = Restorer(
            self.store, self.ledger, self.clock, self.keys,
            network=network, member=member, told=lambda: None, quiet=True,
        )  # fmt: skip
        return Reconciler(
            self.store, self.ledger, restorer, self.clock,
            network=network, member=member, operator=operator, found=found,
        )  # fmt: skip

    def transfers(self) -> Transfers:
        """Transfer cases."""
        return Transfers(self.store, self.author, self.clock, self.ids, self.config.member)

    def casework(self) -> Casework:
        """The work on transfer cases: people, documents, proposals, letters, deadlines, impacts."""
        return casework(
            self.store, self.transfers(), self.author, self.vault, self.ledger, self.signer, self.config.network,
            own_seal(self.config),
        )  # fmt: skip

    async def publish(self, events: Sequence[NewEvent], *, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """Draft, release and, where asked, wait for the answers; what became of each event, in order.

        Raises Refused where an event does not fit its schema; nothing was stored then.
        """
        drafts = [self.author.draft(event) for event in events]
        await self.store.add_drafts(drafts, self.clock.now_ms())
        await self.release()
        return await self.answers(drafts, wait_s=wait_s)

    async def answers(self, drafts: Sequence[Draft], *, wait_s: float = 0.0) -> list[dict[str, Any]]:
        """What became of drafts: ``held``, ``waiting``, ``accepted`` or ``refused`` with code, field, what and fix."""

        async def look() -> list[dict[str, Any]]:
            return [self._answer(draft, await self.store.events_of(draft.thing)) for draft in drafts]

        async def answered() -> bool:
            return all(one["state"] in {"accepted", "refused"} for one in await look())

        if wait_s > 0:
            await wait_for(answered, timeout_s=wait_s)
        return await look()

    def _answer(self, draft: Draft, rows: Sequence[OutboxRow]) -> dict[str, Any]:
        found = {"type": draft.type.removeprefix(PREFIX).removesuffix(SUFFIX), "subject": draft.subject}
        row = next((row for row in rows if row.signed.body == draft.body), None)
        if row is None:
            return {**found, "state": "held", "needs": list(draft.needs)}
        answer = {"state": row.outcome or "waiting", "family": row.family, "sequence": row.sequence, "index": row.index}
        return {**found, **answer, "code": row.code, "field": row.field, "what": row.what, "fix": row.fix}

    async def release(self) -> int:
        """Number, link and sign every draft that waits for nothing; none while a problem stops the relay."""
        total = 0
        if await self.store.stopping_problem() is not None:
            return total
        laddering = Laddering(self.store, self.author, self.clock, self.config.member)
        while count := await self.store.release_ready(
            self.signer, network=self.config.network, member=self.config.member, now_ms=self.clock.now_ms()
        ):
            total += count
            await laddering.open()
        return total


def own_seal(config: NodeConfig) -> OwnSeal | None:
    """The key that opens what was sealed to the node's member. Raises ConfigError."""
    path = config.seal_key_file
    return None if path is None else OwnSeal(config.member, read_seed(path))


@asynccontextmanager
async def open_office(config: NodeConfig) -> AsyncIterator[Office]:
    """Open a node's database and keys for one command. Raises ConfigError, Unavailable."""
    clock = SystemClock()
    ids = SystemIds(clock)
    seed = read_seed(config.key_file)
    keys = RecordKeys(read_seed(config.record_key_file))
    vault = Vault(open_key(config, ids), keys, ids)
    pool = await open_pool(config.database, name=f"passerelle-{config.member}")
    ledger = GrpcLedger(
        config.query, member=config.member, network=config.network, seed=seed, clock=clock,
        witnesses=config.witnesses_required,
    )  # fmt: skip
    store = PostgresStore(pool)
    store.outbox_max = config.outbox_max
    try:
        yield Office(
            config,
            store,
            Author(config.member, clock, ids),
            vault,
            keys,
            SeedSigner(seed),
            ledger,
            clock,
            ids,
        )
    finally:
        await ledger.close()
        await close_pool(pool)


def _restorer(
    config: NodeConfig, store: PostgresStore, ledger: GrpcLedger, clock: Clock, told: Callable[[], None]
) -> Restorer:
    return Restorer(
        store,
        ledger,
        clock,
        RecordKeys(read_seed(config.record_key_file)),
        network=config.network,
        member=config.member,
        told=told,
        founds=config.member == config.operator,
    )


def _relay(
    config: NodeConfig, store: PostgresStore, publisher: KafkaPublisher, clock: Clock, holds: Callable[[], str]
) -> Relay:
    author = Author(config.member, clock, SystemIds(clock))
    return Relay(
        store,
        store,
        publisher,
        load_signer(config.key_file),
        clock,
        network=config.network,
        member=config.member,
        bootstrap_key=key_id(config.root_public_key()) if config.member == config.operator else None,
        resend_after_s=config.resend_after_s,
        held=holds,
        in_flight_max=config.in_flight_max,
        before_release=Laddering(store, author, clock, config.member).open,
    )


def build(config: NodeConfig, mappings: Path | None = None) -> NodeService:
    """The node as a service of its own process; ``mappings`` is the folder of the column mappings."""
    configure_logging(config.telemetry, service=f"node-{config.member}")

    async def open_node(stack: AsyncExitStack) -> Opened:
        clock = SystemClock()
        seed = read_seed(config.key_file)
        pool = await open_pool(
            config.database, name=f"passerelle-node-{config.member}", retry_for=config.start_patience_s
        )
        stack.push_async_callback(close_pool, pool)
        store = PostgresStore(pool)
        store.outbox_max = config.outbox_max
        publisher = await stack.enter_async_context(closing(KafkaPublisher(config.kafka, config.member)))
        ledger = await stack.enter_async_context(
            closing(GrpcLedger(config.query, member=config.member, network=config.network, seed=seed, clock=clock))
        )
        alarms = Alarms(store, clock, config.evidence_folder)

        def told() -> None:
            relay.wake()
            intake.wake()

        restorer = _restorer(config, store, ledger, clock, told)
        relay = _relay(config, store, publisher, clock, lambda: restorer.holds)

        def effects(found: InboxEffects) -> None:
            for family, sequence in found.resend:
                relay.rewind(family, sequence)
            if found.key_refused:
                relay.renew_signatures()
            if found.conflict:
                restorer.again()
            relay.wake()

        def registry_changed() -> None:
            restorer.wake()
            relay.wake()

        intake = Intake(
            store,
            KafkaSource(config.kafka, config.member),
            ledger,
            clock,
            network=config.network,
            operator=config.operator,
            effects=effects,
            registry_changed=registry_changed,
            alarms=alarms,
            inbox_open=lambda: restorer.may_take,
            name=config.member,
        )
        witness = await open_witness(stack, config, store, ledger, alarms, clock)
        snapshot = Snapshot(config.member, relay, intake, store, alarms, restorer, witness, silence_s=config.silence_s)
        snapshot.imports = await open_imports(
            stack, config, store, clock, SystemIds(clock), mappings or config.key_file.parent / "mappings"
        )
        await stack.enter_async_context(listening(pool, WORK, relay.wake))
        port = await stack.enter_async_context(serve_http(health_app(snapshot.as_dict), config.telemetry.health))
        addresses = {"health": f"{config.telemetry.health.host}:{port}"}
        if snapshot.imports is not None and snapshot.imports.address:
            addresses["push"] = snapshot.imports.address
        return relay, intake, snapshot, topics_of(config.member), addresses

    return NodeService(open_node, MemoryGuard(config.memory_max_mb, limit_s=config.memory_over_s))
