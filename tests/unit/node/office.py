"""What the node's unit tests share: identifiers that count, a fixed clock, a desk without a database."""

from __future__ import annotations

import io
from collections.abc import Sequence

from passerelle.node.csv_forms import FORMS
from passerelle.node.csv_reader import read_rows
from passerelle.node.csv_rows import Row, RowError, read_header
from passerelle.node.plan import Desk, Known, Planned
from passerelle.node.planner import plan
from passerelle.node.records import RecordKeys

SECRET = bytes(range(32))
LEARNER = "learner_student_number,learner_name,learner_birth_date"
ANN = "S1,Ann Planted,1999-01-02"


class CountingIds:
    """Identifiers and bytes that can be told beforehand."""

    def __init__(self) -> None:
        self.count = 0

    def _next(self, version: int) -> str:
        self.count += 1
        return f"01990000-0000-{version}000-8000-{self.count:012x}"

    def uuid7(self) -> str:
        return self._next(7)

    def uuid4(self) -> str:
        return self._next(4)

    def random(self, size: int) -> bytes:
        self.count += 1
        return self.count.to_bytes(size, "big")


class FixedClock:
    """A clock that stands until it is set."""

    def __init__(self, now_ms: int = 1_780_000_000_000) -> None:
        self.now = now_ms
        self.seconds = 0.0

    def now_ms(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.seconds


class PaperDesk:
    """A desk that remembers what it planned, as the database would."""

    def __init__(self, home: str = "humber") -> None:
        self.keys = RecordKeys(SECRET)
        self.home = home
        self.known = Known(things={f"achievement:{home}/revit"})
        self.ids = CountingIds()

    def plan(self, kind: str, header: str, *lines: str) -> list[Planned | RowError]:
        """Plan the rows of a file; rows with wrong cells are a test's mistake."""
        rows = self.rows(kind, header, lines)
        desk = Desk(FORMS[kind], self.home, self.keys, self.ids, self.known)
        return [plan(desk, row) for row in rows]

    def rows(self, kind: str, header: str, lines: Sequence[str]) -> list[Row]:
        """The rows of a file."""
        raw = read_rows(io.BytesIO("\n".join((header, *lines)).encode()))
        parser = read_header(FORMS[kind], next(raw).cells, self.home)
        found = [parser.parse(row) for row in raw]
        assert all(isinstance(row, Row) for row in found), found
        return [row for row in found if isinstance(row, Row)]

    def one(self, kind: str, header: str, line: str) -> Planned:
        """The plan of one row that can be taken."""
        found = self.plan(kind, header, line)[0]
        assert isinstance(found, Planned), found
        return found

    def error(self, kind: str, header: str, line: str) -> RowError:
        """The error of one row that cannot."""
        found = self.plan(kind, header, line)[0]
        assert isinstance(found, RowError), found
        return found
