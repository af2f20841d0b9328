"""Answers of ``ListRules``: the rules between senders and receivers, or between jurisdictions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

from passerelle.api.equivalency.v1 import equivalency_pb2 as pb
from passerelle.core.errors import FormatError
from passerelle.core.expressions import achievements_of
from passerelle.core.rules import Window, windows
from passerelle.query import messages
from passerelle.query.equivalency import holds_in, must_achievement, must_member
from passerelle.query.index import Index
from passerelle.query.masks import keep_only
from passerelle.query.moments import Moment, date_or, moment_at, resolve, wait_for_size
from passerelle.query.pages import invalid_token, numbers, open_page
from passerelle.query.searching import found_achievements

MAX_LOOKED_AT: Final = 20_000
"""Most rules of one page's look; beyond them the page ends early and its token goes on."""
_FILTERS: Final = ("sender", "sender_jurisdiction", "receiver", "receiver_jurisdiction", "words", "achievement")


class Listing:
    """Answers of ``ListRules``."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def list_rules(self, request: pb.ListRulesRequest, wait_s: float) -> pb.ListRulesResponse:
        """Rules in force on a date, in the order in which they were first recorded.

        Raises FormatError ``argument-missing``, ``argument-invalid``, ``page-token-invalid``, NotFound, and the errors
        of a look-up. A token holds the position of the first page, the date, and how many candidates were looked at.
        """
        if not any(getattr(request, name) for name in _FILTERS):
            raise FormatError("argument-missing", "Name a sender, a receiver, a place or a course.", where="receiver")
        page = open_page(request)
        if page.first:
            known_at = request.known_at if request.HasField("known_at") else None
            moment = await resolve(self._index, known_at, request.min_position, wait_s=wait_s)
            valid_on, start = date_or(request.valid_on, moment.date, "valid_on"), 0
        else:
            size, day, start = numbers(page, 3)
            await wait_for_size(self._index, size, wait_s)
            moment = moment_at(self._index, size)
            try:
                valid_on = dt.date.fromordinal(day)
            except (ValueError, OverflowError):
                raise invalid_token() from None
        must_member(self._index, request.receiver, moment.size, "receiver")
        must_member(self._index, request.sender, moment.size, "sender")
        names = await self._candidates(request, moment)
        shown: list[Window] = []
        at = start
        while at < len(names) and len(shown) < page.size and at - start < MAX_LOOKED_AT:
            shown.extend(self._fitting(names[at], request, moment, valid_on))
            at += 1
        titles = messages.Titles(self._index, moment.size)
        response = pb.ListRulesResponse(
            rules=[
                messages.rule_message(self._index, one.rule, titles, valid_from=one.valid_from, valid_to=one.valid_to)
                for one in shown
            ],
            next_page_token=page.token(moment.size, valid_on.toordinal(), at) if at < len(names) else "",
            position=moment.message(),
        )
        keep_only(response, request.fields)
        return response

    async def _candidates(self, request: pb.ListRulesRequest, moment: Moment) -> list[str]:
        """The rules that may fit, by the narrowest of the filters; the list grows at its end only."""
        index, receiver = self._index, request.receiver or None
        if request.achievement:
            must_achievement(index, request.achievement, moment.size)
            return index.rules.naming(request.achievement, receiver)
        if request.words:
            search = pb.SearchRequest(words=request.words, member=request.sender)
            found = await found_achievements(index, search, moment.size)
            return list(dict.fromkeys(rule for name in found for rule in index.rules.naming(name, receiver)))
        if receiver is not None:
            return list(index.by_receiver.get(receiver, ()))
        members = [
            member
            for member in index.standings
            if not request.receiver_jurisdiction or holds_in(index, member, (), request.receiver_jurisdiction)
        ]
        return [rule for member in sorted(members) for rule in index.by_receiver.get(member, ())]

    def _fitting(self, name: str, request: pb.ListRulesRequest, moment: Moment, valid_on: dt.date) -> Iterator[Window]:
        index = self._index
        for window in windows(index.with_superseding([name]), moment.known_at):
            rule = window.rule
            if rule.id != name or not window.holds_on(valid_on):
                continue
            if not holds_in(index, rule.receiver, rule.jurisdictions, request.receiver_jurisdiction):
                continue
            senders = {one.partition("/")[0] for one in achievements_of(rule.sending)}
            if request.sender and request.sender not in senders:
                continue
            place = request.sender_jurisdiction
            if place and not any(holds_in(index, sender, (), place) for sender in senders):
                continue
            yield window
