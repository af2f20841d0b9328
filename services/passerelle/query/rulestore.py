"""Recognitions in compact form: what was published, by log index, decoded when it is asked for.

A rule's data is JSON of few shapes: the same members in the same order, with other texts in them. Its record is the
number of its shape and the numbers of its texts, most of which many rules share; a text that is long or has a space is
written out. So a rule takes some tens of bytes, and reading it gives back the very JSON that was stored.
"""

from __future__ import annotations

import datetime as dt
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from passerelle.core.rules import Rule, outcome_achievements, rule_from_data
from passerelle.query.histories import Timeline
from passerelle.query.names import Names, Postings
from passerelle.query.records import RecognitionHistory, RuleState

_TEXT: Final = re.compile(rb'(?<=[:\[,])"((?:[^"\\]|\\.)*)"(?!:)')
"""A text that is a value: member names are followed by a colon."""
_SHARED: Final = re.compile(rb"[!-~]{1,60}")
"""Texts kept once: ids, dates, codes."""
_HOLE: Final = b"\0"
"""Stands for a text in a shape; JSON holds no such byte."""


class RuleStore:
    """All recorded states of all recognitions."""

    def __init__(self) -> None:
        self._ids = Names()
        self._texts = Names()
        self._shapes = Names()
        self._records = bytearray()
        # By rule: its latest state plus one, and its receiver's text.
        self._latest = array("I")
        self._receiver = array("I")
        # By state: log index, record, the state before plus one, and the ordinal of the day that it was ended on.
        self._index = array("Q")
        self._record = array("Q")
        self._before = array("I")
        self._ended = array("I")
        self._leaves, self._outcomes = Postings(), Postings()
        self._superseding, self._receivers = Postings(), Postings()
        self._split: dict[int, list[bytes]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    # Taking in

    def put(self, recognition: str, index: int, data: Mapping[str, Any]) -> None:
        """Record a state that an event states whole."""
        rule = self._rule(recognition, str(data["receiver"]))
        earlier = [orjson.loads(state.raw) for _, _, state in self._states(rule)]
        offset = len(self._records)
        self._records += self._encode(orjson.dumps(data))
        self._add_state(rule, index, offset, 0)
        for postings, names_of in (
            (self._leaves, leaf_names),
            (self._outcomes, _outcomes),
            (self._superseding, _older),
        ):
            names = set(names_of(data))
            for state in earlier:
                names.difference_update(names_of(state))
            for name in sorted(names):
                postings.add(self._texts.add(name.encode()), rule)

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

    def _encode(self, raw: bytes) -> bytes:
        parts = _TEXT.split(raw)
        out = bytearray(_number(self._shapes.add(_HOLE.join(parts[::2]))))
        for text in parts[1::2]:
            if _SHARED.fullmatch(text):
                out += _number(self._texts.add(text) + 1)
            else:
                out += b"\0" + _number(len(text)) + text
        return bytes(out)

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
        return 0 if rule < 0 else len(self._chain(rule))

    def number(self, recognition: str) -> int:
        """The number of a rule in this store, -1 for an unknown one."""
        return self._ids.find(recognition.encode())

    def id(self, rule: int) -> str:
        """The id of the rule with a number."""
        return self._ids[rule].decode()

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
            data = orjson.loads(self._decode(self._record[state]))
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
        rules = self._leaves.of(self._texts.find(achievement.encode()))
        if receiver is None:
            return rules
        text, receivers = self._texts.find(receiver.encode()), self._receiver
        return [rule for rule in rules if receivers[rule] == text]

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

    def _chain(self, rule: int) -> list[int]:
        found: list[int] = []
        place = self._latest[rule]
        while place:
            found.append(place - 1)
            place = self._before[place - 1]
        found.reverse()
        return found

    def _states(self, rule: int) -> Iterator[tuple[int, int, RuleState]]:
        """Index, number and content of a rule's states, oldest first."""
        for state in self._chain(rule):
            ended = self._ended[state]
            on = dt.date.fromordinal(ended).isoformat() if ended else None
            yield self._index[state], state, RuleState(self._decode(self._record[state]), on)

    def _decode(self, place: int) -> bytes:
        records, text_of = self._records, self._texts.part
        number, place = _read(records, place)
        shape = self._split.get(number)
        if shape is None:
            # The quotes around a text are part of the shape's pieces: fewer of them are joined.
            shape = self._split[number] = (b'"' + _HOLE + b'"').join(self._shapes[number].split(_HOLE)).split(_HOLE)
        out: list[bytes | bytearray] = [shape[0]]
        for after in shape[1:]:
            number, place = records[place], place + 1
            if number > 0x7F:
                number, place = _read(records, place - 1)
            if number:
                out += (text_of(number - 1), after)
            else:
                length, place = _read(records, place)
                out += (records[place : place + length], after)
                place += length
        return b"".join(out)

    # Snapshots

    def dump(self) -> list[bytes]:
        """The parts that a snapshot holds, in the order that :meth:`load` reads."""
        parts: list[bytes] = []
        for names in (self._ids, self._texts, self._shapes):
            parts += names.dump()
        for postings in (self._leaves, self._outcomes, self._superseding, self._receivers):
            parts += postings.dump()
        lines = (self._latest, self._receiver, self._index, self._record, self._before, self._ended)
        return [*parts, *(line.tobytes() for line in lines), bytes(self._records)]

    @staticmethod
    def load(parts: Sequence[bytes]) -> RuleStore:
        """From :meth:`dump`. Raises ValueError where the parts do not fit each other."""
        made, rest = RuleStore(), list(parts)

        def take(count: int) -> list[bytes]:
            taken, rest[:count] = rest[:count], []
            return taken

        made._ids, made._texts, made._shapes = (Names.load(take(2)) for _ in range(3))
        made._leaves, made._outcomes, made._superseding, made._receivers = (Postings.load(take(3)) for _ in range(4))
        lines = (made._latest, made._receiver, made._index, made._record, made._before, made._ended)
        for line, part in zip(lines, take(len(lines)), strict=True):
            line.frombytes(part)
        (records,) = rest
        made._records = bytearray(records)
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
        return [store._ids[rule].decode() for rule in rules]

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


def _number(value: int) -> bytes:
    """A whole number in groups of seven bits, the lowest first (LEB128)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read(data: bytearray, place: int) -> tuple[int, int]:
    byte = data[place]
    if byte < 0x80:
        return byte, place + 1
    value, shift = byte & 0x7F, 7
    while True:
        place += 1
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + 1
        shift += 7
