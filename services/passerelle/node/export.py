"""Selected records out of a node, learner by learner, as rows of the import's own columns.

Personal values leave the learners' vault here and in release files, and nowhere else: every export is entered in the
node's access log, with the learners that it was about, before its file takes its place.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from passerelle.core.errors import FormatError
from passerelle.node.csv_forms import FORMS
from passerelle.node.export_cells import CellLost, cells_of, data_of
from passerelle.node.people import Learner, Person, Vault
from passerelle.node.records import HANDLE, Record, RecordKeys

PAGE: Final = 200
"""Learners, or achievements, that are read at once."""
MAX_LIST: Final = 100_000
"""Ids in a file that selects."""
LEARNERS_KINDS: Final = ("credentials", "results")
KINDS: Final = ("achievements", *LEARNERS_KINDS)
IN_FORCE: Final = frozenset({"", "issued", "reinstated"})
_AMENDABLE: Final = ("result", "credits", "conferred_on", "achievement_version", "expires_on")
_ISSUED: Final = "ca.passerelle.credential.issued.v1"
_AMENDED: Final = "ca.passerelle.credential.amended.v1"


@dataclass(frozen=True, slots=True)
class Stored:
    """A record with what was published of it, in order: (event type, body); ``sealed`` is a course result."""

    record: Record
    events: tuple[tuple[str, bytes], ...] = ()
    sealed: bytes | None = None


class ExportStore(Protocol):
    """What an export reads of the node's database."""

    async def export_learners(self, after: str, limit: int) -> list[Learner]:
        """Learners after an id, by id, without those erased."""

    async def export_records(self, learners: Sequence[str]) -> list[Stored]:
        """Credentials and course results of these learners, by learner and key."""

    async def export_achievements(self, after: str, limit: int) -> list[Stored]:
        """Records of own achievements after a key, by key."""

    async def achievement_bodies(self, things: Sequence[str]) -> dict[str, bytes]:
        """The latest body that this member published of each of these achievements."""

    async def log_access(self, entry: Access) -> None:
        """Enter an export in the access log."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who took whose details out, when, in what form. ``account`` is the operating system's user."""

    at: int
    account: str
    format: str
    sha256: str
    learners: Sequence[str]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is exported. Empty parts select everything; dates are the conferral's (a result's completion's), both ends
    included. ``records`` are the office's own record ids, ``learners`` its student numbers.
    """

    kinds: frozenset[str]
    achievements: frozenset[str] = frozenset()
    since: str = ""
    until: str = ""
    records: frozenset[str] = frozenset()
    learners: frozenset[str] = frozenset()
    learner_ids: frozenset[str] = frozenset()
    """Learners by the node's own ids."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its kind, its cells, and what is known of its achievement (the data of its latest event)."""

    kind: str
    cells: Mapping[str, str]
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Student:
    """One learner's lines. Its ``repr`` tells nothing."""

    id: str
    person: Person
    lines: Sequence[Line]

    def __repr__(self) -> str:
        return "Student(...)"


def read_ids(path: Path) -> frozenset[str]:
    """The ids of a file, one a line. Raises FormatError."""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            found = frozenset(line.strip()[:200] for _, line in zip(range(MAX_LIST + 1), stream, strict=False))
    except OSError as error:
        raise FormatError("file-unreadable", f"the file cannot be read: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError:
        raise FormatError("encoding-invalid", "the file is not UTF-8", where=str(path)) from None
    if len(found) > MAX_LIST:
        raise FormatError("too-many-items", f"the file names more than {MAX_LIST} ids", where=str(path))
    if not (found := found - {""}):
        raise FormatError("file-empty", "the file names no id", where=str(path))
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of a file, or of the files of a folder in order of name."""
    digest = hashlib.sha256()
    for one in sorted(path.iterdir()) if path.is_dir() else [path]:
        with one.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


@dataclass(slots=True)
class Exporter:
    """The use case. ``told`` counts what was left out and why."""

    store: ExportStore
    vault: Vault
    keys: RecordKeys
    home: str
    told: Counter[str] = field(default_factory=Counter)

    async def achievements(self, selection: Selection) -> AsyncIterator[Line]:
        """The member's own achievements."""
        after = ""
        while page := await self.store.export_achievements(after, PAGE):
            after = page[-1].record.key
            for stored in page:
                subject = stored.record.subject
                if not stored.events or not _chosen(subject, self.home, selection.achievements):
                    continue
                data = {**_data(stored.events[-1][1])}
                data.pop("version", None)
                local = subject.removeprefix(f"{self.home}/")
                if (cells := self._cells("achievements", data)) is not None:
                    yield Line("achievements", {"id": local, **cells}, data)

    async def students(self, selection: Selection) -> AsyncIterator[Student]:
        """The learners who have something selected, each whole."""
        ids = {self.keys.key(kind, one): one for one in selection.records for kind in ("credential", "result")}
        numbers = {self.vault.number_key(one) for one in selection.learners}
        after = ""
        while page := await self.store.export_learners(after, PAGE):
            after = page[-1].id
            known = selection.learner_ids
            wanted = [one for one in page if not numbers or one.number_key in numbers]
            wanted = [one for one in wanted if not known or one.id in known]
            stored = await self.store.export_records([one.id for one in wanted])
            about = await self._about(stored)
            for learner in wanted:
                own = [one for one in stored if one.record.learner == learner.id]
                lines = [line for one in own if (line := self._line(learner, one, selection, ids, about)) is not None]
                if lines:
                    person = self.vault.person(learner)
                    yield Student(learner.id, person, [_with_person(line, person) for line in lines])

    async def _about(self, stored: Sequence[Stored]) -> dict[str, Mapping[str, Any]]:
        names = set()
        for one in stored:
            for _, body in one.events[:1]:
                names.add(f"achievement:{_data(body).get('achievement', '')}")
        bodies = await self.store.achievement_bodies(sorted(names))
        return {thing.partition(":")[2]: _data(body) for thing, body in bodies.items()}

    def _line(
        self, learner: Learner, stored: Stored, selection: Selection, ids: Mapping[str, str],
        about: Mapping[str, Mapping[str, Any]],
    ) -> Line | None:  # fmt: skip
        kind = "results" if stored.sealed is not None else "credentials"
        if kind not in selection.kinds or (selection.records and stored.record.key not in ids):
            return None
        data = self._result(learner, stored) if kind == "results" else self._award(stored)
        name = str(data.get("course" if kind == "results" else "achievement", "")) if data else ""
        date = str((data or {}).get("completed_on" if kind == "results" else "conferred_on", ""))
        if not data or not _chosen(name, self.home, selection.achievements) or not _within(date, selection):
            return None
        if (cells := self._cells(kind, data)) is None:
            return None
        record = ids.get(stored.record.key, HANDLE + stored.record.key)
        return Line(kind, {"record_id": record, **cells}, about.get(name, {}))

    def _result(self, learner: Learner, stored: Stored) -> dict[str, Any] | None:
        if stored.sealed is None:
            return None
        found: dict[str, Any] = self.vault.open(learner.id, learner.wrapped_key, stored.sealed)
        return found

    def _award(self, stored: Stored) -> dict[str, Any] | None:
        """The award as its events left it; None where it is not in force or was not published."""
        current = stored.record.current
        if current is None or current.status not in IN_FORCE:
            self.told["awards that are suspended, revoked or refused were left out"] += 1
            return None
        data: dict[str, Any] = {}
        for name, body in stored.events:
            if name == _ISSUED:
                data = {**_data(body)}
            elif name == _AMENDED:
                changed = _data(body)
                data.update({field: changed[field] for field in _AMENDABLE if field in changed})
        if not data:
            self.told["awards that are not published yet were left out"] += 1
            return None
        data.pop("record", None)
        # The node gave the version where the office's row did not; the hash of the row tells which it was.
        without = {field: value for field, value in data.items() if field != "achievement_version"}
        return data if current.holds(self.keys.content(data)) else without

    def _cells(self, kind: str, data: Mapping[str, Any]) -> dict[str, str] | None:
        form = FORMS[kind]
        try:
            cells = cells_of(form, data, self.home)
        except CellLost as lost:
            self.told[f"{kind}: a value of {lost.column} does not fit its column; the record was left out"] += 1
            return None
        if data_of(form, cells, self.home) != data:
            self.told[f"{kind}: parts that have no column were left out"] += 1
        return cells


def _with_person(line: Line, person: Person) -> Line:
    found = {
        "learner_student_number": person.student_number,
        "learner_name": person.name,
        "learner_birth_date": person.birth_date,
        "learner_email": person.email,
    }
    return Line(line.kind, {**line.cells, **{name: text for name, text in found.items() if text}}, line.about)


def _data(body: bytes) -> Mapping[str, Any]:
    found: Mapping[str, Any] = orjson.loads(body)["data"]
    return found


def _chosen(name: str, home: str, chosen: frozenset[str]) -> bool:
    return not chosen or name in chosen or name.removeprefix(f"{home}/") in chosen


def _within(date: str, selection: Selection) -> bool:
    if not selection.since and not selection.until:
        return True
    return bool(date) and (selection.since or date) <= date <= (selection.until or date)
