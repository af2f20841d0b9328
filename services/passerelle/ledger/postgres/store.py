"""The ledger's database as :class:`passerelle.ledger.ports.Store`: loading, answering, and the writer's connection."""

from __future__ import annotations

import asyncpg
import orjson

from passerelle.core import tiles
from passerelle.core.errors import ConfigError, Fatal
from passerelle.core.registry import Registry, from_snapshot
from passerelle.core.streams import StreamHead
from passerelle.core.things import Dependency, Thing
from passerelle.ledger.config import LedgerConfig
from passerelle.ledger.model import CommitPlan, Head, LedgerState, Loaded, Needs, RawRecord, Spent, WaitingRow
from passerelle.ledger.plan import decode_headers
from passerelle.ledger.postgres.commit import write
from passerelle.ledger.postgres.errors import is_gone, translated
from passerelle.ledger.postgres.guard import BY_KEY
from passerelle.ledger.postgres.pool import Pool
from passerelle.runtime.postgres import transaction

_THINGS = """
SELECT key, kind, id, state, version, owner, created, changed, data FROM ledger.thing WHERE key = ANY($1::text[])
"""
_EDGES = "SELECT on_key, dependent, member FROM ledger.dependency WHERE on_key = ANY($1::text[])"
_SPENT = """
SELECT e.member, e.family, e.sequence, e.digest, e.index, e.code, e.refusal
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS asked (member, family, sequence)
JOIN ledger.entry e USING (member, family, sequence)
"""
_WAITING = 'SELECT arrived_at, topic, partition, "offset", key, headers, value FROM ledger.waiting'
_FLOOR = "UPDATE ledger.head SET floor = greatest(floor, $3) WHERE generation = $1 AND size = $2"
_TILE = "SELECT hashes FROM ledger.tile WHERE level = $1 AND n = $2"


class PostgresStore:
    """One connection writes, another answers the writer's questions; both are opened anew by each :meth:`load`."""

    def __init__(self, pool: Pool, config: LedgerConfig) -> None:
        self._pool = pool
        self._config = config
        self._root_key = config.root_public_key()
        self._session: asyncpg.pool.PoolConnectionProxy | None = None
        self._reader: asyncpg.pool.PoolConnectionProxy | None = None
        self.generation = 0
        """The lease's generation under which this process writes."""

    async def load(self) -> LedgerState:
        """As :class:`passerelle.ledger.ports.Store`; the head's generation must be this process's."""
        with translated("loading"):
            session = await self._reopen()
            async with transaction(session, isolation="repeatable_read", readonly=False):
                await session.execute(
                    "INSERT INTO ledger.head (network, generation)"
                    " SELECT $1, generation FROM ledger.lease ON CONFLICT DO NOTHING",
                    self._config.network,
                )
                head = await self._head(session)
                snapshot = await session.fetchval("SELECT snapshot FROM ledger.registry")
                streams = await session.fetch("SELECT member, family, sequence, digest FROM ledger.stream")
                waiting = await session.fetch(_WAITING)
                inboxes = await session.fetch("SELECT member, number FROM ledger.inbox_head")
                offsets = await session.fetch("SELECT topic, partition, next_offset FROM ledger.ingress")
        return LedgerState(
            head=head,
            registry=self._registry(snapshot),
            streams={(row[0], row[1]): StreamHead(row[2], row[3]) for row in streams},
            waiting=[
                WaitingRow(row[0], RawRecord(row[1], row[2], row[3], row[4], decode_headers(row[5]), row[6]))
                for row in waiting
            ],
            inbox_numbers={row[0]: row[1] for row in inboxes},
            offsets={(row[0], row[1]): row[2] for row in offsets},
        )

    async def _reopen(self) -> asyncpg.pool.PoolConnectionProxy:
        await self.close()
        # After a failure the idle ones may be cut off as well, and would look open for ever.
        await self._pool.expire_connections()
        self._session = session = await self._pool.acquire(timeout=10)
        await _binary_json(session)
        await session.execute(f"SET synchronous_commit = on; {BY_KEY}")
        self._reader = await self._pool.acquire(timeout=10)
        await self._reader.execute(BY_KEY)
        await _binary_json(self._reader)
        return session

    async def _head(self, session: asyncpg.pool.PoolConnectionProxy) -> Head:
        row = await session.fetchrow(
            "SELECT network, generation, size, accepted_at, floor, frontier FROM ledger.head FOR UPDATE"
        )
        assert row is not None
        if row["network"] != self._config.network:
            raise ConfigError(
                "config-mismatch",
                "the database holds the ledger of another network than the one configured",
                where="network",
                fix="configure the network of this database, or name another database",
            )
        if row["generation"] != self.generation:
            raise Fatal("lease-lost", "another ledger has taken the lease", where=f"generation {row['generation']}")
        hashes = row["frontier"]
        peaks = tuple(hashes[at : at + 32] for at in range(0, len(hashes), 32))
        return Head(row["network"], row["generation"], row["size"], row["accepted_at"], row["floor"], peaks)

    def _registry(self, snapshot: dict[str, object] | None) -> Registry:
        network, operator = self._config.network, self._config.operator
        if snapshot is None:
            return Registry(network, operator, self._root_key)
        registry = from_snapshot(snapshot)
        if (registry.operator, registry.root_public_key) != (operator, self._root_key):
            raise ConfigError(
                "root-key-mismatch",
                "the database's registry was founded by another operator or root key than the one configured",
                where="root_public_key_file",
            )
        return registry

    async def answer(self, needs: Needs) -> Loaded:
        """As :class:`passerelle.ledger.ports.Store`."""
        loaded = Loaded()
        session = self._opened(self._reader)
        with translated("reading"):
            if needs.things:
                for row in await session.fetch(_THINGS, list(needs.things)):
                    loaded.things[row[0]] = Thing(*row[1:])
            if needs.edges:
                for row in await session.fetch(_EDGES, list(needs.edges)):
                    loaded.edges.setdefault(row[0], []).append(Dependency(*row))
            if needs.spent:
                members, families, sequences = zip(*needs.spent, strict=True)
                for row in await session.fetch(_SPENT, members, families, sequences):
                    loaded.spent[(row[0], row[1], row[2])] = Spent(*row[3:])
        return loaded

    @staticmethod
    def _opened(session: asyncpg.pool.PoolConnectionProxy | None) -> asyncpg.pool.PoolConnectionProxy:
        if session is None:
            raise Fatal("service-stopping", "the database was not loaded")
        return session

    @property
    def _open(self) -> asyncpg.pool.PoolConnectionProxy:
        return self._opened(self._session)

    async def commit(self, plan: CommitPlan) -> None:
        """As :class:`passerelle.ledger.ports.Store`."""
        session = self._open
        with translated("writing"):
            await write(session, self.generation, plan)
        # From here on the outcome of a lost connection is not known: whoever asks reads the head again.
        with translated("committing", code="commit-unknown"):
            await session.execute("COMMIT")

    async def raise_floor(self, size: int, floor: int) -> None:
        """As :class:`passerelle.ledger.ports.Store`."""
        with translated("raising the floor"):
            status = await self._open.execute(_FLOOR, self.generation, size, floor)
        if status != "UPDATE 1":
            raise Fatal("lease-lost", "another ledger has moved the head", where=f"generation {self.generation}")

    async def root_at(self, size: int) -> bytes:
        """As :class:`passerelle.ledger.ports.Store`."""
        held: dict[tuple[int, int], bytes] = {}
        with translated("reading tiles"):
            for coord in tiles.tiles_at(size):
                held[coord.level, coord.index] = await self._open.fetchval(_TILE, coord.level, coord.index) or b""
        return tiles.root_at(size, lambda level, n: held.get((level, n), b""))

    async def close(self) -> None:
        """Give the connections back; a transaction that is open ends with them."""
        held = [session for session in (self._session, self._reader) if session is not None]
        self._session = self._reader = None
        for session in held:
            with translated("closing"):
                if not is_gone(session) and session.is_in_transaction():
                    session.terminate()
                await self._pool.release(session, timeout=2)


async def _binary_json(session: asyncpg.pool.PoolConnectionProxy) -> None:
    """Rows are copied in binary: jsonb is a version byte before the text."""
    await session.set_type_codec(
        "jsonb",
        encoder=lambda text: b"\x01" + text,
        decoder=lambda data: orjson.loads(memoryview(data)[1:]),
        schema="pg_catalog",
        format="binary",
    )
