"""Evaluating a whole transcript, line by line: what each line counts for, what is missing, or why it does not count.

Each rule is evaluated by itself first. Then, receiver by receiver, the rules that match are applied together
(:mod:`passerelle.core.applying`): where they compete each line counts once, and a rule that gives way is a *maybe* that
names the rules it gave way to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from passerelle.core.applying import Aim, Applied, Award, Matched, apply_together
from passerelle.core.expressions import (
    Evaluation,
    Held,
    HeldIndex,
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
from passerelle.core.solving import solve
from passerelle.core.ways import ways

_RANK = {"match": 0, "maybe": 1, "miss": 2}


@dataclass(frozen=True, slots=True)
class LineRule:
    """One rule as it concerns one line: the verdict, the lines that it uses, the fix, and why.

    ``award`` is how the rule is applied where it counts for this line; ``evaluation`` the result behind the verdict.
    """

    rule: Rule
    verdict: Verdict
    used: tuple[str, ...]
    fix: tuple[Missing, ...]
    reasons: tuple[Reason, ...]
    award: Award | None = None
    evaluation: Evaluation | None = None


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
    log index, None the head; ``aim`` is the programme at the receiver that credit shall count towards.
    """

    asked_on: dt.date
    receiver: str | None = None
    known_at: int | None = None
    tables: Tables | None = None
    aim: Aim | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """The answers in the order of the lines, and what each receiver would apply together, by receiver."""

    lines: tuple[LineAnswer, ...]
    applied: Mapping[str, Applied]


def evaluate_transcript(
    lines: Sequence[Held],
    rules_by_achievement: Mapping[str, Sequence[Rule]],
    asked: Asked,
    *,
    requests_by_achievement: Mapping[str, Sequence[Request]] | None = None,
) -> tuple[LineAnswer, ...]:
    """The answers of :func:`evaluate_whole` line by line."""
    requests = requests_by_achievement
    return evaluate_whole(lines, rules_by_achievement, asked, requests_by_achievement=requests).lines


def evaluate_whole(
    lines: Sequence[Held],
    rules_by_achievement: Mapping[str, Sequence[Rule]],
    asked: Asked,
    *,
    requests_by_achievement: Mapping[str, Sequence[Request]] | None = None,
) -> Whole:
    """Evaluate every line against every rule that names its achievement.

    ``rules_by_achievement`` lists the rules under each achievement that they name, together with the rules that
    supersede them. Each line counts once within a rule (see :mod:`passerelle.core.expressions` for the bound of the
    exact search) and once among rules (see :mod:`passerelle.core.counting` for that one). Raises the errors of
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
    by_ref = {line.ref: line for line in lines}
    applied = _applied(concerned, held, by_ref, asked)
    scene = _Scene(by_ref, _granted(concerned), applied, asked)
    answers = []
    for line in lines:
        found = [_line_rule(line, window, result, scene) for window, result in concerned.get(line.achievement, ())]
        found.sort(key=_line_order)
        answers.append(_answer(line, tuple(found), asked, (requests_by_achievement or {}).get(line.achievement, ())))
    return Whole(tuple(answers), applied)


def _line_order(one: LineRule) -> tuple[int, bool, int, str, str]:
    return _RANK[one.verdict], one.award is None, -len(one.used), one.rule.receiver, one.rule.id


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the answer about one line and one rule needs to know of the others."""

    by_ref: Mapping[str, Held]
    granted: Mapping[str, set[str]]
    applied: Mapping[str, Applied]
    asked: Asked

    def award(self, rule: Rule) -> Award | None:
        """How the rule is applied, None where it is not."""
        awards = self.applied[rule.receiver].awards if rule.receiver in self.applied else ()
        return next((award for award in awards if award.rule.id == rule.id), None)


def _applied(
    concerned: Mapping[str, list[tuple[Window, Evaluation]]],
    held: HeldIndex,
    by_ref: Mapping[str, Held],
    asked: Asked,
) -> dict[str, Applied]:
    """By receiver, the rules that match and give something, applied together."""
    tables = asked.tables or Tables()
    matched: dict[str, dict[str, Matched]] = {}
    for pairs in concerned.values():
        for window, result in pairs:
            rule = window.rule
            own = matched.setdefault(rule.receiver, {})
            if result.verdict == "match" and rule.outcome is not None and rule.id not in own:
                root = solve(rule.sending, held, terms_of(window, asked.asked_on, tables))
                own[rule.id] = Matched(rule, *ways(root, tables))
    return {
        receiver: apply_together(receiver, [own[name] for name in sorted(own)], by_ref, tables, asked.aim)
        for receiver, own in sorted(matched.items())
    }


def _granted(concerned: Mapping[str, list[tuple[Window, Evaluation]]]) -> dict[str, set[str]]:
    """The receiving achievements that matching rules give, each with the ids of those rules."""
    granted: dict[str, set[str]] = {}
    for pairs in concerned.values():
        for window, result in pairs:
            if result.verdict == "match":
                for name in outcome_achievements(window.rule.outcome):
                    granted.setdefault(name, set()).add(window.rule.id)
    return granted


def _line_rule(line: Held, window: Window, result: Evaluation, scene: _Scene) -> LineRule:
    rule = window.rule
    if rule.outcome is None:
        if result.verdict == "match" and line.ref in result.used:
            return LineRule(rule, "miss", result.used, (), (no_credit(rule),), evaluation=result)
        why = (_other_line(rule, line),) if result.verdict == "match" else result.reasons
        return LineRule(rule, "miss", (), (), why, evaluation=result)
    if result.verdict == "match":
        return _matched(line, rule, result, scene)
    own = _own_reasons(line, window, scene.asked)
    if any(one.code in FAR for one in own):
        return LineRule(rule, "miss", (), (), own, evaluation=result)
    return LineRule(rule, result.verdict, result.used, result.fix, result.reasons, evaluation=result)


def _other_line(rule: Rule, line: Held) -> Reason:
    return reason("used-by-other-line", rule=rule.id, achievement=line.achievement)


def _own_reasons(line: Held, window: Window, asked: Asked) -> tuple[Reason, ...]:
    """What stands against this line at the leaf that it comes nearest to."""
    terms = terms_of(window, asked.asked_on, asked.tables)
    judged = [
        judge(leaf, line, terms) for leaf in leaves_of(window.rule.sending) if leaf.achievement == line.achievement
    ]
    return min(judged, key=lambda reasons: (sum(one.code in FAR for one in reasons), len(reasons)))


def _matched(line: Held, rule: Rule, result: Evaluation, scene: _Scene) -> LineRule:
    """A match, with the outcome's own terms: minimum grades for its uses, and what it may not be joined with."""
    award = scene.award(rule)
    used = result.used if award is None else award.uses
    if line.ref not in used:
        return LineRule(rule, "miss", used, (), (_other_line(rule, line),), evaluation=result)
    tables = scene.asked.tables or Tables()
    notes = [reason("agreement", rule=rule.id, receiver=rule.receiver)]
    lacking: list[Reason] = []
    items = [scene.by_ref[ref] for ref in used]
    for terms in _terms(rule.outcome):
        for condition in terms.get("conditions") or ():
            minimum = Grade(condition["minimum_grade"]["scheme"], condition["minimum_grade"]["grade"])
            judged = [judge_grade(minimum, item, tables) for item in items]
            outcomes = {outcome for outcome, _ in judged}
            worst = next(name for name in ("not-met", "cannot-compare", "met") if name in outcomes)
            use = condition["use"]
            notes.append(reason("use-condition", use=use, minimum=minimum.grade, scheme=minimum.scheme, outcome=worst))
            if use == "credit":
                lacking.extend(one for _, one in judged if one is not None)
        notes.extend(_exclusions(rule, terms, used, scene))
    if award is None and not lacking:
        lacking.append(_gave_way(rule, used, scene))
    # What is applied was chosen so that nothing of what it gives lacks anything.
    verdict: Verdict = "match" if award is not None else "maybe"
    reasons = tuple(dict.fromkeys((*(() if award is not None else lacking), *notes)))
    return LineRule(rule, verdict, used, (), reasons, award, result)


def _gave_way(rule: Rule, used: Sequence[str], scene: _Scene) -> Reason:
    """Which applied rules took the lines or the receiving course that this one would need."""
    courses = set(outcome_achievements(rule.outcome))
    awards = scene.applied[rule.receiver].awards
    others = [
        award.rule.id
        for award in awards
        if set(award.uses) & set(used) or courses & set(outcome_achievements(award.rule.outcome))
    ]
    rules = ", ".join(others or [award.rule.id for award in awards])
    return reason("gives-way", rule=rule.id, others=rules)


def _terms(outcome: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if outcome is None:
        return
    yield outcome
    for part in outcome.get("of", ()):
        yield from _terms(part)


def _exclusions(rule: Rule, terms: Mapping[str, Any], used: Sequence[str], scene: _Scene) -> Iterator[Reason]:
    others = {item.achievement for ref, item in scene.by_ref.items() if ref not in used}
    for name in terms.get("exclusions") or ():
        if name in others or scene.granted.get(name, set()) - {rule.id}:
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
