"""What the commands share: the configuration option, output for people and for scripts, errors told one way."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from passerelle.core.errors import FormatError, PasserelleError

if TYPE_CHECKING:
    from passerelle.core.note import VerifierKey

Answer = TypeVar("Answer")
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="PASSERELLE_CONFIG", help="The process's TOML configuration file.")
]
ReadyOption = Annotated[Path | None, typer.Option("--ready-file", help="Written once the service is ready.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for scripts.")]


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """The answer for scripts: one JSON document on standard output."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def die(error: PasserelleError) -> int:
    """Tell a typed error on standard error; returns the exit code."""
    place = f" ({error.where})" if error.where else ""
    print(f"error {error.code}: {error.what}{place}", file=sys.stderr)
    if error.fix:
        print(f"  to mend: {error.fix}", file=sys.stderr)
    return 1


def text_or_file(value: str) -> str:
    """The argument itself, or the content of the file that it names."""
    path = Path(value)
    # A verifier key may hold slashes, and a name too long for the file system is no file.
    if value and len(value) < 256 and path.is_file():
        return path.read_text(encoding="utf-8").strip()
    return value.strip()


def verifier_keys(values: list[str]) -> list[VerifierKey]:
    """Verifier keys, each as it stands or from a file with one a line. Raises FormatError ``note-key-malformed``."""
    from passerelle.core.note import VerifierKey

    lines = [line.strip() for value in values for line in text_or_file(value).splitlines()]
    return [VerifierKey.parse(line) for line in lines if line]


def log_keys(values: list[str]) -> list[VerifierKey]:
    """The keys of ``--vkey``, at least one. Raises FormatError ``argument-missing``, ``note-key-malformed``."""
    keys = verifier_keys(values)
    if not keys:
        raise FormatError("argument-missing", "The file holds no verifier key.", where="--vkey")
    return keys


def run_work(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Run one command's work. What is logged meanwhile goes to standard error: standard output is the answer's."""
    import structlog

    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    return asyncio.run(work)
