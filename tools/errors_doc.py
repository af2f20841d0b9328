"""Writes docs/errors.md from the one table of error codes, or checks that it is written: errors_doc.py [--check]."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from passerelle.core.errors import CODES, CodeInfo

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "errors.md"

_HEAD: Final = """# Error codes

Written by `python tools/errors_doc.py` from `core/errors.py`: change the table there, not this file.

Every error carries the same four things wherever it is shown: a stable **code**, **what** went wrong, **where** (a row,
a field, a topic, a file) and the **fix**. No error text repeats a value that could be a person's.

- Command line: code, what and where on standard error, then a line `to mend:`; exit code 1.
- HTTP: problem details (RFC 9457, `application/problem+json`) with the status below and the members `code`, `where`
  and `fix`.
- gRPC: the status below with a `google.rpc.ErrorInfo` of domain `passerelle`; its reason is the code in upper snake
  case, its metadata holds code, what, where and fix.
- Log entry: `refused <code>`. The receipt in the member's inbox adds field, what and fix.
- Report of an import: one CSV line an error: row, column, code, what, fix.

A code never changes its meaning. The table holds every code that the formats and services know, in alphabetical order;
some belong to parts that are not there yet.

| code | title | titre | meaning | what to do | HTTP | gRPC |
|---|---|---|---|---|---|---|
"""


def render(codes: Mapping[str, CodeInfo]) -> str:
    """The whole page for these codes."""
    rows = []
    for _, info in sorted(codes.items()):
        cells = (f"`{info.code}`", info.title, info.title_fr, info.meaning, info.fix, str(info.http), info.grpc)
        rows.append(f"| {' | '.join(cells)} |\n")
    return _HEAD + "".join(rows)


def main(arguments: list[str]) -> int:
    """Write or check; the exit code is 1 where the page differs from the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where the page differs")
    wanted, check = render(CODES), parser.parse_args(arguments).check
    if not check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    found = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if found == wanted:
        return 0
    print("docs/errors.md differs from core/errors.py: run python tools/errors_doc.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
