"""Programs in Go beside the benchmarks, built where Go is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parent / "peers"
BUILD_S: Final = 300


async def build(name: str, folder: Path) -> Path | None:
    """The program of ``peers/NAME``, in ``folder``; None where there is no Go or its modules cannot be fetched."""
    go = shutil.which("go")
    if go is None:
        return None
    program = folder / name
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    building = await asyncio.create_subprocess_exec(
        go, "build", "-o", str(program), ".", cwd=PEERS / name, env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(BUILD_S):
        return program if await building.wait() == 0 else None
