"""Fuzzes every parser by coverage, for so many seconds in all: ``python -m tests.fuzz --seconds 60``.

Each parser runs in a process of its own (libFuzzer ends it), with the samples as its first inputs. The first input that
brings about an error of no type, or takes longer than ten seconds, is kept and named; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SLOW_S = 10
MEMORY_MB = 2048
MAX_INPUT = 64 * 1024
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def fuzz(name: str, folder: Path, corpus: Path, seconds: int) -> None:
    """Fuzz one target in this process, until libFuzzer ends it."""
    import atheris

    # Only what is ours is watched: instrumenting everything that it rests on takes minutes.
    with atheris.instrument_imports(include=["passerelle.node", "passerelle.core.grades", "passerelle.core.quantity"]):
        from tests.fuzz.targets import told
    path = folder / "input"
    atheris.Setup(
        [
            sys.argv[0], f"-max_total_time={seconds}", f"-timeout={SLOW_S}", f"-rss_limit_mb={MEMORY_MB}",
            f"-max_len={MAX_INPUT}", f"-artifact_prefix={folder}/", "-print_final_stats=1", str(corpus),
        ],
        lambda data: (told(name, bytes(data), path), None)[1],
    )  # fmt: skip
    atheris.Fuzz()


def one(name: str, first: list[bytes], keep: Path, seconds: int) -> tuple[int, bool]:
    """How many inputs a target was given, and whether all of them were taken or refused."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, corpus = Path(temporary), Path(temporary) / "corpus"
        corpus.mkdir()
        for number, data in enumerate(first):
            (corpus / str(number)).write_bytes(data)
        argv = [sys.executable, "-m", "tests.fuzz", "--target", name, "--folder", temporary, "--seconds", str(seconds)]
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=seconds + 120, check=False
        )
        runs = _RUNS.search(done.stderr)
        found = [path for path in folder.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]
        for path in found:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name}-{path.name}").write_bytes(path.read_bytes())
        if done.returncode:
            print("\n".join(done.stdout.splitlines()[-25:] + done.stderr.splitlines()[-25:]))
        return int(runs[1]) if runs else 0, not done.returncode


def main() -> int:
    """Fuzz all targets, or one; a line each."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--only", help="one parser, by name")
    parser.add_argument("--keep", type=Path, default=Path(".passerelle/fuzz"), help="where bad inputs are kept")
    parser.add_argument("--target", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.target:
        fuzz(asked.target, asked.folder, asked.folder / "corpus", asked.seconds)
        return 0
    from tests.fuzz.targets import TARGETS, seeds

    if asked.only and asked.only not in TARGETS:
        parser.error(f"--only is one of: {', '.join(TARGETS)}")
    names = [asked.only] if asked.only else list(TARGETS)
    first, share, bad = seeds(), max(1, asked.seconds // len(names)), []
    for name in names:
        runs, sound = one(name, first[name], asked.keep, share)
        print(f"{name:<16} {runs:>10} inputs  {'sound' if sound else 'BROKEN'}", flush=True)
        bad += [] if sound else [name]
    if bad:
        print(f"broken: {', '.join(bad)}; the inputs are in {asked.keep}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
