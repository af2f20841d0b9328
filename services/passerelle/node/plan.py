"""What an import would do with a row: publish something new, publish a change, or nothing. Pure.

The rules of each kind of file are in :mod:`passerelle.node.plan_public` and :mod:`passerelle.node.plan_learners`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson

from passerelle.core.catalogue import BY_NAME, EventType
from passerelle.core.errors import Refused
from passerelle.events.codec import check_data
from passerelle.node.csv_forms import Form
from passerelle.node.csv_rows import Row, RowError, from_refusal, row_error
from passerelle.node.people import Person
from passerelle.node.records import Mark, Record, RecordKeys
from passerelle.runtime.ids import Ids

Outcome = Literal["new", "changed", "unchanged"]
Renumbered = Literal["ask", "same", "new"]
"""What a new record is that is alike to one under another id: a question, the same one renumbered, or one more."""
MAX_FITTED: Final = 65_536
"""Events whose values are remembered at once."""


class RowRefused(Exception):
    """A row that could be read but not taken."""

    def __init__(self, error: RowError) -> None:
        super().__init__(error.code)
        self.error = error


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish. ``marks``: which records become what once it is accepted; refused, they go back."""

    type: EventType
    subject: str
    data: Mapping[str, Any]
    marks: tuple[tuple[str, Mark], ...] = ()

    @property
    def thing(self) -> str:
        """Key of the subject."""
        return f"{self.type.kind}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Result:
    """A course result: it stays at home."""

    record: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """What a row leads to, whole: its events, its records' new state, its learner, its course result."""

    row: int
    outcome: Outcome
    events: tuple[NewEvent, ...] = ()
    records: tuple[Record, ...] = ()
    person: Person | None = None
    result: Result | None = None
    claimed: tuple[tuple[str, int], ...] = ()
    """Places (family, sequence) of events that came back from the ledger and turned out to be of this row."""
    content: Mapping[str, Any] | None = None
    """Of a changed row: the whole content, as an event would say it."""
    before: Record | None = None
    """Of a changed row: its record as it was."""
    moved: tuple[tuple[str, str], ...] = ()
    """Records that the office gave another id: old key, new key."""


@dataclass(frozen=True, slots=True)
class Found:
    """An own event that came back from the ledger without its record: what it made, and the mark of what it says."""

    family: str
    sequence: int
    thing: str
    mark: Mark


class Fitted:
    """Values that fitted their field of an event: the rows of a file share most of them.

    Only for events whose fields are judged one by one (no rule of the model looks at two): an event of known fields
    with known values then fits too. ``UNIQUE`` fields are made here and always fit.
    """

    EVENTS: Final = frozenset({"credential.issued"})
    UNIQUE: Final = frozenset({"record"})

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], dict[str, set[bytes | str | int]]] = {}
        self._count = 0

    def holds(self, data: Mapping[str, Any]) -> bool:
        """Whether each value was seen in an event of the same fields."""
        seen = self._seen.get(tuple(data))
        if seen is None:
            return False
        for name, values in seen.items():
            value = data[name]
            if (value if type(value) is str else _plain(value)) not in values:
                return False
        return True

    def add(self, data: Mapping[str, Any]) -> None:
        """Remember an event that fitted."""
        if self._count >= MAX_FITTED:
            self._seen.clear()
            self._count = 0
        seen = self._seen.setdefault(tuple(data), {name: set() for name in data if name not in self.UNIQUE})
        for name, values in seen.items():
            values.add(_plain(data[name]))
        self._count += 1


def _plain(value: Any) -> bytes | str | int:
    return value if type(value) in (str, int) else orjson.dumps(value)


@dataclass(slots=True)
class Known:
    """What the node knows before the rows at hand, loaded for them: records by key, things, latest versions.

    ``own`` are ids of own achievements, loaded where one that a row names is not known, to say which was meant.
    """

    records: dict[str, Record] = field(default_factory=dict)
    things: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    unclaimed: dict[tuple[str, str], list[Found]] = field(default_factory=dict)
    """Events without a record, by what they are about and the hash of what was published, in order."""
    erased: set[str] = field(default_factory=set)
    """Keys of records whose learner was erased."""
    alike: dict[str, list[Record]] = field(default_factory=dict)
    """Records of the same learner, achievement and date, by the keyed hash of these."""
    fitted: Fitted = field(default_factory=Fitted)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)
    """Keyed hashes that were made to load the records: kind and office id to key."""

    def take(self, planned: Planned) -> None:
        """Let the next rows see what this one does."""
        for record in planned.records:
            self.records[record.key] = record
        for event in planned.events:
            self.things.add(event.thing)
            if isinstance(version := event.data.get("version"), int):
                self.versions[event.thing] = version

    def keep(self, kind: str, taken: Iterable[Planned]) -> None:
        """Remember what rows of a dry run would have done, as far as later rows ask for it: public things, and what
        amendments do to awards. Awards themselves are not asked for again, nor are rules: only rows of their own id
        would, and those are found before.
        """
        for planned in taken if kind != "recognitions" else ():
            for record in planned.records if kind == "amendments" else ():
                self.records[record.key] = record
            for event in planned.events:
                if event.type.visibility == "public":
                    self.things.add(event.thing)
                    if isinstance(version := event.data.get("version"), int):
                        self.versions[event.thing] = version

    def overlay(self, later: Known) -> None:
        """Put what is known from later on top."""
        self.records.update(later.records)
        self.things.update(later.things)
        self.versions.update(later.versions)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What must be loaded before rows can be planned: record keys, thing keys, hashes of what awards are alike in."""

    records: frozenset[str]
    things: frozenset[str]
    alike: frozenset[str] = frozenset()
    keys: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """The record keys by kind and office id."""

    def and_also(self, other: Wanted) -> Wanted:
        """What both ask for."""
        return Wanted(
            self.records | other.records,
            self.things | other.things,
            self.alike | other.alike,
            {**self.keys, **other.keys},
        )


@dataclass(slots=True)
class Desk:
    """What the rules of a row work with."""

    form: Form
    home: str
    keys: RecordKeys
    ids: Ids
    known: Known
    adopted: dict[str, Record] = field(default_factory=dict)
    """Records that the row at hand found among the events that came back, by key, with their places below."""
    claimed: list[tuple[str, int]] = field(default_factory=list)
    reason: str = "clerical-error"
    """Why re-sent awards are amended."""
    renumbered: Renumbered = "ask"
    fitted: Fitted = field(default_factory=Fitted)
    dry: bool = False
    """Whether nothing is stored, so that no more of a new record is made than is needed to judge it."""

    def adopt(self, kind: str, office_id: str, name: str, about: str, data: Mapping[str, Any]) -> Record | None:
        """The record of this office id; where nothing was published of it, one made of an event ``name`` that came back
        from the ledger and says the same about the same thing. Each event is found once.
        """
        held = self.record(kind, office_id)
        waiting = self.known.unclaimed.get((about, self.keys.published(name, data)))
        if (held is not None and held.current is not None) or not waiting:
            return held
        found, key = waiting.pop(0), self.keys.key(kind, office_id)
        self.adopted[key] = self.known.records[key] = Record(key, kind, found.thing, found.mark, found.mark)
        self.claimed.append((found.family, found.sequence))
        return self.adopted[key]

    def key(self, kind: str, office_id: str) -> str:
        """The keyed hash of an office id: the one that was made to load its record, if one was."""
        return self.known.keys.get((kind, office_id)) or self.keys.key(kind, office_id)

    def record(self, kind: str, office_id: str) -> Record | None:
        """The record of this office id."""
        return self.known.records.get(self.key(kind, office_id))

    def refuse(self, row: Row, column: str, code: str, what: str, fix: str = "") -> RowRefused:
        """The row as an error; raise it."""
        return RowRefused(row_error(row.number, column, code, what, fix))

    def event(self, row: Row, name: str, subject: str, data: Mapping[str, Any], *records: Record) -> NewEvent:
        """A checked event that makes ``records`` what they are. Raises RowRefused with the column that is wrong."""
        found = BY_NAME[name]
        known = name in Fitted.EVENTS
        if not known or not self.fitted.holds(data):
            try:
                check_data(found, data)
            except Refused as refused:
                raise RowRefused(from_refusal(row.number, self.form, refused)) from None
            if known:
                self.fitted.add(data)
        marks = tuple((record.key, record.current) for record in records if record.current is not None)
        return NewEvent(found, subject, data, marks)

    def latest(self, thing: str) -> int:
        """The latest version known of a thing, 1 where none is."""
        return self.known.versions.get(thing, 1)

    def own_known(self, row: Row, kind: str, name: str, column: str) -> None:
        """Refuse a reference into the own namespace to something that was never published here."""
        key = f"{kind}:{name}"
        if name.startswith(f"{self.home}/") and key not in self.known.things:
            raise self.refuse(row, column, "reference-unknown", f"you have published no {kind} of this id")


def standing(record: Record | None, content: str) -> Outcome:
    """How a row with this content stands to its record; a refused record counts as never published."""
    if record is None or record.current is None:
        return "new" if record is None or record.accepted is None else "changed"
    return "unchanged" if record.current.holds(content) else "changed"
