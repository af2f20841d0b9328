"""Evaluating a whole transcript, line by line: what each line counts for, what is missing, or why it does not count."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.core.expressions import (
    Evaluation,
    Held,
    Missing,
    Tables,
    Verdict,
    evaluate_indexed,
    index_held,
    leaves_of,
)
from passerelle.core.grades import Grade
from passerelle.core.judging import FAR, judge, judge_grade
from passerelle.core.reasons import Reason, reason
from passerelle.core.rules import (
    Request,
    Rule,
    Window,
    lookup,
    no_credit,
    outcome_achievements,
    terms_of,
    windows,
)

_RANK = {"match": 0, "maybe": 1, "miss": 2}


@dataclass(frozen=True, slots=True)
class LineRule:
    """One rule as it concerns one line: the verdict, the lines that it uses, the fix, and why."""

    rule: Rule
    verdict: Verdict
    used: tuple[str, ...]
    fix: tuple[Missing, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """The answer for one line: its best rule's verdict and reasons, and every rule that concerns it, best first."""

    ref: str
    achievement: str
    verdict: Verdict
    reasons: tuple[Reason, ...]
    rules: tuple[LineRule, ...]
    subject_to_admission: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """The terms of a transcript's evaluation.

    ``asked_on`` is the date that stale-dating counts back from; ``receiver`` None asks everywhere; ``known_at`` is a
    log index, None the head.
    """

    asked_on: dt.date
    receiver: str | None = None
    known_at: int | None = None
    tables: Tables | None = None


def evaluate_transcript(
    lines: Sequence[Held],
    rules_by_achievement: Mapping[str, Sequence[Rule]],
    asked: Asked,
    *,
    requests_by_achievement: Mapping[str, Sequence[Request]] | None = None,
) -> tuple[LineAnswer, ...]:
    """Evaluate every line against every rule that names its achievement; the answers stand in the lines' order.

    ``rules_by_achievement`` lists the rules under each achievement that they name, together with the rules that
    supersede them. Each line counts once within a rule (see :mod:`passerelle.core.expressions` for the bound of the
    exact search); two rules may use the same line, and the receiver applies one of them. Raises the errors of
    :func:`~passerelle.core.expressions.index_held`.
    """
    names = {line.achievement for line in lines}
    rows = {(rule.id, rule.from_index): rule for name in names for rule in rules_by_achievement.get(name, ())}
    concerned: dict[str, list[tuple[Window, Evaluation]]] = {}
    # A rule supersedes rules of its own receiver only, so that the others may be left out first.
    own = [rule for rule in rows.values() if asked.receiver in (None, rule.receiver)]
    held = index_held(lines)
    for window in windows(own, asked.known_at):
        terms = terms_of(window, asked.asked_on, asked.tables)
        result = evaluate_indexed(window.rule.sending, held, terms)
        for name in {leaf.achievement for leaf in leaves_of(window.rule.sending)} & names:
            concerned.setdefault(name, []).append((window, result))
    granted = _granted(concerned)
    by_ref = {line.ref: line for line in lines}
    answers = []
    for line in lines:
        found = [
            _line_rule(line, window, result, by_ref, granted, asked)
            for window, result in concerned.get(line.achievement, ())
        ]
        found.sort(key=lambda one: (_RANK[one.verdict], -len(one.used), one.rule.receiver, one.rule.id))
        answers.append(_answer(line, tuple(found), asked, (requests_by_achievement or {}).get(line.achievement, ())))
    return tuple(answers)


def _granted(concerned: Mapping[str, list[tuple[Window, Evaluation]]]) -> dict[str, set[str]]:
    """The receiving achievements that matching rules give, each with the ids of those rules."""
    granted: dict[str, set[str]] = {}
    for pairs in concerned.values():
        for window, result in pairs:
            if result.verdict == "match":
                for name in outcome_achievements(window.rule.outcome):
                    granted.setdefault(name, set()).add(window.rule.id)
    return granted


def _line_rule(
    line: Held,
    window: Window,
    result: Evaluation,
    by_ref: Mapping[str, Held],
    granted: Mapping[str, set[str]],
    asked: Asked,
) -> LineRule:
    rule = window.rule
    if result.verdict == "match" and line.ref not in result.used:
        other = reason("used-by-other-line", rule=rule.id, achievement=line.achievement)
        return LineRule(rule, "miss", result.used, (), (other,))
    if rule.outcome is None:
        if result.verdict == "match":
            return LineRule(rule, "miss", result.used, (), (no_credit(rule),))
        return LineRule(rule, "miss", (), (), result.reasons)
    if result.verdict == "match":
        return _matched(rule, result, by_ref, granted, asked.tables or Tables())
    own = _own_reasons(line, window, asked)
    if any(one.code in FAR for one in own):
        return LineRule(rule, "miss", (), (), own)
    return LineRule(rule, result.verdict, result.used, result.fix, result.reasons)


def _own_reasons(line: Held, window: Window, asked: Asked) -> tuple[Reason, ...]:
    """What stands against this line at the leaf that it comes nearest to."""
    terms = terms_of(window, asked.asked_on, asked.tables)
    judged = [
        judge(leaf, line, terms) for leaf in leaves_of(window.rule.sending) if leaf.achievement == line.achievement
    ]
    return min(judged, key=lambda reasons: (sum(one.code in FAR for one in reasons), len(reasons)))


def _matched(
    rule: Rule,
    result: Evaluation,
    by_ref: Mapping[str, Held],
    granted: Mapping[str, set[str]],
    tables: Tables,
) -> LineRule:
    """A match, with the outcome's own terms: minimum grades for its uses, and what it may not be joined with."""
    notes = [reason("agreement", rule=rule.id, receiver=rule.receiver)]
    lacking: list[Reason] = []
    items = [by_ref[ref] for ref in result.used]
    for terms in _terms(rule.outcome):
        for condition in terms.get("conditions") or ():
            minimum = Grade(condition["minimum_grade"]["scheme"], condition["minimum_grade"]["grade"])
            judged = [judge_grade(minimum, item.grade, tables) for item in items]
            outcomes = {outcome for outcome, _ in judged}
            worst = next(name for name in ("not-met", "cannot-compare", "met") if name in outcomes)
            use = condition["use"]
            notes.append(reason("use-condition", use=use, minimum=minimum.grade, scheme=minimum.scheme, outcome=worst))
            if use == "credit":
                lacking.extend(one for _, one in judged if one is not None)
        notes.extend(_exclusions(rule, terms, result, by_ref, granted))
    verdict: Verdict = "maybe" if lacking else "match"
    reasons = tuple(dict.fromkeys((*lacking, *notes)))
    return LineRule(rule, verdict, result.used, (), reasons)


def _terms(outcome: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if outcome is None:
        return
    yield outcome
    for part in outcome.get("of", ()):
        yield from _terms(part)


def _exclusions(
    rule: Rule,
    terms: Mapping[str, Any],
    result: Evaluation,
    by_ref: Mapping[str, Held],
    granted: Mapping[str, set[str]],
) -> Iterator[Reason]:
    others = {item.achievement for ref, item in by_ref.items() if ref not in result.used}
    for name in terms.get("exclusions") or ():
        if name in others or granted.get(name, set()) - {rule.id}:
            yield reason("excluded-with", achievement=name)


def _answer(line: Held, found: tuple[LineRule, ...], asked: Asked, requests: Sequence[Request]) -> LineAnswer:
    if found and found[0].verdict != "miss":
        return LineAnswer(line.ref, line.achievement, found[0].verdict, found[0].reasons, found)
    why = [one for rule in found for one in rule.reasons]
    for state in lookup((), requests, line.achievement, asked.receiver, line.completed_on, known_at=asked.known_at):
        # With rules that do not fit, a receiver's state still says more, but "never evaluated" would be untrue.
        if not found or state.kind != "never-evaluated":
            why.extend(state.reasons)
    return LineAnswer(line.ref, line.achievement, "miss", tuple(dict.fromkeys(why)), found)
