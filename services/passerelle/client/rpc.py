"""Calls with deadlines, retries within a budget, several addresses, and typed errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.message import Message

from passerelle.client.budget import RetryBudget
from passerelle.client.identity import Identity
from passerelle.client.methods import Stream, Unary
from passerelle.core.errors import PasserelleError, Unavailable
from passerelle.runtime.backoff import Backoff
from passerelle.runtime.rpc import from_rpc_error, metadata, open_channel

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
_BARE: Final = {
    grpc.StatusCode.DEADLINE_EXCEEDED: ("deadline-exceeded", "The answer did not come in time."),
    grpc.StatusCode.INTERNAL: ("internal", "The service met a defect; it is in its log."),
    grpc.StatusCode.UNKNOWN: ("internal", "The service met a defect; it is in its log."),
}
"""What a status says that came without details; all others say that the service is not available."""
TIMEOUT_S: Final = 10.0
TRIES: Final = 4
FIRST_PAUSE_S: Final = 0.05
LAST_PAUSE_S: Final = 1.0
RETRIED: Final = frozenset({"service-unavailable", "service-stopping", "database-unavailable"})
"""Codes after which another try, perhaps elsewhere, may go well: the others say what another try would say."""


class Client:
    """One client for all services of an address, for use in one event loop.

    ``addresses``: ``host:port`` of the query service, several as a list or joined by commas: after a failure to reach
    one the next is asked. A call raises PasserelleError with the code that the service meant;
    ``service-unavailable`` where none could be reached, ``deadline-exceeded`` where no answer came in time.
    """

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        identity: Identity | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        budget: RetryBudget | None = None,
    ) -> None:
        """``timeout_s``: for a whole call with its retries; ``tries``: most tries of one call, the first included."""
        named = addresses.split(",") if isinstance(addresses, str) else list(addresses)
        self._addresses = [one.strip() for one in named if one.strip()]
        if not self._addresses or tries < 1:
            raise ValueError("a client needs an address, and at least one try")
        self._identity = identity
        self._timeout_s = timeout_s
        self._tries = tries
        self._budget = budget or RetryBudget()
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._at = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels; calls under way are cancelled."""
        channels, self._channels = list(self._channels.values()), {}
        for channel in channels:
            await channel.close()

    async def call(
        self, method: Unary[Q, R], request: Q, *, timeout_s: float | None = None, token: str | None = None
    ) -> R:
        """The answer to a question. ``token``: an identity that is passed on in place of the client's own."""
        tries = self._started(method, timeout_s)
        while True:
            address = self._address()
            try:
                made: Any = self._channel(address).unary_unary(
                    method.path,
                    request_serializer=method.request.SerializeToString,
                    response_deserializer=method.response.FromString,
                )
                answer: R = await made(request, timeout=tries.left_s(), metadata=self._metadata(token))
            except grpc.aio.AioRpcError as error:
                await self._failed(error, address, tries, again=method.idempotent)
            else:
                self._budget.succeeded()
                return answer

    async def stream(
        self,
        method: Stream[Q, R],
        request: Q,
        *,
        timeout_s: float | None = None,
        token: str | None = None,
        endless: bool = False,
    ) -> AsyncGenerator[R, None]:
        """The answers to a question, as they come. ``endless``: a watch, which has no deadline."""
        tries, come = self._started(method, timeout_s), False
        while True:
            address = self._address()
            made: Any = self._channel(address).unary_stream(
                method.path,
                request_serializer=method.request.SerializeToString,
                response_deserializer=method.response.FromString,
            )
            timeout = None if endless else tries.left_s()
            answers = made(request, timeout=timeout, metadata=self._metadata(token))
            try:
                async for answer in answers:
                    come = True
                    yield answer
            except grpc.aio.AioRpcError as error:
                await self._failed(error, address, tries, again=not come)
            else:
                self._budget.succeeded()
                return
            finally:
                # Who stops listening ends the call.
                answers.cancel()

    def _started(self, method: Unary[Any, Any] | Stream[Any, Any], timeout_s: float | None) -> _Tries:
        name = f"{method.path}/{os.getpid()}/{id(self)}"
        whole = self._timeout_s if timeout_s is None else timeout_s
        return _Tries(name, whole, max(self._tries, len(self._addresses)), len(self._addresses))

    def _address(self) -> str:
        return self._addresses[self._at % len(self._addresses)]

    def _channel(self, address: str) -> grpc.aio.Channel:
        found = self._channels.get(address)
        if found is None:
            found = self._channels[address] = open_channel(address)
        return found

    def _metadata(self, token: str | None) -> tuple[tuple[str, str], ...]:
        if token is None and self._identity is not None:
            token = self._identity.token()
        return metadata(token)

    async def _failed(self, error: grpc.aio.AioRpcError, address: str, tries: _Tries, *, again: bool) -> None:
        """Return where there may be another try, after a pause; else raise the typed error."""
        told = typed(error)
        unreachable = error.code() is grpc.StatusCode.UNAVAILABLE and told.code in RETRIED
        if unreachable and address == self._address():
            self._at += 1
        if not (unreachable and again and self._budget.failed() and await tries.another()):
            raise told from None


def typed(error: grpc.aio.AioRpcError) -> PasserelleError:
    """The error that the service meant; without details, by the status: see :data:`_BARE`."""
    told = from_rpc_error(error)
    if told.code != "service-unavailable" or error.code() not in _BARE:
        return told
    code, what = _BARE[error.code()]
    return Unavailable(code, what)


class _Tries:
    """The tries of one call: its deadline, and pauses once every address was tried."""

    def __init__(self, name: str, timeout_s: float, most: int, addresses: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + timeout_s
        self._left = most - 1
        self._addresses = addresses
        self._made = 1
        self._pauses = Backoff(name, FIRST_PAUSE_S, LAST_PAUSE_S)

    def left_s(self) -> float:
        return max(0.0, self._end - self._loop.time())

    async def another(self) -> bool:
        """Wait for the next try; False where there is none."""
        pause = 0.0 if self._made % self._addresses else self._pauses.next_s()
        if self._left <= 0 or pause >= self.left_s():
            return False
        self._left -= 1
        self._made += 1
        await asyncio.sleep(pause)
        return True
