"""What every handler shares: how long a call may wait, and who calls."""

from __future__ import annotations

from typing import Any, Final

import grpc

from passerelle.api.common.v1 import common_pb2
from passerelle.core.errors import PasserelleError
from passerelle.query.index import Index
from passerelle.query.ports import Head
from passerelle.runtime.clock import Clock
from passerelle.runtime.identity import read_token
from passerelle.runtime.rpc import bearer

ServicerContext = grpc.aio.ServicerContext[Any, Any]
DEFAULT_WAIT_S: Final = 30.0


def wait_of(context: ServicerContext, most: float = DEFAULT_WAIT_S) -> float:
    """Seconds that the call may still wait: until its deadline, and never longer than ``most``."""
    left = context.time_remaining()
    return most if left is None else max(0.0, min(left, most))


def position_message(head: Head) -> common_pb2.Position:
    """The ledger position of a head, as every answer states it."""
    return common_pb2.Position(size=head.size, accepted_at_ms=head.accepted_at, floor_ms=head.floor)


class Callers:
    """Who calls: a token made with a key that the registry shows now, at the index's position."""

    def __init__(self, index: Index, clock: Clock, *, network: str) -> None:
        self._index = index
        self._clock = clock
        self._network = network

    def member(self, context: ServicerContext) -> str:
        """The calling member. Raises PasserelleError ``unauthenticated``, ``token-invalid``, ``token-expired``."""
        token = bearer(context.invocation_metadata() or ())
        if token is None:
            raise PasserelleError("unauthenticated", "The call carries no identity.", where="authorization")
        now_ms = self._clock.now_ms()
        lookup = self._index.signing_key(now_ms)
        return read_token(token, network=self._network, now_s=now_ms // 1000, lookup=lookup)
