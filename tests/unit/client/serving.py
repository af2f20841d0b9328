"""The query services over a small world, in the test's own loop: no database, a ledger that signs what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.query.world import LOG, NETWORK, OPERATOR, ROOT, World, seed, signing_key

from passerelle.api.common.v1 import common_pb2
from passerelle.api.ledger.v1 import ledger_pb2 as pb
from passerelle.api.ledger.v1 import ledger_pb2_grpc
from passerelle.core.checkpoint import Checkpoint, sign_checkpoint
from passerelle.core.errors import NotFound
from passerelle.query.config import QueryConfig
from passerelle.query.packs import default_folder, load_packs
from passerelle.query.rpc.server import open_services
from passerelle.runtime.clock import SystemClock
from passerelle.runtime.config import DatabaseConfig, ServerConfig
from passerelle.runtime.keys import create_seed
from passerelle.runtime.rpc import start_server

REVIT = "humber/revit"
ANSWERING = "answers"
"""Name of the key that signs answers."""
LEDGER = pb.DESCRIPTOR.services_by_name["LedgerService"].full_name


@dataclass
class SmallLedger(ledger_pb2_grpc.LedgerServiceServicer):
    """``sizes``: those of the checkpoints that it shows, one a call; the last one again and again."""

    sizes: list[int] = field(default_factory=lambda: [1_000])
    asked: int = 0

    async def GetHead(self, request: pb.GetHeadRequest, context: Any) -> pb.GetHeadResponse:
        return pb.GetHeadResponse(network=NETWORK, position=common_pb2.Position(size=7), root=b"\x01" * 32)

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, context: Any) -> pb.GetCheckpointResponse:
        self.asked += 1
        size = self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]
        root = hashlib.sha256(str(size).encode()).digest()
        return pb.GetCheckpointResponse(
            size=size, note=sign_checkpoint(Checkpoint(NETWORK, size, root), [LOG]).decode()
        )

    async def GetEntry(self, request: pb.GetEntryRequest, context: Any) -> pb.GetEntryResponse:
        if request.index > 6:
            raise NotFound("entry-absent", "There is no such entry.", where="index")
        return pb.GetEntryResponse(index=request.index, entry=b"lines\n", type="a.type")

    async def GetProof(self, request: pb.GetProofRequest, context: Any) -> pb.GetProofResponse:
        return pb.GetProofResponse(index=request.index, entry=b"lines\n", proof=f"witnesses {request.witnesses}")


class NoCases:
    """The database of a service that is asked public questions only."""

    def reading(self) -> Any:
        raise AssertionError("no case is read here")


@dataclass
class Serving:
    """A running service: its address, its world, the ledger behind it."""

    address: str
    world: World
    ledger: SmallLedger


def world_of_rules() -> World:
    """Two courses and a rule; the operator lists the key that signs answers."""
    world = World()
    world.course(REVIT, "Revit Architecture", kind="micro-credential")
    world.course("bcit/bim-1", "BIM 1")
    world.rule("bcit/r1", REVIT, "bcit/bim-1")
    key = {**signing_key(ANSWERING), "use": "answer"}
    world.add("member.keys-changed", OPERATOR, OPERATOR, {"member": OPERATOR, "add": [key]})
    return world


@asynccontextmanager
async def serving(
    folder: Path, *, world: World | None = None, key: str | None = ANSWERING, store: Any = None
) -> AsyncIterator[Serving]:
    """Start a ledger and the query services; ``key`` None: without a key for answers. ``store``: the database of
    questions about cases and permissions; without it there is none.
    """
    world, ledger = world or world_of_rules(), SmallLedger()
    (folder / "root.pub").write_text(ROOT.hex() + "\n", encoding="ascii")
    if key is not None and not (folder / "answer.key").exists():
        create_seed(folder / "answer.key", seed(key))
    behind = await start_server(
        ServerConfig(), lambda server: ledger_pb2_grpc.add_LedgerServiceServicer_to_server(ledger, server), [LEDGER]
    )
    config = QueryConfig(
        network=NETWORK,
        root_public_key_file=folder / "root.pub",
        database=DatabaseConfig(url="postgresql://nobody@127.0.0.1:9/none"),
        ledger=f"127.0.0.1:{behind.port}",
        answer_key_file=None if key is None else folder / "answer.key",
        max_wait_s=5.0,
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(behind.stop)
        database: Any = store or NoCases()
        packs = load_packs(default_folder())
        server = await open_services(config, world.index, database, packs, SystemClock(), stack)
        yield Serving(f"127.0.0.1:{server.port}", world, ledger)
