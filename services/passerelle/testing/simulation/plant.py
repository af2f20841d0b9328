"""The processes of the simulated network, wired as their real ones are, over memory instead of servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from passerelle.core.errors import Fatal, NotFound, PasserelleError, Unavailable
from passerelle.core.note import CosignatureSigner
from passerelle.core.tiles import TileCoord
from passerelle.core.witness import witness_name
from passerelle.events.topics import TOPICS
from passerelle.ledger.access import Caller
from passerelle.ledger.checkpoints import CheckpointBoard
from passerelle.ledger.commits import Commits
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.outgoing import OutgoingPart
from passerelle.ledger.outgoing_ports import StoredCheckpoint
from passerelle.ledger.refill import Keeping, Refill, Sources
from passerelle.ledger.service import LedgerService
from passerelle.ledger.witnesses import Cosignature, Cosigning
from passerelle.node.alarms import Alarms
from passerelle.node.intake import Intake
from passerelle.node.messages import InboxRecord, inbox_record
from passerelle.node.ports import InboxEffects, Proved
from passerelle.node.relay import Relay
from passerelle.node.restore import Restorer
from passerelle.node.stream import topics_of
from passerelle.node.witness import Witness
from passerelle.node.witness_part import WitnessPart
from passerelle.runtime.process import run_together
from passerelle.testing.federation import NETWORK, OPERATOR
from passerelle.testing.simulation.broker import (
    Broker,
    MemoryInboxes,
    MemoryIngress,
    MemoryTails,
    MemoryTopics,
    NodePublisher,
    NodeSource,
)
from passerelle.testing.simulation.database import (
    InboxLine,
    LedgerDatabase,
    LedgerLease,
    LedgerStore,
    MemoryCheckpoints,
    MemoryOutgoing,
)
from passerelle.testing.simulation.faults import Fault
from passerelle.testing.simulation.law import Law
from passerelle.testing.simulation.office import NodeDatabase
from passerelle.testing.simulation.refilling import RefillLetters, RefillTopics
from passerelle.testing.simulation.returning import RECORD_KEYS, LedgerStreams, RestoringStore, decide
from passerelle.testing.simulation.script import HONEST, LOG_SIGNER, READER, WITNESS_SEED, Parcel, script, signer_of
from passerelle.testing.simulation.world import Life, World

LEDGERS: Final = ("ledger-a", "ledger-b")
LEASE_S: Final = 1.0
RESEND_AFTER_S: Final = 2.0
REFERENCE_WAIT_S: Final = 3.0
LIST_MAX: Final = 500


@cache
def ledger_config() -> LedgerConfig:
    """The settings of every simulated ledger: waits are short, because time is drawn and not passed."""
    return LedgerConfig.model_construct(network=NETWORK, linger_ms=10, reference_wait_s=REFERENCE_WAIT_S, batch_max=8)


@dataclass(slots=True)
class Network:
    """Everything that outlives a process, and what the processes are made of."""

    world: World
    broker: Broker = field(default_factory=Broker)
    database: LedgerDatabase = field(default_factory=lambda: LedgerDatabase(script().federation))
    nodes: dict[str, NodeDatabase] = field(default_factory=lambda: {member: NodeDatabase() for member in HONEST})
    renewed: set[str] = field(default_factory=set)
    """Nodes that sign with their new key."""
    restored: set[str] = field(default_factory=set)
    """Nodes that came back from a backup."""
    backups: dict[Fault, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    """The backup that a fault puts back, with its node's member."""
    spoken: list[Parcel] = field(default_factory=list)
    """What offices have sent to their nodes so far."""
    missing: dict[str, set[str]] = field(default_factory=dict)
    """Things of which a node that came back knows nothing yet, by member."""
    cosignatures: dict[int, list[Cosignature]] = field(default_factory=dict)
    answering: list[tuple[Life, LedgerService, Cosigning]] = field(default_factory=list)
    """The ledgers that began to answer calls, the latest last."""
    law: Law = field(init=False)

    ledger_backups: list[LedgerBackup] = field(default_factory=list)
    unfinished: str = ""
    """What a fault has still to do, empty where it has done all."""

    def __post_init__(self) -> None:
        self.law = Law(self.world, self.broker, self.database, self.nodes)

    def start(self) -> None:
        """Start every process."""
        for topic in TOPICS:
            self.broker.make(topic)
        for name in LEDGERS:
            self.world.start(name, self.ledger)
        for member in self.nodes:
            self.world.start(f"node-{member}", self.node)

    # The ledger: the steps of passerelle.ledger.main.LedgerProcess

    async def ledger(self, life: Life) -> None:
        """One ledger, active or standing by."""
        store = LedgerStore(self.world, life, self.database)
        try:
            await self._ledger(life, store)
        except PasserelleError as error:
            self.law.ended(life, error, overtaken=store.generation != self.database.generation)
            raise

    async def _ledger(self, life: Life, store: LedgerStore) -> None:
        world, database, clock = self.world, self.database, self.world.clock(life.name)
        stop = asyncio.Event()
        lease = LedgerLease(world, life, database, LEASE_S)
        topics, tails = MemoryTopics(world, life, self.broker), MemoryTails(world, life, self.broker)
        stores = MemoryOutgoing(world, life, database), MemoryCheckpoints(world, life, database)
        await topics.ensure([], fixed=True)
        store.generation = await lease.acquire()
        keeping = asyncio.create_task(lease.keep(stop))
        service = LedgerService(
            ledger_config(),
            store,
            MemoryIngress(world, life, self.broker),
            MemoryInboxes(world, life, self.broker),
            clock,
        )
        board, commits = CheckpointBoard(), Commits()
        outgoing = OutgoingPart(
            stores, topics, tails, LOG_SIGNER, board, commits, clock, self._refill(life, stores, topics, tails)
        )
        try:
            await outgoing.refill(store)
            await service.start(checkpoints=outgoing, wake=outgoing.wake)
            await outgoing.start()
            kept = MemoryCosignatures(self, life)
            cosigning = Cosigning(kept, board, lambda: service.registry, LOG_SIGNER.verifier, clock)
            await cosigning.load()
            self.answering = [one for one in self.answering if one[0].alive] + [(life, service, cosigning)]

            async def hold() -> None:
                await keeping

            await run_together(stop, lambda: service.run(stop), lambda: outgoing.run(stop), hold)
        finally:
            keeping.cancel()
            await outgoing.close()
            await service.close()
            await lease.release()

    def _refill(
        self,
        life: Life,
        stores: tuple[MemoryOutgoing, MemoryCheckpoints],
        topics: MemoryTopics,
        tails: MemoryTails,
    ) -> Refill:
        held = RefillTopics(self.world, life, self.broker)
        keeping = Keeping(RefillLetters(self.world, life, self.database), *stores)
        sources = Sources(held, held, held, tails)
        return Refill(sources, keeping, topics, LOG_SIGNER.verifier, self.world.clock(life.name))

    # A node: the steps of passerelle.node.main.build

    async def node(self, life: Life) -> None:
        """One institution's node; the reader's is a witness too."""
        try:
            await self._node(life)
        except PasserelleError as error:
            self.law.ended(life, error)
            raise

    async def _node(self, life: Life) -> None:
        world, member = self.world, life.name.removeprefix("node-")
        clock, stop = world.clock(life.name), asyncio.Event()
        store = RestoringStore(world, life, self.nodes[member])
        alarms = Alarms(store, clock, None)
        questions = LedgerQuestions(self, life, member)
        signer = signer_of(member, renewed=member in self.renewed)

        def told() -> None:
            relay.wake()
            intake.wake()

        restorer = self._restorer(life, store, questions, told)
        relay = Relay(
            store,
            store,
            NodePublisher(world, life, self.broker, member),
            signer,
            clock,
            network=NETWORK,
            member=member,
            bootstrap_key=signer.key_id if member == OPERATOR else None,
            resend_after_s=RESEND_AFTER_S,
            held=lambda: restorer.holds,
        )

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

        source = NodeSource(world, life, self.broker)
        intake = Intake(
            store,
            source,
            questions,
            clock,
            network=NETWORK,
            operator=OPERATOR,
            effects=effects,
            registry_changed=registry_changed,
            alarms=alarms,
            inbox_open=lambda: restorer.may_take,
        )
        self.nodes[member].notify = relay.wake
        parts = [lambda: relay.run(stop), lambda: intake.run(stop, topics_of(member)), lambda: restorer.run(stop)]
        if member in self.restored:
            parts.append(lambda: decide(restorer, store, stop))
        if member == READER:
            witness = self._witness(life, store, alarms, questions)
            parts.append(lambda: witness.run(stop))
        await run_together(stop, *parts)

    def _restorer(
        self, life: Life, store: RestoringStore, questions: LedgerQuestions, told: Callable[[], None]
    ) -> Restorer:
        member = life.name.removeprefix("node-")
        return Restorer(
            store,
            LedgerStreams(self.world, life, member, self.database, questions.require),
            self.world.clock(life.name),
            RECORD_KEYS,
            network=NETWORK,
            member=member,
            told=told,
            founds=member == OPERATOR,
        )

    def _witness(self, life: Life, store: RestoringStore, alarms: Alarms, questions: LedgerQuestions) -> WitnessPart:
        cosigner = CosignatureSigner(witness_name(NETWORK, READER), WITNESS_SEED)
        clock = self.world.clock(life.name)
        witness = Witness(store, alarms, LogTiles(self, life), questions, cosigner, clock, network=NETWORK)
        source = NodeSource(self.world, life, self.broker)
        return WitnessPart(witness, store, alarms, source, operator=OPERATOR, log_vkey=None)


class LedgerBackup:
    """The ledger's database as it was when ``fault`` had it copied."""

    def __init__(self, fault: Fault, network: Network) -> None:
        self.fault = fault
        self._tables = network.database.backup()
        self._cosignatures = {size: list(held) for size, held in network.cosignatures.items()}
        self._evidence = network.law.evidence()

    @property
    def letters(self) -> Mapping[str, Sequence[InboxLine]]:
        """The rows of inbox records, by member."""
        found: Mapping[str, Sequence[InboxLine]] = self._tables["letters"]
        return found

    def put_back(self, network: Network) -> None:
        """Everything in the tables as it was; nobody is connected."""
        network.database.put_back(self._tables)
        network.cosignatures.clear()
        network.cosignatures.update({size: list(held) for size, held in self._cosignatures.items()})
        network.law.ledger_came_back(self._evidence)


class MemoryCosignatures:
    """See :class:`passerelle.ledger.witnesses.CosignatureStore`; a run is too short for its bounds."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network, self._life = network, life

    async def published(self, size: int) -> StoredCheckpoint | None:
        """As the port."""
        database = self._network.database
        return database.checkpoints.get(size) if size in database.shown else None

    async def lines(self, size: int) -> Sequence[str]:
        """As the port."""
        return [item.line for item in self._network.cosignatures.get(size, ())]

    async def add(self, cosignature: Cosignature) -> None:
        """As the port."""
        here = self._network.cosignatures.setdefault(cosignature.size, [])
        if not any(item.key_id == cosignature.key_id for item in here):
            here.append(cosignature)

    async def cosigned(self, witnesses: int, covering: int, *, without: str) -> int | None:
        """As the port."""
        sizes = [
            size
            for size, items in self._network.cosignatures.items()
            if size >= covering and len({item.member for item in items} - {without}) >= witnesses
        ]
        return max(sizes, default=None)


class LedgerQuestions:
    """See :class:`passerelle.node.ports.Ledger` and ``CosignatureDesk``: the ledger's service, while one is active."""

    def __init__(self, network: Network, life: Life, member: str) -> None:
        self._network, self._life, self._member = network, life, member

    def _cosigning(self) -> Cosigning:
        for life, service, cosigning in reversed(self._network.answering):
            if life.alive and not life.hangs:
                if self._member not in service.registry.members:
                    raise PasserelleError("token-invalid", "no key of the registry", where="authorization")
                return cosigning
        raise Unavailable("service-unavailable", "no ledger answers", where="ledger")

    def require(self) -> None:
        """Raises Unavailable while no ledger answers."""
        self._cosigning()

    async def list_inbox(self, after: int) -> list[InboxRecord]:
        """As the port."""

        def read() -> list[InboxRecord]:
            self._cosigning()
            database, found = self._network.database, []
            for line in database.letters.get(self._member, [])[after : after + LIST_MAX]:
                if line.size > database.acked():
                    break
                row = database.inbox_row(self._member, line)
                found.append(inbox_record(row.number, row.kind, row.value))
            return found

        return await self._network.world.call(self._life, "node.read", read)

    async def add_cosignature(self, note: bytes) -> None:
        """As the port."""
        cosigning = await self._network.world.call(self._life, "witness.deliver", self._cosigning)
        await cosigning.add(note, Caller(self._member))

    async def proof(self, family: str, sequence: int) -> Proved:
        """Nobody asks for proofs in a run."""
        raise Fatal("service-unavailable", "the simulation gives no proofs", where=f"{family}/{sequence}")

    async def head(self) -> int:
        """As the port."""
        return self._network.database.head.size

    async def close(self) -> None:
        """As the port."""


class LogTiles:
    """See :class:`passerelle.node.witness_ports.LogReader`."""

    def __init__(self, network: Network, life: Life) -> None:
        self._network, self._life = network, life

    async def tile(self, coord: TileCoord) -> bytes:
        """As the port."""

        def read() -> bytes:
            held = self._network.database.tiles.get((coord.level, coord.index), b"")
            if len(held) < 32 * coord.width:
                raise NotFound("tile-absent", "The log does not have this yet.", where=coord.path)
            return held[: 32 * coord.width]

        return await self._network.world.call(self._life, "witness.tile", read)

    async def checkpoint(self) -> bytes:
        """As the port."""

        def read() -> bytes:
            database = self._network.database
            if not database.shown:
                raise NotFound("tile-absent", "The log does not have this yet.", where="checkpoint")
            return database.checkpoints[max(database.shown)].note.encode()

        return await self._network.world.call(self._life, "witness.tile", read)
