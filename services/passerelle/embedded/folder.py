"""Folders that hold a server's state: locked against a second user, made whole or not at all."""

import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from passerelle.core.errors import PasserelleError


class FolderLock:
    """An advisory lock on a folder, held while the object is held; the system drops it when this process dies."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is made when the lock is taken."""
        self._path = folder / ".lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock. Raises `lease-held`, naming the process that holds it."""
        if self._file is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            what = f"Process {holder} uses this data folder."
            raise PasserelleError(
                "lease-held", what, where=str(self._path.parent), fix="Stop it, or choose another data folder."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def write_secret(path: Path, content: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def scratch_folder(final: Path) -> Path:
    """Return a fresh empty folder beside `final`, to be filled and then renamed to it; remains of earlier tries go."""
    final.parent.mkdir(parents=True, exist_ok=True)
    scratch = final.with_name(final.name + ".new")
    if scratch.exists():
        shutil.rmtree(scratch)
    scratch.mkdir(mode=0o700)
    return scratch
