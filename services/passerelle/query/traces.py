"""How an answer came about, as a message: the rule, its clauses with the values compared, and the tables read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.expressions import Held, Part
from passerelle.core.grades import Grade
from passerelle.core.judging import Tables
from passerelle.core.sending import leaves_of
from passerelle.core.transcripts import Asked, LineRule
from passerelle.query import messages


def trace_message(found: LineRule, match: pb.Match, held: Mapping[str, Held], asked: Asked) -> pb.Trace:
    """The trace of one rule that was evaluated."""
    root = None if found.evaluation is None else clause_message(found.evaluation.root)
    return pb.Trace(
        rule=found.rule.id,
        version=found.rule.version,
        match=match,
        reasons=messages.reason_messages(found.reasons),
        root=root,
        tables=sorted(set(_tables(found, held.values(), asked.tables or Tables()))),
    )


def clause_message(part: Part) -> pb.Trace.Clause:
    """One part of the expression with all below it (the depth is bounded with the expression's)."""
    return pb.Trace.Clause(
        path=part.path,
        kind=part.kind,
        achievement=part.achievement or "",
        met=part.met,
        used_lines=sorted(int(ref) + 1 for ref in part.used),
        reasons=messages.reason_messages(part.reasons),
        parts=[clause_message(one) for one in part.parts],
    )


def _tables(found: LineRule, held: Iterable[Held], tables: Tables) -> Iterable[str]:
    """The scales that the comparisons of grades read, with their versions."""
    items = list(held)
    for leaf in leaves_of(found.rule.sending):
        for item in items:
            if item.achievement == leaf.achievement and item.grade is not None and leaf.minimum_grade is not None:
                yield from _named(item, leaf.minimum_grade, tables)


def _named(item: Held, minimum: Grade, tables: Tables) -> Iterable[str]:
    if item.grade is not None:
        compared = tables.compare(item.grade, minimum, item.completed_on)
        if compared.table:
            yield f"{compared.table} ({compared.ground})"
