"""Gauges of a running network, read from its databases: while a database is away the last figure stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import asyncpg

from passerelle.runtime.process import wait_for
from passerelle.testing.faults.gauges import ANSWERED, COMMITTED, FOLLOWED, PROMISED, PUBLISHED, SENT, Gauge

EVERY_S = 0.02
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
QUERIES: Mapping[str, str] = {
    COMMITTED: "SELECT coalesce(max(size), 0) FROM ledger.head",
    PUBLISHED: "SELECT coalesce(max(position), 0) FROM ledger.published WHERE name = 'feed'",
    PROMISED: "SELECT coalesce(max(size), 0) FROM ledger.checkpoint WHERE shown",
    SENT: "SELECT coalesce(sum(sent), 0) FROM node.stream",
    FOLLOWED: "SELECT coalesce(max(next_index), 0) FROM progress",
    ANSWERED: "SELECT coalesce(sum(accepted + refused), 0) FROM node.stream",
}


class Watch:
    """Reads single figures. ``dsns`` by member; the ledger's stands under an empty name."""

    def __init__(self, dsns: Mapping[str, str]) -> None:
        self._dsns = dsns
        self._open: dict[str, asyncpg.Connection[Any]] = {}
        self._turns = {member: asyncio.Lock() for member in dsns}
        self._last: dict[Gauge, int] = {}

    async def read(self, gauge: Gauge) -> int:
        """The figure now, or the last one read while the database is away."""
        self._last[gauge] = int(await self.value(gauge.member, QUERIES[gauge.name]) or self._last.get(gauge, 0))
        return self._last[gauge]

    async def value(self, member: str, query: str) -> Any:
        """One value of a database; None while it is away. Several may ask at once."""
        async with self._turns[member]:
            return await self._value(member, query)

    async def _value(self, member: str, query: str) -> Any:
        try:
            connection = self._open.get(member)
            if connection is None or connection.is_closed():
                connection = self._open[member] = await asyncpg.connect(self._dsns[member], timeout=5)
            return await connection.fetchval(query, timeout=5)
        except AWAY:
            # Killed in the middle of an answer: the next look opens another connection.
            broken = self._open.pop(member, None)
            if broken is not None:
                broken.terminate()
            return None

    async def unanswered(self, members: Iterable[str]) -> int:
        """Events of these nodes that have no receipt; one for each database that is away."""
        query = "SELECT (SELECT count(*) FROM node.outbox WHERE outcome IS NULL) + (SELECT count(*) FROM node.draft)"
        counts = [await self.value(member, query) for member in members]
        return sum(1 if count is None else int(count) for count in counts)

    async def until(self, gauge: Gauge, at: int, timeout_s: float, tell: Callable[[], str]) -> int:
        """Wait until a gauge shows at least ``at``; the figure. Raises AssertionError with what ``tell`` says."""

        async def reached() -> bool:
            return await self.read(gauge) >= at

        if not await wait_for(reached, timeout_s=timeout_s, every_s=EVERY_S):
            raise AssertionError(
                f"{gauge} stands at {await self.read(gauge)}, not {at}, after {timeout_s:g} s\n{tell()}"
            )
        return self._last[gauge]

    async def close(self) -> None:
        """Close the connections."""
        for connection in self._open.values():
            connection.terminate()
        await asyncio.sleep(0)
