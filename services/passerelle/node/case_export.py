"""Decided lines as CSV for the student information system, in the columns that a mapping file names.

The mapping is TOML, kept by the office: a table ``[columns]``, in the order of the file's columns, each the office's
own heading and the field that goes there, or ``{text = "..."}`` for a fixed text. Cells that a spreadsheet would take
for a formula are marked as text (OWASP, CSV injection).
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from passerelle.core.errors import FormatError, Refused
from passerelle.node.case_ports import WorkStore
from passerelle.node.csv_report import safe_cell
from passerelle.node.files import read_bounded
from passerelle.node.people import Vault
from passerelle.node.proposals import Proposals
from passerelle.node.transfers import CaseView

MAX_MAPPING: Final = 64 * 1024
MAX_COLUMNS: Final = 100
MAX_CASES: Final = 1000
FIELDS: Final = (
    "case", "state", "version", "sender", "programme", "posted_on", "learner", "student_number", "name", "birth_date",
    "line", "credential", "achievement", "completed_on", "status", "outcome_type", "outcome_achievement", "subject",
    "level", "credits", "credit_system", "recognition", "recognition_index", "individual_reason", "reason", "waits_for",
)  # fmt: skip
PERSONAL: Final = frozenset({"student_number", "name", "birth_date"})
Mapped = tuple[tuple[str, str, str], ...]
"""Heading, field (empty for a fixed text), text."""
PLAIN: Final[Mapped] = tuple((field, field, "") for field in FIELDS if field not in PERSONAL)
"""Without a mapping: every field that is not about the person, under its own name."""


def read_mapping(path: Path) -> Mapped:
    """A mapping file. Raises FormatError ``mapping-invalid``, ``file-unreadable``, ``file-too-large``."""
    try:
        value = tomllib.loads(read_bounded(path, MAX_MAPPING).decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise _invalid("the mapping is not TOML", str(path)) from None
    columns = value.get("columns")
    if set(value) != {"columns"} or not isinstance(columns, dict) or not 1 <= len(columns) <= MAX_COLUMNS:
        raise _invalid(f"the mapping is one table [columns] of 1 to {MAX_COLUMNS} columns", str(path))
    return tuple(_column(heading, said, path) for heading, said in columns.items())


def _column(heading: str, said: Any, path: Path) -> tuple[str, str, str]:
    if isinstance(said, dict) and set(said) == {"text"} and isinstance(said["text"], str):
        return heading, "", said["text"]
    if said not in FIELDS:
        fix = f'Name one of {", ".join(FIELDS)}, or write {{text = "..."}}.'
        raise FormatError("mapping-invalid", "the column names no field", where=f"{path}: {heading}", fix=fix)
    return heading, str(said), ""


def _invalid(what: str, where: str) -> FormatError:
    return FormatError("mapping-invalid", what, where=where)


@dataclass(frozen=True, slots=True)
class Exports:
    """The use case."""

    store: WorkStore
    proposals: Proposals
    vault: Vault

    async def write(self, cases: Sequence[str], target: Path, mapping: Mapped = PLAIN) -> int:
        """Write one row a decided line of these cases; how many. The file is its owner's alone to read.

        Raises NotFound, Refused ``step-illegal`` for a case without a decision, ``too-many-items``; nothing is written
        then.
        """
        if len(cases) > MAX_CASES:
            raise Refused("too-many-items", f"at most {MAX_CASES} cases are exported at once", where="CASE")
        rows: list[dict[str, str]] = []
        for case in cases:
            rows += await self._rows(case, {field for _, field, _ in mapping})
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([safe_cell(heading) for heading, _, _ in mapping])
            for row in rows:
                writer.writerow([safe_cell(row[field] if field else text) for _, field, text in mapping])
        return len(rows)

    async def _rows(self, case: str, fields: set[str]) -> list[dict[str, str]]:
        view = await self.proposals.transfers.view(case)
        if not view.lines:
            raise Refused("step-illegal", f"nothing was decided yet: the case is {view.state}", where=f"case {case}")
        person = await self._person(view, fields)
        rows = []
        for line in view.lines:
            fact = (await self.proposals.facts(str(line["credential"])))["line"]
            found = {**_case_cells(view), **person, **_line_cells(line), **_fact_cells(fact)}
            rows.append({field: str(found.get(field, "")) for field in FIELDS})
        return rows

    async def _person(self, view: CaseView, fields: set[str]) -> dict[str, Any]:
        row = await self.store.case(view.id)
        learner = await self.store.learner(row.learner) if row is not None and row.learner is not None else None
        if learner is None:
            return {}
        known: dict[str, Any] = {"learner": learner.id}
        # Details are opened only where the mapping asks for them.
        return known | (self.vault.person(learner).as_dict() if fields & PERSONAL else {})


def _case_cells(view: CaseView) -> dict[str, Any]:
    posted = next((str(step.data["posted_on"]) for step in reversed(view.told) if step.name == "posted"), "")
    return {
        "case": view.id,
        "state": view.state,
        "version": view.version,
        "sender": view.sender,
        "programme": view.programme,
        "posted_on": posted,
    }


def _fact_cells(fact: Mapping[str, Any]) -> dict[str, Any]:
    return {"achievement": fact["achievement"], "completed_on": fact["completed_on"]}


def _line_cells(line: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        "line",
        "credential",
        "status",
        "recognition",
        "recognition_index",
        "individual_reason",
        "reason",
        "waits_for",
    )
    cells = {name: line[name] for name in names if line.get(name) is not None}
    outcome = line.get("outcome") or {}
    cells |= {name: outcome[name] for name in ("subject", "level") if outcome.get(name)}
    if outcome:
        cells["outcome_type"] = outcome["type"]
        cells["outcome_achievement"] = outcome.get("achievement") or outcome.get("programme") or ""
    if outcome.get("credits"):
        cells["credits"], cells["credit_system"] = outcome["credits"]["value"], outcome["credits"]["system"]
    return cells
