"""Equivalency by brute force, from the published events alone.

Nothing here is shared with the evaluator that it judges: rules and lines are JSON values as they were published, what
was known at a position is found by reading the events up to it and no further, and every choice is made by trying all.
Exponential in everything, so for small cases only.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Data = dict[str, Any]
BUY = "buy"
"""A leaf that is not met and would have to be earned."""


class Event(NamedTuple):
    """One public event: its log index (``at``), its step (``granted``, ``revised``, ...), the thing and the data."""

    at: int
    step: str
    subject: str
    data: Data
    date: str


class RuleNow(NamedTuple):
    """A rule as it stands at a position, with the dates in which completions count."""

    id: str
    data: Data
    first: str
    last: str

    @property
    def receiver(self) -> str:
        return str(self.data["receiver"])

    def holds_on(self, day: str) -> bool:
        return self.first <= day <= self.last


FOREVER = "9999-12-31"


def rules_at(events: Sequence[Event], size: int) -> list[RuleNow]:
    """The rules as a log of ``size`` entries tells them, in order of id. Dates compare as text."""
    state: dict[str, tuple[int, Data, str]] = {}
    for event in events:
        if event.at >= size:
            break
        if event.step in {"granted", "revised", "denied"}:
            state[event.subject] = (event.at, event.data, FOREVER)
        elif event.step == "ended":
            state[event.subject] = (event.at, state[event.subject][1], event.data["effective_on"])
    found = []
    for name, (index, data, ended_on) in sorted(state.items()):
        first, last = data["valid_from"], min(data.get("valid_to", FOREVER), ended_on)
        for later, newer, _ in state.values():
            older = newer.get("supersedes")
            if later > index and older is not None and older["recognition"] == name:
                if older["mode"] == "replaces-all":
                    last = "0000-00-00"
                elif older["mode"] == "replaces-from":
                    start = dt.date.fromisoformat(older.get("from_date") or newer["valid_from"])
                    last = min(last, (start - dt.timedelta(days=1)).isoformat())
        found.append(RuleNow(name, data, first, last))
    return found


def scales_at(events: Sequence[Event], size: int) -> dict[str, list[Data]]:
    """The versions of every published scale in a log of ``size`` entries."""
    found: dict[str, list[Data]] = {}
    for event in events:
        if event.at < size and event.step == "scale-published":
            found.setdefault(event.subject, []).append(event.data)
    return found


def requests_at(events: Sequence[Event], size: int) -> dict[str, tuple[str, Data, int, str]]:
    """State, data, index and date of every articulation request in a log of ``size`` entries."""
    found: dict[str, tuple[str, Data, int, str]] = {}
    for event in events:
        if event.at >= size:
            break
        if event.step == "requested":
            found[event.subject] = ("open", event.data, event.at, event.date)
        elif event.step in {"returned", "resubmitted", "forwarded"}:
            found[event.subject] = ("open", *found[event.subject][1:])
        elif event.step == "declined":
            found[event.subject] = ("declined", *found[event.subject][1:])
        elif "request" in event.data and event.data["request"] in found:
            found[event.data["request"]] = ("answered", *found[event.data["request"]][1:])
    return found


# One leaf and one line


def scale_of(scheme: str, day: str, scales: dict[str, list[Data]]) -> Data | None:
    """The highest version of a published scale in force on a day."""
    fitting = [one for one in scales.get(scheme, ()) if one["valid_from"] <= day <= one.get("valid_to", FOREVER)]
    return max(fitting, key=lambda one: int(one["version"])) if fitting else None


def grade_answer(held: Data, minimum: Data, day: str, scales: dict[str, list[Data]]) -> str:
    """``met``, ``not-met`` or ``cannot-compare``, between published scales."""
    own, asked = scale_of(held["scheme"], day, scales), scale_of(minimum["scheme"], day, scales)
    if own is None or asked is None:
        return "cannot-compare"
    have = [step for step in own["steps"] if step["grade"] == held["grade"]]
    need = [step for step in asked["steps"] if step["grade"] == minimum["grade"]]
    if not have or not need:
        return "cannot-compare"
    if held["scheme"] == minimum["scheme"]:
        return "met" if have[0]["rank"] >= need[0]["rank"] else "not-met"
    for table in asked.get("conversions", ()):
        if table["from_scheme"] == held["scheme"]:
            for row in table["grades"]:
                if row["grade"] == held["grade"]:
                    equal = next(step for step in asked["steps"] if step["grade"] == row["equals"])
                    return "met" if equal["rank"] >= need[0]["rank"] else "not-met"
    if need[0]["passes"] and not have[0]["passes"]:
        return "not-met"
    passing = {step["rank"] for step in asked["steps"] if step["passes"]}
    failing = {step["rank"] for step in asked["steps"] if not step["passes"]}
    if need[0]["passes"] and len(passing) == 1 and len(failing) <= 1:
        return "met"
    return "cannot-compare"


def years_back(day: str, years: int) -> str:
    """The same day of the calendar so many years earlier, as text."""
    year, rest = int(day[:4]) - years, day[4:]
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return f"{year:04d}{'-02-28' if rest == '-02-29' and not leap else rest}"


class Asking(NamedTuple):
    """The date that ages count back from, and the scales known."""

    asked_on: str
    scales: dict[str, list[Data]]


def in_place(leaf: Data, line: Data, rule: RuleNow) -> bool:
    """The line is of the achievement and of a version that counts, completed in the rule's dates."""
    versions = leaf.get("versions", {})
    return (
        line["achievement"] == leaf["achievement"]
        and versions.get("first", 1) <= line["version"] <= versions.get("last", 10**9)
        and rule.holds_on(line["completed_on"])
    )


def fits(leaf: Data, line: Data, rule: RuleNow, asking: Asking) -> bool:
    """The line meets the leaf."""
    if not in_place(leaf, line, rule):
        return False
    if "within_years" in leaf and line["completed_on"] < years_back(asking.asked_on, leaf["within_years"]):
        return False
    if "basis" in leaf and line["basis"] not in leaf["basis"]:
        return False
    if "minimum_level" in leaf and line.get("level") != leaf["minimum_level"]:
        order = ("bachelor", "master", "doctoral")
        held, asked = line.get("level"), leaf["minimum_level"]
        if held is None or held["framework"] != asked["framework"]:
            return False
        if order.index(held["level"]) < order.index(asked["level"]):
            return False
    if "minimum_grade" in leaf:
        grade = line.get("grade")
        day = line["completed_on"]
        return grade is not None and grade_answer(grade, leaf["minimum_grade"], day, asking.scales) == "met"
    return True


# Expressions


def leaves(expression: Data) -> Iterator[Data]:
    """The leaves from left to right."""
    if "achievement" in expression:
        yield expression
        return
    ((_, body),) = expression.items()
    for part in body["of"] if isinstance(body, dict) else body:
        yield from leaves(part)


def worth_of(expression: Data, chosen: Iterator[Fraction | None]) -> Fraction | None:
    """The most credit that a part brings with these leaves chosen (None: not met); reads the leaves in order."""
    if "achievement" in expression:
        return next(chosen)
    ((kind, body),) = expression.items()
    found = [worth_of(part, chosen) for part in (body["of"] if isinstance(body, dict) else body)]
    met = sorted((value for value in found if value is not None), reverse=True)
    if kind == "credits_from":
        return sum(met, Fraction(0)) if sum(met) >= Fraction(body["credits"]["value"]) else None
    need = {"all_of": len(found), "any_of": 1}.get(kind) or body["n"]
    return sum(met[:need], Fraction(0)) if len(met) >= need else None


def assignments(rule: RuleNow, lines: Sequence[Data], asking: Asking, *, buying: bool) -> Iterator[list[Any]]:
    """Every way to give each leaf a line of its own, nothing or (``buying``) a purchase, that meets the expression."""
    own = list(leaves(rule.data["sending"]))
    options: list[list[Any]] = [
        [None, *([BUY] if buying else []), *(line for line in lines if fits(leaf, line, rule, asking))] for leaf in own
    ]
    for chosen in itertools.product(*options):
        refs = [one["ref"] for one in chosen if isinstance(one, dict)]
        if len(refs) != len(set(refs)):
            continue
        values = iter(
            [
                None if one is None else Fraction(0) if one == BUY else Fraction(one["credits"]["value"])
                for one in chosen
            ]
        )
        if worth_of(rule.data["sending"], values) is not None:
            yield list(chosen)


def verdict(rule: RuleNow, lines: Sequence[Data], asking: Asking) -> tuple[str, int | None]:
    """``match``, ``maybe`` or ``miss``, and the size of the smallest fix; None where a pool makes it one of worth."""
    sending = rule.data["sending"]
    if any(True for _ in assignments(rule, lines, asking, buying=False)):
        return "match", 0
    near = any(in_place(leaf, line, rule) for leaf in leaves(sending) for line in lines)
    if "credits_from" in str(sending):
        return "maybe" if near else "miss", None
    least = min(sum(one == BUY for one in chosen) for chosen in assignments(rule, lines, asking, buying=True))
    return "maybe" if near else "miss", least


# Look-ups


def lookup(
    events: Sequence[Event], size: int, achievement: str, receiver: str | None, day: str
) -> set[tuple[str, str, str]]:
    """(kind, receiver, rule or request) of every answer; empty texts where there is none."""
    found = [
        rule
        for rule in rules_at(events, size)
        if receiver in (None, rule.receiver)
        and any(leaf["achievement"] == achievement for leaf in leaves(rule.data["sending"]))
    ]
    asked = {
        name: row
        for name, row in requests_at(events, size).items()
        if row[1]["achievement"] == achievement and receiver in (None, row[1]["receiver"])
    }
    receivers = {rule.receiver for rule in found} | {row[1]["receiver"] for row in asked.values()}
    if receiver is not None:
        receivers.add(receiver)
    answers: set[tuple[str, str, str]] = set()
    for name in receivers:
        own = [rule for rule in found if rule.receiver == name]
        holding = [rule for rule in own if rule.holds_on(day)]
        waiting = sorted((row[2], key) for key, row in asked.items() if row[0] == "open" and row[1]["receiver"] == name)
        declined = sorted(key for key, row in asked.items() if row[0] == "declined" and row[1]["receiver"] == name)
        if holding:
            answers |= {("agreement" if "outcome" in rule.data else "no-credit", name, rule.id) for rule in holding}
        elif waiting:
            answers.add(("under-evaluation", name, waiting[0][1]))
        elif declined or own:
            answers.add(("case-by-case", name, declined[0] if declined else ""))
        else:
            answers.add(("never-evaluated", name, ""))
    return answers or {("never-evaluated", "", "")}


# Competition


class Use(NamedTuple):
    """One rule applied with these lines for these parts of its outcome."""

    rule: str
    refs: frozenset[str]
    courses: frozenset[str]
    names: frozenset[str]
    bars: frozenset[str]
    credits: tuple[tuple[str, Fraction], ...]
    towards: tuple[tuple[str, Fraction], ...]


def outcomes(outcome: Data) -> Iterator[tuple[Data, ...]]:
    """What an outcome can give, choice by choice."""
    if outcome["type"] == "choice":
        for part in outcome["of"]:
            yield from outcomes(part)
    elif outcome["type"] == "sum":
        for parts in itertools.product(*(list(outcomes(part)) for part in outcome["of"])):
            yield tuple(one for part in parts for one in part)
    else:
        yield (outcome,)


def grades_suffice(part: Data, use: str, used: Sequence[Data], asking: Asking) -> bool:
    """Every line used reaches the minimum grades for this use of the credit."""
    return all(
        "grade" in line
        and grade_answer(line["grade"], condition["minimum_grade"], line["completed_on"], asking.scales) == "met"
        for condition in part.get("conditions", ())
        if condition["use"] == use
        for line in used
    )


def uses_of(rule: RuleNow, lines: Sequence[Data], asking: Asking, aim: tuple[str, frozenset[str]] | None) -> list[Use]:
    """Every way to apply a rule that gives credit, with no line more than it needs."""
    sets = {
        frozenset(line["ref"] for line in chosen if line is not None): [line for line in chosen if line is not None]
        for chosen in assignments(rule, lines, asking, buying=False)
    }
    found = []
    for refs, used in sets.items():
        if any(other < refs for other in sets):
            continue
        for parts in outcomes(rule.data["outcome"]):
            paid = [part for part in parts if "credits" in part]
            if paid and all(grades_suffice(part, "credit", used, asking) for part in parts):
                found.append(_use(rule, refs, used, parts, asking, aim))
    return found


def _use(
    rule: RuleNow,
    refs: frozenset[str],
    used: Sequence[Data],
    parts: Sequence[Data],
    asking: Asking,
    aim: tuple[str, frozenset[str]] | None,
) -> Use:
    amounts, towards = [], []
    for part in parts:
        if "credits" not in part:
            continue
        amount = (part["credits"]["system"], Fraction(part["credits"]["value"]))
        amounts.append(amount)
        if aim is None or not grades_suffice(part, "programme", used, asking):
            continue
        inside = part["programme"] == aim[0] if "programme" in part else not aim[1] or part.get("achievement") in aim[1]
        if inside:
            towards.append(amount)
    courses = frozenset(part["achievement"] for part in parts if "achievement" in part)
    programmes = frozenset(part["programme"] for part in parts if "programme" in part)
    taken = frozenset(line["achievement"] for line in used)
    bars = frozenset(name for part in parts for name in part.get("exclusions", ()))
    return Use(rule.id, refs, courses, courses | programmes | taken, bars, tuple(amounts), tuple(towards))


def most_credit(
    rules: Sequence[RuleNow],
    lines: Sequence[Data],
    asking: Asking,
    systems: Sequence[str],
    aim: tuple[str, frozenset[str]] | None,
) -> tuple[Fraction, ...]:
    """The most that can be had: towards the aim by system, then in all by system, compared in that order."""
    every: list[list[Use | None]] = [
        [None, *uses_of(rule, lines, asking, aim)] for rule in rules if "outcome" in rule.data
    ]
    best = tuple(Fraction(0) for _ in range(2 * len(systems)))
    for chosen in itertools.product(*every):
        some = [use for use in chosen if use is not None]
        if all(apart(left, right) for left, right in itertools.combinations(some, 2)):
            rows = ([one for use in some for one in use.towards], [one for use in some for one in use.credits])
            total = tuple(
                sum((value for system, value in row if system == name), Fraction(0)) for row in rows for name in systems
            )
            best = max(best, total)
    return best


def apart(left: Use, right: Use) -> bool:
    """Both can stand: they share no line and no receiving course, and neither excludes the other."""
    return not (
        left.refs & right.refs or left.courses & right.courses or left.bars & right.names or right.bars & left.names
    )
