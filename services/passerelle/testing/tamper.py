"""Single bits of a ledger's database turned over, one at a time, to see whether ``ledger check`` finds and names them.

Every flip lies in a transaction that is rolled back. The draws are those of a seed: first the table, then the column,
then the row, then the bit, so that small tables get their share.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg

from passerelle.core.errors import PasserelleError
from passerelle.core.note import VerifierKey
from passerelle.core.registry import Registry
from passerelle.core.tiles import TileCoord
from passerelle.ledger.check_run import run_check
from passerelle.ledger.postgres.check import SnapshotStore
from passerelle.runtime.clock import SystemClock

ALWAYS: Final = "true"


@dataclass(frozen=True, slots=True)
class Unproved:
    """Cells that nothing in the database proves, and why. ``rows`` is the SQL condition of the rows meant."""

    table: str
    column: str
    why: str
    rows: str = ALWAYS


UNPROVED: Final = (
    Unproved("head", "accepted_at", "the instant of a commit without entries: only its bounds are known"),
    Unproved("head", "floor", "how long the ledger was idle: only its lower bound is known"),
    Unproved("lease", "holder", "who holds the lease now"),
    Unproved("lease", "expires_at", "until when"),
    Unproved("checkpoint", "signed_at", "the note has no instant"),
    Unproved(
        "checkpoint",
        "shown",
        "whether the newest one was acked is known to its topic",
        "size = (SELECT max(size) FROM ledger.checkpoint)",
    ),
    Unproved("cosignature", "number", "only the order has a meaning"),
    Unproved("waiting", "arrived_at", "when a record without an index came"),
    Unproved("waiting", "partition", "where it lies is known to Kafka; only that it was read is checked"),
    Unproved("waiting", "offset", "where it lies is known to Kafka; only that it was read is checked"),
    Unproved("conflict", "id", "a number of no meaning"),
    Unproved("conflict", "arrived_at", "when a record without an index came"),
    Unproved("unverified", "number", "only the order has a meaning"),
    Unproved(
        "unverified",
        "value",
        "whom a forged record names is proved by nobody",
        "convert_from(value, 'utf8') LIKE '%member_named%'",
    ),
    Unproved(
        "inbox",
        "created_at",
        "the instant of a commit is proved by its entries: this letter answers none of them",
        "kind IN ('resend-from', 'problem') OR kind = 'receipts' AND NOT EXISTS (SELECT FROM ledger.entry e"
        " WHERE e.member = inbox.member AND e.accepted_at = inbox.created_at)",
    ),
    Unproved("inbox", "value", "from which number on a stream was asked for", "kind = 'resend-from'"),
    Unproved(
        "inbox",
        "value",
        "the number of a statement that was not kept",
        "kind = 'problem' AND convert_from(value, 'utf8') LIKE '%key-not-valid%'",
    ),
    Unproved("inbox_head", "published", "what was acked is known to the inbox's topic; only bounds are checked"),
    Unproved("published", "position", "what was acked is known to the topics; only bounds are checked"),
    Unproved("ingress", "next_offset", "what was read and left no entry is known to Kafka; only its bound is checked"),
    Unproved("entry", "ingress", "the offset is repeated on the feed and nowhere in the database"),
)
"""All that no check of the database alone can find. ``docs/log.md`` says it in words."""

_TABLES: Final = """
SELECT c.table_name AS name, array_agg(c.column_name::text ORDER BY c.ordinal_position) AS columns
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = 'ledger' AND t.table_type = 'BASE TABLE' GROUP BY 1 ORDER BY 1
"""
_KEYS: Final = """
SELECT a.attname::text AS name FROM pg_index i
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY array_position(i.indkey::int[], a.attnum::int)
"""
_TYPES: Final = """
SELECT column_name::text AS name, udt_name::text AS kind FROM information_schema.columns
WHERE table_schema = 'ledger' AND table_name = $1
"""
_IMPOSSIBLE: Final = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.InvalidTextRepresentationError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.CharacterNotInRepertoireError,
)
"""What the database says of a value that it cannot hold: a key that is taken, JSON that is none."""
NATURAL: Final = {"conflict": ("member", "family", "sequence")}
"""Keys by which rows are named where the primary key has no meaning."""
_BITS: Final = {"int2": 16, "int4": 32, "int8": 64}


@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds rows: its key's columns, the type of every column, the rows with their place (``ctid``)."""

    name: str
    keys: tuple[str, ...]
    kinds: dict[str, str]
    rows: list[dict[str, Any]]
    unproved: dict[str, frozenset[str]]
    """Column -> places of the rows in which nothing proves it."""


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit turned over: the row's key before and after, and the value that was written."""

    table: str
    column: str
    place: str
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    value: Any

    def __str__(self) -> str:
        return f"{self.table}.{self.column} of {' '.join(map(str, self.before))}"


@dataclass(slots=True)
class Tally:
    """How many flips of one table there were, were refused by the database itself, found, and named."""

    flips: int = 0
    impossible: int = 0
    found: int = 0
    named: int = 0


@dataclass(slots=True)
class Outcome:
    """All flips of a run. ``missed`` were not found, ``nameless`` found without table and key."""

    tables: dict[str, Tally] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)

    @property
    def flips(self) -> int:
        """Flips that the database took."""
        return sum(tally.flips for tally in self.tables.values())


async def read_tables(connection: asyncpg.Connection[Any]) -> list[Table]:
    """Every table of the ledger that holds a row, with its rows."""
    tables = []
    for row in await connection.fetch(_TABLES):
        name = row["name"]
        keys = NATURAL.get(name) or tuple(key["name"] for key in await connection.fetch(_KEYS, f"ledger.{name}"))
        order = ", ".join(f'"{key}"' for key in keys)
        found = await connection.fetch(f"SELECT *, ctid::text AS place FROM ledger.{name} ORDER BY {order}")  # noqa: S608
        if not found:
            continue
        kinds = {item["name"]: item["kind"] for item in await connection.fetch(_TYPES, name)}
        unproved: dict[str, frozenset[str]] = {}
        for cell in UNPROVED:
            if cell.table == name:
                places = await connection.fetch(f"SELECT ctid::text FROM ledger.{name} WHERE {cell.rows}")  # noqa: S608
                unproved[cell.column] = unproved.get(cell.column, frozenset()) | {place[0] for place in places}
        tables.append(Table(name, keys, kinds, [dict(item) for item in found], unproved))
    return tables


def draw(tables: Sequence[Table], chance: random.Random) -> Flip:
    """One flip of a cell that something proves."""
    while True:
        table = chance.choice(tables)
        column = chance.choice(sorted(table.kinds))
        row = chance.choice(table.rows)
        if row[column] is None or row["place"] in table.unproved.get(column, ()):
            continue
        value = _turned(row[column], table.kinds[column], chance)
        if value is None:
            continue
        before = tuple(row[key] for key in table.keys)
        after = tuple(value if key == column else row[key] for key in table.keys)
        return Flip(table.name, column, row["place"], before, after, value)


def _turned(value: Any, kind: str, chance: random.Random) -> Any:
    """The value with one bit turned over; None where there is no bit, or no such value."""
    if kind == "bool":
        return not value
    if kind in _BITS:
        bits = _BITS[kind]
        turned = (value & (1 << bits) - 1) ^ 1 << chance.randrange(bits)
        return turned - (1 << bits) if turned >> bits - 1 else turned
    if kind == "_text":
        parts = list(value)
        place = chance.randrange(len(parts)) if parts else 0
        part = _turned(parts[place], "text", chance) if parts else None
        return None if part is None else [*parts[:place], part, *parts[place + 1 :]]
    data = bytearray(value if isinstance(value, bytes) else value.encode())
    if not data:
        return None
    bit = chance.randrange(8 * len(data))
    data[bit // 8] ^= 1 << bit % 8
    if kind == "bytea":
        return bytes(data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _name(table: str, key: Sequence[Any]) -> str:
    """How a fault must name a row."""
    if table in ("entry", "public_body", "party_body", "refused_body"):
        return f"index {key[0]}"
    if table == "tile":
        level, n = key
        return TileCoord(level, n, 256).path if 0 <= level <= 7 and 0 <= n < 2**54 else f"tile/{level}/{n}"
    if table in ("head", "lease", "registry"):
        return table
    if table in ("thing", "dependency", "member", "stream", "volume"):
        return " ".join(map(str, key))
    return " ".join(map(str, (table, *key)))


def named(flip: Flip, faults: Sequence[str]) -> bool:
    """Whether a fault (its place and text) names the table and the key, as it was or as it is."""
    tables = {"entry": "", "checkpoint": "", "tile": "tile"}
    table = tables.get(flip.table, flip.table)
    names = (_name(flip.table, flip.before), _name(flip.table, flip.after), f"{flip.table} {flip.after[0]}")
    return any(table in fault and any(name in fault for name in names) for fault in faults)


async def run_flips(
    connection: asyncpg.Connection[Any],
    registry: Callable[[], Registry],
    keys: Sequence[VerifierKey],
    *,
    seed: int,
    count: int,
    progress: Callable[[int], None] | None = None,
) -> Outcome:
    """Turn ``count`` bits over, one after the other, each under a whole check; the database is left as it was."""
    tables, outcome = await read_tables(connection), Outcome()
    chance = random.Random(seed)  # noqa: S311 - draws, no secrets
    while outcome.flips < count:
        flip = draw(tables, chance)
        tally = outcome.tables.setdefault(flip.table, Tally())
        faults = await _faults(connection, flip, registry(), keys)
        if faults is None:
            tally.impossible += 1
            continue
        tally.flips += 1
        tally.found += bool(faults)
        if not faults:
            outcome.missed.append(str(flip))
        elif named(flip, faults):
            tally.named += 1
        else:
            outcome.nameless.append(f"{flip}: {faults[:3]}")
        if progress is not None:
            progress(outcome.flips)
    return outcome


async def _faults(
    connection: asyncpg.Connection[Any], flip: Flip, registry: Registry, keys: Sequence[VerifierKey]
) -> list[str] | None:
    """What the check says under the flip; None where the database does not take it, or takes it for the same."""
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        query = (
            f'UPDATE ledger.{flip.table} SET "{flip.column}" = $1 WHERE ctid = $2::text::tid AND "{flip.column}" <> $1'  # noqa: S608
        )
        try:
            if await connection.execute(query, flip.value, flip.place) == "UPDATE 0":
                return None
        except _IMPOSSIBLE:
            return None
        try:
            report = await run_check(SnapshotStore(connection), registry, keys, SystemClock())
        except PasserelleError as error:
            return [f"{error.where} {error.what}"]
        return [f"{fault.where} {fault.what}" for fault in report.faults]
    finally:
        await transaction.rollback()
