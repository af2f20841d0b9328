"""What runs beside the ledger's loop, built from what the process shares: topics, gRPC, the log over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from passerelle.core.checkpoint import Checkpoint
from passerelle.core.note import NoteSigner, VerifierKey
from passerelle.ledger.access import Identity
from passerelle.ledger.checkpoints import IDLE_S, CheckpointBoard, Checkpointer, load_board, newest, verify_start
from passerelle.ledger.commits import Commits
from passerelle.ledger.log_ports import LogStore
from passerelle.ledger.model import CommitPlan
from passerelle.ledger.outgoing_ports import CheckpointStore, OutgoingStore, Topics, TopicTails
from passerelle.ledger.outgoing_stream import KafkaTails, KafkaTopics
from passerelle.ledger.ports import Live, Parts, Shared, Store
from passerelle.ledger.postgres.log import LogPostgres
from passerelle.ledger.postgres.outgoing import CheckpointPostgres, OutgoingPostgres
from passerelle.ledger.postgres.refill import RefillPostgres
from passerelle.ledger.postgres.witnesses import CosignaturePostgres
from passerelle.ledger.publisher import Publisher
from passerelle.ledger.refill import Keeping, Refill, Sources
from passerelle.ledger.refill_stream import KafkaRefill
from passerelle.ledger.witnesses import Cosigning
from passerelle.runtime.clock import Clock
from passerelle.runtime.config import ServerConfig
from passerelle.runtime.keys import read_seed
from passerelle.runtime.rpc import RpcServer, start_server
from passerelle.runtime.telemetry import serve_http


class OutgoingPart:
    """Publisher and checkpoints as a part of the ledger process (:class:`~passerelle.ledger.ports.Outgoing`)."""

    def __init__(
        self,
        stores: tuple[OutgoingStore, CheckpointStore],
        topics: Topics,
        tails: TopicTails,
        signer: NoteSigner,
        board: CheckpointBoard,
        commits: Commits,
        clock: Clock,
        refill: Refill,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        store, self._checkpoints = stores
        self._refill = refill
        self._tails = tails
        self._vkey: VerifierKey = signer.verifier
        self._board = board
        self._commits = commits
        checkpointer = Checkpointer(self._checkpoints, signer, board, clock, idle_s=idle_s)
        self._publisher = Publisher(store, topics, checkpointer, clock)

    async def latest(self) -> Checkpoint | None:
        """The newest checkpoint on its topic, verified under the log's key. Raises Fatal, Unavailable."""
        return newest(await self._tails.checkpoints(), self._vkey)

    async def refill(self, store: Store) -> int:
        """As :class:`passerelle.ledger.ports.Outgoing`."""
        return await self._refill.run(store)

    def wake(self, size: int, plan: CommitPlan | None) -> None:
        """A commit brought the log to ``size``."""
        self._publisher.wake(size, plan)
        self._commits.wake()

    def health(self) -> dict[str, Any]:
        """How far publishing is."""
        return {**self._publisher.health(), "checkpoint": self._board.size}

    def shed(self) -> None:
        """As :class:`passerelle.ledger.ports.Outgoing`."""
        self._publisher.shed()

    async def start(self) -> Mapping[str, Any]:
        """Hold the database against feed and checkpoints before anything is added to either."""
        await verify_start(self._checkpoints, self._tails, self._vkey)
        await load_board(self._checkpoints, self._board)
        return {}

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until ``stop``."""
        await self._publisher.run(stop)

    async def close(self) -> None:
        """The publisher closes its producer itself when it ends."""


class RpcPart:
    """LedgerService as a part of the ledger process."""

    def __init__(
        self,
        config: ServerConfig,
        live: Live,
        store: LogStore,
        board: CheckpointBoard,
        cosigning: Cosigning,
        commits: Commits,
        clock: Clock,
        watchers_max: int,
    ) -> None:
        self._config = config
        self._watchers_max = watchers_max
        self._live = live
        self._store = store
        self._board = board
        self._cosigning = cosigning
        self._commits = commits
        self._identity = Identity(lambda: live.registry, clock)
        self._server: RpcServer | None = None

    async def start(self) -> Mapping[str, Any]:
        """Serve, with health and reflection."""
        from passerelle.api.ledger.v1 import ledger_pb2_grpc
        from passerelle.ledger.rpc import SERVICE, LedgerRpc

        await self._cosigning.load()
        rpc = LedgerRpc(
            self._live, self._store, self._board, self._cosigning, self._identity, self._commits,
            watchers_max=self._watchers_max,
        )  # fmt: skip
        self._server = await start_server(
            self._config, lambda server: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(rpc, server), [SERVICE]
        )
        return {"grpc": f"{self._config.host}:{self._server.port}"}

    async def run(self, stop: asyncio.Event) -> None:
        """Calls are served by tasks of their own; those that run end while the loop finishes its batch."""
        await stop.wait()
        await self.close()

    async def close(self) -> None:
        """Let running calls end, then stop."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()


class LogPart:
    """Tiles, checkpoints and public bodies over HTTP as a part of the ledger process."""

    def __init__(
        self, config: ServerConfig, store: LogStore, board: CheckpointBoard, cosigning: Cosigning, vkey: VerifierKey
    ) -> None:
        self._config = config
        self._store = store
        self._board = board
        self._cosigning = cosigning
        self._vkey = vkey
        self._stack = AsyncExitStack()

    async def start(self) -> Mapping[str, Any]:
        """Serve the log."""
        from passerelle.ledger.http import LogPages

        app = LogPages(self._store, self._board, self._cosigning, str(self._vkey)).app()
        port = await self._stack.enter_async_context(serve_http(app, self._config))
        return {"log": f"http://{self._config.host}:{port}"}

    async def run(self, stop: asyncio.Event) -> None:
        """Pages are served by tasks of their own."""
        await stop.wait()
        await self.close()

    async def close(self) -> None:
        """Stop serving."""
        await self._stack.aclose()


def build_parts(shared: Shared) -> Parts:
    """The parts of a ledger process. Raises ConfigError where the log's key cannot be read."""
    config, clock, pool = shared.config, shared.clock, shared.pool
    signer = NoteSigner(config.network, read_seed(config.log_key_file))
    board, commits, log = CheckpointBoard(), Commits(), LogPostgres(pool)
    stores = OutgoingPostgres(pool), CheckpointPostgres(pool)
    topics, tails = KafkaTopics(config.kafka, replication=config.replication), KafkaTails(config.kafka)
    kafka = KafkaRefill(config.kafka)
    refill = Refill(
        Sources(kafka, kafka, kafka, tails),
        Keeping(RefillPostgres(pool), *stores),
        topics,
        signer.verifier,
        clock,
        things_cached=config.things_cached,
        lossy=config.accept_missing_bodies,
    )
    outgoing = OutgoingPart(
        stores, topics, tails, signer, board, commits, clock, refill, idle_s=config.checkpoint_idle_s
    )
    cosigning = Cosigning(CosignaturePostgres(pool), board, lambda: shared.live.registry, signer.verifier, clock)
    rpc = RpcPart(config.grpc, shared.live, log, board, cosigning, commits, clock, config.watchers_max)
    pages = LogPart(config.log, log, board, cosigning, signer.verifier)
    return Parts(outgoing, (outgoing, rpc, pages))
