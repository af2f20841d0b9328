"""PostgreSQL: pools, and migrations as plain SQL files applied once each, in order, under an advisory lock."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

import asyncpg
import orjson

from passerelle.core.errors import Fatal, Unavailable
from passerelle.runtime.config import DatabaseConfig, read_secret

CONNECT_TIMEOUT_S = 10.0
_LOCK = 0x7061_7373  # "pass": one migration at a time in a database


async def _prepare(connection: asyncpg.Connection) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
            schema="pg_catalog",
        )


async def connect(config: DatabaseConfig, *, name: str, retry_for: float = 0.0) -> asyncpg.Pool:
    """A pool whose connections map jsonb to plain values. ``retry_for`` seconds are spent on a server that starts.

    Raises Unavailable ``database-unavailable``.
    """
    password = read_secret(config.password_file) if config.password_file else None
    deadline = asyncio.get_running_loop().time() + retry_for
    while True:
        try:
            return await asyncpg.create_pool(
                config.url,
                password=password,
                min_size=1,
                max_size=config.pool_size,
                timeout=CONNECT_TIMEOUT_S,
                init=_prepare,
                # Compiling a plan pays for reports over millions of rows; here it costs 100 ms a statement.
                server_settings={"application_name": name, "jit": "off"},
            )
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError) as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise Unavailable(
                    "database-unavailable", f"PostgreSQL does not answer: {type(error).__name__}", where=name
                ) from None
            await asyncio.sleep(0.2)
        except asyncpg.PostgresError as error:
            raise Unavailable(
                "database-unavailable", f"PostgreSQL refused the connection: {type(error).__name__}", where=name
            ) from None


async def migrate(pool: asyncpg.Pool, package: str) -> list[str]:
    """Apply the ``*.sql`` files of ``package`` that were not applied yet; returns their names.

    A file that was applied and has changed since is Fatal ``migration-changed``.
    """
    scripts = sorted((f for f in files(package).iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    applied: list[str] = []
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS public.migration"
            " (package text, name text, sha256 bytea NOT NULL, PRIMARY KEY (package, name))"
        )
        rows = await connection.fetch("SELECT name, sha256 FROM public.migration WHERE package = $1", package)
        known = {row["name"]: row["sha256"] for row in rows}
        for script in scripts:
            text = script.read_bytes()
            digest = hashlib.sha256(text).digest()
            if script.name in known:
                if known[script.name] != digest:
                    raise Fatal("migration-changed", "a migration differs from the one applied", where=script.name)
                continue
            await connection.execute(text.decode())
            await connection.execute("INSERT INTO public.migration VALUES ($1, $2, $3)", package, script.name, digest)
            applied.append(script.name)
    return applied


@asynccontextmanager
async def listening(pool: asyncpg.Pool, channel: str, wake: Callable[[], Any]) -> AsyncIterator[None]:
    """Call ``wake`` on each notification of ``channel`` while the block runs. A lost connection ends the wake-ups only:
    who listens also polls.
    """
    async with pool.acquire() as connection:

        def woken(*_: object) -> None:
            wake()

        await connection.add_listener(channel, woken)
        try:
            yield
        finally:
            # A connection that broke went back to the pool by itself, and its listeners with it.
            with suppress(asyncpg.InterfaceError):
                await connection.remove_listener(channel, woken)
