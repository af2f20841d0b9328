"""PostgreSQL's failures as typed errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from passerelle.core.errors import Unavailable
from passerelle.runtime.postgres import AWAY


@contextmanager
def guarded() -> Iterator[None]:
    """Turn a lost connection, a full pool or a server on its way down into Unavailable ``database-unavailable``.

    Anything else, a wrong statement for example, stays what it is: a defect.
    """
    try:
        yield
    except (*AWAY, asyncpg.InsufficientResourcesError) as error:
        raise Unavailable(
            "database-unavailable", f"PostgreSQL does not answer: {type(error).__name__}", where="portal"
        ) from error
