"""Whole transcripts against the rules of one receiver or of all: the core evaluates, this reads and tells."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.applying import Aim, Applied
from passerelle.core.errors import FormatError, NotFound, PasserelleError
from passerelle.core.expressions import Held
from passerelle.core.policy import Pack
from passerelle.core.quantity import Credits, show_quantity
from passerelle.core.reasons import Reason, reason
from passerelle.core.rules import Request, Rule
from passerelle.core.transcripts import Asked, LineAnswer, LineRule, Whole, evaluate_whole
from passerelle.query import messages
from passerelle.query.capping import Caps
from passerelle.query.equivalency import must_member
from passerelle.query.index import Index
from passerelle.query.moments import Moment, date_or, resolve
from passerelle.query.packs import Shelf
from passerelle.query.rulestore import leaf_names
from passerelle.query.tables import TableReader
from passerelle.query.traces import MATCHES, trace_message
from passerelle.query.transcripts import held_lines

MAX_LINES: Final = 500
_AT_ONCE: Final = 8
"""Lines whose rules are read before other calls have their turn."""


class Evaluation:
    """Answers of ``Evaluate``."""

    def __init__(self, index: Index, packs: tuple[Pack, ...] = ()) -> None:
        self._index = index
        self._tables = TableReader(index)
        self._shelf = Shelf(index, packs)

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
        lines = held_lines(self._index, request.lines, moment.size, "lines")
        asked_on = date_or(request.valid_on, moment.date, "valid_on")
        receiver = request.receiver or None
        aim = self._aim(request, moment.size)
        caps = self._caps(request, aim, asked_on, moment.size)
        rules, requests = await self._rows([line.achievement for line in lines], receiver)
        asked = Asked(asked_on, receiver, moment.known_at, self._tables.tables(moment.size), aim)
        # What the core works on is immutable: in a thread a long transcript holds no other call up.
        whole = await asyncio.to_thread(evaluate_whole, lines, rules, asked, requests_by_achievement=requests)
        teller = _Teller(self._index, request, moment, asked, lines, caps)
        for number, answer in enumerate(whole.lines):
            for response in teller.line(answer, number):
                yield response
        yield teller.totals(whole)

    def _aim(self, request: pb.EvaluateRequest, size: int) -> Aim | None:
        """The programme that credit shall count towards. Raises FormatError and NotFound naming ``towards``."""
        name = request.towards
        if not name:
            return None
        if not request.receiver or name.partition("/")[0] != request.receiver:
            raise FormatError(
                "argument-invalid",
                "The programme is one of the receiver named.",
                where="towards",
                fix="Name the receiver, and a programme whose id begins with it.",
            )
        history = self._index.achievement(name, size)
        found = None if history is None else history.versions.at(size)
        if found is None:
            raise NotFound("not-found", "No such programme is in the ledger at this position.", where="towards")
        version = found[1]
        components = version.data.get("components")
        courses = frozenset(leaf_names({"sending": components})) if components is not None else frozenset()
        return Aim(name, courses, version.credits[0] if version.credits else None)

    def _caps(self, request: pb.EvaluateRequest, aim: Aim | None, asked_on: dt.date, size: int) -> Caps | None:
        """The caps asked for. Raises FormatError ``argument-invalid``, NotFound ``policy-unknown``."""
        if not request.caps:
            return None
        if aim is None or aim.size is None:
            raise FormatError(
                "argument-invalid",
                "Caps are shares of a programme with published credits.",
                where="caps",
                fix="Name in towards a programme whose achievement states its credits.",
            )
        return Caps(self._shelf.choose(request.caps, asked_on, size), aim.size, asked_on)

    async def _rows(
        self, achievements: Iterable[str], receiver: str | None
    ) -> tuple[dict[str, list[Rule]], dict[str, list[Request]]]:
        index = self._index
        rules: dict[str, list[Rule]] = {}
        for number, name in enumerate(dict.fromkeys(achievements)):
            rules[name] = index.rules_naming(name, receiver)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
        return rules, {name: index.request_rows(name) for name in rules}


class _Teller:
    """From the core's answers to responses."""

    def __init__(
        self,
        index: Index,
        request: pb.EvaluateRequest,
        moment: Moment,
        asked: Asked,
        lines: Sequence[Held],
        caps: Caps | None,
    ) -> None:
        self._caps = caps
        self._index = index
        self._request = request
        self._asked = asked
        self._held = {line.ref: line for line in lines}
        self._position = moment.message()
        self._titles = messages.Titles(index, moment.size)
        self._told: dict[str, pb.Rule] = {}

    def line(self, answer: LineAnswer, number: int) -> Iterator[pb.EvaluateResponse]:
        """The best rule of each receiver for a line, best receiver first; one miss where no rule concerns it."""
        best: dict[str, LineRule] = {}
        for found in answer.rules:
            best.setdefault(found.rule.receiver, found)
        for receiver, found in best.items():
            yield self._answer(found, number, receiver)
        if not best:
            yield pb.EvaluateResponse(
                reference=self._request.lines[number].reference,
                line=number + 1,
                receiver=self._request.receiver,
                match=MATCHES[answer.verdict],
                reasons=messages.reason_messages(answer.reasons),
                position=self._position,
            )

    def _answer(self, found: LineRule, number: int, receiver: str) -> pb.EvaluateResponse:
        award = found.award
        message = pb.EvaluateResponse(
            reference=self._request.lines[number].reference,
            line=number + 1,
            receiver=receiver,
            match=MATCHES[found.verdict],
            rule=self._rule(found.rule),
            reasons=messages.reason_messages(found.reasons),
            smallest_fix=dict.fromkeys(part.achievement for part in found.fix if part.achievement is not None),
            position=self._position,
            counted=award is not None,
            credits=[] if award is None else [messages.amount_message(amount) for amount in award.credits],
            used_lines=sorted(int(ref) + 1 for ref in found.used),
        )
        if self._request.explain and found.evaluation is not None:
            message.trace.CopyFrom(trace_message(found, MATCHES[found.verdict], self._held, self._asked))
        return message

    def _rule(self, rule: Rule) -> pb.Rule:
        message = self._told.get(rule.id)
        if message is None:
            message = self._told[rule.id] = messages.rule_message(self._index, rule, self._titles)
        return message

    def totals(self, whole: Whole) -> pb.EvaluateResponse:
        """The last response: lines by verdict, and what each receiver would give for all of them together."""
        counts = dict.fromkeys(MATCHES, 0)
        for answer in whole.lines:
            counts[answer.verdict] += 1
        ranked = _ranked(whole.applied)
        own = whole.applied.get(self._request.receiver)
        summary = pb.EvaluateResponse.Summary(
            matched=counts["match"],
            maybe=counts["maybe"],
            missed=counts["miss"],
            # The credits of different receivers are no sum of anything.
            credits=[] if own is None else [messages.amount_message(amount) for amount in own.total],
            receivers=[self._total(applied) for applied in ranked],
        )
        return pb.EvaluateResponse(summary=summary, position=self._position)

    def _total(self, applied: Applied) -> pb.EvaluateResponse.ReceiverTotal:
        message = _total(applied)
        if self._caps is not None:
            self._caps.tell(message, applied, self._held)
        return message


def _ranked(applied: Mapping[str, Applied]) -> list[Applied]:
    """The receivers that give something, the most credit first; amounts compare within one system only."""

    def order(one: Applied) -> tuple[str, object, str]:
        first: Credits | None = next(iter((*one.towards, *one.total)), None)
        return ("~", 0, one.receiver) if first is None else (first.system, -first.value, one.receiver)

    return sorted((one for one in applied.values() if one.awards), key=order)


def _total(applied: Applied) -> pb.EvaluateResponse.ReceiverTotal:
    return pb.EvaluateResponse.ReceiverTotal(
        receiver=applied.receiver,
        credits=[messages.amount_message(amount) for amount in applied.total],
        towards=[messages.amount_message(amount) for amount in applied.towards],
        exact=applied.exact,
        reasons=messages.reason_messages(_bound_reasons(applied)),
        rules=[award.rule.id for award in applied.awards],
    )


def _bound_reasons(applied: Applied) -> Iterator[Reason]:
    if applied.exact:
        return
    yield reason("more-may-be-possible")
    if applied.at_most is not None:
        most = applied.at_most
        yield reason("not-more-than", most=show_quantity(most.value), system=most.system)
