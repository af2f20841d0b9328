"""How an answer came about, as a message: the rule, its clauses with the values compared, and the tables read.

One way for transcripts and for look-ups. A look-up holds nothing: its trace is that of the achievement as if it had
been completed on the day of the question, with nothing else stated.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import PasserelleError
from passerelle.core.expressions import Evaluation, Expression, Held, Part, achievements_of
from passerelle.core.grades import Grade
from passerelle.core.judging import Tables, Terms, compared
from passerelle.core.reasons import Reason
from passerelle.core.rules import Rule, Window, applies, outcome_achievements, standing, terms_of, windows
from passerelle.core.sending import Leaf, leaves_of
from passerelle.core.transcripts import Asked, LineRule
from passerelle.query import messages
from passerelle.query.index import Index
from passerelle.query.moments import Moment
from passerelle.query.tables import TableReader

MATCHES: Final = {"match": pb.MATCH_MATCH, "maybe": pb.MATCH_MAYBE, "miss": pb.MATCH_MISS}
MAX_TRIED: Final = 1_000
"""Most rules that one look-up explains."""


def trace_message(found: LineRule, match: pb.Match, held: Mapping[str, Held], asked: Asked) -> pb.Trace:
    """The trace of one rule that was evaluated."""
    rule, tables = found.rule, asked.tables or Tables()
    terms = Terms(asked.asked_on, rule.valid_from, rule.valid_to, tables)
    return _trace(rule, match, found.reasons, found.evaluation, _Compared(held, terms))


@dataclass(frozen=True, slots=True)
class _Compared:
    """What was held, by ref, and the dates and tables that it was compared by."""

    held: Mapping[str, Held]
    terms: Terms


def _trace(
    rule: Rule, match: pb.Match, reasons: Sequence[Reason], evaluation: Evaluation | None, by: _Compared
) -> pb.Trace:
    return pb.Trace(
        rule=rule.id,
        version=rule.version,
        match=match,
        reasons=messages.reason_messages(reasons),
        root=None if evaluation is None else _clause(evaluation.root, rule.sending, by),
        tables=sorted(set(_tables(rule, by.held.values(), by.terms.tables))),
        receiver=rule.receiver,
    )


def _clause(part: Part, expression: Expression, by: _Compared) -> pb.Trace.Clause:
    """One part of the expression with all below it (the depth is bounded with the expression's)."""
    if isinstance(expression, Leaf):
        parts = []
        told = [one for ref in part.used if part.met for one in compared(expression, by.held[ref], by.terms)]
    else:
        parts, told = [_clause(*one, by) for one in zip(part.parts, expression.parts, strict=True)], []
    return pb.Trace.Clause(
        path=part.path,
        kind=part.kind,
        achievement=part.achievement or "",
        met=part.met,
        used_lines=sorted(int(ref) + 1 for ref in part.used),
        reasons=messages.reason_messages(part.reasons),
        parts=parts,
        compared=messages.reason_messages(told),
    )


def _tables(rule: Rule, held: Iterable[Held], tables: Tables) -> Iterable[str]:
    """The scales that the comparisons of grades read, with their versions."""
    items = list(held)
    for leaf in leaves_of(rule.sending):
        for item in items:
            if item.achievement == leaf.achievement and item.grade is not None and leaf.minimum_grade is not None:
                yield from _named(item, leaf.minimum_grade, tables)


def _named(item: Held, minimum: Grade, tables: Tables) -> Iterable[str]:
    if item.grade is not None:
        found = tables.compare(item.grade, minimum, item.completed_on)
        if found.table:
            yield f"{found.table} ({found.ground})"


class LookUps:
    """The traces of look-ups: every rule that was tried, in order of receiver and id."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables = TableReader(index)

    async def found(
        self, rows: Iterable[Rule], achievement: str, valid_on: dt.date, moment: Moment, here: Callable[[Rule], bool]
    ) -> list[pb.Trace]:
        """Of ``Find``: the rules whose expression names the achievement. ``here``: whether a rule was asked about.

        Raises PasserelleError ``too-many-items``.
        """
        tried = [
            window
            for window in windows(rows, moment.known_at)
            if here(window.rule) and achievement in achievements_of(window.rule.sending)
        ]
        return await self._traces(tried, achievement, {achievement}, valid_on, moment)

    async def reversed(
        self, rows: Iterable[Rule], achievement: str, valid_on: dt.date, moment: Moment, here: Callable[[Rule], bool]
    ) -> list[pb.Trace]:
        """Of ``Reverse``: the rules whose outcome names the achievement, as if all that each names were completed.

        Raises PasserelleError ``too-many-items``.
        """
        tried = [
            window
            for window in windows(rows, moment.known_at)
            if here(window.rule) and achievement in outcome_achievements(window.rule.outcome)
        ]
        return await self._traces(tried, "", None, valid_on, moment)

    async def _traces(
        self, tried: list[Window], achievement: str, named: set[str] | None, valid_on: dt.date, moment: Moment
    ) -> list[pb.Trace]:
        if len(tried) > MAX_TRIED:
            what = f"{len(tried)} rules were tried; at most {MAX_TRIED} are explained at once."
            fix = "Name a member or a jurisdiction, or ask without an explanation."
            raise PasserelleError("too-many-items", what, where="explain", fix=fix)
        tried.sort(key=lambda window: (window.rule.receiver, window.rule.id))
        versions = {
            name: self._version(name, moment.size)
            for window in tried
            for name in achievements_of(window.rule.sending)
            if named is None or name in named
        }
        tables = self._tables.tables(moment.size)

        def traced() -> Iterator[pb.Trace]:
            for window in tried:
                names = [name for name in achievements_of(window.rule.sending) if name in versions]
                held = [Held(name, versions[name], valid_on, str(at)) for at, name in enumerate(names)]
                yield _tried(window, achievement, held, valid_on, tables)

        # The rules are immutable: in a thread many of them hold no other call up.
        return await asyncio.to_thread(lambda: list(traced()))

    def _version(self, achievement: str, size: int) -> int:
        history = self._index.achievement(achievement, size)
        found = None if history is None else history.versions.at(size)
        return 1 if found is None else found[1].version


def _tried(window: Window, achievement: str, held: list[Held], valid_on: dt.date, tables: Tables) -> pb.Trace:
    evaluation = applies(window, held, valid_on, tables)
    reasons = standing(window, achievement, valid_on)
    by = _Compared({item.ref: item for item in held}, terms_of(window, valid_on, tables))
    trace = _trace(window.rule, MATCHES[evaluation.verdict], reasons, evaluation, by)
    _no_lines(trace.root)
    return trace


def _no_lines(clause: pb.Trace.Clause) -> None:
    """A look-up has no lines to count."""
    del clause.used_lines[:]
    for part in clause.parts:
        _no_lines(part)
