"""A PostgreSQL data folder: made whole or not at all, and freed of the traces of a server that died."""

import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from passerelle.core.errors import PasserelleError
from passerelle.embedded.child import is_running, until
from passerelle.embedded.folder import scratch_folder, write_secret
from passerelle.embedded.isolation import Isolation
from passerelle.embedded.postgres_programs import Programs

SUPERUSER = "passerelle"
_BUILTIN_LOCALES_SINCE = 17


def passline(user: str, password: str) -> str:
    """Return a line of PostgreSQL's password file that holds for every host, port and database."""
    return f"*:*:*:{user}:{password}\n"


@dataclass(frozen=True)
class Cluster:
    """The folder at `path`, used through `isolation`."""

    path: Path
    isolation: Isolation

    @property
    def major(self) -> int | None:
        """The major version that made the cluster, or None when there is none."""
        try:
            return int((self.path / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def initialise(self, programs: Programs, password_file: Path) -> None:
        """Make the cluster beside its place and rename it, so that a half-made one is never taken for whole.

        Text is UTF-8 and sorts by code point on every machine. Raises `child-failed` with initdb's last lines.
        """
        password = secrets.token_hex(24)
        end = ""
        for options in _locales(programs.major):
            scratch = scratch_folder(self.path)
            # A file of its own: initdb wants the bare password, and may run as an account that cannot read ours.
            bare = scratch.with_name("pgdata.password")
            write_secret(bare, password)
            if self.isolation.user is not None:
                os.chown(bare, *self.isolation.user)
            self.isolation.own(scratch)
            argv = [programs.program("initdb"), "-D", str(scratch), "-U", SUPERUSER, f"--pwfile={bare}"]
            answer = self._run([*argv, "--auth=scram-sha-256", "--encoding=UTF8", *options])
            bare.unlink()
            if answer.returncode == 0:
                write_secret(password_file, passline(SUPERUSER, password))
                scratch.rename(self.path)
                return
            end = "\n".join((answer.stdout + answer.stderr).splitlines()[-15:])
            shutil.rmtree(scratch)
        raise PasserelleError("child-failed", f"initdb could not make a cluster.\n{end}", where=str(self.path))

    def wal_compression(self, programs: Programs) -> str:
        """Return lz4 where this build has it, else off: pglz makes commits three times slower under load."""
        argv = [programs.program("postgres"), "-C", "wal_compression", "-c", "wal_compression=lz4"]
        answer = self._run([*argv, "-D", str(self.path)])
        return "lz4" if answer.returncode == 0 and answer.stdout.strip() == "lz4" else "off"

    async def clear_stale_lock(self, seconds: float) -> None:
        """Remove postmaster.pid when its process is dead or another program.

        A server that is still stopping is waited for, at most `seconds`; then `lease-held` is raised.
        """
        path = self.path / "postmaster.pid"
        try:
            text = path.read_text(encoding="utf-8", errors="replace").split()
        except FileNotFoundError:
            return
        pid = int(text[0]) if text and text[0].isdigit() else 0
        if pid and not await until(lambda: not self._is_served_by(pid), seconds):
            what = f"A PostgreSQL server (process {pid}) still runs on this data folder."
            raise PasserelleError("lease-held", what, where=str(self.path), fix="Stop that process first.")
        path.unlink(missing_ok=True)

    def _is_served_by(self, pid: int) -> bool:
        """Say whether process `pid` is a server of this cluster: its working folder is then the cluster."""
        if not is_running(pid):
            return False
        try:
            return Path(os.readlink(f"/proc/{pid}/cwd")) == self.path
        except OSError:
            # Without /proc a living process is believed; with it, one that hides its folder is not our server.
            return not Path("/proc/self").exists()

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        user, group = self.isolation.user or (None, None)
        return subprocess.run(
            [*self.isolation.prefix, *argv],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/",
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )


def _locales(major: int) -> list[list[str]]:
    """Return initdb's options in order of preference; the first may fail where the C library has no C.UTF-8."""
    if major < _BUILTIN_LOCALES_SINCE:
        return [["--locale=C.UTF-8"], ["--locale=C"]]
    builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return [[*builtin, "--lc-ctype=C.UTF-8"], builtin]
