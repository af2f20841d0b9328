"""How to run PostgreSQL when this process is root, which PostgreSQL refuses to be.

Preferred: a user namespace in which root's own files belong to user 1000; no account is made and no permission opened.
Where such namespaces are refused: an unprivileged account, with programs and data copied or put where it can read.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from passerelle.core.errors import PasserelleError

_UNSHARE = ("unshare", "-U", "--map-user=1000", "--map-group=1000")
_ACCOUNTS = ("postgres", "nobody")
_SHARED = Path("/var/tmp")  # noqa: S108 - each folder made there is named for its owner and closed to others


@dataclass(frozen=True)
class Isolation:
    """A command prefix, and the (user id, group id) to become; both empty when this process is not root."""

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    def own(self, folder: Path) -> None:
        """Give a folder and all in it to the account that the server runs as."""
        if os.geteuid() != 0:
            return
        # In the namespace root's own files are the server's; an earlier run may have used an account instead.
        user, group = self.user or (0, os.getegid())
        if folder.stat().st_uid == user:
            return
        for path in folder.rglob("*"):
            os.lchown(path, user, group)
        # The folder last: when it is right, all in it is.
        os.chown(folder, user, group)

    def place(self, data_dir: Path) -> Path:
        """Return the folder to keep data in: `data_dir`, or one that the account can reach if it cannot reach that.

        Raises `runtime-missing` when the folder to use belongs to somebody else.
        """
        if self.user is None or _reachable(data_dir):
            return data_dir
        name = sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
        folder = _SHARED / f"passerelle-{name}"
        _make_own(folder)
        return folder

    def programs(self, install: Path) -> Path:
        """Return an installation (folder with bin, lib, share) that the account can run, copying it if need be."""
        if self.user is None or _reachable(install / "bin"):
            return install
        name = sha256(str(install.resolve()).encode()).hexdigest()[:16]
        holder = _SHARED / f"passerelle-programs-{name}"
        _make_own(holder)
        copy = holder / "install"
        if not copy.exists():
            scratch = holder / "install.new"
            if scratch.exists():
                shutil.rmtree(scratch)
            shutil.copytree(install, scratch, symlinks=True)
            scratch.rename(copy)
        return copy


def choose_isolation(force: str | None = None) -> Isolation:
    """Return how to start PostgreSQL from here; `force` ("namespace" or "account") picks one way for tests."""
    if os.geteuid() != 0:
        return Isolation()
    if force != "account" and _namespaces_work():
        return Isolation(prefix=_UNSHARE)
    if force == "namespace":
        raise PasserelleError("runtime-missing", "User namespaces are refused on this machine.")
    for name in _ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return Isolation(user=(account.pw_uid, account.pw_gid))
    return Isolation(user=(65534, 65534))  # the overflow user of Linux, present without any account file


def _namespaces_work() -> bool:
    if shutil.which(_UNSHARE[0]) is None:
        return False
    try:
        probe = subprocess.run([*_UNSHARE, "true"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def _reachable(folder: Path) -> bool:
    """Say whether an unprivileged account can pass through every folder on the way to `folder`."""
    existing = folder.resolve()
    ways = [existing, *existing.parents]
    return all(way.stat().st_mode & 0o001 for way in ways if way.exists())


def _make_own(folder: Path) -> None:
    """Make a folder that others can pass but not list or write, or check that it is still ours."""
    folder.mkdir(mode=0o711, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid():
        raise PasserelleError("runtime-missing", "A folder for PostgreSQL belongs to somebody else.", where=str(folder))
    folder.chmod(0o711)
