"""Recognitions in compact form: what was published, by log index, decoded when it is asked for.

A rule's data is JSON of few shapes: the same members in the same order, with other texts in them. Texts that seldom
differ belong to its *kind* (:mod:`passerelle.query.shapes`). Its record is the number of its kind and the numbers of
its other texts, most of which many rules share. So a rule takes some tens of bytes, and reading it gives back the very
JSON that was stored.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson

from passerelle.core.rules import Rule, outcome_achievements, rule_from_data
from passerelle.query.histories import Timeline
from passerelle.query.names import Names, Postings
from passerelle.query.records import RecognitionHistory, RuleState
from passerelle.query.shapes import TEXT, Path, Shape, shape_of

ODD: Final = 1 << 31
"""Set in the number of a text that is empty or has escapes."""
_RULE_BITS: Final = 32
_RULE: Final = (1 << _RULE_BITS) - 1
Kept = TypeVar("Kept")
_HOLE: Final = b"\0"
"""Stands for a text in a shape; JSON holds no such byte."""
MAX_KEPT: Final = 8_192
"""Shapes, and kinds, that are kept read."""


class RuleStore:
    """All recorded states of all recognitions."""

    def __init__(self) -> None:
        self._ids = Names()
        self._texts = Names()
        self._shapes = Names()
        # A kind: the number of its shape and those of its fixed texts, as bytes.
        self._kinds = Names()
        self._records = array("I")
        # By rule: its latest state plus one, and its receiver's text.
        self._latest = array("I")
        self._receiver = array("I")
        # By state: log index, record, the state before plus one, and the ordinal of the day that it was ended on.
        self._index = array("Q")
        self._record = array("I")
        self._before = array("I")
        self._ended = array("I")
        # With a rule that names an achievement stands its receiver's text: few of them are of one receiver.
        self._leaves, self._outcomes = Postings(wide=True), Postings()
        self._superseding, self._receivers = Postings(), Postings()
        self._shaped: dict[int, Shape] = {}
        self._split: dict[int, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    # Taking in

    def put(self, recognition: str, index: int, data: Mapping[str, Any]) -> None:
        """Record a state that an event states whole."""
        rule = self._rule(recognition, str(data["receiver"]))
        earlier = [orjson.loads(state.raw) for _, _, state in self._states(rule)]
        offset = len(self._records)
        self._records.extend(self._encode(orjson.dumps(data)))
        self._add_state(rule, index, offset, 0)
        for postings, names_of, value in (
            (self._leaves, leaf_names, self._receiver[rule] << _RULE_BITS | rule),
            (self._outcomes, _outcomes, rule),
            (self._superseding, _older, rule),
        ):
            names = set(names_of(data))
            for state in earlier:
                names.difference_update(names_of(state))
            for name in sorted(names):
                postings.add(self._texts.add(name.encode()), value)

    def end(self, recognition: str, index: int, effective_on: str) -> None:
        """Record that a rule was ended; nothing where there is no such rule."""
        rule = self._ids.find(recognition.encode())
        if rule >= 0:
            latest = self._latest[rule] - 1
            day = dt.date.fromisoformat(effective_on).toordinal()
            self._add_state(rule, index, self._record[latest], day)

    def _rule(self, recognition: str, receiver: str) -> int:
        known = len(self._ids)
        rule = self._ids.add(recognition.encode())
        if rule == known:
            text = self._texts.add(receiver.encode())
            self._latest.append(0)
            self._receiver.append(text)
            self._receivers.add(text, rule)
        return rule

    def _add_state(self, rule: int, index: int, offset: int, ended: int) -> None:
        self._index.append(index)
        self._record.append(offset)
        self._before.append(self._latest[rule])
        self._ended.append(ended)
        self._latest[rule] = len(self._index)

    def _encode(self, raw: bytes) -> list[int]:
        parts = TEXT.split(raw)
        number, texts = self._shapes.add(_HOLE.join(parts[::2])), parts[1::2]
        shape = self._shape(number)
        fixed = array("I", [number, *(self._text(texts[place]) for place in shape.fixed)])
        kind = self._kinds.add(fixed.tobytes())
        return [kind, *(self._text(texts[place]) for place in shape.free)]

    def _text(self, text: bytes) -> int:
        number = self._texts.add(text)
        return number if text and b"\\" not in text else number | ODD

    def _shape(self, number: int) -> Shape:
        """Which texts of a shape are free: all, with no paths, where they cannot be told from its JSON."""
        shape = self._shaped.get(number)
        if shape is None:
            pieces = self._shapes[number].split(_HOLE)
            shape = shape_of(_quoted(pieces)) or Shape((), tuple(range(len(pieces) - 1)), ())
            _keep(self._shaped, number, shape)
        return shape

    # Reading

    def has(self, recognition: str) -> bool:
        """There is such a rule."""
        return self._ids.find(recognition.encode()) >= 0

    def ids(self) -> Iterator[str]:
        """All rules, in the order of their first record."""
        return (name.decode() for name in self._ids)

    def receiver(self, recognition: str) -> str:
        """The receiver of a rule's first record. Raises KeyError."""
        rule = self._ids.find(recognition.encode())
        if rule < 0:
            raise KeyError(recognition)
        return self._texts[self._receiver[rule]].decode()

    def states_of(self, recognition: str) -> Timeline[RuleState]:
        """The recorded states of a rule; empty for an unknown one."""
        line: Timeline[RuleState] = Timeline()
        rule = self._ids.find(recognition.encode())
        for at, _, state in self._states(rule) if rule >= 0 else ():
            line.add(at, state)
        return line

    def count(self, recognition: str) -> int:
        """How many states a rule has."""
        rule = self._ids.find(recognition.encode())
        return 0 if rule < 0 else len(self.states(rule))

    def number(self, recognition: str) -> int:
        """The number of a rule in this store, -1 for an unknown one."""
        return self._ids.find(recognition.encode())

    def id(self, rule: int) -> str:
        """The id of the rule with a number."""
        return self._ids[rule].decode()

    def id_bytes(self, rule: int) -> bytes:
        """As :meth:`id`, in UTF-8."""
        return self._ids[rule]

    def superseded(self, rule: int) -> bool:
        """Whether a rule has ever said that it supersedes the one with this number."""
        return bool(self._superseding) and bool(self.numbers_superseding(rule))

    def latest(self, rule: int) -> int:
        """A number that grows whenever the rule with this number gets another state."""
        return self._latest[rule]

    def rows(self, recognition: str) -> tuple[Rule, ...]:
        """The states as the core reads them. Raises FormatError where one cannot be evaluated."""
        rule = self.number(recognition)
        return self.rows_of(rule) if rule >= 0 else ()

    def rows_of(self, rule: int) -> tuple[Rule, ...]:
        """As :meth:`rows`, by the rule's number."""
        recognition, found, end = self.id(rule), [], None
        place = self._latest[rule]
        while place:
            state = place - 1
            at, ended = self._index[state], self._ended[state]
            data = orjson.loads(self._decode(state))
            on = dt.date.fromordinal(ended) if ended else None
            found.append(rule_from_data(data, recognition=recognition, from_index=at, to_index=end, ended_on=on))
            end, place = at, self._before[state]
        found.reverse()
        return tuple(found)

    def naming(self, achievement: str, receiver: str | None = None) -> list[str]:
        """The rules whose expression has ever named an achievement, of one receiver or of all."""
        return [self.id(rule) for rule in self.numbers_naming(achievement, receiver)]

    def numbers_naming(self, achievement: str, receiver: str | None = None) -> list[int]:
        """As :meth:`naming`, by number."""
        found = self._leaves.of(self._texts.find(achievement.encode()))
        if receiver is None:
            return [one & _RULE for one in found]
        text = self._texts.find(receiver.encode())
        return [one & _RULE for one in found if one >> _RULE_BITS == text]

    def superseding(self, recognition: str) -> list[str]:
        """The rules that have ever said that they supersede this one."""
        text = self._texts.find(recognition.encode())
        return [self.id(rule) for rule in self._superseding.of(text)]

    def numbers_superseding(self, rule: int) -> list[int]:
        """As :meth:`superseding`, by number."""
        text = self._texts.find(self._ids[rule])
        return self._superseding.of(text) if text >= 0 else []

    def view(self, kind: str) -> RuleNames:
        """Rules by ``leaf``, ``outcome``, ``receiver`` or superseded rule (``older``)."""
        postings = {"leaf": "_leaves", "outcome": "_outcomes", "receiver": "_receivers", "older": "_superseding"}
        return RuleNames(self, postings[kind])

    def states(self, rule: int) -> list[int]:
        """The numbers of a rule's states, oldest first."""
        found: list[int] = []
        place = self._latest[rule]
        while place:
            found.append(place - 1)
            place = self._before[place - 1]
        found.reverse()
        return found

    def _states(self, rule: int) -> Iterator[tuple[int, int, RuleState]]:
        """Index, number and content of a rule's states, oldest first."""
        for state in self.states(rule):
            ended = self._ended[state]
            on = dt.date.fromordinal(ended).isoformat() if ended else None
            yield self._index[state], state, RuleState(self._decode(state), on)

    def at(self, rule: int, size: int) -> tuple[int, int, int, bool]:
        """A rule's state in a log of ``size`` entries, -1 for none.

        With it the log index that recorded it, the ordinal of the day on which it says that the rule ended or 0, and
        whether the rule has other states.
        """
        place, others = self._latest[rule], False
        while place:
            state = place - 1
            since, place = self._index[state], self._before[state]
            if since < size:
                return state, since, self._ended[state], others or place > 0
            others = True
        return -1, 0, 0, others

    def record(self, state: int) -> tuple[int, array[int]]:
        """A state's kind, and the numbers of its free texts; :data:`ODD` is set in some."""
        place = self._record[state]
        kind = self._records[place]
        return kind, self._records[place + 1 : place + len(self._pieces(kind))]

    def texts(self, numbers: Iterable[int]) -> list[bytes | bytearray]:
        """Texts by their numbers without :data:`ODD`, as they are in JSON between the quotes."""
        blob, ends = self._texts.lines
        return [blob[ends[number] : ends[number + 1]] for number in numbers]

    def text_number(self, text: bytes) -> int:
        """The number of a text, -1 for an unknown one."""
        return self._texts.find(text)

    def data(self, kind: int, texts: Sequence[bytes | bytearray]) -> bytes:
        """The JSON of a kind with these free texts."""
        first, *others = self._pieces(kind)
        out: list[bytes | bytearray] = [first]
        for text, after in zip(texts, others, strict=True):
            out += (text, after)
        return b"".join(out)

    def paths(self, kind: int) -> tuple[Path, ...]:
        """The members in which each free text of a kind stands; empty where that is not known."""
        return self._shape(array("I", self._kinds[kind])[0]).paths

    def _decode(self, state: int) -> bytes:
        kind, numbers = self.record(state)
        return self.data(kind, self.texts(number & ~ODD for number in numbers))

    def _pieces(self, kind: int) -> list[bytes]:
        """What stands around the free texts of a kind, their quotes included."""
        pieces = self._split.get(kind)
        if pieces is None:
            pieces = self._fixed(self._kinds[kind])
            _keep(self._split, kind, pieces)
        return pieces

    def _fixed(self, told: bytes) -> list[bytes]:
        number, *fixed = array("I", told)
        shape, pieces = self._shape(number), _quoted(self._shapes[number].split(_HOLE))
        texts, joined = iter(self.texts(text & ~ODD for text in fixed)), [pieces[0]]
        for hole, after in enumerate(pieces[1:]):
            if hole in shape.free:
                joined.append(after)
            else:
                joined[-1] += next(texts) + after
        return joined

    # Snapshots

    def dump(self) -> list[bytes]:
        """The parts that a snapshot holds, in the order that :meth:`load` reads."""
        parts: list[bytes] = []
        for names in (self._ids, self._texts, self._shapes, self._kinds):
            parts += names.dump()
        for postings in (self._leaves, self._outcomes, self._superseding, self._receivers):
            parts += postings.dump()
        lines = (
            self._latest, self._receiver, self._index, self._record, self._before, self._ended, self._records
        )  # fmt: skip
        return [*parts, *(line.tobytes() for line in lines)]

    @staticmethod
    def load(parts: Sequence[bytes]) -> RuleStore:
        """From :meth:`dump`. Raises ValueError where the parts do not fit each other."""
        made, rest = RuleStore(), list(parts)

        def take(count: int) -> list[bytes]:
            taken, rest[:count] = rest[:count], []
            return taken

        made._ids, made._texts, made._shapes, made._kinds = (Names.load(take(2)) for _ in range(4))
        made._leaves = Postings.load(take(3), wide=True)
        made._outcomes, made._superseding, made._receivers = (Postings.load(take(3)) for _ in range(3))
        lines = (
            made._latest, made._receiver, made._index, made._record, made._before, made._ended, made._records
        )  # fmt: skip
        for line, part in zip(lines, rest, strict=True):
            line.frombytes(part)
        if len(made._latest) != len(made._ids) or len(made._index) != len(made._record):
            raise ValueError("rules do not fit their states")
        return made


class Recognitions(Mapping[str, RecognitionHistory]):
    """Recognitions by id, each read from the store when it is asked for."""

    def __init__(self, store: RuleStore) -> None:
        self._store = store

    def __getitem__(self, recognition: str) -> RecognitionHistory:
        store = self._store
        return RecognitionHistory(recognition, store.receiver(recognition), store.states_of(recognition))

    def __contains__(self, recognition: object) -> bool:
        return isinstance(recognition, str) and self._store.has(recognition)

    def __iter__(self) -> Iterator[str]:
        return self._store.ids()

    def __len__(self) -> int:
        return len(self._store)


class RuleNames(Mapping[str, Sequence[str]]):
    """Rules by something that they name, as a mapping that reads the store."""

    def __init__(self, store: RuleStore, postings: str) -> None:
        self._store = store
        self._name = postings

    @property
    def _postings(self) -> Postings:
        found: Postings = getattr(self._store, self._name)
        return found

    def __getitem__(self, name: str) -> Sequence[str]:
        store = self._store
        rules = self._postings.of(store._texts.find(name.encode()))
        if not rules:
            raise KeyError(name)
        return [store._ids[rule & _RULE].decode() for rule in rules]

    def __iter__(self) -> Iterator[str]:
        return (self._store._texts[key].decode() for key in self._postings.used())

    def __len__(self) -> int:
        return sum(1 for _ in self._postings.used())


def leaf_names(data: Mapping[str, Any]) -> Iterable[str]:
    """The achievements at the leaves of a rule's expression (its depth was bounded with the body's)."""
    stack = [data["sending"]]
    while stack:
        part = stack.pop()
        if "achievement" in part:
            yield part["achievement"]
            continue
        for body in part.values():
            stack.extend(body["of"] if isinstance(body, dict) else body)


def _outcomes(data: Mapping[str, Any]) -> Iterable[str]:
    return outcome_achievements(data.get("outcome"))


def _older(data: Mapping[str, Any]) -> Iterable[str]:
    older = data.get("supersedes")
    return () if older is None else (str(older["recognition"]),)


def _quoted(pieces: list[bytes]) -> list[bytes]:
    """The pieces of a shape with the quotes that stand around its texts: fewer of them are joined then."""
    return (b'"' + _HOLE + b'"').join(pieces).split(_HOLE)


def _keep(kept: dict[int, Kept], number: int, value: Kept) -> None:
    """Keep a value that can be made again; where they are too many, the others are dropped."""
    if len(kept) >= MAX_KEPT:
        kept.clear()
    kept[number] = value
