"""PostgreSQL's errors as the ledger's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from passerelle.core.errors import Fatal, Unavailable
from passerelle.runtime.postgres import AWAY

_AWAY = (*AWAY, asyncpg.TransactionRollbackError)


@contextmanager
def translated(where: str, *, code: str = "database-unavailable") -> Iterator[None]:
    """Turn the client's errors into Unavailable ``code`` (try again after reloading), ``disk-full``, or Fatal.

    No text of the database's is passed on: it can quote rows.
    """
    try:
        yield
    except _AWAY as error:
        raise Unavailable(code, f"PostgreSQL does not answer: {type(error).__name__}", where=where) from error
    except asyncpg.InsufficientResourcesError as error:
        raise Unavailable("disk-full", f"PostgreSQL has no room: {type(error).__name__}", where=where) from error
    except asyncpg.PostgresError as error:
        raise Fatal(
            "ledger-diverged", f"PostgreSQL refused a statement: {type(error).__name__} {error.sqlstate}", where=where
        ) from error


def is_gone(session: asyncpg.pool.PoolConnectionProxy) -> bool:
    """Whether a connection is of no more use: one that broke went back to its pool by itself and answers nothing."""
    try:
        return bool(session.is_closed())
    except asyncpg.InterfaceError:
        return True
