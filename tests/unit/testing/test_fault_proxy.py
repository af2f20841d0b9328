"""The proxy that spoils connections, on real sockets of the loopback address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from passerelle.embedded.ports import LOOPBACK
from passerelle.runtime.process import wait_for
from passerelle.testing.faults import proxy as module
from passerelle.testing.faults.proxy import FaultProxy, Mode, Slowness

LIMIT_S = 30.0
BRIEF_S = 0.15
"""How long something that must not happen is waited for."""


class Server:
    """Answers each piece with itself in capitals; counts what it took."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ended = 0
        self.reading = asyncio.Event()
        self.reading.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self.reading.wait()
                data = await reader.read(65536)
                if not data:
                    break
                self.pieces.append(data)
                writer.write(data.upper())
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended += 1
            writer.close()

    @property
    def taken(self) -> int:
        return sum(map(len, self.pieces))


class Client:
    """One connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> bytes:
        self.writer.write(data)
        return await self.answer(len(data))

    async def answer(self, size: int) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await self.reader.readexactly(size)

    async def is_silent(self) -> bool:
        try:
            async with asyncio.timeout(BRIEF_S):
                await self.reader.read(1)
        except TimeoutError:
            return True
        return False

    async def is_reset(self) -> bool:
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True


Connect = Callable[[], Awaitable[Client]]


@asynccontextmanager
async def between(**options: object) -> AsyncIterator[tuple[Server, FaultProxy, Connect]]:
    server = Server()
    listener = await asyncio.start_server(server.serve, LOOPBACK, 0)
    proxy = FaultProxy(listener.sockets[0].getsockname()[1], **options)  # type: ignore[arg-type]
    port = await proxy.start()
    clients: list[Client] = []

    async def connect() -> Client:
        clients.append(Client(*await asyncio.open_connection(LOOPBACK, port)))
        return clients[-1]

    try:
        yield server, proxy, connect
    finally:
        for client in clients:
            client.writer.transport.abort()
        await proxy.close()
        listener.close()


async def test_open_passes_both_ways_and_the_end_of_each() -> None:
    async with between() as (server, proxy, connect):
        client = await connect()
        assert await client.ask(b"one") == b"ONE"
        assert await client.ask(b"x" * 300_000) == b"X" * 300_000
        client.writer.write_eof()
        assert await client.is_reset()
        assert server.ended == 1
        assert (proxy.counts.out, proxy.counts.back, proxy.counts.connections) == (300_003, 300_003, 1)


async def test_cut_resets_what_is_open_and_lets_new_ones_pass() -> None:
    async with between() as (_, proxy, connect):
        old = await connect()
        assert await old.ask(b"a") == b"A"
        await proxy.switch(Mode.CUT)
        assert await old.is_reset()
        assert await (await connect()).ask(b"b") == b"B"
        assert proxy.mode is Mode.OPEN


async def test_refuse_keeps_the_port_and_refuses_until_it_opens() -> None:
    async with between() as (_, proxy, connect):
        old = await connect()
        assert await old.ask(b"a") == b"A"
        port = proxy.port
        for _ in range(3):
            await proxy.switch(Mode.REFUSE)
            assert await old.is_reset()
            with pytest.raises(ConnectionRefusedError):
                await connect()
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind((LOOPBACK, port))
            await proxy.switch(Mode.OPEN)
            old = await connect()
            assert await old.ask(b"b") == b"B"
        assert proxy.port == port


@pytest.mark.parametrize("mode", [Mode.HOLD_OUT, Mode.HOLD_BACK])
async def test_one_direction_is_held_and_nothing_is_lost(mode: Mode) -> None:
    async with between() as (server, proxy, connect):
        client = await connect()
        assert await client.ask(b"a") == b"A"
        await proxy.switch(mode)
        client.writer.write(b"held")
        assert await client.is_silent()
        assert server.taken == (1 if mode is Mode.HOLD_OUT else 5)
        await proxy.switch(Mode.OPEN)
        assert await client.answer(4) == b"HELD"


async def test_half_open_is_silent_for_good_and_only_later_connections_are_whole() -> None:
    async with between() as (server, proxy, connect):
        old = await connect()
        assert await old.ask(b"a") == b"A"
        await proxy.switch(Mode.HALF_OPEN)
        fresh = await connect()
        for client in (old, fresh):
            client.writer.write(b"lost")
            assert await client.is_silent()
        old.writer.close()
        assert await fresh.is_silent()
        assert server.ended == 0, "the server cannot know that the client gave up"
        await proxy.switch(Mode.OPEN)
        assert await fresh.is_silent()
        assert await (await connect()).ask(b"new") == b"NEW"
        assert await wait_for(lambda: _holds(server.ended == 1), timeout_s=LIMIT_S)
        assert b"lost" not in b"".join(server.pieces)
        fresh.writer.close()
        assert await wait_for(lambda: _holds(proxy.connections == 1), timeout_s=LIMIT_S)


async def test_slow_takes_its_time() -> None:
    async with between(slowness=Slowness(latency_s=0.1, bytes_per_s=100_000)) as (_, proxy, connect):
        client = await connect()
        await proxy.switch(Mode.SLOW)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        assert await client.ask(b"y" * 20_000) == b"Y" * 20_000
        # 0.2 s for 20,000 bytes each way at 100 kB/s, and a latency each way.
        assert loop.time() - begun >= 0.4


async def test_split_writes_crumbs_of_drawn_sizes() -> None:
    async with between(slowness=Slowness(piece=7)) as (server, proxy, connect):
        client = await connect()
        await proxy.switch(Mode.SPLIT)
        data = bytes(range(97, 123)) * 40
        assert await client.ask(data) == data.upper()
        assert b"".join(server.pieces) == data
        assert proxy.counts.writes >= 2 * len(data) // 7


async def test_a_reader_that_is_slow_makes_the_writer_wait() -> None:
    async with between() as (server, proxy, connect):
        client = await connect()
        assert await client.ask(b"a") == b"A"
        server.reading.clear()
        client.writer.write(b"a")
        assert await client.answer(1) == b"A"
        size = 32 * 1024 * 1024
        client.writer.write(b"z" * size)
        assert not await wait_for(lambda: _holds(proxy.counts.out >= size), timeout_s=0.5)
        held = client.writer.transport.get_write_buffer_size()
        assert held > size // 4, "the proxy took in more than its bounds and those of the system"
        server.reading.set()
        assert await client.answer(size) == b"Z" * size


async def test_there_is_a_bound_of_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 2)
    async with between() as (_, proxy, connect):
        first, second = await connect(), await connect()
        assert await first.ask(b"a") == b"A"
        assert await second.ask(b"b") == b"B"
        assert await (await connect()).is_reset()
        first.writer.close()
        assert await wait_for(lambda: _holds(proxy.connections == 1), timeout_s=LIMIT_S)
        assert await (await connect()).ask(b"c") == b"C"


async def test_a_target_that_does_not_listen_resets_the_client() -> None:
    proxy = FaultProxy(1)
    client = Client(*await asyncio.open_connection(LOOPBACK, await proxy.start()))
    assert await client.is_reset()
    await proxy.close()
    await proxy.close()


async def _holds(value: bool) -> bool:
    return value
