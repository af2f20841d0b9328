"""The client for programs without an event loop: the same calls, answered when they return."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from google.protobuf.message import Message

from passerelle.client.budget import RetryBudget
from passerelle.client.identity import Identity
from passerelle.client.methods import Stream, Unary
from passerelle.client.rpc import TIMEOUT_S, TRIES, Client

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


class SyncClient:
    """A :class:`passerelle.client.Client` whose loop runs in a thread of its own; several threads may call it."""

    def __init__(
        self,
        addresses: str | Sequence[str],
        *,
        identity: Identity | None = None,
        timeout_s: float = TIMEOUT_S,
        tries: int = TRIES,
        budget: RetryBudget | None = None,
    ) -> None:
        """As :class:`passerelle.client.Client`."""
        self._client = Client(addresses, identity=identity, timeout_s=timeout_s, tries=tries, budget=budget)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="passerelle-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channels and end the thread; a second call does nothing."""
        if self._loop.is_closed():
            return
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, method: Unary[Q, R], request: Q, *, timeout_s: float | None = None) -> R:
        """See :meth:`passerelle.client.Client.call`."""
        return self._wait(self._client.call(method, request, timeout_s=timeout_s))

    def stream(
        self, method: Stream[Q, R], request: Q, *, timeout_s: float | None = None, endless: bool = False
    ) -> Iterator[R]:
        """See :meth:`passerelle.client.Client.stream`; the call ends when the iterator is closed."""
        answers = self._client.stream(method, request, timeout_s=timeout_s, endless=endless)
        try:
            while True:
                try:
                    yield self._wait(_next(answers))
                except StopAsyncIteration:
                    return
        finally:
            self._wait(answers.aclose())

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C while waiting: the call under way is ended too.
            future.cancel()
            raise


async def _next(answers: AsyncGenerator[R, None]) -> R:
    return await anext(answers)
