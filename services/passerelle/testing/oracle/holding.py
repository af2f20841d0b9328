"""Holds the index and the evaluator against the slow one, case by case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random

import orjson

from passerelle.core.applying import Aim, Applied
from passerelle.core.catalogue import BY_NAME
from passerelle.core.quantity import Credits
from passerelle.core.registry import Registry
from passerelle.core.rules import lookup
from passerelle.core.sending import Held, held_from_data
from passerelle.core.transcripts import Asked, Whole, evaluate_whole
from passerelle.query.index import Index
from passerelle.query.ports import Head, PublicEvent
from passerelle.query.tables import TableReader
from passerelle.testing.oracle import slow
from passerelle.testing.oracle.cases import COURSES, DAYS, PROGRAMME, RECEIVERS, SENT, SYSTEMS, Maker
from passerelle.testing.oracle.slow import Asking, Data, Event

NETWORK = "ledger.passerelle.example/oracle"
_DAY_MS = 86_400_000
_REFERENCE = frozenset({"scale-published"})


@dataclass(slots=True)
class Tally:
    """What was compared, and where the two differ."""

    cases: int = 0
    verdicts: int = 0
    matches: int = 0
    lookups: int = 0
    contested: int = 0
    """Transcripts at a receiver with two or more rules that match."""
    differences: list[str] = field(default_factory=list)


def index_of(events: Sequence[Event]) -> Index:
    """The index that has taken in these events."""
    index = Index(Registry(NETWORK, "operator", b"\0" * 32))
    for event in events:
        family = "reference" if event.step in _REFERENCE else "recognition"
        day = dt.date.fromisoformat(event.date)
        at = (day - dt.date(1970, 1, 1)).days * _DAY_MS
        name = BY_NAME[f"{family}.{event.step}"].full
        member = event.subject.partition("/")[0]
        body = orjson.dumps({"data": event.data})
        index.apply([PublicEvent(event.at, at, member, name, event.subject, body)])
    size = events[-1].at + 1 if events else 0
    index.settle(Head(NETWORK, size, 0, 0))
    return index


def run(first: int, cases: int, told: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """Compare so many transcripts, each against the rules of a random world at a random position."""
    tally = Tally()
    seed = first
    while tally.cases < cases:
        for difference in compare_world(seed, tally):
            tally.differences.append(f"seed {seed}: {difference}")
        seed += 1
        told(tally)
    return tally


def compare_world(seed: int, tally: Tally, questions: int = 4) -> Iterator[str]:
    """The differences in one world; each question has its own position, lines and dates."""
    maker = Maker(seed)
    events = maker.world(maker.random.randint(3, 14))
    index = index_of(events)
    for number in range(questions):
        random = Random(f"{seed}/{number}")  # noqa: S311 - chance that can be repeated
        size = random.choice((index.position.size, random.randint(0, index.position.size)))
        asked_on = random.choice((*DAYS, "2026-02-28", "2026-09-01"))
        lines = maker.transcript()
        tally.cases += 1
        yield from _lookups(events, index, size, random, tally)
        yield from _transcript(events, index, size, asked_on, lines, random, tally)


def _lookups(events: Sequence[Event], index: Index, size: int, random: Random, tally: Tally) -> Iterator[str]:
    for name in SENT[:2]:
        receiver, day = random.choice((None, *RECEIVERS)), random.choice(DAYS)
        expected = slow.lookup(events, size, name, receiver, day)
        rows, requests = index.with_superseding(index.by_leaf.get(name, ())), index.request_rows(name)
        answers = lookup(rows, requests, name, receiver, dt.date.fromisoformat(day), known_at=size - 1)
        found = {(one.kind, one.receiver or "", one.rule.id if one.rule else one.request or "") for one in answers}
        tally.lookups += 1
        if found != expected:
            yield f"look-up of {name} at {receiver} on {day}, size {size}: {sorted(found)}, not {sorted(expected)}"


def _transcript(
    events: Sequence[Event],
    index: Index,
    size: int,
    asked_on: str,
    lines: list[Data],
    random: Random,
    tally: Tally,
) -> Iterator[str]:
    receiver = random.choice((RECEIVERS[0], *RECEIVERS))
    aimed = random.random() < 0.5
    courses = frozenset(f"{receiver}/{name}" for name in COURSES if random.random() < 0.4)
    aim = Aim(f"{receiver}/{PROGRAMME}", courses, Credits(Fraction(30), SYSTEMS[0])) if aimed else None
    whole = _fast(index, size, asked_on, lines, Asked(dt.date.fromisoformat(asked_on), receiver, size - 1, aim=aim))
    asking = Asking(asked_on, slow.scales_at(events, size))
    rules = [rule for rule in slow.rules_at(events, size) if rule.receiver == receiver]
    found = {
        one.rule.id: one.evaluation for answer in whole.lines for one in answer.rules if one.evaluation is not None
    }
    where = f"transcript at {receiver}, size {size}, asked on {asked_on}"
    for rule in rules:
        verdict, least = slow.verdict(rule, lines, asking)
        fast = found.get(rule.id)
        if fast is None:
            if verdict != "miss":
                yield f"{where}: {rule.id} was not evaluated, and is a {verdict}"
            continue
        tally.verdicts += 1
        tally.matches += verdict == "match"
        if not fast.complete or fast.verdict != verdict or least not in (None, len(fast.fix)):
            yield f"{where}: {rule.id} is {fast.verdict} with {len(fast.fix)} missing, not {verdict} with {least}"
    yield from _credit(whole.applied.get(receiver), rules, lines, asking, aim, where, tally)


def _fast(index: Index, size: int, asked_on: str, lines: list[Data], asked: Asked) -> Whole:
    held: list[Held] = [held_from_data(line) for line in lines]
    rows = {one.achievement: index.with_superseding(index.by_leaf.get(one.achievement, ())) for one in held}
    tables = TableReader(index).tables(size)
    return evaluate_whole(held, rows, Asked(asked.asked_on, asked.receiver, asked.known_at, tables, asked.aim))


def _credit(
    applied: Applied | None,
    rules: Sequence[slow.RuleNow],
    lines: list[Data],
    asking: Asking,
    aim: Aim | None,
    where: str,
    tally: Tally,
) -> Iterator[str]:
    """The credit had together, and that what is said to give it can stand together."""
    wanted = slow.most_credit(rules, lines, asking, SYSTEMS, (aim.programme, aim.courses) if aim else None)
    awards = () if applied is None else applied.awards
    amounts = [{one.system: one.value for one in row} for row in ((applied.towards, applied.total) if applied else ())]
    found = tuple(row.get(system, Fraction(0)) for row in amounts for system in SYSTEMS) or (Fraction(0),) * 4
    paying = [award for award in awards if award.credits]
    tally.contested += len(paying) > 1
    if applied is not None and not applied.exact:
        yield f"{where}: the choice is not exact"
    if found != wanted:
        yield f"{where}: {[str(one) for one in found]} credits, not {[str(one) for one in wanted]}"
    used = [ref for award in paying for ref in award.uses]
    if len(used) != len(set(used)):
        yield f"{where}: a line counts twice"
