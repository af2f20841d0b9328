"""Plain look-ups: answers of recorded rules that are put together of bytes.

Plain is a look-up without mask, proof, explanation, page or older position, at receivers that each have a rule which
holds on the date. The rest goes the long way (:mod:`passerelle.query.equivalency`), and so does all that is seldom:
nothing is told here that the long way would tell otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.rules import windows
from passerelle.query.index import Index
from passerelle.query.moments import head_moment
from passerelle.query.pages import DEFAULT_SIZE, MAX_SIZE
from passerelle.query.records import AchievementHistory
from passerelle.query.rulebytes import (
    HEAD,
    ID,
    LENGTH,
    MAX_KINDS,
    NEEDS,
    OUTCOME,
    RECORDED,
    SENDING,
    Kind,
    RuleBytes,
    Text,
)
from passerelle.query.wire import part, tag, varint

MAX_HEADS: Final = 4_096
"""Receivers whose names and places are kept as bytes."""
_ACHIEVEMENT, _TITLE, _ANSWERS = (tag(pb.FindResponse.DESCRIPTOR, name) for name in ("achievement", "title", "answers"))
_RECORDED: Final = tag(pb.Rule.DESCRIPTOR, "recorded_from")


class LongWayError(Exception):
    """The question is not a plain one. It is caught where it is asked and reaches nobody."""


class Holding(NamedTuple):
    """A rule that holds: what it is ordered by, what else it asks for, since which index, its kind and free texts."""

    receiver: bytes
    order: int
    id: bytes
    needs: bytes
    since: int
    kind: Kind
    texts: list[Text]


class PlainFind:
    """Answers plain look-ups at the head of an index."""

    def __init__(self, index: Index, *, max_kinds: int = MAX_KINDS) -> None:
        self._index = index
        self._bytes = RuleBytes(index, max_kinds=max_kinds)
        self._heads: dict[tuple[int, bytes], bytes] = {}
        self._changes = index.changes

    @property
    def kinds(self) -> int:
        """Kinds of rules that are kept."""
        return len(self._bytes)

    def answer(self, request: pb.FindRequest) -> bytes | None:
        """The serialized ``FindResponse`` without its position; None where the long way must make it."""
        try:
            return self._answer(request)
        except LongWayError:
            return None

    def _answer(self, request: pb.FindRequest) -> bytes:
        index, size = self._index, self._index.position.size
        if (
            request.page_token
            or request.jurisdiction
            or request.signed
            or request.explain
            or request.min_position > size
            or request.page_size > MAX_SIZE
            or request.HasField("known_at")
            or request.HasField("fields")
        ):
            raise LongWayError
        asked, receiver = request.achievement, request.receiver
        known = index.achievement(asked, size)
        if known is None or (not index.member_known(receiver, size) if receiver else asked in index.requests_of):
            raise LongWayError
        found = self._holding(asked, receiver, self._day(request.valid_on), size)
        if not 0 < len(found) <= (request.page_size or DEFAULT_SIZE):
            raise LongWayError
        title = _title(known, size)
        out = [part(_ACHIEVEMENT, asked.encode()), _text(_TITLE, title)]
        out += [part(_ANSWERS, self._told(one, size)) for one in (found if len(found) == 1 else sorted(found))]
        return b"".join(out)

    def _day(self, valid_on: str) -> bytes:
        day = (valid_on or head_moment(self._index).date.isoformat()).encode()
        if not self._bytes.is_day(day):
            raise LongWayError
        return day

    def _holding(self, asked: str, receiver: str, day: bytes, size: int) -> list[Holding]:
        """The rules that hold; every receiver that has a rule about the achievement must have one of them."""
        store, name = self._index.rules, asked.encode()
        number = store.text_number(name)
        only = store.text_number(receiver.encode()) if receiver else -1
        found: list[Holding] = []
        others: set[bytes] = set()
        for rule in store.numbers_naming(asked, receiver or None):
            state, since, ended, several = store.at(rule, size)
            if state < 0:
                continue
            kind, numbers, texts = self._read(rule, state, several)
            leaves = kind.leaves
            if number not in [numbers[leaf] for leaf in leaves] or only not in (-1, numbers[kind.receiver]):
                continue
            needs = b""
            if len(leaves) > 1:
                needs = b", ".join(sorted({bytes(texts[leaf]) for leaf in leaves} - {name}))
            holder = bytes(texts[kind.receiver])
            one = Holding(holder, kind.order, store.id_bytes(rule), needs, since, kind, texts)
            holds = texts[kind.valid_from] <= day and (kind.valid_to < 0 or day <= texts[kind.valid_to])
            if holds and (ended or store.superseded(rule)):
                holds = self._still_holds(one, day, size)
            if holds:
                found.append(one)
            else:
                others.add(holder)
        if others.difference(one.receiver for one in found):
            raise LongWayError
        return found

    def _read(self, rule: int, state: int, several: bool) -> tuple[Kind, Sequence[int], list[Text]]:
        told = self._bytes.read(state)
        # A rule of which any state cannot be evaluated is left out whole.
        if told is None or (several and None in map(self._bytes.read, self._index.rules.states(rule))):
            raise LongWayError
        return told

    def _still_holds(self, one: Holding, day: bytes, size: int) -> bool:
        """Whether a rule that was ended or superseded holds on the day. Its dates are not those that it states."""
        name, receiver = one.id.decode(), one.receiver.decode()
        rows = [row for row in self._index.with_superseding([name]) if row.receiver == receiver]
        on = dt.date.fromisoformat(day.decode())
        if any(window.rule.id == name and window.holds_on(on) for window in windows(rows, size - 1)):
            raise LongWayError
        return False

    def _told(self, one: Holding, size: int) -> bytes:
        """The serialized ``Answer``."""
        kind, texts = one.kind, one.texts
        since = _RECORDED + varint(one.since) if one.since else b""
        # In the order of the holes' numbers.
        values: list[Text] = [one.id, one.needs, b"", b"", since, self._head(kind.verdict, one.receiver), b"", *texts]
        achievements = self._index.achievements
        for place, before in kind.titles:
            history = achievements.get(texts[place].decode())
            values.append(b"" if history is None else _text(before, _title(history, size)))
        values[SENDING], values[OUTCOME] = kind.sending.fill(values), kind.outcome.fill(values)
        return (kind.answer_with_needs if one.needs else kind.answer).fill(values)

    def _head(self, verdict: pb.Verdict, receiver: bytes) -> bytes:
        """Verdict and receiver, with names and places as the registry has them now."""
        index = self._index
        if index.changes != self._changes or len(self._heads) >= MAX_HEADS:
            self._changes = index.changes
            self._heads.clear()
        key = (verdict, receiver)
        head = self._heads.get(key)
        if head is None:
            name = receiver.decode()
            made = pb.Answer(
                verdict=verdict,
                receiver=name,
                receiver_names=index.names(name),
                receiver_jurisdictions=index.jurisdictions(name),
            )
            head = self._heads[key] = made.SerializeToString()
        return head


def _title(history: AchievementHistory, size: int) -> bytes:
    """The title as known at a size; empty for an achievement that was not known."""
    found = history.versions.at(size)
    return b"" if found is None else found[1].title.encode()


def _text(before: bytes, text: bytes) -> bytes:
    """A field of text, which is left out where it is empty."""
    return part(before, text) if text else b""


assert (ID, NEEDS, SENDING, OUTCOME, RECORDED, HEAD, LENGTH) == (0, 1, 2, 3, 4, 5, 6)
