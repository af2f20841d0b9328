"""The lease over a database that restarts: its connection breaks, and the next renewal opens another one."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import asyncpg
import pytest

from passerelle.core.errors import Unavailable
from passerelle.ledger.postgres import MIGRATIONS
from passerelle.ledger.postgres.guard import guarded
from passerelle.ledger.postgres.lease import LOCK, Lease
from passerelle.runtime.config import DatabaseConfig
from passerelle.runtime.postgres import connect, migrate
from passerelle.runtime.process import wait_for
from passerelle.testing.faults.proxy import FaultProxy, Mode

NAME = "lease-holder"
_END = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1"


async def test_a_lease_outlives_its_connection(database: str) -> None:
    pool = await connect(DatabaseConfig(url=database, pool_size=2), name=NAME)
    look = await asyncpg.connect(database)
    try:
        await migrate(pool, MIGRATIONS)
        lease = Lease(pool, 30)
        assert await lease.acquire() == 1
        assert await look.fetchval(_END, NAME) > 0

        async def renewed() -> bool:
            try:
                await lease.renew()
            except Unavailable:
                return False
            return True

        assert await wait_for(renewed, timeout_s=10), "a broken connection was never replaced"
        # The session lock is held again too: a standby does not get in before the row expires.
        assert not await look.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
        await lease.release()
        assert await look.fetchval("SELECT expires_at < now() FROM ledger.lease")
        assert await look.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)
    finally:
        await look.close()
        pool.terminate()


async def test_a_lease_is_given_back_without_its_connection(database: str) -> None:
    """A stop while the database is away leaves the lease to its end and raises nothing."""
    pool = await connect(DatabaseConfig(url=database, pool_size=2), name=NAME)
    look = await asyncpg.connect(database)
    try:
        await migrate(pool, MIGRATIONS)
        lease = Lease(pool, 30)
        await lease.acquire()
        await look.fetchval(_END, NAME)
        await lease.release()
        assert await look.fetchval("SELECT generation FROM ledger.lease") == 1
    finally:
        await look.close()
        pool.terminate()


async def test_a_holder_that_hangs_in_a_commit_does_not_keep_the_lease(database: str) -> None:
    """A frozen process keeps its session, its lock and its open transaction: time ends all three."""
    hung = await connect(DatabaseConfig(url=database, pool_size=2), name=NAME)
    waiting = await connect(DatabaseConfig(url=database, pool_size=2), name="lease-standby")
    writer = await asyncpg.connect(database)
    try:
        await migrate(hung, MIGRATIONS)
        await hung.execute("INSERT INTO ledger.head (network) VALUES ('ledger.test.example/1')")
        assert await Lease(hung, 0.5).acquire() == 1
        await writer.execute("BEGIN")
        await writer.execute("UPDATE ledger.head SET size = size + 1")
        assert await asyncio.wait_for(Lease(waiting, 0.5).acquire(), 10) == 2
        assert await waiting.fetchval("SELECT size FROM ledger.head") == 0
    finally:
        writer.terminate()
        hung.terminate()
        waiting.terminate()


async def test_connections_that_fall_silent_are_given_up(database: str) -> None:
    """Open, acknowledged by the system on the way, and without an answer for ever; new connections work."""
    port = urlsplit(database).port
    assert port is not None
    proxy = FaultProxy(port)
    through = database.replace(f":{port}/", f":{await proxy.start()}/")
    pool = await connect(DatabaseConfig(url=through, pool_size=2, statement_timeout_s=1), name=NAME)
    lease = Lease(pool, 1.0)
    try:
        await migrate(pool, MIGRATIONS)
        assert await lease.acquire() == 1
        await proxy.switch(Mode.HALF_OPEN)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(lease.renew(), 10)
        await proxy.switch(Mode.OPEN)

        async def renewed() -> bool:
            try:
                await asyncio.wait_for(lease.renew(), 10)
            except Unavailable:
                return False
            return True

        assert await wait_for(renewed, timeout_s=20), "a silent connection was kept"
        async with guarded(pool) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    finally:
        pool.terminate()
        await proxy.close()
