"""A small file system of its own for a server's data, which can be made full and given room again at run time.

It is a tmpfs: only root may mount one, and only on Linux, and not in every container.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMMAND_S: Final = 20.0
TRIES: Final = 50
MEBIBYTE: Final = 1024 * 1024


@dataclass(slots=True)
class SmallDisk:
    """A tmpfs of ``size`` bytes at ``folder``. ``refusal`` says why there is none; empty once it is mounted."""

    folder: Path
    size: int
    refusal: str = "not mounted yet"

    def mount(self) -> bool:
        """Mount it; whether that worked."""
        if sys.platform != "linux" or os.geteuid() != 0:
            self.refusal = "only root may mount a file system, and this is done on Linux only"
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        self.refusal = _run("mount", "-t", "tmpfs", "-o", f"size={self.size},mode=0700", "tmpfs", str(self.folder))
        return not self.refusal

    def fill(self) -> int:
        """Shrink the file system to what it holds: no byte more can be written. Returns the bytes that it holds."""
        why = ""
        for _ in range(TRIES):
            found = os.statvfs(self.folder)
            held = (found.f_blocks - found.f_bfree) * found.f_frsize
            why = self._remount(held)
            if not why:
                return held
            # It was written to meanwhile, and cannot be made smaller than what it holds.
        raise RuntimeError(f"the file system could not be filled: {why}")

    def free_bytes(self) -> int:
        """Bytes that can still be written."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def make_room(self) -> None:
        """Give it its size back."""
        if why := self._remount(self.size):
            raise RuntimeError(f"the file system could not be made larger: {why}")

    def _remount(self, size: int) -> str:
        return _run("mount", "-o", f"remount,size={size}", str(self.folder))

    def unmount(self) -> None:
        """Take it away, with what is on it. Twice is allowed."""
        if not self.refusal:
            self.refusal = "unmounted"
            if why := _run("umount", str(self.folder)):
                raise RuntimeError(f"the file system could not be unmounted: {why}")


def _run(*argv: str) -> str:
    """Run a system command; what it complains of, empty where it succeeded."""
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{argv[0]}: {type(error).__name__}"
    return "" if answer.returncode == 0 else (answer.stderr.strip() or f"{argv[0]} ended with {answer.returncode}")
