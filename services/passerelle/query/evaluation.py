"""Whole transcripts against the rules of one receiver or of all: the core evaluates, this reads and tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from fractions import Fraction
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError, PasserelleError
from passerelle.core.expressions import Held, Tables, achievements_of
from passerelle.core.grades import Grade, Scale, scale_from_data, well_known_scales
from passerelle.core.quantity import CREDIT_SYSTEMS, Credits, parse_credits, parse_quantity, show_quantity
from passerelle.core.rules import Request, Rule
from passerelle.core.sending import held_from_data
from passerelle.core.transcripts import Asked, LineAnswer, LineRule, evaluate_transcript
from passerelle.query import messages
from passerelle.query.equivalency import must_member
from passerelle.query.index import Index
from passerelle.query.moments import Moment, date_or, resolve

MAX_LINES: Final = 500
MATCHES: Final = {"match": pb.MATCH_MATCH, "maybe": pb.MATCH_MAYBE, "miss": pb.MATCH_MISS}


class Evaluation:
    """Answers of ``Evaluate``."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._scales: dict[tuple[str, int], Scale | None] = {}

    async def evaluate(self, request: pb.EvaluateRequest, wait_s: float) -> AsyncIterator[pb.EvaluateResponse]:
        """One response a line and receiver, then the totals.

        Raises FormatError ``argument-missing``, ``argument-invalid``, PasserelleError ``too-many-items``, and the errors
        of a look-up.
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
        tables = self._tables({row for rows in rules.values() for row in rows}, lines, moment.size)
        asked = Asked(asked_on, request.receiver or None, moment.known_at, tables)
        answers = evaluate_transcript(lines, rules, asked, requests_by_achievement=requests)
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

    def _tables(self, rules: Iterable[Rule], lines: Iterable[Held], size: int) -> Tables:
        """Scales in force at the position, and the published credits of what the rules name."""
        scales = well_known_scales()
        for scheme, said in self._index.references_of("scale", size):
            scale = self._scale(scheme, said.data)
            if scale is not None:
                scales[scheme] = scale
        named = {name for rule in rules for name in achievements_of(rule.sending)}
        values = {name: value for name in named if (value := self._credits(name, size)) is not None}
        return Tables(scales=scales, credit_values=values)
