"""Recorded rules straight from their compact form to the bytes of an ``Answer``.

Rules of one *kind* differ in a few texts only: ids, dates, notes. What the long way (:mod:`passerelle.core.rules` and
:mod:`passerelle.query.messages`) makes of a rule of a kind is asked once, with marks in the place of those texts, and
kept as forms (:mod:`passerelle.query.wire`). So this module knows nothing of how a rule is told; it fills texts in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from google.protobuf.message import Message

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.core.rules import Rule, lookup, rule_from_data
from passerelle.core.sending import Gate, Leaf, leaves_of
from passerelle.query.equivalency import answer_fields
from passerelle.query.index import Index
from passerelle.query.messages import Titles
from passerelle.query.rulestore import ODD
from passerelle.query.shapes import Path
from passerelle.query.wire import Book, Form, Node, Open, cut, tag

MAX_KINDS: Final = 4_096
MAX_DAYS: Final = 65_536
_FROM, _TO, _LATER = "0001-01-01", "9999-12-31", "0001-01-02"
"""Marks of dates."""
_DATE_MARKS: Final = {("valid_from",): _FROM, ("valid_to",): _TO, ("supersedes", "from_date"): _LATER}
ID, NEEDS, SENDING, OUTCOME, RECORDED, HEAD, LENGTH, FIRST = range(8)
"""Holes: the rule's id, what else it asks for, three of its fields, what stands before the rule in an answer, the
rule's length, and the first of its texts; titles come last."""
_MARK: Final = "~mark-"
_ID_MARK, _NEEDS_MARK = f"{_MARK}id~", f"{_MARK}needs~"
_LEAF_TITLE: Final = tag(common_pb2.Expression.Leaf.DESCRIPTOR, "title")
_OUTCOME_TITLE: Final = tag(common_pb2.Outcome.DESCRIPTOR, "title")
_RULE_TAG: Final = tag(pb.Answer.DESCRIPTOR, "rule")
_PARTS: Final = tuple(
    (pb.Rule.DESCRIPTOR.fields_by_name[name].number, hole)
    for name, hole in (("sending", SENDING), ("outcome", OUTCOME), ("recorded_from", RECORDED))
)
Text = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Kind:
    """How rules of one kind are told. Texts go by their place among the free texts of a record."""

    verdict: pb.Verdict
    order: int
    receiver: int
    valid_from: int
    valid_to: int
    """-1 where it is not stated."""
    dates: tuple[int, ...]
    leaves: tuple[int, ...]
    titles: tuple[tuple[int, bytes], ...]
    """Texts whose title is told, with the tag of the title."""
    sending: Form
    outcome: Form
    answer: Form
    answer_with_needs: Form


class RuleBytes:
    """Reads recorded states of an index's rules; keeps a bounded number of kinds."""

    def __init__(self, index: Index, *, max_kinds: int = MAX_KINDS) -> None:
        self._index = index
        self._max_kinds = max_kinds
        self._book = Book()
        self._kinds: dict[int, Kind | None] = {}
        self._days: set[bytes] = set()
        self._dates: set[int] = set()
        """Numbers of texts that are dates."""

    def __len__(self) -> int:
        return len(self._kinds)

    def read(self, state: int) -> tuple[Kind, Sequence[int], list[Text]] | None:
        """Kind, free texts by number, and free texts of a state; None where the long way must judge it."""
        store = self._index.rules
        number, numbers = store.record(state)
        try:
            kind = self._kinds[number]
        except KeyError:
            kind = self._learn(number)
        if kind is None:
            return None
        if max(numbers) >= ODD:
            return self._odd(kind, numbers)
        texts = store.texts(numbers)
        for place in kind.dates:
            if numbers[place] not in self._dates and not self._is_date(numbers[place], texts[place]):
                return None
        return kind, numbers, texts

    def _odd(self, kind: Kind, numbers: Sequence[int]) -> tuple[Kind, Sequence[int], list[Text]] | None:
        """As :meth:`read`, where a text is empty or has escapes."""
        # Names are compared by number, and dates as they are, so that none of them may have another spelling.
        if any(numbers[place] >= ODD for place in (kind.receiver, *kind.leaves, *kind.dates)):
            return None
        texts = self._index.rules.texts(number & ~ODD for number in numbers)
        if not all(texts) or not all(self.is_day(bytes(texts[place])) for place in kind.dates):
            return None
        return kind, numbers, [_plain(text) if b"\\" in text else text for text in texts]

    def _is_date(self, number: int, text: Text) -> bool:
        if not self.is_day(bytes(text)):
            return False
        if len(self._dates) >= MAX_DAYS:
            self._dates.clear()
        self._dates.add(number)
        return True

    def is_day(self, day: bytes) -> bool:
        """Whether a text is a date in the spelling that answers have."""
        if day in self._days:
            return True
        try:
            good = dt.date.fromisoformat(day.decode()).isoformat().encode() == day
        except ValueError:
            return False
        if good:
            if len(self._days) >= MAX_DAYS:
                self._days.clear()
            self._days.add(day)
        return good

    def _learn(self, number: int) -> Kind | None:
        """Ask the long way how rules of a kind are told; None where it must judge each of them."""
        if len(self._kinds) >= self._max_kinds or self._book.full:
            self._kinds.clear()
            self._book.clear()
        store, kind = self._index.rules, None
        paths = store.paths(number)
        # A kind whose own texts could be taken for marks is left to the long way.
        if paths and not _marked(store.data(number, [b""] * len(paths))):
            marks = [_DATE_MARKS.get(path, _mark(place)) for place, path in enumerate(paths)]
            data = orjson.loads(store.data(number, [mark.encode() for mark in marks]))
            try:
                kind = _Maker(self._index, self._book, paths).kind(data)
            except FormatError:
                # Not to be evaluated: the long way says so.
                kind = None
        self._kinds[number] = kind
        return kind


class _MarkTitles(Titles):
    """Marks for the titles of the achievements that stand as marks."""

    def __init__(self, index: Index) -> None:
        super().__init__(index, 1)
        self.asked: dict[str, None] = {}

    def of(self, achievement: str) -> str:
        self.asked[achievement] = None
        return _title_mark(achievement)


class _Maker:
    """Makes one kind, of which each free text stands in these members."""

    def __init__(self, index: Index, book: Book, paths: Sequence[Path]) -> None:
        self._index = index
        self._book = book
        self._paths = paths
        self._titles = _MarkTitles(index)
        self._marks: dict[bytes, int] = {}
        self._whole: dict[bytes, int] = {}

    def kind(self, data: Mapping[str, Any]) -> Kind:
        """The kind of the rule with this data, whose free texts are marks. Raises FormatError."""
        rule = rule_from_data(data, recognition=_ID_MARK, from_index=0)
        asked = next(leaves_of(rule.sending))
        alone = self._told(rule, asked)
        with_needs = self._told(rule, Gate("all_of", 2, (asked, Leaf(_NEEDS_MARK))))
        titles = self._note_marks()
        paths, told = self._paths, alone.rule
        sending, outcome = pb.Rule(sending=told.sending), pb.Rule(outcome=told.outcome)
        for name in ("sending", "outcome", "recorded_from"):
            told.ClearField(name)
        inside = self._rule(told)
        return Kind(
            verdict=alone.verdict,
            order=int(alone.verdict != pb.VERDICT_AGREEMENT),
            receiver=paths.index(("receiver",)),
            valid_from=paths.index(("valid_from",)),
            valid_to=paths.index(("valid_to",)) if ("valid_to",) in paths else -1,
            dates=tuple(place for place, path in enumerate(paths) if path in _DATE_MARKS),
            leaves=tuple(place for place, path in enumerate(paths) if _is_leaf(path)),
            titles=tuple((place, _LEAF_TITLE if _is_leaf(paths[place]) else _OUTCOME_TITLE) for place in titles),
            sending=self._form(sending),
            outcome=self._form(outcome),
            answer=self._answer(inside, alone),
            answer_with_needs=self._answer(inside, with_needs),
        )

    def _note_marks(self) -> list[int]:
        """Give each mark its hole; the texts whose titles were asked for, whose holes come last."""
        count = len(self._paths)
        titles = [place for place in range(count) if _mark(place) in self._titles.asked]
        marks = {_ID_MARK: ID, _NEEDS_MARK: NEEDS}
        for place, path in enumerate(self._paths):
            marks[_DATE_MARKS.get(path, _mark(place))] = FIRST + place
        self._marks = {mark.encode(): hole for mark, hole in marks.items()}
        holes = enumerate(titles, FIRST + count)
        self._whole = {_title_mark(_mark(place)).encode(): hole for hole, place in holes}
        return titles

    def _told(self, rule: Rule, sending: Leaf | Gate) -> pb.Answer:
        """The answer of a rule, with the reasons that it has where it asks for ``sending``."""
        asked = next(leaves_of(sending)).achievement
        (answer,) = lookup([replace(rule, sending=sending)], (), asked, None, rule.valid_from)
        return pb.Answer(**answer_fields(self._index, replace(answer, rule=rule), self._titles))

    def _rule(self, told: pb.Rule) -> Open:
        """The rule in an answer; its larger parts are filled in."""
        nodes = [*cut(told, self._marks, self._whole), *_PARTS]
        return Open(_RULE_TAG, LENGTH, tuple(node for _, node in sorted(nodes, key=lambda one: one[0])))

    def _answer(self, rule: Open, answer: pb.Answer) -> Form:
        rest = pb.Answer(reasons=answer.reasons, subject_to_admission=answer.subject_to_admission)
        return self._book.form([HEAD, rule, *self._cut(rest)])

    def _form(self, message: Message) -> Form:
        return self._book.form(self._cut(message))

    def _cut(self, message: Message) -> list[Node]:
        return [node for _, node in cut(message, self._marks, self._whole)]


def _mark(place: int) -> str:
    return f"{_MARK}{place}~"


def _title_mark(mark: str) -> str:
    return mark.replace(_MARK, _MARK + "title-")


def _marked(data: bytes) -> bool:
    """Whether data has a text that is used as a mark."""
    return any(mark.encode() in data for mark in (_MARK, *_DATE_MARKS.values()))


def _is_leaf(path: Path) -> bool:
    return (path[0], path[-1]) == ("sending", "achievement")


def _plain(raw: Text) -> bytes:
    """A text as it is, from JSON with escapes."""
    text: str = orjson.loads(b'"' + raw + b'"')
    return text.encode()
