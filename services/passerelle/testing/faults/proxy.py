"""A TCP proxy on the loopback address that spoils what passes through it, in ways that can be switched at run time.

Nothing is altered or lost inside a connection: TCP would not do that either. Bytes come late, in crumbs, in one
direction only, or not at all.
"""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from passerelle.embedded.ports import LOOPBACK

CHUNK: Final = 16 * 1024
"""Most bytes that one direction of a connection reads at once, and holds beside its buffers."""
BUFFER: Final = 64 * 1024
"""Bound of each reading and each writing buffer: beyond it the sender has to wait (back-pressure)."""
MAX_CONNECTIONS: Final = 256
"""Connections beyond this are closed at once."""
BACKLOG: Final = 128


class Mode(StrEnum):
    """What a proxy does."""

    OPEN = "open"
    """Passes everything on."""
    CUT = "cut"
    """Every connection is reset, once; new ones pass."""
    REFUSE = "refuse"
    """Every connection is reset, and new ones are refused."""
    HOLD_OUT = "hold-out"
    """What clients send is held; what the server sends passes."""
    HOLD_BACK = "hold-back"
    """What the server sends is held; what clients send passes."""
    HALF_OPEN = "half-open"
    """Connections are accepted and stay silent for good, those that are open too; only later ones can be whole."""
    SLOW = "slow"
    """Each piece waits, and the bandwidth is low."""
    SPLIT = "split"
    """Everything is written in pieces of a few bytes."""


@dataclass(frozen=True, slots=True)
class Slowness:
    """``latency_s`` before each read piece is written on, then ``bytes_per_s``; split pieces have 1 to ``piece``."""

    latency_s: float = 0.05
    bytes_per_s: int = 256 * 1024
    piece: int = 48


@dataclass(eq=False, slots=True)
class _Connection:
    """One client's connection. ``dead``: it stays silent for good."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    dead: bool = False
    task: asyncio.Task[None] | None = None

    def abort(self) -> None:
        """Reset both ends."""
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


@dataclass(slots=True)
class Counts:
    """What passed: connections accepted, bytes towards the server and back, separate writes."""

    connections: int = 0
    out: int = 0
    back: int = 0
    writes: int = 0


@dataclass(slots=True)
class FaultProxy:
    """Listens on ``port`` of 127.0.0.1 and passes connections on to ``target``, a port there too.

    ``start`` it, ``switch`` its mode as often as needed, ``close`` it; all in one event loop. ``seed`` draws the sizes
    of split pieces. While it refuses, the port stays bound, so that nobody else takes it.
    """

    target: int
    seed: int = 0
    slowness: Slowness = Slowness()
    mode: Mode = Mode.OPEN
    port: int = 0
    counts: Counts = field(default_factory=Counts)
    _open: set[_Connection] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _bound: socket.socket | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        # Not for secrets: the same seed must give the same pieces.
        self._chance = random.Random(self.seed)  # noqa: S311

    async def start(self, port: int = 0) -> int:
        """Listen, on a free port where none is named; the port. Raises OSError where it is in use."""
        self.port = port
        await self._listen()
        return self.port

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    async def switch(self, mode: Mode, slowness: Slowness | None = None) -> None:
        """Change what it does from now on, for open connections too."""
        self.slowness = slowness or self.slowness
        self.mode = Mode.OPEN if mode is Mode.CUT else mode
        if mode is Mode.HALF_OPEN:
            for connection in self._open:
                connection.dead = True
        if mode is Mode.REFUSE:
            await self._refuse()
        elif self._server is None:
            await self._listen()
        if mode in (Mode.CUT, Mode.REFUSE):
            for connection in list(self._open):
                connection.abort()
        async with self._changed:
            self._changed.notify_all()

    async def close(self) -> None:
        """End every connection and listen no more. Twice is allowed."""
        await self._refuse(bind=False)
        open_now = list(self._open)
        for connection in open_now:
            connection.abort()
            if connection.task is not None:
                connection.task.cancel()
        await asyncio.gather(*(one.task for one in open_now if one.task is not None), return_exceptions=True)

    # Listening

    def _bind(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((LOOPBACK, self.port))
        except OSError:
            bound.close()
            raise
        self.port = int(bound.getsockname()[1])
        return bound

    async def _listen(self) -> None:
        bound, self._bound = self._bound or self._bind(), None
        bound.setblocking(False)
        self._server = await asyncio.start_server(self._accepted, sock=bound, limit=BUFFER, backlog=BACKLOG)

    async def _refuse(self, *, bind: bool = True) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        if self._bound is not None and not bind:
            self._bound.close()
            self._bound = None
        if bind and self._bound is None:
            # Bound and not listening: the system refuses connections.
            self._bound = self._bind()

    # Connections

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= MAX_CONNECTIONS or self._server is None:
            writer.transport.abort()
            return
        self.counts.connections += 1
        connection = _Connection(writer, dead=self.mode is Mode.HALF_OPEN)
        # A task of its own: the one that runs this is the listener's, and not made to be cancelled.
        connection.task = asyncio.create_task(self._serve(connection, reader))
        self._open.add(connection)
        try:
            await asyncio.wait({connection.task})
        finally:
            self._open.discard(connection)
            connection.abort()

    async def _serve(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        try:
            await self._join(connection, reader)
        except OSError:
            # Either side went away, or the target does not listen: the other side is told by a reset.
            return

    async def _join(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        if connection.dead:
            await self._bury(connection, reader)
            return
        answers, server = await asyncio.open_connection(LOOPBACK, self.target, limit=BUFFER)
        connection.server = server
        for writer in (connection.client, server):
            writer.transport.set_write_buffer_limits(high=BUFFER)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pumps = [
            asyncio.ensure_future(self._pump(connection, reader, server, outward=True)),
            asyncio.ensure_future(self._pump(connection, answers, connection.client, outward=False)),
        ]
        try:
            # The first error ends both directions; an orderly end of one lets the other finish.
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _bury(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        """Take what the client sends and answer nothing, until it gives up; the server hears of that after healing."""
        while await reader.read(CHUNK):
            continue
        connection.client.transport.abort()
        async with self._changed:
            await self._changed.wait_for(lambda: self.mode is not Mode.HALF_OPEN)

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        held = Mode.HOLD_OUT if outward else Mode.HOLD_BACK
        while True:
            data = await reader.read(CHUNK)
            async with self._changed:
                await self._changed.wait_for(lambda: self.mode is not held or connection.dead)
            if connection.dead:
                if not outward:
                    # The other direction says when the client gives up; what the server sends stays with it.
                    return
                await self._bury(connection, reader)
                raise ConnectionResetError("a half-open connection was given up")
            if not data:
                writer.write_eof()
                return
            await self._write(writer, data)
            if outward:
                self.counts.out += len(data)
            else:
                self.counts.back += len(data)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.mode is Mode.SLOW:
            await asyncio.sleep(self.slowness.latency_s + len(data) / self.slowness.bytes_per_s)
        at = 0
        while at < len(data):
            # The mode may change in the middle: the rest then goes at once.
            piece = self._chance.randint(1, self.slowness.piece) if self.mode is Mode.SPLIT else len(data)
            writer.write(data[at : at + piece])
            self.counts.writes += 1
            at += piece
            await writer.drain()
            if at < len(data):
                await asyncio.sleep(0)
