"""The server: five services, health and reflection on one address."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, cast

import grpc

from passerelle.api.equivalency.v1 import articulation_pb2, articulation_pb2_grpc, equivalency_pb2, equivalency_pb2_grpc
from passerelle.api.ledger.v1 import ledger_pb2
from passerelle.api.portability.v1 import portability_pb2, portability_pb2_grpc
from passerelle.api.transfer.v1 import transfer_pb2, transfer_pb2_grpc
from passerelle.core.policy import Pack
from passerelle.core.signature import SeedSigner
from passerelle.query.articulation_requests import QueryStore
from passerelle.query.config import QueryConfig
from passerelle.query.index import Index
from passerelle.query.plain import PlainFind
from passerelle.query.portability import Portability
from passerelle.query.rpc.articulation import ArticulationServicer
from passerelle.query.rpc.calls import Callers
from passerelle.query.rpc.ledger import ledger_handlers
from passerelle.query.rpc.permissions import WholeTransferServicer
from passerelle.query.rpc.proofs import EntryProofs
from passerelle.query.rpc.public import EquivalencyServicer, PortabilityServicer
from passerelle.query.rpc.quick import FIND, QuickFind
from passerelle.query.rpc.signing import LedgerCheckpoints, SigningInterceptor
from passerelle.query.signing import AnswerSigner
from passerelle.runtime.clock import Clock
from passerelle.runtime.keys import read_seed
from passerelle.runtime.rpc import RpcServer, open_channel, start_server

SERVICES = (
    equivalency_pb2.DESCRIPTOR.services_by_name["EquivalencyService"].full_name,
    articulation_pb2.DESCRIPTOR.services_by_name["ArticulationService"].full_name,
    portability_pb2.DESCRIPTOR.services_by_name["PortabilityService"].full_name,
    transfer_pb2.DESCRIPTOR.services_by_name["TransferService"].full_name,
    ledger_pb2.DESCRIPTOR.services_by_name["LedgerService"].full_name,
)


class Unlisted:
    """A server that takes services in without listing their methods one by one.

    grpc.aio keeps a waiting request for each listed method and goes through all of them at each call: 12 microseconds
    more with the methods of five services. Methods that are not listed are found by their names.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As the server's own."""
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Nothing: generated code hands the same methods in as generic handlers too."""


async def open_services(
    config: QueryConfig, index: Index, store: QueryStore, packs: tuple[Pack, ...], clock: Clock, stack: AsyncExitStack
) -> RpcServer:
    """Start the server; what it opens is closed with ``stack``. Raises Unavailable ``port-taken``, ConfigError."""
    channel = open_channel(config.ledger)
    stack.push_async_callback(channel.close)
    callers = Callers(index, clock, network=config.network)
    wait_s = config.max_wait_s
    key = None if config.answer_key_file is None else SeedSigner(read_seed(config.answer_key_file))
    lifetime_s = config.answer_days * 86_400
    signer = AnswerSigner(index, key, LedgerCheckpoints(channel), clock, lifetime_s=lifetime_s)
    signing = SigningInterceptor(signer, max_wait_s=wait_s)

    def add(listing: grpc.aio.Server) -> None:
        server = cast(grpc.aio.Server, Unlisted(listing))
        public = EquivalencyServicer(index, packs, max_wait_s=wait_s)
        equivalency_pb2_grpc.add_EquivalencyServiceServicer_to_server(public, server)
        QuickFind(index, signing.unary(FIND, public.Find), plain=PlainFind(index)).add_to(listing)
        articulation = ArticulationServicer(index, store, max_wait_s=wait_s)
        articulation_pb2_grpc.add_ArticulationServiceServicer_to_server(articulation, server)
        portability = PortabilityServicer(Portability(index, packs), EntryProofs(channel), max_wait_s=wait_s)
        portability_pb2_grpc.add_PortabilityServiceServicer_to_server(portability, server)
        transfer = WholeTransferServicer(index, store, callers, operator=config.operator, max_wait_s=wait_s)
        transfer_pb2_grpc.add_TransferServiceServicer_to_server(transfer, server)
        server.add_generic_rpc_handlers((ledger_handlers(channel),))

    # The index stays: the collector need not go through its many objects again and again while calls are answered.
    gc.collect()
    gc.freeze()
    server = await start_server(
        config.grpc,
        add,
        SERVICES,
        share_port=config.share_port,
        inside=(signing,),
    )
    stack.push_async_callback(server.stop)
    return server
