"""Whole transcripts against the rules of one receiver or of all: the core evaluates, this reads and tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from fractions import Fraction
from typing import Any, Final

import structlog

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.expressions import Held, Tables, achievements_of
from passerelle.core.grades import Scale, scale_from_data, well_known_scales
from passerelle.core.quantity import CREDIT_SYSTEMS, Credits, parse_credits, parse_quantity, show_quantity
from passerelle.core.rules import Request, Rule
from passerelle.core.sending import held_from_data
from passerelle.core.transcripts import Asked, LineAnswer, LineRule, evaluate_transcript
from passerelle.query import messages
from passerelle.query.equivalency import must_member
from passerelle.query.index import Index
from passerelle.query.moments import Moment, date_or, resolve

_LOG = structlog.get_logger(__name__)
MAX_LINES: Final = 500
MATCHES: Final = {"match": pb.MATCH_MATCH, "maybe": pb.MATCH_MAYBE, "miss": pb.MATCH_MISS}


class Evaluation:
    """Answers of ``Evaluate``."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._scales: dict[tuple[str, int], Scale | None] = {}

    async def evaluate(self, request: pb.EvaluateRequest, wait_s: float) -> AsyncIterator[pb.EvaluateResponse]:
        """One response a line and receiver, then the totals.

        Raises FormatError ``argument-missing``, ``argument-invalid``, PasserelleError ``too-many-items``, and the
        errors of a look-up.
        """
        if not request.lines:
            raise FormatError("argument-missing", "The transcript has no line.", where="lines")
        if len(request.lines) > MAX_LINES:
            raise PasserelleError("too-many-items", f"A transcript has at most {MAX_LINES} lines.", where="lines")
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        must_member(self._index, request.receiver, moment.size, "receiver")
        lines = [self._held(line, number, moment.size) for number, line in enumerate(request.lines)]
        asked_on = date_or(request.valid_on, moment.date, "valid_on")
        rules, requests = self._rows(line.achievement for line in lines)
        tables = self._tables((row for rows in rules.values() for row in rows), moment.size)
        asked = Asked(asked_on, request.receiver or None, moment.known_at, tables)
        # What the core works on is immutable: in a thread a long transcript holds no other call up.
        answers = await asyncio.to_thread(evaluate_transcript, lines, rules, asked, requests_by_achievement=requests)
        titles = messages.Titles(self._index, moment.size)
        for number, answer in enumerate(answers):
            for response in self._line(answer, number, request, moment, titles):
                yield response
        yield pb.EvaluateResponse(summary=_summary(answers, request.receiver), position=moment.message())

    def _held(self, line: pb.TranscriptLine, number: int, size: int) -> Held:
        """One line as the core reads it; what is wrong with it is told by its number."""
        where = f"lines[{number}]"
        if not line.achievement or not line.completed_on:
            name = "completed_on" if line.achievement else "achievement"
            raise FormatError("argument-missing", f"The line needs {name}.", where=f"{where}.{name}")
        history = self._index.achievements.get(line.achievement)
        latest = None if history is None else history.versions.at(size)
        version = line.version or (1 if latest is None else latest[1].version)
        data = {
            "achievement": line.achievement,
            "version": version,
            "completed_on": line.completed_on,
            "ref": str(number),
            "basis": line.basis,
        }
        if line.HasField("grade"):
            data["grade"] = {"scheme": line.grade.scheme, "grade": line.grade.grade}
        if line.HasField("credits"):
            data["credits"] = {"value": line.credits.value, "system": line.credits.system}
        try:
            return held_from_data(data, where=where)
        except FormatError as error:
            raise FormatError("argument-invalid", error.what, where=error.where, fix=error.fix) from None

    def _rows(self, achievements: Iterable[str]) -> tuple[dict[str, list[Rule]], dict[str, list[Request]]]:
        index = self._index
        names = dict.fromkeys(achievements)
        rules = {name: index.with_superseding(index.by_leaf.get(name, ())) for name in names}
        return rules, {name: index.request_rows(name) for name in names}

    def _tables(self, rules: Iterable[Rule], size: int) -> Tables:
        """Scales in force at the position, and the published credits of what the rules name."""
        scales = well_known_scales()
        for scheme, said in self._index.references_of("scale", size):
            scale = self._scale(scheme, said.data)
            if scale is not None:
                scales[scheme] = scale
        named = {name for rule in rules for name in achievements_of(rule.sending)}
        values = {name: value for name in named if (value := self._credits(name, size)) is not None}
        return Tables(scales=scales, credit_values=values)

    def _scale(self, scheme: str, data: dict[str, Any]) -> Scale | None:
        """A published scale; one that contradicts itself compares nothing."""
        key = (scheme, int(data["version"]))
        if key not in self._scales:
            try:
                self._scales[key] = scale_from_data(data)
            except FormatError as error:
                _LOG.warning("a published scale cannot be used", scheme=scheme, code=error.code)
                self._scales[key] = None
        return self._scales[key]

    def _credits(self, achievement: str, size: int) -> Credits | None:
        history = self._index.achievements.get(achievement)
        found = None if history is None else history.versions.at(size)
        amounts = () if found is None else found[1].data.get("credits") or ()
        return parse_credits(amounts[0]) if amounts else None

    def _line(
        self,
        answer: LineAnswer,
        number: int,
        request: pb.EvaluateRequest,
        moment: Moment,
        titles: messages.Titles,
    ) -> Iterator[pb.EvaluateResponse]:
        """The best rule of each receiver for a line, best receiver first; one miss where no rule concerns it."""
        reference = request.lines[number].reference
        best: dict[str, LineRule] = {}
        for found in answer.rules:
            best.setdefault(found.rule.receiver, found)
        for receiver, found in best.items():
            fix = dict.fromkeys(part.achievement for part in found.fix if part.achievement is not None)
            yield pb.EvaluateResponse(
                reference=reference,
                line=number + 1,
                receiver=receiver,
                match=MATCHES[found.verdict],
                rule=messages.rule_message(self._index, found.rule, titles),
                reasons=messages.reason_messages(found.reasons),
                smallest_fix=fix,
                position=moment.message(),
            )
        if not best:
            yield pb.EvaluateResponse(
                reference=reference,
                line=number + 1,
                receiver=request.receiver,
                match=MATCHES[answer.verdict],
                reasons=messages.reason_messages(answer.reasons),
                position=moment.message(),
            )


def _summary(answers: Iterable[LineAnswer], receiver: str) -> pb.EvaluateResponse.Summary:
    """Lines by verdict; at one receiver also the credits of the rules that match, each rule once."""
    counts = dict.fromkeys(MATCHES, 0)
    totals: dict[str, Fraction] = {}
    counted: set[str] = set()
    for answer in answers:
        counts[answer.verdict] += 1
        if not receiver or answer.verdict != "match" or answer.rules[0].rule.id in counted:
            continue
        counted.add(answer.rules[0].rule.id)
        for amount in messages.credits_of(answer.rules[0].rule.outcome):
            value = totals.get(amount["system"], Fraction(0)) + parse_quantity(amount["value"])
            totals[amount["system"]] = value
    credits = [
        common_pb2.CreditValue(value=show_quantity(totals[system]), system=system)
        for system in CREDIT_SYSTEMS
        if system in totals
    ]
    return pb.EvaluateResponse.Summary(
        matched=counts["match"], maybe=counts["maybe"], missed=counts["miss"], credits=credits
    )
