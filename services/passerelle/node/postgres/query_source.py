"""A query on the office's own PostgreSQL: read only, of one instant, page by page along a column.

An import reads its rows without awaiting, from a file as from here, so the connection lives in a thread with an event
loop of its own. Everything happens in one transaction, REPEATABLE READ and READ ONLY (PostgreSQL documentation, SET
TRANSACTION): both readings see the same rows, and the server refuses whatever writes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

import asyncpg

from passerelle.core.errors import ConfigError, FormatError, PasserelleError, Unavailable
from passerelle.node.csv_reader import MAX_ROW, MAX_UNREADABLE
from passerelle.node.csv_rows import MAX_HEADER
from passerelle.node.formats.sql import Query
from passerelle.runtime.postgres import AWAY, CLOSE_TIMEOUT_S, CONNECT_TIMEOUT_S

PAGE_ROWS: Final = 2_000
MAX_TIES: Final = 1_000
"""Rows beyond a page that may share its last key: the steps of one award, never a whole table."""
GRACE_S: Final = 5.0
"""How much longer than the server the client waits for an answer."""
OLDEST: Final = 13
"""The first PostgreSQL with FETCH FIRST ... WITH TIES."""
Answer = TypeVar("Answer")
Cells = Sequence[str | None]

# Types by their object ids, which PostgreSQL never changes (pg_type.dat).
_BOOL: Final = 16
_TIMESTAMP: Final = 1114
_TIMESTAMPTZ: Final = 1184
_KEYS: Final = frozenset({19, 20, 21, 23, 25, 1042, 1043, 1700, 2950})
"""name, the integers, text, char, varchar, numeric, uuid: what has one order, and comes back as it was."""
_PLAIN: Final = _KEYS | {18, 700, 701, 1082}
"""And "char", floating point, date: the text is the server's own, with dates of ISO 8601."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the office's database is. ``url`` carries no password; ``timeout_s`` bounds each statement."""

    url: str
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        """Raises ConfigError ``argument-invalid`` or ``config-secret-exposed``; the address is never repeated."""
        try:
            parts = urlsplit(self.url)
            named = {name.lower() for name, _ in parse_qsl(parts.query)}
            exposed = parts.password is not None or bool(named & {"password", "sslpassword"})
        except ValueError:
            parts, exposed = urlsplit(""), False
        if parts.scheme not in ("postgresql", "postgres"):
            fix = "Write postgresql://USER@HOST/DATABASE, or postgresql://?service=NAME."
            raise ConfigError("argument-invalid", "this is no address of a PostgreSQL", where="--source", fix=fix)
        if exposed:
            fix = "Take it out, change it, and give it by --password-file, a service file or a .pgpass file."
            raise ConfigError("config-secret-exposed", "the address holds a password", where="--source", fix=fix)


class PostgresQuery:
    """See :class:`passerelle.node.formats.sql.QuerySource`. A context: connected on entry, closed on exit."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="query-source", daemon=True)
        self._connection: Any = None
        self._types: dict[str, list[_Column]] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Connect and begin the transaction. Raises Unavailable ``source-unavailable``, ConfigError."""
        self._thread.start()
        try:
            self._wait(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        try:
            self._wait(self._close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        address = self._address
        try:
            self._connection = connection = await asyncpg.connect(
                address.url, password=address.password, timeout=CONNECT_TIMEOUT_S, statement_cache_size=0,
                command_timeout=address.timeout_s + GRACE_S, server_settings={"application_name": "passerelle-import"},
            )  # fmt: skip
            await connection.transaction(isolation="repeatable_read", readonly=True).start()
            limit = f"{int(address.timeout_s * 1000)}ms"
            # For this transaction only, so that a pooler in front of the server takes it too.
            for name, value in (("statement_timeout", limit), ("datestyle", "ISO, YMD"), ("extra_float_digits", "1")):
                await connection.execute("SELECT set_config($1, $2, true)", name, value)
        except (ValueError, asyncpg.ClientConfigurationError):
            raise ConfigError("argument-invalid", "this is no address of a PostgreSQL", where="--source") from None
        except (*AWAY, asyncpg.PostgresError) as error:
            raise _away("cannot be connected to", error) from None
        if connection.get_server_version().major < OLDEST:
            what = f"the office's PostgreSQL is older than version {OLDEST}"
            raise Unavailable("source-unavailable", what, where="--source", fix="Export a file instead.")

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*AWAY):
                await connection.close(timeout=CLOSE_TIMEOUT_S)

    def columns(self, query: Query) -> Sequence[str]:
        """See :class:`passerelle.node.formats.sql.QuerySource`."""
        return [column.name for column in self._wait(self._columns(query))]

    def rows(self, query: Query, key: int) -> Iterator[Cells | None]:
        """See :class:`passerelle.node.formats.sql.QuerySource`."""
        columns = self._wait(self._columns(query))
        if columns[key].type not in _KEYS:
            what = f"the rows cannot be paged by column {key + 1} of the query, for its type"
            raise FormatError("query-key-missing", what, where="--key")
        expected, given, after = self._wait(self._count(query)), 0, list[Any]()
        while page := self._wait(self._fetch(query, page_text(query, columns, key, later=bool(after)), after)):
            if len(page) > PAGE_ROWS + MAX_TIES:
                what = f"more than {MAX_TIES} rows have one value in the column that they are paged by"
                raise FormatError("query-key-missing", what, where="--key")
            if given > expected:
                break
            given += len(page)
            yield from _ordered(page)
            if len(page) < PAGE_ROWS:
                break
            after = [page[-1][0]]
        bare = self._wait(self._fetch(query, null_text(query, columns, key), []))
        yield from _ordered(bare)
        if given + len(bare) != expected and len(bare) <= MAX_UNREADABLE:
            # Only then: of rows without a key no more are fetched than may be unreadable.
            what = (
                f"the query has {expected} rows, its pages have {given + len(bare)}: its key changes while it is read"
            )
            raise FormatError("query-key-missing", what, where="--key", fix="Name a column that is stored.")

    async def _count(self, query: Query) -> int:
        if query.text not in self._counts:
            # The query is the office's own.
            rows = await self._fetch(query, f"SELECT count(*) FROM (\n{query.text}\n) AS s", ())  # noqa: S608
            self._counts[query.text] = int(rows[0][0])
        return self._counts[query.text]

    async def _columns(self, query: Query) -> list[_Column]:
        if query.text not in self._types:
            wrapped = f"SELECT * FROM (\n{query.text}\n) AS s"  # noqa: S608 - the office's own query
            try:
                prepared = await self._connection.prepare(wrapped)
                found = prepared.get_attributes()
                asked = "SELECT oid::bigint FROM pg_catalog.pg_type WHERE typtype = 'e' AND oid::bigint = ANY($1)"
                enums = await self._connection.fetch(asked, [one.type.oid for one in found])
            except (*AWAY, asyncpg.PostgresError) as error:
                raise _told(error, query, wrapped) from None
            listed = {row["oid"] for row in enums}
            self._types[query.text] = [
                _Column(one.name, one.type.oid, _text_of(place, one, listed, query)) for place, one in enumerate(found)
            ]
            if not 0 < len(found) <= MAX_HEADER:
                raise FormatError(
                    "query-invalid", f"the query has no column, or more than {MAX_HEADER}", where=query.name
                )
        return self._types[query.text]

    async def _fetch(self, query: Query, text: str, arguments: Sequence[Any]) -> list[Any]:
        try:
            return list(await self._connection.fetch(text, *arguments))
        except (*AWAY, asyncpg.PostgresError) as error:
            raise _told(error, query, text) from None


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the query: its type's object id, and the expression that makes it a text; ``s`` is the query."""

    name: str
    type: int
    text: str


def _text_of(place: int, attribute: Any, enums: set[int], query: Query) -> str:
    oid, column = attribute.type.oid, f"s.c{place}"
    if oid == _BOOL:
        return f"CASE WHEN {column} THEN 'yes' WHEN NOT {column} THEN 'no' END"
    if oid == _TIMESTAMP:
        return f"{column}::date::text"
    if oid in _PLAIN or oid in enums:
        return f"{column}::text"
    fix = "Cast it in the query, for example to text."
    if oid == _TIMESTAMPTZ:
        fix = "Say which day it is in your time zone: (COLUMN AT TIME ZONE 'America/Toronto')::date."
    what = f"column {place + 1} of the query has the type {attribute.type.name}, which is not read"
    raise FormatError("query-invalid", what, where=query.name, fix=fix)


def _source(query: Query, columns: Sequence[_Column]) -> tuple[str, str]:
    """What every page selects from, and the cells of a row; a row over the limit is NULL, so that memory is bounded."""
    names = ", ".join(f"c{place}" for place in range(len(columns)))
    cells = ", ".join(f"({column.text})::text" for column in columns)
    return f"(\n{query.text}\n) AS s({names})", f"ARRAY[{cells}]"


def page_text(query: Query, columns: Sequence[_Column], key: int, *, later: bool) -> str:
    """The statement of a page; with ``later`` its one argument is the last key of the page before.

    All rows of one key stand on one page: a page that ended between two of them would lose the second.
    """
    source, cells = _source(query, columns)
    place = f"s.c{key}"
    after = f"{place} > $1" if later else f"{place} IS NOT NULL"
    return (  # The query is the office's own; the rest is made here.
        f"SELECT q.k, CASE WHEN pg_column_size(q.cells) <= {MAX_ROW} THEN q.cells END FROM ("  # noqa: S608
        f"SELECT {place} AS k, {cells} AS cells FROM {source} WHERE {after} ORDER BY {place} "
        f"FETCH FIRST {PAGE_ROWS} ROWS WITH TIES) AS q ORDER BY q.k LIMIT {PAGE_ROWS + MAX_TIES + 1}"
    )


def null_text(query: Query, columns: Sequence[_Column], key: int) -> str:
    """The statement of the rows without a key: more than may be unreadable need not be fetched."""
    source, cells = _source(query, columns)
    return (
        f"SELECT NULL AS k, CASE WHEN pg_column_size(q.cells) <= {MAX_ROW} THEN q.cells END FROM ("  # noqa: S608
        f"SELECT {cells} AS cells FROM {source} WHERE s.c{key} IS NULL LIMIT {MAX_UNREADABLE + 1}) AS q"
    )


def _ordered(page: Sequence[Any]) -> Iterator[Cells | None]:
    """The rows of a page in an order of their own where their keys are equal: the server promises none."""
    for _, same in groupby(page, key=itemgetter(0)):
        yield from sorted((row[1] for row in same), key=lambda cells: [one or "" for one in cells or ()])


def _away(what: str, error: BaseException) -> Unavailable:
    code = getattr(error, "sqlstate", None)
    reason = type(error).__name__ if code is None else f"{type(error).__name__}, {code}"
    return Unavailable("source-unavailable", f"the office's database {what}: {reason}", where="--source")


def _told(error: BaseException, query: Query, text: str) -> PasserelleError:
    """The server's error as ours. Its words are kept where they are about the query: others could repeat a value."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return Unavailable("query-timeout", "the query was ended at its time limit", where=query.name)
    # A WITH that changes data is refused below the top level, where the query stands.
    hidden = getattr(error, "server_source_function", None) in {"analyzeCTE", "transformWithClause"}
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError) or (
        hidden and isinstance(error, asyncpg.FeatureNotSupportedError)
    ):
        return FormatError("query-not-readonly", "the query would change data", where=query.name)
    if isinstance(error, AWAY) or not isinstance(error, asyncpg.PostgresError):
        return _away("went away", error)
    state = str(error.sqlstate)
    said = f"{type(error).__name__}, {state}"
    if state.startswith("42"):
        said += f": {str(error).splitlines()[0][:200]}"
    at = str(getattr(error, "position", None) or "")
    begin = text.find(query.text)
    if at.isdecimal() and begin <= int(at) - 1 <= begin + len(query.text):
        line = query.text.count("\n", 0, int(at) - 1 - begin) + 1
        return FormatError(
            "query-invalid", f"the database does not run the query: {said}", where=f"{query.name}, line {line}"
        )
    return FormatError("query-invalid", f"the database does not run the query: {said}", where=query.name)
