"""A real PostgreSQL for one machine: the one that DATABASE_URL names, or a child process on 127.0.0.1."""

import asyncio
import re
import secrets
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from passerelle.core.errors import PasserelleError
from passerelle.embedded.child import Child
from passerelle.embedded.folder import write_secret
from passerelle.embedded.isolation import choose_isolation
from passerelle.embedded.ports import LOOPBACK
from passerelle.embedded.postgres_cluster import SUPERUSER, Cluster, passline
from passerelle.embedded.postgres_programs import Programs, find_programs
from passerelle.embedded.server import STOP_SECONDS, EmbeddedServer

_START_SECONDS = 60.0  # recovery after a kill may replay up to max_wal_size
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may not be longer than 107 bytes; nothing here needs one
    "max_connections": "200",
    "shared_buffers": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",  # parameters can hold personal data
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",  # leaves out DETAIL, which quotes rows
    "log_min_error_statement": "panic",  # statements can hold literals
    "password_encryption": "scram-sha-256",
}


class EmbeddedPostgres(EmbeddedServer):
    """One server with its data below `data_dir`; start, stop, restart and kill it as often as needed.

    With DATABASE_URL in `environ` (default: this process's) that server is used, and restart and kill are refused; its
    account must be allowed to create databases, and owns them. Passwords are in files that only the owner can read,
    which the DSNs name. Use it from the main thread (see `Child`).
    """

    VARIABLE = "DATABASE_URL"
    NOT_OURS = "The server that DATABASE_URL names is not ours to restart or kill."
    STOP_SIGNAL = signal.SIGINT  # PostgreSQL's fast mode: it ends all sessions, and has nothing to recover later
    BIND_FAILED = "could not bind"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        environ: Mapping[str, str] | None = None,
        origin: str | None = None,
        isolation: str | None = None,
    ) -> None:
        """Take a preferred `port`; when it is in use the next free one is taken, see `port` after the start.

        `settings` are added to `SETTINGS`. `origin` ("system", "wheel") and `isolation` ("namespace", "account") pick
        one way where the first that works would be taken.
        """
        super().__init__(data_dir, port, environ)
        self._settings = {**SETTINGS, **(settings or {})}
        self._origin = origin
        self._isolation = None if self.external else choose_isolation(isolation)
        self.programs: Programs | None = None

    @property
    def port(self) -> int:
        """The port in use; raises `RuntimeError` before the start and for an external server."""
        if self._port is None:
            raise RuntimeError("the embedded PostgreSQL has not been started")
        return self._port

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._data_dir / "postgres.log"

    @property
    def password_file(self) -> Path:
        """The superuser's password, in PostgreSQL's password file format."""
        return self._passfile(SUPERUSER)

    def dsn(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """Return the URL of a database for `user`; it names the password file, never the password.

        For an external server: DATABASE_URL with the database's name put in, whatever the user.
        """
        if self._given is not None:
            return urlunsplit(urlsplit(self._given)._replace(path="/" + quote(database)))
        # Without sslmode the client would look for certificates in HOME, which may not be readable.
        passfile = quote(str(self._passfile(user)), safe="/")
        return f"postgresql://{user}@{LOOPBACK}:{self.port}/{quote(database)}?sslmode=disable&passfile={passfile}"

    async def create_database(self, name: str, owner: str | None = None) -> str:
        """Make a database unless it exists, owned by the role `owner` (made too); return the owner's DSN.

        Names: lower-case letters, digits and underscores. An external server's account owns all: `owner` is ignored.
        """
        _check_name(name)
        if owner is not None and not self.external:
            await self.create_role(owner)
        async with _session(self._admin_dsn()) as session:
            if not await session.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
                clause = f' OWNER "{owner}"' if owner is not None and not self.external else ""
                await session.execute(f'CREATE DATABASE "{name}"{clause}')
        return self.dsn(name, owner or SUPERUSER)

    async def drop_database(self, name: str) -> None:
        """Remove a database with its sessions, if it exists."""
        _check_name(name)
        async with _session(self._admin_dsn()) as session:
            await session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def create_role(self, name: str) -> Path | None:
        """Make a role that may log in, with a password of its own, unless it has one; return its password file.

        For an external server nothing is made and None is returned.
        """
        _check_name(name)
        if self.external:
            return None
        path = self._passfile(name)
        async with _session(self._admin_dsn()) as session:
            exists = await session.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", name)
            if not exists or not path.exists():
                password = secrets.token_hex(24)  # hexadecimal digits only: it stands in a literal below
                write_secret(path, passline(name, password))
                verb = "ALTER" if exists else "CREATE"
                await session.execute(f"{verb} ROLE \"{name}\" LOGIN PASSWORD '{password}'")
        return path

    # Internals

    def _admin_dsn(self) -> str:
        return self._given or self.dsn("postgres")

    def _passfile(self, user: str) -> Path:
        return self._data_dir / "secrets" / f"{user}.pgpass"

    async def _check_given(self, address: str) -> None:
        await _check_external(self.dsn(urlsplit(address).path.lstrip("/") or "postgres"))

    async def _start_child(self) -> None:
        assert self._isolation is not None
        cluster = Cluster(self._isolation.place(self._data_dir) / "pgdata", self._isolation)
        made = cluster.major
        found = find_programs(self._environ, major=made, origin=self._origin if made is None else None)
        self.programs = Programs(self._isolation.programs(found.install), found.major, found.origin)
        if made is None:
            await asyncio.to_thread(cluster.initialise, self.programs, self.password_file)
        if not self.password_file.exists():
            raise PasserelleError(
                "runtime-missing",
                "The database's password file is gone.",
                where=str(self.password_file),
                fix="Restore it, or start afresh with --fresh.",
            )
        self._isolation.own(cluster.path)
        await cluster.clear_stale_lock(STOP_SECONDS)
        options = dict(self._settings)
        options.setdefault("wal_compression", await asyncio.to_thread(cluster.wal_compression, self.programs))
        await self._on_a_port(lambda port: self._launch(cluster.path, port, options))

    async def _launch(self, cluster: Path, port: int, options: Mapping[str, str]) -> None:
        assert self._isolation is not None
        assert self.programs is not None
        argv = [self.programs.program("postgres"), "-D", str(cluster), "-p", str(port)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        self._child = Child(
            "PostgreSQL",
            argv,
            self.log,
            env={"LC_ALL": "C"},  # the cluster has its own locale; the caller's may be missing here
            cwd=Path("/"),
            prefix=self._isolation.prefix,
            user=self._isolation.user,
            death_signal=self.STOP_SIGNAL,
        )
        await self._child.wait_ready(self._answers, _START_SECONDS)

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn("postgres"), timeout=2)
        except (ConnectionError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        await connection.close()
        return True


@asynccontextmanager
async def _session(dsn: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """An asyncpg connection for one `async with`."""
    connection = await asyncpg.connect(dsn, timeout=15)
    try:
        yield connection
    finally:
        await connection.close()


async def _check_external(dsn: str) -> None:
    """Connect once and translate what goes wrong, without the address's password in the text."""
    parts = urlsplit(dsn)
    where = f"{parts.hostname or 'local'}:{parts.port or 5432}"
    try:
        async with _session(dsn) as session:
            version = int(await session.fetchval("SHOW server_version_num")) // 10000
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        raise PasserelleError(
            "database-unavailable",
            "PostgreSQL refused the user or the password in DATABASE_URL.",
            where=where,
            fix="Correct the user, or the password or passfile that the address names.",
        ) from None
    except asyncpg.InvalidCatalogNameError:
        what = "The database that DATABASE_URL names does not exist."
        raise PasserelleError("database-unavailable", what, where=where, fix="Create it or correct its name.") from None
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        what = f"PostgreSQL does not answer: {type(error).__name__}."
        raise PasserelleError("database-unavailable", what, where=where) from None
    if version < 15:
        what = f"PostgreSQL {version} is too old."
        raise PasserelleError("runtime-missing", what, where=where, fix="Use PostgreSQL 15 or newer.")


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a plain database name: {name!r}")
