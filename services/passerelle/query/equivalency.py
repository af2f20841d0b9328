"""Equivalency answers from the index: find, reverse, search, one achievement. The logic is the core's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError, NotFound
from passerelle.core.expressions import achievements_of
from passerelle.core.rules import Answer, Rule, lookup, reverse_lookup
from passerelle.query import messages
from passerelle.query.index import Index
from passerelle.query.masks import keep_only
from passerelle.query.moments import Moment, date_or, moment_at, resolve, wait_for_size
from passerelle.query.pages import Page, invalid_token, numbers, open_page
from passerelle.query.records import AchievementHistory
from passerelle.query.searching import found_achievements
from passerelle.query.traces import LookUps

NATIONAL: Final = "CA"
VERDICTS: Final = {
    "agreement": pb.VERDICT_AGREEMENT,
    "no-credit": pb.VERDICT_NO_CREDIT,
    "case-by-case": pb.VERDICT_CASE_BY_CASE,
    "under-evaluation": pb.VERDICT_UNDER_EVALUATION,
    "never-evaluated": pb.VERDICT_NEVER_EVALUATED,
}


def must_achievement(index: Index, achievement: str, size: int, where: str = "achievement") -> AchievementHistory:
    """The achievement as known at a size. Raises FormatError ``argument-missing``, NotFound ``not-found``."""
    if not achievement:
        raise FormatError("argument-missing", "Name an achievement.", where=where, fix="Give its id: <member>/<local>.")
    found = index.achievement(achievement, size)
    if found is None:
        raise NotFound("not-found", "No such achievement is in the ledger at this position.", where=where)
    return found


def must_member(index: Index, member: str, size: int, where: str) -> None:
    """Raises NotFound ``not-found`` for a member that was not admitted; an empty name asks for no one."""
    if member and not index.member_known(member, size):
        raise NotFound("not-found", "No such member is in the registry at this position.", where=where)


def holds_in(index: Index, receiver: str, rule_jurisdictions: tuple[str, ...], jurisdiction: str) -> bool:
    """Whether a recognition by ``receiver`` is one for a jurisdiction: its own, or those that the rule names."""
    named = rule_jurisdictions or index.jurisdictions(receiver)
    return not jurisdiction or jurisdiction in named or NATIONAL in named


class Equivalency:
    """Answers of EquivalencyService but for whole transcripts. ``wait_s`` is how long a call may wait."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._traces = LookUps(index)

    async def find(self, request: pb.FindRequest, wait_s: float) -> pb.FindResponse:
        """What a sending achievement counts for. Raises the errors of the service's contract."""
        page = open_page(request)
        moment, valid_on = await self._when(page, request, wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        must_member(self._index, request.receiver, moment.size, "receiver")
        answers = self._looked_up(request, valid_on, moment.known_at)
        titles = messages.Titles(self._index, moment.size)
        shown, token = self._cut(page, answers, moment, valid_on)
        response = pb.FindResponse(
            achievement=history.id,
            title=titles.of(history.id),
            answers=[self._answer(answer, titles) for answer in shown],
            next_page_token=token,
            position=moment.message(),
        )
        if request.explain and page.first:

            def here(rule: Rule) -> bool:
                return holds_in(self._index, rule.receiver, rule.jurisdictions, request.jurisdiction)

            rows = self._index.rules_naming(history.id, request.receiver or None)
            response.traces.extend(await self._traces.found(rows, history.id, valid_on, moment, here))
        keep_only(response, request.fields)
        return response

    async def reverse(self, request: pb.ReverseRequest, wait_s: float) -> pb.ReverseResponse:
        """What counts for a receiving achievement."""
        page = open_page(request)
        moment, valid_on = await self._when(page, request, wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        must_member(self._index, request.sender, moment.size, "sender")
        rules = self._index.with_superseding(self._index.by_outcome.get(history.id, ()))
        answers = [
            answer
            for answer in reverse_lookup(rules, history.id, valid_on, known_at=moment.known_at)
            if not request.sender or _sends(answer, request.sender)
        ]
        titles = messages.Titles(self._index, moment.size)
        shown, token = self._cut(page, answers, moment, valid_on)
        response = pb.ReverseResponse(
            achievement=history.id,
            title=titles.of(history.id),
            answers=[self._answer(answer, titles) for answer in shown],
            next_page_token=token,
            position=moment.message(),
        )
        if request.explain and page.first:

            def here(rule: Rule) -> bool:
                return not request.sender or _sent_by(rule, request.sender)

            response.traces.extend(await self._traces.reversed(rules, history.id, valid_on, moment, here))
        keep_only(response, request.fields)
        return response

    async def search(self, request: pb.SearchRequest, wait_s: float) -> pb.SearchResponse:
        """Achievements by words and facets; best first, then by id."""
        page = open_page(request)
        moment = await self._pinned(page, request, request.min_position, wait_s, 2)
        start = 0 if page.first else numbers(page, 2)[1]
        found = await found_achievements(self._index, request, moment.size)
        shown = found[start : start + page.size]
        end = start + len(shown)
        response = pb.SearchResponse(
            achievements=[self._achievement(self._index.achievements[name], moment.size) for name in shown],
            total=len(found),
            next_page_token=page.token(moment.size, end) if end < len(found) else "",
            position=moment.message(),
        )
        keep_only(response, request.fields)
        return response

    async def get_achievement(self, request: pb.GetAchievementRequest, wait_s: float) -> pb.GetAchievementResponse:
        """One achievement with its endorsements and the entries behind all that is said of it."""
        known_at = request.known_at if request.HasField("known_at") else None
        moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
        history = must_achievement(self._index, request.achievement, moment.size)
        size, index = moment.size, self._index
        said = [(at, version.said, history.id) for at, version in history.versions.upto(size)]
        for line in (history.retired, history.endorsements, history.outcomes):
            said += [(at, one, history.id) for at, one in line.upto(size)]
        for at, demand in history.demand.upto(size):
            found = index.reference("demand", demand, at + 1)
            said += [] if found is None else [(*found, demand)]
        endorsements = history.endorsements.upto(size)
        response = pb.GetAchievementResponse(
            achievement=self._achievement(history, size),
            endorsements=[messages.endorsement_message(index, at, one) for at, one in endorsements],
            evidence=[messages.evidence_message(*one) for one in sorted(said, key=lambda one: one[0])],
            position=moment.message(),
        )
        keep_only(response, request.fields)
        return response

    async def _when(
        self, page: Page, request: pb.FindRequest | pb.ReverseRequest, wait_s: float
    ) -> tuple[Moment, dt.date]:
        """The state and the completion date of the question; later pages keep those of the first."""
        moment = await self._pinned(page, request, request.min_position, wait_s, 3)
        if page.first:
            return moment, date_or(request.valid_on, moment.date, "valid_on")
        try:
            return moment, dt.date.fromordinal(numbers(page, 3)[1])
        except (ValueError, OverflowError):
            raise invalid_token() from None

    async def _pinned(
        self,
        page: Page,
        request: pb.FindRequest | pb.ReverseRequest | pb.SearchRequest,
        min_position: int,
        wait_s: float,
        count: int,
    ) -> Moment:
        if page.first:
            known_at = request.known_at if request.HasField("known_at") else None
            return await resolve(self._index, known_at, min_position, wait_s=wait_s)
        size = numbers(page, count)[0]
        await wait_for_size(self._index, size, wait_s)
        return moment_at(self._index, size)

    def _cut(
        self, page: Page, answers: Iterable[Answer], moment: Moment, valid_on: dt.date
    ) -> tuple[list[Answer], str]:
        """The answers of the page, and the token of the next one."""
        every = list(answers)
        start = 0 if page.first else numbers(page, 3)[2]
        shown = every[start : start + page.size]
        end = start + len(shown)
        return shown, page.token(moment.size, valid_on.toordinal(), end) if end < len(every) else ""

    def _looked_up(self, request: pb.FindRequest, valid_on: dt.date, known_at: int) -> Iterable[Answer]:
        """The core's look-up over the rules and requests of the receivers in the jurisdiction."""
        index, name, receiver = self._index, request.achievement, request.receiver or None

        def here(member: str, named: tuple[str, ...] = ()) -> bool:
            return holds_in(index, member, named, request.jurisdiction)

        rows = index.rules_naming(name, receiver)
        if not request.jurisdiction:
            return lookup(rows, index.request_rows(name), name, receiver, valid_on, known_at=known_at)
        local = {row.id for row in rows if here(row.receiver, row.jurisdictions)}
        # A rule for other places still takes the force of one that it supersedes.
        kept = [row for row in rows if row.id in local or (row.supersedes and row.supersedes.recognition in local)]
        asked = [row for row in index.request_rows(name) if here(row.receiver)]
        answers = lookup(kept, asked, name, receiver, valid_on, known_at=known_at)
        shown = [one for one in answers if one.rule is None or here(one.rule.receiver, one.rule.jurisdictions)]
        return shown or lookup((), (), name, receiver, valid_on, known_at=known_at)

    def _achievement(self, history: AchievementHistory, size: int) -> pb.Achievement:
        at = history.versions.at(size)
        if at is None:
            raise NotFound("not-found", "No such achievement is in the ledger at this position.", where="achievement")
        return messages.achievement_message(history, *at, retired=history.retired.at(size) is not None)

    def _answer(self, answer: Answer, titles: messages.Titles) -> messages.Fields:
        """See :func:`answer_fields`."""
        return answer_fields(self._index, answer, titles)


def answer_fields(index: Index, answer: Answer, titles: messages.Titles) -> messages.Fields:
    """The fields of an ``Answer``."""
    receiver = answer.receiver or ""
    fields: messages.Fields = {
        "verdict": VERDICTS[answer.kind],
        "receiver": receiver,
        "receiver_names": index.names(receiver),
        "receiver_jurisdictions": index.jurisdictions(receiver),
        "since_index": answer.since_index or 0,
        "reasons": [messages.reason_fields(one) for one in dict.fromkeys(answer.reasons)],
        "subject_to_admission": answer.subject_to_admission,
    }
    if answer.rule is not None:
        dates = {"valid_from": answer.valid_from, "valid_to": answer.valid_to}
        fields["rule"] = messages.rule_fields(answer.rule, titles, **dates)
    elif answer.request is not None:
        fields["rule"] = {"id": answer.request, "kind": "request", "receiver": receiver}
    return fields


def _sends(answer: Answer, sender: str) -> bool:
    """Whether the rule of an agreement names an achievement of the sender."""
    return answer.rule is not None and _sent_by(answer.rule, sender)


def _sent_by(rule: Rule, sender: str) -> bool:
    return any(name.partition("/")[0] == sender for name in achievements_of(rule.sending))
