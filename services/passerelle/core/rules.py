"""Recognition rules: what is in force on a date as known at a ledger position, and the five answers of a look-up.

A rule is bitemporal. Its *recorded* time is a half-open range of log indices; its *valid* time is a range of dates,
both included, in which a course must have been completed. Terms follow the ARUCC/PCCAT Transcript and Transfer Guide.

Supersession: ``replaces-all`` takes all force from the older rule, ``replaces-from`` from a date on, ``in-addition``
none. A rule is superseded by later recorded ones only, so that no circle arises, and ending the newer rule does not
bring the older one back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from passerelle.core.errors import FormatError
from passerelle.core.expressions import (
    Evaluation,
    Expression,
    Held,
    Tables,
    Terms,
    achievements_of,
    evaluate,
    leaves_of,
    parse_expression,
)
from passerelle.core.judging import OPEN_DATE
from passerelle.core.reasons import REASONS, Reason, reason
from passerelle.core.sending import parse_date

__all__ = [
    "REASONS",
    "Answer",
    "AnswerKind",
    "Reason",
    "Request",
    "Rule",
    "Supersedes",
    "Window",
    "applies",
    "lookup",
    "outcome_achievements",
    "recorded",
    "reverse_lookup",
    "rule_from_data",
    "standing",
    "windows",
]

AnswerKind = Literal["agreement", "no-credit", "case-by-case", "under-evaluation", "never-evaluated"]
SupersessionMode = Literal["replaces-all", "replaces-from", "in-addition"]

_ORDER: Final = ("agreement", "no-credit", "case-by-case", "under-evaluation", "never-evaluated")
_MODES: Final = ("replaces-all", "replaces-from", "in-addition")


@dataclass(frozen=True, slots=True)
class Supersedes:
    """How a rule stands to an older one; ``from_date`` None means the newer rule's own start."""

    recognition: str
    mode: str
    from_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One recorded state of a recognition.

    ``kind`` is the recognition's kind (``equivalency``, ``laddering`` ...) or ``denied``; ``outcome`` the outcome as
    JSON values, None where ``reason`` says why no credit is given. ``from_index`` and ``to_index`` bound when the
    ledger held this state (the end excluded, None is still). ``state`` is ``in-force``, ``denied`` or ``ended``; an
    ended rule still holds for completions up to ``ended_on``. ``note`` and ``source`` are as published, or empty.
    """

    id: str
    version: int
    kind: str
    receiver: str
    sending: Expression
    outcome: Mapping[str, Any] | None
    valid_from: dt.date
    valid_to: dt.date | None
    from_index: int
    to_index: int | None = None
    state: str = "in-force"
    ended_on: dt.date | None = None
    reason: str | None = None
    supersedes: Supersedes | None = None
    jurisdictions: tuple[str, ...] = ()
    note: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded state of an articulation request.

    ``state``: ``requested`` and ``returned`` are open, ``declined`` is case by case, ``answered`` closed.
    ``since_index`` and ``since_date`` say when it was asked; ``from_index`` and ``to_index`` bound this state as in
    :class:`Rule`.
    """

    id: str
    achievement: str
    receiver: str
    state: str
    since_index: int
    since_date: dt.date
    from_index: int
    to_index: int | None = None


def rule_from_data(
    data: Mapping[str, Any],
    *,
    recognition: str,
    from_index: int,
    to_index: int | None = None,
    ended_on: object = None,
) -> Rule:
    """Read the data of a ``granted``, ``revised`` or ``denied`` event; ``ended_on`` is the date of its ``ended`` event.

    Raises :class:`FormatError`: those of :func:`~passerelle.core.sending.parse_expression`, ``date-impossible``, and
    ``code-unknown`` for an unknown mode of supersession.
    """
    denied = "outcome" not in data
    end, older = data.get("valid_to"), data.get("supersedes")
    state = "ended" if ended_on is not None else "denied" if denied else "in-force"
    return Rule(
        id=recognition,
        version=int(data.get("version") or 1),
        kind="denied" if denied else str(data["kind"]),
        receiver=str(data["receiver"]),
        sending=parse_expression(data["sending"]),
        outcome=None if denied else data["outcome"],
        valid_from=parse_date(data["valid_from"], where="valid_from"),
        valid_to=None if end is None else parse_date(end, where="valid_to"),
        from_index=from_index,
        to_index=to_index,
        state=state,
        ended_on=None if ended_on is None else parse_date(ended_on, where="effective_on"),
        reason=str(data["reason"]) if denied else None,
        supersedes=None if older is None else _supersedes(older),
        jurisdictions=tuple(data.get("jurisdictions") or ()),
        note=data.get("note") or "",
        source=data.get("source") or "",
    )


def _supersedes(data: Mapping[str, Any]) -> Supersedes:
    if data["mode"] not in _MODES:
        raise FormatError("code-unknown", "The mode of supersession is not known.", where="supersedes.mode")
    start = data.get("from_date")
    date = None if start is None else parse_date(start, where="supersedes.from_date")
    return Supersedes(str(data["recognition"]), str(data["mode"]), date)


def recorded(row: Rule | Request, known_at: int | None) -> bool:
    """The ledger held this row after the entry with index ``known_at``; None asks for the head."""
    if known_at is None:
        return row.to_index is None
    return row.from_index <= known_at and (row.to_index is None or known_at < row.to_index)


@dataclass(frozen=True, slots=True)
class Window:
    """The dates in which a rule counts completions, both included; ``valid_to`` None is open.

    ``void`` where no date is left; ``by`` names the rule that supersedes it wholly or in part.
    """

    rule: Rule
    valid_from: dt.date
    valid_to: dt.date | None
    by: str | None = None
    void: bool = False

    def holds_on(self, day: dt.date) -> bool:
        """A completion on this day counts."""
        return not self.void and self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


def windows(rules: Iterable[Rule], known_at: int | None = None) -> tuple[Window, ...]:
    """The rules recorded at ``known_at`` with the dates that supersession and endings leave them, in order of id.

    ``rules`` must include those that supersede the ones asked about: where a newer rule is not given, it has no effect.
    """
    # One state of a rule is recorded at a time; should two be given, the later one stands.
    ordered = sorted((rule for rule in rules if recorded(rule, known_at)), key=lambda rule: (rule.id, rule.from_index))
    rows = tuple({rule.id: rule for rule in ordered}.values())
    newer: dict[str, list[Rule]] = {}
    for rule in rows:
        if rule.supersedes is not None and rule.supersedes.mode != "in-addition":
            newer.setdefault(rule.supersedes.recognition, []).append(rule)
    return tuple(_window(rule, newer.get(rule.id, ())) for rule in rows)


def _window(rule: Rule, newer: Sequence[Rule]) -> Window:
    end, by, void = _earlier(rule.valid_to, rule.ended_on), None, False
    for other in sorted(newer, key=lambda one: (one.from_index, one.id)):
        how = other.supersedes
        if how is None or other.from_index <= rule.from_index:
            continue
        by = other.id
        if how.mode == "replaces-all":
            void = True
        else:
            start = how.from_date or other.valid_from
            end = _earlier(end, start - dt.timedelta(days=1))
    void = void or (end is not None and end < rule.valid_from)
    return Window(rule, rule.valid_from, end, by, void)


def _earlier(left: dt.date | None, right: dt.date | None) -> dt.date | None:
    given = [day for day in (left, right) if day is not None]
    return min(given, default=None)


def terms_of(window: Window, asked_on: dt.date, tables: Tables | None = None) -> Terms:
    """The terms under which a rule is evaluated."""
    # A void window ends before it starts, so that no completion is inside it.
    end = window.valid_from - dt.timedelta(days=1) if window.void else window.valid_to
    return Terms(asked_on, window.valid_from, end, tables or Tables())


def applies(window: Window, held: Iterable[Held], asked_on: dt.date, tables: Tables | None = None) -> Evaluation:
    """Evaluate a rule against what is held: an item counts when it was completed inside the rule's dates."""
    return evaluate(window.rule.sending, held, terms_of(window, asked_on, tables))


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a look-up. Credit is always subject to admission.

    ``kind``: an agreement; evaluated and no credit; case by case; under evaluation (``since_index``, ``since_date``);
    never evaluated. ``receiver`` is None only where nobody was named and nobody has evaluated. ``needs`` are the other
    achievements that the rule's expression names. The dates are those in which a completion counts.
    """

    kind: AnswerKind
    receiver: str | None
    reasons: tuple[Reason, ...]
    rule: Rule | None = None
    valid_from: dt.date | None = None
    valid_to: dt.date | None = None
    needs: tuple[str, ...] = ()
    request: str | None = None
    since_index: int | None = None
    since_date: dt.date | None = None
    subject_to_admission: bool = True


def lookup(
    rules: Iterable[Rule],
    requests: Iterable[Request],
    achievement: str,
    receiver: str | None,
    valid_on: dt.date,
    *,
    known_at: int | None = None,
) -> tuple[Answer, ...]:
    """What an achievement completed on ``valid_on`` counts for, at one receiver or (None) at all that looked at it.

    ``rules`` are those whose expression names the achievement, with those that supersede them. Agreements and refusals
    that hold on the date are all given; only where there is none does a receiver's state (under evaluation, case by
    case) answer. A rule for other dates answers as case by case, with the dates. Ordered by receiver, kind and rule.
    """
    found = [
        window
        # A rule supersedes rules of its own receiver only, so that the others may be left out first.
        for window in windows((rule for rule in rules if receiver in (None, rule.receiver)), known_at)
        if any(leaf.achievement == achievement for leaf in leaves_of(window.rule.sending))
    ]
    asked = [
        request
        for request in requests
        if recorded(request, known_at) and request.achievement == achievement and receiver in (None, request.receiver)
    ]
    receivers = {window.rule.receiver for window in found} | {request.receiver for request in asked}
    if receiver is not None:
        receivers.add(receiver)
    answers: list[Answer] = []
    for name in sorted(receivers):
        own = [window for window in found if window.rule.receiver == name]
        open_requests = [request for request in asked if request.receiver == name]
        answers.extend(_for_receiver(own, open_requests, achievement, name, valid_on))
    if not answers:
        answers.append(Answer("never-evaluated", None, (reason("never-evaluated", achievement=achievement),)))
    return tuple(answers)


def _for_receiver(
    own: list[Window], requests: list[Request], achievement: str, receiver: str, valid_on: dt.date
) -> Iterator[Answer]:
    holding = [_holding(window, achievement) for window in own if window.holds_on(valid_on)]
    if holding:
        yield from sorted(holding, key=_answer_order)
        return
    waiting = sorted(
        (request for request in requests if request.state in {"requested", "returned"}),
        key=lambda request: (request.since_index, request.id),
    )
    if waiting:
        first = waiting[0]
        yield Answer(
            "under-evaluation",
            receiver,
            (reason("under-evaluation", request=first.id, since=first.since_date),),
            request=first.id,
            since_index=first.since_index,
            since_date=first.since_date,
        )
        return
    others = tuple(_not_holding(window, valid_on) for window in own)
    declined = sorted(request.id for request in requests if request.state == "declined")
    if declined or others:
        reasons = (reason("case-by-case", receiver=receiver), *others)
        yield Answer("case-by-case", receiver, reasons, request=declined[0] if declined else None)
        return
    yield Answer("never-evaluated", receiver, (reason("never-evaluated", achievement=achievement),))


def _answer_order(answer: Answer) -> tuple[int, str]:
    return _ORDER.index(answer.kind), "" if answer.rule is None else answer.rule.id


def _holding(window: Window, achievement: str) -> Answer:
    rule = window.rule
    needs = tuple(name for name in achievements_of(rule.sending) if name != achievement)
    others = (reason("needs-others", achievements=", ".join(needs)),) if needs else ()
    if rule.outcome is None:
        kind: AnswerKind = "no-credit"
        reasons = (no_credit(rule), *others)
    else:
        kind = "agreement"
        reasons = (reason("agreement", rule=rule.id, receiver=rule.receiver), *others)
    return Answer(kind, rule.receiver, reasons, rule, window.valid_from, window.valid_to, needs)


def no_credit(rule: Rule) -> Reason:
    """The coded reason of a rule that gives no credit."""
    if rule.reason == "other":
        return reason("no-credit-other", rule=rule.id)
    return reason(f"no-credit-{rule.reason}")


def standing(window: Window, achievement: str, valid_on: dt.date) -> tuple[Reason, ...]:
    """How a rule stands to an achievement completed on a day: what it grants or denies, or why it does not hold."""
    return _holding(window, achievement).reasons if window.holds_on(valid_on) else (_not_holding(window, valid_on),)


def _not_holding(window: Window, valid_on: dt.date) -> Reason:
    if window.void and window.by is not None:
        return reason("rule-superseded", rule=window.rule.id, by=window.by)
    return reason(
        "rule-not-in-dates",
        rule=window.rule.id,
        valid_from=window.valid_from,
        valid_to=window.valid_to or OPEN_DATE,
        valid_on=valid_on,
    )


def outcome_achievements(outcome: Mapping[str, Any] | None) -> Iterator[str]:
    """The receiver's courses and programmes that an outcome names, choices and sums included."""
    if outcome is None:
        return
    for part in outcome.get("of", ()):
        yield from outcome_achievements(part)
    for name in ("achievement", "programme"):
        if name in outcome:
            yield str(outcome[name])


def reverse_lookup(
    rules: Iterable[Rule], achievement: str, valid_on: dt.date, *, known_at: int | None = None
) -> tuple[Answer, ...]:
    """The agreements that lead to a receiving achievement for completions on ``valid_on``, in order of rule id."""
    found: list[Answer] = []
    for window in windows(rules, known_at):
        if window.holds_on(valid_on) and achievement in outcome_achievements(window.rule.outcome):
            found.append(_holding(window, achievement))
    return tuple(found)
