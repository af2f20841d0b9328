"""Answers of ``Pathways``: the core searches, this reads the index and tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.pathways import Found, Offer, Pathway, Step, find_pathways
from passerelle.core.quantity import parse_quantity, show_quantity
from passerelle.core.rules import Window, outcome_achievements, windows
from passerelle.core.sending import Expression, parse_expression
from passerelle.query import messages
from passerelle.query.equivalency import must_achievement
from passerelle.query.index import Index
from passerelle.query.moments import date_or, resolve
from passerelle.query.tables import TableReader
from passerelle.query.transcripts import held_lines

MAX_HELD: Final = 100
MAX_COUNT: Final = 20
DEFAULT_COUNT: Final = 3


class _Catalogue:
    """The core's view of the index at one size."""

    def __init__(self, index: Index, size: int) -> None:
        self._index = index
        self._size = size

    def windows_to(self, achievement: str) -> Sequence[Window]:
        """Rules in force that lead to an achievement."""
        rows = self._index.with_superseding(self._index.by_outcome.get(achievement, ()))
        return [
            window
            for window in windows(rows, self._size - 1)
            if not window.void and achievement in outcome_achievements(window.rule.outcome)
        ]

    def components(self, achievement: str) -> Expression | None:
        """What it is made of; None also where that cannot be evaluated."""
        history = self._index.achievement(achievement, self._size)
        found = None if history is None else history.versions.at(self._size)
        data = None if found is None else found[1].data.get("components")
        if data is None:
            return None
        try:
            return parse_expression(data)
        except FormatError:
            # An expression of another release: nothing is known of it, and the rules still lead on.
            return None

    def offer(self, achievement: str) -> Offer | None:
        """Its published effort and cost."""
        history = self._index.achievement(achievement, self._size)
        found = None if history is None else history.versions.at(self._size)
        if history is None or found is None or history.retired.at(self._size) is not None:
            return None
        data = found[1].data
        hours = (data.get("delivery") or {}).get("effort_hours")
        cost = (data.get("cost") or {}).get("amount_cad")
        return Offer(None if hours is None else parse_quantity(hours), None if cost is None else parse_quantity(cost))


class Pathways:
    """Answers of ``Pathways``."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables = TableReader(index)

    async def pathways(self, request: pb.PathwaysRequest, wait_s: float) -> pb.PathwaysResponse:
        """The best ways to a target. Raises the errors of the service's contract."""
        if len(request.held) > MAX_HELD:
            raise PasserelleError("too-many-items", f"At most {MAX_HELD} things are held.", where="held")
        if request.count > MAX_COUNT:
            raise FormatError("argument-invalid", f"At most {MAX_COUNT} ways are told.", where="count")
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        history = must_achievement(self._index, request.target, moment.size, "target")
        held = held_lines(self._index, request.held, moment.size, "held")
        asked_on = date_or(request.valid_on, moment.date, "valid_on")
        tables = self._tables.tables(moment.size)
        catalogue = _Catalogue(self._index, moment.size)
        count = request.count or DEFAULT_COUNT
        found: Found = await asyncio.to_thread(find_pathways, held, history.id, count, asked_on, catalogue, tables)
        titles = messages.Titles(self._index, moment.size)
        return pb.PathwaysResponse(
            target=history.id,
            title=titles.of(history.id),
            pathways=[self._pathway(path, titles) for path in found.pathways],
            complete=found.complete,
            position=moment.message(),
        )

    def _pathway(self, path: Pathway, titles: messages.Titles) -> pb.Pathway:
        return pb.Pathway(
            steps=[self._step(step, titles) for step in path.steps],
            credits_lost=[messages.amount_message(amount) for amount in path.lost],
            effort_hours=_text(path.hours),
            cost_cad=_text(path.cost),
        )

    def _step(self, step: Step, titles: messages.Titles) -> pb.Pathway.Step:
        message = pb.Pathway.Step(
            kind=step.kind,
            achievement=step.achievement,
            title=titles.of(step.achievement),
            uses=step.uses,
            credits=[messages.amount_message(amount) for amount in step.credits],
        )
        if step.rule is not None:
            message.rule.CopyFrom(messages.rule_message(self._index, step.rule, titles))
        return message


def _text(value: Fraction | None) -> str:
    return "" if value is None else show_quantity(value)
