"""What a draft of rules would change for transcripts: the core evaluates them twice, and nothing is published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final

import orjson

from passerelle.api.common.v1 import common_pb2
from passerelle.api.equivalency.v1 import articulation_pb2 as pb
from passerelle.api.equivalency.v1 import equivalency_pb2
from passerelle.core.catalogue import BY_NAME
from passerelle.core.errors import FormatError, PasserelleError, Refused
from passerelle.core.expressions import Held
from passerelle.core.quantity import CREDIT_SYSTEMS, parse_quantity, show_quantity
from passerelle.core.rules import Rule, recorded, rule_from_data
from passerelle.core.sending import held_from_data
from passerelle.core.transcripts import Asked, LineAnswer, evaluate_transcript
from passerelle.events.codec import check_data
from passerelle.query import articulation_rules as book
from passerelle.query import messages
from passerelle.query.equivalency import must_member
from passerelle.query.index import Index
from passerelle.query.moments import date_or, resolve
from passerelle.query.tables import TableReader

MAX_TRANSCRIPTS: Final = 200
MAX_LINES: Final = 2_000
MAX_RULES: Final = 500
MAX_RULE: Final = 64 * 1024
_RANK: Final = {"miss": 0, "maybe": 1, "match": 2}
_MATCHES: Final = {
    "match": equivalency_pb2.MATCH_MATCH,
    "maybe": equivalency_pb2.MATCH_MAYBE,
    "miss": equivalency_pb2.MATCH_MISS,
}
Rules = Mapping[str, Sequence[Rule]]


class WhatIf:
    """Answers of ``WhatIf``. ``wait_s`` is how long a call may wait."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._tables = TableReader(index)

    async def what_if(self, request: pb.WhatIfRequest, wait_s: float) -> pb.WhatIfResponse:
        """Transcript by transcript who gains and who loses.

        Raises FormatError ``argument-missing``, ``argument-invalid`` with the rule or line, PasserelleError
        ``too-many-items``, and the errors of a look-up.
        """
        _check_size(request)
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        must_member(self._index, request.receiver, moment.size, "receiver")
        asked_on = date_or(request.valid_on, moment.date, "valid_on")
        held = [self._held(one, number, moment.size) for number, one in enumerate(request.transcripts)]
        names = {line.achievement for lines in held for line in lines}
        now = {name: book.rows_naming(self._index, name) for name in names}
        # The draft is evaluated as if it were the next entry of the log, and the last one.
        kept = {name: _as_of(rows, moment.known_at) for name, rows in now.items()}
        draft = _drafted(kept, _draft_rules(request, moment.size), names)
        asked = Asked(asked_on, request.receiver, moment.known_at, self._tables.tables(moment.size))
        then = replace(asked, known_at=None)
        outcomes = []
        for transcript, lines in zip(request.transcripts, held, strict=True):
            # What the core works on is immutable: in a thread a long question holds no other call up.
            before = await asyncio.to_thread(evaluate_transcript, lines, now, asked)
            after = await asyncio.to_thread(evaluate_transcript, lines, draft, then)
            outcomes.append(_outcome(transcript, before, after))
        changes = [one.change for one in outcomes]
        return pb.WhatIfResponse(
            transcripts=outcomes,
            gain=changes.count(pb.WhatIfResponse.CHANGE_GAINS),
            lose=changes.count(pb.WhatIfResponse.CHANGE_LOSES),
            same=changes.count(pb.WhatIfResponse.CHANGE_SAME),
            position=moment.message(),
        )

    def _held(self, transcript: pb.WhatIfRequest.Transcript, number: int, size: int) -> list[Held]:
        found = []
        for place, line in enumerate(transcript.lines):
            where = f"transcripts[{number}].lines[{place}]"
            if not line.achievement or not line.completed_on:
                name = "completed_on" if line.achievement else "achievement"
                raise FormatError("argument-missing", f"The line needs {name}.", where=f"{where}.{name}")
            history = self._index.achievements.get(line.achievement)
            latest = None if history is None else history.versions.at(size)
            data: dict[str, Any] = {
                "achievement": line.achievement,
                "version": line.version or (1 if latest is None else latest[1].version),
                "completed_on": line.completed_on,
                "ref": f"{place:05d}",
                "basis": line.basis,
            }
            if line.HasField("grade"):
                data["grade"] = {"scheme": line.grade.scheme, "grade": line.grade.grade}
            if line.HasField("credits"):
                data["credits"] = {"value": line.credits.value, "system": line.credits.system}
            try:
                found.append(held_from_data(data, where=where))
            except FormatError as error:
                raise FormatError("argument-invalid", error.what, where=error.where, fix=error.fix) from None
        return found


def _check_size(request: pb.WhatIfRequest) -> None:
    for name in ("receiver", "transcripts", "rules"):
        if not getattr(request, name):
            raise FormatError("argument-missing", f"The question needs {name}.", where=name)
    lines = sum(len(one.lines) for one in request.transcripts)
    for name, count, limit in (
        ("transcripts", len(request.transcripts), MAX_TRANSCRIPTS),
        ("transcripts.lines", lines, MAX_LINES),
        ("rules", len(request.rules), MAX_RULES),
    ):
        if count > limit:
            raise PasserelleError("too-many-items", f"At most {limit} are compared at once.", where=name)


def _draft_rules(request: pb.WhatIfRequest, size: int) -> dict[str, Rule | None]:
    """The drafted rules by id; None takes a rule away. Raises FormatError ``argument-invalid`` with the rule."""
    found: dict[str, Rule | None] = {}
    for number, draft in enumerate(request.rules):
        where = f"rules[{number}]"
        if not draft.id or draft.id in found:
            raise FormatError("argument-invalid", "Each draft rule needs an id of its own.", where=f"{where}.id")
        found[draft.id] = _draft_rule(draft, request.receiver, size, where) if draft.data_json else None
    return found


def _draft_rule(draft: pb.WhatIfRequest.DraftRule, receiver: str, size: int, where: str) -> Rule:
    if len(draft.data_json) > MAX_RULE:
        raise FormatError("argument-invalid", "The rule is over the size limit.", where=where)
    try:
        data = orjson.loads(draft.data_json)
    except orjson.JSONDecodeError:
        raise FormatError("argument-invalid", "The rule is not JSON.", where=f"{where}.data_json") from None
    if not isinstance(data, dict):
        raise FormatError("argument-invalid", "The rule is not a JSON object.", where=f"{where}.data_json")
    name = "recognition.granted" if "outcome" in data else "recognition.denied"
    try:
        check_data(BY_NAME[name], data)
        rule = rule_from_data(data, recognition=draft.id, from_index=size)
    except (Refused, FormatError) as error:
        place = f"{where}.{error.where}" if error.where else where
        raise FormatError("argument-invalid", error.what, where=place, fix=error.fix) from None
    if rule.receiver != receiver:
        raise FormatError("argument-invalid", "The rule is of another receiver than the question.", where=where)
    return rule


def _as_of(rows: Iterable[Rule], known_at: int) -> list[Rule]:
    """The states recorded at a log index, as if nothing came after."""
    return [replace(rule, to_index=None) for rule in rows if recorded(rule, known_at)]


def _drafted(now: Rules, draft: Mapping[str, Rule | None], names: Iterable[str]) -> dict[str, list[Rule]]:
    """The rules as they would be: drafted ones take the place of those of their id."""
    found = {name: [rule for rule in rows if rule.id not in draft] for name, rows in now.items()}
    for rule in draft.values():
        if rule is not None:
            for name in book.sent(rule) & set(names):
                found[name].append(rule)
    return found


def _outcome(
    transcript: pb.WhatIfRequest.Transcript, before: Sequence[LineAnswer], after: Sequence[LineAnswer]
) -> pb.WhatIfResponse.Outcome:
    lines = []
    better = worse = False
    for number, (old, new) in enumerate(zip(before, after, strict=True), start=1):
        old_rule, new_rule = _rule_of(old), _rule_of(new)
        old_worth, new_worth = _worth(old), _worth(new)
        better, worse = better or new_worth > old_worth, worse or new_worth < old_worth
        if (old.verdict, old_rule) != (new.verdict, new_rule) or old_worth != new_worth:
            lines.append(
                pb.WhatIfResponse.Line(
                    line=number,
                    achievement=old.achievement,
                    before=_MATCHES[old.verdict],
                    after=_MATCHES[new.verdict],
                    rule_before=old_rule,
                    rule_after=new_rule,
                )
            )
    change = {
        (True, True): pb.WhatIfResponse.CHANGE_MIXED,
        (True, False): pb.WhatIfResponse.CHANGE_GAINS,
        (False, True): pb.WhatIfResponse.CHANGE_LOSES,
        (False, False): pb.WhatIfResponse.CHANGE_SAME,
    }[better, worse]
    return pb.WhatIfResponse.Outcome(
        reference=transcript.reference,
        change=change,
        credits_before=_credits(before),
        credits_after=_credits(after),
        lines=lines,
    )


def _rule_of(answer: LineAnswer) -> str:
    return answer.rules[0].rule.id if answer.rules else ""


def _worth(answer: LineAnswer) -> tuple[int, Fraction]:
    """What a line is worth: its verdict first, then the credit of its rule."""
    credit = Fraction(0)
    if answer.verdict == "match":
        amounts = messages.credits_of(answer.rules[0].rule.outcome)
        credit = sum((parse_quantity(amount["value"]) for amount in amounts), Fraction(0))
    return _RANK[answer.verdict], credit


def _credits(answers: Iterable[LineAnswer]) -> list[common_pb2.CreditValue]:
    """The credits of the rules that match, each rule once, by system."""
    totals: dict[str, Fraction] = {}
    counted: set[str] = set()
    for answer in answers:
        if answer.verdict != "match" or answer.rules[0].rule.id in counted:
            continue
        counted.add(answer.rules[0].rule.id)
        for amount in messages.credits_of(answer.rules[0].rule.outcome):
            system = amount["system"]
            totals[system] = totals.get(system, Fraction(0)) + parse_quantity(amount["value"])
    return [
        common_pb2.CreditValue(value=show_quantity(totals[system]), system=system)
        for system in CREDIT_SYSTEMS
        if system in totals
    ]
