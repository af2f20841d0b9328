"""The institutions of an agreements file: which code stands for which member, and what its bare numbers mean.

A transfer guide writes ``SFU HIST 213 (3)``: the code is the guide's, and neither the credit system of the 3 nor the
grading scheme of a ``C-`` is written there. The table of institutions says both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from passerelle.core.errors import FormatError
from passerelle.core.quantity import CREDIT_SYSTEMS
from passerelle.events.base import LOCAL_PATTERN, MEMBER_PATTERN
from passerelle.node.csv_cells import CellError, nearest
from passerelle.node.csv_reader import read_rows

COLUMNS: Final = ("code", "member", "credit_system", "grade_scheme", "delegation")
DEFAULT_SYSTEM: Final = "credit-hours"
DEFAULT_SCHEME: Final = "letter-4.33"
MAX_INSTITUTIONS: Final = 5_000
CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.-]{1,39}")
_MEMBER: Final = re.compile(MEMBER_PATTERN)
_SCHEME: Final = re.compile(rf"[a-z0-9][a-z0-9.-]{{1,59}}(/{LOCAL_PATTERN})?")
_OWNED: Final = re.compile(rf"{MEMBER_PATTERN}/{LOCAL_PATTERN}")
_COURSE: Final = re.compile(r"([A-Z]{1,8})([0-9][0-9A-Z]{0,7})")


@dataclass(frozen=True, slots=True)
class Institution:
    """One institution: its code in the file, its member id, and what the file leaves unsaid about it.

    ``delegation`` is the id of its published delegation to the member that imports; empty where it imports for itself.
    """

    code: str
    member: str
    credit_system: str = DEFAULT_SYSTEM
    grade_scheme: str = DEFAULT_SCHEME
    delegation: str = ""


class Book:
    """Institutions by code. Without a table every code is the member id in capitals."""

    def __init__(self, institutions: Iterable[Institution] | None = None) -> None:
        self._open = institutions is None
        self._by_code: dict[str, Institution] = {}
        self._by_member: dict[str, Institution] = {}
        for one in institutions or ():
            self._by_code[one.code.upper()] = one
            self._by_member.setdefault(one.member, one)

    def find(self, code: str, where: str) -> Institution:
        """The institution of a code; ``where`` says the place for the error. Raises CellError ``code-unknown``."""
        found = self._by_code.get(code.upper())
        if found is not None:
            return found
        member = code.lower()
        if self._open and _MEMBER.fullmatch(member):
            return self._by_code.setdefault(code.upper(), Institution(code.upper(), member))
        guess = nearest(code, [known.lower() for known in self._by_code])
        fix = f"Did you mean '{guess.upper()}'?" if guess else "Add it to the table of institutions."
        raise CellError("code-unknown", f"the institution's code is not in the table ({where})", fix)

    def of_member(self, member: str) -> Institution:
        """The institution of a member; without a row in the table its code is the member id in capitals."""
        return self._by_member.get(member) or Institution(member.upper(), member)

    def lists(self, member: str) -> bool:
        """Whether the member can be written by a code."""
        return self._open or member in self._by_member

    def course(self, achievement: str) -> tuple[str, str, str] | None:
        """Code, subject and number of a course's id; None where the id is not made of them."""
        member, _, local = achievement.partition("/")
        found = _COURSE.fullmatch(local) if self.lists(member) else None
        return None if found is None else (self.of_member(member).code, found[1], found[2])


def course_id(institution: Institution, subject: str, number: str) -> str:
    """The achievement id of a course: member, then subject and number without a space."""
    return f"{institution.member}/{subject.upper()}{number.upper()}"


def read_book(path: Path) -> Book:
    """The table of institutions: CSV with the columns of :data:`COLUMNS`, of which ``code`` and ``member`` are needed.

    Raises FormatError ``file-unreadable``, ``column-unknown``, ``column-missing``, ``value-not-allowed``,
    ``value-missing``, ``record-duplicate``, ``too-many-items``, each with its row.
    """
    try:
        with path.open("rb") as stream:
            return Book(_institutions(path, stream))
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)) from None


def _institutions(path: Path, stream: BinaryIO) -> list[Institution]:
    rows = read_rows(stream)
    header = [cell.strip().lower() for cell in next(rows).cells]
    for name in header:
        if name not in COLUMNS:
            fix = f"Use: {', '.join(COLUMNS)}."
            raise FormatError("column-unknown", "the table has no such column", where=f"{path}: row 1", fix=fix)
    for name in ("code", "member"):
        if name not in header:
            raise FormatError("column-missing", f"the table needs the column {name}", where=f"{path}: row 1")
    found: dict[str, Institution] = {}
    for row in rows:
        where = f"{path}: row {row.number}"
        if row.code or len(row.cells) != len(header):
            raise FormatError(row.code or "row-width", row.what or "the row has another width", where=where)
        one = _institution(dict(zip(header, (cell.strip() for cell in row.cells), strict=True)), where)
        if one.code.upper() in found:
            raise FormatError("record-duplicate", "the code stands twice in the table", where=where)
        found[one.code.upper()] = one
        if len(found) > MAX_INSTITUTIONS:
            raise FormatError("too-many-items", f"the table has more than {MAX_INSTITUTIONS} rows", where=where)
    return list(found.values())


def _institution(cells: dict[str, str], where: str) -> Institution:
    given = {name: cell for name, cell in cells.items() if cell}
    for name in ("code", "member"):
        if name not in given:
            raise FormatError("value-missing", f"the column {name} is empty", where=where)
    forms = {"code": CODE, "member": _MEMBER, "grade_scheme": _SCHEME, "delegation": _OWNED}
    for name, form in forms.items():
        if name in given and not form.fullmatch(given[name]):
            raise FormatError("value-not-allowed", f"the column {name} does not have its form", where=where)
    if given.get("credit_system", DEFAULT_SYSTEM) not in CREDIT_SYSTEMS:
        guess = nearest(given["credit_system"], CREDIT_SYSTEMS)
        fix = f"Did you mean '{guess}'?" if guess else f"Use one of: {', '.join(CREDIT_SYSTEMS)}."
        raise FormatError("credit-system-unknown", "the credit system is not a known one", where=where, fix=fix)
    return Institution(**given)
