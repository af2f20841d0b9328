"""Runs ``passerelle`` with a clock that can be wrong: ``python -m passerelle.testing.faults.launcher FILE MUTANT ...``.

FILE holds 8 bytes, a signed number of milliseconds (big endian) that is added to the wall clock; whoever writes there
changes the clock of the running process. Nothing of the services knows of it: the clock that they are given is shifted
before they are built. The monotonic clock stays right, as it does on a machine whose wall clock is set. MUTANT names a
fault of the code (see :mod:`passerelle.testing.simulation.mutants`) that the rounds must find, or is empty.
"""

from __future__ import annotations

import mmap
import runpy
import struct
import sys
from pathlib import Path
from typing import Final

from passerelle.runtime.clock import SystemClock

OFFSET: Final = struct.Struct(">q")


def write_offset(path: Path, offset_ms: int) -> None:
    """Shift the clock of the process that was launched with this file, by so many milliseconds; 0 mends it."""
    if not path.exists():
        path.write_bytes(OFFSET.pack(offset_ms))
        return
    # In place: the process has mapped this very file.
    with path.open("r+b") as file:
        file.write(OFFSET.pack(offset_ms))


def shift(path: Path) -> None:
    """Make this process's wall clock follow the file."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    right = SystemClock.now_ms

    def now_ms(self: SystemClock) -> int:
        return right(self) + int(OFFSET.unpack_from(mapped)[0])

    SystemClock.now_ms = now_ms  # type: ignore[method-assign]


def main() -> None:
    """Shift the clock, then run the command line."""
    path, mutant, *arguments = sys.argv[1:]
    shift(Path(path))
    sys.argv = ["passerelle", *arguments]
    if not mutant:
        run()
        return
    from passerelle.testing.simulation.mutants import applied

    with applied(mutant):
        run()


def run() -> None:
    """Be the executable, with the arguments that stand in ``sys.argv``."""
    runpy.run_module("passerelle", run_name="__main__")


if __name__ == "__main__":
    main()
