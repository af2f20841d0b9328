"""The short way of a dry run: rows that surely lead to a new record are judged column by column, many at once.

A row takes it where the texts of its columns were those of rows that were planned and taken before, its own and its
learner's details can be read, and its record is not known. So the rules stand in one place: whatever is seen for the
first time, is known already or is wrong in any way is planned row by row, and teaches the short way what was taken.
The event's fields are judged one by one (:class:`passerelle.node.plan.Fitted`), so that fields which fitted apart fit
together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import itemgetter
from typing import Final

from passerelle.node.csv_cells import CellError
from passerelle.node.csv_forms import Column
from passerelle.node.csv_reader import RawRow
from passerelle.node.csv_rows import Row, RowParser
from passerelle.node.plan import MAX_FITTED, Known, Planned, Wanted
from passerelle.node.planner import COMPARED
from passerelle.node.records import RecordKeys, record_kind
from passerelle.node.scan import Scan

SMALL_ROW: Final = 4_096
"""Characters below which no event of an award can pass the size limit of a body."""
MAX_TEXT: Final = 8_000_000
"""Characters of the rows whose texts are remembered at once."""
EVENTS: Final = {"credentials": ("credential.issued",), "results": ()}
"""Kinds of file that have a short way, with the events of a new record. No rule of theirs looks at another row."""
_NUMBER: Final = "learner_student_number"
_VERSION: Final = "achievement_version"


@dataclass(slots=True)
class Lot:
    """Rows of which some may take the short way: ``places`` says which of ``raws``, the lists below say more of them.

    ``abouts`` are the texts that name their achievement, ``keys`` and ``alike`` the keyed hashes by which their records
    are looked up; ``texts`` are all rows' cells, by column.
    """

    raws: Sequence[RawRow]
    texts: Sequence[Sequence[str]] = ()
    places: Sequence[int] = ()
    abouts: Sequence[str] = ()
    keys: Sequence[str] = ()
    alike: Sequence[str] = ()


@dataclass(slots=True)
class _Field:
    """The columns of one field of an event, and their texts that were taken."""

    places: tuple[int, ...]
    seen: set[str | tuple[str, ...]] = field(default_factory=set)

    def values(self, texts: Sequence[Sequence[str]]) -> Sequence[str | tuple[str, ...]]:
        """One text a row, or one tuple of texts."""
        if len(self.places) == 1:
            return texts[self.places[0]]
        return list(zip(*itemgetter(*self.places)(texts), strict=True))


class QuickLane:
    """The short way below one header."""

    def __init__(self, parser: RowParser, keys: RecordKeys, *, compared: bool) -> None:
        names = [column.name for column in parser.columns]
        fields: dict[str, list[int]] = {}
        for place, column in enumerate(parser.columns):
            if column.path:
                fields.setdefault(column.path.partition(".")[0], []).append(place)
        self._width = len(names)
        self._home = parser.home
        self._fields = [_Field(tuple(places)) for places in fields.values()]
        self._details = [(place, column) for place, column in enumerate(parser.columns) if not column.path]
        self._kind, self._keys, self._compared = record_kind(parser.form.kind), keys, compared
        about, when = COMPARED[parser.form.kind]
        self._name, self._about, self._record = about, names.index(about), names.index(parser.form.record)
        self._number = names.index(_NUMBER)
        self._when = names.index(when) if when in names else None
        self._events = EVENTS[parser.form.kind]
        self._versions = set[int]()
        self._things: dict[str, str] = {}
        self._read = set[tuple[str, str]]()
        self._held = 0
        self._version = names.index(_VERSION) if _VERSION in names else None

    def enter(self, raws: Sequence[RawRow], scanned: Scan) -> tuple[list[RawRow], Lot]:
        """The rows to be planned one by one, in order, and those that may take the short way."""
        width = self._width
        fit = [not raw[2] and len(raw[1]) == width for raw in raws]
        if not scanned.clean:
            numbers = (raw.number for raw in raws)
            marked = (scanned.repeats(number) or scanned.contradicts(number) is not None for number in numbers)
            fit = [one and not other for one, other in zip(fit, marked, strict=True)]
        whole = raws if all(fit) else list(compress(raws, fit))
        if not whole:
            return list(raws), Lot(whole)
        texts = [list(map(str.strip, column)) for column in zip(*(raw[1] for raw in whole), strict=True)]
        doubted = self._doubted(texts)
        if len(doubted) == len(whole):
            return list(raws), Lot(whole)
        places = [place for place in range(len(whole)) if place not in doubted] if doubted else range(len(whole))
        plain = [raw for raw, one in zip(raws, fit, strict=True) if not one] if whole is not raws else []
        plain += [whole[place] for place in doubted]
        return sorted(plain), self._lot(whole, texts, places)

    def _lot(self, raws: Sequence[RawRow], texts: Sequence[Sequence[str]], places: Sequence[int]) -> Lot:
        ids, abouts = texts[self._record], texts[self._about]
        chosen = abouts if len(places) == len(abouts) else [abouts[place] for place in places]
        key, kind = self._keys.key, self._kind
        keys = [key(kind, ids[place]) for place in places]
        alike: list[str] = []
        if self._compared and self._when is not None:
            likeness, numbers, days = self._keys.likeness, texts[self._number], texts[self._when]
            things = self._things
            alike = [
                likeness(kind, numbers[place], things[abouts[place]], day) if (day := days[place]) else ""
                for place in places
            ]
        return Lot(raws, texts, places, chosen, keys, alike)

    def _doubted(self, texts: Sequence[Sequence[str]]) -> set[int]:
        """Rows with a text that was not taken yet, with a detail that may not be readable, or with very much text."""
        found, longest = set[int](), 0
        for one in self._fields:
            values = one.values(texts)
            distinct = set(values)
            if fresh := distinct - one.seen:
                found.update(place for place, value in enumerate(values) if value in fresh)
            longest += max(len(value) if isinstance(value, str) else sum(map(len, value)) for value in distinct)
        for place, column in self._details:
            found.update(self._unreadable(column, texts[place]))
        if longest > SMALL_ROW:
            sizes = (sum(map(len, cells)) for cells in zip(*texts, strict=True))
            found.update(place for place, size in enumerate(sizes) if size > SMALL_ROW)
        return found

    def _unreadable(self, column: Column, texts: Sequence[str]) -> Iterable[int]:
        filled = [text for text in texts if text] if "" in texts else texts
        escaped = "\n'" in "\n" + "\n".join(filled)
        if not escaped and (len(filled) == len(texts) or not column.required) and self._all(column, filled):
            return ()
        return [place for place, text in enumerate(texts) if not self._one(column, text)]

    def _all(self, column: Column, texts: Sequence[str]) -> bool:
        if column.cell.sure is not None:
            return column.cell.sure(texts)
        return all(self._one(column, text) for text in set(texts))

    def _one(self, column: Column, text: str) -> bool:
        """Whether a text can be read; an apostrophe before a formula is for the parser."""
        if not text or text[0] == "'":
            return not text and not column.required
        if (column.name, text) in self._read:
            return True
        try:
            column.cell.parse(text, self._home)
        except CellError:
            return False
        if column.cell.sure is None:
            if len(self._read) >= MAX_FITTED:
                self._read.clear()
            self._read.add((column.name, text))
        return True

    def wanted(self, lot: Lot) -> Wanted:
        """What to load for the rows that may take the short way."""
        things = frozenset(f"achievement:{self._things[text]}" for text in set(lot.abouts))
        return Wanted(frozenset(lot.keys), things, frozenset(filter(None, lot.alike)))

    def settle(self, lot: Lot, known: Known) -> tuple[int, list[RawRow]]:
        """How many rows lead to a new record; the others, to be planned one by one after all."""
        doubted = set[int]()
        if known.records:
            doubted.update(place for place, key in zip(lot.places, lot.keys, strict=True) if key in known.records)
        if known.alike and lot.alike:
            doubted.update(place for place, like in zip(lot.places, lot.alike, strict=True) if known.alike.get(like))
        if strange := {text for text in set(lot.abouts) if not self._known(text, known, lot)}:
            doubted.update(place for place, text in zip(lot.places, lot.abouts, strict=True) if text in strange)
        return len(lot.places) - len(doubted), [lot.raws[place] for place in sorted(doubted)]

    def _known(self, text: str, known: Known, lot: Lot) -> bool:
        name = self._things[text]
        thing = f"achievement:{name}"
        if name.startswith(f"{self._home}/") and thing not in known.things:
            return False
        given = self._version is not None and "" not in lot.texts[self._version]
        return not self._events or given or known.versions.get(thing, 1) in self._versions

    def learn(self, raw: RawRow, row: Row, planned: Planned) -> None:
        """Remember the texts of a row that was planned and taken as a new one."""
        if planned.outcome != "new" or tuple(event.type.name for event in planned.events) != self._events:
            return
        texts, size = [[cell.strip()] for cell in raw.cells], sum(map(len, raw.cells))
        if size > SMALL_ROW or any(text[0].startswith("'") for text in texts):
            return
        if self._held + size > MAX_TEXT:
            self._forget()
        self._held += size
        for one in self._fields:
            one.seen.add(one.values(texts)[0])
        about = texts[self._about][0]
        self._things[about] = str(row.data[self._name])
        self._versions.update(event.data[_VERSION] for event in planned.events)

    def _forget(self) -> None:
        self._held = 0
        for one in self._fields:
            one.seen.clear()
        self._things.clear()
        self._versions.clear()
