"""The office's own database in place of a file: what the command line says of it, and the connection while it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from passerelle.node.formats.sql import Asked

TIMEOUT_S: Final = 60.0
"""How long one page of a query may take."""
SourceOption = Annotated[
    str, typer.Option("--source", help="The office's PostgreSQL, without password: postgresql://USER@HOST/DATABASE.")
]
QueryOption = Annotated[Path | None, typer.Option("--query", help="With --source: a file that holds one SELECT.")]
PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", help="With --source: its password, on the first line.")
]
KeyOption = Annotated[str, typer.Option("--key", help="The column to page by; the record id's by default.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1.0, max=3600.0, help="Seconds that one page of the query may take.")
]


def file_of(file: Path | None, source: str, query: Path | None) -> Path:
    """The file to import, or the query's. Raises FormatError ``argument-missing``, ``argument-conflict``."""
    from passerelle.core.errors import FormatError

    if bool(source) != (query is not None):
        what = "a database and a query come together"
        raise FormatError("argument-missing", what, where="--source, --query", fix="Give both, or a FILE.")
    if file is not None and query is not None:
        raise FormatError("argument-conflict", "records come from a file or from a query", where="FILE, --query")
    found = query or file
    if found is None:
        raise FormatError("argument-missing", "nothing to import is named", where="FILE")
    return found


@contextmanager
def query_of(source: str, password_file: Path | None, key: str, timeout_s: float = TIMEOUT_S) -> Iterator[Asked | None]:
    """The connection to the office's database; None without one. Raises ConfigError, Unavailable, FormatError."""
    from passerelle.core.errors import FormatError

    if not source:
        if password_file is not None or key:
            raise FormatError("argument-missing", "there is no database", where="--source", fix="Give --source.")
        yield None
        return
    from passerelle.node.formats.sql import Asked
    from passerelle.node.postgres.query_source import Address, PostgresQuery
    from passerelle.runtime.config import read_secret

    password = read_secret(password_file) if password_file is not None else None
    with PostgresQuery(Address(source, password, timeout_s)) as opened:
        yield Asked(opened, key)
