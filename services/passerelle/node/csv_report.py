"""What an import tells: counts, the first error of each sort, and every error in a CSV file beside the input."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from passerelle.node.csv_rows import RowError

MAX_KEPT: Final = 100_000
"""Errors kept for the report; beyond, they are counted only."""
_COLUMNS: Final = ("row", "column", "code", "what", "fix")
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


@dataclass(slots=True)
class ImportReport:
    """The outcome of one import. ``rows`` counts data rows; each is new, changed, unchanged or refused."""

    kind: str
    dry_run: bool
    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    events: int = 0
    errors: list[RowError] = field(default_factory=list)
    _refused_rows: set[int] = field(default_factory=set)

    def refuse(self, errors: Iterable[RowError]) -> None:
        """Count a refused row with all that is wrong with it."""
        for error in errors:
            if error.row not in self._refused_rows:
                self._refused_rows.add(error.row)
                self.refused += 1
            if len(self.errors) < MAX_KEPT:
                self.errors.append(error)

    @property
    def accepted(self) -> int:
        """Rows taken: new, changed or unchanged."""
        return self.new + self.changed + self.unchanged

    def sorts(self) -> list[tuple[RowError, int]]:
        """The first error of each sort (code and column) with how often it came, the most frequent first."""
        found: dict[tuple[str, str], list[RowError]] = {}
        for error in self.errors:
            found.setdefault((error.code, error.column), []).append(error)
        return sorted(((errors[0], len(errors)) for errors in found.values()), key=lambda item: -item[1])

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, for ``--json``."""
        return {
            "kind": self.kind,
            "dry_run": self.dry_run,
            "rows": self.rows,
            "accepted": self.accepted,
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "events": self.events,
            "errors": [error.as_dict() for error in self.errors],
        }


def write_report(path: Path, errors: Iterable[RowError]) -> None:
    """Write the errors as CSV, in order of row; the file replaces an earlier one whole."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for error in sorted(errors, key=lambda item: item.row):
            cells: Mapping[str, Any] = error.as_dict()
            writer.writerow([safe_cell(str(cells[name])) for name in _COLUMNS])
    temporary.replace(path)


def report_path(source: Path) -> Path:
    """Beside the input: ``awards.csv`` gives ``awards.errors.csv``."""
    return source.with_suffix(".errors.csv")
