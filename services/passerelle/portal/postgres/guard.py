"""PostgreSQL's failures as typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from passerelle.core.errors import Unavailable


@contextmanager
def guarded() -> Iterator[None]:
    """Turn a lost connection, a full pool or a server on its way down into Unavailable ``database-unavailable``.

    Anything else, a wrong statement for example, stays what it is: a defect.
    """
    try:
        yield
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresConnectionError,
        asyncpg.InterfaceError,
        # A server that ends a session while the client is about to speak leaves the client in this state.
        asyncpg.InternalClientError,
        asyncpg.OperatorInterventionError,
        asyncpg.InsufficientResourcesError,
    ) as error:
        raise Unavailable(
            "database-unavailable", f"PostgreSQL does not answer: {type(error).__name__}", where="portal"
        ) from error
