"""What the machine gives at best, measured in the same run: bare COPY of the same rows, bare verification."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg

from passerelle.core.batch import SignedStatement, batch_message, batch_root
from passerelle.core.merkle import Frontier, leaf_hashes
from passerelle.core.signature import verify
from passerelle.core.statement import parse_statement
from passerelle.core.tiles import grow

COPY_BATCH = 4000
THREADS = 2
ENTRY_COLUMNS = (
    "index",
    "accepted_at",
    "member",
    "family",
    "sequence",
    "visibility",
    "code",
    "type",
    "subject",
    "digest",
    "entry",
    "ingress",
)
THING_COLUMNS = ("key", "kind", "id", "state", "version", "owner", "created", "changed", "data")


async def copy_rate(dsn: str, limit: int) -> float:
    """Events a second of bare COPY: the same rows (entry, body, thing) into empty tables of the same shape and keys."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        entries = await connection.fetch(
            f"SELECT {', '.join(ENTRY_COLUMNS)} FROM ledger.entry ORDER BY index LIMIT $1",
            limit,
        )
        bodies = await connection.fetch(
            "SELECT index, subject, parties, body FROM ledger.party_body ORDER BY index LIMIT $1", limit
        )
        things = await connection.fetch(
            f"SELECT {', '.join(THING_COLUMNS)} FROM ledger.thing ORDER BY changed LIMIT $1", limit
        )
        await connection.execute(
            "DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare;"
            " CREATE TABLE bare.entry (LIKE ledger.entry INCLUDING ALL);"
            " CREATE TABLE bare.party_body (LIKE ledger.party_body INCLUDING ALL);"
            " CREATE TABLE bare.thing (LIKE ledger.thing INCLUDING ALL)"
        )
        start = time.perf_counter()
        for first in range(0, len(entries), COPY_BATCH):
            async with connection.transaction():
                await connection.copy_records_to_table(
                    "entry", schema_name="bare", columns=ENTRY_COLUMNS, records=entries[first : first + COPY_BATCH]
                )
                await connection.copy_records_to_table(
                    "party_body",
                    schema_name="bare",
                    columns=("index", "subject", "parties", "body"),
                    records=bodies[first : first + COPY_BATCH],
                )
                await connection.copy_records_to_table(
                    "thing", schema_name="bare", columns=THING_COLUMNS, records=things[first : first + COPY_BATCH]
                )
        taken = time.perf_counter() - start
        await connection.execute("DROP SCHEMA bare CASCADE")
    finally:
        await connection.close()
    return len(entries) / taken


async def merkle_us(dsn: str, limit: int) -> float:
    """Microseconds an entry of all Merkle work: leaf hashes, frontier and tiles, in commits of 4,000."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT entry FROM ledger.entry ORDER BY index LIMIT $1", limit)
    finally:
        await connection.close()
    entries, frontier = [row[0] for row in rows], Frontier()
    start = time.perf_counter()
    for first in range(0, len(entries), COPY_BATCH):
        grow(frontier, leaf_hashes(entries[first : first + COPY_BATCH]))
    return (time.perf_counter() - start) / len(entries) * 1e6


def verify_rate(events: Sequence[SignedStatement], keys: dict[str, bytes]) -> float:
    """Signatures a second on two threads, one for every event whatever its batch."""
    work = [_message(event, keys) for event in events]
    share = (len(work) + THREADS - 1) // THREADS
    parts = [work[first : first + share] for first in range(0, len(work), share)]
    with ThreadPoolExecutor(THREADS) as pool:
        start = time.perf_counter()
        verified = sum(pool.map(_verify_all, parts))
        taken = time.perf_counter() - start
    if verified != len(work):
        raise RuntimeError("a generated signature does not verify")
    return len(work) / taken


def _message(event: SignedStatement, keys: dict[str, bytes]) -> tuple[bytes, bytes, bytes]:
    root = batch_root(event.statement, event.batch_index, event.batch_size, event.batch_path)
    statement = parse_statement(event.statement)
    message = batch_message(statement.network, statement.member, event.batch_size, root)
    return keys[event.key_id], message, event.batch_signature


def _verify_all(part: list[tuple[bytes, bytes, bytes]]) -> int:
    return sum(verify(key, message, signature) for key, message, signature in part)
