"""What an import tells: counts, what would change, the first error of each sort, and every error in a CSV file."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from passerelle.node.csv_rows import RowError
from passerelle.node.difference import Change

MAX_KEPT: Final = 100_000
"""Errors kept for the report; beyond, they are counted only."""
MAX_CHANGES: Final = 2_000
"""Changed columns kept for the report; beyond, changed rows are counted only."""
MAX_MISSING: Final = 1_000
"""Records missing from a whole file that are listed."""
_COLUMNS: Final = ("row", "column", "code", "value", "what", "fix")
_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


@dataclass(slots=True)
class Missing:
    """Records of a kind that the file, said to be whole, does not hold: of how many, and the first of them."""

    kind: str
    known: int
    count: int = 0
    listed: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Share of the known records."""
        return 100 * self.count / self.known if self.known else 0.0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record."""
        self.count += 1
        if len(self.listed) < MAX_MISSING:
            self.listed.append(record)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = {"kind": self.kind, "known": self.known, "missing": self.count, "percent": round(self.percent, 2)}
        return {**found, "records": list(self.listed)}


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
    format: str = "csv"
    mapping: str = ""
    by_type: Counter[str] = field(default_factory=Counter)
    """Events by type, for example ``credential.issued``."""
    changes: list[Change] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    run: str = ""
    """Id of the import in the node's database; empty for a dry run."""
    held_until: int | None = None
    """Until when its drafts can be cancelled, Unix milliseconds."""
    sections: dict[str, Counter[str]] = field(default_factory=dict)
    """Counts by kind, where a file holds several."""
    _refused_rows: set[tuple[str, int]] = field(default_factory=set)
    _at: str = ""

    def enter(self, kind: str, rows: int) -> None:
        """What comes next is of this kind."""
        self._at = kind
        self.rows += rows
        self.sections.setdefault(kind, Counter())["rows"] += rows

    def count(self, outcome: str, events: Iterable[str] = (), *, rows: int = 1) -> None:
        """Count a row that was taken, and its events; or so many rows with the same outcome and the same events."""
        setattr(self, outcome, getattr(self, outcome) + rows)
        self.sections.setdefault(self._at, Counter())[outcome] += rows
        for name in events:
            self.events += rows
            self.by_type[name] += rows

    def refuse(self, errors: Iterable[RowError]) -> None:
        """Count a refused row with all that is wrong with it."""
        for error in errors:
            if (self._at, error.row) not in self._refused_rows:
                self._refused_rows.add((self._at, error.row))
                self.refused += 1
                self.sections.setdefault(self._at, Counter())["refused"] += 1
            if len(self.errors) < MAX_KEPT:
                self.errors.append(error)

    def change(self, changes: Sequence[Change]) -> None:
        """Keep what a changed row changes."""
        self.changes.extend(changes[: MAX_CHANGES - len(self.changes)])

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
            "format": self.format,
            "mapping": self.mapping or None,
            "dry_run": self.dry_run,
            "run": self.run or None,
            "held_until": self.held_until,
            "rows": self.rows,
            "accepted": self.accepted,
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "events": self.events,
            "events_by_type": dict(sorted(self.by_type.items())),
            "sections": {kind: dict(counts) for kind, counts in self.sections.items()},
            "changes": [change.as_dict() for change in self.changes],
            "missing": [missing.as_dict() for missing in self.missing],
            "remarks": self.remarks,
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
